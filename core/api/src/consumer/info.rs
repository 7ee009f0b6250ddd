//! What the server says about a consumer.

use serde::{Deserialize, Serialize};

use super::ConsumerConfig;
use crate::duration::Nanos;
use crate::omit::is_false;
use crate::stream::ClusterInfo;
use crate::time::Time;

/// A consumer as `CONSUMER.INFO` shows it (nats-server `ConsumerInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerInfo {
    /// Its stream.
    pub stream_name: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: Time,
    /// The configuration with all defaults filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ConsumerConfig>,
    /// The last delivery.
    pub delivered: SequenceInfo,
    /// Everything up to here is acked.
    pub ack_floor: SequenceInfo,
    /// Deliveries that wait for an ack.
    pub num_ack_pending: u64,
    /// Of these, the ones delivered more than once.
    pub num_redelivered: u64,
    /// Pull requests that wait.
    pub num_waiting: u64,
    /// Matching messages not yet delivered.
    pub num_pending: u64,
    /// Who holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// Someone listens on the deliver subject.
    #[serde(skip_serializing_if = "is_false")]
    pub push_bound: bool,
    /// It is paused.
    #[serde(skip_serializing_if = "is_false")]
    pub paused: bool,
    /// For how much longer.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub pause_remaining: Nanos,
    /// When this was gathered.
    pub ts: Time,
    /// The state of its priority group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priority_groups: Vec<PriorityGroupState>,
    /// Ours: what `num_pending` is, of a consumer whose messages a plugin filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forebay_num_pending: Option<PendingCount>,
}

/// What `num_pending` says about a consumer whose messages a plugin filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PendingCount {
    /// So many messages will be delivered.
    Exact,
    /// At most so many, and at least one has not been judged yet.
    Bound,
}

impl PendingCount {
    /// What is said of so many messages of which none has been judged.
    pub fn of_unjudged(num_pending: u64) -> Self {
        if num_pending == 0 { Self::Exact } else { Self::Bound }
    }
}

/// A position, counted in deliveries and in messages of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SequenceInfo {
    /// The delivery's number.
    pub consumer_seq: u64,
    /// The message's number.
    pub stream_seq: u64,
    /// When it was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_active: Option<Time>,
}

/// The state of a priority group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriorityGroupState {
    /// The group's name.
    pub group: String,
    /// The client that is served alone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pinned_client_id: String,
    /// Since when.
    pub pinned_ts: Time,
}
