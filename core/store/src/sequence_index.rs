//! Where each sequence of a stream lies: dense chunks of slots, freed when all of their messages are gone.
//!
//! Each slot also links to the previous and next message of the same subject, so that the first and last message of a
//! subject are known at once after any removal, without a scan.

use crate::limits::INDEX_CHUNK;
use crate::log::format::Location;
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// "The neighbour is further away than fits": it has to be searched.
const FAR: u32 = u32::MAX;
/// "There is no neighbour."
const NONE: u32 = 0;

/// A message's size, and in its highest bit whether it has headers: so that a slot stays 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(u32);

impl Size {
    const HEADERS: u32 = 1 << 31;

    /// Nothing if it is too large.
    pub(crate) fn new(bytes: u32, has_headers: bool) -> Option<Size> {
        let flag = if has_headers { Size::HEADERS } else { 0 };
        (bytes < Size::HEADERS).then_some(Size(bytes | flag))
    }

    pub(crate) fn bytes(self) -> u32 {
        self.0 & !Size::HEADERS
    }

    pub(crate) fn has_headers(self) -> bool {
        self.0 & Size::HEADERS != 0
    }
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) location: Location,
    pub(crate) time: i64,
    pub(crate) size: Size,
    /// Id of the subject; [`Slot::FREE`] if there is no message.
    pub(crate) subject: u32,
    /// Distance to the previous message of the subject.
    prev: u32,
    /// Distance to the next message of the subject.
    next: u32,
}

/// Where a neighbour of the same subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    None,
    At(u64),
    /// Somewhere beyond what fits into a link.
    Far,
}

const _: () = assert!(size_of::<Slot>() == 32);

impl Slot {
    const FREE: u32 = u32::MAX;
    const EMPTY: Slot =
        Slot { location: Location::NONE, time: 0, size: Size(0), subject: Slot::FREE, prev: NONE, next: NONE };

    pub(crate) fn new(location: Location, time: i64, size: Size, subject: u32) -> Slot {
        Slot { location, time, size, subject, prev: NONE, next: NONE }
    }
}

fn distance(from: u64, to: u64) -> u32 {
    u32::try_from(from.abs_diff(to)).unwrap_or(FAR)
}

#[derive(Debug)]
struct Chunk {
    number: u64,
    live: u32,
    slots: Box<[Slot]>,
}

/// The slots of a stream.
#[derive(Debug, Default)]
pub(crate) struct SequenceIndex {
    /// Sorted by number; mostly without gaps.
    chunks: VecDeque<Chunk>,
    count: u64,
}

impl SequenceIndex {
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    fn position(&self, number: u64) -> Result<usize, usize> {
        let Some(front) = self.chunks.front() else { return Err(0) };
        // Without gaps the guess is right; otherwise the chunk lies before it.
        let guess = usize::try_from(number.saturating_sub(front.number)).unwrap_or(usize::MAX);
        if self.chunks.get(guess).is_some_and(|c| c.number == number) {
            return Ok(guess);
        }
        self.chunks.binary_search_by_key(&number, |c| c.number)
    }

