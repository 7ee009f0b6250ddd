//! The part of the log that has to be applied again after a restart.

use super::format::{ENTRY_HEADER, EntryHeader, EntryKind, Location, STORE_SHARD, Seal};
use super::record::Records;
use super::scan::{Found, Scanner};
use super::segment::segment_name;
use crate::error::OpenError;
use crate::storage::Storage;
use bytes::Bytes;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// A part of the log that cannot be read, below the durable position. It is left as it is, and its segment is never
/// used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment; `None` where a whole segment or checkpoint is missing.
    pub segment: Option<u32>,
    /// Where the damage begins.
    pub from: u32,
    /// Where the next good entry begins.
    pub to: u32,
    /// First lsn that is lost.
    pub first_lsn: u64,
    /// Last lsn that is lost; below `first_lsn` if no entry is.
    pub last_lsn: u64,
    /// Shard and index of the entry, if its header is good and it is the only one.
    pub entry: Option<(u32, u64)>,
    /// What was found, in words.
    pub what: &'static str,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.segment {
            Some(id) => write!(f, "{} in {} at {}..{}", self.what, segment_name(id), self.from, self.to)?,
            None => write!(f, "{}", self.what)?,
        }
        if self.first_lsn <= self.last_lsn {
            write!(f, ", entries {} to {} are lost", self.first_lsn, self.last_lsn)?;
        }
        Ok(())
    }
}

/// A stretch of the log.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Good entries from one offset to another.
    Run {
        segment: u32,
        from: usize,
        to: usize,
        lsn: u64,
        epoch: u32,
    },
    Damaged(Damage),
}

/// An entry to apply again.
#[derive(Debug, Clone)]
pub struct TailEntry {
    /// Its number in the lane.
    pub lsn: u64,
    /// The shard.
    pub shard: u32,
    /// What it is.
    pub kind: EntryKind,
    /// Its number in the shard.
    pub index: u64,
    /// Raft term.
    pub term: u64,
    /// The leader's time.
    pub time: i64,
    /// Where its first record lies.
    pub first_record: Location,
    /// Number of records.
    pub count: u32,
    /// CRC32C over the records' checksums.
    pub records_crc: u32,
    bytes: Bytes,
}

impl TailEntry {
    pub(crate) fn new(header: &EntryHeader, segment: u32, at: usize, bytes: Bytes) -> TailEntry {
        TailEntry {
            lsn: header.lsn,
            shard: header.shard,
            kind: header.kind,
            index: header.index,
            term: header.term,
            time: header.time,
            first_record: Location { segment, offset: (at + ENTRY_HEADER) as u32 },
            count: header.count,
            records_crc: header.records_crc,
            bytes,
        }
    }

    /// The encoded records.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records; they have been verified.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records::trusted(&self.bytes, self.first_record, self.count)
    }
}

/// What comes next.
#[derive(Debug, Clone)]
pub enum TailItem {
    /// An entry, in lane order.
    Entry(TailEntry),
    /// Here entries are missing: shards that may have had one must not go on as if nothing had happened.
    Damaged(Damage),
}

/// Iterates over the entries that no checkpoint holds.
#[derive(Debug)]
pub struct Tail {
    storage: Arc<dyn Storage>,
    seal: Seal,
    pieces: VecDeque<Piece>,
    /// Up to which lsn each shard's checkpoint reaches.
    covered: HashMap<u32, u64>,
    loaded: Option<(u32, Bytes)>,
}

impl Tail {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        seal: Seal,
        pieces: VecDeque<Piece>,
        covered: HashMap<u32, u64>,
    ) -> Tail {
        Tail { storage, seal, pieces, covered, loaded: None }
    }

    fn segment(&mut self, id: u32) -> Result<Bytes, OpenError> {
        if let Some((loaded, bytes)) = &self.loaded
            && *loaded == id
        {
            return Ok(bytes.clone());
        }
        let bytes = Bytes::from(super::recover::read_segment(&*self.storage, id)?);
        self.loaded = Some((id, bytes.clone()));
        Ok(bytes)
    }

    fn step(&mut self) -> Result<Option<TailItem>, OpenError> {
        loop {
            match self.pieces.pop_front() {
                None => return Ok(None),
                Some(Piece::Damaged(damage)) => return Ok(Some(TailItem::Damaged(damage))),
                Some(Piece::Run { segment, from, to, lsn, epoch }) => {
                    if from >= to {
                        continue;
                    }
                    let bytes = self.segment(segment)?;
                    let mut scanner = Scanner::new(&bytes, segment, self.seal, from, lsn, epoch);
                    let Found::Entry(header, at) = scanner.next() else {
                        return Err(OpenError::Changed { segment, lsn });
                    };
                    let (from, lsn, epoch) = (scanner.pos, scanner.lsn, scanner.epoch);
                    self.pieces.push_front(Piece::Run { segment, from, to, lsn, epoch });
                    if self.skips(&header) {
                        continue;
                    }
                    let records = bytes.slice(at + ENTRY_HEADER..at + header.len as usize);
                    return Ok(Some(TailItem::Entry(TailEntry::new(&header, segment, at, records))));
                }
            }
        }
    }

    fn skips(&self, header: &EntryHeader) -> bool {
        header.shard == STORE_SHARD
            || header.kind == EntryKind::Padding
            || self.covered.get(&header.shard).is_some_and(|lsn| header.lsn <= *lsn)
    }
}

impl Iterator for Tail {
    type Item = Result<TailItem, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step().transpose();
        if let Some(Err(_)) = item {
            self.pieces.clear();
        }
        item
    }
}
