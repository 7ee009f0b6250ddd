//! The bundled plugins as they are shipped: compiled to WebAssembly, configured, over the real data set.

use std::collections::BTreeSet;

use forebay_broker::hooks::{FilterHook, FilterVerdict, MessageRef, TransformHook, TransformVerdict};
use forebay_plugin_host::{FilterPolicy, TransformPolicy};
use serde_json::{Value, json};

use crate::fixture::{Fixture, filter, message, repository, transform};
use crate::guest::compiled;

fn strikes() -> Vec<String> {
    let path = repository().join("examples/data/strikes.jsonl");
    let data = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    data.lines().map(str::to_string).collect()
}

#[test]
fn redact_sorts_the_strikes_and_hides_the_operator() {
    let fixture = Fixture::with(&compiled("redact"), |set| {
        set.plugins[0].config = Some(json!({ "hash": ["operator"], "subject": "strikes.{state}.{size}" }));
        transform(TransformPolicy::Reject)(set);
    });
    let mut thread = fixture.host.thread();
    let mut subjects = BTreeSet::new();
    for line in strikes() {
        let verdict = thread.transform_all(&[0], &message("faa.strikes", line.as_bytes()));
        let TransformVerdict::Replace(emits) = verdict else { panic!("{verdict:?}") };
        let [emit] = emits.as_slice() else { panic!("one message") };
        let before: Value = serde_json::from_str(&line).unwrap();
        let after: Value = serde_json::from_slice(emit.payload.as_ref().unwrap()).unwrap();
        assert_ne!(before["operator"], after["operator"]);
        assert_eq!(after["operator"].as_str().unwrap().len(), 32);
        let subject = String::from_utf8(emit.subject.clone().unwrap()).unwrap();
        let want = format!("strikes.{}.{}", before["state"].as_str().unwrap(), before["size"].as_str().unwrap());
        assert_eq!(subject, want.to_lowercase().replace(' ', "_"));
        subjects.insert(subject);
    }
    let states: BTreeSet<_> = subjects.iter().map(|subject| subject.split('.').nth(1).unwrap()).collect();
    assert_eq!(states.len(), 29);
    let nonsense = thread.transform_all(&[0], &message("faa.strikes", b"nonsense"));
    assert!(matches!(&nonsense, TransformVerdict::Reject(why) if why.contains("not a JSON object")), "{nonsense:?}");
    assert_eq!(fixture.breakers_open(), 0);
}

#[test]
fn json_filter_keeps_the_damaged_ones_alone_and_in_batches() {
    let fixture = Fixture::with(&compiled("json_filter"), |set| {
        set.plugins[0].config = Some(json!({ "field": "damage", "op": "!=", "value": "None" }));
        filter(FilterPolicy::Deliver)(set);
    });
    let mut thread = fixture.host.thread();
    let lines = strikes();
    let messages: Vec<MessageRef<'_>> = lines.iter().map(|line| message("strikes.a.b", line.as_bytes())).collect();
    for batch in [1, 7, 64] {
        let kept: u32 = messages
            .chunks(batch)
            .map(|batch| match thread.filter(0, batch) {
                FilterVerdict::Deliver(bits) => bits.count_ones(),
                FilterVerdict::Pause => panic!("paused"),
            })
            .sum();
        assert_eq!(kept, 426, "in batches of {batch}");
    }
    let counts = fixture.counts();
    assert_eq!((counts.calls_of("filter", "deliver"), counts.calls_of("filter", "skip")), (3 * 426, 3 * 3574));
    // What is no JSON goes by the policy, and the rest of its batch by the filter.
    let mixed = [message("a", b"nonsense"), message("a", br#"{"damage":"None"}"#), message("a", br#"{}"#)];
    assert_eq!(thread.filter(0, &mixed), FilterVerdict::Deliver(0b101));
}

#[test]
fn a_config_that_is_none_is_refused() {
    for (name, config, want) in [
        ("redact", None, "nothing to do"),
        ("redact", Some(json!({ "hash": "operator" })), "expected a sequence"),
        ("json_filter", None, "either field"),
        ("json_filter", Some(json!({ "field": "a", "op": "=>", "value": 1 })), "unknown variant `=>`"),
    ] {
        let error = Fixture::new().apply(&compiled(name), |set| set.plugins[0].config = config).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
    }
}
