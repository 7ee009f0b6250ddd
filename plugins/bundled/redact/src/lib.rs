//! `redact`: a transform for JSON messages. It hashes or drops fields, and can put fields' values into the subject.
//!
//! ```toml
//! [plugins.redact]
//! file = "redact.wasm"
//! config = { hash = ["operator"], drop = ["pilot.name"], subject = "strikes.{state}.{size}" }
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `hash` | fields whose values become the first 32 hexadecimal digits of their SHA-256; `null` stays |
//! | `key` | makes that an HMAC-SHA-256: without it, a value out of a short list can be guessed |
//! | `drop` | fields that go |
//! | `subject` | the new subject; `{field}` is the field's value, in lower case, `_` for what a token may not hold and for a value that is missing, empty, an object or a list |
//!
//! A field of an object within is named with dots: `pilot.name`. All other fields keep their order and their exact text,
//! numbers too. A payload that is no JSON object is not judged: the binding's `on_error` decides.

mod hash;
mod object;
mod rules;
mod template;

use std::sync::OnceLock;

use forebay_sdk::{Action, init, transform};

use crate::object::Object;
use crate::rules::{Config, Rules};

static RULES: OnceLock<Rules> = OnceLock::new();

#[init]
fn configure(config: Config) -> Result<(), String> {
    RULES.set(config.compile()?).map_err(|_| "configured twice".into())
}

#[transform]
fn redact(payload: &[u8]) -> Action {
    match RULES.get() {
        Some(rules) => apply(rules, payload),
        None => Action::fail("not configured"),
    }
}

