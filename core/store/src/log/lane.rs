//! The commit lane: writes what waits, one write in flight, and says what became durable.
//!
//! It is a stepping machine: a thread of `run/lane_thread.rs` drives it in production, tests and the simulation call
//! [`Lane::step`] themselves. `reference/hot-paths.md` §2 has the measurements behind its shape.

use super::format::{SegmentHeader, align_block};
use super::group::{Group, HotTail};
use super::segment::{Segment, Segments};
use super::stock::{Prepared, Stock};
use super::submit::{DurableEntry, LaneHandle};
use super::waiting::{Fill, Shared, Woken};
use crate::limits::{BLOCK, SYNC_BOUNDS_NS};
use crate::mutant;
use crate::storage::{FolderLock, StorageFile};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Why a lane stopped for good.
#[derive(Debug, Clone, thiserror::Error)]
#[error("writing segment {segment} at {offset} failed: {message}")]
pub struct LaneFailure {
    /// The segment.
    pub segment: u32,
    /// Where the write began.
    pub offset: u32,
    /// What the operating system said.
    pub message: String,
}

/// Who hears what became durable. All methods run on the thread that drives the lane.
pub trait OnDurable<T>: Send {
    /// These entries are on the disk for good, in this order. What is left in `entries` is dropped.
    fn durable(&mut self, group: &Arc<Group>, entries: &mut Vec<DurableEntry<T>>);

    /// The lane failed: these entries may or may not be on the disk, and nothing will be confirmed any more.
    fn failed(&mut self, failure: &LaneFailure, attachments: &mut Vec<T>);

    /// Nothing waits: a good moment to flush.
    fn idle(&mut self) {}
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing waited.
    Idle,
    /// One group was written.
    Wrote,
    /// A group waits for a segment, and none can be prepared.
    NoSpace,
    /// The lane has failed.
    Failed,
}

/// Counters of a lane.
#[derive(Debug, Default)]
pub struct LaneStats {
    /// Writes.
    pub writes: AtomicU64,
    /// Entries in them.
    pub entries: AtomicU64,
    /// Bytes of entries.
    pub entry_bytes: AtomicU64,
    /// Bytes written, with tail blocks and padding.
    pub written_bytes: AtomicU64,
    /// Nanoseconds in durable writes, if the configuration has a clock.
    pub write_nanos: AtomicU64,
    /// Durable writes by how long they took: one for each of [`SYNC_BOUNDS_NS`] (not cumulative), and what is beyond.
    pub write_times: [AtomicU64; SYNC_BOUNDS_NS.len() + 1],
    /// Segments begun.
    pub segments: AtomicU64,
}

/// The lane of one disk.
pub struct Lane<T> {
    shared: Arc<Shared<T>>,
    stock: Arc<Stock>,
    segments: Arc<Segments>,
    hot: Arc<HotTail>,
    stats: Arc<LaneStats>,
    current: Option<Arc<Segment>>,
    /// What the block holds in which the next group starts.
    tail: Vec<u8>,
    /// A group that waits for a segment.
    held: Option<Fill<T>>,
    failed: bool,
    /// Whether something was written since the last mark.
    unmarked: bool,
    clock: Option<fn() -> u64>,
    /// As long as anything may be written, no other server gets the folder.
    _lock: Arc<dyn FolderLock>,
}

impl<T> std::fmt::Debug for Lane<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("failed", &self.failed).finish_non_exhaustive()
    }
}

/// What a lane works with.
pub(crate) struct LaneParts<T> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) stock: Arc<Stock>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) hot: Arc<HotTail>,
    pub(crate) stats: Arc<LaneStats>,
    pub(crate) current: Option<Arc<Segment>>,
    pub(crate) tail: Vec<u8>,
    pub(crate) clock: Option<fn() -> u64>,
    pub(crate) lock: Arc<dyn FolderLock>,
}

