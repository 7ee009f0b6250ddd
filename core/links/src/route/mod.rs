//! A route: the connection that carries interest and clients' messages between two servers.

mod session;

use crate::mesh::PeerInfo;
use crate::peer::PeerId;
use forebay_broker::Outbound;
use forebay_protocol::limits::{ROUTE_MESSAGE_ROOM, ROUTE_PAYLOAD_MAX};
use forebay_protocol::route::gossip::Gossip;
pub use session::RouteSession;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Who is told what happens to a route.
pub(crate) trait RouteEvents: Send + Sync {
    /// It is served.
    fn opened(&self, peer: PeerId, number: u64, outbound: &Arc<Outbound>, traffic: &Arc<RouteTraffic>);

    /// The other server told what it knows.
    fn gossip(&self, peer: PeerId, gossip: Gossip);

    /// It is over.
    fn closed(&self, peer: PeerId, number: u64);
}

/// A route whose two servers have found that they belong together, on its way to the thread that serves it.
pub struct RouteStart {
    pub(crate) peer: PeerInfo,
    pub(crate) number: u64,
    pub(crate) dialed: bool,
    pub(crate) address: String,
    pub(crate) frame_max: usize,
    pub(crate) message_max: usize,
    pub(crate) ping_interval: Duration,
    pub(crate) pings_out_max: u32,
    pub(crate) events: Arc<dyn RouteEvents>,
    /// A session has taken it over.
    pub(crate) served: bool,
}

impl RouteStart {
    /// The other server.
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }

    /// The longest message that the other server takes: its [`Outbound`] must know.
    pub fn message_max(&self) -> usize {
        self.message_max
    }
}

impl Drop for RouteStart {
    fn drop(&mut self) {
        if !self.served {
            self.events.closed(self.peer.id, self.number);
        }
    }
}

/// The longest message that a server with the bound `ours` takes from one with the bound `theirs`: as long as that
/// one's own clients may send, within reason.
pub(crate) fn message_max(ours: usize, theirs: u64) -> usize {
    ours.max(usize::try_from(theirs).unwrap_or(usize::MAX).min(ROUTE_PAYLOAD_MAX))
}

/// The longest frame of a route that brings messages of at most so many bytes.
pub(crate) fn frame_max(message_max: usize) -> usize {
    message_max.saturating_add(ROUTE_MESSAGE_ROOM)
}

/// What came over a route, for monitoring.
#[derive(Debug, Default)]
pub(crate) struct RouteTraffic {
    /// The other end of the connection.
    pub(crate) address: String,
    pub(crate) in_messages: AtomicU64,
    pub(crate) in_bytes: AtomicU64,
    pub(crate) subscriptions: AtomicU64,
    round_trip_ns: AtomicU64,
}

impl RouteTraffic {
    fn set_round_trip(&self, round_trip: Duration) {
        let nanos = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.round_trip_ns.store(nanos, Ordering::Relaxed);
    }

    fn round_trip(&self) -> Option<Duration> {
        Some(self.round_trip_ns.load(Ordering::Relaxed)).filter(|nanos| *nanos != 0).map(Duration::from_nanos)
    }
}

/// A route as monitoring shows it.
#[derive(Clone, Debug)]
pub struct RouteReport {
    /// The other server.
    pub peer: PeerInfo,
    /// The connection's number.
    pub id: u64,
    /// The other end of the connection.
    pub address: String,
    /// This server dialed.
    pub dialed: bool,
    /// Messages that came over it.
    pub in_messages: u64,
    /// Bytes that came over it.
    pub in_bytes: u64,
    /// Messages that left over it.
    pub out_messages: u64,
    /// Payload bytes that left over it.
    pub out_bytes: u64,
    /// Bytes that wait for it.
    pub pending: usize,
    /// Filters with their queue groups that the other server is interested in.
    pub subscriptions: u64,
    /// The last measured round trip.
    pub round_trip: Option<Duration>,
}

impl RouteReport {
    pub(crate) fn new(peer: PeerInfo, dialed: bool, outbound: &Outbound, traffic: &RouteTraffic) -> Self {
        let (out_messages, out_bytes) = outbound.sent_counts();
        Self {
            peer,
            id: outbound.id,
            address: traffic.address.clone(),
            dialed,
            in_messages: traffic.in_messages.load(Ordering::Relaxed),
            in_bytes: traffic.in_bytes.load(Ordering::Relaxed),
            out_messages,
            out_bytes,
            pending: outbound.waiting_bytes(),
            subscriptions: traffic.subscriptions.load(Ordering::Relaxed),
            round_trip: traffic.round_trip(),
        }
    }
}

#[cfg(test)]
mod tests;
