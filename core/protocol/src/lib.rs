//! Bytes to words and back, for the wires Forebay speaks.
//!
//! # What
//! The NATS client protocol: the operations of a client ([`op`]) decoded from bytes ([`client::decode`]), what a server
//! sends ([`client::encode`]), the two JSON documents of a handshake ([`info`], [`connect`]), header blocks
//! ([`headers`]) and the exact `-ERR` texts ([`error`]). And the frames between servers of a cluster ([`route`]).
//!
//! # Boundary
//! Pure: bytes in, words or bytes out. No sockets, no clock, no knowledge of who is subscribed.
//!
//! # Invariants
//! - Decoding never panics and never reads past the bytes given; it consumes whole operations only.
//! - A payload larger than the limit is refused when its control line is read, before anything is kept for it; a
//!   frame of a route by its header.
//!
//! # Not here (and where instead)
//! Whether a subject is valid (`forebay-subject`), what an operation does (`forebay-broker`), sockets (`core/server`).

pub mod client;
pub mod connect;
pub mod error;
pub mod headers;
pub mod info;
pub mod limits;
pub mod op;
pub mod route;

pub use error::{ProtocolError, Violation};
pub use op::{ClientOp, Publish};
