//! What the lane thread does with entries that are durable: applies them, and carries out what follows.

use crate::effect::Applied;
use crate::meta::MetaEffects;
use crate::record::Record;
use crate::run::JetStream;
use crate::run::hands::{Hands, complete, propose_command};
use crate::run::ingress::CoreIngress;
use crate::run::waiter::Waiters;
use crate::{META_SHARD, StreamUid};
use forebay_broker::ThreadState;
use forebay_store::{DurableEntry, EntryKind, Group, LaneFailure, OnDurable, Records};
use std::sync::Arc;

/// The lane's callback.
pub struct Applier {
    js: Arc<JetStream>,
    thread: ThreadState,
    hands: Hands,
    meta_effects: MetaEffects,
}

impl Applier {
    /// The callback, with a thread state of its own for what it says to clients.
    pub fn new(js: Arc<JetStream>, mut thread: ThreadState) -> Self {
        thread.set_ingress(Box::new(CoreIngress::new(js.clone())));
        Self { js, thread, hands: Hands::default(), meta_effects: MetaEffects::default() }
    }

    fn apply_meta(&mut self, records: Records<'_>, lsn: u64, index: u64, waiters: &mut Waiters) {
        {
            let mut cell = self.js.meta.lock();
            for (ordinal, record) in records.enumerate() {
                let Ok((location, record)) = record else { continue };
                let waiter = waiters.number(ordinal as u32);
                let at = Applied { index, term: 0, location, waiter };
                cell.meta.apply(&Record::from(&record), at, &mut self.meta_effects);
            }
            cell.lsn = lsn;
        }
        for reply in self.meta_effects.replies.drain(..) {
            complete(&mut self.thread, waiters, reply);
        }
        let now = self.thread.wall_ns();
        for todo in self.meta_effects.todo.drain(..) {
            let mut next = Waiters::default();
            if let Some(completion) = waiters.take_completion_of(todo.waiter) {
                next.push_completion(0, completion);
            }
            if let Err(refused) = propose_command(&self.js, now, &todo.into(), next) {
                let (error, mut refused) = *refused;
                for completion in refused.take_completions() {
                    completion(Err(error.clone()), &mut self.thread);
                }
            }
        }
        self.meta_effects.clear();
    }

    fn apply_shard(&mut self, shard: u32, records: Records<'_>, lsn: u64, index: u64, waiters: &mut Waiters) {
        let js = self.js.clone();
        let Some(cell) = js.shard(shard) else { return };
        {
            let mut state = cell.apply();
            for (ordinal, record) in records.enumerate() {
                let Ok((location, record)) = record else { continue };
                let waiter = waiters.number(ordinal as u32);
                let at = Applied { index, term: 0, location, waiter };
                state.shard.apply(&Record::from(&record), at, &mut self.hands.effects);
            }
            state.lsn = lsn;
        }
        self.hands.carry_out(&js, &mut self.thread, shard, waiters);
    }

    fn apply_relocated(&mut self, shard: u32, records: Records<'_>, lsn: u64) {
        let js = self.js.clone();
        let Some(cell) = js.shard(shard) else { return };
        {
            let mut state = cell.apply();
            for record in records {
                let Ok((location, record)) = record else { continue };
                let Some(seq) = record.seq else { continue };
                state.shard.apply_relocated(StreamUid(record.uid), seq, location, &mut self.hands.effects);
            }
            state.lsn = lsn;
        }
        self.hands.carry_out(&js, &mut self.thread, shard, &mut Waiters::default());
    }
}

impl OnDurable<Waiters> for Applier {
    fn durable(&mut self, group: &Arc<Group>, entries: &mut Vec<DurableEntry<Waiters>>) {
        self.thread.set_now(self.js.clock.now(), self.js.clock.wall_ns());
        let mut applied = 0;
        for mut entry in entries.drain(..) {
            applied = entry.lsn;
            let records = Records::trusted(group.bytes(entry.range.clone()), entry.first_record, entry.count);
            let (lsn, index, waiters) = (entry.lsn, entry.index, &mut entry.attachment);
            match entry.kind {
                EntryKind::Entry if entry.shard == META_SHARD => self.apply_meta(records, lsn, index, waiters),
                EntryKind::Entry => self.apply_shard(entry.shard, records, lsn, index, waiters),
                EntryKind::Relocated => self.apply_relocated(entry.shard, records, lsn),
                _ => {}
            }
        }
        self.js.barriers.release(&self.js, applied);
        self.thread.end_turn();
        self.thread.flush();
    }

    fn failed(&mut self, failure: &LaneFailure, attachments: &mut Vec<Waiters>) {
        // Nobody is acked: what was written may or may not be there after a restart.
        tracing::error!(error = %failure, "The store failed; nothing is acked until the server is restarted");
        attachments.clear();
        self.js.barriers.release(&self.js, u64::MAX);
    }
}
