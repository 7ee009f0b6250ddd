//! Delivery to consumers whose messages a plugin judges: candidates, a verdict outside the lock, then a commit.
//!
//! Which consumer has a filter is asked once for each publication of bindings. Core 0 tells the shards, in its tick, so
//! that a consumer judges ahead of demand; each core keeps the numbers of those that it delivers for.
//!
//! On a work queue a skip removes the message, so a filter has to say that it may. One that does not is refused where
//! stream and binding meet: when either of them comes. If they met all the same, in a race, the consumer waits.

use crate::consumer::{BatchEnd, BatchLimit, Candidates, ConsumerFacts};
use crate::effect::LeaderOut;
use crate::id::ConsumerKey;
use crate::run::JetStream;
use crate::run::cold::BUSY_NS;
use crate::run::delivery::{Delivery, Ready};
use crate::run::queue::{Due, Work};
use crate::run::registry::ConsumerRoute;
use crate::run::waiter::Waiters;
use crate::{Batch, Take};
use forebay_api::error::ApiError;
use forebay_api::stream::{Retention, StreamConfig};
use forebay_broker::ThreadState;
use forebay_broker::hooks::{FILTER_BATCH_MAX, FilterTable, FilterVerdict, Filters, MessageRef};
use forebay_store::{Location, ReadError, RecordBuf};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// What is judged in one step.
const JUDGED: BatchLimit = BatchLimit { messages: FILTER_BATCH_MAX, bytes: 256 << 10 };
/// After so long a filter that asked for a pause is asked again, in ns.
const PAUSE_NS: i64 = 1_000_000_000;

/// Candidates with their bodies.
pub(super) struct ReadCandidates {
    due: Due,
    candidates: Candidates,
    bodies: Vec<Result<RecordBuf, ReadError>>,
}

