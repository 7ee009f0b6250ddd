//! Rows for `/metrics`: snapshots of the counters that the metric table of DESIGN §5 names. Totals count since this
//! server leads the stream.

use std::sync::Arc;

use forebay_api::stream::Storage;

/// `forebay_stream_…`.
#[derive(Clone, Debug)]
pub struct StreamRow {
    /// Label.
    pub account: Arc<str>,
    /// Label.
    pub stream: Arc<str>,
    /// Label.
    pub storage: Storage,
    /// Messages in it.
    pub messages: u64,
    /// Their logical size.
    pub bytes: u64,
    /// First sequence.
    pub first_sequence: u64,
    /// Last sequence.
    pub last_sequence: u64,
    /// How many consumers.
    pub consumers: u64,
    /// Messages stored.
    pub published_total: u64,
    /// Their headers and payloads in bytes.
    pub published_bytes_total: u64,
    /// Refusals by reason.
    pub refused_total: Refused,
    /// Publishes within the window of their id.
    pub duplicates_total: u64,
}

/// Refused publishes, by the `reason` label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// `expectation`: an expected sequence, id or stream was not met.
    pub expectation: u64,
    /// `limit`: the stream is full, or the message too large.
    pub limit: u64,
    /// `header`: a header that the stream does not allow or that cannot be read.
    pub header: u64,
    /// `sealed`.
    pub sealed: u64,
}

impl Refused {
    /// Label value and count, each known value once.
    pub fn by_reason(&self) -> [(&'static str, u64); 4] {
        [("expectation", self.expectation), ("limit", self.limit), ("header", self.header), ("sealed", self.sealed)]
    }
}

/// `forebay_consumer_…`.
#[derive(Clone, Debug)]
pub struct ConsumerRow {
    /// Label.
    pub account: Arc<str>,
    /// Label.
    pub stream: Arc<str>,
    /// Label: durables by name; `None` for all ephemerals together (`_ephemeral`).
    pub consumer: Option<Arc<str>>,
    /// Matching messages not yet delivered.
    pub pending: u64,
    /// Deliveries that wait for an ack.
    pub ack_pending: u64,
    /// Pull requests that wait.
    pub waiting: u64,
    /// Deliveries.
    pub delivered_total: u64,
    /// Acks.
    pub acked_total: u64,
    /// Deliveries after the first.
    pub redelivered_total: u64,
    /// Messages that a content filter did not let through.
    pub filtered_total: u64,
}

impl ConsumerRow {
    /// Adds these numbers to a sum of several consumers.
    pub(crate) fn add_to(self, sum: &mut Option<Self>) {
        match sum {
            Some(sum) => sum.add(&self),
            None => *sum = Some(self),
        }
    }

    fn add(&mut self, other: &Self) {
        self.pending += other.pending;
        self.ack_pending += other.ack_pending;
        self.waiting += other.waiting;
        self.delivered_total += other.delivered_total;
        self.acked_total += other.acked_total;
        self.redelivered_total += other.redelivered_total;
        self.filtered_total += other.filtered_total;
    }

    /// What stays of a consumer that is gone: the counters.
    pub(crate) fn gone(self) -> Self {
        Self { pending: 0, ack_pending: 0, waiting: 0, ..self }
    }
}

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub struct MetricRows {
    /// One per stream.
    pub streams: Vec<StreamRow>,
    /// One per durable consumer, and one for all ephemerals that a stream has or had.
    pub consumers: Vec<ConsumerRow>,
}

impl MetricRows {
    pub(crate) fn count(&self) -> usize {
        self.streams.len() + self.consumers.len()
    }

    /// Makes room, so that none is looked for under a lock.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.streams.reserve(more);
        self.consumers.reserve(more);
    }
}
