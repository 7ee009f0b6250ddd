//! What waits for the commit lane, and the order it got.
//!
//! Everything that fixes an entry's place in history is decided here under one lock: its lsn, its log index on local
//! shards, its group, its segment and its offset. The lane's thread only carries it out.

use super::buffer::AlignedBuf;
use super::format::{ENTRY_HEADER, EntryHeader, EntryKind, Location, STORE_SHARD, Seal, align_block, align_entry, put};
use super::group::{BufferPool, GroupPlace};
use super::submit::{DurableEntry, Index, NewEntry, Placed, SubmitError};
use crate::limits::BLOCK;
use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// One write in the making.
#[derive(Debug)]
pub(crate) struct Fill<T> {
    pub(crate) buf: AlignedBuf,
    /// Bytes in front of the group: the tail block's earlier content, or a new segment's header.
    pub(crate) prefix: usize,
    pub(crate) place: GroupPlace,
    pub(crate) opens_segment: bool,
    pub(crate) entries: Vec<DurableEntry<T>>,
    /// Whether it holds anything but marks.
    pub(crate) matters: bool,
}

/// Where the next group starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    /// Whether the segment has its header already.
    pub(crate) opened: bool,
}

/// Bounds of one lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneLimits {
    pub(crate) segment_bytes: u32,
    pub(crate) group_bytes: usize,
    pub(crate) entry_bytes: usize,
    pub(crate) waiting_bytes: usize,
}

#[derive(Debug)]
pub(crate) struct State<T> {
    pub(super) fill: Option<Fill<T>>,
    queue: VecDeque<Fill<T>>,
    /// Vectors of entries to reuse.
    vectors: Vec<Vec<DurableEntry<T>>>,
    waiting: usize,
    next_lsn: u64,
    pub(super) indexes: HashMap<u32, u64>,
    cursor: Cursor,
    /// Prepared segments that no group has been promised yet; below zero if groups wait for segments.
    ready: i64,
    sleeping: bool,
    pub(super) closed: bool,
    failed: bool,
}

/// What submitters and the lane share.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    pub(super) state: Mutex<State<T>>,
    pub(super) wake: Condvar,
    pub(crate) pool: Arc<BufferPool>,
    seal: Seal,
    epoch: u32,
    limits: LaneLimits,
    pub(crate) durable: AtomicU64,
    pub(crate) reported: AtomicU64,
    pub(super) failed: AtomicBool,
    pub(super) disk_full: AtomicBool,
    pub(super) waiting: AtomicUsize,
}

/// Where a lane begins.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) seal: Seal,
    pub(crate) epoch: u32,
    pub(crate) next_lsn: u64,
    pub(crate) cursor: Cursor,
    pub(crate) indexes: HashMap<u32, u64>,
}

/// Why the lane's thread woke up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    Work,
    TimedOut,
    Closed,
}

