//! How the nodes of a group reach each other: the one thing that this crate asks of whoever has connections.

use crate::machine::NodeId;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::future::Future;
use std::time::Duration;

/// The connections between two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Votes, heartbeats, small requests: never behind entries.
    Control,
    /// Log entries.
    Append,
    /// Bodies.
    Bulk,
}

/// Why a call has no answer. Whether the other side acted on it is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// There is no connection.
    #[error("the peer is not connected")]
    Unreachable,
    /// There was no answer in time.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The other side refused, or the connection was lost.
    #[error("{0}")]
    Failed(String),
}

/// Calls to peers. Calls on one lane to one peer arrive in the order in which they were first polled.
pub trait PeerTransport: Clone + Send + Sync + 'static {
    /// Sends a request and waits for its answer. Many calls may be in flight.
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        kind: u8,
        body: Bytes,
        timeout: Duration,
    ) -> impl Future<Output = Result<Bytes, TransportError>> + Send;
}

/// The kinds of requests that this crate sends and answers; others are free for the wiring.
pub mod kind {
    /// A request for a vote.
    pub const VOTE: u8 = 1;
    /// Whether a vote would be given.
    pub const PRE_VOTE: u8 = 2;
    /// Entries, or a heartbeat without any.
    pub const APPEND: u8 = 3;
    /// The leader asks the receiver to take over.
    pub const TRANSFER: u8 = 4;
    /// The highest that this crate uses.
    pub const LAST: u8 = 15;
}

/// The same without a type parameter, so that openraft is compiled once.
pub(crate) trait Calls: Send + Sync + 'static {
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        kind: u8,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>>;
}

impl<T: PeerTransport> Calls for T {
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        kind: u8,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let transport = self.clone();
        Box::pin(async move { PeerTransport::call(&transport, to, lane, kind, body, timeout).await })
    }
}
