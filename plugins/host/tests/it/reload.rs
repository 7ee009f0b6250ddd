//! Sets that are refused: with the reason, whole, and with the old set running on.

use forebay_broker::hooks::{TransformHook, TransformVerdict};
use forebay_plugin_host::manifest::Expect;
use forebay_plugin_host::{FilterBinding, PluginSet, Selftest, TransformBinding, TransformPolicy, Wasi, reload};
use serde_json::json;

use crate::fixture::{Fixture, message, transform};
use crate::guest::{both, compiled, config_as_payload, transforming};

const DROP: &str = "(i64.const 1)";

/// A host whose plugin `p` drops everything, and a check that it still does.
fn dropping() -> (Fixture, impl Fn(&Fixture)) {
    let fixture = Fixture::with(&transforming(DROP), transform(TransformPolicy::Reject));
    let check = |fixture: &Fixture| {
        assert_eq!(fixture.host.thread().transform(0, &message("a", b"")), TransformVerdict::Drop);
        assert_eq!(fixture.host.plugins()[0].generation, 1);
    };
    (fixture, check)
}

#[test]
fn a_broken_file_is_refused_with_the_reason_and_the_old_one_runs_on() {
    let (fixture, still_drops) = dropping();
    let cut_short = &both(DROP)[..100];
    let importing = |import: &str| wat::parse_str(with_import(import)).unwrap();
    let wasi = importing(r#"(import "wasi_snapshot_preview1" "fd_write" (func))"#);
    let foreign = importing(r#"(import "env" "clock" (func))"#);
    let invalid = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x06\x01\x04\0\x41\x01\x0b";
    let mut failed = 0;
    for (wasm, want) in [
        (b"not wasm at all".to_vec(), "not a WebAssembly module"),
        (cut_short.to_vec(), "WebAssembly module"),
        (Vec::new(), "WebAssembly module"),
        (invalid.to_vec(), "not a forebay plugin"),
        (wasi, "fd_write"),
        (foreign, "unknown import \"env::clock\""),
    ] {
        let error = fixture.apply(&wasm, transform(TransformPolicy::Reject)).unwrap_err().to_string();
        assert!(error.contains(want) && error.contains("plugin \"p\""), "{want}: {error}");
        failed += 1;
        assert_eq!(fixture.counts().reloads_failed, failed);
        still_drops(&fixture);
    }
    assert_eq!(fixture.counts().reloads_ok, 0);
}

/// A module with the sections and exports that are needed, and an import at its front.
fn with_import(import: &str) -> String {
    format!(
        r#"(module {import} (memory (export "memory") 2)
        (func (export "forebay_buf") (param i32) (result i32) i32.const 8)
        (func (export "forebay_transform") (param i32) (result i64) i64.const 1)
        (@custom "forebay.plugin" "{{\"abi\":\"forebay/1\",\"kind\":\"transform\"}}"))"#
    )
}

#[test]
fn code_that_does_not_compile_is_refused() {
    let (fixture, still_drops) = dropping();
    let wrong = r#"(module (memory (export "memory") 1)
        (func (export "forebay_buf") (param i32) (result i32) i64.const 8)
        (func (export "forebay_transform") (param i32) (result i64) i64.const 1)
        (@custom "forebay.plugin" "{\"abi\":\"forebay/1\",\"kind\":\"transform\"}"))"#;
    let error = fixture.apply(&wat::parse_str(wrong).unwrap(), transform(TransformPolicy::Reject)).unwrap_err();
    assert!(error.to_string().contains("does not compile"), "{error}");
    still_drops(&fixture);
}

