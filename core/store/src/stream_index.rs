//! The in-memory index of one stream: where each message lies, and what each subject has. No I/O; it lives under its
//! shard's lock.

use crate::log::format::Location;
use crate::sequence_index::{Link, SequenceIndex, Size, Slot};
use crate::subject_index::{SubjectIndex, SubjectState};
use forebay_subject::{filter_matches, is_literal};
use std::ops::RangeInclusive;

/// Why a change was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The sequence is not above the last one.
    #[error("the sequence is not above the last one")]
    OutOfOrder,
    /// More subjects than ids.
    #[error("the stream has too many subjects")]
    TooManySubjects,
    /// Larger than a message can be.
    #[error("the message is too large")]
    TooLarge,
    /// An encoded index is not one.
    #[error("the encoded index is damaged")]
    Damaged,
}

/// What the index is told of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewMessage<'a> {
    /// Its sequence.
    pub seq: u64,
    /// Where its record lies.
    pub location: Location,
    /// Its time in nanoseconds since 1970.
    pub time: i64,
    /// Its logical size in bytes, below 2 GiB.
    pub size: u32,
    /// It has a header block.
    pub has_headers: bool,
    /// Its subject.
    pub subject: &'a [u8],
}

/// What the index knows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageMeta {
    /// Where its record lies.
    pub location: Location,
    /// Its time in nanoseconds since 1970.
    pub time: i64,
    /// Its logical size in bytes.
    pub size: u32,
    /// It has a header block.
    pub has_headers: bool,
    /// Its subject's id.
    pub subject_id: u32,
}

impl From<&Slot> for MessageMeta {
    fn from(slot: &Slot) -> Self {
        MessageMeta {
            location: slot.location,
            time: slot.time,
            size: slot.size.bytes(),
            has_headers: slot.size.has_headers(),
            subject_id: slot.subject,
        }
    }
}

/// The index of a stream.
#[derive(Debug)]
pub struct StreamIndex {
    sequences: SequenceIndex,
    subjects: SubjectIndex,
    /// Exact while there are messages; `last + 1` otherwise.
    first: u64,
    last: u64,
    bytes: u64,
    last_time: Option<i64>,
}

impl StreamIndex {
    /// An empty index whose first message will have `first_seq` (1 unless the stream's configuration says otherwise).
    #[must_use]
    pub fn new(first_seq: u64) -> StreamIndex {
        let first = first_seq.clamp(1, u64::MAX - 1);
        StreamIndex {
            sequences: SequenceIndex::default(),
            subjects: SubjectIndex::default(),
            first,
            last: first - 1,
            bytes: 0,
            last_time: None,
        }
    }

    /// Adds a message and returns its subject's id.
    ///
    /// # Errors
    /// `OutOfOrder`, `TooManySubjects`, `TooLarge`; nothing has changed then.
    pub fn push(&mut self, message: &NewMessage<'_>) -> Result<u32, IndexError> {
        let NewMessage { seq, location, time, .. } = *message;
        // The highest number is left free, so that "the next one" always exists.
        if seq <= self.last || seq == u64::MAX {
            return Err(IndexError::OutOfOrder);
        }
        let size = Size::new(message.size, message.has_headers).ok_or(IndexError::TooLarge)?;
        let (id, before) = self.subjects.push(message.subject, seq).ok_or(IndexError::TooManySubjects)?;
        self.sequences.push(seq, Slot::new(location, time, size, id), before);
        if self.sequences.count() == 1 {
            self.first = seq;
        }
        self.last = seq;
        self.bytes += u64::from(message.size);
        self.last_time = Some(time);
        Ok(id)
    }

