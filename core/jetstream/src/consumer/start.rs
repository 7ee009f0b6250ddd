//! Where a new consumer begins (nats-server `selectStartingSeqNo`).

use forebay_api::consumer::{ConsumerConfig, DeliverPolicy};
use forebay_store::StreamIndex;

use super::filter::Filters;

/// The last message of each subject as it was when the consumer was made (`last_per_subject`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastList {
    /// Rising.
    pub(crate) seqs: Vec<u64>,
    /// The stream's last sequence then: above it, every message counts.
    pub(crate) resume: u64,
}

impl LastList {
    /// The first listed sequence that is not below `from`.
    pub(crate) fn next(&self, from: u64) -> Option<u64> {
        self.seqs.get(self.seqs.partition_point(|seq| *seq < from)).copied()
    }

    /// True if a message with this sequence is to be delivered, as far as the list knows.
    pub(crate) fn admits(&self, seq: u64) -> bool {
        seq > self.resume || self.seqs.binary_search(&seq).is_ok()
    }
}

/// The sequence below the first one to deliver, and the list of `last_per_subject`.
pub(crate) fn start(
    config: &ConsumerConfig,
    filters: &Filters,
    index: &StreamIndex,
    one_per_subject: bool,
) -> (u64, Option<LastList>) {
    let (first, last) = (index.first_seq(), index.last_seq());
    let mut list = None;
    let next = match config.deliver_policy {
        DeliverPolicy::All => first,
        DeliverPolicy::Last if filters.is_all() => last,
        DeliverPolicy::Last => index.prev_matching(last, &mut filters.matcher()).map_or(first, |(seq, _)| seq),
        DeliverPolicy::New => last + 1,
        DeliverPolicy::ByStartSequence => config.opt_start_seq.max(1),
        DeliverPolicy::ByStartTime => match config.opt_start_time {
            Some(time) if !time.is_zero() => index.seq_at_time(time.unix_ns()),
            _ => first,
        },
        // One message per subject at most: each is its subject's last.
        DeliverPolicy::LastPerSubject if one_per_subject => first,
        DeliverPolicy::LastPerSubject => {
            let made = last_per_subject(filters, index);
            // Without one nats-server begins at the last message, which is none of them.
            let next = made.seqs.first().copied().unwrap_or(last);
            list = Some(made);
            next
        }
    };
    let asked = config.deliver_policy == DeliverPolicy::ByStartSequence;
    let next = if next > last && !asked { last + 1 } else { next };
    (next.max(first).saturating_sub(1), list)
}

fn last_per_subject(filters: &Filters, index: &StreamIndex) -> LastList {
    let mut seqs = Vec::new();
    let mut add = |filter: &[u8]| index.for_each_subject(filter, |subject| seqs.push(subject.last));
    if filters.is_all() {
        add(b">")
    } else {
        filters.iter().for_each(&mut add)
    }
    seqs.sort_unstable();
    seqs.dedup();
    LastList { seqs, resume: index.last_seq() }
}