#[test]
fn a_config_that_the_plugin_refuses_is_refused_in_its_words() {
    let fixture = Fixture::new();
    let apply = |config| fixture.apply(&compiled("testbed"), |set| set.plugins[0].config = config);
    apply(Some(json!({ "tag": "one" }))).unwrap();
    for (config, want) in [
        (json!({ "refuse": "not like this" }), "its config is refused: not like this"),
        (json!({ "tag": 7 }), "expected a string"),
        (json!({ "tog": "x" }), "unknown field `tog`"),
        (json!({ "panic": true }), "panicked at"),
    ] {
        let error = apply(Some(config)).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    assert_eq!(fixture.host.plugins()[0].generation, 1);
    assert_eq!(fixture.counts().reloads_failed, 4);
    let report = apply(Some(json!({ "tag": "two" }))).unwrap();
    assert_eq!((report.plugins[0].generation, report.plugins[0].changed), (2, true));
    assert_eq!(fixture.counts().reloads_ok, 1);
}

#[test]
fn a_config_without_init_is_refused() {
    let error = Fixture::new().apply(&both(DROP), |set| set.plugins[0].config = Some(json!({}))).unwrap_err();
    assert!(error.to_string().contains("takes no config"), "{error}");
}

#[test]
fn what_did_not_change_is_no_new_generation() {
    let fixture = Fixture::with(&both(DROP), transform(TransformPolicy::Reject));
    let report = fixture.apply(&both(DROP), transform(TransformPolicy::Pass)).unwrap();
    assert_eq!((report.plugins[0].generation, report.plugins[0].changed), (1, false));
    assert_eq!(fixture.counts().reloads_ok, 0);
    let report =
        fixture.apply(&both(DROP), |set| set.plugins[0].timeout = std::time::Duration::from_millis(7)).unwrap();
    assert_eq!((report.plugins[0].generation, report.plugins[0].changed), (2, true));
}

#[test]
fn a_pinned_hash_is_held() {
    let fixture = Fixture::new();
    let pin = |pin: String| fixture.apply(&both(DROP), |set| set.plugins[0].sha256 = Some(pin));
    let error = pin("0".repeat(64)).unwrap_err().to_string();
    assert!(error.contains("its sha256 is") && error.contains("pins 000"), "{error}");
    let right = forebay_plugin_host::artifact::sha256(&both(DROP));
    assert_eq!(pin(right.to_uppercase()).unwrap().plugins[0].sha256, right);
}

#[test]
fn a_set_is_published_whole_or_not_at_all() {
    let (fixture, still_drops) = dropping();
    let mut set = PluginSet {
        plugins: vec![fixture.plugin("p", &transforming("(i64.const 0)")), fixture.plugin("q", b"broken")],
        ..PluginSet::default()
    };
    set.plugins.push(fixture.plugin("r", b"broken too"));
    let error = fixture.host.apply(&set).unwrap_err();
    assert_eq!(error.reasons.len(), 2, "each reason is told: {error}");
    still_drops(&fixture);
}

#[test]
fn bindings_ask_plugins_for_what_they_do() {
    let fixture = Fixture::new();
    let only_transform = wat::parse_str(with_import("")).unwrap();
    let error = fixture
        .apply(&only_transform, |set| set.filters.push(FilterBinding::new("p", "S", "C")))
        .unwrap_err()
        .to_string();
    assert!(error.contains("[[filters]] needs a plugin with a filter, and \"p\" has none"), "{error}");
    let error = fixture.apply(&only_transform, |set| set.transforms.push(TransformBinding::new("x", &["a"])));
    assert!(error.unwrap_err().to_string().contains("names the plugin \"x\""));
}

#[test]
fn selftests_decide_whether_a_generation_runs() {
    let case = |subject: &str, expect| Selftest { subject: subject.into(), payload: b"{}".to_vec(), expect };
    let (fixture, still_drops) = dropping();
    let apply = |cases: Vec<Selftest>| {
        fixture.apply(&compiled("testbed"), |set| {
            set.plugins[0].selftests = cases;
            transform(TransformPolicy::Reject)(set);
        })
    };
    let replaced = |subject: &str| Expect::Replace { subject: Some(subject.into()), payload: None };
    for (cases, want) in [
        (
            vec![case("x.pass", Expect::Pass), case("x.drop", Expect::Pass)],
            "selftest 2 (subject \"x.drop\") expects Pass and got Drop",
        ),
        (vec![case("x.panic", Expect::Pass)], "got an error: panicked"),
        (vec![case("x.rename", replaced("y"))], "got Replace { subject: Some(\"renamed\")"),
        (vec![case("x.skip", Expect::Deliver)], "expects Deliver and got Skip"),
    ] {
        let error = apply(cases).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        still_drops(&fixture);
    }
    let all = vec![
        case("x.pass", Expect::Pass),
        case("x.drop", Expect::Drop),
        case("x.reject", Expect::Reject),
        case("x.rename", replaced("renamed")),
        case("x.skip", Expect::Skip),
        case("x.keep", Expect::Deliver),
    ];
    assert_eq!(apply(all).unwrap().plugins[0].generation, 2);
}

#[test]
fn a_plugin_taken_out_stops_and_keeps_its_counts() {
    let (fixture, _) = dropping();
    let mut thread = fixture.host.thread();
    assert_eq!(thread.transform(0, &message("a", b"")), TransformVerdict::Drop);
    let report = fixture.host.apply(&PluginSet::default()).unwrap();
    assert_eq!(report.removed, ["p"]);
    thread.refresh();
    assert_eq!(thread.transform(0, &message("a", b"")), TransformVerdict::Pass);
    assert!(fixture.host.plugins().is_empty() && fixture.host.bindings().is_empty());
    assert_eq!(fixture.counts().calls_of("transform", "drop"), 1);
    // And it comes back under its number, as a newer generation.
    fixture.apply(&transforming(DROP), transform(TransformPolicy::Reject)).unwrap();
    assert_eq!(fixture.host.plugins()[0].generation, 2);
    thread.refresh();
    assert_eq!(thread.transform(0, &message("a", b"")), TransformVerdict::Drop);
}

#[test]
fn a_refusal_that_is_no_plugins_own_counts_for_each_that_runs() {
    let (fixture, still_drops) = dropping();
    fixture.host.count_refused();
    assert_eq!(fixture.counts().reloads_failed, 1);
    // A set that names a plugin twice, and a plugin that is bound to what it does not do.
    let plugin = fixture.plugin("p", &transforming(DROP));
    fixture.host.apply(&PluginSet { plugins: vec![plugin.clone(), plugin], ..PluginSet::default() }).unwrap_err();
    assert_eq!(fixture.counts().reloads_failed, 2);
    let only_transform = wat::parse_str(with_import("")).unwrap();
    fixture.apply(&only_transform, |set| set.filters.push(FilterBinding::new("p", "S", "C"))).unwrap_err();
    assert_eq!(fixture.counts().reloads_failed, 3);
    still_drops(&fixture);
}

#[test]
fn the_config_reaches_each_thread() {
    let fixture = Fixture::new();
    let apply = |v: u8| {
        fixture.apply(&config_as_payload(0), |set| {
            set.plugins[0].config = Some(json!({ "v": v }));
            transform(TransformPolicy::Reject)(set);
        })
    };
    apply(1).unwrap();
    let mut threads = [fixture.host.thread(), fixture.host.thread()];
    for v in 1..=2_u8 {
        apply(v).unwrap();
        for thread in &mut threads {
            thread.refresh();
            let TransformVerdict::Replace(emits) = thread.transform(0, &message("a", b"")) else { panic!() };
            assert_eq!(emits[0].payload, Some(format!("{{\"v\":{v}}}").into_bytes()));
        }
    }
}

#[test]
fn a_wasi_program_runs_only_with_functions_that_fail() {
    // Traps unless fd_write answers 52, ENOSYS.
    let import = r#"(import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    let text = with_import(import).replace(
        "i64.const 1)",
        "(if (i32.ne (i32.const 52) (call $w (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))) (then unreachable))
         (call $exit (i32.const 0)) i64.const 1)",
    );
    let fixture = Fixture::new();
    fixture
        .apply(&wat::parse_str(text).unwrap(), |set| {
            set.plugins[0].wasi = Wasi::DenyAll;
            transform(TransformPolicy::Reject)(set);
        })
        .unwrap();
    let verdict = fixture.host.thread().transform(0, &message("a", b""));
    assert!(matches!(&verdict, TransformVerdict::Reject(why) if why.contains("proc_exit")), "{verdict:?}");
}

#[test]
fn a_file_tells_what_it_is_without_being_run() {
    let fixture = Fixture::new();
    let path = fixture.write("t.wasm", &compiled("testbed"));
    let inspection = reload::inspect(&path, Wasi::Refuse).unwrap();
    assert_eq!(inspection.section.name, "forebay-testbed");
    assert_eq!(inspection.section.kinds(), ["transform", "filter"]);
    assert!(inspection.section.init);
}
