//! Calls between nodes of one process.

use crate::machine::NodeId;
use crate::raft::Groups;
use crate::transport::{Lane, PeerTransport, TransportError};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// All connections; each node has its [`Port`].
#[derive(Clone, Default)]
pub struct Wire(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    nodes: BTreeMap<NodeId, Groups>,
    /// Pairs (from, to) between which nothing gets through.
    cut: BTreeSet<(NodeId, NodeId)>,
    delay: Duration,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("cut", &self.0.lock().cut).finish_non_exhaustive()
    }
}

impl Wire {
    /// Connects a node.
    pub fn plug(&self, groups: Groups) {
        self.0.lock().nodes.insert(groups.node(), groups);
    }

    /// Takes a node off.
    pub fn unplug(&self, node: NodeId) {
        self.0.lock().nodes.remove(&node);
    }

    /// Cuts a node off from all others, in both directions; the others are named.
    pub fn isolate(&self, node: NodeId, others: &[NodeId]) {
        let mut state = self.0.lock();
        for other in others.iter().filter(|other| **other != node) {
            state.cut.insert((node, *other));
            state.cut.insert((*other, node));
        }
    }

    /// Joins what was cut.
    pub fn heal(&self) {
        self.0.lock().cut.clear();
    }

    /// Every request takes this long to arrive.
    pub fn delay(&self, delay: Duration) {
        self.0.lock().delay = delay;
    }

    /// The transport of one node.
    #[must_use]
    pub fn port(&self, of: NodeId) -> Port {
        Port { of, wire: self.clone() }
    }

    fn route(&self, from: NodeId, to: NodeId) -> Option<(Groups, Duration)> {
        let state = self.0.lock();
        let open = !state.cut.contains(&(from, to));
        let groups = state.nodes.get(&to).filter(|_| open).cloned()?;
        Some((groups, state.delay))
    }
}

/// One node's end of the wire.
#[derive(Debug, Clone)]
pub struct Port {
    of: NodeId,
    wire: Wire,
}

impl PeerTransport for Port {
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        kind: u8,
        body: Bytes,
        timeout: Duration,
    ) -> impl Future<Output = Result<Bytes, TransportError>> + Send {
        let (wire, from) = (self.wire.clone(), self.of);
        async move {
            let (groups, delay) = wire.route(from, to).ok_or(TransportError::Unreachable)?;
            let answer = async {
                if !delay.is_zero() {
                    super::cluster::pause(delay).await;
                }
                groups.handle(from, lane, kind, body).await
            };
            let answer = super::cluster::within(timeout, answer).await.ok_or(TransportError::Timeout)?;
            // An answer does not get through where the request would not.
            wire.route(to, from).ok_or(TransportError::Unreachable)?;
            Ok(answer)
        }
    }
}
