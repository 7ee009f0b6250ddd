//! What is delivered next, and to whom: the leader's hot path. A message costs no allocation here.
//!
//! Redeliveries come first, then new messages (nats-server `getNextMsg`). Bodies are not read: a delivery names the
//! place, and the delivery task reads it without the shard's lock.

use std::sync::Arc;

use forebay_store::{Location, MemoryBodies, MessageMeta, RecordBuf, StreamIndex};

use super::flow::Push;
use super::lead::{Lead, collect};
use super::pending::Wait;
use super::pull::Served;
use super::status::{Status, StatusKind};
use super::{Consumer, ConsumerFacts, Rules};
use crate::effect::Advisory;
use crate::stream::overhead_bytes;

/// How much one call hands out.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimit {
    /// Deliveries.
    pub messages: usize,
    /// Their logical sizes together.
    pub bytes: usize,
}

/// One message on its way to a client.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Stream sequence.
    pub seq: u64,
    /// Consumer sequence.
    pub cseq: u64,
    /// Which delivery of the message this is, from 1.
    pub deliveries: u32,
    /// The message's time.
    pub time: i64,
    /// Matching messages after this one: the last token of the ack reply.
    pub pending: u64,
    /// Where the body lies.
    pub location: Location,
    /// The body, of memory streams.
    pub body: Option<RecordBuf>,
    /// The pull request's reply subject, or the deliver subject.
    pub to: Arc<[u8]>,
}

/// A status and its place among the deliveries of its batch.
#[derive(Clone, Debug)]
pub struct PlacedStatus {
    /// It goes out after so many deliveries.
    pub after: usize,
    /// What.
    pub status: Status,
}

/// What one call hands out. Made once and reused.
#[derive(Debug, Default)]
pub struct Batch {
    /// In the order to send them.
    pub deliveries: Vec<Delivery>,
    /// By rising `after`.
    pub statuses: Vec<PlacedStatus>,
    /// Events.
    pub advisories: Vec<Advisory>,
    bytes: usize,
}

impl Batch {
    /// Empties it, keeps the buffers.
    pub fn clear(&mut self) {
        self.deliveries.clear();
        self.statuses.clear();
        self.advisories.clear();
        self.bytes = 0;
    }

    pub(super) fn is_full(&self, limit: BatchLimit) -> bool {
        self.deliveries.len() >= limit.messages || (self.bytes >= limit.bytes && !self.deliveries.is_empty())
    }

    pub(super) fn say(&mut self, facts: &ConsumerFacts, to: &Arc<[u8]>, kind: StatusKind) {
        let status = Status { key: facts.key, to: Arc::clone(to), kind };
        self.statuses.push(PlacedStatus { after: self.deliveries.len(), status });
    }
}

/// Whether to call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchEnd {
    /// There may be more: call again, after others had their turn.
    More,
    /// Nothing until the next wake.
    Idle,
}

/// What delivering reads besides the consumer.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) index: &'a StreamIndex,
    pub(crate) bodies: Option<&'a MemoryBodies>,
}

/// Why nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dry {
    /// Everything that matches was delivered.
    EndOfStream,
    /// Too many acks are owed.
    MaxAckPending,
}

impl Consumer {
    /// Hands out what there is, up to `limit`, for whom there is.
    pub(crate) fn next_batch(&mut self, from: Source<'_>, now: i64, limit: BatchLimit, b: &mut Batch) -> BatchEnd {
        let Self { facts, rules, state, lead, .. } = self;
        let Some(lead) = lead else { return BatchEnd::Idle };
        if now < rules.pause_until {
            return lead.paused(facts, b);
        }
        let list = state.last_list.as_ref();
        loop {
            if b.is_full(limit) {
                return BatchEnd::More;
            }
            if !lead.has_taker() {
                return lead.idle();
            }
            if lead.pending.has_ready() {
                if !lead.redeliver_next(facts, rules, from, now, b) {
                    return lead.idle();
                }
                continue;
            }
            match lead.next_new(from.index, rules, list) {
                Ok((seq, _)) if rules.logs_first() => {
                    if !lead.reserve(seq, limit.messages) {
                        return lead.idle();
                    }
                }
                Ok((seq, meta)) => {
                    let pending = lead.num_pending - 1;
                    if !lead.deliver_new(facts, rules, from, now, (seq, meta, pending), b) {
                        return lead.idle();
                    }
                }
                Err(dry) => return lead.dry(facts, dry, b),
            }
        }
    }
}

