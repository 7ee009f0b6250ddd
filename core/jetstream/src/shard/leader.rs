//! What the leader of a shard is told and asked: leadership, acks, pull requests, time, and batches to deliver.

use std::sync::Arc;

use forebay_api::pull::PullRequest;

use super::Shard;
use super::timer::Timed;
use crate::consumer::status::StatusKind;
use crate::consumer::{AckDone, AckInput, Batch, BatchEnd, BatchLimit, Candidates, Consumer, Source};
use crate::effect::{Applied, Effects, LeaderOut, Proposals};
use crate::id::ConsumerKey;
use crate::record::Record;
use crate::stream::Stream;

/// Which unlogged facts [`Shard::take_proposals`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// What somebody waits for: acks, redelivery counts, expiries, deletions.
    Urgent,
    /// Positions too: for the tick (5 ms) and before a step down.
    All,
}

impl Shard {
    /// From now on this server leads the shard. Everything up to here is applied.
    pub fn become_leader(&mut self, now: i64) {
        self.leads = true;
        let mut consumers = Vec::new();
        for stream in self.streams.values_mut() {
            for consumer in stream.consumers.values_mut() {
                consumer.lead(&stream.index, now);
                consumers.push(consumer.key());
            }
        }
        let streams: Vec<_> = self.streams.values().map(Stream::uid).collect();
        streams.into_iter().for_each(|uid| self.arm_stream(uid));
        consumers.into_iter().for_each(|key| self.arm_consumer(key));
    }