impl<T> Lane<T> {
    pub(crate) fn new(parts: LaneParts<T>) -> Lane<T> {
        let LaneParts { shared, stock, segments, hot, stats, current, tail, clock, lock } = parts;
        Lane {
            shared,
            stock,
            segments,
            hot,
            stats,
            current,
            tail,
            held: None,
            failed: false,
            // What recovery found is not covered by a mark yet.
            unmarked: true,
            clock,
            _lock: lock,
        }
    }

    /// The way in.
    #[must_use]
    pub fn handle(&self) -> LaneHandle<T> {
        LaneHandle(self.shared.clone())
    }

    /// Writes one group, if one waits, and reports it.
    pub fn step(&mut self, on: &mut dyn OnDurable<T>) -> Step {
        if self.failed {
            return Step::Failed;
        }
        let Some(mut fill) = self.held.take().or_else(|| self.shared.take()) else { return Step::Idle };
        let Some(segment) = self.segment_for(&fill) else {
            self.held = Some(fill);
            return Step::NoSpace;
        };
        if mutant::active(mutant::ACK_BEFORE_SYNC) {
            return self.confirm_and_write(fill, &segment, on);
        }
        let written = self.write(&mut fill, &segment);
        match written {
            Ok(()) => self.confirm(fill, &segment, on),
            Err(error) => self.fail(fill, &error, on),
        }
    }

    /// Writes a mark if something was written since the last one. It proves on disk that the last group was durable,
    /// so that damage there is never taken for a torn tail. Returns whether there is a mark to write.
    pub fn mark(&mut self) -> bool {
        let wanted = self.unmarked && !self.failed && self.held.is_none();
        self.unmarked = false;
        wanted && self.shared.mark(0, 0).is_ok()
    }

    /// Whether a mark would be written.
    #[must_use]
    pub fn wants_mark(&self) -> bool {
        self.unmarked && !self.failed
    }

    /// Whether the lane has failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Waits for space; true if the lane has been closed meanwhile.
    pub(crate) fn pause(&self, timeout: Duration) -> bool {
        self.shared.pause(timeout)
    }

    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Woken {
        self.shared.wait(timeout)
    }

    /// The segment of a group; opens the next one if the group begins it.
    fn segment_for(&mut self, fill: &Fill<T>) -> Option<Arc<Segment>> {
        if let Some(current) = self.current.as_ref().filter(|s| s.id == fill.place.segment) {
            return Some(current.clone());
        }
        let file = loop {
            if let Some(file) = self.stock.take(fill.place.segment) {
                break file;
            }
            match self.stock.prepare() {
                Prepared::Ready => {
                    self.shared.segment_ready();
                    self.shared.clear_disk_full();
                }
                Prepared::NoSpace => {
                    self.shared.set_disk_full();
                    return None;
                }
            }
        };
        if let Some(full) = self.current.take() {
            full.seal();
        }
        let segment = Arc::new(Segment::new(fill.place.segment, file, fill.place.first_lsn));
        self.stats.segments.fetch_add(1, Ordering::Relaxed);
        self.current = Some(segment.clone());
        self.segments.insert(segment.clone());
        Some(segment)
    }