impl Lead {
    pub(super) fn idle(&mut self) -> BatchEnd {
        self.queued = false;
        BatchEnd::Idle
    }

    /// Nothing comes while the consumer is paused: one-shot requests end, as at the end of the stream.
    pub(super) fn paused(&mut self, facts: &ConsumerFacts, b: &mut Batch) -> BatchEnd {
        self.waiting.end_of_stream(&mut |to, kind| b.say(facts, to, kind));
        self.idle()
    }

    /// Ends one-shot requests if nothing more will come for them.
    pub(super) fn dry(&mut self, facts: &ConsumerFacts, dry: Dry, b: &mut Batch) -> BatchEnd {
        if dry == Dry::EndOfStream && self.pending.redeliverable() == 0 {
            self.waiting.end_of_stream(&mut |to, kind| b.say(facts, to, kind));
        }
        self.idle()
    }

    /// The next message that was never delivered; the position stays.
    #[inline]
    pub(super) fn next_new(
        &mut self,
        index: &StreamIndex,
        rules: &Rules,
        list: Option<&super::start::LastList>,
    ) -> Result<(u64, MessageMeta), Dry> {
        if self.pending.len() >= rules.max_ack_pending {
            return Err(Dry::MaxAckPending);
        }
        if self.num_pending == 0 {
            // Counted, so there is no need to look. The position follows the stream, as nats-server's does.
            self.skip_to(index.last_seq());
            return Err(Dry::EndOfStream);
        }
        loop {
            let next = self.find_next(index, self.delivered.sseq + 1, list);
            let Some((seq, meta)) = next else {
                debug_assert!(false, "num_pending is exact: {}", self.num_pending);
                self.num_pending = 0;
                self.skip_to(index.last_seq());
                return Err(Dry::EndOfStream);
            };
            if self.ahead.is_empty() || !self.ahead.contains(seq) {
                return Ok((seq, meta));
            }
            self.pass(seq);
            if self.num_pending == 0 {
                return Err(Dry::EndOfStream);
            }
        }
    }

    #[inline]
    pub(super) fn find_next(
        &mut self,
        index: &StreamIndex,
        from: u64,
        list: Option<&super::start::LastList>,
    ) -> Option<(u64, MessageMeta)> {
        let mut from = from;
        if let Some(list) = list {
            while from <= list.resume {
                let Some(seq) = list.next(from) else { break };
                if let Some(meta) = index.get(seq) {
                    return Some((seq, meta));
                }
                from = seq + 1;
            }
            from = from.max(list.resume + 1);
        }
        index.next_matching(from, &mut self.matcher)
    }

    /// Moves on over a message without delivering it.
    pub(super) fn pass(&mut self, seq: u64) {
        self.delivered.sseq = seq;
        self.num_pending = self.num_pending.saturating_sub(1);
        self.ahead.forget_through(seq);
        self.unlogged.dirty = true;
    }

    fn skip_to(&mut self, seq: u64) {
        if seq > self.delivered.sseq {
            self.delivered.sseq = seq;
            self.unlogged.dirty = true;
        }
    }

    /// `max_deliver` is 1: the delivery is logged first, and sent when that is durable. False if enough are underway.
    pub(super) fn reserve(&mut self, seq: u64, most: usize) -> bool {
        let wanted = if self.push.is_some() { most as u64 } else { self.waiting.wanted() };
        if self.pending.redeliverable() as u64 >= wanted.min(most as u64) {
            return false;
        }
        self.pass(seq);
        self.delivered.cseq += 1;
        self.shown = seq;
        self.pending.push_logging(seq, self.delivered.cseq);
        self.unlogged.marks.push((seq, 1));
        true
    }

