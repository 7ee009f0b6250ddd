//! What clients answer to deliveries: the five verbs (nats-server `processAck`).

use super::lead::{Lead, Unlogged};
use super::{Consumer, Rules};
use crate::codec::push_run;
use crate::effect::{Advisory, LeaderOut};
use crate::id::ConsumerKey;
use crate::id::Position;
use crate::limits::SETTLED_AHEAD_RANGES_MAX;
use crate::mutant;
use forebay_api::consumer::AckPolicy;

/// What a client says about a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckVerb {
    /// Done with it. `+NXT` is this, and then a pull request.
    Ack,
    /// Again, after this many ns.
    Nak {
        /// 0 for at once.
        delay: i64,
    },
    /// Still working: the ack wait starts anew.
    InProgress,
    /// Never again.
    Term {
        /// For the advisory.
        reason: Box<str>,
    },
}

/// One ack, as its subject says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckInput {
    /// The consumer.
    pub key: ConsumerKey,
    /// What is said.
    pub verb: AckVerb,
    /// The message.
    pub sseq: u64,
    /// The delivery.
    pub cseq: u64,
}

/// When an ack that asks for an answer may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckDone {
    /// Never: it is about a message that was not delivered yet.
    Ignored,
    /// At once: nothing about it will be logged.
    Now,
    /// When the commands of the next `take_proposals` were applied.
    Logged,
}

impl Consumer {
    /// Takes an ack in.
    pub(crate) fn handle_ack(&mut self, now: i64, ack: &AckInput, out: &mut LeaderOut) -> AckDone {
        let Some(lead) = &mut self.lead else { return AckDone::Now };
        if !self.rules.acks() {
            return AckDone::Now;
        }
        lead.used(now);
        match &ack.verb {
            AckVerb::Ack => {
                let done = lead.handle_settle(now, &self.rules, ack);
                // Room under max_ack_pending may be all that a waiting request was missing.
                super::redeliver::wake(lead, &self.rules, ack.key, out);
                done
            }
            AckVerb::Term { reason } => {
                if let Some(entry) = lead.pending.get(ack.sseq) {
                    out.advisories.push(Advisory::Terminated {
                        key: ack.key,
                        stream_seq: ack.sseq,
                        consumer_seq: ack.cseq,
                        deliveries: u64::from(entry.deliveries),
                        reason: reason.clone(),
                    });
                }
                let done = lead.handle_settle(now, &self.rules, ack);
                super::redeliver::wake(lead, &self.rules, ack.key, out);
                done
            }
            AckVerb::InProgress => {
                lead.handle_in_progress(now, &self.rules, ack.sseq);
                AckDone::Now
            }
            AckVerb::Nak { delay } => self.handle_nak(now, ack, *delay, out),
        }
    }
}

impl Lead {
    fn handle_settle(&mut self, now: i64, rules: &Rules, ack: &AckInput) -> AckDone {
        let done = match rules.ack {
            AckPolicy::All => self.settle_through(rules, ack),
            _ => self.settle_one(rules, ack.sseq),
        };
        if done {
            self.last_acked = Some(now);
        }
        match done {
            true if rules.logs_acks => AckDone::Logged,
            false if ack.sseq > self.delivered.sseq && !self.ahead.contains(ack.sseq) => AckDone::Ignored,
            _ => AckDone::Now,
        }
    }

    fn settle_one(&mut self, rules: &Rules, sseq: u64) -> bool {
        if let Some(entry) = self.pending.settle(sseq) {
            self.move_shown_floor(&entry);
            self.note_ack(rules, sseq);
            return true;
        }
        // Given up, and acknowledged all the same: a stream that waits for acks may let it go.
        if self.spent.remove(sseq) {
            self.note_ack(rules, sseq);
            return true;
        }
        // The former leader may have delivered it and crashed before it could say so.
        let ahead = sseq > self.delivered.sseq && sseq <= self.ahead_through;
        let ahead = ahead && !mutant::active(mutant::AHEAD_ACKS_REFUSED);
        if ahead && self.ahead.runs() < SETTLED_AHEAD_RANGES_MAX && !self.ahead.contains(sseq) {
            self.ahead.insert(sseq, sseq);
            self.note_ack(rules, sseq);
            return true;
        }
        false
    }

    fn settle_through(&mut self, rules: &Rules, ack: &AckInput) -> bool {
        if ack.sseq > self.delivered.sseq {
            return false;
        }
        let mut acked = std::mem::take(&mut self.scratch);
        self.pending.settle_through(ack.sseq, |seq| acked.push(seq));
        let any = !acked.is_empty();
        acked.drain(..).for_each(|seq| self.note_ack(rules, seq));
        self.scratch = acked;
        if any {
            let shown = Position { cseq: ack.cseq.min(self.delivered.cseq), sseq: ack.sseq };
            self.shown_floor = self.shown_floor.max(shown);
        }
        any
    }

    fn note_ack(&mut self, rules: &Rules, sseq: u64) {
        self.counters.acked += 1;
        if rules.logs_acks {
            self.unlogged.ack(sseq);
        }
    }

    fn handle_in_progress(&mut self, now: i64, rules: &Rules, sseq: u64) {
        use super::pending::Wait;
        let Some(entry) = self.pending.get(sseq) else { return };
        if matches!(entry.wait, Wait::Fresh | Wait::Timed) {
            let deadline = now.saturating_add(rules.wait(entry.deliveries));
            self.pending.retime(sseq, deadline);
        }
    }
}

impl Unlogged {
    #[inline]
    pub(crate) fn ack(&mut self, seq: u64) {
        if mutant::active(mutant::ACKS_NOT_LOGGED) {
            return;
        }
        push_run(&mut self.acks, seq);
        self.dirty = true;
    }
}