    /// What is known of a message.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<MessageMeta> {
        self.sequences.get(seq).map(MessageMeta::from)
    }

    /// Takes a message out.
    pub fn remove(&mut self, seq: u64) -> Option<MessageMeta> {
        let id = self.sequences.get(seq)?.subject;
        let prev = self.prev_in_subject(seq);
        let next = self.next_in_subject(seq);
        let slot = self.sequences.remove(seq, prev, next)?;
        self.bytes -= u64::from(slot.size.bytes());
        if let Some(state) = self.subjects.get_mut(id) {
            state.count -= 1;
            if state.first == seq {
                state.first = next.unwrap_or(state.last);
            }
            if state.last == seq {
                state.last = prev.unwrap_or(state.first);
            }
            if state.count == 0 {
                self.subjects.release(id);
            }
        }
        if seq == self.first {
            self.first = self.sequences.from(seq).next().map_or(self.last + 1, |(s, _)| s);
        }
        Some(MessageMeta::from(&slot))
    }

    /// Notes that a message's record lies elsewhere now; returns where it lay.
    pub fn set_location(&mut self, seq: u64, location: Location) -> Option<Location> {
        self.sequences.get_mut(seq).map(|slot| std::mem::replace(&mut slot.location, location))
    }

    /// The first message at or above `seq`.
    #[must_use]
    pub fn next_from(&self, seq: u64) -> Option<(u64, MessageMeta)> {
        self.sequences.from(seq).next().map(with_meta)
    }

    /// The last message at or below `seq`.
    #[must_use]
    pub fn prev_from(&self, seq: u64) -> Option<(u64, MessageMeta)> {
        self.sequences.back_from(seq).next().map(with_meta)
    }

    /// Messages from `seq` on.
    pub fn iter_from(&self, seq: u64) -> impl Iterator<Item = (u64, MessageMeta)> + '_ {
        self.sequences.from(seq).map(with_meta)
    }

    /// Sequence of the first message, or the next sequence if there is none.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.first
    }

    /// The highest sequence that was given.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last
    }

    /// Number of messages.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.sequences.count()
    }

    /// Sum of the logical sizes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Time of the first message.
    #[must_use]
    pub fn first_time(&self) -> Option<i64> {
        self.sequences.get(self.first).map(|s| s.time)
    }

    /// Time of the newest message, also after it was deleted (as nats-server keeps it).
    #[must_use]
    pub fn last_time(&self) -> Option<i64> {
        self.last_time
    }

    /// Gives sequences up to `seq` away without messages: for purges to a sequence and gaps of mirrors. Lower values
    /// change nothing.
    pub fn skip_to(&mut self, seq: u64) {
        let seq = seq.min(u64::MAX - 1);
        if seq > self.last {
            self.last = seq;
            if self.sequences.count() == 0 {
                self.first = seq + 1;
            }
        }
    }

    /// The sequences between first and last without a message.
    pub fn deleted(&self) -> impl Iterator<Item = RangeInclusive<u64>> + '_ {
        self.sequences.gaps(self.first, self.last)
    }

    /// How many these are.
    #[must_use]
    pub fn num_deleted(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first).saturating_sub(self.count())
    }

    /// A subject by its id.
    #[must_use]
    pub fn subject(&self, id: u32) -> Option<&SubjectState> {
        self.subjects.get(id)
    }

    /// A subject by its name, if it has messages.
    #[must_use]
    pub fn subject_of(&self, name: &[u8]) -> Option<&SubjectState> {
        self.subjects.get(self.subjects.id(name)?)
    }

    /// Number of subjects with messages.
    #[must_use]
    pub fn num_subjects(&self) -> usize {
        self.subjects.len()
    }

    /// The newest message of a subject.
    #[must_use]
    pub fn last_by_subject(&self, name: &[u8]) -> Option<(u64, MessageMeta)> {
        let last = self.subject_of(name)?.last;
        Some((last, self.get(last)?))
    }

    /// The oldest message of a subject.
    #[must_use]
    pub fn first_by_subject(&self, name: &[u8]) -> Option<(u64, MessageMeta)> {
        let first = self.subject_of(name)?.first;
        Some((first, self.get(first)?))
    }

    /// The first message of a subject at or above `from`.
    #[must_use]
    pub fn next_by_subject(&self, name: &[u8], from: u64) -> Option<(u64, MessageMeta)> {
        let id = self.subjects.id(name)?;
        let seq = self.next_of_id(id, from)?;
        Some((seq, self.get(seq)?))
    }

    fn next_of_id(&self, id: u32, from: u64) -> Option<u64> {
        let state = self.subjects.get(id)?;
        if from <= state.first {
            return Some(state.first);
        }
        if from > state.last {
            return None;
        }
        // Rare subjects by their own chain, frequent ones by looking at what comes next.
        if state.count <= 64 {
            let mut seq = state.first;
            while seq < from {
                seq = self.next_in_subject(seq)?;
            }
            return Some(seq);
        }
        self.sequences.from(from).find(|(_, s)| s.subject == id).map(|(seq, _)| seq)
    }

    /// The previous message of the same subject.
    #[must_use]
    pub fn prev_in_subject(&self, seq: u64) -> Option<u64> {
        match self.sequences.prev_link(seq) {
            Link::None => None,
            Link::At(prev) => Some(prev),
            Link::Far => {
                let id = self.sequences.get(seq)?.subject;
                self.sequences.back_from(seq.checked_sub(1)?).find(|(_, s)| s.subject == id).map(|(s, _)| s)
            }
        }
    }

    /// The next message of the same subject.
    #[must_use]
    pub fn next_in_subject(&self, seq: u64) -> Option<u64> {
        match self.sequences.next_link(seq) {
            Link::None => None,
            Link::At(next) => Some(next),
            Link::Far => {
                let id = self.sequences.get(seq)?.subject;
                self.sequences.from(seq + 1).find(|(_, s)| s.subject == id).map(|(s, _)| s)
            }
        }
    }

    /// The subjects that match a filter, in no particular order.
    pub fn subjects_matching<'a>(&'a self, filter: &'a [u8]) -> impl Iterator<Item = &'a SubjectState> + 'a {
        // One look-up instead of a walk where no wildcard is.
        let literal = is_literal(filter);
        let one = if literal { self.subject_of(filter) } else { None };
        let walk =
            (!literal).then(|| self.subjects.iter().map(|(_, s)| s).filter(move |s| filter_matches(filter, &s.name)));
        one.into_iter().chain(walk.into_iter().flatten())
    }

    /// Calls `each` for every subject that matches a filter, in no particular order.
    pub fn for_each_subject(&self, filter: &[u8], each: impl FnMut(&SubjectState)) {
        self.subjects_matching(filter).for_each(each);
    }

    /// The first message at or above `from` that the matcher takes.
    pub fn next_matching(&self, from: u64, matcher: &mut Matcher) -> Option<(u64, MessageMeta)> {
        match &matcher.filters {
            Filters::All => return self.next_from(from),
            Filters::One(name) => return self.next_by_subject(name, from),
            Filters::Many(_) => {}
        }
        self.sequences.from(from).find(|(_, s)| matcher.takes(&self.subjects, s.subject)).map(with_meta)
    }

    /// The last message at or below `from` that the matcher takes.
    pub fn prev_matching(&self, from: u64, matcher: &mut Matcher) -> Option<(u64, MessageMeta)> {
        if matches!(matcher.filters, Filters::All) {
            return self.prev_from(from);
        }
        self.sequences.back_from(from).find(|(_, s)| matcher.takes(&self.subjects, s.subject)).map(with_meta)
    }

    /// Exactly how many messages at or above `seq` the matcher takes.
    pub fn count_from(&self, seq: u64, matcher: &mut Matcher) -> u64 {
        if matches!(matcher.filters, Filters::All) {
            return self.sequences.count_from(seq);
        }
        let ids: Vec<(u32, &SubjectState)> = match &matcher.filters {
            Filters::One(name) => {
                self.subjects.id(name).and_then(|id| Some((id, self.subjects.get(id)?))).into_iter().collect()
            }
            _ => self.subjects.iter().filter(|(id, _)| matcher.takes(&self.subjects, *id)).collect(),
        };
        // Subjects that begin at or above `seq` count as a whole. The others are counted message by message on the
        // shorter side of `seq`.
        let whole: u64 = ids.iter().map(|(_, s)| s.count).sum();
        let straddles = |s: &SubjectState| s.first < seq;
        if !ids.iter().any(|(_, s)| straddles(s)) {
            return whole;
        }
        if let Filters::One(_) = matcher.filters
            && let Some((_, state)) = ids.first().filter(|(_, s)| s.count <= 1024)
        {
            return self.count_chain(state, seq);
        }
        if self.last.saturating_sub(seq) <= seq.saturating_sub(self.first) {
            self.sequences.from(seq).filter(|(_, s)| matcher.takes(&self.subjects, s.subject)).count() as u64
        } else {
            let below = self.sequences.from(self.first).take_while(|(s, _)| *s < seq);
            whole - below.filter(|(_, s)| matcher.takes(&self.subjects, s.subject)).count() as u64
        }
    }

    fn count_chain(&self, state: &SubjectState, seq: u64) -> u64 {
        let mut count = 0;
        let mut at = Some(state.last);
        while let Some(found) = at.filter(|s| *s >= seq) {
            count += 1;
            at = self.prev_in_subject(found);
        }
        count
    }

    /// The first sequence whose message is not older than `time`; `last_seq + 1` if there is none.
    #[must_use]
    pub fn seq_at_time(&self, time: i64) -> u64 {
        self.sequences.first_at(time).unwrap_or(self.last + 1)
    }

    /// Appends the whole index in a compact form: for the checkpoint of its shard.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode::index(self, out);
    }

    /// Reads what [`StreamIndex::encode`] wrote at the start of `bytes`, and how long it was. The bytes have to be
    /// covered by a checksum of the caller's.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn decode(bytes: &[u8]) -> Result<(StreamIndex, usize), IndexError> {
        encode::read(bytes)
    }
}

