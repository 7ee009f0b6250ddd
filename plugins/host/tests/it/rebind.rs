//! Bindings over reloads: a number that a cache still holds never means another plugin, and never lets a message of a
//! bound subject through unjudged.

use forebay_broker::hooks::{TransformHook, TransformVerdict, Transforms};
use forebay_plugin_host::{PluginSet, TransformBinding, TransformPolicy};

use crate::fixture::{Fixture, message};
use crate::guest::{compiled, transforming};

fn set(fixture: &Fixture, bindings: &[(&str, &[&str])]) -> PluginSet {
    PluginSet {
        plugins: vec![
            fixture.plugin("drops", &transforming("(i64.const 1)")),
            fixture.plugin("rejects", &transforming("(i64.const 2)")),
        ],
        transforms: bindings.iter().map(|(plugin, subjects)| TransformBinding::new(*plugin, subjects)).collect(),
        ..PluginSet::default()
    }
}

#[test]
fn a_stale_number_runs_the_plugin_it_meant() {
    let fixture = Fixture::new();
    fixture.host.apply(&set(&fixture, &[("drops", &["a"])])).unwrap();
    let cached = fixture.host.bindings().transforms_for("$G", b"a");
    let mut thread = fixture.host.thread();
    assert_eq!(thread.transform_all(&cached, &message("a", b"")), TransformVerdict::Drop);

    // The file is rewritten: another plugin comes first, and the old binding has one more subject.
    fixture.host.apply(&set(&fixture, &[("rejects", &["b"]), ("drops", &["a", "c"])])).unwrap();
    thread.refresh();
    assert_eq!(thread.transform_all(&cached, &message("a", b"")), TransformVerdict::Drop);
    let fresh = fixture.host.bindings().transforms_for("$G", b"a");
    assert_ne!(cached, fresh);
    assert_eq!(thread.transform_all(&fresh, &message("a", b"")), TransformVerdict::Drop);

    // The plugin is gone: its messages pass, from the next batch on.
    fixture.host.apply(&PluginSet::default()).unwrap();
    assert_eq!(thread.transform_all(&cached, &message("a", b"")), TransformVerdict::Drop);
    thread.refresh();
    assert_eq!(thread.transform_all(&cached, &message("a", b"")), TransformVerdict::Pass);
    assert_eq!(thread.transform_all(&fresh, &message("a", b"")), TransformVerdict::Pass);
}

#[test]
fn the_same_binding_keeps_its_number() {
    let fixture = Fixture::new();
    fixture.host.apply(&set(&fixture, &[("drops", &["a"]), ("rejects", &["a"])])).unwrap();
    let before = fixture.host.bindings().transforms_for("$G", b"a");
    let generation = fixture.host.generation();
    fixture.host.apply(&set(&fixture, &[("rejects", &["a"]), ("drops", &["a"])])).unwrap();
    let after = fixture.host.bindings().transforms_for("$G", b"a");
    assert_eq!(before.iter().rev().copied().collect::<Vec<_>>(), after.to_vec(), "only the order changed");
    assert_ne!(fixture.host.generation(), generation);
    assert_eq!(fixture.host.bindings().generation(), fixture.host.generation());
}

#[test]
fn transforms_run_in_file_order() {
    let fixture = Fixture::new();
    fixture.host.apply(&set(&fixture, &[("drops", &["a"]), ("rejects", &["a"])])).unwrap();
    let numbers = fixture.host.bindings().transforms_for("$G", b"a");
    assert_eq!(fixture.host.thread().transform_all(&numbers, &message("a", b"")), TransformVerdict::Drop);
    fixture.host.apply(&set(&fixture, &[("rejects", &["a"]), ("drops", &["a"])])).unwrap();
    let numbers = fixture.host.bindings().transforms_for("$G", b"a");
    let verdict = fixture.host.thread().transform_all(&numbers, &message("a", b""));
    assert!(matches!(verdict, TransformVerdict::Reject(_)));
}

#[test]
fn a_number_that_nobody_gave_passes() {
    let fixture = Fixture::new();
    assert_eq!(fixture.host.thread().transform(7, &message("a", b"")), TransformVerdict::Pass);
}

#[test]
fn one_set_judges_a_batch_whole() {
    // In one edit the plugin gets another name: whoever has looked up the old one's number still has the old one.
    let fixture = Fixture::new();
    fixture.host.apply(&set(&fixture, &[("drops", &["a"])])).unwrap();
    let mut thread = fixture.host.thread();
    let cached = thread.transforms_for("$G", b"a");
    let renamed = PluginSet {
        plugins: vec![fixture.plugin("still_drops", &transforming("(i64.const 1)"))],
        transforms: vec![TransformBinding::new("still_drops", &["a"])],
        ..PluginSet::default()
    };
    fixture.host.apply(&renamed).unwrap();
    assert_eq!(thread.transform_all(&cached, &message("a", b"")), TransformVerdict::Drop);
    assert_eq!(thread.transforms_for("$G", b"a"), cached);
    thread.refresh();
    let fresh = thread.transforms_for("$G", b"a");
    assert_ne!(fresh, cached);
    assert_eq!(thread.transform_all(&fresh, &message("a", b"")), TransformVerdict::Drop);
}

#[test]
fn a_breaker_outlives_a_reload_that_leaves_its_plugin_alone() {
    let fixture = Fixture::new();
    let fail = |config: Option<serde_json::Value>, subjects: &[&str], on_error| {
        let mut set = PluginSet { plugins: vec![fixture.plugin("p", &compiled("testbed"))], ..PluginSet::default() };
        set.plugins[0].config = config;
        set.transforms.push(TransformBinding { on_error, ..TransformBinding::new("p", subjects) });
        fixture.host.apply(&set).unwrap();
    };
    fail(None, &["x.>"], TransformPolicy::Reject);
    let mut thread = fixture.host.thread();
    (0..5).for_each(|_| drop(thread.transform(0, &message("x.panic", b""))));
    assert_eq!(fixture.breakers_open(), 1);
    // Another policy: the plugin is as bad as it was.
    fail(None, &["x.>"], TransformPolicy::Pass);
    thread.refresh();
    assert_eq!(fixture.breakers_open(), 1);
    assert_eq!(thread.transform(0, &message("x.drop", b"")), TransformVerdict::Pass, "by the new policy");
    // Another binding: the old one's breaker is nobody's any more, and is not counted.
    fail(None, &["y.>"], TransformPolicy::Pass);
    assert_eq!(fixture.breakers_open(), 0);
    // Back again, nothing else changed; and then another config, which may have mended it.
    fail(None, &["x.>"], TransformPolicy::Pass);
    assert_eq!(fixture.breakers_open(), 1);
    fail(Some(serde_json::json!({ "tag": "mended" })), &["x.>"], TransformPolicy::Pass);
    thread.refresh();
    assert_eq!(fixture.breakers_open(), 0);
    assert_eq!(thread.transform(0, &message("x.drop", b"")), TransformVerdict::Drop);
}
