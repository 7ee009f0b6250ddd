//! A consumer's leader state: made from the replicated state, thrown away at the end of the leadership.

use forebay_store::{Matcher, StreamIndex};

use super::flow::Push;
use super::pending::{Entry, Pending};
use super::pull::WaitQueue;
use super::replicated::Replicated;
use super::rules::Rules;
use super::seq_set::SeqSet;
use super::start::LastList;
use super::status::{Status, StatusKind};
use super::{ConsumerFacts, Filters};
use crate::command::{ConsumerCommand, Progress, SettleReason, number};
use crate::effect::{Advisory, Proposals};
use crate::id::Position;
use crate::limits::{MARK_BATCH_MAX, SETTLE_BATCH_MAX};

/// What the leader knows and will report, but the log does not know yet.
#[derive(Debug, Default)]
pub(crate) struct Unlogged {
    /// Acknowledged or terminated.
    pub(crate) acks: Vec<(u64, u64)>,
    pub(crate) gave_up: Vec<(u64, u64)>,
    pub(crate) skipped: Vec<(u64, u64)>,
    /// About to be delivered (again), with the count.
    pub(crate) marks: Vec<(u64, u32)>,
    /// The position moved.
    pub(crate) dirty: bool,
    /// Nobody used the consumer for too long.
    pub(crate) delete: bool,
}

/// Counts since this server leads, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) delivered: u64,
    pub(crate) acked: u64,
    pub(crate) redelivered: u64,
    pub(crate) filtered: u64,
}

/// The leader state.
#[derive(Debug)]
pub(crate) struct Lead {
    /// The last delivery, which the log may not know yet.
    pub(crate) delivered: Position,
    /// The last message that was sent for the first time: what CONSUMER.INFO shows. `delivered` is also past what the
    /// filters leave out.
    pub(crate) shown: u64,
    /// The ack floor that CONSUMER.INFO shows: nats-server moves it when an ack comes, and not when a message is given
    /// up. [`Lead::floor`] is the one that counts.
    pub(crate) shown_floor: Position,
    pub(crate) pending: Pending,
    /// Given up, and not acknowledged since.
    pub(crate) spent: SeqSet,
    /// Messages above `delivered` that match: exact.
    pub(crate) num_pending: u64,
    pub(crate) matcher: Matcher,
    pub(crate) waiting: WaitQueue,
    pub(crate) push: Option<Push>,
    /// On its task's queue: told to wake, and has not answered `Idle` since.
    pub(crate) queued: bool,
    /// The former leader may have delivered up to here: acks for it are believed.
    pub(crate) ahead_through: u64,
    /// Settled above `delivered`.
    pub(crate) ahead: SeqSet,
    pub(crate) unlogged: Unlogged,
    /// On the shard's list of those with something unlogged.
    pub(crate) listed: bool,
    /// When a pause ends.
    pub(crate) resume_at: Option<i64>,
    /// When somebody last used it.
    last_used: i64,
    /// Until then somebody may still be at work on what was delivered, as far as is known.
    busy_until: i64,
    pub(crate) last_delivered: Option<i64>,
    pub(crate) last_acked: Option<i64>,
    /// Changes when outstanding candidates lose their meaning.
    pub(crate) generation: u64,
    /// A content filter lets this message through, and nobody asks for one.
    pub(crate) blocked_at: u64,
    /// A content filter judges this consumer's messages.
    pub(crate) judged: bool,
    pub(crate) counters: Counters,
    /// The earliest time for which the shard's timer has this consumer.
    pub(crate) armed: i64,
    /// Scratch space.
    pub(crate) scratch: Vec<u64>,
}

impl Lead {
    pub(crate) fn new(
        facts: &ConsumerFacts,
        rules: &Rules,
        filters: &Filters,
        state: &Replicated,
        index: &StreamIndex,
        now: i64,
    ) -> Self {
        let mut matcher = filters.matcher();
        let delivered = state.delivered;
        let num_pending = count(delivered.sseq, state.last_list.as_ref(), &mut matcher, index);
        let mut lead = Self {
            delivered,
            shown: delivered.sseq,
            shown_floor: delivered,
            pending: Pending::default(),
            spent: state.spent.clone(),
            num_pending,
            matcher,
            waiting: WaitQueue::default(),
            push: push(rules, facts),
            queued: false,
            ahead_through: index.last_seq(),
            ahead: ahead(state),
            unlogged: Unlogged::default(),
            listed: false,
            resume_at: resume_at(rules, now),
            last_used: now,
            busy_until: i64::MIN,
            last_delivered: None,
            last_acked: None,
            generation: 0,
            blocked_at: 0,
            judged: false,
            counters: Counters::default(),
            armed: i64::MAX,
            scratch: Vec::new(),
        };
        if rules.acks() {
            lead.rebuild_pending(rules, state, index, now);
        }
        lead.shown_floor = lead.floor().min_sseq(lead.shown);
        lead
    }

