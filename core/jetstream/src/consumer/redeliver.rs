//! Delivering again: NAKs, acks that did not come in time, and giving up.

use super::lead::{Lead, collect};
use super::pending::Entry;
use super::status::{Left, Status, StatusKind};
use super::{AckDone, AckInput, Consumer, Rules};
use crate::codec::push_run;
use crate::effect::{Advisory, LeaderOut};
use crate::id::ConsumerKey;
use crate::limits::SPENT_RUNS_MAX;
use crate::mutant;

impl Consumer {
    /// `-NAK`, with or without a delay.
    pub(super) fn handle_nak(&mut self, now: i64, ack: &AckInput, delay: i64, out: &mut LeaderOut) -> AckDone {
        let key = self.key();
        let Some(lead) = &mut self.lead else { return AckDone::Now };
        let Some(entry) = lead.pending.get(ack.sseq).copied() else { return AckDone::Now };
        out.advisories.push(Advisory::Naked {
            key,
            stream_seq: ack.sseq,
            consumer_seq: ack.cseq,
            deliveries: u64::from(entry.deliveries),
        });
        if mutant::active(mutant::NAK_SETTLES) {
            lead.pending.settle(ack.sseq);
        } else if delay > 0 {
            // Also of one that stands in line again: it leaves the line.
            lead.pending.retime(ack.sseq, now.saturating_add(delay));
        } else if self.rules.is_spent(entry.deliveries) {
            lead.pending.queue_spent(ack.sseq);
            wake(lead, &self.rules, key, out);
        } else {
            lead.redeliver(key, &self.rules, ack.sseq, &mut out.advisories);
            wake(lead, &self.rules, key, out);
        }
        AckDone::Now
    }

    /// Does what has become due: redeliveries, expired requests, heartbeats, the end of an unused consumer.
    pub(crate) fn handle_timeout(&mut self, now: i64, due: &mut Vec<u64>, out: &mut LeaderOut) {
        let key = self.key();
        let Some(lead) = &mut self.lead else { return };
        due.clear();
        lead.pending.expire(now, due);
        for sseq in due.drain(..) {
            lead.redeliver(key, &self.rules, sseq, &mut out.advisories);
        }
        let last = lead.delivered;
        let before = lead.waiting.len();
        lead.waiting.handle_timeout(now, last, &mut collect(&self.facts, &mut out.statuses));
        if lead.waiting.len() < before {
            lead.used(now);
        }
        if let Some(push) = &mut lead.push
            && let Some(kind) = push.handle_timeout(now, last)
        {
            let to = std::sync::Arc::clone(&push.subject);
            collect(&self.facts, &mut out.statuses)(&to, kind);
        }
        lead.resume_at.take_if(|at| *at <= now);
        if lead.inactive_at(&self.rules).is_some_and(|at| at <= now) && lead.look_for_use(&self.rules, now) {
            out.unsure.push(key);
        }
        wake(lead, &self.rules, key, out);
    }

    /// The marks of an applied command: these deliveries may be sent now. True if the consumer should be woken.
    pub(crate) fn handle_marks_logged(&mut self, marks: &[(u64, u32)]) -> bool {
        let Some(lead) = &mut self.lead else { return false };
        let mut ready = false;
        for (sseq, _) in marks {
            ready |= lead.pending.make_ready(*sseq);
        }
        ready && lead.wants_wake(&self.rules)
    }

    /// A delivery could not be sent (its body is not to be had now): it is tried again after the ack wait.
    pub(crate) fn handle_undelivered(&mut self, sseq: u64, now: i64) {
        if let Some(lead) = &mut self.lead {
            lead.pending.retime(sseq, now.saturating_add(self.rules.wait(1)));
        }
    }

    /// A body is gone for good: the message counts as given up.
    pub(crate) fn handle_lost(&mut self, sseq: u64) {
        let Some(lead) = &mut self.lead else { return };
        lead.give_up(&self.rules, sseq);
    }

    /// The leadership, or the consumer, ends here: requests are told.
    pub(crate) fn end(&mut self, kind: impl Fn(Left) -> StatusKind, statuses: &mut Vec<Status>) {
        if let Some(mut lead) = self.lead.take() {
            lead.waiting.end_all(kind, &mut collect(&self.facts, statuses));
        }
    }
}

impl Lead {
    /// An entry is due: once more, if the config allows, and not before its count is durable.
    pub(super) fn redeliver(&mut self, key: ConsumerKey, rules: &Rules, sseq: u64, advisories: &mut Vec<Advisory>) {
        let Some(entry) = self.pending.get(sseq).copied() else { return };
        if rules.gives_up_unasked(entry.deliveries) {
            self.give_up(rules, sseq);
            let deliveries = u64::from(entry.deliveries);
            advisories.push(Advisory::MaxDeliveries { key, stream_seq: sseq, deliveries });
        } else if rules.is_spent(entry.deliveries) {
            self.pending.queue_spent(sseq);
        } else {
            self.send_again(rules, sseq);
        }
    }

    /// An entry that stands in line although it was delivered often enough: gives it up, unless `max_deliver` was raised
    /// meanwhile.
    pub(super) fn end_spent(&mut self, key: ConsumerKey, rules: &Rules, entry: &Entry, advisories: &mut Vec<Advisory>) {
        if !rules.is_spent(entry.deliveries) {
            return self.send_again(rules, entry.sseq);
        }
        self.give_up(rules, entry.sseq);
        let deliveries = u64::from(entry.deliveries);
        advisories.push(Advisory::MaxDeliveries { key, stream_seq: entry.sseq, deliveries });
    }

    fn send_again(&mut self, rules: &Rules, sseq: u64) {
        let Some(count) = self.pending.begin_logging(sseq) else { return };
        if rules.logs_marks && !mutant::active(mutant::SENT_BEFORE_ITS_COUNT) {
            self.unlogged.marks.push((sseq, count));
        } else {
            self.pending.make_ready(sseq);
        }
    }

    /// Nobody gets it any more, though nobody acknowledged it.
    fn give_up(&mut self, rules: &Rules, sseq: u64) {
        if self.pending.settle(sseq).is_none() {
            return;
        }
        self.spent.insert(sseq, sseq);
        self.spent.keep_runs(SPENT_RUNS_MAX);
        if rules.logs_acks && !mutant::active(mutant::GIVEN_UP_NOT_LOGGED) {
            push_run(&mut self.unlogged.gave_up, sseq);
        }
        self.unlogged.dirty = true;
    }
}

pub(crate) fn wake(lead: &mut Lead, rules: &Rules, key: ConsumerKey, out: &mut LeaderOut) {
    if lead.wants_wake(rules) {
        out.wake.push(key);
    }
}
