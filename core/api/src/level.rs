//! API levels: which level a configuration needs, which one this server has.
//!
//! A level counts nats-server's generations of assets (ADR-44). Clients read it from `$JS.API.INFO` to know which
//! features they may use, so ours is the highest whose features all work, not the highest of which some do.

use crate::consumer::{AckPolicy, ConsumerConfig, PriorityPolicy};
use crate::duration::Nanos;
use crate::stream::{Metadata, PersistMode, StreamConfig};

/// The level of this server. Level 1 needs pausing, priority groups and batched direct gets.
pub const SERVER_LEVEL: u32 = 0;

/// Metadata key: the level that an asset needs; stored.
pub const REQUIRED_LEVEL_KEY: &str = "_nats.req.level";
/// Metadata key: the server's version; only in answers.
pub const SERVER_VERSION_KEY: &str = "_nats.ver";
/// Metadata key: the server's level; only in answers.
pub const SERVER_LEVEL_KEY: &str = "_nats.level";

/// One thing that a configuration may use, and the level it came with.
struct Feature<C> {
    level: u32,
    /// The field, for the reader of this table.
    _field: &'static str,
    used: fn(&C) -> bool,
}

const fn feature<C>(level: u32, field: &'static str, used: fn(&C) -> bool) -> Feature<C> {
    Feature { level, _field: field, used }
}

const STREAM_FEATURES: &[Feature<StreamConfig>] = &[
    feature(1, "allow_msg_ttl", |config| config.allow_msg_ttl),
    feature(1, "subject_delete_marker_ttl", |config| config.subject_delete_marker_ttl > Nanos::ZERO),
    feature(2, "allow_msg_counter", |config| config.allow_msg_counter),
    feature(2, "allow_atomic", |config| config.allow_atomic),
    feature(2, "allow_msg_schedules", |config| config.allow_msg_schedules),
    feature(2, "persist_mode", |config| config.persist_mode == PersistMode::Async),
    feature(4, "allow_batched", |config| config.allow_batched),
];

const CONSUMER_FEATURES: &[Feature<ConsumerConfig>] = &[
    feature(1, "pause_until", |config| config.pause_until.is_some_and(|until| !until.is_zero())),
    feature(1, "priority_policy", |config| config.priority_policy != PriorityPolicy::None),
    feature(1, "priority_timeout", |config| config.priority_timeout != Nanos::ZERO),
    feature(1, "priority_groups", |config| !config.priority_groups.is_empty()),
    feature(4, "ack_policy", |config| config.ack_policy == AckPolicy::FlowControl),
];

fn highest<C>(features: &[Feature<C>], config: &C) -> u32 {
    features.iter().filter(|feature| (feature.used)(config)).map(|feature| feature.level).max().unwrap_or(0)
}

/// The level that a stream needs.
#[must_use]
pub fn stream_level(config: &StreamConfig) -> u32 {
    highest(STREAM_FEATURES, config)
}

/// The level that a consumer needs.
#[must_use]
pub fn consumer_level(config: &ConsumerConfig) -> u32 {
    highest(CONSUMER_FEATURES, config)
}

/// Stores the needed level in a stream's metadata, and takes out what only answers have.
pub fn stamp_stream(config: &mut StreamConfig) {
    let level = stream_level(config);
    stamp(&mut config.metadata, level);
}

/// Stores the needed level in a consumer's metadata, and takes out what only answers have.
pub fn stamp_consumer(config: &mut ConsumerConfig) {
    let level = consumer_level(config);
    stamp(&mut config.metadata, level);
}

fn stamp(metadata: &mut Metadata, level: u32) {
    remove_answer_keys(metadata);
    metadata.insert(REQUIRED_LEVEL_KEY.into(), level.to_string());
}

/// Takes out what only answers have.
pub fn remove_answer_keys(metadata: &mut Metadata) {
    metadata.remove(SERVER_VERSION_KEY);
    metadata.remove(SERVER_LEVEL_KEY);
}

/// Adds the server's version and level, for an answer. `version` is the one in INFO.
pub fn add_answer_keys(metadata: &mut Metadata, version: &str) {
    metadata.insert(SERVER_VERSION_KEY.into(), version.into());
    metadata.insert(SERVER_LEVEL_KEY.into(), SERVER_LEVEL.to_string());
}

/// Makes two metadata comparable: the server's keys of `new` become those of `old` (nats-server `copyStreamMetadata`).
pub fn adopt_server_keys(new: &mut Metadata, old: &Metadata) {
    remove_answer_keys(new);
    match old.get(REQUIRED_LEVEL_KEY) {
        Some(level) => new.insert(REQUIRED_LEVEL_KEY.into(), level.clone()),
        None => new.remove(REQUIRED_LEVEL_KEY),
    };
}

/// True if a request with this `Nats-Required-Api-Level` is above this server (err 10185), or the value is no number.
#[must_use]
pub fn is_above_server(header: Option<&[u8]>) -> bool {
    let Some(value) = header.filter(|value| !value.is_empty()) else { return false };
    let level = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
    level.is_none_or(|level| level > i64::from(SERVER_LEVEL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_needed_level_is_that_of_the_newest_feature_in_use() {
        assert_eq!(stream_level(&StreamConfig::default()), 0);
        let config = StreamConfig { allow_msg_ttl: true, allow_atomic: true, ..StreamConfig::default() };
        assert_eq!(stream_level(&config), 2);
        let config = ConsumerConfig { ack_policy: AckPolicy::FlowControl, ..ConsumerConfig::default() };
        assert_eq!(consumer_level(&config), 4);
    }

    #[test]
    fn the_server_s_keys_are_stored_and_shown_apart() {
        let mut config = StreamConfig { allow_msg_ttl: true, ..StreamConfig::default() };
        config.metadata.insert("mine".into(), "1".into());
        config.metadata.insert(SERVER_VERSION_KEY.into(), "9".into());
        stamp_stream(&mut config);
        assert_eq!(config.metadata.keys().collect::<Vec<_>>(), ["_nats.req.level", "mine"]);
        let mut shown = config.metadata.clone();
        add_answer_keys(&mut shown, "2.15.1-forebay.0.1.0");
        assert_eq!(shown.keys().collect::<Vec<_>>(), ["_nats.level", "_nats.req.level", "_nats.ver", "mine"]);
        adopt_server_keys(&mut shown, &config.metadata);
        assert_eq!(shown, config.metadata);
    }

    #[test]
    fn a_request_above_the_server_is_known() {
        assert!(!is_above_server(None));
        assert!(!is_above_server(Some(b"")));
        assert!(!is_above_server(Some(b"0")));
        assert!(is_above_server(Some(b"x")));
        assert!(is_above_server(Some((SERVER_LEVEL + 1).to_string().as_bytes())));
    }
}