    /// What was delivered before and is unsettled waits for its ack from now on.
    fn rebuild_pending(&mut self, rules: &Rules, state: &Replicated, index: &StreamIndex, now: i64) {
        let (mut seq, mut cseq) = (state.floor.sseq + 1, state.floor.cseq);
        while let Some((at, _)) = index.next_matching(seq, &mut self.matcher) {
            if at > state.delivered.sseq {
                break;
            }
            seq = at + 1;
            if !state.last_list.as_ref().is_none_or(|list| list.admits(at)) {
                continue;
            }
            // The first deliveries' numbers are not kept: without redeliveries between them they are consecutive.
            cseq = (cseq + 1).min(state.delivered.cseq.max(1));
            if state.is_settled(at) {
                continue;
            }
            let deliveries = state.counts.get(&at).copied().unwrap_or(1);
            self.pending.push(at, cseq, now.saturating_add(rules.wait(1)));
            if deliveries > 1 {
                self.pending.set_deliveries(at, deliveries);
                self.pending.retime(at, now.saturating_add(rules.wait(deliveries)));
            }
        }
    }

    pub(crate) fn floor(&self) -> Position {
        match self.pending.front() {
            Some(oldest) => Position { cseq: oldest.cseq - 1, sseq: oldest.sseq - 1 },
            None => self.delivered,
        }
    }

    /// The position for people: of the last message that was sent.
    pub(crate) fn shown(&self) -> Position {
        Position { cseq: self.delivered.cseq, sseq: self.shown }
    }

    /// Moves the floor for people after `entry` was settled (nats-server `consumerFileStore.UpdateAcks`).
    pub(crate) fn move_shown_floor(&mut self, entry: &Entry) {
        let Some(oldest) = self.pending.front() else {
            self.shown_floor = self.shown();
            return;
        };
        if entry.cseq == self.shown_floor.cseq + 1 {
            self.shown_floor = Position { cseq: oldest.cseq - 1, sseq: oldest.sseq - 1 };
        }
    }

    /// The same after a purge up to `before`.
    pub(crate) fn purge_shown_floor(&mut self, before: u64) {
        match self.pending.front() {
            None => self.shown_floor = self.shown(),
            Some(oldest) if self.shown_floor.sseq < before => {
                self.shown_floor = Position { cseq: oldest.cseq - 1, sseq: before };
            }
            Some(_) => {}
        }
    }

    /// Somebody uses the consumer.
    pub(crate) fn used(&mut self, now: i64) {
        self.last_used = self.last_used.max(now);
        self.busy_until = i64::MIN;
    }

    /// Messages that match and were not sent yet: those that a client still waits for.
    pub(crate) fn still_to_come(&self) -> u64 {
        self.num_pending + self.pending.unsent() as u64
    }

    /// What could be delivered now.
    pub(crate) fn available(&self) -> u64 {
        self.num_pending + self.pending.redeliverable() as u64
    }

    /// True if somebody takes a message.
    pub(crate) fn has_taker(&self) -> bool {
        match &self.push {
            Some(push) => push.is_open(),
            None => !self.waiting.is_empty(),
        }
    }

    /// True once, when there is something to do and the task does not know yet.
    #[inline]
    pub(crate) fn wants_wake(&mut self, rules: &Rules) -> bool {
        if self.queued || !self.has_work(rules) {
            return false;
        }
        self.queued = true;
        true
    }

    fn has_work(&self, rules: &Rules) -> bool {
        let room = self.pending.len() < rules.max_ack_pending;
        let fresh = self.num_pending > 0 && room;
        if self.has_taker() {
            return self.pending.has_ready() || fresh;
        }
        // Messages are judged ahead of demand, until one is let through.
        self.judged && fresh && self.blocked_at <= self.delivered.sseq
    }

