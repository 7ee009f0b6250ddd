//! Named bounds of the broker.

/// Shards of an account's interest generation, by the subject's first token: what happens under `_INBOX` leaves the
/// cached matches of other subjects alone.
pub const GENERATION_SHARDS: usize = 64;
/// Slots of a thread's match cache for one account.
pub const MATCH_SLOTS: usize = 4096;
/// Slots of a thread's cache of reply prefixes for one account.
pub const PREFIX_SLOTS: usize = 256;
/// Longest subject that is worth a cache entry, in bytes.
pub const CACHED_SUBJECT_MAX: usize = 256;
/// Retired subscriptions and connections after which a thread forgets its slots, if they are also as many as it has.
pub const RETIRED_MIN: u64 = 1024;
/// Rounds in which one writer takes over what others appended meanwhile.
pub const COMBINE_ROUNDS: usize = 4;
/// Empty buffers a thread keeps for staging.
pub const BUFFER_POOL: usize = 64;
/// A staging buffer above this capacity is given back to the allocator, in bytes.
pub const BUFFER_KEEP_MAX: usize = 1 << 20;
/// Messages that internal subscribers may publish to internal subscribers in one delivery.
pub const DEFERRED_MAX: usize = 1024;
/// Default bound of what waits for one connection, in bytes (nats-server `MAX_PENDING_SIZE`).
pub const PENDING_MAX: usize = 64 << 20;
/// Part of the pending bound above which publishers to a connection are held back (nats-server stalls at 75 %).
pub const STALL_NUMERATOR: usize = 3;
/// See [`STALL_NUMERATOR`].
pub const STALL_DENOMINATOR: usize = 4;
/// Bound of what waits for another server, in bytes: a route is given up only beyond what would cut any client.
pub const ROUTE_PENDING_MAX: usize = 256 << 20;
/// Longest filter with its queue group that is counted without an allocation, in bytes.
pub const ANNOUNCED_KEY_INLINE: usize = 128;
/// What may wait for another server before publishers to it are held back, in bytes.
pub const ROUTE_CONGESTED_ABOVE: usize = 16 << 20;
/// Longest header line that is built for a delivery: verb, subject, sid and blanks.
pub const HEAD_INLINE: usize = 128;
/// First PING of the server after a connection was made, in milliseconds (nats-server `firstClientPingInterval`).
pub const FIRST_PING_MS: u64 = 2_000;
/// The pause of a publisher that is held back, in milliseconds, and how many of them one turn may take.
pub const STALL_MS: u64 = 2;
/// See [`STALL_MS`].
pub const STALL_TURNS: usize = 5;
/// As [`STALL_TURNS`], where the congested one is another server, which is not cut as lightly.
pub const ROUTE_STALL_TURNS: usize = 100;

const _: () = assert!(STALL_NUMERATOR < STALL_DENOMINATOR);
const _: () = assert!(ROUTE_CONGESTED_ABOVE < ROUTE_PENDING_MAX && PENDING_MAX < ROUTE_PENDING_MAX);
const _: () = assert!(MATCH_SLOTS.is_power_of_two() && PREFIX_SLOTS.is_power_of_two());
const _: () = assert!(GENERATION_SHARDS.is_power_of_two());
