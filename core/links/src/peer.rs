//! Calls of one server to another, as callers and those who answer see them.

use bytes::Bytes;
use forebay_protocol::limits::{LANE_APPEND_MAX, LANE_BULK_MAX, LANE_CONTROL_MAX};
use forebay_protocol::route;
use std::pin::Pin;
use thiserror::Error;

/// A server's incarnation: the number that it said in its hello.
pub type PeerId = u64;

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which of the connections to a server a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Small calls that must not wait behind others.
    Control,
    /// Calls with the log's entries.
    Append,
    /// Calls that carry much.
    Bulk,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Control, Self::Append, Self::Bulk];

    /// The longest frame, in bytes.
    pub fn frame_max(self) -> usize {
        match self {
            Self::Control => LANE_CONTROL_MAX,
            Self::Append => LANE_APPEND_MAX,
            Self::Bulk => LANE_BULK_MAX,
        }
    }

    /// The longest body of a call or an answer, in bytes.
    pub fn body_max(self) -> usize {
        self.frame_max() - size_of::<u64>()
    }

    /// As the wire has it.
    pub fn on_the_wire(self) -> route::Lane {
        match self {
            Self::Control => route::Lane::Control,
            Self::Append => route::Lane::Append,
            Self::Bulk => route::Lane::Bulk,
        }
    }

    /// The lane of a connection; `None` for a route.
    pub fn of_the_wire(lane: route::Lane) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.on_the_wire() == lane)
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerError {
    /// There is no connection to the server on that lane.
    #[error("not connected")]
    NotConnected,
    /// The connection went while the call was under way: it may or may not have arrived.
    #[error("the connection was lost")]
    Disconnected,
    /// No answer came in time; it may come still, and is dropped then.
    #[error("no answer in time")]
    TimedOut,
    /// Too many calls are under way, here or there.
    #[error("too many calls are under way")]
    Busy,
    /// The body is longer than the lane takes.
    #[error("a body of {length} bytes, where at most {most} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
        /// The bound.
        most: usize,
    },
    /// The other server says no.
    #[error("{0}")]
    Refused(String),
}

/// Answers the calls of other servers.
pub trait PeerService: Send + Sync + 'static {
    /// A call of the server `from`. Many are under way at a time; those of one lane begin in their order.
    fn handle(&self, from: PeerId, lane: Lane, kind: u8, body: Bytes) -> BoxFuture<'static, Result<Bytes, PeerError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_go_onto_the_wire_and_back() {
        assert!(Lane::ALL.into_iter().all(|lane| Lane::of_the_wire(lane.on_the_wire()) == Some(lane)));
        assert_eq!(Lane::of_the_wire(route::Lane::Route), None);
    }
}
