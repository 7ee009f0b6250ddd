//! Bindings over reloads: a number that a cache still holds never means another plugin, and never lets a message of a
//! bound subject through unjudged.

use forebay_broker::hooks::{TransformHook, TransformVerdict};
use forebay_plugin_host::{PluginSet, TransformBinding};

use crate::fixture::{Fixture, message};
use crate::guest::transforming;

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
    assert_eq!(thread.transform_all(&cached, &message("a", b"")), TransformVerdict::Drop);
    let fresh = fixture.host.bindings().transforms_for("$G", b"a");
    assert_ne!(cached, fresh);
    assert_eq!(thread.transform_all(&fresh, &message("a", b"")), TransformVerdict::Drop);

    // The plugin is gone: its messages pass.
    fixture.host.apply(&PluginSet::default()).unwrap();
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
