//! The bounds of one connection and of all of them, with nats-server's defaults (const.go).

use std::time::Duration;

use super::Options;
use super::table::{Reload, Row, Set, bytes, index};

/// nats-server warns above this (`MAX_PAYLOAD_MAX_SIZE`).
pub(super) const MAX_PAYLOAD_ADVISED_BYTES: usize = 8 << 20;

/// No message is longer than this: the highest that nats-server's 32-bit sizes allow is 2 GiB; ours
/// stays under it with room for the control line.
const MAX_PAYLOAD_HIGHEST_BYTES: u64 = 1 << 30;

const MAX_CONTROL_LINE_HIGHEST_BYTES: u64 = 1 << 20;
const MAX_PENDING_HIGHEST_BYTES: u64 = 16 << 30;
const DAY: Duration = Duration::from_secs(86_400);

/// The bounds of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, headers included, in bytes.
    pub max_payload: usize,
    /// The longest control line, in bytes.
    pub max_control_line: usize,
    /// What may wait to be sent to one client, in bytes, before it is cut off as a slow consumer.
    pub max_pending: usize,
    /// Clients at a time.
    pub max_connections: usize,
    /// Subscriptions of one client; 0 is no limit.
    pub max_subscriptions: usize,
    /// Tokens of a subscription's subject; 0 is no limit.
    pub max_sub_tokens: usize,
    /// How often an idle client is pinged.
    pub ping_interval: Duration,
    /// How many pings may stay unanswered.
    pub ping_max: u32,
    /// How long one write to a client may take.
    pub write_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_payload: 1 << 20,
            max_control_line: 4096,
            max_pending: 64 << 20,
            max_connections: 65_536,
            max_subscriptions: 0,
            max_sub_tokens: 0,
            ping_interval: Duration::from_secs(120),
            ping_max: 2,
            write_deadline: Duration::from_secs(10),
        }
    }
}

const fn row(key: &'static str, default: &'static str, text: &'static str, set: Set<Options>) -> Row<Options> {
    Row { key, default, unit: "", reload: Reload::NewConnections, since: "0.1.0", text, set }
}

pub(crate) static ROWS: &[Row<Options>] = &[
    row(
        "limits.max_payload",
        "\"1MiB\"",
        "The longest message that a client may publish, headers included.",
        Set::Size { min: 1, max: MAX_PAYLOAD_HIGHEST_BYTES, set: |o, size| o.limits.max_payload = bytes(size) },
    ),
    row(
        "limits.max_control_line",
        "\"4KiB\"",
        "The longest line of the protocol, without payloads.",
        Set::Size {
            min: 64,
            max: MAX_CONTROL_LINE_HIGHEST_BYTES,
            set: |o, size| o.limits.max_control_line = bytes(size),
        },
    ),
    row(
        "limits.max_pending",
        "\"64MiB\"",
        "How much may wait to be sent to one client before it is cut off as a slow consumer.",
        Set::Size { min: 1024, max: MAX_PENDING_HIGHEST_BYTES, set: |o, size| o.limits.max_pending = bytes(size) },
    ),
    row(
        "limits.max_connections",
        "65536",
        "Clients at a time. One more is told so and closed.",
        Set::Count { min: 0, max: 16_777_216, set: |o, count| o.limits.max_connections = index(count) },
    ),
    row(
        "limits.max_subscriptions",
        "0",
        "Subscriptions of one client. 0 is no limit.",
        Set::Count { min: 0, max: 1_000_000_000, set: |o, count| o.limits.max_subscriptions = index(count) },
    ),
    row(
        "limits.max_sub_tokens",
        "0",
        "Tokens of a subscription's subject. 0 is no limit.",
        Set::Count { min: 0, max: 255, set: |o, count| o.limits.max_sub_tokens = index(count) },
    ),
    row(
        "limits.ping_interval",
        "\"2m\"",
        "How often the server pings a client that has been silent.",
        Set::Duration { min: Duration::from_millis(1), max: DAY, set: |o, time| o.limits.ping_interval = time },
    ),
    row(
        "limits.ping_max",
        "2",
        "How many pings may stay unanswered before the connection counts as stale.",
        Set::Count { min: 1, max: 1_000, set: |o, count| o.limits.ping_max = u32::try_from(count).unwrap_or(u32::MAX) },
    ),
    row(
        "limits.write_deadline",
        "\"10s\"",
        "How long one write to a client may take before it is cut off as a slow consumer.",
        Set::Duration { min: Duration::from_millis(1), max: DAY, set: |o, time| o.limits.write_deadline = time },
    ),
];
