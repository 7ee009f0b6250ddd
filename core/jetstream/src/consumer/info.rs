//! What CONSUMER.INFO and the metrics say.

use forebay_api::consumer::{ConsumerInfo, SequenceInfo};
use forebay_api::duration::Nanos;
use forebay_api::time::Time;

use super::Consumer;
use crate::metrics::ConsumerRow;

impl Consumer {
    /// The consumer as of `now`. On a follower what it knows: `num_pending` is 0 there.
    pub(crate) fn info(&self, now: i64) -> ConsumerInfo {
        let lead = self.lead.as_deref();
        let delivered = lead.map_or(self.state.delivered, super::Lead::shown);
        let floor = match lead {
            None => self.state.floor,
            Some(lead) if self.rules.acks() => lead.shown_floor,
            Some(_) => delivered,
        };
        let at = |position: crate::id::Position, when: Option<i64>| SequenceInfo {
            consumer_seq: position.cseq,
            stream_seq: position.sseq,
            last_active: when.map(Time::from_unix_ns),
        };
        let pause = self.rules.pause_until.max(now) - now;
        ConsumerInfo {
            stream_name: self.facts.stream.to_string(),
            name: self.facts.name.to_string(),
            created: Time::from_unix_ns(self.created),
            config: Some((*self.config).clone()),
            delivered: at(delivered, lead.and_then(|lead| lead.last_delivered)),
            ack_floor: at(floor, lead.and_then(|lead| lead.last_acked)),
            num_ack_pending: lead.map_or(0, |lead| (lead.pending.len() - lead.pending.unsent()) as u64),
            num_redelivered: lead.map_or(0, |lead| self.redelivered(lead)),
            num_waiting: lead.map_or(0, |lead| lead.waiting.len() as u64),
            num_pending: lead.map_or(0, super::Lead::still_to_come),
            push_bound: lead.and_then(|lead| lead.push.as_ref()).is_some_and(|push| push.active),
            paused: pause > 0,
            pause_remaining: Nanos(pause),
            ts: Time::from_unix_ns(now),
            ..ConsumerInfo::default()
        }
    }

    /// What was sent again and not acknowledged, whether it will be sent once more or not. With `max_deliver` 1 nothing is
    /// sent again.
    fn redelivered(&self, lead: &super::Lead) -> u64 {
        match self.rules.max_deliver {
            1 => 0,
            _ => lead.pending.redelivered() as u64 + lead.spent.len(),
        }
    }

    pub(crate) fn metrics(&self) -> ConsumerRow {
        let lead = self.lead.as_deref();
        let counters = lead.map(|lead| lead.counters).unwrap_or_default();
        ConsumerRow {
            account: self.facts.account.clone(),
            stream: self.facts.stream.clone(),
            consumer: self.facts.durable.then(|| self.facts.name.clone()),
            pending: lead.map_or(0, super::Lead::still_to_come),
            ack_pending: lead.map_or(0, |lead| lead.pending.len() as u64),
            waiting: lead.map_or(0, |lead| lead.waiting.len() as u64),
            delivered_total: counters.delivered,
            acked_total: counters.acked,
            redelivered_total: counters.redelivered,
            filtered_total: counters.filtered,
        }
    }
}
