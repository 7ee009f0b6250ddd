//! Reading records that are not in memory any more: synchronous, with a bounded cache of chunks.

use crate::limits::BLOCK;
use crate::log::format::{ENTRY_HEADER, EntryHeader, FormatError, Location, Seal};
use crate::log::group::HotTail;
use crate::log::record::{RECORD_HEADER, record_len, verify_records};
use crate::log::segment::{Segment, Segments};
use crate::log::tail::TailEntry;
use crate::record_buf::RecordBuf;
use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Why a record was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The segment is not there any more: the record was moved or deleted; look its location up again.
    #[error("the record has moved or is gone")]
    Gone,
    /// What lies there is not a good record.
    #[error("the record in segment {} at {} is damaged: {source}", at.segment, at.offset)]
    Damaged {
        /// Where.
        at: Location,
        /// How.
        source: FormatError,
    },
    /// The file system refused the read.
    #[error("reading segment {} at {} failed: {source}", at.segment, at.offset)]
    Io {
        /// Where.
        at: Location,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Reads records and chunks. For threads that may block.
#[derive(Debug)]
pub struct Reader {
    seal: Seal,
    segments: Arc<Segments>,
    hot: Arc<HotTail>,
    cache: Mutex<ChunkCache>,
    chunk: usize,
}

#[derive(Debug)]
struct ChunkCache {
    chunks: HashMap<(u32, u32), Bytes>,
    order: VecDeque<(u32, u32)>,
    held: usize,
    cap: usize,
}

impl ChunkCache {
    fn insert(&mut self, key: (u32, u32), bytes: Bytes) {
        self.held += bytes.len();
        if let Some(old) = self.chunks.insert(key, bytes) {
            self.held -= old.len();
        } else {
            self.order.push_back(key);
        }
        while self.held > self.cap {
            let Some(oldest) = self.order.pop_front() else { break };
            self.held -= self.chunks.remove(&oldest).map_or(0, |b| b.len());
        }
    }
}

impl Reader {
    pub(crate) fn new(seal: Seal, segments: Arc<Segments>, hot: Arc<HotTail>, chunk: usize, cap: usize) -> Reader {
        let cache = ChunkCache { chunks: HashMap::new(), order: VecDeque::new(), held: 0, cap };
        Reader { seal, segments, hot, cache: Mutex::new(cache), chunk }
    }

    /// The record at a place: from recent groups, cached chunks, or the disk.
    ///
    /// # Errors
    /// See [`ReadError`]. The checksum is verified; that the record is the wanted one follows from the location, as
    /// segment ids are never used twice.
    pub fn record(&self, at: Location) -> Result<RecordBuf, ReadError> {
        if let Some(record) = self.hot.get(at) {
            return Ok(record);
        }
        let segment = self.segments.get(at.segment).ok_or(ReadError::Gone)?;
        let damaged = |source| ReadError::Damaged { at, source };
        if at.offset < BLOCK as u32 || at.offset >= segment.end() {
            return Err(damaged(FormatError::Magic));
        }
        let (start, bytes) = self.chunk_at(&segment, at)?;
        let skip = (at.offset - start) as usize;
        let rest = bytes.slice(skip.min(bytes.len())..);
        if rest.len() >= RECORD_HEADER && record_len(&rest).map_err(damaged)? <= rest.len() {
            return RecordBuf::verified(rest).map_err(damaged);
        }
        self.long_record(&segment, at)
    }

    /// The whole entry whose first record lies at a place, as it was submitted: from recent groups or the disk, and not
    /// through the cache of chunks, which is for records that are read more than once.
    ///
    /// # Errors
    /// See [`ReadError`]. The header's checksum and those of all records are verified.
    pub fn entry(&self, first_record: Location) -> Result<TailEntry, ReadError> {
        let damaged = |source| ReadError::Damaged { at: first_record, source };
        let start = (first_record.offset as usize).checked_sub(ENTRY_HEADER).ok_or(damaged(FormatError::Magic))?;
        let at = Location { segment: first_record.segment, offset: start as u32 };
        if let Some((group, range)) = self.hot.find(at) {
            return self.decode_entry(at, |range_len| {
                let end = range.end.min(range.start + range_len);
                Ok(Bytes::copy_from_slice(group.bytes(range.start..end)))
            });
        }
        let segment = self.segments.get(at.segment).ok_or(ReadError::Gone)?;
        if at.offset < BLOCK as u32 || at.offset >= segment.end() {
            return Err(damaged(FormatError::Magic));
        }
        let left = (segment.end() - at.offset) as usize;
        self.decode_entry(at, |len| self.read(&segment, at, len.min(left)))
    }

    /// Reads the header first, because only it knows how long the entry is.
    fn decode_entry(
        &self,
        at: Location,
        read: impl Fn(usize) -> Result<Bytes, ReadError>,
    ) -> Result<TailEntry, ReadError> {
        let damaged = |source| ReadError::Damaged { at, source };
        let head = read(ENTRY_HEADER)?;
        let header = EntryHeader::decode(self.seal, at.segment, at.offset, &head).map_err(damaged)?;
        let bytes = read(header.len as usize)?;
        let short = damaged(FormatError::Short);
        if bytes.len() != header.len as usize || bytes.len() < ENTRY_HEADER {
            return Err(short);
        }
        let records = bytes.slice(ENTRY_HEADER..);
        verify_records(&records, header.count, header.records_crc).map_err(damaged)?;
        Ok(TailEntry::new(&header, at.segment, at.offset as usize, records))
    }

    /// The durable bytes of a segment from `offset` on, at most `len`.
    ///
    /// # Errors
    /// See [`ReadError`]. Entries and records in it are not verified; decode them with their checksums.
    pub fn read_chunk(&self, segment: u32, offset: u32, len: usize) -> Result<Bytes, ReadError> {
        let found = self.segments.get(segment).ok_or(ReadError::Gone)?;
        let end = found.end().max(offset);
        self.read(&found, Location { segment, offset }, len.min((end - offset) as usize))
    }

    /// A record that reaches beyond its chunk.
    fn long_record(&self, segment: &Segment, at: Location) -> Result<RecordBuf, ReadError> {
        let damaged = |source| ReadError::Damaged { at, source };
        let left = (segment.end() - at.offset) as usize;
        let head = self.read(segment, at, RECORD_HEADER.min(left))?;
        let len = record_len(&head).map_err(damaged)?;
        if len > left {
            return Err(damaged(FormatError::Short));
        }
        RecordBuf::verified(self.read(segment, at, len)?).map_err(damaged)
    }

    /// The chunk that holds a place, and where it starts. Chunks are kept only if nothing is written to them any more.
    fn chunk_at(&self, segment: &Segment, at: Location) -> Result<(u32, Bytes), ReadError> {
        let chunk = self.chunk as u32;
        let start = at.offset - at.offset % chunk;
        let key = (at.segment, start);
        let cached = self.cache.lock().chunks.get(&key).cloned();
        if let Some(bytes) = cached {
            return Ok((start, bytes));
        }
        let end = segment.end();
        let len = (end - start).min(chunk) as usize;
        let bytes = self.read(segment, Location { segment: at.segment, offset: start }, len)?;
        if len == self.chunk || segment.sealed() {
            self.cache.lock().insert(key, bytes.clone());
        }
        Ok((start, bytes))
    }

    fn read(&self, segment: &Segment, at: Location, len: usize) -> Result<Bytes, ReadError> {
        let mut bytes = vec![0u8; len];
        segment.file.read(u64::from(at.offset), &mut bytes).map_err(|source| ReadError::Io { at, source })?;
        Ok(Bytes::from(bytes))
    }
}
