//! What a group's log is, in memory: where each entry lies, the recent entries themselves, the vote. No I/O.

use super::entry::{LogEntry, LogId, VoteOf, log_id};
use crate::limits::TAIL_CACHE_BYTES;
use forebay_store::Location;
use std::collections::VecDeque;
use std::ops::Range;

/// Where an entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) term: u64,
    pub(super) lsn: u64,
    pub(super) at: Location,
    /// Bytes of records.
    pub(super) len: u32,
}

/// An entry that was asked for.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Here(LogEntry),
    OnDisk(u64, Place),
}

/// One group's log.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The lowest index that is there.
    first: u64,
    places: VecDeque<Place>,
    /// The newest entries without gap; the last is the log's last.
    tail: VecDeque<LogEntry>,
    tail_bytes: usize,
    purged: Option<LogId>,
    pub(super) vote: Option<VoteOf>,
    pub(super) committed: Option<LogId>,
    /// The lane's lsn of the first thing that the group wrote: the log is needed from here on.
    pub(super) first_lsn: Option<u64>,
}

impl Table {
    /// The index behind the last.
    pub(super) fn next(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    pub(super) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    pub(super) fn last(&self) -> Option<LogId> {
        match self.places.back() {
            Some(place) => Some(log_id(place.term, self.next() - 1)),
            None => self.purged,
        }
    }

    /// Adds the next entry. False if it is not the next one, except that an empty log takes any.
    pub(super) fn push_place(&mut self, index: u64, place: Place) -> bool {
        if self.places.is_empty() && self.purged.is_none() {
            self.first = index;
        }
        if index != self.next() {
            return false;
        }
        self.places.push_back(place);
        true
    }

    /// Keeps an entry in memory that was pushed last. `durable` is the lane's: entries above it stay, as do those
    /// for which somebody waits, since a read from the disk would not find them.
    pub(super) fn remember(&mut self, entry: LogEntry, durable: u64) {
        self.tail_bytes += entry.bytes();
        self.tail.push_back(entry);
        self.evict(durable, TAIL_CACHE_BYTES);
    }

    fn evict(&mut self, durable: u64, cap: usize) {
        while self.tail_bytes > cap && self.tail.len() > 1 {
            let Some(oldest) = self.tail.front() else { return };
            let place = self.place(oldest.log_index());
            if oldest.is_awaited() || place.is_none_or(|place| place.lsn > durable) {
                return;
            }
            self.tail_bytes -= oldest.bytes();
            self.tail.pop_front();
        }
    }

    pub(super) fn place(&self, index: u64) -> Option<Place> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.places.get(at).copied()
    }

    /// The entries of a range that are there, in order.
    pub(super) fn range(&self, range: Range<u64>, max_bytes: usize) -> Vec<Found> {
        let (from, to) = (range.start.max(self.first), range.end.min(self.next()));
        let tail_first = self.next() - self.tail.len() as u64;
        let (mut found, mut bytes) = (Vec::new(), 0usize);
        for index in from..to {
            let Some(place) = self.place(index) else { break };
            bytes = bytes.saturating_add(place.len as usize);
            if bytes > max_bytes && !found.is_empty() {
                break;
            }
            let here = index.checked_sub(tail_first).and_then(|at| self.tail.get(usize::try_from(at).ok()?));
            found.push(match here {
                Some(entry) => Found::Here(entry.clone()),
                None => Found::OnDisk(index, place),
            });
        }
        found
    }

    /// Drops the entries from `index` on.
    pub(super) fn truncate(&mut self, index: u64) {
        while self.next() > index.max(self.first) {
            self.places.pop_back();
            if let Some(entry) = self.tail.pop_back() {
                self.tail_bytes -= entry.bytes();
            }
        }
    }

    /// Drops the entries up to and with one, which need not be there.
    pub(super) fn purge(&mut self, upto: LogId) {
        while self.first <= upto.index() && self.places.pop_front().is_some() {
            self.first += 1;
        }
        if self.places.is_empty() {
            self.first = self.first.max(upto.index() + 1);
        }
        while self.tail.len() > self.places.len() {
            if let Some(entry) = self.tail.pop_front() {
                self.tail_bytes -= entry.bytes();
            }
        }
        self.purged = self.purged.max(Some(upto));
    }

    pub(super) fn note_lsn(&mut self, lsn: u64) -> bool {
        let is_first = self.first_lsn.is_none();
        self.first_lsn.get_or_insert(lsn);
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::raft::entry::{Proposal, Slot};
    use openraft::EntryPayload;
    use std::sync::Arc;

    fn entry(index: u64, bytes: usize, slot: Slot) -> LogEntry {
        let batch = Batch { records: vec![0; bytes].into(), count: 1, records_crc: 0, time: 0 };
        LogEntry::of(1, index, EntryPayload::Normal(Proposal { batch: Arc::new(batch), slot }), Location::NONE)
    }

    fn push(table: &mut Table, index: u64, slot: Slot, durable: u64) {
        let place = Place { term: 1, lsn: index + 100, at: Location { segment: 1, offset: 0 }, len: 1 << 20 };
        assert!(table.push_place(index, place));
        table.remember(entry(index, 1 << 20, slot), durable);
    }

    fn in_memory(table: &Table) -> usize {
        table.range(0..u64::MAX, usize::MAX).iter().filter(|found| matches!(found, Found::Here(_))).count()
    }

    #[test]
    fn old_entries_leave_the_memory_when_they_are_durable_and_nobody_waits() {
        let mut table = Table::default();
        for index in 0..40 {
            push(&mut table, index, Slot::default(), 100 + index);
        }
        assert_eq!((table.range(0..50, usize::MAX).len(), in_memory(&table)), (40, 15));
    }

    #[test]
    fn entries_that_are_not_durable_or_are_awaited_stay() {
        let mut table = Table::default();
        for index in 0..40 {
            push(&mut table, index, Slot::default(), 0);
        }
        assert_eq!(in_memory(&table), 40);
        let (mut table, slot) = (Table::default(), Slot::holding(7u8));
        for index in 0..40 {
            push(&mut table, index, if index == 3 { slot.clone() } else { Slot::default() }, u64::MAX);
        }
        assert_eq!(in_memory(&table), 37);
        assert_eq!(slot.take::<u8>(), Some(7));
        push(&mut table, 40, Slot::default(), u64::MAX);
        assert_eq!(in_memory(&table), 15);
    }

    #[test]
    fn a_read_is_limited_in_bytes_and_never_empty() {
        let mut table = Table::default();
        for index in 5..15 {
            push(&mut table, index, Slot::default(), 0);
        }
        assert_eq!(table.range(0..100, 3 << 20).len(), 3);
        assert_eq!(table.range(7..100, 1).len(), 1);
        assert_eq!(table.range(15..100, 1).len(), 0);
        assert!(!table.push_place(17, Place { term: 1, lsn: 0, at: Location::NONE, len: 0 }));
    }
}
