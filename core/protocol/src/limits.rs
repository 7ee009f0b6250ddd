//! Named bounds of the protocol, with nats-server's defaults (`const.go`).

/// Longest control line without its verb, in bytes (`MAX_CONTROL_LINE_SIZE`).
pub const CONTROL_LINE_MAX: usize = 4096;
/// Largest payload, headers included, in bytes (`MAX_PAYLOAD_SIZE`).
pub const PAYLOAD_MAX: usize = 1 << 20;
/// Most digits of a size on the wire (`maxParseSizeLen`): 999,999,999 bytes.
pub const SIZE_DIGITS_MAX: usize = 9;
/// Longest verb with its separator: `CONNECT `.
pub const VERB_MAX: usize = 8;