/// Who judges a consumer's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// Nobody.
    Not,
    /// The binding with this number.
    By(u32),
    /// The binding with this number would, and cannot: its skips would remove messages of a work queue.
    Refused(u32),
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
    bindings: HashMap<ConsumerKey, Judged>,
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
    pub(super) fn set_hook(&mut self, mut hook: Box<dyn Filters>) {
        self.generation = hook.refresh();
        self.hook = Some(hook);
    }

    /// The filter of a consumer.
    #[inline]
    pub(super) fn binding(&mut self, js: &JetStream, route: &ConsumerRoute) -> Judged {
        let Some(hook) = &mut self.hook else { return Judged::Not };
        let generation = hook.refresh();
        if generation != self.generation {
            self.generation = generation;
            self.bindings.clear();
        }
        let facts = &route.facts;
        let ask = || match hook.filter_for(&facts.account, &facts.stream, &facts.name) {
            None => Judged::Not,
            Some(bound) if bound.skip_acks || !js.is_work_queue(&facts.account, &facts.stream) => {
                Judged::By(bound.number)
            }
            Some(bound) => {
                let (stream, consumer) = (&*facts.stream, &*facts.name);
                tracing::error!(
                    stream,
                    consumer,
                    "A filter without skip_acks on a work queue is not asked; the consumer waits until the configuration says what a skip is"
                );
                Judged::Refused(bound.number)
            }
        };
        *self.bindings.entry(facts.key).or_insert_with(ask)
    }

    /// Counts that a consumer had to wait.
    pub(super) fn count_refused(&mut self, binding: u32) {
        if let Some(hook) = &mut self.hook {
            hook.count_refused(binding);
        }
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
        let (filters, consumers) = (hook.refresh(), js.registry.generation());
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
            js.set_filtered(shard, key, bound, &mut self.hands.out);
            self.hands.carry_out(js, thread, shard, &mut Waiters::default());
        }
        if reloaded {
            // Who paused asks the new ones.
            js.queues.iter().for_each(|queue| queue.release(i64::MAX - 1));
        }
    }

    /// A consumer whose filter cannot be asked waits.
    pub(super) fn wait_refused(&mut self, thread: &ThreadState, due: Due, binding: u32) {
        self.judge.count_refused(binding);
        self.later(thread.wall_ns() + PAUSE_NS, due);
    }

    /// One step for a consumer with a filter.
    pub(super) fn judge_due(&mut self, thread: &mut ThreadState, due: Due, route: &ConsumerRoute, binding: u32) {
        if thread.is_limit_hit() {
            return self.again(due, BatchEnd::More);
        }
        let js = self.js.clone();
        let Some(cell) = js.shard(due.shard) else { return };
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
            None => self.read_candidates(due, candidates),
        }
    }

    /// Sends the candidates to the reader threads; the consumer is not asked again before they come back.
    fn read_candidates(&self, due: Due, candidates: Candidates) {
        let places: Vec<Location> = candidates.items.iter().map(|item| item.location).collect();
        self.js.read_cold(self.core, places, move |bodies| {
            Ready::Candidates(Box::new(ReadCandidates { due, candidates, bodies }))
        });
    }

    /// The candidates' bodies are there.
    pub(super) fn judge_read(&mut self, thread: &mut ThreadState, read: ReadCandidates) {
        if thread.is_limit_hit()
            && let Some(queue) = self.js.queues.get(self.core)
        {
            return queue.push(Work::Ready(Ready::Candidates(Box::new(read))));
        }
        let ReadCandidates { due, candidates, bodies } = read;
        let Some(route) = self.js.registry.consumer(due.key) else { return };
        match self.judge.binding(&self.js, &route) {
            Judged::By(binding) => self.judge_bodies(thread, due, &route, binding, &candidates, bodies),
            // The filter went meanwhile.
            Judged::Not | Judged::Refused(_) => self.again(due, BatchEnd::More),
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
        let verdict = self.judge.verdict(binding, candidates, &bodies);
        if self.judge.hook.as_mut().is_some_and(|hook| hook.take_limit_hit()) {
            thread.note_limit_hit();
        }
        let (judged, keep) = match verdict {
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
        self.js.later(self.core, at, Work::Due(due));
    }
}

impl JetStream {
    /// True if a plugin filters this consumer.
    pub(super) fn is_filtered(&self, facts: &ConsumerFacts) -> bool {
        self.config.filters.filter_for(&facts.account, &facts.stream, &facts.name).is_some()
    }

    /// Tells a consumer's machine whether a plugin filters it.
    pub(super) fn set_filtered(&self, shard: u32, key: ConsumerKey, filtered: bool, out: &mut LeaderOut) {
        if let Some(cell) = self.shard(shard) {
            cell.change(|state| state.shard.set_content_filter(key, filtered, out));
        }
    }
}

/// Refuses a work queue that has a filter whose skips do not ack.
pub(super) fn admit_stream(filters: &dyn FilterTable, account: &str, config: &StreamConfig) -> Result<(), ApiError> {
    if config.retention != Retention::WorkQueue {
        return Ok(());
    }
    match filters.without_skip_acks(account, &config.name) {
        Some(consumer) => Err(ApiError::stream_invalid_config(needs_skip_acks(&consumer))),
        None => Ok(()),
    }
}

/// Refuses a consumer of a work queue that has such a filter.
pub(super) fn admit_consumer(
    filters: &dyn FilterTable,
    account: &str,
    stream: &StreamConfig,
    consumer: &str,
) -> Result<(), ApiError> {
    let refused = stream.retention == Retention::WorkQueue
        && filters.filter_for(account, &stream.name, consumer).is_some_and(|bound| !bound.skip_acks);
    if refused { Err(ApiError::consumer_create(needs_skip_acks(consumer))) } else { Ok(()) }
}

fn needs_skip_acks(consumer: &str) -> String {
    format!("a plugin filters consumer \"{consumer}\", which needs skip_acks = true on a work queue")
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_broker::hooks::BoundFilter;

    /// The consumer `c` of `S` has a filter.
    struct Table {
        skip_acks: bool,
    }

    impl FilterTable for Table {
        fn filter_for(&self, _: &str, stream: &str, consumer: &str) -> Option<BoundFilter> {
            let bound = BoundFilter { number: 1, skip_acks: self.skip_acks };
            (stream == "S" && consumer == "c").then_some(bound)
        }

        fn without_skip_acks(&self, _: &str, stream: &str) -> Option<String> {
            (stream == "S" && !self.skip_acks).then(|| "c".into())
        }
    }

    #[test]
    fn a_work_queue_and_a_filter_meet_only_if_a_skip_acks() {
        let stream = |name: &str, retention| StreamConfig { name: name.into(), retention, ..StreamConfig::default() };
        let (queue, plain) = (stream("S", Retention::WorkQueue), stream("S", Retention::Interest));
        let refusal = |done: Result<(), ApiError>| done.map_err(|error| (error.err_code, error.description));
        let silent = Table { skip_acks: false };
        let words = "a plugin filters consumer \"c\", which needs skip_acks = true on a work queue";
        assert_eq!(refusal(admit_stream(&silent, "$G", &queue)), Err((10052, words.into())));
        assert_eq!(refusal(admit_consumer(&silent, "$G", &queue, "c")), Err((10012, words.into())));
        assert_eq!(admit_consumer(&silent, "$G", &queue, "d"), Ok(()));
        assert_eq!(admit_stream(&silent, "$G", &plain), Ok(()));
        assert_eq!(admit_consumer(&silent, "$G", &plain, "c"), Ok(()));
        assert_eq!(admit_stream(&silent, "$G", &stream("T", Retention::WorkQueue)), Ok(()));
        let told = Table { skip_acks: true };
        assert_eq!(admit_stream(&told, "$G", &queue), Ok(()));
        assert_eq!(admit_consumer(&told, "$G", &queue, "c"), Ok(()));
    }
}
