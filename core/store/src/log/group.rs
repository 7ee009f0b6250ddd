//! Groups, the bytes of one write, and the hot tail: the most recent groups, readable without the disk.

use super::buffer::AlignedBuf;
use super::format::Location;
use crate::limits::{COPY_GROUP_BYTES, HOT_TAIL_GROUPS, SPARE_BUFFERS};
use crate::record_buf::RecordBuf;
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// The entries of one write, as they lie on disk one behind the other.
#[derive(Debug)]
pub struct Group {
    bytes: GroupBytes,
    segment: u32,
    offset: u32,
    len: usize,
    first_lsn: u64,
    last_lsn: u64,
}

#[derive(Debug)]
enum GroupBytes {
    /// The buffer that was written; the group starts at the given offset.
    Written(AlignedBuf, usize),
    /// A copy of its own length.
    Copied(Box<[u8]>),
}

/// Where a group lies and what it holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupPlace {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) len: usize,
    pub(crate) first_lsn: u64,
    pub(crate) last_lsn: u64,
}

impl Group {
    /// Takes the written buffer, or a copy of what counts in it; the second value is the buffer if it is free again.
    pub(crate) fn new(buf: AlignedBuf, start: usize, place: GroupPlace) -> (Group, Option<AlignedBuf>) {
        let (bytes, free) = if place.len < COPY_GROUP_BYTES {
            let copy = buf.bytes().get(start..start + place.len).unwrap_or_default().into();
            (GroupBytes::Copied(copy), Some(buf))
        } else {
            (GroupBytes::Written(buf, start), None)
        };
        let GroupPlace { segment, offset, len, first_lsn, last_lsn } = place;
        (Group { bytes, segment, offset, len, first_lsn, last_lsn }, free)
    }

    /// A part of the group, counted from its first entry; empty if the range is not inside.
    #[must_use]
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.all().get(range).unwrap_or_default()
    }

    /// Length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a group has at least one entry")]
    pub fn len(&self) -> usize {
        self.len
    }

    fn all(&self) -> &[u8] {
        match &self.bytes {
            GroupBytes::Written(buf, start) => buf.bytes().get(*start..*start + self.len).unwrap_or_default(),
            GroupBytes::Copied(bytes) => bytes,
        }
    }

    /// Where the group's first entry starts.
    #[must_use]
    pub fn location(&self) -> Location {
        Location { segment: self.segment, offset: self.offset }
    }

    /// First and last lsn.
    #[must_use]
    pub fn lsns(&self) -> (u64, u64) {
        (self.first_lsn, self.last_lsn)
    }

    /// Memory that it holds.
    fn held(&self) -> usize {
        match &self.bytes {
            GroupBytes::Written(buf, _) => buf.len(),
            GroupBytes::Copied(bytes) => bytes.len() + size_of::<Group>(),
        }
    }

    fn into_buffer(self) -> Option<AlignedBuf> {
        match self.bytes {
            GroupBytes::Written(buf, _) => Some(buf),
            GroupBytes::Copied(_) => None,
        }
    }
}

/// Buffers of the usual size, reused in the order in which they were given back.
#[derive(Debug)]
pub(crate) struct BufferPool {
    len: usize,
    free: Mutex<VecDeque<AlignedBuf>>,
}

impl BufferPool {
    pub(crate) fn new(len: usize) -> BufferPool {
        BufferPool { len, free: Mutex::default() }
    }

    pub(crate) fn take(&self) -> AlignedBuf {
        let pooled = self.free.lock().pop_front();
        pooled.unwrap_or_else(|| AlignedBuf::new(self.len))
    }

    pub(crate) fn give(&self, buf: AlignedBuf) {
        let mut free = self.free.lock();
        if buf.len() == self.len && free.len() < SPARE_BUFFERS {
            free.push_back(buf);
        }
    }
}

/// The most recent groups of the lane.
#[derive(Debug)]
pub struct HotTail {
    ring: RwLock<Ring>,
    pool: Arc<BufferPool>,
    cap: usize,
}

#[derive(Debug, Default)]
struct Ring {
    groups: VecDeque<Arc<Group>>,
    held: usize,
}

impl HotTail {
    pub(crate) fn new(cap: usize, pool: Arc<BufferPool>) -> HotTail {
        HotTail { ring: RwLock::default(), pool, cap }
    }

    /// Adds the newest group. The oldest go; their buffers are reused if nobody reads them.
    pub(crate) fn push(&self, group: Arc<Group>) {
        let mut evicted = Vec::new();
        {
            let mut ring = self.ring.write();
            ring.held += group.held();
            ring.groups.push_back(group);
            while (ring.held > self.cap || ring.groups.len() > HOT_TAIL_GROUPS) && ring.groups.len() > 1 {
                let Some(oldest) = ring.groups.pop_front() else { break };
                ring.held -= oldest.held();
                evicted.push(oldest);
            }
        }
        for group in evicted {
            if let Some(buf) = Arc::into_inner(group).and_then(Group::into_buffer) {
                self.pool.give(buf);
            }
        }
    }

    /// The group that holds a place, and the range of the group from there to its end.
    #[must_use]
    pub fn find(&self, at: Location) -> Option<(Arc<Group>, Range<usize>)> {
        let ring = self.ring.read();
        let behind = ring.groups.partition_point(|g| g.location() <= at);
        let group = ring.groups.get(behind.checked_sub(1)?)?;
        if group.segment != at.segment {
            return None;
        }
        let start = at.offset.checked_sub(group.offset)? as usize;
        (start < group.len).then(|| (group.clone(), start..group.len))
    }

    /// The record at a place, if it is recent.
    #[must_use]
    pub fn get(&self, at: Location) -> Option<RecordBuf> {
        let (group, range) = self.find(at)?;
        RecordBuf::in_group(group, range.start)
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.ring.read().held
    }
}