    fn write(&mut self, fill: &mut Fill<T>, segment: &Segment) -> io::Result<()> {
        let len = fill.prefix + fill.place.len;
        let padded = align_block(len);
        let buf = fill.buf.bytes_mut();
        let (Some(written), true) = (buf.get_mut(..padded), fill.opens_segment || fill.prefix == self.tail.len())
        else {
            return Err(io::Error::other("the group does not fit to its place"));
        };
        if let Some((prefix, _)) = written.split_at_mut_checked(fill.prefix) {
            if fill.opens_segment {
                self.write_header(fill.place.segment, fill.place.first_lsn, prefix);
            } else {
                prefix.copy_from_slice(&self.tail);
            }
        }
        if let Some(padding) = written.get_mut(len..) {
            padding.fill(0);
        }
        let at = u64::from(fill.place.offset) - fill.prefix as u64;
        let began = self.clock.map(|now| now());
        write_for_good(&*segment.file, at, written)?;
        if let (Some(now), Some(began)) = (self.clock, began) {
            let took = now().saturating_sub(began);
            self.stats.write_nanos.fetch_add(took, Ordering::Relaxed);
            let bucket = SYNC_BOUNDS_NS.partition_point(|bound| *bound < took);
            if let Some(bucket) = self.stats.write_times.get(bucket) {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.stats.writes.fetch_add(1, Ordering::Relaxed);
        self.stats.written_bytes.fetch_add(padded as u64, Ordering::Relaxed);
        // A small group leaves its last block open for the next one.
        self.tail.clear();
        if fill.place.len < BLOCK {
            let open = len - len % BLOCK;
            self.tail.extend_from_slice(written.get(open..len).unwrap_or_default());
        }
        Ok(())
    }

    fn write_header(&self, segment: u32, first_lsn: u64, prefix: &mut [u8]) {
        let header = SegmentHeader {
            segment,
            store_id: self.shared.seal().store_id(),
            first_lsn,
            epoch: self.shared.epoch(),
            segment_bytes: self.shared.segment_bytes(),
        };
        if let Some(block) = prefix.first_chunk_mut::<BLOCK>() {
            header.encode(block);
        }
    }

    fn confirm(&mut self, fill: Fill<T>, segment: &Segment, on: &mut dyn OnDurable<T>) -> Step {
        let Fill { buf, prefix, place, mut entries, matters, .. } = fill;
        segment.note_shards(entries.iter().map(|e| e.shard));
        segment.extend(place.last_lsn, place.offset + place.len as u32);
        self.shared.durable.store(place.last_lsn, Ordering::Release);
        self.stats.entries.fetch_add(entries.len() as u64, Ordering::Relaxed);
        self.stats.entry_bytes.fetch_add(place.len as u64, Ordering::Relaxed);
        self.unmarked |= matters;
        let (group, free) = Group::new(buf, prefix, place);
        if let Some(buf) = free {
            self.shared.pool.give(buf);
        }
        let group = Arc::new(group);
        self.hot.push(group.clone());
        if !entries.is_empty() {
            on.durable(&group, &mut entries);
        }
        self.shared.reported.store(place.last_lsn, Ordering::Release);
        self.shared.recycle(entries);
        Step::Wrote
    }

    fn fail(&mut self, fill: Fill<T>, error: &io::Error, on: &mut dyn OnDurable<T>) -> Step {
        self.failed = true;
        let failure =
            LaneFailure { segment: fill.place.segment, offset: fill.place.offset, message: error.to_string() };
        tracing::error!(%failure, "the log failed; nothing is stored until the server is restarted");
        let mut attachments: Vec<T> = fill.entries.into_iter().map(|e| e.attachment).collect();
        self.shared.fail(&mut attachments);
        on.failed(&failure, &mut attachments);
        Step::Failed
    }

    /// The mutant that lies.
    fn confirm_and_write(&mut self, mut fill: Fill<T>, segment: &Segment, on: &mut dyn OnDurable<T>) -> Step {
        let entries = std::mem::take(&mut fill.entries);
        let mut copy = super::buffer::AlignedBuf::new(fill.buf.len());
        copy.bytes_mut().copy_from_slice(fill.buf.bytes());
        let early = Fill { buf: copy, entries, ..fill_like(&fill) };
        self.confirm(early, segment, on);
        match self.write(&mut fill, segment) {
            Ok(()) => Step::Wrote,
            Err(error) => self.fail(fill, &error, on),
        }
    }
}

fn fill_like<T>(fill: &Fill<T>) -> Fill<T> {
    Fill {
        buf: super::buffer::AlignedBuf::new(0),
        prefix: fill.prefix,
        place: fill.place,
        opens_segment: fill.opens_segment,
        entries: Vec::new(),
        matters: fill.matters,
    }
}

fn write_for_good(file: &dyn StorageFile, at: u64, bytes: &[u8]) -> io::Result<()> {
    if mutant::active(mutant::NO_SYNC) { file.write(at, bytes) } else { file.write_durable(at, bytes) }
}
