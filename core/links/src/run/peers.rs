//! Calling other servers: which lanes there are, and which answers are waited for.

use super::lane::{Calls, Frame};
use crate::mesh::PeerInfo;
use crate::peer::{Lane, PeerError, PeerId};
use bytes::Bytes;
use forebay_protocol::route::call;
use forebay_protocol::route::frame::Kind;
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// One end of a lane, for who calls.
#[derive(Clone)]
pub(super) struct LaneHandle {
    pub(super) number: u64,
    pub(super) queue: mpsc::Sender<Frame>,
    pub(super) calls: Arc<Calls>,
}

/// The lanes that are up, and the servers that are connected.
pub(super) struct PeerTable {
    lanes: Mutex<HashMap<(PeerId, Lane), LaneHandle>>,
    connected: Mutex<Vec<PeerInfo>>,
    changes: watch::Sender<u64>,
}

impl PeerTable {
    pub(super) fn lane_opened(&self, peer: PeerId, lane: Lane, handle: LaneHandle) {
        self.lanes.lock().insert((peer, lane), handle);
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub(super) fn lane_closed(&self, peer: PeerId, lane: Lane, number: u64) {
        {
            let mut lanes = self.lanes.lock();
            if lanes.get(&(peer, lane)).is_some_and(|handle| handle.number == number) {
                lanes.remove(&(peer, lane));
            }
        }
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub(super) fn set_connected(&self, connected: Vec<PeerInfo>) {
        let changed = {
            let mut known = self.connected.lock();
            let changed = *known != connected;
            *known = connected;
            changed
        };
        if changed {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }
}

/// Calls to other servers; a clone is the same.
#[derive(Clone)]
pub struct Peers {
    table: Arc<PeerTable>,
}

impl Default for Peers {
    fn default() -> Self {
        Self::new()
    }
}

impl Peers {
    /// Connected with nobody, until links are started with it.
    pub fn new() -> Self {
        let (changes, _) = watch::channel(0);
        let (lanes, connected) = (Mutex::default(), Mutex::default());
        Self { table: Arc::new(PeerTable { lanes, connected, changes }) }
    }

    pub(super) fn table(&self) -> Arc<PeerTable> {
        self.table.clone()
    }

    /// Calls the server `to`, and waits for its answer. Many calls may be under way; each is answered when it is ready.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call(
        &self,
        to: PeerId,
        lane: Lane,
        kind: u8,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, PeerError> {
        if body.len() > lane.body_max() {
            return Err(PeerError::TooLong { length: body.len(), most: lane.body_max() });
        }
        let handle = self.table.lanes.lock().get(&(to, lane)).cloned();
        let handle = handle.ok_or(PeerError::NotConnected)?;
        let waiting = handle.calls.begin()?;
        let frame = Frame { head: call::head(Kind::Call, waiting.number, kind, body.len()), body };
        match handle.queue.try_send(frame) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(PeerError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(PeerError::Disconnected),
        }
        // When this future is dropped, or the time is over, nobody waits any more.
        tokio::time::timeout(timeout, waiting.answer()).await.unwrap_or(Err(PeerError::TimedOut))
    }

    /// True if there is a connection to the server on this lane.
    pub fn is_connected(&self, to: PeerId, lane: Lane) -> bool {
        self.table.lanes.lock().contains_key(&(to, lane))
    }

    /// The servers that this one has a route with.
    pub fn connected(&self) -> Vec<PeerInfo> {
        self.table.connected.lock().clone()
    }

    /// Moves whenever a server comes, goes, or tells something else of itself, and when a lane comes or goes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.table.changes.subscribe()
    }
}
