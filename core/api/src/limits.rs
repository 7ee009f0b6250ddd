//! The named bounds and time units of the API.

/// Longest name of a stream or consumer, in bytes (nats-server `JSMaxNameLen`).
pub const NAME_BYTES_MAX: usize = 255;
/// Longest description, in bytes (nats-server `JSMaxDescriptionLen`).
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// All metadata keys and values of one asset together, in bytes (nats-server `JSMaxMetadataLen`).
pub const METADATA_BYTES_MAX: usize = 128 * 1024;
/// Most names on one page of `STREAM.NAMES` and `CONSUMER.NAMES`.
pub const NAMES_PAGE: usize = 1024;
/// Most entries on one page of `STREAM.LIST` and `CONSUMER.LIST`.
pub const LIST_PAGE: usize = 256;
/// Most subjects on one page of `STREAM.INFO` with a `subjects_filter`.
pub const SUBJECTS_PAGE: usize = 100_000;
/// Most messages that one `multi_last` request may match.
pub const MULTI_LAST_MAX: usize = 1024;
/// Most replicas of a stream.
pub const REPLICAS_MAX: i64 = 5;
/// Deepest nesting that a request's JSON may have; Go's own bound is 10,000, no request needs more than four.
pub const JSON_DEPTH_MAX: usize = 64;

/// Nanoseconds in a microsecond.
pub const NS_PER_MICROSECOND: i64 = 1_000;
/// Nanoseconds in a millisecond.
pub const NS_PER_MILLISECOND: i64 = 1_000_000;
/// Nanoseconds in a second.
pub const NS_PER_SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a minute.
pub const NS_PER_MINUTE: i64 = 60 * NS_PER_SECOND;
/// Nanoseconds in an hour.
pub const NS_PER_HOUR: i64 = 60 * NS_PER_MINUTE;

const _: () = assert!(LIST_PAGE <= NAMES_PAGE, "a page of full entries is never longer than one of names");
