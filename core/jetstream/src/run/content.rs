//! Delivery to consumers whose messages a plugin judges: candidates, a verdict outside the lock, then a commit.
//!
//! Which consumer has a filter is asked once for each publication of bindings. Core 0 tells the shards, in its tick, so
//! that a consumer judges ahead of demand; each core keeps the numbers of those that it delivers for.

use crate::consumer::{BatchEnd, BatchLimit, Candidates};
use crate::id::ConsumerKey;
use crate::run::JetStream;
use crate::run::delivery::{Delivery, Ready};
use crate::run::queue::{Due, Work};
use crate::run::registry::ConsumerRoute;
use crate::run::waiter::Waiters;
use crate::{Batch, Take};
use forebay_broker::ThreadState;
use forebay_broker::hooks::{FILTER_BATCH_MAX, FilterVerdict, Filters, MessageRef};
use forebay_store::{Location, ReadError, RecordBuf};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// What is judged in one step.
const JUDGED: BatchLimit = BatchLimit { messages: FILTER_BATCH_MAX, bytes: 256 << 10 };
/// After so long a filter that asked for a pause is asked again, in ns.
const PAUSE_NS: i64 = 1_000_000_000;
/// After so long readers that had too much to do are asked again, in ns.
const BUSY_NS: i64 = 20_000_000;

/// Candidates with their bodies.
pub(super) struct ReadCandidates {
    due: Due,
    candidates: Candidates,
    bodies: Vec<Result<RecordBuf, ReadError>>,
}

/// What is to become of candidates.
enum Verdict {
    /// So many were judged; the bits say which are kept.
    Judged(usize, u64),
    /// Nothing can be said now: offer them again after so many ns.
    After(i64),
}

/// The filters of one core.
#[derive(Default)]
pub(super) struct Judge {
    hook: Option<Box<dyn Filters>>,
    generation: u64,
    bindings: HashMap<ConsumerKey, Option<u32>>,
    told: Told,
    candidates: Candidates,
    judged: Batch,
}

/// What the shards were told last; core 0 only.
#[derive(Default)]
struct Told {
    filters: u64,
    consumers: u64,
    bound: HashSet<ConsumerKey>,
}

impl Judge {
    pub(super) fn set_hook(&mut self, hook: Box<dyn Filters>) {
        self.generation = hook.generation();
        self.hook = Some(hook);
    }

    /// The filter of a consumer.
    #[inline]
    pub(super) fn binding(&mut self, route: &ConsumerRoute) -> Option<u32> {
        let hook = self.hook.as_mut()?;
        let generation = hook.generation();
        if generation != self.generation {
            self.generation = generation;
            self.bindings.clear();
        }
        let facts = &route.facts;
        let ask = || hook.filter_for(&facts.account, &facts.stream, &facts.name);
        *self.bindings.entry(facts.key).or_insert_with(ask)
    }

    /// What a filter says to the first of the bodies.
    fn verdict(&mut self, binding: u32, candidates: &Candidates, bodies: &[Result<RecordBuf, ReadError>]) -> Verdict {
        match bodies.first() {
            // It goes the way of all deliveries, which gives it up.
            Some(Err(ReadError::Damaged { .. })) => return Verdict::Judged(1, 1),
            // It may have been moved, or deleted: the next candidates know.
            Some(Err(_)) => return Verdict::After(BUSY_NS),
            _ => {}
        }
        let Some(hook) = &mut self.hook else { return Verdict::After(PAUSE_NS) };
        let readable: Vec<&RecordBuf> = bodies.iter().map_while(|body| body.as_ref().ok()).collect();
        let messages: Vec<MessageRef<'_>> = readable
            .iter()
            .zip(&candidates.items)
            .take(FILTER_BATCH_MAX)
            .map(|(body, item)| {
                let record = body.record();
                MessageRef {
                    subject: record.subject,
                    reply: b"",
                    headers: record.headers,
                    payload: record.payload,
                    sequence: item.seq,
                    time_ns: item.time,
                }
            })
            .collect();
        let outcome = hook.filter_batch(binding, &messages);
        // A step has one call, so that a call that hit its limit has ended it already.
        let _ = hook.take_limit_hit();
        match outcome.verdict {
            FilterVerdict::Deliver(_) if outcome.judged == 0 => Verdict::After(0),
            FilterVerdict::Deliver(keep) => Verdict::Judged(outcome.judged, keep),
            FilterVerdict::Pause => Verdict::After(PAUSE_NS),
        }
    }
}

impl Delivery {
    /// Gives the core its filters.
    pub fn set_filters(&mut self, hook: Box<dyn Filters>) {
        self.judge.set_hook(hook);
    }

    /// Tells the shards whose messages are judged, where that may have changed.
    pub(super) fn tell_filters(&mut self, js: &Arc<JetStream>, thread: &mut ThreadState) {
        let Some(hook) = &mut self.judge.hook else { return };
        let (filters, consumers) = (hook.generation(), js.registry.generation());
        let told = &mut self.judge.told;
        if (told.filters, told.consumers) == (filters, consumers) {
            return;
        }
        let reloaded = told.filters != filters;
        (told.filters, told.consumers) = (filters, consumers);
        let before = std::mem::take(&mut told.bound);
        let mut changes = Vec::new();
        for route in js.registry.consumers() {
            let facts = &route.facts;
            let bound = hook.filter_for(&facts.account, &facts.stream, &facts.name).is_some();
            if bound {
                told.bound.insert(facts.key);
            }
            if bound != before.contains(&facts.key) || (bound && reloaded) {
                changes.push((route.shard, facts.key, bound));
            }
        }
        for (shard, key, bound) in changes {
            let Some(cell) = js.shard(shard) else { continue };
            cell.change(|state| state.shard.set_content_filter(key, bound, &mut self.hands.out));
            self.hands.carry_out(js, thread, shard, &mut Waiters::default());
        }
        if reloaded {
            // Who paused asks the new ones.
            js.queues.iter().for_each(|queue| queue.release(i64::MAX - 1));
        }
    }

