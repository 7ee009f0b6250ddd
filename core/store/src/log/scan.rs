//! Following the chain of entries through one segment, and finding out what a break in it means.
//!
//! An entry counts if its header's checksum matches its place, its lsn is the next one, its epoch is not older than
//! the one before, and all its records match. A break is a torn tail only if nothing behind it proves otherwise: an
//! entry whose group began after the missing lsn does, because one write is in flight at a time.

use super::format::{ENTRY_HEADER, EntryHeader, FormatError, Seal, align_block, align_entry};
use super::record::verify_records;
use crate::limits::{BLOCK, ENTRY_ALIGN};

/// A block that was never written.
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// A position in the chain.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    segment: u32,
    seal: Seal,
    pub(crate) pos: usize,
    pub(crate) lsn: u64,
    pub(crate) epoch: u32,
}

/// What follows in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The next entry, at this offset.
    Entry(EntryHeader, usize),
    /// The next entry's header, with records that do not match it.
    BadRecords(EntryHeader, usize),
    /// Nothing that belongs here.
    Nothing,
}

impl<'a> Scanner<'a> {
    /// Starts at `pos` of a segment's bytes, where the entry `lsn` is expected.
    pub(crate) fn new(bytes: &'a [u8], segment: u32, seal: Seal, pos: usize, lsn: u64, epoch: u32) -> Scanner<'a> {
        Scanner { bytes, segment, seal, pos, lsn, epoch }
    }

    fn header_at(&self, pos: usize) -> Result<EntryHeader, FormatError> {
        let bytes = self.bytes.get(pos..).ok_or(FormatError::Short)?;
        let offset = u32::try_from(pos).map_err(|_| FormatError::Short)?;
        EntryHeader::decode(self.seal, self.segment, offset, bytes)
    }

    /// Looks at the next entry and moves behind it if it is good.
    pub(crate) fn next(&mut self) -> Found {
        // An entry follows its predecessor directly, or starts the next block if that one's group was padded.
        let mut found = Found::Nothing;
        for pos in [self.pos, align_block(self.pos)] {
            let Ok(header) = self.header_at(pos) else { continue };
            if header.lsn != self.lsn || header.epoch < self.epoch {
                continue;
            }
            let end = pos + header.len as usize;
            let records = self.bytes.get(pos + ENTRY_HEADER..end);
            if records.is_some_and(|r| verify_records(r, header.count, header.records_crc).is_ok()) {
                self.pos = align_entry(end);
                self.lsn += 1;
                self.epoch = header.epoch;
                return Found::Entry(header, pos);
            }
            found = Found::BadRecords(header, pos);
            break;
        }
        found
    }

    /// Whether something further on proves that the expected entry was durable once.
    pub(crate) fn proves_durable(&self) -> bool {
        self.headers_from(self.pos).any(|(h, _)| h.group_lsn > self.lsn)
    }

    /// The highest epoch of anything that is left behind the end, so that the next one can be above it.
    pub(crate) fn highest_epoch(&self) -> u32 {
        self.headers_from(self.pos).map(|(h, _)| h.epoch).max().unwrap_or(self.epoch)
    }

    /// The next header behind the break, to go on from.
    pub(crate) fn resync(&self) -> Option<(EntryHeader, usize)> {
        self.headers_from(self.pos).find(|(h, _)| h.lsn > self.lsn)
    }

    fn headers_from(&self, pos: usize) -> impl Iterator<Item = (EntryHeader, usize)> + '_ {
        let start = pos.next_multiple_of(ENTRY_ALIGN).max(BLOCK);
        let blocks = (start - start % BLOCK..self.bytes.len()).step_by(BLOCK);
        // Most of what lies behind the end of a log was never written.
        let written = blocks.filter(|at| self.bytes.get(*at..*at + BLOCK) != Some(&ZEROS));
        let places = written.flat_map(move |at| (at.max(start)..at + BLOCK).step_by(ENTRY_ALIGN));
        places.filter_map(|pos| {
            let bytes = self.bytes.get(pos..)?;
            if !EntryHeader::may_start(bytes) {
                return None;
            }
            let header = self.header_at(pos).ok()?;
            (header.epoch >= self.epoch).then_some((header, pos))
        })
    }
}
