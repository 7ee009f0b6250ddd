//! Everything that a client of JetStream and of the monitoring endpoints can see, as types and tables.
//!
//! # What
//! Configurations and infos of streams ([`stream`]), consumers ([`consumer`]) and accounts ([`account`]), byte for byte
//! as nats-server 2.15.1 writes them; errors from one table ([`error`]); the endpoints ([`routes`]) and their subjects
//! ([`subjects`]); publish headers and acks ([`publish`]); acks of deliveries ([`ack`]) and pull requests ([`pull`]);
//! advisories ([`advisory`]);
//! Go's JSON ([`json`]), durations ([`duration`]) and times ([`time`]); the monitoring documents ([`monitor`]).
//!
//! # Boundary
//! Pure: no clock, no I/O, no state. Bytes in, types out, and back.
//!
//! # Invariants
//! - Field order, omitted fields, numbers and texts are nats-server's; what is ours comes after what is theirs.
//! - Whatever a client sends is answered or refused in words, never with a panic.
//! - An error has a row in `errors.toml`; a number is never used twice.
//!
//! # Not here (and where instead)
//! Whether a configuration is allowed and what a request does (`forebay-jetstream`), the wire (`forebay-protocol`),
//! who may ask (`forebay-auth`).

pub mod account;
pub mod ack;
pub mod advisory;
pub mod consumer;
pub mod decimal;
pub mod duration;
pub mod error;
pub mod json;
pub mod level;
pub mod limits;
pub mod monitor;
pub mod name;
mod omit;
pub mod publish;
pub mod pull;
pub mod response;
pub mod routes;
pub mod stream;
pub mod subjects;
pub mod time;

pub use duration::Nanos;
pub use error::ApiError;
pub use time::Time;
