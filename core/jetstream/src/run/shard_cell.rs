//! A shard behind its lock, and what of it is known without the lock.

use crate::effect::{Effects, Proposals};
use crate::run::alarm::Alarm;
use crate::run::waiter::Waiters;
use crate::shard::{Shard, Take};
use forebay_store::{EntryKind, Index, LaneHandle, NewEntry, RecordBatch, RecordFields, Refused};
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// What the lock guards.
pub(super) struct ShardState {
    pub(super) shard: Shard,
    /// The lsn of the last entry applied.
    pub(super) lsn: u64,
    /// Proposals that the lane had no room for: they go before any other.
    unsent: VecDeque<(RecordBatch, Waiters)>,
}

/// A shard behind its lock.
pub(super) struct ShardCell {
    number: u32,
    state: Mutex<ShardState>,
    /// The next moment at which the shard wants to be called, in ns; `i64::MAX` for never.
    deadline: AtomicI64,
    /// It has something to log that nobody waits for.
    unlogged: AtomicBool,
    alarm: Arc<Alarm>,
}

impl ShardCell {
    pub(super) fn new(number: u32, shard: Shard, lsn: u64, alarm: Arc<Alarm>) -> Self {
        Self {
            number,
            state: Mutex::new(ShardState { shard, lsn, unsent: VecDeque::new() }),
            deadline: AtomicI64::new(0),
            unlogged: AtomicBool::new(true),
            alarm,
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Locks it for reading: nothing changes.
    pub(super) fn read<R>(&self, act: impl FnOnce(&Shard) -> R) -> R {
        act(&self.state.lock().shard)
    }

    /// Locks it for a change; what is known without the lock is brought up to date.
    pub(super) fn change<R>(&self, act: impl FnOnce(&mut ShardState) -> R) -> R {
        let mut state = self.state.lock();
        let result = act(&mut state);
        self.note(&state);
        result
    }

    /// Locks it for applying records, which is done for every batch: deadlines are looked at by the next tick.
    pub(super) fn apply(&self) -> MutexGuard<'_, ShardState> {
        self.deadline.store(0, Ordering::Relaxed);
        self.alarm.ring();
        self.state.lock()
    }

    fn note(&self, state: &ShardState) {
        self.deadline.store(state.shard.poll_timeout().unwrap_or(i64::MAX), Ordering::Relaxed);
        let unlogged = state.shard.has_unlogged() || !state.unsent.is_empty();
        self.unlogged.store(unlogged, Ordering::Relaxed);
        self.alarm.ring();
    }

    /// The next moment at which the tick has something to do here, in ns.
    pub(super) fn next_due(&self) -> i64 {
        if self.unlogged.load(Ordering::Relaxed) { 0 } else { self.deadline.load(Ordering::Relaxed) }
    }

    /// True if the tick has something to do here.
    pub(super) fn is_due(&self, now: i64) -> bool {
        self.next_due() <= now
    }
}

/// A shard's commands on their way to the lane.
pub(super) struct Proposer<'a> {
    pub(super) lane: &'a LaneHandle<Waiters>,
    pub(super) shard: u32,
    pub(super) now: i64,
    pub(super) proposals: &'a mut Proposals,
    pub(super) effects: &'a mut Effects,
}

impl Proposer<'_> {
    /// Hands over what the shard wants logged, in order; `waiters` wait for it. Those come back if nothing was logged.
    pub(super) fn propose(&mut self, state: &mut ShardState, take: Take, waiters: Waiters) -> Option<Waiters> {
        self.proposals.clear();
        state.shard.take_proposals(self.now, take, self.proposals, self.effects);
        if self.proposals.is_empty() {
            self.send_unsent(state);
            return Some(waiters);
        }
        let mut batch = RecordBatch::new();
        for proposal in self.proposals.iter() {
            let record = RecordFields {
                number: proposal.command,
                uid: proposal.uid,
                time: self.now,
                payload: proposal.body,
                ..RecordFields::default()
            };
            if let Err(error) = batch.push(&record) {
                tracing::error!(error = %error, command = proposal.command, "a command is too large for the log");
            }
        }
        state.unsent.push_back((batch, waiters));
        self.send_unsent(state);
        None
    }

    fn send_unsent(&self, state: &mut ShardState) {
        while let Some((batch, waiters)) = state.unsent.pop_front() {
            if let Err(refused) = submit(self.lane, self.shard, self.now, &batch, waiters) {
                // It stays in front until the lane has room; a failed lane never has.
                state.unsent.push_front((batch, refused.attachment));
                return;
            }
        }
    }
}

/// Hands commands that are no client's publishes to the lane; returns the entry's lsn.
pub(super) fn submit(
    lane: &LaneHandle<Waiters>,
    shard: u32,
    now: i64,
    batch: &RecordBatch,
    waiters: Waiters,
) -> Result<u64, Refused<Waiters>> {
    let entry = NewEntry {
        shard,
        kind: EntryKind::Entry,
        publish: false,
        index: Index::Local,
        term: 0,
        time: now,
        records: batch.bytes(),
        count: batch.count(),
        records_crc: batch.crc(),
        attachment: waiters,
    };
    lane.submit(entry).map(|placed| placed.lsn)
}
