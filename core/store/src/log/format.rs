//! The byte layout of the log: segment header, entry header and places. Records are in `record.rs`.
//!
//! `docs/design/store-format.md` has the drawings. Nothing that is read is used before its checksum matched.

use crate::limits::{BLOCK, ENTRY_ALIGN};

/// The version that `FORMAT` and each segment header name.
pub const FORMAT_VERSION: u32 = 1;

/// Length of an entry header.
pub const ENTRY_HEADER: usize = 72;

/// First two bytes behind an entry's checksum.
const ENTRY_MAGIC: u16 = 0xFB17;

/// First bytes of a segment.
const SEGMENT_MAGIC: [u8; 8] = *b"FBAYSEG\n";

/// Bytes of the segment header that carry something; the rest of its block is zero.
const SEGMENT_HEADER: usize = 44;

/// The shard of entries that belong to the store itself (marks).
pub const STORE_SHARD: u32 = u32::MAX;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Fewer bytes than the header promises.
    #[error("the bytes end too early")]
    Short,
    /// The checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// No entry, record or segment starts here.
    #[error("nothing that the store wrote starts here")]
    Magic,
    /// A field has a value that this version does not know, under a checksum that matches.
    #[error("unknown {0}")]
    Unknown(&'static str),
    /// A field contradicts another one.
    #[error("{0} does not fit")]
    Inconsistent(&'static str),
    /// A record that is longer than the format allows.
    #[error("a record of {bytes} bytes is too large")]
    TooLarge {
        /// How long it would be.
        bytes: usize,
    },
}

/// Where a record starts: the segment's id, which is never used twice, and the offset in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Id of the segment.
    pub segment: u32,
    /// Offset from the start of the segment's file in bytes.
    pub offset: u32,
}

impl Location {
    /// No place: bodies that lie in memory, and entries without records.
    pub const NONE: Location = Location { segment: u32::MAX, offset: u32::MAX };

    /// The place `bytes` further on in the same segment.
    #[must_use]
    pub fn plus(self, bytes: usize) -> Location {
        Location { segment: self.segment, offset: self.offset.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX)) }
    }
}

/// What an entry is. The numbers are on disk: never change or reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// Commands of a shard; records inside.
    Entry = 1,
    /// A raft vote (opaque record).
    Vote = 2,
    /// A raft group's committed index (opaque record).
    Committed = 3,
    /// Entries of the shard from `index` on are void.
    Truncate = 4,
    /// Entries of the shard up to `index` are no longer needed by raft.
    Purge = 5,
    /// Something was deleted (opaque record).
    Tombstone = 6,
    /// The store's own mark: everything before it was durable when it was written; `index` may name a checkpoint.
    CheckpointMark = 7,
    /// Bodies that the collector moved here; each record is cold, with uid and sequence.
    Relocated = 8,
    /// Nothing; readers skip it.
    Padding = 9,
}

impl EntryKind {
    fn from_byte(byte: u8) -> Option<EntryKind> {
        Some(match byte {
            1 => EntryKind::Entry,
            2 => EntryKind::Vote,
            3 => EntryKind::Committed,
            4 => EntryKind::Truncate,
            5 => EntryKind::Purge,
            6 => EntryKind::Tombstone,
            7 => EntryKind::CheckpointMark,
            8 => EntryKind::Relocated,
            9 => EntryKind::Padding,
            _ => return None,
        })
    }
}

/// The header in front of an entry's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHeader {
    /// What the entry is.
    pub kind: EntryKind,
    /// Reserved; zero.
    pub flags: u8,
    /// Header and records in bytes, without the padding to [`ENTRY_ALIGN`].
    pub len: u32,
    /// Number of records.
    pub count: u32,
    /// Number of the entry in its lane; consecutive.
    pub lsn: u64,
    /// First lsn of the write that this entry was part of. Since one write is in flight at a time, every lsn below
    /// it was durable before that write began.
    pub group_lsn: u64,
    /// Number of the opening of the store that wrote the entry; never decreases along the log.
    pub epoch: u32,
    /// The shard.
    pub shard: u32,
    /// Log index in the shard.
    pub index: u64,
    /// Raft term, 0 on local shards.
    pub term: u64,
    /// The leader's time in nanoseconds since 1970.
    pub time: i64,
    /// CRC32C over the concatenated checksums of the records.
    pub records_crc: u32,
}

/// What ties an entry header to one place in one store: its checksum starts from this, so that bytes of another
/// store, of a recycled file's former life, or inside of a message never pass for an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    store_id: u64,
}

impl Seal {
    /// The seal of a store.
    #[must_use]
    pub fn new(store_id: u64) -> Seal {
        Seal { store_id }
    }

    /// The store's id.
    #[must_use]
    pub fn store_id(self) -> u64 {
        self.store_id
    }

    fn seed(self, segment: u32, offset: u32) -> u32 {
        let mut place = [0u8; 16];
        put(&mut place, 0, &self.store_id.to_le_bytes());
        put(&mut place, 8, &segment.to_le_bytes());
        put(&mut place, 12, &offset.to_le_bytes());
        crc32c::crc32c(&place)
    }
}