impl<T> Shared<T> {
    pub(crate) fn new(start: Start, limits: LaneLimits, pool: Arc<BufferPool>) -> Shared<T> {
        let state = State {
            fill: None,
            queue: VecDeque::new(),
            vectors: Vec::new(),
            waiting: 0,
            next_lsn: start.next_lsn,
            indexes: start.indexes,
            cursor: start.cursor,
            ready: 0,
            sleeping: false,
            closed: false,
            failed: false,
        };
        Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
            pool,
            seal: start.seal,
            epoch: start.epoch,
            limits,
            durable: AtomicU64::new(start.next_lsn.saturating_sub(1)),
            reported: AtomicU64::new(start.next_lsn.saturating_sub(1)),
            failed: AtomicBool::new(false),
            disk_full: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(crate) fn seal(&self) -> Seal {
        self.seal
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn segment_bytes(&self) -> u32 {
        self.limits.segment_bytes
    }

    /// A segment was prepared.
    pub(crate) fn segment_ready(&self) {
        self.state.lock().ready += 1;
    }

    /// Segments can be prepared again.
    pub(crate) fn clear_disk_full(&self) {
        self.disk_full.store(false, Ordering::Release);
    }

    /// No further segment can be prepared.
    pub(crate) fn set_disk_full(&self) {
        self.disk_full.store(true, Ordering::Release);
    }

    /// The next group to write.
    pub(crate) fn take(&self) -> Option<Fill<T>> {
        let mut state = self.state.lock();
        let fill = match state.queue.pop_front() {
            Some(fill) => fill,
            None => {
                state.close_fill();
                state.queue.pop_front()?
            }
        };
        state.waiting = state.waiting.saturating_sub(fill.place.len);
        self.waiting.store(state.waiting, Ordering::Relaxed);
        Some(fill)
    }

    /// Gives an empty vector back for reuse.
    pub(crate) fn recycle(&self, mut entries: Vec<DurableEntry<T>>) {
        entries.clear();
        let mut state = self.state.lock();
        if state.vectors.len() < 4 && entries.capacity() <= 4096 {
            state.vectors.push(entries);
        }
    }

    /// Sleeps until there is something to write, the lane is closed, or the time is over.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Woken {
        let mut state = self.state.lock();
        if state.has_work() {
            return Woken::Work;
        }
        if state.closed {
            return Woken::Closed;
        }
        state.sleeping = true;
        let timed_out = match timeout {
            Some(timeout) => self.wake.wait_for(&mut state, timeout).timed_out(),
            None => {
                self.wake.wait(&mut state);
                false
            }
        };
        state.sleeping = false;
        if state.has_work() {
            Woken::Work
        } else if state.closed {
            Woken::Closed
        } else if timed_out {
            Woken::TimedOut
        } else {
            Woken::Work
        }
    }

    /// Sleeps for a while whatever waits; true if the lane is closed.
    pub(crate) fn pause(&self, timeout: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.closed {
            self.wake.wait_for(&mut state, timeout);
        }
        state.closed
    }

    /// Refuses everything from now on and hands out what still waits.
    pub(crate) fn fail(&self, out: &mut Vec<T>) {
        let mut state = self.state.lock();
        state.failed = true;
        self.failed.store(true, Ordering::Release);
        state.close_fill();
        while let Some(fill) = state.queue.pop_front() {
            out.extend(fill.entries.into_iter().map(|e| e.attachment));
        }
        state.waiting = 0;
        self.waiting.store(0, Ordering::Relaxed);
    }

    /// An entry of the store itself, which nobody waits for: proof on disk that everything before it was durable.
    pub(crate) fn mark(&self, index: u64, time: i64) -> Result<Placed, SubmitError> {
        let mark = NewEntry {
            shard: STORE_SHARD,
            kind: EntryKind::CheckpointMark,
            publish: false,
            index: Index::Given(index),
            term: 0,
            time,
            records: &[],
            count: 0,
            records_crc: 0,
            attachment: (),
        };
        let mut state = self.state.lock();
        let (placed, _) = self.place(&mut state, &mark)?;
        self.finish(state);
        Ok(placed)
    }

    pub(super) fn finish(&self, mut state: MutexGuard<'_, State<T>>) {
        self.waiting.store(state.waiting, Ordering::Relaxed);
        let wake = std::mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Gives an entry its place in history and copies it there.
    pub(super) fn place<A>(
        &self,
        state: &mut State<T>,
        entry: &NewEntry<'_, A>,
    ) -> Result<(Placed, Range<usize>), SubmitError> {
        let len = ENTRY_HEADER + entry.records.len();
        let size = align_entry(len);
        self.admit(state, entry, size)?;
        if !state.fill.as_ref().is_some_and(|f| f.fits(size, &self.limits)) {
            state.close_fill();
            self.open_fill(state, size)?;
        }
        let index = match entry.index {
            Index::Given(index) => index,
            Index::Local => {
                let next = state.indexes.entry(entry.shard).or_insert(1);
                let index = *next;
                *next += 1;
                index
            }
        };
        let lsn = state.next_lsn;
        let Some(fill) = state.fill.as_mut() else { return Err(SubmitError::Closed) };
        let header = EntryHeader {
            kind: entry.kind,
            flags: 0,
            len: len as u32,
            count: entry.count,
            lsn,
            group_lsn: fill.place.first_lsn,
            epoch: self.epoch,
            shard: entry.shard,
            index,
            term: entry.term,
            time: entry.time,
            records_crc: entry.records_crc,
        };
        let range = fill.append(self.seal, &header, entry.records, size);
        let first_record = fill.location().plus(range.start);
        fill.matters |= entry.kind != EntryKind::CheckpointMark;
        state.next_lsn += 1;
        state.waiting += size;
        Ok((Placed { lsn, index, first_record }, range))
    }

    fn admit<A>(&self, state: &State<T>, entry: &NewEntry<'_, A>, size: usize) -> Result<(), SubmitError> {
        if state.failed {
            return Err(SubmitError::Failed);
        }
        // The last mark is written after everything else.
        if state.closed && entry.kind != EntryKind::CheckpointMark {
            return Err(SubmitError::Closed);
        }
        // Moved records have longer headers than the entry had from which they come.
        let slack = if entry.kind == EntryKind::Relocated { BLOCK } else { 0 };
        if size > self.limits.entry_bytes + slack {
            return Err(SubmitError::TooLarge);
        }
        if entry.publish && self.disk_full.load(Ordering::Acquire) {
            return Err(SubmitError::DiskFull);
        }
        if state.waiting > 0 && state.waiting + size > self.limits.waiting_bytes {
            return Err(SubmitError::Full);
        }
        Ok(())
    }

    fn open_fill(&self, state: &mut State<T>, size: usize) -> Result<(), SubmitError> {
        let mut cursor = state.cursor;
        if cursor.offset as usize + size > self.limits.segment_bytes as usize {
            cursor = Cursor { segment: cursor.segment + 1, offset: BLOCK as u32, opened: false };
        }
        if !cursor.opened {
            if state.ready <= 0 && self.disk_full.load(Ordering::Acquire) {
                return Err(SubmitError::DiskFull);
            }
            state.ready -= 1;
        }
        let prefix = if cursor.opened { cursor.offset as usize % BLOCK } else { BLOCK };
        let buf =
            if size > self.limits.group_bytes { AlignedBuf::new(align_block(prefix + size)) } else { self.pool.take() };
        state.cursor = cursor;
        let lsn = state.next_lsn;
        state.fill = Some(Fill {
            buf,
            prefix,
            place: GroupPlace { segment: cursor.segment, offset: cursor.offset, len: 0, first_lsn: lsn, last_lsn: lsn },
            opens_segment: !cursor.opened,
            entries: state.vectors.pop().unwrap_or_default(),
            matters: false,
        });
        Ok(())
    }
}

impl<T> State<T> {
    fn has_work(&self) -> bool {
        self.fill.is_some() || !self.queue.is_empty()
    }

    /// Ends the group that is being filled and moves the cursor behind it: to the next byte after a small group,
    /// whose block is written again with the next one, and to the next block after a large one.
    fn close_fill(&mut self) {
        let Some(fill) = self.fill.take() else { return };
        let end = fill.place.offset as usize + fill.place.len;
        let end = if fill.place.len < BLOCK { end } else { align_block(end) };
        self.cursor = Cursor { segment: fill.place.segment, offset: end as u32, opened: true };
        self.queue.push_back(fill);
    }
}

impl<T> Fill<T> {
    fn location(&self) -> Location {
        Location { segment: self.place.segment, offset: self.place.offset }
    }

    fn fits(&self, size: usize, limits: &LaneLimits) -> bool {
        let len = self.place.len + size;
        len <= limits.group_bytes
            && self.place.offset as usize + len <= limits.segment_bytes as usize
            && align_block(self.prefix + len) <= self.buf.len()
    }

    /// Copies an entry behind the others and returns the range of its records in the group.
    fn append(&mut self, seal: Seal, header: &EntryHeader, records: &[u8], size: usize) -> Range<usize> {
        let start = self.place.len;
        let offset = self.place.offset + start as u32;
        let mut bytes = [0u8; ENTRY_HEADER];
        header.encode(seal, self.place.segment, offset, &mut bytes);
        let at = self.prefix + start;
        let buf = self.buf.bytes_mut();
        put(buf, at, &bytes);
        put(buf, at + ENTRY_HEADER, records);
        let end = at + ENTRY_HEADER + records.len();
        if let Some(padding) = buf.get_mut(end..at + size) {
            padding.fill(0);
        }
        self.place.len += size;
        self.place.last_lsn = header.lsn;
        let first = start + ENTRY_HEADER;
        first..first + records.len()
    }
}
