//! The store's own configuration; the text formats are `server/options`' business.

use crate::error::OpenError;
use crate::limits;
use std::time::Duration;

/// When a publish may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When a power cut cannot take it any more.
    #[default]
    Fsync,
    /// When the operating system has it. Not built yet; refused when the store is opened.
    Os,
}

/// Bounds and choices of one store.
#[derive(Debug, Clone)]
pub struct Config {
    /// Id of a store that is made now: random, from the caller's entropy. An existing store keeps its own.
    pub store_id: u64,
    /// Length of the segments of a store that is made now, in bytes.
    pub segment_bytes: u32,
    /// What one write gathers at most, in bytes.
    pub group_bytes: usize,
    /// The longest entry in bytes: a group and one message of the server's maximum payload.
    pub max_entry_bytes: usize,
    /// How many bytes may wait for the lane.
    pub max_waiting_bytes: usize,
    /// Bytes of recent groups that stay in memory.
    pub hot_tail_bytes: usize,
    /// Prepared segments that only internal entries may use up.
    pub reserve_segments: usize,
    /// Prepared segments beside the reserve.
    pub spare_segments: usize,
    /// The window that cold reads fetch, in bytes.
    pub chunk_bytes: usize,
    /// Bytes of cached chunks.
    pub chunk_cache_bytes: usize,
    /// The level for everything in this store.
    pub durability: Durability,
    /// How long the lane is idle before it writes a mark that covers its last group.
    pub mark_after: Duration,
    /// A monotonic clock in nanoseconds, for the statistics of writes.
    pub clock: Option<fn() -> u64>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            store_id: 0,
            segment_bytes: limits::SEGMENT_BYTES,
            group_bytes: limits::GROUP_BYTES,
            max_entry_bytes: limits::MAX_ENTRY_BYTES,
            max_waiting_bytes: limits::MAX_WAITING_BYTES,
            hot_tail_bytes: limits::HOT_TAIL_BYTES,
            reserve_segments: limits::RESERVE_SEGMENTS,
            spare_segments: limits::SPARE_SEGMENTS,
            chunk_bytes: limits::CHUNK_BYTES,
            chunk_cache_bytes: limits::CHUNK_CACHE_BYTES,
            durability: Durability::Fsync,
            mark_after: Duration::from_millis(50),
            clock: None,
        }
    }
}

impl Config {
    /// Short segments and small bounds, for tests that want to see many of them.
    #[must_use]
    pub fn small() -> Config {
        Config {
            store_id: 0x5EED,
            segment_bytes: limits::MIN_SEGMENT_BYTES,
            group_bytes: 16 << 10,
            max_entry_bytes: 40 << 10,
            max_waiting_bytes: 64 << 10,
            hot_tail_bytes: 64 << 10,
            chunk_bytes: 8 << 10,
            chunk_cache_bytes: 64 << 10,
            ..Config::default()
        }
    }

    /// Checks the relations that the lane relies on, for segments of the given length.
    pub(crate) fn check(&self, segment_bytes: u32) -> Result<(), OpenError> {
        let segment = segment_bytes as usize;
        let invalid = |what| Err(OpenError::Config(what));
        if self.durability == Durability::Os {
            return Err(OpenError::OsLevel);
        }
        if !segment.is_multiple_of(limits::BLOCK) || segment_bytes < limits::MIN_SEGMENT_BYTES || segment > 1 << 30 {
            return invalid("segments have to be a number of 4 KiB blocks between 64 KiB and 1 GiB");
        }
        if self.max_entry_bytes + 3 * limits::BLOCK > segment {
            return invalid("the longest entry has to fit into a segment");
        }
        if self.group_bytes < limits::BLOCK || self.group_bytes > self.max_entry_bytes {
            return invalid("a group has to be between a block and the longest entry");
        }
        if self.max_entry_bytes > self.max_waiting_bytes {
            return invalid("the longest entry has to fit into what may wait");
        }
        if self.chunk_bytes < limits::BLOCK || !self.chunk_bytes.is_multiple_of(limits::BLOCK) {
            return invalid("chunks have to be a number of 4 KiB blocks");
        }
        Ok(())
    }
}