    /// Sends a new message to whoever is next. False if nobody takes it; then nothing changed.
    #[inline]
    pub(super) fn deliver_new(
        &mut self,
        facts: &ConsumerFacts,
        rules: &Rules,
        from: Source<'_>,
        now: i64,
        (seq, meta, pending): (u64, MessageMeta, u64),
        b: &mut Batch,
    ) -> bool {
        let cseq = self.delivered.cseq + 1;
        let delivery = Numbers { seq, cseq, deliveries: 1, pending };
        if !self.send(facts, from, now, delivery, meta, b) {
            return false;
        }
        self.num_pending = self.num_pending.saturating_sub(1);
        self.delivered = crate::id::Position { cseq, sseq: seq };
        self.shown = seq;
        self.unlogged.dirty = true;
        if rules.acks() {
            self.pending.push(seq, cseq, now.saturating_add(rules.wait(1)));
        }
        true
    }

    /// Sends, or gives up, the first of the redelivery queue. False if nobody takes it.
    pub(super) fn redeliver_next(
        &mut self,
        facts: &ConsumerFacts,
        rules: &Rules,
        from: Source<'_>,
        now: i64,
        b: &mut Batch,
    ) -> bool {
        let Some(entry) = self.pending.peek_ready() else { return true };
        let Some(meta) = from.index.get(entry.sseq) else {
            // It was removed meanwhile: nothing to wait for.
            self.pending.settle(entry.sseq);
            return true;
        };
        if entry.wait == Wait::Spent {
            self.end_spent(facts.key, rules, &entry, &mut b.advisories);
            return true;
        }
        let first = entry.deliveries == 0;
        let cseq = if first { entry.cseq } else { self.delivered.cseq + 1 };
        // What is reserved and not sent yet is still to come, for whoever counts down to 0.
        let pending = self.still_to_come() - u64::from(first);
        let deliveries = entry.deliveries.saturating_add(1);
        let numbers = Numbers { seq: entry.sseq, cseq, deliveries, pending };
        if !self.send(facts, from, now, numbers, meta, b) {
            return false;
        }
        self.delivered.cseq = self.delivered.cseq.max(cseq);
        self.unlogged.dirty = true;
        self.counters.redelivered += u64::from(!first);
        self.pending.sent(entry.sseq, now.saturating_add(rules.wait(deliveries)));
        true
    }

    #[inline]
    fn send(
        &mut self,
        facts: &ConsumerFacts,
        from: Source<'_>,
        now: i64,
        numbers: Numbers,
        meta: MessageMeta,
        b: &mut Batch,
    ) -> bool {
        let (to, after) = match &mut self.push {
            Some(push) if push.is_open() => {
                let size = if push.counts_bytes() { numbers.pushed_size(facts, from, meta, push) } else { 0 };
                (Arc::clone(&push.subject), push.sent(now, size))
            }
            Some(_) => return false,
            None => {
                let size = numbers.size(facts, from, meta);
                match self.waiting.serve(now, size, &mut |to, kind| b.say(facts, to, kind)) {
                    Served::To(to, after) => (to, after),
                    Served::Nobody => return false,
                }
            }
        };
        self.used(now);
        self.last_delivered = Some(now);
        self.counters.delivered += 1;
        b.bytes += meta.size as usize;
        let said = after.map(|kind| (Arc::clone(&to), kind));
        b.deliveries.push(Delivery {
            seq: numbers.seq,
            cseq: numbers.cseq,
            deliveries: numbers.deliveries,
            time: meta.time,
            pending: numbers.pending,
            location: meta.location,
            body: from.bodies.and_then(|bodies| bodies.get(numbers.seq)),
            to,
        });
        if let Some((to, kind)) = said {
            b.say(facts, &to, kind);
        }
        true
    }
}

