//! Named bounds of the protocol, with nats-server's defaults (`const.go`).

/// Longest control line without its verb, in bytes (`MAX_CONTROL_LINE_SIZE`).
pub const CONTROL_LINE_MAX: usize = 4096;
/// Largest payload, headers included, in bytes (`MAX_PAYLOAD_SIZE`).
pub const PAYLOAD_MAX: usize = 1 << 20;
/// Most digits of a size on the wire (`maxParseSizeLen`): 999,999,999 bytes.
pub const SIZE_DIGITS_MAX: usize = 9;
/// Longest verb with its separator: `CONNECT `.
pub const VERB_MAX: usize = 8;
/// Longest hello of another server, and any other frame before it has proved itself, in bytes.
pub const ROUTE_HELLO_MAX: usize = 64 << 10;
/// Longest text of a refusal, in bytes.
pub const ROUTE_REFUSAL_MAX: usize = 1 << 10;
/// Most servers that one gossip frame names.
pub const ROUTE_GOSSIP_PEERS_MAX: usize = 512;
/// What a frame with a message may have beside the longest payload, in bytes: subjects, account, queue groups.
pub const ROUTE_MESSAGE_ROOM: usize = 256 << 10;
/// Longest subject, filter, and name of a queue group or account, that goes to another server, in bytes. Interest in
/// longer ones, and messages to them, stay at the server that they were said to.
pub const ROUTE_WORD_MAX: usize = 32 << 10;
/// The longest payload that another server may announce and have room kept for, in bytes, where our own clients may
/// not send longer ones.
pub const ROUTE_PAYLOAD_MAX: usize = 64 << 20;
/// Longest frame of the control lane, in bytes.
pub const LANE_CONTROL_MAX: usize = 64 << 10;
/// Longest frame of the append lane, in bytes.
pub const LANE_APPEND_MAX: usize = 8 << 20;
/// Longest frame of the bulk lane, in bytes.
pub const LANE_BULK_MAX: usize = 8 << 20;

const _: () = assert!(ROUTE_WORD_MAX <= u16::MAX as usize && 5 * ROUTE_WORD_MAX < ROUTE_MESSAGE_ROOM);
const _: () = assert!(ROUTE_GOSSIP_PEERS_MAX * (8 + 2 + 64) < ROUTE_HELLO_MAX);
