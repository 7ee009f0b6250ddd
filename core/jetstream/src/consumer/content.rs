//! Delivery with a content filter in two steps: candidates, judged without the lock by the delivery task, then commit.
//!
//! A message that the filter does not let through never becomes pending: the position moves on over it, the ack floor
//! follows, and the fact is logged in coalesced steps. On streams that wait for acks the skip counts as this
//! consumer's ack (DESIGN §4.5).

use std::collections::VecDeque;

use forebay_api::consumer::PendingCount;
use forebay_store::{Location, RecordBuf};

use super::Consumer;
use super::deliver::{Batch, BatchEnd, BatchLimit, Source};
use super::{ConsumerFacts, Lead, Rules};
use crate::codec::push_run;

/// A message to be judged.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Stream sequence.
    pub seq: u64,
    /// Where the body lies.
    pub location: Location,
    /// The body, of memory streams.
    pub body: Option<RecordBuf>,
    /// The message's time.
    pub time: i64,
}

/// What is to be judged, in the order of the stream. Made once and reused.
#[derive(Debug, Default)]
pub struct Candidates {
    /// The messages.
    pub items: Vec<Candidate>,
    generation: u64,
}

impl Candidates {
    /// Empties it, keeps the buffer.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

/// Verdicts about messages that wait until somebody takes the first of them: no message is judged twice for that.
#[derive(Debug, Default)]
pub(crate) struct Foreseen {
    /// The [`Lead::generation`] under which they were made.
    generation: u64,
    /// Sequences that are pending, rising, and whether they are let through.
    verdicts: VecDeque<(u64, bool)>,
}

impl Foreseen {
    /// The message is not pending any more.
    pub(super) fn forget(&mut self, seq: u64) {
        if let Ok(at) = self.verdicts.binary_search_by_key(&seq, |(seq, _)| *seq) {
            self.verdicts.remove(at);
        }
    }

    fn kept(&self) -> usize {
        self.verdicts.iter().filter(|(_, kept)| *kept).count()
    }
}

impl Consumer {
    /// Redeliveries go straight to `b` (they were judged before); new messages are offered in `c`, demand or not, so
    /// that a filter works ahead until it lets one through that nobody asked for.
    pub(crate) fn candidates(
        &mut self,
        from: Source<'_>,
        now: i64,
        limit: BatchLimit,
        c: &mut Candidates,
        b: &mut Batch,
    ) -> BatchEnd {
        c.clear();
        if let Some(lead) = &mut self.lead {
            lead.judged = true;
        }
        if self.deliver_ready(from, now, limit, b) {
            return BatchEnd::More;
        }
        let Self { facts, rules, state, lead, .. } = self;
        let Some(lead) = lead else { return BatchEnd::Idle };
        let blocked = lead.blocked_at > lead.delivered.sseq && !lead.has_taker();
        if now < rules.pause_until || blocked {
            return lead.idle();
        }
        if let Some(end) = lead.deliver_foreseen(facts, rules, from, now, limit, b) {
            return end;
        }
        let list = state.last_list.as_ref();
        let (seq, meta) = match lead.next_new(from.index, rules, list) {
            Ok(first) => first,
            Err(dry) => return lead.dry(facts, dry, b),
        };
        c.generation = lead.generation;
        let (mut next, mut bytes) = (Some((seq, meta)), 0);
        while let Some((seq, meta)) = next {
            if c.items.len() >= limit.messages || (bytes >= limit.bytes && !c.items.is_empty()) {
                break;
            }
            bytes += meta.size as usize;
            let body = from.bodies.and_then(|bodies| bodies.get(seq));
            c.items.push(Candidate { seq, location: meta.location, body, time: meta.time });
            next = lead.find_next(from.index, seq + 1, list);
        }
        BatchEnd::More
    }

