//! Consumer configurations, field by field and in the order in which nats-server 2.15.1 writes them.
//!
//! What the server says about a consumer is in [`info`], what clients ask and are answered in [`request`].

pub mod info;
pub mod request;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::duration::Nanos;
use crate::omit::{is_false, is_zero};
use crate::stream::Metadata;
use crate::time::Time;

pub use info::{ConsumerInfo, PendingCount, PriorityGroupState, SequenceInfo};

/// A consumer's configuration (nats-server `ConsumerConfig`).
///
/// The default has Go's zero values: `validate` in `forebay-jetstream` fills in what a client left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.ConsumerConfig", default, deny_unknown_fields)]
pub struct ConsumerConfig {
    /// Set for a consumer that outlives its users.
    #[serde(rename = "durable_name", skip_serializing_if = "String::is_empty")]
    pub durable: String,
    /// The name; equal to `durable` if both are set.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where in the stream it begins.
    pub deliver_policy: DeliverPolicy,
    /// For `by_start_sequence`.
    #[serde(skip_serializing_if = "is_zero")]
    pub opt_start_seq: u64,
    /// For `by_start_time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<Time>,
    /// Whether messages must be acked.
    pub ack_policy: AckPolicy,
    /// How long an ack may take.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub ack_wait: Nanos,
    /// How often a message is delivered at most; -1 is without end.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_deliver: i64,
    /// The ack wait of each delivery; the last one repeats.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backoff: Vec<Nanos>,
    /// What is delivered; empty is all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// What is delivered; not together with `filter_subject`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filter_subjects: Vec<String>,
    /// At which speed old messages are delivered.
    pub replay_policy: ReplayPolicy,
    /// Bits per second, push only.
    #[serde(rename = "rate_limit_bps", skip_serializing_if = "is_zero")]
    pub rate_limit: u64,
    /// Percentage of acks to report, as text: `"30"` or `"30%"`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sample_freq: String,
    /// Pull requests that may wait.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_waiting: i64,
    /// Deliveries that may be unacked; -1 is no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_ack_pending: i64,
    /// Push with flow control.
    #[serde(skip_serializing_if = "is_false")]
    pub flow_control: bool,
    /// Without bodies.
    #[serde(skip_serializing_if = "is_false")]
    pub headers_only: bool,
    /// Largest batch of a pull request.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_batch: i64,
    /// Longest expiry of a pull request.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub max_expires: Nanos,
    /// Largest `max_bytes` of a pull request.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_bytes: i64,
    /// Set for a push consumer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
    /// Queue group of a push consumer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_group: String,
    /// Push: a sign of life when there is nothing to deliver.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub idle_heartbeat: Nanos,
    /// It is deleted when nobody used it for so long.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub inactive_threshold: Nanos,
    /// Zero is as many as the stream has.
    pub num_replicas: i64,
    /// Its state is kept in RAM.
    #[serde(skip_serializing_if = "is_false")]
    pub mem_storage: bool,
    /// Internal: not listed.
    #[serde(skip_serializing_if = "is_false")]
    pub direct: bool,
    /// Internal: feeds a mirror or source.
    #[serde(skip_serializing_if = "is_false")]
    pub sourcing: bool,
    /// For people and tools; keys under `_nats.` are the server's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: Metadata,
    /// Nothing is delivered before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_until: Option<Time>,
    /// The groups that requests name; one at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priority_groups: Vec<String>,
    /// Who of the group is served.
    #[serde(skip_serializing_if = "PriorityPolicy::is_none")]
    pub priority_policy: PriorityPolicy,
    /// How long a pin holds without a request.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub priority_timeout: Nanos,
}

impl ConsumerConfig {
    /// True for a consumer that outlives its users.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        !self.durable.is_empty()
    }

    /// True for a consumer that delivers by itself.
    #[must_use]
    pub fn is_push(&self) -> bool {
        !self.deliver_subject.is_empty()
    }

    /// The filters, wherever they are written; none means all subjects.
    pub fn filters(&self) -> impl Iterator<Item = &str> {
        let single = Some(self.filter_subject.as_str()).filter(|filter| !filter.is_empty());
        self.filter_subjects.iter().map(String::as_str).chain(single)
    }
}

/// Where in the stream a consumer begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliverPolicy {
    /// At the first message.
    #[default]
    All,
    /// At the last message.
    Last,
    /// After the last message.
    New,
    /// At a number.
    ByStartSequence,
    /// At a moment.
    ByStartTime,
    /// With the last message of each subject.
    LastPerSubject,
}

/// Whether messages must be acked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckPolicy {
    /// Delivery is enough.
    #[default]
    None,
    /// An ack covers everything before it.
    All,
    /// Each message by itself.
    Explicit,
    /// The answers to flow control are the acks (2.14).
    FlowControl,
}

/// At which speed old messages are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayPolicy {
    /// As fast as possible.
    #[default]
    Instant,
    /// With the gaps they had when they were published.
    Original,
}

/// Who of a priority group is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriorityPolicy {
    /// Anyone.
    #[default]
    None,
    /// Requests whose thresholds are reached.
    Overflow,
    /// One client, the others stand by.
    PinnedClient,
    /// The lowest priority first.
    Prioritized,
}

impl PriorityPolicy {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

#[cfg(test)]
mod tests;
