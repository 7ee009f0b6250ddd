//! openraft's types as this server uses them.
//!
//! Leader ids are the standard ones: one leader in a term, so that a log id is the term and the index that the lane's
//! entry header has anyway.

use crate::batch::Batch;
use crate::machine::{Member, NodeId};
pub(crate) use crate::run::Rt;
use forebay_store::Location;
use openraft::entry::RaftEntry;
use openraft::impls::leader_id_std;
use openraft::vote::{RaftLeaderId, RaftLeaderIdExt};
use openraft::{EntryPayload, Membership, Vote};
use parking_lot::Mutex;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

openraft::declare_raft_types!(
    /// The types of every group.
    pub(crate) Types:
        D = Proposal,
        R = (),
        NodeId = NodeId,
        Node = Member,
        Term = u64,
        LeaderId = leader_id_std::LeaderId<u64, NodeId>,
        Entry = LogEntry,
        AsyncRuntime = Rt,
);

pub(crate) type LeaderIdOf = leader_id_std::LeaderId<u64, NodeId>;
pub(crate) type CommittedOf = <LeaderIdOf as RaftLeaderId>::Committed;
pub(crate) type LogId = openraft::LogId<CommittedOf>;
pub(crate) type VoteOf = Vote<LeaderIdOf>;
pub(crate) type Payload = EntryPayload<Proposal, NodeId, Member>;
pub(crate) type MembershipOf = Membership<NodeId, Member>;

/// A log id from its two numbers.
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderIdOf::new_committed(term, 0), index)
}

/// The term in a log id.
pub(crate) fn term_of(id: &LogId) -> u64 {
    **id.committed_leader_id()
}

/// What a proposer attached, until apply or a refusal takes it.
#[derive(Clone, Default)]
pub(crate) struct Slot(Option<Arc<Held>>);

struct Held {
    /// Known without the lock, which is a leaf.
    armed: AtomicBool,
    value: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Slot {
    pub(crate) fn holding<T: Send + 'static>(value: T) -> Slot {
        Slot(Some(Arc::new(Held { armed: AtomicBool::new(true), value: Mutex::new(Some(Box::new(value))) })))
    }

    /// Takes what is in it.
    pub(crate) fn take<T: 'static>(&self) -> Option<T> {
        let held = self.0.as_ref()?;
        let taken = held.value.lock().take()?;
        held.armed.store(false, Ordering::Release);
        taken.downcast::<T>().ok().map(|value| *value)
    }

    /// Whether somebody still waits.
    pub(crate) fn is_armed(&self) -> bool {
        self.0.as_ref().is_some_and(|held| held.armed.load(Ordering::Acquire))
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&self.is_armed()).finish()
    }
}

/// What a normal entry carries.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub(crate) batch: Arc<Batch>,
    pub(crate) slot: Slot,
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records", self.batch.count)
    }
}

/// An entry of the log. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(crate) struct LogEntry {
    leader: CommittedOf,
    index: u64,
    pub(crate) payload: Payload,
    /// Where its first record lies in this server's lane; `NONE` before it is appended.
    pub(crate) place: Location,
}

impl LogEntry {
    pub(crate) fn of(term: u64, index: u64, payload: Payload, place: Location) -> LogEntry {
        LogEntry { leader: LeaderIdOf::new_committed(term, 0), index, payload, place }
    }

    pub(crate) fn term(&self) -> u64 {
        *self.leader
    }

    pub(crate) fn log_index(&self) -> u64 {
        self.index
    }

    /// Bytes of memory and of a frame that it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        match &self.payload {
            EntryPayload::Normal(proposal) => proposal.batch.records.len() + 128,
            _ => 512,
        }
    }

    pub(crate) fn is_awaited(&self) -> bool {
        matches!(&self.payload, EntryPayload::Normal(proposal) if proposal.slot.is_armed())
    }
}

impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}:{}", self.leader, self.index, self.payload)
    }
}

impl RaftEntry for LogEntry {
    type CommittedLeaderId = CommittedOf;
    type Payload = Payload;

    fn new(id: LogId, payload: Payload) -> Self {
        LogEntry { leader: *id.committed_leader_id(), index: id.index(), payload, place: Location::NONE }
    }

    fn log_id_parts(&self) -> (&CommittedOf, u64) {
        (&self.leader, self.index)
    }

    fn set_log_id(&mut self, new: LogId) {
        self.leader = *new.committed_leader_id();
        self.index = new.index();
    }

    fn get_membership(&self) -> Option<MembershipOf> {
        match &self.payload {
            EntryPayload::Membership(membership) => Some(membership.clone()),
            _ => None,
        }
    }
}