/// The numbers of one delivery.
#[derive(Clone, Copy)]
struct Numbers {
    seq: u64,
    cseq: u64,
    deliveries: u32,
    pending: u64,
}

/// `NATS/1.0\r\nNats-Msg-Size: \r\n\r\n`: the headers of a delivery without its body, but for the number.
const SIZE_HEADERS_BYTES: u64 = 29;

fn subject_bytes(from: Source<'_>, meta: MessageMeta) -> u64 {
    from.index.subject(meta.subject_id).map_or(0, |subject| subject.name.len() as u64)
}

fn digits(value: u64) -> u64 {
    u64::from(value.checked_ilog10().unwrap_or(0) + 1)
}

impl Numbers {
    /// What a client counts: subject, ack reply, headers and payload (nats-server `loopAndGatherMsgs`).
    #[inline]
    fn size(self, facts: &ConsumerFacts, from: Source<'_>, meta: MessageMeta) -> u64 {
        let overhead = overhead_bytes(from.bodies.is_some(), meta.has_headers);
        let mut message = u64::from(meta.size).saturating_sub(overhead);
        // How much of a message with headers is payload the index does not know: then all of it counts.
        if facts.headers_only && !meta.has_headers {
            let subject = subject_bytes(from, meta);
            message = subject + SIZE_HEADERS_BYTES + digits(message.saturating_sub(subject));
        }
        let reply = facts.ack_prefix.len() as u64
            + digits(u64::from(self.deliveries))
            + digits(self.seq)
            + digits(self.cseq)
            + digits(meta.time.unsigned_abs())
            + digits(self.pending)
            + 4;
        message + reply
    }

    /// The same for a push consumer's window, which counts the subject that it delivers on.
    fn pushed_size(self, facts: &ConsumerFacts, from: Source<'_>, meta: MessageMeta, push: &Push) -> u64 {
        self.size(facts, from, meta).saturating_sub(subject_bytes(from, meta)) + push.subject.len() as u64
    }
}

/// Statuses of entry points that hand out no batch.
impl Consumer {
    /// Takes a pull request in.
    pub(crate) fn handle_pull(
        &mut self,
        now: i64,
        request: &forebay_api::pull::PullRequest,
        reply: &Arc<[u8]>,
        out: &mut crate::effect::LeaderOut,
    ) {
        let key = self.key();
        let Some(lead) = &mut self.lead else { return };
        let mut say = collect(&self.facts, &mut out.statuses);
        if self.rules.push {
            say(reply, StatusKind::PushBased);
            return;
        }
        lead.used(now);
        let available = lead.available();
        if lead.waiting.request(now, &self.rules, available, request, reply, &mut say) {
            drop(say);
            super::redeliver::wake(lead, &self.rules, key, out);
        }
    }

    /// Somebody begins or ceases to listen on the deliver subject.
    pub(crate) fn handle_interest(&mut self, now: i64, active: bool, out: &mut crate::effect::LeaderOut) {
        let key = self.key();
        let Some(lead) = &mut self.lead else { return };
        let Some(push) = &mut lead.push else { return };
        if push.active != active {
            push.set_active(now, active);
            lead.used(now);
        }
        super::redeliver::wake(lead, &self.rules, key, out);
    }

    /// A flow control question was answered.
    pub(crate) fn handle_flow_reply(&mut self, subject: &[u8], out: &mut crate::effect::LeaderOut) {
        let key = self.key();
        let Some(lead) = &mut self.lead else { return };
        if lead.push.as_mut().is_some_and(|push| push.answered(subject)) {
            super::redeliver::wake(lead, &self.rules, key, out);
        }
    }

    /// The owner of this reply subject is gone.
    pub(crate) fn drop_waiting(&mut self, reply: &[u8]) {
        if let Some(lead) = &mut self.lead
            && lead.waiting.drop_reply(reply)
        {
            lead.forget_use();
        }
    }
}
