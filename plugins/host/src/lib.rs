//! The plugin host: WebAssembly code of the operator's, run beside the data without being able to hurt the server.
//!
//! # What
//! Reads, checks, compiles and configures plugins ([`reload`]); knows which subjects and consumers they are bound to
//! ([`binding`]); runs them on the threads that ask ([`ThreadPlugins`]) under limits of CPU time and memory; decides
//! what an error does ([`policy`]) and when to stop calling ([`breaker`]); counts all of it ([`metrics`]).
//! The contract with the guest is `forebay/1` ([`abi`], `docs/plugins/abi.md`).
//!
//! # Boundary
//! The only crate that names wasmtime. It implements `forebay_broker::hooks` and is handed its configuration as plain
//! structs ([`manifest`]) and the time as a [`Clock`]. It reads plugin files; it opens no socket and starts one thread,
//! the epoch ticker, only while plugins are loaded.
//!
//! # Invariants
//! - Nothing that a guest answers is believed: each pointer, length, subject and header is checked.
//! - A guest that loops, allocates, panics or lies costs its own call only: the instance is thrown away and the
//!   binding's policy decides about the message.
//! - A set of plugins is published whole or not at all; while one is refused, the published one keeps running.
//! - A call takes no lock: instances and counters belong to one thread each.
//! - A binding's number keeps its meaning for the life of the host.
//!
//! # Not here (and where instead)
//! When a hook is asked (`forebay-broker`, `forebay-jetstream`), TOML and file watching (`forebay`), what a guest is
//! written with (`forebay-sdk`), the exporter of the counters (`forebay`).

pub mod abi;
pub mod artifact;
pub mod binding;
pub mod breaker;
mod capability;
mod engine;
mod error;
mod generation;
mod headers;
mod host;
mod instance;
pub mod limits;
pub mod manifest;
pub mod metrics;
pub mod policy;
pub mod reload;
mod run;
mod selftest;
mod thread;

pub use binding::Bindings;
pub use error::{CallError, ErrorReason};
pub use host::{Clock, Host, HostConfig, PluginInfo};
pub use manifest::{FilterBinding, PluginConfig, PluginSet, Selftest, TransformBinding, TransformMode, Wasi};
pub use metrics::Snapshot;
pub use policy::{FilterPolicy, TransformPolicy};
pub use reload::{Report, StageError, Staged};
pub use thread::ThreadPlugins;
