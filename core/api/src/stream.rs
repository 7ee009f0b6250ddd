//! Stream configurations, field by field and in the order in which nats-server 2.15.1 writes them.
//!
//! What the server says about a stream is in [`info`], what clients ask and are answered in [`request`].

pub mod info;
pub mod request;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::duration::Nanos;
use crate::omit::{is_false, is_zero};
use crate::time::Time;

pub use info::{ClusterInfo, LostStreamData, PeerInfo, StreamAlternate, StreamInfo, StreamSourceInfo, StreamState};

/// Metadata of a stream or consumer; Go prints the keys sorted, and so does a `BTreeMap`.
pub type Metadata = BTreeMap<String, String>;

/// A stream's configuration (nats-server `StreamConfig`).
///
/// The default has Go's zero values, not a usable stream: `validate` in `forebay-jetstream` normalises it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.StreamConfig", default, deny_unknown_fields)]
pub struct StreamConfig {
    /// Unique in its account; never changes.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What is ingested; empty means the stream's name, unless it is a mirror or has sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// When messages go.
    pub retention: Retention,
    /// -1 is no limit.
    pub max_consumers: i64,
    /// -1 is no limit.
    pub max_msgs: i64,
    /// -1 is no limit.
    pub max_bytes: i64,
    /// Zero is for ever.
    pub max_age: Nanos,
    /// -1 is no limit.
    pub max_msgs_per_subject: i64,
    /// Headers and body together, in bytes; -1 is no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_msg_size: i32,
    /// What gives way at a limit.
    pub discard: Discard,
    /// Where messages are kept.
    pub storage: Storage,
    /// 1 to 5.
    pub num_replicas: i64,
    /// No PubAck is sent at all.
    #[serde(skip_serializing_if = "is_false")]
    pub no_ack: bool,
    /// How long a `Nats-Msg-Id` is remembered.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub duplicate_window: Nanos,
    /// Where replicas may live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// The stream this one copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSource>,
    /// Streams that are merged into this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<StreamSource>,
    /// Of stored blocks.
    pub compression: Compression,
    /// The number of the first message; zero means one.
    #[serde(skip_serializing_if = "is_zero")]
    pub first_seq: u64,
    /// Applied at ingest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_transform: Option<SubjectTransform>,
    /// Published again after it was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub republish: Option<Republish>,
    /// `DIRECT.GET` is answered.
    pub allow_direct: bool,
    /// A mirror answers `DIRECT.GET` for its origin.
    pub mirror_direct: bool,
    /// `discard: new` holds for each subject.
    #[serde(skip_serializing_if = "is_false")]
    pub discard_new_per_subject: bool,
    /// Nothing goes in or out any more.
    pub sealed: bool,
    /// `STREAM.MSG.DELETE` is refused.
    pub deny_delete: bool,
    /// `STREAM.PURGE` is refused.
    pub deny_purge: bool,
    /// `Nats-Rollup` works.
    pub allow_rollup_hdrs: bool,
    /// Defaults and bounds of its consumers.
    pub consumer_limits: ConsumerLimits,
    /// `Nats-TTL` works.
    pub allow_msg_ttl: bool,
    /// How long a delete marker lives; zero leaves none behind.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub subject_delete_marker_ttl: Nanos,
    /// `Nats-Incr` works.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_msg_counter: bool,
    /// Atomic batches work.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_atomic: bool,
    /// `Nats-Schedule` works.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_msg_schedules: bool,
    /// How soon messages are on disk.
    #[serde(skip_serializing_if = "PersistMode::is_default")]
    pub persist_mode: PersistMode,
    /// Fast batches work.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_batched: bool,
    /// For people and tools; keys under `_nats.` are the server's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: Metadata,
}

/// When messages leave a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    /// Only limits remove messages.
    #[default]
    Limits,
    /// A message goes when every interested consumer has acked it.
    Interest,
    /// A message goes with its first ack.
    WorkQueue,
}

/// What gives way at a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discard {
    /// The oldest message.
    #[default]
    Old,
    /// The new message: it is refused.
    New,
}

/// Where messages are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// On disk.
    #[default]
    File,
    /// In RAM.
    Memory,
}

/// Compression of stored blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As published.
    #[default]
    None,
    /// S2, a dialect of snappy.
    S2,
}

/// When a message counts as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersistMode {
    /// Before the ack.
    #[default]
    Default,
    /// Perhaps after the ack.
    Async,
}

impl PersistMode {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

/// Where replicas may live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.Placement", default, deny_unknown_fields)]
pub struct Placement {
    /// The cluster's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Tags that a server must have; `!tag` must be absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The server to prefer, in step-down requests only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub preferred: String,
}

/// The origin of a mirror, or one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.StreamSource", default, deny_unknown_fields)]
pub struct StreamSource {
    /// The origin's name.
    pub name: String,
    /// Where to begin.
    #[serde(skip_serializing_if = "is_zero")]
    pub opt_start_seq: u64,
    /// Where to begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<Time>,
    /// What to copy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// What to copy, under which names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_transforms: Vec<SubjectTransform>,
    /// An origin in another account or domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStream>,
    /// A durable consumer of the origin to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<SourceConsumer>,
}

/// How to reach a stream in another account or domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.ExternalStream", default, deny_unknown_fields)]
pub struct ExternalStream {
    /// Prefix of its API, such as `$JS.hub.API`.
    pub api: String,
    /// Prefix of the subjects to which it delivers.
    pub deliver: String,
}

/// The durable consumer that a source uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.StreamConsumerSource", default, deny_unknown_fields)]
pub struct SourceConsumer {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it delivers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
}

/// A change of subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.SubjectTransformConfig", default, deny_unknown_fields)]
pub struct SubjectTransform {
    /// Which subjects.
    pub src: String,
    /// What they become.
    pub dest: String,
}

/// A copy that is published after the message was stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.RePublish", default, deny_unknown_fields)]
pub struct Republish {
    /// Which subjects; empty is all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub src: String,
    /// Where the copies go.
    pub dest: String,
    /// Without the body.
    #[serde(skip_serializing_if = "is_false")]
    pub headers_only: bool,
}

/// Defaults and bounds of a stream's consumers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.StreamConsumerLimits", default, deny_unknown_fields)]
pub struct ConsumerLimits {
    /// Longest `inactive_threshold`, and its default.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub inactive_threshold: Nanos,
    /// Largest `max_ack_pending`, and its default.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_ack_pending: i64,
}

#[cfg(test)]
mod tests;
