//! What the cluster asks of those whose commands it agrees on, and what it tells them.

use crate::batch::Batch;
use forebay_store::Location;
use std::sync::Arc;

/// A node of raft: a random number that is made with a store and never outlives it.
pub type NodeId = u64;

/// A group of raft: 0 is the meta group, the others are shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The group that agrees on everything else.
    pub const META: GroupId = GroupId(0);

    /// The number under which the lane keeps the group's log.
    #[must_use]
    pub fn lane_shard(self) -> u32 {
        self.0 | crate::limits::RAFT_BIT
    }

    /// The group whose log a shard number of the lane names.
    #[must_use]
    pub fn of_lane_shard(shard: u32) -> Option<GroupId> {
        let is_raft = shard & crate::limits::RAFT_BIT != 0 && shard != forebay_store::STORE_SHARD;
        is_raft.then_some(GroupId(shard & !crate::limits::RAFT_BIT))
    }
}

/// Who a node is to people, and where it listens for its peers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// The server's name.
    pub name: String,
    /// Its route address.
    pub address: String,
}

/// What the lane's attachment has to be able to carry for raft's log.
pub trait LaneAttachment: Send + 'static {
    /// An attachment whose owner calls `done` once: with true on the lane's thread when the entry is durable, with
    /// false if the lane failed. Dropping it says false.
    fn flushed(done: Box<dyn FnOnce(bool) + Send>) -> Self;
}

/// A tests' lane carries nothing else.
impl LaneAttachment for Box<dyn FnOnce(bool) + Send> {
    fn flushed(done: Box<dyn FnOnce(bool) + Send>) -> Self {
        done
    }
}

/// Who waits for a part of an entry's records; only on the server that proposed them.
#[derive(Debug)]
pub struct Attached<A> {
    /// Ordinal of the first record.
    pub first: u32,
    /// Number of records.
    pub count: u32,
    /// What was proposed with them.
    pub attachment: A,
}

/// An entry on which the group has agreed, and which this server's disk has.
#[derive(Debug)]
pub struct Committed<A> {
    /// Its number in the group.
    pub index: u64,
    /// The term in which it was proposed.
    pub term: u64,
    /// Its records.
    pub batch: Arc<Batch>,
    /// Where the first record lies in this server's lane.
    pub first_record: Location,
    /// Who waits; in the order of the records.
    pub attached: Vec<Attached<A>>,
}

/// What this server is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It leads, and has applied everything that earlier leaders committed.
    Leader {
        /// Its term.
        term: u64,
    },
    /// It follows, or waits for an election.
    Follower {
        /// The term.
        term: u64,
        /// Who leads, if that is known.
        leader: Option<NodeId>,
    },
    /// It only listens.
    Learner {
        /// The term.
        term: u64,
        /// Who leads, if that is known.
        leader: Option<NodeId>,
    },
}

impl Role {
    /// Whether this server leads.
    #[must_use]
    pub fn is_leader(self) -> bool {
        matches!(self, Role::Leader { .. })
    }
}

/// The state machine of one group. All methods run on the raft thread.
pub trait Machine<A>: Send + 'static {
    /// Applies entries in their order; each comes exactly once in the life of the process. What is left in `entries`
    /// is dropped. Indexes have gaps: raft's own entries are not shown.
    fn apply(&mut self, entries: &mut Vec<Committed<A>>);

    /// The role has changed; in order with `apply`.
    fn role(&mut self, role: Role);
}

/// Why a proposal was not taken, or comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedReason {
    /// This server does not lead the group: nothing was logged.
    #[error("not the leader")]
    NotLeader {
        /// Who leads, if that is known.
        leader: Option<NodeId>,
    },
    /// Too much waits: nothing was logged.
    #[error("too much waits for the group")]
    Full,
    /// It has no records, or more bytes than an entry may have: nothing was logged.
    #[error("the proposal has no records or too many bytes")]
    Size,
    /// The group has been shut down or has failed; nothing was logged.
    #[error("the group has stopped")]
    Stopped,
    /// It was logged and then lost its place, or the group stopped: whether it is ever applied is not known here.
    #[error("the outcome is not known")]
    Unknown,
}

/// A proposal that was not taken.
#[derive(Debug)]
pub struct Refused<A> {
    /// Why.
    pub reason: RefusedReason,
    /// What the proposer attached.
    pub attachment: A,
}
