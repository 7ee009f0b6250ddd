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
        let floor = lead.map_or(self.state.floor, |lead| lead.floor().min_sseq(delivered.sseq));
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
            num_ack_pending: lead.map_or(0, |lead| lead.pending.len() as u64),
            num_redelivered: lead.map_or(0, |lead| lead.pending.redelivered() as u64),
            num_waiting: lead.map_or(0, |lead| lead.waiting.len() as u64),
            num_pending: lead.map_or(0, super::Lead::pending_shown),
            push_bound: lead.and_then(|lead| lead.push.as_ref()).is_some_and(|push| push.active),
            paused: pause > 0,
            pause_remaining: Nanos(pause),
            ts: Time::from_unix_ns(now),
            forebay_num_pending: lead.filter(|lead| lead.judged).map(super::Lead::pending_count),
            ..ConsumerInfo::default()
        }
    }

    pub(crate) fn metrics(&self) -> ConsumerRow {
        let lead = self.lead.as_deref();
        let counters = lead.map(|lead| lead.counters).unwrap_or_default();
        ConsumerRow {
            account: self.facts.account.clone(),
            stream: self.facts.stream.clone(),
            consumer: self.facts.durable.then(|| self.facts.name.clone()),
            pending: lead.map_or(0, super::Lead::pending_shown),
            ack_pending: lead.map_or(0, |lead| lead.pending.len() as u64),
            waiting: lead.map_or(0, |lead| lead.waiting.len() as u64),
            delivered_total: counters.delivered,
            acked_total: counters.acked,
            redelivered_total: counters.redelivered,
            filtered_total: counters.filtered,
        }
    }
}