    /// Takes the verdict about the first `judged` candidates: bit `i` of `keep` lets candidate `i` through.
    pub(crate) fn commit(
        &mut self,
        from: Source<'_>,
        now: i64,
        c: &Candidates,
        (keep, judged): (&[u64], usize),
        b: &mut Batch,
    ) -> BatchEnd {
        let Self { facts, rules, lead, .. } = self;
        let Some(lead) = lead else { return BatchEnd::Idle };
        if c.generation != lead.generation {
            return BatchEnd::More;
        }
        let kept = |at: usize| keep.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
        let judged = judged.min(c.items.len());
        lead.foreseen.generation = lead.generation;
        lead.foreseen.verdicts.clear();
        for (at, item) in c.items.iter().take(judged).enumerate() {
            if item.seq > lead.delivered.sseq && from.index.get(item.seq).is_some() {
                lead.foreseen.verdicts.push_back((item.seq, kept(at)));
            }
        }
        // A verdict is for one step: what it is about is in there already.
        let all = BatchLimit { messages: usize::MAX, bytes: usize::MAX };
        lead.deliver_foreseen(facts, rules, from, now, all, b).unwrap_or(BatchEnd::More)
    }

    /// True if `b` is full.
    fn deliver_ready(&mut self, from: Source<'_>, now: i64, limit: BatchLimit, b: &mut Batch) -> bool {
        let Self { facts, rules, lead, .. } = self;
        let Some(lead) = lead else { return false };
        while now >= rules.pause_until && lead.pending.has_ready() && lead.has_taker() {
            if b.is_full(limit) {
                return true;
            }
            if !lead.redeliver_next(facts, rules, from, now, b) {
                break;
            }
        }
        false
    }
}

impl Lead {
    /// Goes through the verdicts that are there: skips, and delivers to whoever is next. Nothing if that leaves none and
    /// the next messages are to be judged.
    fn deliver_foreseen(
        &mut self,
        facts: &ConsumerFacts,
        rules: &Rules,
        from: Source<'_>,
        now: i64,
        limit: BatchLimit,
        b: &mut Batch,
    ) -> Option<BatchEnd> {
        if self.foreseen.generation != self.generation {
            self.foreseen.verdicts.clear();
        }
        while let Some((seq, kept)) = self.foreseen.verdicts.front().copied() {
            if b.is_full(limit) {
                return Some(BatchEnd::More);
            }
            let Some(meta) = from.index.get(seq).filter(|_| seq > self.delivered.sseq) else {
                // Delivered meanwhile: for a moment there was no filter.
                self.foreseen.verdicts.pop_front();
                continue;
            };
            if !kept || self.ahead.contains(seq) {
                self.foreseen.verdicts.pop_front();
                self.skip(seq, rules);
                continue;
            }
            // What was skipped is no news for the client: what it reads as pending is what may still come.
            let pending = self.pending_shown().saturating_sub(1);
            let full = self.pending.len() >= rules.max_ack_pending;
            let sent = !full && self.has_taker() && {
                if rules.logs_first() {
                    self.reserve(seq, usize::MAX)
                } else {
                    self.deliver_new(facts, rules, from, now, (seq, meta, pending), b)
                }
            };
            if !sent {
                self.blocked_at = seq;
                return Some(self.idle());
            }
            self.foreseen.verdicts.pop_front();
        }
        (!b.deliveries.is_empty()).then_some(BatchEnd::More)
    }

    /// The verdicts that count.
    fn foreseen(&self) -> Option<&Foreseen> {
        (self.judged && self.foreseen.generation == self.generation).then_some(&self.foreseen)
    }

    /// `num_pending` as people see it: without what a content filter will not let through, as far as that is known.
    pub(super) fn pending_shown(&self) -> u64 {
        let skipped = self.foreseen().map_or(0, |foreseen| foreseen.verdicts.len() - foreseen.kept());
        self.num_pending.saturating_sub(skipped as u64)
    }

    /// What that number is under a content filter: what has not been judged may still be skipped.
    pub(super) fn pending_count(&self) -> PendingCount {
        let judged = self.foreseen().map_or(0, |foreseen| foreseen.verdicts.len());
        if self.num_pending == judged as u64 { PendingCount::Exact } else { PendingCount::Bound }
    }

    fn skip(&mut self, seq: u64, rules: &Rules) {
        self.pass(seq);
        self.shown = seq;
        self.counters.filtered += 1;
        if !rules.acks() {
            // The position says it, and a stream that waits for this consumer goes by that.
        } else if rules.retains {
            self.unlogged.ack(seq);
        } else if rules.logs_acks {
            push_run(&mut self.unlogged.skipped, seq);
        }
    }
}
