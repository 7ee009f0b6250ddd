//! A consumer's config, reduced to the numbers that its machine needs on the way of every message.

use forebay_api::consumer::{AckPolicy, ConsumerConfig};
use forebay_api::duration::Nanos;
use forebay_api::stream::{Retention, Storage, StreamConfig};

use crate::limits::{ACK_WAIT_DEFAULT_NS, MAX_WAITING_DEFAULT};
use crate::mutant;

/// What the machine looks at. Times in ns.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) ack: AckPolicy,
    pub(crate) ack_wait: i64,
    pub(crate) backoff: Vec<i64>,
    /// 0 is without end.
    pub(crate) max_deliver: u32,
    /// `usize::MAX` is without limit.
    pub(crate) max_ack_pending: usize,
    pub(crate) max_waiting: usize,
    pub(crate) max_batch: i64,
    pub(crate) max_expires: Nanos,
    pub(crate) max_bytes: i64,
    pub(crate) push: bool,
    pub(crate) flow_control: bool,
    pub(crate) idle_heartbeat: i64,
    /// 0 is never.
    pub(crate) inactive_threshold: i64,
    /// Nothing is delivered before.
    pub(crate) pause_until: i64,
    /// Acks go into the log: the state outlives a restart, or the stream's retention waits for them.
    pub(crate) logs_acks: bool,
    /// Positions go into the log.
    pub(crate) logs_delivered: bool,
    /// A delivery with a count of two or more goes into the log before it is sent.
    pub(crate) logs_marks: bool,
    /// Removal waits for this consumer's acks.
    pub(crate) retains: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(&ConsumerConfig::default(), &StreamConfig::default())
    }
}

impl Rules {
    /// Reads a config that `validate` has normalised; what is out of range there means "no limit" here.
    pub(crate) fn new(config: &ConsumerConfig, stream: &StreamConfig) -> Self {
        let ack = config.ack_policy;
        let acked = matches!(ack, AckPolicy::All | AckPolicy::Explicit);
        let retains = stream.retention != Retention::Limits;
        // What is kept in memory, or ephemeral without acks, logs only its creation and deletion. On streams that remove
        // what is acked, the removal is the stream's state and must be logged all the same.
        let on_disk = !config.mem_storage && stream.storage == Storage::File;
        let kept = acked && on_disk;
        // A durable without acks goes on where it was (docs/adr/0008).
        let resumes = !acked && on_disk && config.is_durable() && !mutant::active(mutant::POSITION_NOT_LOGGED);
        let max_deliver = u32::try_from(config.max_deliver).unwrap_or(0);
        Self {
            ack,
            ack_wait: if config.ack_wait.ns() > 0 { config.ack_wait.ns() } else { ACK_WAIT_DEFAULT_NS },
            backoff: config.backoff.iter().map(|wait| wait.ns().max(0)).collect(),
            max_deliver,
            max_ack_pending: match usize::try_from(config.max_ack_pending) {
                Ok(max) if max > 0 && acked => max,
                _ => usize::MAX,
            },
            max_waiting: usize::try_from(config.max_waiting).ok().filter(|max| *max > 0).unwrap_or(MAX_WAITING_DEFAULT),
            max_batch: config.max_batch,
            max_expires: config.max_expires,
            max_bytes: config.max_bytes,
            push: config.is_push(),
            flow_control: config.flow_control,
            idle_heartbeat: config.idle_heartbeat.ns(),
            inactive_threshold: config.inactive_threshold.ns().max(0),
            pause_until: config.pause_until.filter(|at| !at.is_zero()).map_or(i64::MIN, |at| at.unix_ns()),
            logs_acks: kept || retains,
            logs_delivered: kept || resumes || (retains && !acked),
            logs_marks: kept,
            retains,
        }
    }

    /// True if deliveries wait for acks.
    pub(crate) fn acks(&self) -> bool {
        matches!(self.ack, AckPolicy::All | AckPolicy::Explicit)
    }

    /// How long the ack of the delivery with this count may take.
    #[inline]
    pub(crate) fn wait(&self, deliveries: u32) -> i64 {
        let at = (deliveries.max(1) - 1) as usize;
        match self.backoff.get(at).or(self.backoff.last()) {
            Some(wait) => *wait,
            None => self.ack_wait,
        }
    }

    /// True if a message delivered so often is given up instead of delivered again.
    pub(crate) fn is_spent(&self, deliveries: u32) -> bool {
        self.max_deliver > 0 && deliveries >= self.max_deliver
    }

    /// True if a message delivered so often is given up as soon as its ack is late. nats-server counts redeliveries here,
    /// and the first as one: with `max_deliver` above 1, the last delivery is given up when the next one would be made.
    pub(crate) fn gives_up_unasked(&self, deliveries: u32) -> bool {
        self.max_deliver > 0 && deliveries.saturating_sub(1).max(1) >= self.max_deliver
    }

    /// Even the first delivery must be durable before it is sent.
    pub(crate) fn logs_first(&self) -> bool {
        self.logs_marks && self.max_deliver == 1 && !mutant::active(mutant::FIRST_SENT_UNLOGGED)
    }
}
