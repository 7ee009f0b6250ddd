//! Servers of one cluster talking to each other.
//!
//! # What
//! Who is to be connected with whom ([`mesh`]), how two servers find out whether they belong together ([`handshake`]),
//! a route as a state machine that carries interest and clients' messages ([`RouteSession`]), and the calls of one
//! server to another ([`Peers`]) on connections of their own.
//!
//! # Boundary
//! No sockets: byte streams come from a [`Host`], which dials, and which has each route served where it serves clients.
//! Everything outside `run/` is synchronous, with time and randomness as arguments. What calls mean is the
//! [`PeerService`]'s question.
//!
//! # Invariants
//! - Between two servers there is one connection a lane: when both dial at once, both keep the same one.
//! - Before it has proved that it knows the secret, another server can make us keep one hello; afterwards every frame is
//!   held against its lane's bound before room is made for it.
//! - A message that came over a route never leaves over one.
//!
//! # Not here (and where instead)
//! The bytes of frames (`forebay-protocol`), who gets a message (`forebay-broker`), agreement between servers
//! (`core/cluster`), sockets, names and options (`core/server`).

mod backoff;
mod config;
pub mod handshake;
pub mod limits;
pub mod mesh;
mod peer;
mod route;
mod run;

pub use config::{LinksConfig, Standing};
pub use mesh::PeerInfo;
pub use peer::{BoxFuture, Lane, PeerError, PeerId, PeerService};
pub use route::{RouteReport, RouteSession, RouteStart};
pub use run::{Host, Links, Peers};
