//! Finding messages for MSG.GET and DIRECT.GET: places, not bodies; the caller reads them without the lock.

use forebay_store::{Location, Matcher, MessageMeta, RecordBuf};
use forebay_subject::is_literal;

use super::Stream;

/// Where a message is.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its sequence.
    pub seq: u64,
    /// Its time.
    pub time: i64,
    /// Where the body lies.
    pub location: Location,
    /// The body, of memory streams.
    pub body: Option<RecordBuf>,
}

impl Stream {
    pub(crate) fn get_seq(&self, seq: u64) -> Option<Found> {
        Some(self.found(seq, self.index.get(seq)?))
    }

    /// The last message of a subject or of those a filter names.
    pub(crate) fn get_last(&self, filter: &[u8]) -> Option<Found> {
        let (seq, meta) = if is_literal(filter) {
            self.index.last_by_subject(filter)?
        } else {
            self.index.prev_matching(self.index.last_seq(), &mut Matcher::new([filter]))?
        };
        Some(self.found(seq, meta))
    }

    /// The first message at or above a sequence whose subject the filter names; an empty filter names all.
    pub(crate) fn get_next(&self, from: u64, filter: &[u8]) -> Option<Found> {
        let (seq, meta) = if filter.is_empty() || filter == b">" {
            self.index.next_from(from)?
        } else if is_literal(filter) {
            self.index.next_by_subject(filter, from)?
        } else {
            self.index.next_matching(from, &mut Matcher::new([filter]))?
        };
        Some(self.found(seq, meta))
    }

    /// The first message that is not older than a time.
    pub(crate) fn get_by_time(&self, time: i64, filter: &[u8]) -> Option<Found> {
        self.get_next(self.index.seq_at_time(time), filter)
    }

    /// The last message of each subject that one of the filters names, by rising sequence; `None` if there are more
    /// than `most`.
    pub(crate) fn get_last_each(&self, filters: &[&[u8]], up_to: u64, most: usize) -> Option<Vec<Found>> {
        let mut seqs = Vec::new();
        for filter in filters {
            self.index.for_each_subject(filter, |subject| seqs.push(subject.last));
        }
        seqs.sort_unstable();
        seqs.dedup();
        let mut found = Vec::new();
        for mut seq in seqs {
            while seq > up_to
                && let Some(before) = self.index.prev_in_subject(seq)
            {
                seq = before;
            }
            if seq <= up_to
                && let Some(found_one) = self.get_seq(seq)
            {
                found.push(found_one);
            }
            if found.len() > most {
                return None;
            }
        }
        found.sort_unstable_by_key(|found| found.seq);
        Some(found)
    }

    fn found(&self, seq: u64, meta: MessageMeta) -> Found {
        let body = self.bodies.as_ref().and_then(|bodies| bodies.get(seq));
        Found { seq, time: meta.time, location: meta.location, body }
    }
}