impl EntryHeader {
    /// Writes the header for an entry that starts at `offset` of `segment`.
    pub fn encode(&self, seal: Seal, segment: u32, offset: u32, out: &mut [u8; ENTRY_HEADER]) {
        put(out, 4, &ENTRY_MAGIC.to_le_bytes());
        put(out, 6, &[self.kind as u8, self.flags]);
        put(out, 8, &self.len.to_le_bytes());
        put(out, 12, &self.count.to_le_bytes());
        put(out, 16, &self.lsn.to_le_bytes());
        put(out, 24, &self.group_lsn.to_le_bytes());
        put(out, 32, &self.epoch.to_le_bytes());
        put(out, 36, &self.shard.to_le_bytes());
        put(out, 40, &self.index.to_le_bytes());
        put(out, 48, &self.term.to_le_bytes());
        put(out, 56, &self.time.to_le_bytes());
        put(out, 64, &self.records_crc.to_le_bytes());
        put(out, 68, &[0; 4]);
        let crc = crc32c::crc32c_append(seal.seed(segment, offset), &out[4..]);
        put(out, 0, &crc.to_le_bytes());
    }

    /// Whether an entry might start here; false says for certain that none does.
    #[must_use]
    pub fn may_start(bytes: &[u8]) -> bool {
        bytes.get(4..6) == Some(&ENTRY_MAGIC.to_le_bytes())
    }

    /// Reads the header of an entry that starts at `offset` of `segment`.
    ///
    /// # Errors
    /// See [`FormatError`]; the checksum is judged before any field.
    pub fn decode(seal: Seal, segment: u32, offset: u32, bytes: &[u8]) -> Result<EntryHeader, FormatError> {
        let bytes: &[u8; ENTRY_HEADER] = bytes.first_chunk().ok_or(FormatError::Short)?;
        if !EntryHeader::may_start(bytes) {
            return Err(FormatError::Magic);
        }
        if crc32c::crc32c_append(seal.seed(segment, offset), &bytes[4..]) != u32_at(bytes, 0) {
            return Err(FormatError::Checksum);
        }
        let kind = EntryKind::from_byte(bytes[6]).ok_or(FormatError::Unknown("entry kind"))?;
        if bytes[7] != 0 || u32_at(bytes, 68) != 0 {
            return Err(FormatError::Unknown("entry flags"));
        }
        let header = EntryHeader {
            kind,
            flags: bytes[7],
            len: u32_at(bytes, 8),
            count: u32_at(bytes, 12),
            lsn: u64_at(bytes, 16),
            group_lsn: u64_at(bytes, 24),
            epoch: u32_at(bytes, 32),
            shard: u32_at(bytes, 36),
            index: u64_at(bytes, 40),
            term: u64_at(bytes, 48),
            time: u64_at(bytes, 56).cast_signed(),
            records_crc: u32_at(bytes, 64),
        };
        if (header.len as usize) < ENTRY_HEADER {
            return Err(FormatError::Inconsistent("the entry's length"));
        }
        if header.group_lsn > header.lsn {
            return Err(FormatError::Inconsistent("the entry's group"));
        }
        Ok(header)
    }
}

/// The first block of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Id of the segment.
    pub segment: u32,
    /// The store's id.
    pub store_id: u64,
    /// Lsn of the first entry.
    pub first_lsn: u64,
    /// Epoch of the first entry.
    pub epoch: u32,
    /// Length of the file in bytes.
    pub segment_bytes: u32,
}

impl SegmentHeader {
    /// Writes the header's block.
    pub fn encode(&self, out: &mut [u8; BLOCK]) {
        out.fill(0);
        put(out, 4, &SEGMENT_MAGIC);
        put(out, 12, &FORMAT_VERSION.to_le_bytes());
        put(out, 16, &self.segment.to_le_bytes());
        put(out, 20, &self.segment_bytes.to_le_bytes());
        put(out, 24, &self.store_id.to_le_bytes());
        put(out, 32, &self.first_lsn.to_le_bytes());
        put(out, 40, &self.epoch.to_le_bytes());
        let crc = crc32c::crc32c(&out[4..SEGMENT_HEADER]);
        put(out, 0, &crc.to_le_bytes());
    }

    /// Reads a segment's first bytes.
    ///
    /// # Errors
    /// See [`FormatError`]; a version that is not ours is `Unknown`.
    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, FormatError> {
        let bytes: &[u8; SEGMENT_HEADER] = bytes.first_chunk().ok_or(FormatError::Short)?;
        if bytes[4..12] != SEGMENT_MAGIC {
            return Err(FormatError::Magic);
        }
        if crc32c::crc32c(&bytes[4..]) != u32_at(bytes, 0) {
            return Err(FormatError::Checksum);
        }
        if u32_at(bytes, 12) != FORMAT_VERSION {
            return Err(FormatError::Unknown("segment version"));
        }
        Ok(SegmentHeader {
            segment: u32_at(bytes, 16),
            segment_bytes: u32_at(bytes, 20),
            store_id: u64_at(bytes, 24),
            first_lsn: u64_at(bytes, 32),
            epoch: u32_at(bytes, 40),
        })
    }
}

/// Rounds up to the next place where an entry may start.
#[must_use]
pub const fn align_entry(bytes: usize) -> usize {
    bytes.next_multiple_of(ENTRY_ALIGN)
}

/// Rounds up to the next block.
#[must_use]
pub const fn align_block(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK)
}

/// Copies `value` to `at`; a value that does not fit is a defect of this crate and leaves the rest as it was.
pub(crate) fn put(out: &mut [u8], at: usize, value: &[u8]) {
    debug_assert!(at + value.len() <= out.len());
    if let Some(place) = out.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u16::from_le_bytes(*b))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

#[cfg(test)]
mod tests;