    pub(crate) fn handle_update(
        &mut self,
        old: &Rules,
        new: &Rules,
        facts: &ConsumerFacts,
        now: i64,
        advisories: &mut Vec<Advisory>,
    ) {
        self.pending.shift(new.wait(1) - old.wait(1));
        self.generation += 1;
        self.blocked_at = 0;
        self.used(now);
        self.resume_at = resume_at(new, now);
        let subject = facts.deliver_subject.as_deref();
        if self.push.as_ref().map(|push| &*push.subject) == subject {
            return;
        }
        self.push = push(new, facts);
        // Whoever listens on the new subject gets what the old one's listeners did not acknowledge (nats-server
        // `forceExpirePending`).
        let mut unacked = std::mem::take(&mut self.scratch);
        self.pending.unacked(&mut unacked);
        unacked.drain(..).for_each(|sseq| self.redeliver(facts.key, new, sseq, advisories));
        self.scratch = unacked;
    }

    /// The earliest moment at which [`super::Consumer::handle_timeout`] has something to do.
    pub(crate) fn poll_timeout(&self, rules: &Rules) -> Option<i64> {
        let mut at = i64::MAX;
        let mut earlier = |other: Option<i64>| at = at.min(other.unwrap_or(i64::MAX));
        earlier(self.pending.poll_timeout());
        earlier(self.waiting.poll_timeout());
        earlier(self.push.as_ref().and_then(Push::poll_timeout));
        earlier(self.inactive_at(rules));
        earlier(self.resume_at);
        Some(at).filter(|at| *at != i64::MAX)
    }

    /// Whoever used the consumer is gone: whether somebody else does is looked at anew.
    pub(crate) fn forget_use(&mut self) {
        self.busy_until = i64::MIN;
    }

    /// When the consumer may have been unused for too long: then [`Lead::look_for_use`] knows more.
    pub(crate) fn inactive_at(&self, rules: &Rules) -> Option<i64> {
        let bound = self.push.as_ref().is_some_and(|push| push.active);
        (rules.inactive_threshold > 0 && !bound && !self.unlogged.delete)
            .then(|| self.last_used.saturating_add(rules.inactive_threshold).max(self.busy_until))
    }

    /// Nobody was heard of for the threshold: deletes the consumer, unless requests wait or a pull consumer's messages
    /// may still be worked on (nats-server `deleteNotActive`). True if it depends on whether the owners of the waiting
    /// requests are still there.
    pub(crate) fn look_for_use(&mut self, rules: &Rules, now: i64) -> bool {
        if !self.waiting.is_empty() {
            self.busy_until = now.saturating_add(rules.inactive_threshold);
            return true;
        }
        let last = if self.push.is_some() { None } else { self.pending.last_deadline(|count| rules.wait(count)) };
        match last.map(|last| last.saturating_add(rules.inactive_threshold)).filter(|until| *until > now) {
            Some(until) => self.busy_until = until,
            None => self.unlogged.delete = true,
        }
        false
    }