    fn chunk(&self, number: u64) -> Option<&Chunk> {
        self.chunks.get(self.position(number).ok()?)
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Slot> {
        let slot = self.chunk(seq / INDEX_CHUNK)?.slots.get((seq % INDEX_CHUNK) as usize)?;
        (slot.subject != Slot::FREE).then_some(slot)
    }

    pub(crate) fn get_mut(&mut self, seq: u64) -> Option<&mut Slot> {
        let at = self.position(seq / INDEX_CHUNK).ok()?;
        let slot = self.chunks.get_mut(at)?.slots.get_mut((seq % INDEX_CHUNK) as usize)?;
        (slot.subject != Slot::FREE).then_some(slot)
    }

    /// Adds a message whose subject's last message so far was `prev`. `seq` has to be above all others.
    pub(crate) fn push(&mut self, seq: u64, mut slot: Slot, prev: Option<u64>) {
        if let Some(prev) = prev {
            slot.prev = distance(prev, seq);
            if let Some(before) = self.get_mut(prev) {
                before.next = distance(prev, seq);
            }
        }
        let number = seq / INDEX_CHUNK;
        if self.chunks.back().is_none_or(|c| c.number != number) {
            let slots = vec![Slot::EMPTY; INDEX_CHUNK as usize].into_boxed_slice();
            self.chunks.push_back(Chunk { number, live: 0, slots });
        }
        if let Some(chunk) = self.chunks.back_mut()
            && let Some(place) = chunk.slots.get_mut((seq % INDEX_CHUNK) as usize)
        {
            *place = slot;
            chunk.live += 1;
            self.count += 1;
        }
    }

    /// Takes a message out and joins its neighbours, which `prev` and `next` name.
    pub(crate) fn remove(&mut self, seq: u64, prev: Option<u64>, next: Option<u64>) -> Option<Slot> {
        let number = seq / INDEX_CHUNK;
        let at = self.position(number).ok()?;
        let chunk = self.chunks.get_mut(at)?;
        let place = chunk.slots.get_mut((seq % INDEX_CHUNK) as usize)?;
        if place.subject == Slot::FREE {
            return None;
        }
        let slot = std::mem::replace(place, Slot::EMPTY);
        chunk.live -= 1;
        self.count -= 1;
        if chunk.live == 0 {
            // Most often the first one; further in, moving the others is rare enough.
            self.chunks.remove(at);
        }
        let (to_next, to_prev) = match (prev, next) {
            (Some(prev), Some(next)) => (distance(prev, next), distance(prev, next)),
            _ => (NONE, NONE),
        };
        if let Some(slot) = prev.and_then(|p| self.get_mut(p)) {
            slot.next = to_next;
        }
        if let Some(slot) = next.and_then(|n| self.get_mut(n)) {
            slot.prev = to_prev;
        }
        Some(slot)
    }

    pub(crate) fn prev_link(&self, seq: u64) -> Link {
        match self.get(seq).map(|s| s.prev) {
            None | Some(NONE) => Link::None,
            Some(FAR) => Link::Far,
            Some(distance) => Link::At(seq - u64::from(distance)),
        }
    }

    pub(crate) fn next_link(&self, seq: u64) -> Link {
        match self.get(seq).map(|s| s.next) {
            None | Some(NONE) => Link::None,
            Some(FAR) => Link::Far,
            Some(distance) => Link::At(seq + u64::from(distance)),
        }
    }

    /// Messages from `seq` on, upwards.
    pub(crate) fn from(&self, seq: u64) -> impl Iterator<Item = (u64, &Slot)> + '_ {
        let number = seq / INDEX_CHUNK;
        let at = self.position(number).unwrap_or_else(|at| at);
        self.chunks.range(at..).flat_map(move |chunk| {
            let start = if chunk.number == number { seq % INDEX_CHUNK } else { 0 };
            let slots = chunk.slots.get(start as usize..).unwrap_or_default();
            let base = chunk.number * INDEX_CHUNK + start;
            (base..).zip(slots).filter(|(_, s)| s.subject != Slot::FREE)
        })
    }

    /// Messages from `seq` on, downwards.
    pub(crate) fn back_from(&self, seq: u64) -> impl Iterator<Item = (u64, &Slot)> + '_ {
        let number = seq / INDEX_CHUNK;
        let end = self.position(number).map_or_else(|at| at, |at| at + 1);
        self.chunks.range(..end).rev().flat_map(move |chunk| {
            let last = if chunk.number == number { seq % INDEX_CHUNK } else { INDEX_CHUNK - 1 };
            let slots = chunk.slots.get(..=last as usize).unwrap_or_default();
            let base = chunk.number * INDEX_CHUNK;
            slots
                .iter()
                .enumerate()
                .rev()
                .map(move |(i, s)| (base + i as u64, s))
                .filter(|(_, s)| s.subject != Slot::FREE)
        })
    }

    /// How many messages there are at or above `seq`.
    pub(crate) fn count_from(&self, seq: u64) -> u64 {
        let number = seq / INDEX_CHUNK;
        match self.position(number) {
            Err(at) => self.chunks.range(at..).map(|c| u64::from(c.live)).sum(),
            Ok(at) => {
                let inside = self.chunks.get(at).map_or(0, |chunk| {
                    let slots = chunk.slots.get((seq % INDEX_CHUNK) as usize..).unwrap_or_default();
                    slots.iter().filter(|s| s.subject != Slot::FREE).count() as u64
                });
                inside + self.chunks.range(at + 1..).map(|c| u64::from(c.live)).sum::<u64>()
            }
        }
    }

    /// The first message whose time is not below `time`. Times never decrease with the sequence.
    pub(crate) fn first_at(&self, time: i64) -> Option<u64> {
        let behind = self.chunks.partition_point(|chunk| {
            let last = chunk.slots.iter().rev().find(|s| s.subject != Slot::FREE);
            last.is_none_or(|s| s.time < time)
        });
        let chunk = self.chunks.get(behind)?;
        let at = chunk.slots.iter().position(|s| s.subject != Slot::FREE && s.time >= time)?;
        Some(chunk.number * INDEX_CHUNK + at as u64)
    }

    /// Ranges without messages between `first` and `last`.
    pub(crate) fn gaps(&self, first: u64, last: u64) -> impl Iterator<Item = RangeInclusive<u64>> + '_ {
        let mut expected = first;
        let end = std::iter::once(last.saturating_add(1));
        self.from(first).map(|(seq, _)| seq).take_while(move |seq| *seq <= last).chain(end).filter_map(move |seq| {
            let gap = (expected < seq).then(|| expected..=seq - 1);
            expected = seq + 1;
            gap
        })
    }
}
