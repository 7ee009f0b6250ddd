//! The conformance harness: the same scenario on a real nats-server and on Forebay, compared frame by frame.
//!
//! # What
//! A [`scenario::Scenario`] is data: a server's set-up and a list of steps over raw sockets. [`player`] plays it
//! against a running [`server::Server`] and writes a [`transcript::Transcript`]; [`compare`] holds two transcripts
//! against each other; [`gaps`] knows which differences are known and why; [`runner`] does this for all of
//! [`scenarios::all`].
//!
//! # Boundary
//! It sees servers only from outside: a program to start, its start log, its sockets. It links nothing of Forebay.
//!
//! # Invariants
//! - A scenario is deterministic: played twice on nats-server it gives the same transcript (`self-check` proves it).
//! - What may differ between two runs (ids, ports, times) is masked by [`mask`], by name, and nothing else is.
//! - A row of `known_gaps.toml` whose scenario passes is a failure: the list can only shrink truthfully.
//!
//! # Not here (and where instead)
//! Stories through client libraries: `tests/clients`. Crashes: `cargo xtask soak crash`. Speed: natsload.

pub mod clock;
pub mod compare;
pub mod connection;
pub mod frame;
pub mod gaps;
pub mod limits;
pub mod mask;
pub mod player;
pub mod runner;
pub mod scenario;
pub mod scenarios;
pub mod server;
pub mod setup;
pub mod transcript;
