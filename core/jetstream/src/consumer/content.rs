//! Delivery with a content filter in two steps: candidates, judged without the lock by the delivery task, then commit.
//!
//! A message that the filter does not let through never becomes pending: the position moves on over it, the ack floor
//! follows, and the fact is logged in coalesced steps. On streams that wait for acks the skip counts as this
//! consumer's ack (DESIGN §4.5).

use forebay_store::{Location, RecordBuf};

use super::Consumer;
use super::deliver::{Batch, BatchEnd, BatchLimit, Source};
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
        if now < rules.pause_until {
            return lead.paused(facts, b);
        }
        if lead.blocked_at > lead.delivered.sseq && !lead.has_taker() {
            return lead.idle();
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
        let items = || c.items.iter().take(judged).enumerate();
        let alive = |seq: u64| from.index.get(seq);
        // A skipped message is no news for the client: what it reads as pending is what may still come.
        let still = items().filter(|(_, item)| item.seq > lead.delivered.sseq && alive(item.seq).is_some()).count();
        let beyond = lead.num_pending.saturating_sub(still as u64);
        let mut to_come = items().filter(|(at, item)| kept(*at) && alive(item.seq).is_some()).count() as u64;
        for (at, item) in items() {
            let Some(meta) = alive(item.seq) else { continue };
            if item.seq <= lead.delivered.sseq {
                continue;
            }
            if !kept(at) || lead.ahead.contains(item.seq) {
                to_come -= u64::from(kept(at));
                lead.skip(item.seq, rules);
                continue;
            }
            to_come -= 1;
            let full = lead.pending.len() >= rules.max_ack_pending;
            let sent = !full && lead.has_taker() && {
                if rules.logs_first() {
                    lead.reserve(item.seq, usize::MAX)
                } else {
                    lead.deliver_new(facts, rules, from, now, (item.seq, meta, beyond + to_come), b)
                }
            };
            if !sent {
                lead.blocked_at = item.seq;
                return lead.idle();
            }
        }
        BatchEnd::More
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

impl super::Lead {
    fn skip(&mut self, seq: u64, rules: &super::Rules) {
        self.pass(seq);
        self.shown = seq;
        if self.pending.front().is_none() {
            self.shown_floor = self.shown();
        }
        self.counters.filtered += 1;
        if rules.retains {
            self.unlogged.ack(seq);
        } else if rules.logs_acks {
            push_run(&mut self.unlogged.skipped, seq);
        }
    }
}
