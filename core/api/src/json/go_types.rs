//! The Go types of fields whose Rust type does not tell them, for error texts only.

/// Fields of Go type `int`, where we have an `i64`: the Go struct and the field.
const INT_FIELDS: &[(&str, &str)] = &[
    ("StreamConfig", "max_consumers"),
    ("StreamConfig", "num_replicas"),
    ("StreamConsumerLimits", "max_ack_pending"),
    ("ConsumerConfig", "max_deliver"),
    ("ConsumerConfig", "max_waiting"),
    ("ConsumerConfig", "max_ack_pending"),
    ("ConsumerConfig", "max_batch"),
    ("ConsumerConfig", "max_bytes"),
    ("ConsumerConfig", "num_replicas"),
    ("JSApiStreamInfoRequest", "offset"),
    ("JSApiStreamNamesRequest", "offset"),
    ("JSApiStreamListRequest", "offset"),
    ("JSApiConsumersRequest", "offset"),
    ("JSApiMsgGetRequest", "batch"),
    ("JSApiMsgGetRequest", "max_bytes"),
    ("JSApiConsumerGetNextRequest", "batch"),
    ("JSApiConsumerGetNextRequest", "max_bytes"),
    ("JSApiConsumerGetNextRequest", "priority"),
];

/// Lists whose elements are not strings.
const LIST_FIELDS: &[(&str, &str)] = &[
    ("sources", "[]*server.StreamSource"),
    ("subject_transforms", "[]server.SubjectTransformConfig"),
    ("backoff", "[]time.Duration"),
];

/// The Go type of a signed 64-bit field.
pub(super) fn signed(struct_name: &str, field: &str) -> &'static str {
    if INT_FIELDS.contains(&(struct_name, field)) { "int" } else { "int64" }
}

/// The Go type of a list field.
pub(super) fn list(field: &str) -> &'static str {
    LIST_FIELDS.iter().find(|(name, _)| *name == field).map_or("[]string", |(_, go_type)| go_type)
}

/// What a Go type of an enum says about a value that it does not know. `raw` is the value as it was written.
pub(super) fn enum_refusal(enum_name: &str, raw: &[u8], is_string: bool, kind: &str) -> String {
    match enum_name {
        "Compression" if is_string || kind == "null" => String::from("unknown compression algorithm"),
        "Compression" => format!("json: cannot unmarshal {kind} into Go value of type string"),
        "PriorityPolicy" => format!("unknown priority policy: {}", String::from_utf8_lossy(raw)),
        "ConsumerAction" => format!("unknown consumer action: {}", String::from_utf8_lossy(raw)),
        _ => format!("can not unmarshal {}", super::go_quote(raw)),
    }
}

/// The word by which our enum knows a word that Go accepts.
pub(super) fn enum_word<'a>(enum_name: &str, word: &'a str) -> std::borrow::Cow<'a, str> {
    match (enum_name, word) {
        ("Discard", _) => word.to_ascii_lowercase().into(),
        ("DeliverPolicy", "undefined") => "all".into(),
        ("PersistMode", "") => "default".into(),
        _ => word.into(),
    }
}
