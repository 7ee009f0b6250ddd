//! Who receives.
//!
//! # What
//! Connections as state machines ([`Session`]), accounts and their interest ([`Account`]), the way out to each
//! connection ([`Outbound`]), and delivery through per-thread caches and staging ([`ThreadState`]).
//!
//! # Boundary
//! No sockets, no tasks, no clock: a shell reads bytes, hands them to a session, and offers a [`Sink`] for what leaves.
//! JetStream, links and plugins attach through [`Ingress`], [`InterestWatcher`], [`Recipient`] and [`hooks`]; the broker
//! knows none.
//!
//! # Invariants
//! - A message is delivered once to each plain subscription that matches, and to one member of each queue group.
//! - What one thread delivers to one connection arrives in the order it was published.
//! - A publish that hits the thread's cache takes no lock but those of the connections it is delivered to.
//! - A message of another server is delivered here and never goes on to a third one; of ours, each other server gets
//!   one copy.
//! - Never two locks held at once, but for the interest list inside a watch, and the ways out to other servers inside
//!   the announcements of interest, which keep their order by it.
//!
//! # Not here (and where instead)
//! Grammar (`forebay-protocol`), matching (`forebay-subject`), credentials (`forebay-auth`), sockets (`core/server`).

mod account;
mod announce;
mod broker;
mod cluster;
mod deliver;
pub mod hooks;
mod ingress;
mod interest;
pub mod limits;
mod match_cache;
mod outbound;
mod session;
mod staging;
mod subscription;
mod thread_state;

pub use account::Account;
pub use broker::{Broker, BrokerConfig, BrokerStats, GLOBAL_ACCOUNT};
pub use cluster::ClusterFacts;
pub use ingress::{Inbound, Ingress};
pub use interest::{Interest, InterestWatcher};
pub use outbound::{CloseReason, Drained, Outbound, Sink, Wake};
pub use session::{Handled, Session};
pub use subscription::{Recipient, Subscription};
pub use thread_state::ThreadState;
