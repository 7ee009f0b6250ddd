//! The config, and the conditions it becomes.

use std::cmp::Ordering;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::select::Wanted;

/// Most conditions of one config.
const CONDITIONS_MAX: usize = 64;

/// What is written in the config: one condition, or a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    field: Option<String>,
    op: Option<Op>,
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    #[serde(default, rename = "match")]
    how: How,
    #[serde(default)]
    conditions: Vec<Written>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    field: String,
    op: Op,
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
}

/// Tells `null` from nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum How {
    #[default]
    All,
    Any,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum Op {
    #[serde(rename = "==")]
    Equal,
    #[serde(rename = "!=")]
    NotEqual,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "<=")]
    LessOrEqual,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = ">=")]
    GreaterOrEqual,
    #[serde(rename = "exists")]
    Exists,
    #[serde(rename = "in")]
    In,
    #[serde(rename = "contains")]
    Contains,
}

/// The conditions, and which fields they look at.
#[derive(Debug)]
pub(crate) struct Conditions {
    how: How,
    wanted: Wanted,
    fields: usize,
    all: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    field: usize,
    op: Op,
    value: Value,
}

impl Config {
    /// Checks the config.
    pub(crate) fn compile(self) -> Result<Conditions, String> {
        let written = match (self.field, self.op, self.conditions) {
            (Some(field), Some(op), list) if list.is_empty() => vec![Written { field, op, value: self.value }],
            (None, None, list) if !list.is_empty() && self.value.is_none() => list,
            _ => return Err("give either field, op and value, or a list of conditions".into()),
        };
        if written.len() > CONDITIONS_MAX {
            return Err(format!("more than {CONDITIONS_MAX} conditions"));
        }
        let (mut wanted, mut fields, mut all) = (Wanted::default(), 0, Vec::new());
        for Written { field, op, value } in written {
            let path: Vec<&str> = field.split('.').collect();
            if path.contains(&"") {
                return Err(format!("the field \"{field}\" has an empty name in it"));
            }
            let value = check(op, value).map_err(|why| format!("the condition on \"{field}\" {why}"))?;
            all.push(Condition { field: wanted.add(&path, &mut fields), op, value });
        }
        Ok(Conditions { how: self.how, wanted, fields, all })
    }
}

/// The value that an operator needs.
fn check(op: Op, value: Option<Value>) -> Result<Value, &'static str> {
    match (op, value) {
        (Op::Exists, None) => Ok(Value::Bool(true)),
        (Op::Exists, Some(value)) if !value.is_boolean() => Err("takes true or false for exists"),
        (_, None) => Err("has no value"),
        (Op::In, Some(value)) if !value.is_array() => Err("takes a list for in"),
        (Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual, Some(value))
            if !value.is_number() && !value.is_string() =>
        {
            Err("takes a number or a string for <, <=, > and >=")
        }
        (_, Some(value)) => Ok(value),
    }
}

impl Conditions {
    /// Do they hold for this payload?
    pub(crate) fn hold(&self, payload: &[u8]) -> Result<bool, String> {
        let found = self.wanted.select(payload, self.fields);
        let found = found.map_err(|error| format!("the payload is not JSON: {error}"))?;
        let holds = |condition: &Condition| condition.holds(found.get(condition.field).and_then(Option::as_ref));
        Ok(match self.how {
            How::All => self.all.iter().all(holds),
            How::Any => self.all.iter().any(holds),
        })
    }
}

impl Condition {
    fn holds(&self, field: Option<&Value>) -> bool {
        let compared = || field.and_then(|field| compare(field, &self.value));
        match self.op {
            Op::Equal => field.is_some_and(|field| equal(field, &self.value)),
            Op::NotEqual => !field.is_some_and(|field| equal(field, &self.value)),
            Op::Less => compared().is_some_and(Ordering::is_lt),
            Op::LessOrEqual => compared().is_some_and(Ordering::is_le),
            Op::Greater => compared().is_some_and(Ordering::is_gt),
            Op::GreaterOrEqual => compared().is_some_and(Ordering::is_ge),
            Op::Exists => self.value == Value::Bool(field.is_some()),
            Op::In => field.is_some_and(|field| one_of(&self.value, field)),
            Op::Contains => match (field, &self.value) {
                (Some(Value::String(text)), Value::String(part)) => text.contains(part.as_str()),
                (Some(list), value) => one_of(list, value),
                (None, _) => false,
            },
        }
    }
}

