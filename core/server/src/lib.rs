//! Forebay, a NATS-compatible server.
//!
//! # What
//! The shell around the broker: options, the start and the stop, sockets, the clock, randomness, the
//! log, signals, and the monitoring endpoints. [`Server`] embeds a whole server in a program.
//!
//! # Boundary
//! The only crate with sockets, real time, real randomness, TOML and HTTP. `wiring` is the only place
//! that knows every other crate.
//!
//! # Invariants
//! A server starts whole or not at all: what can fail is tried before anything is announced, and a
//! failure is one line. Nobody who logs waits for whoever reads the log.
//!
//! # Not here (and where instead)
//! What bytes mean: `protocol`. Who receives: `broker`. What is kept: `jetstream`, `store`. Who may:
//! `auth`.

pub mod args;
pub mod bind;
pub mod clock;
mod core_thread;
mod dial;
pub mod entropy;
mod error;
pub mod flags;
pub mod identity;
mod limits;
mod listen;
pub mod log;
pub mod machine;
pub mod monitor;
pub mod options;
mod pid;
mod run;
mod server;
mod signal;
mod wiring;

pub use error::{StartError, io_text};
pub use limits::{FOREBAY_VERSION, NATS_VERSION, SERVER_VERSION};
pub use run::main;
pub use server::Server;
