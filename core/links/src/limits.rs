//! Named bounds of the links.

use std::time::Duration;

/// How long a handshake may take, from the first byte to the last.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// How long who connects to us may take to say something: our own servers speak at once, others wait for INFO.
pub const FIRST_WORD_MAX: Duration = Duration::from_secs(1);
/// How long a connection may take to be made.
pub const DIAL_MAX: Duration = Duration::from_secs(5);
/// Handshakes of others under way at a time; more wait to be accepted.
pub const HANDSHAKES_MAX: usize = 64;
/// The first pause after a dial that failed; it doubles.
pub const DIAL_PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest pause between two dials.
pub const DIAL_PAUSE_MAX: Duration = Duration::from_secs(5);
/// A dial that failed is logged the first time, and then each time that so many more have failed.
pub const DIAL_FAILURES_LOGGED: u32 = 60;
/// How long a server of the greater number waits for the other one to dial, when both hear of each other.
pub const GOSSIP_GRACE: Duration = Duration::from_secs(1);
/// Most routes to be dialed, explicit ones and others.
pub const TARGETS_MAX: usize = 1024;
/// First ping of a route after it was made.
pub const FIRST_PING: Duration = Duration::from_secs(1);
/// Longest pause between the pings of a route, whatever clients have (nats-server `routeMaxPingInterval`).
pub const ROUTE_PING_MAX: Duration = Duration::from_secs(30);
/// Filters with their queue groups that one route may bring.
pub const ROUTE_INTEREST_MAX: usize = 4 << 20;
/// Accounts that one route may bring.
pub const ROUTE_ACCOUNTS_MAX: usize = 16 << 10;
/// Calls under way on one connection, in each direction.
pub const CALLS_MAX: usize = 256;
/// Bytes of calls of another server that are worked on at a time, for each lane.
pub const CALL_BYTES_MAX: usize = 64 << 20;
/// Frames that wait to be written to one connection.
pub const LANE_QUEUE: usize = 2 * CALLS_MAX;
/// Bodies up to this size are copied next to their heads, so that many small ones leave in one write, in bytes.
pub const LANE_COPY_MAX: usize = 16 << 10;
/// What is gathered for one write, in bytes.
pub const LANE_GATHER_MAX: usize = 256 << 10;
/// Pause between the pings of a lane.
pub const LANE_PING: Duration = Duration::from_secs(2);
/// A lane that has been silent for so long is closed and made anew.
pub const LANE_SILENCE_MAX: Duration = Duration::from_secs(8);

const _: () = assert!(DIAL_PAUSE_MIN.as_millis() < DIAL_PAUSE_MAX.as_millis());
const _: () = assert!(FIRST_WORD_MAX.as_millis() < HANDSHAKE_MAX.as_millis());
const _: () = assert!(LANE_PING.as_millis() * 2 < LANE_SILENCE_MAX.as_millis());
const _: () = assert!(CALL_BYTES_MAX >= 2 * forebay_protocol::limits::LANE_BULK_MAX);