    /// True between [`Shard::become_leader`] and [`Shard::step_down`].
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leads
    }

    /// The leadership ends: waiting requests are told (`shutdown`: that the server goes).
    pub fn step_down(&mut self, shutdown: bool, out: &mut LeaderOut) {
        self.leads = false;
        self.timers.clear();
        self.dirty.clear();
        self.outbox.clear();
        for stream in self.streams.values_mut() {
            stream.reset_leadership();
            for consumer in stream.consumers.values_mut() {
                let kind = |left| match shutdown {
                    true => StatusKind::ServerShutdown { left },
                    false => StatusKind::LeadershipChange { left },
                };
                consumer.end(kind, &mut out.statuses);
            }
        }
    }

    /// Takes acks in. `done` gets one answer for each.
    pub fn handle_acks(&mut self, now: i64, acks: &[AckInput], out: &mut LeaderOut, done: &mut Vec<AckDone>) {
        for group in acks.chunk_by(|a, b| a.key == b.key) {
            let Some(key) = group.first().map(|ack| ack.key) else { continue };
            match self.consumer_mut(key) {
                Some(consumer) => done.extend(group.iter().map(|ack| consumer.handle_ack(now, ack, out))),
                None => done.extend(group.iter().map(|_| AckDone::Now)),
            }
            self.touched(key);
        }
    }

    /// Takes a pull request in.
    pub fn pull_request(
        &mut self,
        key: ConsumerKey,
        now: i64,
        request: &PullRequest,
        reply: &Arc<[u8]>,
        out: &mut LeaderOut,
    ) {
        self.with(key, |consumer, _| consumer.handle_pull(now, request, reply, out));
    }

    /// Tells the reply subjects of the first `most` requests that wait for this consumer, in the order in which they
    /// are served, so that their interest can be checked without the lock.
    pub fn waiting_replies(&self, key: ConsumerKey, most: usize, each: impl FnMut(&Arc<[u8]>)) {
        if let Some(lead) = self.consumer(key).and_then(|consumer| consumer.lead.as_deref()) {
            lead.waiting.replies().take(most).for_each(each);
        }
    }

    /// How many of the waiting requests the next batch of `most` messages may serve.
    #[must_use]
    pub fn takers(&self, key: ConsumerKey, most: usize) -> usize {
        let lead = self.consumer(key).and_then(|consumer| consumer.lead.as_deref());
        lead.map_or(0, |lead| lead.waiting.len().min(most).min(usize::try_from(lead.available()).unwrap_or(most)))
    }

    /// True if no further request fits: then those whose owners are gone should go first.
    #[must_use]
    pub fn is_waiting_full(&self, key: ConsumerKey) -> bool {
        let full = |consumer: &Consumer| {
            consumer.lead.as_deref().is_some_and(|lead| lead.waiting.len() >= consumer.rules.max_waiting)
        };
        self.consumer(key).is_some_and(full)
    }

    /// Nobody listens on this reply subject any more: its requests go without a word.
    pub fn drop_waiting(&mut self, key: ConsumerKey, reply: &[u8]) {
        self.with(key, |consumer, _| consumer.drop_waiting(reply));
    }

    /// Somebody begins or ceases to listen on a push consumer's deliver subject.
    pub fn set_push_interest(&mut self, key: ConsumerKey, now: i64, active: bool, out: &mut LeaderOut) {
        self.with(key, |consumer, _| consumer.handle_interest(now, active, out));
    }

    /// A client answered a flow control question: `subject` is the one it published to.
    pub fn flow_control_reply(&mut self, key: ConsumerKey, subject: &[u8], out: &mut LeaderOut) {
        self.with(key, |consumer, _| consumer.handle_flow_reply(subject, out));
    }

    /// Says that a content filter judges this consumer's messages (or no longer does).
    pub fn set_content_filter(&mut self, key: ConsumerKey, judged: bool, out: &mut LeaderOut) {
        self.with(key, |consumer, _| consumer.set_content_filter(judged, out));
    }

    /// Hands out what there is for whom there is. Call again until `Idle`, which ends what the wake began.
    pub fn next_batch(&mut self, key: ConsumerKey, now: i64, limit: BatchLimit, b: &mut Batch) -> BatchEnd {
        self.with(key, |consumer, from| consumer.next_batch(from, now, limit, b)).unwrap_or(BatchEnd::Idle)
    }

    /// The first step of a delivery with a content filter: what is to be judged. Redeliveries go straight to `b`.
    pub fn candidates(
        &mut self,
        key: ConsumerKey,
        now: i64,
        limit: BatchLimit,
        c: &mut Candidates,
        b: &mut Batch,
    ) -> BatchEnd {
        c.clear();
        self.with(key, |consumer, from| consumer.candidates(from, now, limit, c, b)).unwrap_or(BatchEnd::Idle)
    }

    /// The second step: the verdict about the first `judged` candidates; bit `i` of `keep` lets candidate `i` through.
    pub fn commit(
        &mut self,
        key: ConsumerKey,
        now: i64,
        c: &Candidates,
        keep: &[u64],
        judged: usize,
        b: &mut Batch,
    ) -> BatchEnd {
        self.with(key, |consumer, from| consumer.commit(from, now, c, (keep, judged), b)).unwrap_or(BatchEnd::Idle)
    }

    /// A delivery's body could not be read now: it comes again after the ack wait. Only for consumers with acks.
    pub fn undelivered(&mut self, key: ConsumerKey, seq: u64, now: i64) {
        self.with(key, |consumer, _| consumer.handle_undelivered(seq, now));
    }

    /// A delivery's body is gone for good.
    pub fn lost(&mut self, key: ConsumerKey, seq: u64) {
        self.with(key, |consumer, _| consumer.handle_lost(seq));
    }

    /// When [`Shard::handle_timeout`] has something to do; it may be called earlier.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<i64> {
        self.timers.poll_timeout()
    }

    /// Does what has become due; then call [`Shard::take_proposals`].
    pub fn handle_timeout(&mut self, now: i64, out: &mut LeaderOut) {
        // What is due again at once waits for the next call, so that this one ends.
        let mut come = std::mem::take(&mut self.come);
        come.extend(std::iter::from_fn(|| self.timers.pop(now)));
        for (at, who) in come.drain(..) {
            match who {
                Timed::Stream(uid) => {
                    let Some(stream) = self.streams.get_mut(&uid.0).filter(|stream| stream.armed == at) else {
                        continue;
                    };
                    stream.armed = i64::MAX;
                    let to = if stream.facts.in_memory { &mut self.local } else { &mut self.outbox };
                    stream.handle_timeout(now, to);
                    self.arm_stream(uid);
                }
                Timed::Consumer(key) => {
                    let mut due = std::mem::take(&mut self.due);
                    let lead = self.consumer_mut(key).and_then(|consumer| consumer.lead.as_deref_mut());
                    if let Some(lead) = lead.filter(|lead| lead.armed == at) {
                        lead.armed = i64::MAX;
                        self.with(key, |consumer, _| consumer.handle_timeout(now, &mut due, out));
                    }
                    self.due = due;
                }
            }
        }
        self.come = come;
    }

    /// True if [`Shard::take_proposals`] with [`Take::Urgent`] would find something.
    #[must_use]
    pub fn has_urgent(&self) -> bool {
        let urgent = |key: &ConsumerKey| {
            let lead = self.consumer(*key).and_then(|consumer| consumer.lead.as_deref());
            lead.is_some_and(crate::consumer::Lead::is_urgent)
        };
        !self.outbox.is_empty() || !self.local.is_empty() || self.dirty.iter().any(urgent)
    }

    /// True if a tick has positions to log.
    #[must_use]
    pub fn has_unlogged(&self) -> bool {
        !self.dirty.is_empty() || !self.outbox.is_empty() || !self.local.is_empty()
    }

    /// Takes the commands that the leader wants in the log, to be submitted in this order, before the lock is let go
    /// or in a way that keeps the order. Those of memory streams are applied at once, with their effects in `fx`.
    pub fn take_proposals(&mut self, now: i64, take: Take, out: &mut Proposals, fx: &mut Effects) {
        out.append(&mut self.outbox);
        let all = take == Take::All;
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.retain(|key| {
            let Some(stream) = self.streams.get_mut(&key.stream.0) else { return false };
            let to = if stream.facts.in_memory { &mut self.local } else { &mut *out };
            let Some(consumer) = stream.consumers.get_mut(&key.consumer.0) else { return false };
            consumer.take_proposals(all, to)
        });
        self.dirty = dirty;
        self.apply_local(now, fx);
    }

    /// Applies the commands of memory streams.
    fn apply_local(&mut self, now: i64, fx: &mut Effects) {
        // What they do may make others, such as a removal that lets a consumer's floor move.
        let local = std::mem::take(&mut self.local);
        let at = Applied::unattended(self.applied, forebay_store::Location::NONE);
        for proposal in local.iter() {
            self.apply(&Record::command(proposal.command, proposal.uid, now, proposal.body), at, fx);
        }
        self.local = local;
        self.local.clear();
    }

    /// Runs an entry point of one consumer, then sees to its timer and its unlogged facts.
    fn with<R>(&mut self, key: ConsumerKey, call: impl FnOnce(&mut Consumer, Source<'_>) -> R) -> Option<R> {
        let stream = self.streams.get_mut(&key.stream.0)?;
        let consumer = stream.consumers.get_mut(&key.consumer.0)?;
        let from = Source { index: &stream.index, bodies: stream.bodies.as_ref() };
        let result = call(consumer, from);
        self.touched(key);
        Some(result)
    }

    pub(super) fn touched(&mut self, key: ConsumerKey) {
        let Some(stream) = self.streams.get_mut(&key.stream.0) else { return };
        let Some(consumer) = stream.consumers.get_mut(&key.consumer.0) else { return };
        let Some(lead) = &mut consumer.lead else { return };
        let at = lead.poll_timeout(&consumer.rules);
        self.timers.arm(Timed::Consumer(key), at, &mut lead.armed);
        if lead.has_unlogged() && !lead.listed {
            lead.listed = true;
            self.dirty.push(key);
        }
    }
}