fn apply(rules: &Rules, payload: &[u8]) -> Action {
    let object: Object<'_> = match serde_json::from_slice(payload) {
        Ok(object) => object,
        Err(error) => return Action::fail(format!("the payload is not a JSON object: {error}")),
    };
    let action = match &rules.subject {
        Some(template) => Action::subject(template.fill(&object, &rules.hasher)),
        None => Action::pass(),
    };
    match rules.fields.redacted(&object, &rules.hasher) {
        Some(payload) => action.payload(payload),
        None => action,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use forebay_sdk::Emit;

    use super::*;

    fn rules(config: &str) -> Rules {
        serde_json::from_str::<Config>(config).unwrap().compile().unwrap()
    }

    fn run(config: &str, payload: &str) -> Emit {
        match apply(&rules(config), payload.as_bytes()) {
            Action::Replace(mut emits) => emits.remove(0),
            Action::Pass => Emit::default(),
            other => panic!("{other:?}"),
        }
    }

    fn payload(config: &str, payload: &str) -> String {
        String::from_utf8(run(config, payload).payload.unwrap()).unwrap()
    }

    #[test]
    fn other_fields_keep_their_order_and_their_exact_text() {
        let text =
            r#"{"z":1.50,"secret":"x","a":1e400,"n":12345678901234567890123,"s":"\u00e9\/","o":{ "k" : [1, 2] }}"#;
        assert_eq!(
            payload(r#"{"drop":["secret"]}"#, text),
            r#"{"z":1.50,"a":1e400,"n":12345678901234567890123,"s":"\u00e9\/","o":{ "k" : [1, 2] }}"#
        );
    }

    #[test]
    fn hashes_are_of_the_value_and_null_stays() {
        // printf MILITARY | sha256sum
        let want = r#"{"a":"5fd5b2b1b3be54a58a5a2ef02e95f4f9","b":null}"#.len();
        let text = payload(r#"{"hash":["a","b"]}"#, r#"{"a":"MILITARY","b":null}"#);
        assert_eq!(text.len(), want);
        assert!(text.starts_with("{\"a\":\"") && text.ends_with("\",\"b\":null}") && !text.contains("MILITARY"));
        // Escapes do not make another value.
        assert_eq!(text, payload(r#"{"hash":["a","b"]}"#, r#"{"a":"\u004dILITARY","b":null}"#));
        let keyed = payload(r#"{"hash":["a"],"key":"k"}"#, r#"{"a":"MILITARY","b":null}"#);
        assert_ne!(text, keyed);
    }

    #[test]
    fn fields_within_objects_are_named_with_dots() {
        let text = payload(r#"{"drop":["pilot.name","x.y"],"hash":[]}"#, r#"{"pilot":{"id":7,"name":"A"},"x":3}"#);
        assert_eq!(text, r#"{"pilot":{"id":7},"x":3}"#);
    }

    #[test]
    fn a_message_without_such_fields_keeps_its_payload_byte_for_byte() {
        assert_eq!(run(r#"{"drop":["secret"]}"#, r#" { "a" : 1 } "#), Emit::default());
    }

    #[test]
    fn the_subject_is_made_of_values_fit_for_tokens() {
        let subject = |text: &str| run(r#"{"subject":"s.{a}.{b.c}"}"#, text).subject.unwrap();
        assert_eq!(subject(r#"{"a":"New York","b":{"c":1.5}}"#), "s.new_york.1_5");
        assert_eq!(subject(r#"{"a":"a.*>\t$","b":{"c":true}}"#), "s.a_____.true");
        assert_eq!(subject(r#"{"a":"","b":{}}"#), "s._._");
        assert_eq!(subject(r#"{"a":null,"b":7}"#), "s._._");
        assert_eq!(subject(r#"{"a":{},"b":{"c":"ÄÖ"}}"#), "s._.äö");
    }

    #[test]
    fn a_subject_never_shows_what_is_hashed() {
        let emit = run(r#"{"hash":["op"],"subject":"s.{op}"}"#, r#"{"op":"MILITARY"}"#);
        let hashed = emit.subject.unwrap();
        let payload = String::from_utf8(emit.payload.unwrap()).unwrap();
        assert_eq!(payload, format!("{{\"op\":\"{}\"}}", hashed.trim_start_matches("s.")));
    }

    #[test]
    fn what_is_no_object_is_not_judged() {
        for text in ["", "nonsense", "[1]", "7", "{\"a\":1} x", "{\"a\":}"] {
            let action = apply(&rules(r#"{"drop":["a"]}"#), text.as_bytes());
            assert!(matches!(&action, Action::Fail(why) if why.contains("not a JSON object")), "{text}: {action:?}");
        }
    }

    #[test]
    fn configs_that_contradict_themselves_are_refused_in_words() {
        for (config, want) in [
            ("{}", "nothing to do"),
            (r#"{"hash":["a"],"drop":["a"]}"#, "\"a\" is told twice"),
            (r#"{"hash":["a.b"],"drop":["a"]}"#, "is told twice"),
            (r#"{"hash":[""]}"#, "empty"),
            (r#"{"drop":["a"],"subject":"s.{a}"}"#, "dropped"),
            (r#"{"hash":["a.b"],"subject":"s.{a}"}"#, "holds fields that are hashed or dropped"),
            (r#"{"subject":"s.{a"}"#, "no closing brace"),
            (r#"{"subject":"s.}"}"#, "no opening brace"),
            (r#"{"subject":"s..{a}"}"#, "not a valid subject"),
            (r#"{"subject":"s.*"}"#, "not a valid subject"),
            (r#"{"subject":"s x"}"#, "not a valid subject"),
            (r#"{"subject":"s.{}"}"#, "empty"),
        ] {
            let error = serde_json::from_str::<Config>(config).unwrap().compile().err().unwrap_or_default();
            assert!(error.contains(want), "{config}: {error}");
        }
        assert!(serde_json::from_str::<Config>(r#"{"hsah":["a"]}"#).unwrap_err().to_string().contains("unknown field"));
    }

    #[test]
    fn the_strikes_fall_into_their_states_and_sizes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/data/strikes.jsonl");
        let data = std::fs::read_to_string(path).expect("examples/data/strikes.jsonl is there");
        let rules = rules(r#"{"hash":["operator"],"subject":"strikes.{state}.{size}"}"#);
        let mut sizes: BTreeMap<String, u32> = BTreeMap::new();
        let mut states = BTreeSet::new();
        for line in data.lines() {
            let Action::Replace(emits) = apply(&rules, line.as_bytes()) else { panic!("{line}") };
            let subject = emits[0].subject.clone().unwrap();
            let tokens: Vec<&str> = subject.split('.').collect();
            assert_eq!((tokens.len(), tokens[0]), (3, "strikes"));
            states.insert(tokens[1].to_string());
            *sizes.entry(tokens[2].to_string()).or_default() += 1;
            let before: serde_json::Value = serde_json::from_str(line).unwrap();
            let mut after: serde_json::Value = serde_json::from_slice(emits[0].payload.as_ref().unwrap()).unwrap();
            assert_eq!(after["operator"].as_str().unwrap().len(), 32);
            after["operator"] = before["operator"].clone();
            assert_eq!(before, after);
        }
        assert_eq!(sizes, BTreeMap::from([("large".into(), 292), ("medium".into(), 1710), ("small".into(), 1998)]));
        assert_eq!(states.len(), 29);
        assert!(states.contains("new_york") && states.contains("south_carolina"));
    }
}
