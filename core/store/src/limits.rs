//! The named bounds of the store, and the relations between them that the rest of the crate relies on.

/// The unit of a direct write, and of the tail block that small groups rewrite.
pub const BLOCK: usize = 4096;

/// The unit that a disk writes whole. A power cut may leave any subset of the sectors of a write behind.
pub const SECTOR: usize = 512;

/// Entries start at multiples of this, so that a search for the next good entry has few places to look at.
pub const ENTRY_ALIGN: usize = 8;

/// Length of a segment file.
pub const SEGMENT_BYTES: u32 = 64 << 20;

/// The shortest segment that a configuration may ask for; tests use short ones.
pub const MIN_SEGMENT_BYTES: u32 = 16 * BLOCK as u32;

/// What one write of the lane gathers at most, unless a single entry is longer. Measured: 4 KiB messages reach
/// 97k/s with 64 KiB groups, 228k/s with 256 KiB, 307k/s with 1 MiB (`reference/hot-paths.md` §2).
pub const GROUP_BYTES: usize = 1 << 20;

/// The longest record: subject, headers and payload of one message, with its header.
pub const MAX_RECORD_BYTES: usize = 32 << 20;

/// The longest entry by default: a group's worth of records and one message of the default maximum (8 MiB) above it.
pub const MAX_ENTRY_BYTES: usize = 10 << 20;

/// How many bytes may wait for the lane before `submit` answers `Full`.
pub const MAX_WAITING_BYTES: usize = 32 << 20;

/// How many bytes of recent groups stay readable in memory.
pub const HOT_TAIL_BYTES: usize = 64 << 20;

/// How many recent groups stay readable in memory, however small they are.
pub const HOT_TAIL_GROUPS: usize = 65_536;

/// Groups shorter than this are kept in a copy of their own length, so that a large buffer is not held for little.
pub const COPY_GROUP_BYTES: usize = 256 << 10;

/// Empty group buffers that are kept for reuse.
pub const SPARE_BUFFERS: usize = 4;

/// Prepared segments that only internal entries (acks, deletes, purges, checkpoints, raft's own) may use up.
pub const RESERVE_SEGMENTS: usize = 2;

/// Prepared segments that are wanted beside the reserve.
pub const SPARE_SEGMENTS: usize = 1;

/// Freed segment files that are kept for reuse; more are removed from the disk.
pub const RECYCLED_SEGMENTS: usize = 8;

/// The window of a segment that cold reads fetch and cache.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Bytes of cached chunks.
pub const CHUNK_CACHE_BYTES: usize = 32 << 20;

/// Threads that serve cold reads.
pub const READER_THREADS: usize = 2;

/// Cold reads that may wait for a reader thread.
pub const READER_QUEUE: usize = 4096;

/// Bytes of records that the collector looks at in one step.
pub const COLLECT_STEP_BYTES: usize = 512 << 10;

/// Messages in one chunk of a sequence index.
pub const INDEX_CHUNK: u64 = 1024;

/// Checkpoints that are kept.
pub const KEPT_CHECKPOINTS: usize = 2;

/// The longest checkpoint that is read back.
pub const MAX_CHECKPOINT_BYTES: u64 = 16 << 30;

/// Requests that may wait for sled's owner thread.
pub const META_QUEUE: usize = 1024;

/// The longest key and value of a meta store.
pub const META_KEY_BYTES: usize = 1024;
/// See [`META_KEY_BYTES`].
pub const META_VALUE_BYTES: usize = 1 << 20;

/// Sled's cache.
pub const META_CACHE_BYTES: u64 = 32 << 20;

/// Upper bounds of the buckets by which durable writes are counted, in nanoseconds.
pub const SYNC_BOUNDS_NS: [u64; 12] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    1_000_000_000,
];

const _: () = assert!(BLOCK.is_multiple_of(SECTOR) && BLOCK.is_multiple_of(ENTRY_ALIGN));
const _: () = assert!((SEGMENT_BYTES as usize).is_multiple_of(BLOCK) && SEGMENT_BYTES >= MIN_SEGMENT_BYTES);
const _: () = assert!(MAX_ENTRY_BYTES + 3 * BLOCK <= SEGMENT_BYTES as usize, "an entry has to fit into one segment");
const _: () = assert!(MAX_RECORD_BYTES + 2 * BLOCK <= SEGMENT_BYTES as usize);
const _: () = assert!(GROUP_BYTES <= MAX_ENTRY_BYTES && MAX_ENTRY_BYTES <= MAX_WAITING_BYTES);
const _: () = assert!(COPY_GROUP_BYTES <= GROUP_BYTES && GROUP_BYTES <= HOT_TAIL_BYTES);
const _: () = assert!(CHUNK_BYTES.is_multiple_of(BLOCK) && CHUNK_BYTES <= CHUNK_CACHE_BYTES);
