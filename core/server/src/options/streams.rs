//! Streams that the file declares: `[[streams]]` with the field names of JetStream's JSON.

use forebay_api::error::ApiError;
use forebay_api::json::UnknownFields;
use forebay_api::stream::StreamConfig;
use forebay_api::stream::request::ConfigRequest;
use forebay_jetstream::stream::validate::{Limits, check_stream, subjects_overlap};
use serde_json::{Map, Value};

use super::Options;
use super::problem::{Place, Problem};
use super::table::{Decoder, Node, Reload, Row, Set};

/// A stream to create or update at start.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredStream {
    /// The account that it belongs to.
    pub account: String,
    /// Its configuration as `$JS.API.STREAM.CREATE` takes it: durations in nanoseconds, sizes in bytes.
    pub config: Map<String, Value>,
    /// Where it stands, for what the stream's own rules find wrong.
    pub at: Place,
}

impl DeclaredStream {
    /// Its name; the file is not taken without one.
    pub fn name(&self) -> &str {
        self.config.get("name").and_then(Value::as_str).unwrap_or_default()
    }
}

struct Draft {
    account: String,
    config: Map<String, Value>,
}

impl Draft {
    /// Puts a value at a dotted key.
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        let mut map = &mut self.config;
        let mut rest = key;
        while let Some((table, inner)) = rest.split_once('.') {
            let slot = map.entry(table).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(next) = slot else { return };
            map = next;
            rest = inner;
        }
        map.insert(rest.to_owned(), value.into());
    }
}

/// One field of StreamConfig: its name, its type, what it does.
macro_rules! field {
    ($key:literal, texts, $text:literal) => {
        field!($key, $text, Set::Texts(|draft, values| { draft.put($key, values); Ok(()) }))
    };
    ($key:literal, $kind:ident, $text:literal) => {
        field!($key, $text, Set::$kind(|draft, value| draft.put($key, value)))
    };
    ($key:literal, count($min:literal, $max:expr), $text:literal) => {
        field!($key, $text, Set::Count { min: $min, max: $max, set: |draft, value| draft.put($key, value) })
    };
    ($key:literal, choice($($of:literal),+), $text:literal) => {
        field!($key, $text, Set::Choice { of: &[$($of),+], set: |draft, value| { draft.put($key, value); Ok(()) } })
    };
    ($key:literal, $text:literal, $set:expr) => {
        Row { key: $key, default: "", unit: "", reload: Reload::Restart, since: "0.1.0", text: $text, set: $set }
    };
}

#[rustfmt::skip] // A table: one field a line.
static STREAM_ROWS: &[Row<Draft>] = &[
    field!("account", "The account that it belongs to; by default $G.", Set::Text(|draft, value| draft.account = value)),
    field!("name", Text, "The stream's name. Needed."),
    field!("description", Text, "What it is for."),
    field!("subjects", texts, "The subjects that it keeps; by default its name."),
    field!("retention", choice("limits", "interest", "workqueue"), "When a message may go."),
    field!("storage", choice("file", "memory"), "Where messages are kept."),
    field!("num_replicas", count(1, 5), "On how many servers."),
    field!("max_consumers", count(-1, i64::MAX), "Consumers at a time; -1 is no limit."),
    field!("max_msgs", count(-1, i64::MAX), "Messages; -1 is no limit."),
    field!("max_bytes", SignedSize, "Bytes; -1 is no limit."),
    field!("max_age", Nanos, "How long a message is kept; 0 is for ever."),
    field!("max_msgs_per_subject", count(-1, i64::MAX), "Messages of one subject; -1 is no limit."),
    field!("max_msg_size", SignedSize, "The longest message; -1 is no limit."),
    field!("discard", choice("old", "new"), "What a limit throws out."),
    field!("discard_new_per_subject", Flag, "Whether max_msgs_per_subject refuses new messages."),
    field!("no_ack", Flag, "Whether publishers get no ack."),
    field!("duplicate_window", Nanos, "How long a message id is remembered."),
    field!("first_seq", count(0, i64::MAX), "The sequence of the first message."),
    field!("compression", choice("none", "s2"), "How messages are packed on disk."),
    field!("placement.cluster", Text, "The cluster that holds it."),
    field!("placement.tags", texts, "Tags of the servers that may hold it."),
    field!("mirror", Json, "The stream that this one copies."),
    field!("sources", Json, "The streams that this one gathers."),
    field!("subject_transform.src", Text, "Subjects to rewrite when they come in."),
    field!("subject_transform.dest", Text, "What they are rewritten to."),
    field!("republish.src", Text, "Subjects to publish again once stored."),
    field!("republish.dest", Text, "What they are published to."),
    field!("republish.headers_only", Flag, "Whether the body stays out."),
    field!("allow_direct", Flag, "Whether messages may be read without the API."),
    field!("mirror_direct", Flag, "Whether mirrors answer direct reads too."),
    field!("sealed", Flag, "Whether nothing may change any more."),
    field!("deny_delete", Flag, "Whether messages may not be deleted."),
    field!("deny_purge", Flag, "Whether it may not be purged."),
    field!("allow_rollup_hdrs", Flag, "Whether Nats-Rollup is obeyed."),
    field!("allow_msg_ttl", Flag, "Whether Nats-TTL is obeyed."),
    field!("subject_delete_marker_ttl", Nanos, "How long the marker of a subject's end is kept."),
    field!("allow_msg_counter", Flag, "Whether messages are counters."),
    field!("allow_atomic", Flag, "Whether batches are stored whole or not at all."),
    field!("allow_msg_schedules", Flag, "Whether messages may be schedules."),
    field!("allow_batched", Flag, "Whether batches may be published fast."),
    field!("persist_mode", choice("default", "async"), "When a message counts as stored."),
    field!("consumer_limits.inactive_threshold", Nanos, "The longest that a consumer may stay unused."),
    field!("consumer_limits.max_ack_pending", count(-1, i64::MAX), "The most that a consumer may leave unacked."),
    field!("metadata", Json, "Names and texts of your own."),
];

