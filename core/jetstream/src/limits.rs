//! Every bound of this crate, named.

/// Messages that one EXPIRE command may remove: bounds the time under the shard's lock.
pub const EXPIRE_BATCH_MAX: usize = 4_096;

/// Sequences that one ACKS or SETTLED command carries at most; more go into further commands.
pub const SETTLE_BATCH_MAX: usize = 65_536;

/// Redelivery marks in one DELIVERED command.
pub const MARK_BATCH_MAX: usize = 4_096;

/// Waiting pull requests where the config does not say (nats-server `JSWaitQueueDefaultMax`).
pub const MAX_WAITING_DEFAULT: usize = 512;

/// Ack wait where the config does not say, in ns (nats-server `JsAckWaitDefault`).
pub const ACK_WAIT_DEFAULT_NS: i64 = 30_000_000_000;

/// The largest flow control window of a push consumer in bytes (nats-server `JsFlowControlMaxPending`).
pub const FLOW_CONTROL_WINDOW_MAX: u64 = 32 << 20;

/// A push consumer's first flow control window: this part of the largest.
pub const FLOW_CONTROL_START_DIVISOR: u64 = 16;

/// Ranges that a consumer remembers of sequences settled ahead of its position after a change of leader.
pub const SETTLED_AHEAD_RANGES_MAX: usize = 65_536;

/// Runs that a consumer remembers of messages that it gave up: beyond, the oldest count as acknowledged.
pub const SPENT_RUNS_MAX: usize = 65_536;

/// Bytes of a publish's header block (nats-server `ErrHeaderTooLarge` 10097).
pub const HEADERS_MAX_BYTES: usize = 65_535;

/// A settled entry of the pending ring is dropped at the latest when this many more are dead than alive.
pub const PENDING_COMPACT_MIN: usize = 64;

/// Deleted sequences that a STREAM.INFO reply may list, ranges unrolled.
pub const DELETED_DETAILS_MAX: usize = 1_000_000;

/// Subjects on one page of a STREAM.INFO reply (nats-server `JSMaxSubjectDetails`).
pub const SUBJECT_DETAILS_PAGE: usize = 100_000;

/// A shard's checkpoint may hold this many streams; a larger count in the bytes is damage.
pub const CHECKPOINT_STREAMS_MAX: u64 = 1 << 24;

const _: () = assert!(FLOW_CONTROL_WINDOW_MAX.is_multiple_of(FLOW_CONTROL_START_DIVISOR));
const _: () = assert!(MARK_BATCH_MAX <= SETTLE_BATCH_MAX);
