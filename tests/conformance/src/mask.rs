//! What may differ between two runs, by name: ids, ports, versions, times. Everything else is compared.

use serde_json::{Map, Value};

use crate::transcript::Captured;

/// The version whose behaviour both sides claim; a server that claims another is a difference.
const MATCHED_VERSION: &str = "2.15.1";
/// The time that stands for "never" in nats-server's JSON; it is a value, not a moment.
const NEVER: &str = "0001-01-01T00:00:00Z";
/// Fields of INFO that name one server, one build or one connection.
const INFO_VOLATILE: &[&str] = &["server_id", "server_name", "go", "port", "client_id", "nonce"];
/// Fields of INFO that one side may lack (docs/differences.md): the commit of a build outside git, the key of the
/// auth callout that is not built, and the API level, which is ours and not nats-server's.
const INFO_OPTIONAL: &[&str] = &["git_commit", "xkey", "api_lvl"];
/// Fields of JetStream's JSON that hold a moment.
const API_TIMES: &[&str] =
    &["created", "ts", "first_ts", "last_ts", "time", "last_active", "timestamp", "leader_since"];
/// Fields of JetStream's JSON that name one server or one event, or that measure time.
const API_VOLATILE: &[&str] = &["id", "server_id", "leader", "level", "pause_remaining", "_nats.ver", "_nats.level"];
/// Headers that hold a moment.
const HEADER_TIMES: &[&str] = &["Nats-Time-Stamp"];
/// Headers that hold a subject, which may be that of an ack or of a flow control request.
const HEADER_SUBJECTS: &[&str] = &["Nats-Consumer-Stalled", "Nats-Subject"];

/// Masks an INFO document.
pub fn info(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let mask = |(key, value): (String, Value)| {
        let masked = match key.as_str() {
            "version" if value.as_str().is_some_and(|text| text.starts_with(MATCHED_VERSION)) => {
                Value::from(format!("<{MATCHED_VERSION}>"))
            }
            name if INFO_VOLATILE.contains(&name) => shape(&value),
            _ => value,
        };
        (key, masked)
    };
    let compared = map.into_iter().filter(|(key, _)| !INFO_OPTIONAL.contains(&key.as_str()));
    Value::Object(compared.map(mask).collect())
}

/// Masks an answer of the JetStream API.
pub fn api(value: Value, names: &Captured) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| api_field(key, value, names)).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| api(item, names)).collect()),
        Value::String(text) => Value::String(captured(&text, names)),
        other => other,
    }
}

fn api_field(key: String, value: Value, names: &Captured) -> (String, Value) {
    let is_never = value.as_str() == Some(NEVER);
    let is_time = API_TIMES.contains(&key.as_str()) && !is_never;
    let masked = if is_time || API_VOLATILE.contains(&key.as_str()) { shape(&value) } else { api(value, names) };
    (key, masked)
}

/// Keeps what kind of thing a value is.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(if text.is_empty() { "" } else { "<text>" }),
        Value::Number(_) => Value::from("<number>"),
        Value::Object(_) => Value::Object(Map::new()),
        other => other.clone(),
    }
}

/// Masks a header line that holds a moment, or a subject with one.
pub fn header(line: &str) -> String {
    match line.split_once(": ") {
        Some((name, _)) if HEADER_TIMES.contains(&name) => format!("{name}: <time>"),
        Some((name, value)) if HEADER_SUBJECTS.contains(&name) => format!("{name}: {}", subject(value)),
        _ => line.to_string(),
    }
}

/// Masks the time in an ack's subject, and the token of a flow control request.
pub fn subject(subject: &str) -> String {
    let mut tokens: Vec<&str> = subject.split('.').collect();
    match tokens.as_slice() {
        ["$JS", "ACK", ..] if tokens.len() == 9 => tokens[7] = "<time>",
        ["$JS", "FC", ..] if tokens.len() == 5 => tokens[4] = "<token>",
        _ => return subject.to_string(),
    }
    tokens.join(".")
}

/// Takes out of a PubAck what Forebay adds to it (docs/differences.md).
pub fn pub_ack(payload: &str) -> String {
    if !payload.starts_with("{\"stream\":") {
        return payload.to_string();
    }
    let mut text = payload.to_string();
    for level in ["fsync", "os", "memory"] {
        for form in [format!(",\"durability\":\"{level}\""), format!(", \"durability\": \"{level}\"")] {
            text = text.replace(&form, "");
        }
    }
    text
}

/// Puts the names of captured values where the values stand.
pub fn captured(text: &str, names: &Captured) -> String {
    let mut text = text.to_string();
    for (value, name) in names {
        text = text.replace(value.as_str(), &format!("<{name}>"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn volatile_fields_keep_their_shape() {
        let masked = info(json!({"server_id": "NABC", "port": 4222, "proto": 1, "version": "2.15.1-forebay.0.1.0"}));
        assert_eq!(masked, json!({"server_id": "<text>", "port": "<number>", "proto": 1, "version": "<2.15.1>"}));
    }

    #[test]
    fn a_time_that_means_never_is_kept() {
        let masked = api(json!({"first_ts": NEVER, "last_ts": "2026-01-01T00:00:00Z"}), &Captured::new());
        assert_eq!(masked, json!({"first_ts": NEVER, "last_ts": "<text>"}));
    }

    #[test]
    fn subjects_in_headers_are_masked_as_those_of_messages() {
        assert_eq!(header("Nats-Consumer-Stalled: $JS.FC.S.C.emtX"), "Nats-Consumer-Stalled: $JS.FC.S.C.<token>");
        assert_eq!(header("A: $JS.FC.S.C.emtX"), "A: $JS.FC.S.C.emtX");
    }

    #[test]
    fn the_time_in_an_ack_subject_is_masked() {
        assert_eq!(subject("$JS.ACK.S.C.1.2.3.1700000000.4"), "$JS.ACK.S.C.1.2.3.<time>.4");
        assert_eq!(subject("orders.new"), "orders.new");
    }

    #[test]
    fn our_field_is_taken_out_of_a_pub_ack_only() {
        assert_eq!(pub_ack(r#"{"stream":"S","seq":1,"durability":"fsync"}"#), r#"{"stream":"S","seq":1}"#);
        assert_eq!(pub_ack(r#"{"x":1,"durability":"fsync"}"#), r#"{"x":1,"durability":"fsync"}"#);
    }

    #[test]
    fn captured_values_become_their_names() {
        let names = Captured::from([("Qx81".to_string(), "name".to_string())]);
        assert_eq!(captured("$JS.ACK.S.Qx81.1", &names), "$JS.ACK.S.<name>.1");
    }
}
