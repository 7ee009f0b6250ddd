//! Nodes with their threads.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Counting, Signals, TestLane, Wire};
use crate::machine::{GroupId, Member, NodeId};
use crate::raft::{Group, Groups, GroupsConfig, LogOptions, RaftLogs};
use crate::run::raft_thread::RaftThread;
use forebay_store::storage::Storage;
use forebay_store::{Config, LaneThread, PrepareThread, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Choices of a node.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Of its store.
    pub config: Config,
    /// Do not keep what is applied, only count it.
    pub brief: bool,
}

impl Default for NodeOptions {
    fn default() -> Self {
        let config = Config { segment_bytes: 4 << 20, max_waiting_bytes: 8 << 20, ..Config::small() };
        NodeOptions { config: Config { max_entry_bytes: 3 << 20, group_bytes: 1 << 20, ..config }, brief: false }
    }
}

/// A running node with one group.
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its groups.
    pub groups: Groups,
    /// The group.
    pub group: Group<u64>,
    /// Its machine.
    pub machine: Counting,
    /// Its store.
    pub store: Arc<Store<TestLane>>,
    wire: Wire,
    lane: Option<LaneThread<TestLane>>,
    _prepare: PrepareThread,
    raft: Option<RaftThread>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Node {
    /// Starts a node from what its storage holds.
    pub fn start(id: NodeId, storage: Arc<dyn Storage>, wire: &Wire, options: &NodeOptions) -> Node {
        let opened = Store::<TestLane>::open(storage, options.config.clone()).expect("the store");
        let logs = RaftLogs::recover(&opened.store, &opened.recovered, LogOptions::default()).expect("the lane's tail");
        let prepare = PrepareThread::spawn(opened.store.clone()).expect("a thread");
        let lane = LaneThread::spawn(opened.lane, Signals, options.config.mark_after).expect("a thread");
        let raft = RaftThread::spawn().expect("a thread");
        let config = GroupsConfig { node: id, cluster: "test".into(), seed: id << 20, logs, spawn: raft.tasks() };
        let groups = Groups::new(config, wire.port(id)).expect("the timings");
        let machine = if options.brief { Counting::brief() } else { Counting::default() };
        let opening = groups.open(GroupId(1), machine.clone(), machine.returned());
        let group = runtime().block_on(opening).expect("the group");
        wire.plug(groups.clone());
        let (wire, store) = (wire.clone(), opened.store);
        Node { id, groups, group, machine, store, wire, lane: Some(lane), _prepare: prepare, raft: Some(raft) }
    }

    /// Ends it at once: what runs is dropped, what the lane had taken is written.
    pub fn kill(mut self) {
        self.end();
    }

    /// Shuts it down in order.
    pub fn stop(self) {
        runtime().block_on(self.groups.shutdown());
        drop(self);
    }

    fn end(&mut self) {
        self.wire.unplug(self.id);
        if let Some(raft) = self.raft.take() {
            raft.stop();
        }
        drop(self.lane.take());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}

/// Several nodes with memory of their own.
pub struct TestCluster {
    /// The wire between them.
    pub wire: Wire,
    /// Their storages, running or not.
    pub storages: BTreeMap<NodeId, Arc<dyn Storage>>,
    /// Those that run.
    pub nodes: BTreeMap<NodeId, Node>,
    options: NodeOptions,
}

impl std::fmt::Debug for TestCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestCluster").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

impl TestCluster {
    /// Starts nodes 1 to `storages.len()` and founds the group on the first.
    pub fn found(storages: Vec<Arc<dyn Storage>>, options: NodeOptions) -> TestCluster {
        let wire = Wire::default();
        let storages: BTreeMap<NodeId, Arc<dyn Storage>> = (1..).zip(storages).collect();
        let mut cluster = TestCluster { wire, storages, nodes: BTreeMap::new(), options };
        let ids = cluster.ids();
        for id in &ids {
            cluster.start(*id);
        }
        let members = founding_members(&ids);
        let first = cluster.nodes.values().next().expect("a node");
        runtime().block_on(first.group.initialize(members)).expect("the founding");
        cluster
    }

    /// All ids with a storage.
    #[must_use]
    pub fn ids(&self) -> Vec<NodeId> {
        self.storages.keys().copied().collect()
    }

    /// Starts a node that does not run.
    pub fn start(&mut self, id: NodeId) {
        let node = Node::start(id, self.storages[&id].clone(), &self.wire, &self.options);
        self.nodes.insert(id, node);
    }

    /// Kills a node.
    pub fn kill(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.remove(&id) {
            node.kill();
        }
    }

    /// The running node that leads, if there is one.
    #[must_use]
    pub fn leader(&self) -> Option<&Node> {
        self.nodes.values().find(|node| node.group.is_leading())
    }
}

/// Members called after their ids.
#[must_use]
pub fn founding_members(ids: &[NodeId]) -> BTreeMap<NodeId, Member> {
    ids.iter().map(|id| (*id, Member { name: format!("s{id}"), address: format!("s{id}:6222") })).collect()
}

pub use crate::run::for_tests::runtime;
pub(super) use crate::run::for_tests::{pause, within};
