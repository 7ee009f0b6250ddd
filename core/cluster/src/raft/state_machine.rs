//! openraft's state machine: hands committed entries to a [`Machine`] in whole pieces.
//!
//! Nothing of it is on the disk: at the start openraft applies the log again up to the saved committed index. There
//! are no snapshots yet; whoever asks for one gets an error.

use super::entry::{LogEntry, LogId, Types};
use crate::limits::APPLY_ENTRIES;
use crate::machine::{Attached, Committed, Machine, Role};
use futures::{Stream, StreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, StoredMembership};
use parking_lot::Mutex;
use std::io;
use std::task::Poll;

/// A machine without the type of what is attached.
pub(crate) trait Apply: Send {
    fn apply(&mut self, entries: &mut Vec<LogEntry>);
    fn role(&mut self, role: Role);
}

pub(crate) struct Typed<A, M> {
    machine: M,
    ready: Vec<Committed<A>>,
}

impl<A, M> Typed<A, M> {
    pub(crate) fn new(machine: M) -> Typed<A, M> {
        Typed { machine, ready: Vec::new() }
    }
}

impl<A: Send + 'static, M: Machine<A>> Apply for Typed<A, M> {
    fn apply(&mut self, entries: &mut Vec<LogEntry>) {
        for entry in entries.drain(..) {
            let (index, term, first_record) = (entry.log_index(), entry.term(), entry.place);
            if let EntryPayload::Normal(proposal) = entry.payload {
                let attached = proposal.slot.take::<Vec<Attached<A>>>().unwrap_or_default();
                self.ready.push(Committed { index, term, batch: proposal.batch, first_record, attached });
            }
        }
        if !self.ready.is_empty() {
            self.machine.apply(&mut self.ready);
            self.ready.clear();
        }
    }

    fn role(&mut self, role: Role) {
        self.machine.role(role);
    }
}

pub(crate) struct StateMachine {
    /// Never contended: it is here because openraft wants a machine that may be shared.
    apply: Mutex<Box<dyn Apply>>,
    applied: Option<LogId>,
    membership: StoredMembershipOf<Types>,
}

impl StateMachine {
    pub(crate) fn new(apply: Box<dyn Apply>) -> StateMachine {
        StateMachine { apply: Mutex::new(apply), applied: None, membership: StoredMembership::default() }
    }

    pub(crate) fn tell(&mut self, role: Role) {
        self.apply.get_mut().role(role);
    }
}

/// Lets the other tasks of the thread run.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = ();
    type SnapshotBuilder = NoSnapshots;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembershipOf<Types>), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        let mut pieces = entries.ready_chunks(APPLY_ENTRIES);
        let mut ready = Vec::new();
        let mut responders = Vec::new();
        let mut is_first = true;
        while let Some(piece) = pieces.next().await {
            if !std::mem::take(&mut is_first) {
                yield_now().await;
            }
            for item in piece {
                let (entry, responder) = item?;
                if let Some(membership) = entry.get_membership() {
                    self.membership = StoredMembership::new(Some(entry.log_id()), membership);
                }
                self.applied = Some(entry.log_id());
                ready.push(entry);
                responders.extend(responder);
            }
            self.apply.get_mut().apply(&mut ready);
            for responder in responders.drain(..) {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<NoSnapshots> {
        force.then_some(NoSnapshots)
    }

    async fn get_snapshot_builder(&mut self) -> NoSnapshots {
        NoSnapshots
    }

    async fn install_snapshot(&mut self, _: &SnapshotMetaOf<Types>, (): ()) -> Result<(), io::Error> {
        Err(refused())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, ()>>, io::Error> {
        Ok(None)
    }
}

/// Builds nothing.
pub(crate) struct NoSnapshots;

impl RaftSnapshotBuilder<Types> for NoSnapshots {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, ()>, io::Error> {
        Err(refused())
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "there are no snapshots: nothing is purged from the log")
}
