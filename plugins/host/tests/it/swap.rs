//! Generations published under full load: no call fails, and each answer is whole, of exactly one generation.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use forebay_broker::hooks::{TransformHook, TransformVerdict};
use forebay_plugin_host::{TransformBinding, TransformPolicy};
use serde_json::json;

use crate::fixture::{Fixture, message};
use crate::guest::config_as_payload;

const GENERATIONS: u64 = 100;

#[test]
fn a_hundred_generations_under_load_fail_no_call() {
    let fixture = Fixture::new();
    let wasm = config_as_payload();
    let publish = |version: u64| {
        let report = fixture.apply(&wasm, |set| {
            set.plugins[0].config = Some(json!({ "v": version }));
            let stamped = TransformBinding { stamp: true, ..TransformBinding::new("p", &[">"]) };
            set.transforms.push(TransformBinding { on_error: TransformPolicy::Reject, ..stamped });
        });
        assert_eq!(report.unwrap().plugins[0].generation, version);
    };
    publish(1);
    let done = AtomicBool::new(false);
    let (calls, seen) = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let mut thread = fixture.host.thread();
                let done = &done;
                scope.spawn(move || {
                    let (mut calls, mut last, mut seen) = (0_u64, 0, BTreeSet::new());
                    while !done.load(Ordering::Relaxed) || calls == 0 {
                        let version = call(&mut thread);
                        assert!(version >= last, "{version} after {last}");
                        seen.insert(version);
                        (calls, last) = (calls + 1, version);
                    }
                    (calls, seen)
                })
            })
            .collect();
        (2..=GENERATIONS).for_each(publish);
        done.store(true, Ordering::Relaxed);
        let mut total = (0, BTreeSet::new());
        for caller in callers {
            let (calls, seen) = caller.join().unwrap();
            total.0 += calls;
            total.1.extend(seen);
        }
        total
    });
    let counts = fixture.counts();
    assert_eq!(counts.errors().map(|(_, count)| count).sum::<u64>(), 0);
    assert_eq!(counts.reloads_ok, GENERATIONS - 1);
    assert!(calls >= GENERATIONS && seen.len() > 20, "{calls} calls saw {} generations", seen.len());
}

/// One call; the version in the payload must be the one in the stamp.
fn call(thread: &mut impl TransformHook) -> u64 {
    let verdict = thread.transform_all(&[0], &message("a", b"x"));
    let TransformVerdict::Replace(emits) = verdict else { panic!("{verdict:?}") };
    let payload: serde_json::Value = serde_json::from_slice(emits[0].payload.as_ref().unwrap()).unwrap();
    let headers = String::from_utf8(emits[0].headers.clone().unwrap()).unwrap();
    let stamp = headers.trim_end().rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(payload["v"], stamp, "{headers}");
    assert_eq!(headers.matches("Forebay-Plugin: p@").count(), 1);
    stamp
}