    /// One step for a consumer with a filter.
    pub(super) fn judge_due(&mut self, thread: &mut ThreadState, due: Due, route: &ConsumerRoute, binding: u32) {
        let js = self.js.clone();
        let Some(cell) = js.shard(due.shard) else { return };
        js.drop_gone_takers(cell, route, JUDGED.messages);
        let now = thread.wall_ns();
        let mut candidates = std::mem::take(&mut self.judge.candidates);
        self.batch.clear();
        let end = cell.change(|state| {
            let end = state.shard.candidates(due.key, now, JUDGED, &mut candidates, &mut self.batch);
            if state.shard.has_urgent() {
                self.hands.proposer(&js, due.shard, now).propose(state, Take::Urgent, Waiters::default());
            }
            end
        });
        self.hands.carry_out(&js, thread, due.shard, &mut Waiters::default());
        if !self.batch.deliveries.is_empty() || !self.batch.statuses.is_empty() || candidates.items.is_empty() {
            // Redeliveries were judged before. The candidates are offered again in the next step.
            self.judge.candidates = candidates;
            return self.deliver_batch(thread, due, route, end);
        }
        let hot = js.store.hot();
        let found = candidates.items.iter().map(|item| item.body.clone().or_else(|| hot.get(item.location)));
        match found.collect::<Option<Vec<RecordBuf>>>() {
            Some(bodies) => {
                let bodies: Vec<_> = bodies.into_iter().map(Ok).collect();
                self.judge_bodies(thread, due, route, binding, &candidates, bodies);
                self.judge.candidates = candidates;
            }
            None => self.read_candidates(thread, due, candidates),
        }
    }

    /// Sends the candidates to the reader threads; the consumer is not asked again before they come back.
    fn read_candidates(&mut self, thread: &ThreadState, due: Due, candidates: Candidates) {
        let (back, core) = (self.js.clone(), self.core);
        let places: Vec<Location> = candidates.items.iter().map(|item| item.location).collect();
        let done = move |bodies: Vec<Result<RecordBuf, ReadError>>| {
            let read = ReadCandidates { due, candidates, bodies };
            if let Some(queue) = back.queues.get(core) {
                queue.push(Work::Ready(Ready::Candidates(Box::new(read))));
            }
        };
        if self.js.cold.read_many(places, done).is_err() {
            self.later(thread.wall_ns() + BUSY_NS, due);
        }
    }

    /// The candidates' bodies are there.
    pub(super) fn judge_read(&mut self, thread: &mut ThreadState, read: ReadCandidates) {
        let ReadCandidates { due, candidates, bodies } = read;
        let Some(route) = self.js.registry.consumer(due.key) else { return };
        match self.judge.binding(&route) {
            Some(binding) => self.judge_bodies(thread, due, &route, binding, &candidates, bodies),
            // The filter went meanwhile.
            None => self.again(due, BatchEnd::More),
        }
    }

    fn judge_bodies(
        &mut self,
        thread: &mut ThreadState,
        due: Due,
        route: &ConsumerRoute,
        binding: u32,
        candidates: &Candidates,
        bodies: Vec<Result<RecordBuf, ReadError>>,
    ) {
        let now = thread.wall_ns();
        let (judged, keep) = match self.judge.verdict(binding, candidates, &bodies) {
            Verdict::Judged(judged, keep) => (judged, keep),
            Verdict::After(0) => return self.again(due, BatchEnd::More),
            Verdict::After(wait_ns) => return self.later(now + wait_ns, due),
        };
        let js = self.js.clone();
        let Some(cell) = js.shard(due.shard) else { return };
        let mut batch = std::mem::take(&mut self.judge.judged);
        batch.clear();
        let end = cell.change(|state| {
            let end = state.shard.commit(due.key, now, candidates, &[keep], judged, &mut batch);
            if state.shard.has_urgent() {
                self.hands.proposer(&js, due.shard, now).propose(state, Take::Urgent, Waiters::default());
            }
            end
        });
        self.hands.carry_out(&js, thread, due.shard, &mut Waiters::default());
        // Both are in the order of the stream, so one walk finds each delivery's body.
        let mut judged = candidates.items.iter().zip(bodies);
        let kept: Vec<_> = batch
            .deliveries
            .iter()
            .map(|delivery| {
                let body = judged.by_ref().find(|(item, _)| item.seq == delivery.seq).map(|(_, body)| body);
                body.unwrap_or(Err(ReadError::Gone))
            })
            .collect();
        self.send(thread, route, due, &batch.deliveries, &batch.statuses, &kept);
        self.judge.judged = batch;
        self.again(due, end);
    }

    fn later(&self, at: i64, due: Due) {
        if let Some(queue) = self.js.queues.get(self.core) {
            queue.push_later(at, due);
        }
    }
}
