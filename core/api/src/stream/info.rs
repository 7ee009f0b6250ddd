//! What the server says about a stream: its state, its cluster, its origins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ExternalStream, Placement, Retention, StreamConfig, SubjectTransform};
use crate::duration::Nanos;
use crate::error::ApiError;
use crate::omit::{is_false, is_zero};
use crate::time::Time;

/// A stream as `STREAM.INFO` shows it (nats-server `StreamInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamInfo {
    /// The normalised configuration, with the server's metadata.
    pub config: StreamConfig,
    /// When it was created.
    pub created: Time,
    /// What it holds.
    pub state: StreamState,
    /// The JetStream domain, if the server has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Who holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// The state of the copying, if it is a mirror.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSourceInfo>,
    /// The state of the copying from each source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<StreamSourceInfo>,
    /// Mirrors that could answer instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternates: Vec<StreamAlternate>,
    /// When this was gathered.
    pub ts: Time,
}

/// What a stream holds (nats-server `StreamState`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamState {
    /// How many messages.
    pub messages: u64,
    /// Their logical size.
    pub bytes: u64,
    /// The number of the first message; after a purge the next number.
    pub first_seq: u64,
    /// When the first was stored.
    pub first_ts: Time,
    /// The number of the last message ever stored.
    pub last_seq: u64,
    /// When it was stored.
    pub last_ts: Time,
    /// How many subjects have messages.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_subjects: u64,
    /// Counts for each subject, when asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub subjects: BTreeMap<String, u64>,
    /// How many numbers between first and last have no message.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_deleted: u64,
    /// These numbers, when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<u64>,
    /// What the disk lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostStreamData>,
    /// How many consumers.
    pub consumer_count: u64,
}

/// Messages that the disk lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LostStreamData {
    /// Their numbers; Go prints `null` for none.
    pub msgs: Option<Vec<u64>>,
    /// Their size.
    pub bytes: u64,
}

/// The servers that hold a stream or consumer (nats-server `ClusterInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterInfo {
    /// The cluster's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The raft group's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub raft_group: String,
    /// The leader's name; the only field on a server without a cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub leader: String,
    /// Since when it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader_since: Option<Time>,
    /// Raft traffic goes through the system account.
    #[serde(skip_serializing_if = "is_false")]
    pub system_account: bool,
    /// The account that raft traffic goes through.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub traffic_account: String,
    /// The other holders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<PeerInfo>,
    /// What a move or a scaling is on its way to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<DesiredClusterInfo>,
}

/// One replica (nats-server `PeerInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerInfo {
    /// The server's name.
    pub name: String,
    /// Seen recently and caught up.
    pub current: bool,
    /// Not seen recently.
    #[serde(skip_serializing_if = "is_false")]
    pub offline: bool,
    /// How long ago it was active.
    pub active: Nanos,
    /// How many operations it is behind.
    #[serde(skip_serializing_if = "is_zero")]
    pub lag: u64,
    /// Its id.
    pub peer: String,
    /// Assigned, and not yet in the raft group.
    #[serde(skip_serializing_if = "is_false")]
    pub pending: bool,
}

/// Where a change of replicas is going.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DesiredClusterInfo {
    /// The cluster's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The replicas it will have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<PeerInfo>,
    /// What it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<DesiredOrigin>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<DesiredStatus>,
}

/// What a change comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DesiredOrigin {
    /// Replicas before the change.
    pub replicas: i64,
    /// Placement before the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// Retention that holds until the change is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// What a change waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DesiredStatus {
    /// A short line.
    pub description: String,
    /// `meta`, `membership`, `snapshot`, `catchup`, `quorum`, `blocked` or `unavailable`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A failure that lasts.
    #[serde(rename = "err", skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// The state of copying from one origin (nats-server `StreamSourceInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamSourceInfo {
    /// The origin's name.
    pub name: String,
    /// How it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStream>,
    /// How many messages are missing.
    pub lag: u64,
    /// How long ago something came; -1 is never.
    pub active: Nanos,
    /// Why it stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// What is copied.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// What is copied, under which names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_transforms: Vec<SubjectTransform>,
}

/// A mirror that could answer instead of its origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamAlternate {
    /// The mirror's name.
    pub name: String,
    /// Its domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Its cluster.
    pub cluster: String,
}
