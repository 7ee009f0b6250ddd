//! From proposals to raft entries: what waits while entries are on their way becomes the next entry.

use super::entry::{Proposal, Rt, Slot, Types};
use super::group::Core;
use crate::batch::{Batch, Gather};
use crate::limits::{ENTRIES_IN_FLIGHT, ENTRY_BYTES, LEASE, MAX_PROPOSAL_BYTES, QUEUE_BYTES, QUEUE_PROPOSALS};
use crate::machine::{Attached, Refused, RefusedReason};
use futures::StreamExt;
use futures::future::{BoxFuture, Either, select};
use futures::stream::FuturesUnordered;
use futures::task::AtomicWaker;
use openraft::errors::ClientWriteError;
use openraft::impls::ProgressResponder;
use openraft_rt::AsyncRuntime;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What waits for the pump. Any thread pushes, the raft thread takes.
pub(super) struct Queue<A> {
    /// The longest proposal in bytes.
    most: usize,
    state: Mutex<Waiting<A>>,
    waker: AtomicWaker,
}

struct Waiting<A> {
    proposals: VecDeque<(Batch, A)>,
    bytes: usize,
    closed: bool,
}

/// Who hears of proposals that come back.
pub(super) type Returned<A> = Box<dyn FnMut(A, RefusedReason) + Send>;

impl<A> Queue<A> {
    pub(super) fn new(lane_bytes: usize) -> Queue<A> {
        let state = Waiting { proposals: VecDeque::new(), bytes: 0, closed: false };
        Queue { most: lane_bytes.min(MAX_PROPOSAL_BYTES), state: Mutex::new(state), waker: AtomicWaker::new() }
    }

    pub(super) fn push(&self, batch: Batch, attachment: A) -> Result<(), Refused<A>> {
        let len = batch.records.len();
        if batch.count == 0 || len > self.most {
            return Err(Refused { reason: RefusedReason::Size, attachment });
        }
        {
            let mut state = self.state.lock();
            if state.closed {
                return Err(Refused { reason: RefusedReason::Stopped, attachment });
            }
            if state.proposals.len() >= QUEUE_PROPOSALS || (state.bytes > 0 && state.bytes + len > QUEUE_BYTES) {
                return Err(Refused { reason: RefusedReason::Full, attachment });
            }
            state.bytes += len;
            state.proposals.push_back((batch, attachment));
        }
        self.waker.wake();
        Ok(())
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    fn is_empty(&self) -> bool {
        self.state.lock().proposals.is_empty()
    }

    /// Moves what belongs into one entry.
    fn gather(&self, into: &mut Gather<A>) {
        let mut state = self.state.lock();
        while state.proposals.front().is_some_and(|(batch, _)| into.fits(batch)) {
            let Some((batch, attachment)) = state.proposals.pop_front() else { return };
            state.bytes = state.bytes.saturating_sub(batch.records.len());
            into.push(batch, attachment);
        }
    }

    fn drain(&self, close: bool) -> VecDeque<(Batch, A)> {
        let mut state = self.state.lock();
        state.closed |= close;
        state.bytes = 0;
        std::mem::take(&mut state.proposals)
    }
}

/// How an entry ended.
type Ended = (Slot, Option<RefusedReason>);

/// The task that feeds one group.
pub(super) struct Pump<A> {
    pub(super) core: Arc<Core>,
    pub(super) queue: Arc<Queue<A>>,
    pub(super) returned: Returned<A>,
    in_flight: FuturesUnordered<BoxFuture<'static, Ended>>,
    gather: Gather<A>,
}

enum Woken {
    Work,
    Ended(Ended),
}

impl<A: Send + 'static> Pump<A> {
    pub(super) fn new(core: Arc<Core>, queue: Arc<Queue<A>>, returned: Returned<A>) -> Pump<A> {
        let gather = Gather::new(queue.most.min(ENTRY_BYTES));
        Pump { core, queue, returned, in_flight: FuturesUnordered::new(), gather }
    }

    /// Runs until the group is shut down.
    pub(super) async fn run(mut self) {
        while !self.core.is_stopped() {
            if self.core.is_leading() {
                while self.in_flight.len() < ENTRIES_IN_FLIGHT && !self.queue.is_empty() {
                    self.send().await;
                }
            } else {
                self.refuse_waiting(RefusedReason::NotLeader { leader: self.core.leader() }, false);
            }
            let is_stuck = self.in_flight.len() >= ENTRIES_IN_FLIGHT && !self.queue.is_empty();
            match self.wait(is_stuck).await {
                Some(woken) => self.end(woken),
                // The entries on their way may never end if the others are not reached: the rest need not wait.
                None if self.core.is_silent() => self.refuse_waiting(RefusedReason::NotLeader { leader: None }, false),
                None => {}
            }
        }
        self.refuse_waiting(RefusedReason::Stopped, true);
        while let Some(ended) = self.in_flight.next().await {
            self.end(Woken::Ended(ended));
        }
    }

    /// Waits for something to do; `None` if that takes long although something waits.
    async fn wait(&mut self, is_stuck: bool) -> Option<Woken> {
        let woken = std::future::poll_fn(|context| self.poll_woken(context));
        if !is_stuck {
            return Some(woken.await);
        }
        match select(woken, Box::pin(Rt::sleep(LEASE))).await {
            Either::Left((woken, _)) => Some(woken),
            Either::Right(_) => None,
        }
    }

    fn poll_woken(&mut self, context: &mut Context<'_>) -> Poll<Woken> {
        if let Poll::Ready(Some(ended)) = self.in_flight.poll_next_unpin(context) {
            return Poll::Ready(Woken::Ended(ended));
        }
        self.queue.waker.register(context.waker());
        let has_room = self.in_flight.len() < ENTRIES_IN_FLIGHT;
        let work = self.core.is_stopped() || (!self.queue.is_empty() && (has_room || !self.core.is_leading()));
        if work { Poll::Ready(Woken::Work) } else { Poll::Pending }
    }

    /// One entry goes to raft.
    async fn send(&mut self) {
        self.queue.gather(&mut self.gather);
        let Some((batch, attached)) = self.gather.take() else { return };
        let slot = Slot::holding::<Vec<Attached<A>>>(attached);
        let proposal = Proposal { batch: Arc::new(batch), slot: slot.clone() };
        let (responder, answer) = ProgressResponder::<Types, _>::complete_only();
        if self.core.raft.client_write_ff(proposal, Some(responder)).await.is_err() {
            self.give_back(&slot, RefusedReason::Stopped);
            return;
        }
        self.in_flight.push(Box::pin(async move {
            let reason = match answer.await {
                Ok(Ok(_)) => None,
                Ok(Err(ClientWriteError::ForwardToLeader(to))) => {
                    Some(RefusedReason::NotLeader { leader: to.leader_id })
                }
                Ok(Err(_)) | Err(_) => Some(RefusedReason::Unknown),
            };
            (slot, reason)
        }));
    }

    fn end(&mut self, woken: Woken) {
        if let Woken::Ended((slot, reason)) = woken {
            // What was applied has been taken by the machine.
            self.give_back(&slot, reason.unwrap_or(RefusedReason::Unknown));
        }
    }

    fn give_back(&mut self, slot: &Slot, reason: RefusedReason) {
        for attached in slot.take::<Vec<Attached<A>>>().unwrap_or_default() {
            (self.returned)(attached.attachment, reason);
        }
    }

    fn refuse_waiting(&mut self, reason: RefusedReason, close: bool) {
        for (_, attachment) in self.queue.drain(close) {
            (self.returned)(attachment, reason);
        }
    }
}