fn with_meta((seq, slot): (u64, &Slot)) -> (u64, MessageMeta) {
    (seq, MessageMeta::from(slot))
}

#[derive(Debug, Clone)]
enum Filters {
    All,
    One(Box<[u8]>),
    Many(Vec<Box<[u8]>>),
}

/// Filters with a memory of which subject ids they take. One for each consumer and stream; never use it with another
/// stream's index.
#[derive(Debug, Clone)]
pub struct Matcher {
    filters: Filters,
    /// Per subject id: 0 unknown, otherwise twice the generation, plus 2, plus 1 if it is taken.
    verdicts: Vec<u64>,
}

impl Matcher {
    /// A matcher that takes what any of the filters matches, and everything if there is none.
    pub fn new<'a>(filters: impl IntoIterator<Item = &'a [u8]>) -> Matcher {
        let list: Vec<Box<[u8]>> = filters.into_iter().map(Box::from).collect();
        let filters = match list.as_slice() {
            [] => Filters::All,
            list if list.iter().any(|f| **f == *b">") => Filters::All,
            [one] if is_literal(one) => Filters::One(one.clone()),
            _ => Filters::Many(list),
        };
        Matcher { filters, verdicts: Vec::new() }
    }

    /// Whether it takes every subject.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        matches!(self.filters, Filters::All)
    }

    /// Whether it takes a subject, without using or changing its memory.
    #[must_use]
    pub fn matches(&self, subject: &[u8]) -> bool {
        match &self.filters {
            Filters::All => true,
            Filters::One(name) => **name == *subject,
            Filters::Many(list) => list.iter().any(|f| filter_matches(f, subject)),
        }
    }

    fn takes(&mut self, subjects: &SubjectIndex, id: u32) -> bool {
        let generation = (u64::from(subjects.generation(id)) + 1) * 2;
        let at = id as usize;
        match self.verdicts.get(at) {
            Some(verdict) if *verdict & !1 == generation => return verdict & 1 == 1,
            _ => {}
        }
        let takes = subjects.get(id).is_some_and(|s| self.matches(&s.name));
        if self.verdicts.len() <= at {
            self.verdicts.resize(at + 1, 0);
        }
        if let Some(verdict) = self.verdicts.get_mut(at) {
            *verdict = generation | u64::from(takes);
        }
        takes
    }
}

mod encode;
mod rebuild;

pub use rebuild::{Rebuilt, StreamIndexBuilder};

#[cfg(test)]
mod tests;
