//! Generations published under full load: no call fails, and each answer is whole, of exactly one generation.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use forebay_broker::hooks::{TransformHook, TransformVerdict};
use forebay_plugin_host::{ThreadPlugins, TransformBinding, TransformPolicy};
use serde_json::json;

use crate::fixture::{Fixture, message};
use crate::guest::config_as_payload;

const GENERATIONS: u64 = 100;
const CALLERS: u64 = 2;

/// Publishes a version: each has another config, and every tenth another file as well.
fn publish(fixture: &Fixture, version: u64) {
    let wasm = config_as_payload(version / 10);
    let report = fixture.apply(&wasm, |set| {
        set.plugins[0].config = Some(json!({ "v": version }));
        let stamped = TransformBinding { stamp: true, ..TransformBinding::new("p", &[">"]) };
        set.transforms.push(TransformBinding { on_error: TransformPolicy::Reject, ..stamped });
    });
    assert_eq!(report.unwrap().plugins[0].generation, version);
}

/// Calls until all is done: the versions that it saw, which never go back.
fn call_on(thread: &mut ThreadPlugins, calls: &AtomicU64, done: &AtomicBool) -> BTreeSet<u64> {
    let (mut last, mut seen) = (0, BTreeSet::new());
    while !done.load(Ordering::Relaxed) {
        let version = call(thread);
        assert!(version >= last, "{version} after {last}");
        seen.insert(version);
        last = version;
        calls.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

/// One call; the version in the payload must be the one in the stamp.
fn call(thread: &mut ThreadPlugins) -> u64 {
    thread.refresh();
    let verdict = thread.transform_all(&[0], &message("a", b"x"));
    let TransformVerdict::Replace(emits) = verdict else { panic!("{verdict:?}") };
    let payload: serde_json::Value = serde_json::from_slice(emits[0].payload.as_ref().unwrap()).unwrap();
    let headers = String::from_utf8(emits[0].headers.clone().unwrap()).unwrap();
    let stamp = headers.trim_end().rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(payload["v"], stamp, "{headers}");
    assert_eq!(headers.matches("Forebay-Plugin: p@").count(), 1);
    stamp
}

#[test]
fn a_hundred_generations_under_load_fail_no_call() {
    let fixture = Fixture::new();
    publish(&fixture, 1);
    let (calls, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let seen = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let mut thread = fixture.host.thread();
                let (calls, done) = (&calls, &done);
                scope.spawn(move || call_on(&mut thread, calls, done))
            })
            .collect();
        for version in 1..=GENERATIONS {
            if version > 1 {
                publish(&fixture, version);
            }
            // More calls than were under way: one of them began after the publication.
            let enough = calls.load(Ordering::Relaxed) + CALLERS + 1;
            while calls.load(Ordering::Relaxed) < enough && !callers.iter().any(|caller| caller.is_finished()) {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect::<BTreeSet<u64>>()
    });
    let counts = fixture.counts();
    assert_eq!(counts.errors().map(|(_, count)| count).sum::<u64>(), 0);
    assert_eq!(counts.reloads_ok, GENERATIONS - 1);
    assert_eq!(seen, (1..=GENERATIONS).collect());
}
