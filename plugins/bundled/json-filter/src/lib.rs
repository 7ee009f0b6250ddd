//! `json-filter`: a filter that delivers messages whose JSON meets conditions.
//!
//! ```toml
//! [plugins.json-filter]
//! file = "json_filter.wasm"
//! config = { field = "damage", op = "!=", value = "None" }
//! # or
//! config = { match = "any", conditions = [
//!     { field = "cost_total", op = ">", value = 10000 },
//!     { field = "size", op = "in", value = ["Large"] },
//! ] }
//! ```
//!
//! | `op` | true if the field |
//! |---|---|
//! | `==` `!=` | is (not) this value; a field that is missing is not any value |
//! | `<` `<=` `>` `>=` | is a number or a string in this relation to a value of the same kind |
//! | `exists` | is there (`value = false`: is not there) |
//! | `in` | is one of the values of this list |
//! | `contains` | is a string with this text in it, or a list with this value in it |
//!
//! A field of an object within is named with dots. `match` is `all` (default) or `any`. A payload that is no JSON is not
//! judged: the binding's `on_error` decides.

mod condition;
mod select;

use std::sync::OnceLock;

use forebay_sdk::{filter, init};

use crate::condition::{Conditions, Config};

static CONDITIONS: OnceLock<Conditions> = OnceLock::new();

#[init]
fn configure(config: Config) -> Result<(), String> {
    CONDITIONS.set(config.compile()?).map_err(|_| "configured twice".into())
}

#[filter]
fn keep(payload: &[u8]) -> Result<bool, String> {
    CONDITIONS.get().ok_or("not configured")?.hold(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(config: &str) -> Conditions {
        serde_json::from_str::<Config>(config).unwrap().compile().unwrap()
    }

    fn strikes() -> String {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/data/strikes.jsonl");
        let data = std::fs::read_to_string(path);
        data.expect("examples/data/strikes.jsonl is there")
    }

    #[test]
    fn the_strikes_are_counted_as_their_readme_says() {
        let data = strikes();
        for (config, want) in [
            (r#"{"field":"damage","op":"!=","value":"None"}"#, 426),
            (r#"{"field":"damage","op":"==","value":"Substantial"}"#, 116),
            (r#"{"field":"cost_total","op":">","value":0}"#, 85),
            (r#"{"field":"cost_total","op":">","value":10000}"#, 50),
            (r#"{"field":"speed_knots","op":"==","value":null}"#, 1111),
            (r#"{"field":"size","op":"in","value":["Small","Large"]}"#, 1998 + 292),
            (
                r#"{"match":"any","conditions":[{"field":"size","op":"==","value":"Large"},
                {"field":"size","op":"==","value":"Medium"}]}"#,
                1710 + 292,
            ),
        ] {
            let conditions = conditions(config);
            let count = data.lines().filter(|line| conditions.hold(line.as_bytes()).unwrap()).count();
            assert_eq!(count, want, "{config}");
        }
    }

    #[test]
    fn what_is_no_json_is_not_judged() {
        let conditions = conditions(r#"{"field":"a","op":"exists"}"#);
        for text in ["", "nonsense", "{\"a\":1} x", "{\"a\":"] {
            assert!(conditions.hold(text.as_bytes()).unwrap_err().contains("not JSON"), "{text}");
        }
        assert_eq!(conditions.hold(b"[1,2]"), Ok(false));
    }
}
