//! Agreement between servers: who leads, and in which order commands are applied on every copy.
//!
//! # What
//! Raft groups on openraft ([`raft`]) with their log in the server's commit lane: the log is the message store, so a
//! message is written once per server. Batches above raft ([`batch`]). Who founds a cluster and who joins it
//! ([`birth`]).
//!
//! # Boundary
//! openraft is named only in `raft`, tokio only in `run`. The state machines are the caller's ([`machine::Machine`]),
//! and so are the connections ([`transport::PeerTransport`]), the lane and its thread. Time and randomness come from
//! the caller's runtime and its seed.
//!
//! # Invariants
//! - A vote or an entry is reported to raft only after the lane said that it is durable.
//! - Apply never runs ahead of this server's own disk: what is applied can be read.
//! - A machine gets every entry once in the life of a process, in order, the same on every server.
//! - An attachment that was taken comes back exactly once: to `apply` or to `returned`.
//! - What a peer sends is checked, length before allocation and checksum before use, and decoding never panics.
//! - A node id never outlives its store.
//!
//! # Not here (and where instead)
//! What commands mean: `jetstream`. Connections and their handshake: `links`. Placement, snapshots, transfers: not
//! built yet; nothing is purged from a group's log.

pub mod batch;
pub mod birth;
pub mod limits;
pub mod machine;
pub mod mutant;
pub mod raft;
pub mod run;
pub mod transport;

#[cfg(any(test, feature = "test-util"))]
pub mod testing;

pub use batch::Batch;
pub use machine::{
    Attached, Committed, GroupId, LaneAttachment, Machine, Member, NodeId, Refused, RefusedReason, Role,
};
pub use raft::{
    ChangeError, Group, GroupMetrics, GroupStatus, Groups, GroupsConfig, LogOptions, LogRecovery, MemberStatus,
    OpenError, RaftLogs, RoleName, Spawn,
};
pub use run::raft_thread::{OnRuntime, RaftThread};
pub use transport::{Lane, PeerTransport, TransportError};
