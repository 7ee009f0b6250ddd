//! Building an index again from footers: a checkpoint then only says which messages there are, not where they lie.

use super::encode::{put, put_signed, take, take_signed};
use super::{IndexError, NewMessage, StreamIndex};
use crate::log::format::Location;
use crate::subject_index::SubjectIndex;
use std::ops::RangeInclusive;

const VERSION: u64 = 1;

impl StreamIndex {
    /// Appends which sequences have a message: a few bytes for each run of them, however long it is.
    pub fn encode_presence(&self, out: &mut Vec<u8>) {
        put(out, VERSION);
        put(out, self.first);
        put(out, self.last);
        put(out, u64::from(self.last_time.is_some()));
        put_signed(out, self.last_time.unwrap_or(0));
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (seq, _) in self.sequences.from(0) {
            match runs.last_mut() {
                Some((start, len)) if *start + *len == seq => *len += 1,
                _ => runs.push((seq, 1)),
            }
        }
        put(out, runs.len() as u64);
        let mut end = 0;
        for (start, len) in runs {
            put(out, start - end);
            put(out, len);
            end = start + len;
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Row {
    seq: u64,
    location: Location,
    time: i64,
    size: u32,
    has_headers: bool,
    subject: u32,
}

/// Collects rows of footers, in the order of their segments, into one stream's index.
#[derive(Debug, Default)]
pub struct StreamIndexBuilder {
    rows: Vec<Row>,
    names: SubjectIndex,
}

/// What came of a [`StreamIndexBuilder`].
#[derive(Debug)]
pub struct Rebuilt {
    /// The index.
    pub index: StreamIndex,
    /// Messages that there should be, but that no row told of.
    pub missing: Vec<RangeInclusive<u64>>,
    /// How long the presence was.
    pub used: usize,
}

impl StreamIndexBuilder {
    /// Without rows.
    #[must_use]
    pub fn new() -> StreamIndexBuilder {
        StreamIndexBuilder::default()
    }

    /// Adds a row. Sequences may come in any order; of several rows with one sequence the last counts, because the
    /// collector moves records into later segments.
    ///
    /// # Errors
    /// `TooManySubjects`.
    pub fn add(&mut self, message: &NewMessage<'_>) -> Result<(), IndexError> {
        let NewMessage { seq, location, time, size, has_headers, subject } = *message;
        let (subject, _) = self.names.push(subject, seq).ok_or(IndexError::TooManySubjects)?;
        self.rows.push(Row { seq, location, time, size, has_headers, subject });
        Ok(())
    }

    /// Makes the index of the messages that the presence at the start of `presence` names.
    ///
    /// # Errors
    /// `Damaged` if the presence is none.
    pub fn finish(mut self, presence: &[u8]) -> Result<Rebuilt, IndexError> {
        let mut rest = presence;
        if take(&mut rest)? != VERSION {
            return Err(IndexError::Damaged);
        }
        let (first, last) = (take(&mut rest)?, take(&mut rest)?);
        let has_last_time = take(&mut rest)? == 1;
        let last_time = take_signed(&mut rest)?;
        // Stable: rows of one sequence stay in the order in which they came.
        self.rows.sort_by_key(|r| r.seq);
        let mut rows = self.rows.iter().copied().peekable();
        let mut rebuilt = Rebuilt { index: StreamIndex::new(1), missing: Vec::new(), used: 0 };
        let mut end = 0u64;
        for _ in 0..take(&mut rest)? {
            let start = end.checked_add(take(&mut rest)?).ok_or(IndexError::Damaged)?;
            end = start.checked_add(take(&mut rest)?).ok_or(IndexError::Damaged)?;
            if end <= start || end - 1 > last {
                return Err(IndexError::Damaged);
            }
            let mut expected = start;
            while let Some(mut row) = rows.next_if(|r| r.seq < end) {
                while let Some(later) = rows.next_if(|r| r.seq == row.seq) {
                    row = later;
                }
                if row.seq < start {
                    continue;
                }
                rebuilt.note_missing(expected, row.seq);
                rebuilt.push(&self.names, &row)?;
                expected = row.seq + 1;
            }
            rebuilt.note_missing(expected, end);
        }
        if last == u64::MAX || first > last + 1 {
            return Err(IndexError::Damaged);
        }
        rebuilt.index.last = last;
        if rebuilt.index.count() == 0 {
            rebuilt.index.first = first;
        }
        rebuilt.index.last_time = has_last_time.then_some(last_time);
        rebuilt.used = presence.len() - rest.len();
        Ok(rebuilt)
    }
}

impl Rebuilt {
    fn note_missing(&mut self, from: u64, to: u64) {
        if from < to {
            self.missing.push(from..=to - 1);
        }
    }

    fn push(&mut self, names: &SubjectIndex, row: &Row) -> Result<(), IndexError> {
        let Row { seq, location, time, size, has_headers, subject } = *row;
        let subject = &names.get(subject).ok_or(IndexError::Damaged)?.name;
        self.index.push(&NewMessage { seq, location, time, size, has_headers, subject }).map(|_| ())
    }
}