fn one_of(list: &Value, value: &Value) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|one| equal(one, value)))
}

/// Numbers are equal by value (1 is 1.0), everything else as JSON.
fn equal(left: &Value, right: &Value) -> bool {
    left == right || (left.is_number() && compare(left, right) == Some(Ordering::Equal))
}

/// The order of two numbers or two strings; others have none. Integers are compared exactly.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Value::String(left), Value::String(right)) = (left, right) {
        return Some(left.cmp(right));
    }
    let whole = |value: &Value| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(config: &str, payload: &str) -> bool {
        serde_json::from_str::<Config>(config).unwrap().compile().unwrap().hold(payload.as_bytes()).unwrap()
    }

    fn one(op: &str, value: &str, payload: &str) -> bool {
        holds(&format!(r#"{{"field":"a.b","op":"{op}","value":{value}}}"#), &format!(r#"{{"a":{{"b":{payload}}}}}"#))
    }

    #[test]
    fn each_operator_has_its_meaning() {
        for (op, value, payload, want) in [
            ("==", "1", "1.0", true),
            ("==", "18446744073709551615", "18446744073709551615", true),
            ("==", "9007199254740993", "9007199254740992", false),
            ("==", "\"x\"", "\"x\"", true),
            ("==", "null", "null", true),
            ("==", "1", "\"1\"", false),
            ("!=", "\"x\"", "\"y\"", true),
            ("<", "2", "1.5", true),
            ("<", "2", "\"1\"", false),
            ("<=", "2", "2", true),
            (">", "\"a\"", "\"b\"", true),
            (">=", "-1", "-1.5", false),
            ("exists", "true", "null", true),
            ("exists", "false", "1", false),
            ("in", "[1,\"x\"]", "\"x\"", true),
            ("in", "[1,\"x\"]", "2", false),
            ("contains", "\"bc\"", "\"abcd\"", true),
            ("contains", "2", "[1,2.0]", true),
            ("contains", "2", "2", false),
        ] {
            assert_eq!(one(op, value, payload), want, "{payload} {op} {value}");
        }
    }

    #[test]
    fn a_missing_field_is_no_value() {
        for (op, value, want) in
            [("==", "1", false), ("!=", "1", true), ("<", "1", false), ("exists", "false", true), ("in", "[1]", false)]
        {
            let config = format!(r#"{{"field":"a.b","op":"{op}","value":{value}}}"#);
            assert_eq!((holds(&config, "{}"), holds(&config, r#"{"a":7}"#)), (want, want), "{op}");
        }
    }

    #[test]
    fn all_or_any_of_the_conditions() {
        let config = |how: &str| {
            format!(
                r#"{{"match":"{how}","conditions":[{{"field":"a","op":"exists"}},{{"field":"b","op":"==","value":1}}]}}"#
            )
        };
        assert!(!holds(&config("all"), r#"{"a":0,"b":2}"#));
        assert!(holds(&config("any"), r#"{"a":0,"b":2}"#));
        assert!(!holds(&config("any"), r#"{"b":2}"#));
    }

    #[test]
    fn configs_that_mean_nothing_are_refused_in_words() {
        for (config, want) in [
            ("{}", "either field, op and value, or a list"),
            (r#"{"field":"a"}"#, "either field"),
            (r#"{"field":"a","op":"==","value":1,"conditions":[{"field":"b","op":"exists"}]}"#, "either field"),
            (r#"{"field":"a","op":"=="}"#, "has no value"),
            (r#"{"field":"a","op":"in","value":1}"#, "takes a list"),
            (r#"{"field":"a","op":"<","value":true}"#, "takes a number or a string"),
            (r#"{"field":"a","op":"exists","value":1}"#, "takes true or false"),
            (r#"{"field":"a..b","op":"exists"}"#, "empty name"),
        ] {
            let error = serde_json::from_str::<Config>(config).unwrap().compile().unwrap_err();
            assert!(error.contains(want), "{config}: {error}");
        }
        let unknown = serde_json::from_str::<Config>(r#"{"field":"a","op":"~","value":1}"#).err().unwrap();
        assert!(unknown.to_string().contains("unknown variant `~`"), "{unknown}");
    }
}
