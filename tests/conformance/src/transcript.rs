//! What a scenario saw, as lines that two servers' runs can be compared by.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use crate::frame::{Frame, Message};
use crate::mask;

/// A longer payload is told by its start, its length and its hash.
const PAYLOAD_SHOWN_MAX: usize = 2048;

/// One event: what caused it, and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The connection's name.
    pub on: String,
    /// The index of the scenario's step that read it.
    pub step: usize,
    /// The event as lines: a headline, then details.
    pub lines: Vec<String>,
}

/// The events of one run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The events.
    pub entries: Vec<Entry>,
}

impl Transcript {
    /// Adds an event of one line.
    pub fn note(&mut self, on: &str, step: usize, line: impl Into<String>) {
        self.entries.push(Entry { on: on.into(), step, lines: vec![line.into()] });
    }

    /// All lines, with the connection in front of each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in &self.entries {
            for (index, line) in entry.lines.iter().enumerate() {
                let mark = if index == 0 { "<" } else { " " };
                lines.push(format!("{:>2} {} {mark} {line}", entry.step, entry.on));
            }
        }
        lines
    }
}

/// Names of captured values, by the value that stands for them in one run.
pub type Captured = BTreeMap<String, String>;

/// Writes a frame as lines, with what varies masked. Of an INFO the fields are written only where they are the
/// point: one difference in them would otherwise be told by every scenario.
pub fn describe(frame: &Frame, captured: &Captured, equal_sids: &[&str], info_fields: bool) -> Vec<String> {
    match frame {
        Frame::Line(line) => vec![mask::captured(line, captured)],
        Frame::Info(_) if !info_fields => vec!["INFO".to_string()],
        Frame::Info(json) => match serde_json::from_str::<Value>(json) {
            Ok(value) => {
                let mut lines = vec!["INFO".to_string()];
                flatten("", &mask::info(value), &mut lines);
                lines
            }
            Err(_) => vec![format!("INFO (no JSON) {json}")],
        },
        Frame::Message(message) => describe_message(message, captured, equal_sids),
    }
}

fn describe_message(message: &Message, captured: &Captured, equal_sids: &[&str]) -> Vec<String> {
    let sid = if equal_sids.contains(&message.sid.as_str()) { "<one of the group>" } else { &message.sid };
    let verb = if message.headers.is_some() { "HMSG" } else { "MSG" };
    let subject = mask::subject(&mask::captured(&message.subject, captured));
    let mut headline = format!("{verb} {subject} {sid}");
    if let Some(reply) = &message.reply {
        headline.push_str(&format!(" reply={}", mask::subject(&mask::captured(reply, captured))));
    }
    let mut lines = vec![headline];
    if let Some(headers) = &message.headers {
        let text = String::from_utf8_lossy(headers);
        for line in text.trim_end_matches("\r\n").split("\r\n") {
            lines.push(format!("h {}", shortened(&mask::header(&mask::captured(line, captured)))));
        }
    }
    let payload = String::from_utf8_lossy(&message.payload);
    match api_answer(&payload) {
        Some(value) => flatten("", &mask::api(value, captured), &mut lines),
        None => lines.push(shortened(&mask::captured(&mask::pub_ack(&payload), captured))),
    }
    lines
}

/// A payload as a line; of a long one the start, the length and a hash.
fn shortened(payload: &str) -> String {
    if payload.len() <= PAYLOAD_SHOWN_MAX {
        return format!("{payload:?}");
    }
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    let start: String = payload.chars().take(40).collect();
    format!("{start:?}… ({} bytes, hash {:016x})", payload.len(), hasher.finish())
}

/// JetStream's answers and events are compared as JSON; everything else, PubAcks included, byte for byte.
fn api_answer(payload: &str) -> Option<Value> {
    if !payload.starts_with('{') || !payload.contains("\"type\":\"io.nats.") {
        return None;
    }
    serde_json::from_str(payload).ok()
}

/// Writes JSON as one line a leaf, keys sorted, so that a difference is one line.
pub fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for key in keys {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&inner, &map[key], lines);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{index}]"), item, lines);
            }
        }
        leaf => lines.push(format!("{path} = {leaf}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_becomes_one_sorted_line_a_leaf() {
        let mut lines = Vec::new();
        flatten("", &json!({"b": [1, {"c": true}], "a": {}, "d": []}), &mut lines);
        assert_eq!(lines, ["a = {}", "b[0] = 1", "b[1].c = true", "d = []"]);
    }

    #[test]
    fn members_of_a_queue_group_look_alike() {
        let message =
            Message { subject: "s".into(), sid: "7".into(), reply: None, headers: None, payload: b"x\n".to_vec() };
        let lines = describe(&Frame::Message(message), &Captured::new(), &["7", "8"], false);
        assert_eq!(lines, ["MSG s <one of the group>", "\"x\\n\""]);
    }
}