    /// Turns what the log does not know into commands. Without `all` only what somebody waits for.
    pub(crate) fn take_proposals(&mut self, facts: &ConsumerFacts, rules: &Rules, all: bool, out: &mut Proposals) {
        let (stream, consumer) = (facts.key.stream, facts.key.consumer);
        let progress = Progress { delivered: self.delivered, floor: self.floor() };
        let mut told = false;
        let unlogged = &mut self.unlogged;
        // The floor covers all of them: it must not be known before the last. What was given up comes first, as what is
        // settled already would not be taken for given up.
        let mut left = chunks(&unlogged.gave_up).count() + chunks(&unlogged.acks).count();
        let mut progress_of_next = || {
            left -= 1;
            Progress { floor: if left == 0 { progress.floor } else { Position::default() }, ..progress }
        };
        for chunk in chunks(&unlogged.gave_up) {
            let (progress, reason) = (progress_of_next(), SettleReason::GaveUp);
            let command = ConsumerCommand::Settled { consumer, progress, reason, runs: chunk.to_vec() };
            out.push(number::SETTLED, stream, |body| command.encode(body));
            told = true;
        }
        for chunk in chunks(&unlogged.acks) {
            let command = ConsumerCommand::Acks { consumer, progress: progress_of_next(), runs: chunk.to_vec() };
            out.push(number::ACKS, stream, |body| command.encode(body));
            told = true;
        }
        let skips_wait = !all && unlogged.acks.is_empty();
        let skipped: &[(u64, u64)] = if skips_wait { &[] } else { &unlogged.skipped };
        for chunk in chunks(skipped) {
            let reason = SettleReason::Skipped;
            let command = ConsumerCommand::Settled { consumer, progress, reason, runs: chunk.to_vec() };
            out.push(number::SETTLED, stream, |body| command.encode(body));
            told = true;
        }
        unlogged.acks.clear();
        unlogged.gave_up.clear();
        if !skips_wait {
            unlogged.skipped.clear();
        }
        for marks in unlogged.marks.chunks(MARK_BATCH_MAX) {
            let command = ConsumerCommand::Delivered { consumer, progress, marks: marks.to_vec() };
            out.push(number::DELIVERED, stream, |body| command.encode(body));
            told = true;
        }
        unlogged.marks.clear();
        if all && unlogged.dirty && !told && rules.logs_delivered {
            let command = ConsumerCommand::Delivered { consumer, progress, marks: Vec::new() };
            out.push(number::DELIVERED, stream, |body| command.encode(body));
            told = true;
        }
        if told || (all && !rules.logs_delivered) {
            unlogged.dirty = false;
        }
    }

    /// Takes the request to delete the consumer, once.
    pub(crate) fn take_delete(&mut self, facts: &ConsumerFacts, out: &mut Proposals) {
        if std::mem::take(&mut self.unlogged.delete) {
            // Until the command is applied, nothing asks again.
            self.busy_until = i64::MAX;
            let command = ConsumerCommand::Delete { consumer: facts.key.consumer };
            out.push(number::CONSUMER_DELETE, facts.key.stream, |body| command.encode(body));
        }
    }

    /// True if the log does not know everything that it should.
    pub(crate) fn has_unlogged(&self) -> bool {
        self.unlogged.dirty || !self.unlogged.skipped.is_empty() || self.is_urgent()
    }

    /// True if [`Lead::take_proposals`] has something that should not wait for the next tick.
    pub(crate) fn is_urgent(&self) -> bool {
        let unlogged = &self.unlogged;
        unlogged.delete || !(unlogged.acks.is_empty() && unlogged.gave_up.is_empty() && unlogged.marks.is_empty())
    }
}

/// Makes a closure that collects statuses of one consumer.
pub(crate) fn collect<'a>(
    facts: &'a ConsumerFacts,
    out: &'a mut Vec<Status>,
) -> impl FnMut(&std::sync::Arc<[u8]>, StatusKind) + 'a {
    move |to, kind| out.push(Status { key: facts.key, to: std::sync::Arc::clone(to), kind })
}

/// Messages above `delivered` that are to be delivered.
pub(crate) fn count(delivered: u64, list: Option<&LastList>, matcher: &mut Matcher, index: &StreamIndex) -> u64 {
    let Some(list) = list else { return index.count_from(delivered + 1, matcher) };
    let from = list.seqs.partition_point(|seq| *seq <= delivered);
    let listed = list.seqs.iter().skip(from).filter(|seq| index.get(**seq).is_some()).count() as u64;
    listed + index.count_from(delivered.max(list.resume) + 1, matcher)
}

fn resume_at(rules: &Rules, now: i64) -> Option<i64> {
    (rules.pause_until > now).then_some(rules.pause_until)
}

fn push(rules: &Rules, facts: &ConsumerFacts) -> Option<Push> {
    let subject = std::str::from_utf8(facts.deliver_subject.as_deref()?).ok()?;
    Some(Push::new(rules, subject, &facts.stream, &facts.name))
}

fn ahead(state: &Replicated) -> SeqSet {
    let mut ahead = state.settled.clone();
    ahead.forget_through(state.delivered.sseq);
    ahead
}

/// Splits runs so that no command carries more than [`SETTLE_BATCH_MAX`] of them.
fn chunks(runs: &[(u64, u64)]) -> std::slice::Chunks<'_, (u64, u64)> {
    runs.chunks(SETTLE_BATCH_MAX)
}