fn streams(options: &mut Options, node: &Node<'_, '_>, problems: &mut Vec<Problem>) {
    for (node, table) in node.array_of_tables(problems) {
        let shown = format!("{}.", node.key);
        let mut draft = Draft { account: forebay_auth::GLOBAL_ACCOUNT.to_owned(), config: Map::new() };
        let decoder = Decoder { source: node.source, groups: &[STREAM_ROWS], refused: &[], shown: &shown };
        let before = problems.len();
        decoder.decode(table, &mut draft, problems);
        if problems.len() > before {
            continue;
        }
        let at = node.source.place(&node.value.span());
        let stream = DeclaredStream { account: draft.account, config: draft.config, at };
        match wrong(&stream, &options.streams) {
            Some(what) => problems.push(node.problem(what)),
            None => options.streams.push(stream),
        }
    }
}

/// What JetStream would refuse of a stream, whatever the store holds.
fn wrong(stream: &DeclaredStream, others: &[DeclaredStream]) -> Option<String> {
    let name = stream.name();
    if name.is_empty() {
        return Some("needs a \"name\"".to_owned());
    }
    if stream.account != forebay_auth::GLOBAL_ACCOUNT {
        let account = &stream.account;
        return Some(format!("the account \"{account}\" is not built yet: only $G has streams"));
    }
    if others.iter().any(|other| other.name() == name) {
        return Some(format!("the stream \"{name}\" is declared twice"));
    }
    let config = match checked(stream) {
        Ok(config) => config,
        Err(error) => return Some(format!("the stream \"{name}\": {error}")),
    };
    let overlapping =
        others.iter().find(|other| checked(other).is_ok_and(|other| subjects_overlap(&config, &other)))?;
    Some(format!("the stream \"{name}\": its subjects overlap with those of \"{}\"", overlapping.name()))
}

fn checked(stream: &DeclaredStream) -> Result<StreamConfig, ApiError> {
    let body = serde_json::to_vec(&stream.config).unwrap_or_default();
    let ConfigRequest { config, pedantic } = ConfigRequest::parse(&body, UnknownFields::Refused)?;
    check_stream(&config, &Limits::default(), pedantic)
}

pub(crate) static ROWS: &[Row<Options>] = &[Row {
    key: "streams",
    default: "",
    unit: "",
    reload: Reload::Restart,
    since: "0.1.0",
    text: "A stream that is created or updated at start. Taking it out of the file never deletes it.",
    set: Set::Tables { named: false, rows: || STREAM_ROWS.iter().map(Row::doc).collect(), set: streams },
}];
