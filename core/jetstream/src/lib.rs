//! What is stored, delivered and acknowledged: JetStream as pure machines, and the layer that runs them.
//!
//! # What
//! Two machines, [`stream`] and [`consumer`], change state only by numbered [`command`]s and answer with [`effect`]s.
//! A [`shard`] is streams with their consumers behind one lock; [`meta`] is the table of all streams. `api` turns
//! requests into commands, `run` is the only part that knows threads, sockets and the store's lane.
//!
//! # Boundary
//! Outside `run` there is no clock, no randomness, no I/O, no hash order that could be seen: times are arguments in
//! nanoseconds, bodies are places in the log. R1 and replicated streams apply the same commands.
//!
//! # Invariants
//! - A record that is applied twice, from the same state, gives the same state and the same effects.
//! - `num_pending` of a consumer on its leader is exact.
//! - A message that was delivered and not settled is delivered again, whatever crashes, until `max_deliver`.
//! - A delivery count of two or more is durable before the message is sent again.
//!
//! # Not here (and where instead)
//! Bytes on disk (`forebay-store`), who receives what is published (`forebay-broker`), the JSON of requests and
//! answers (`forebay-api`), agreement between servers (`forebay-cluster`).

pub mod account;
pub mod api;
mod codec;
pub mod command;
pub mod consumer;
pub mod effect;
pub mod id;
pub mod limits;
pub mod log;
pub mod meta;
pub mod metrics;
pub mod mutant;
pub mod record;
pub mod run;
pub mod shard;
pub mod stream;

pub use consumer::{
    AckDone, AckInput, AckVerb, Batch, BatchEnd, BatchLimit, Candidate, Candidates, ConsumerFacts, Delivery,
    PlacedStatus,
};
pub use effect::{Applied, Effects, LeaderOut, Lifecycle, Proposals, PublishOutcome};
pub use id::{ConsumerKey, ConsumerUid, META_SHARD, NO_WAITER, Position, StreamUid};
pub use meta::Meta;
pub use record::Record;
pub use shard::{Shard, Take};
pub use stream::StreamFacts;
