//! All groups of one server: opening them, and answering what their peers ask.

use super::codec::{
    Declined, decode_append, decode_transfer, decode_vote, encode_appended, encode_transferred, encode_voted, group_of,
};
use super::entry::{Rt, VoteOf};
use super::group::{Core, Group, Node};
use super::network::Network;
use super::pump::{Pump, Queue};
use super::recover::RaftLogs;
use super::state_machine::{StateMachine, Typed};
use crate::limits;
use crate::machine::{GroupId, Machine, NodeId, RefusedReason};
use crate::mutant;
use crate::transport::{Calls, Lane, PeerTransport, kind};
use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use openraft::{Config, Raft, SnapshotPolicy};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where raft's tasks run: one thread, so that tasks start in the order in which they were given.
pub trait Spawn: Send + Sync + 'static {
    /// Starts a task.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// Gives each task its own stream of random numbers.
pub(super) struct Spawner {
    spawn: Arc<dyn Spawn>,
    seed: AtomicU64,
}

impl Spawner {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // The runtime mixes the seed; neighbours are as good as any.
        let seed = self.seed.fetch_add(1, Ordering::Relaxed);
        self.spawn.spawn(Box::pin(Rt::scope(seed, task)));
    }

    /// Runs something on the raft thread; `None` if the thread has ended.
    pub(super) fn run<R: Send + 'static>(
        &self,
        task: impl Future<Output = R> + Send + 'static,
    ) -> impl Future<Output = Option<R>> + Send + 'static {
        let (tell, told) = oneshot::channel();
        self.spawn(async move {
            let _ = tell.send(task.await);
        });
        async move { told.await.ok() }
    }
}

/// What the groups of a server share.
#[derive(Clone)]
pub struct GroupsConfig {
    /// This server's node id.
    pub node: NodeId,
    /// The cluster's name, for logs.
    pub cluster: String,
    /// Random.
    pub seed: u64,
    /// The logs.
    pub logs: RaftLogs,
    /// The raft thread.
    pub spawn: Arc<dyn Spawn>,
}

/// Why a group was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is open.
    #[error("the group is open already")]
    Twice,
    /// Entries or votes are lost: this node must not vote. Wipe the server, so that it comes back under a new id.
    #[error("the group's log is damaged")]
    Damaged,
    /// Its log could not be read, or the raft thread has ended.
    #[error("the group could not be opened: {0}")]
    Failed(String),
}

/// All groups of one server. Cheap to clone.
#[derive(Clone)]
pub struct Groups(Arc<Inner>);

struct Inner {
    node: NodeId,
    logs: RaftLogs,
    calls: Arc<dyn Calls>,
    spawner: Arc<Spawner>,
    config: Arc<Config>,
    open: Mutex<BTreeMap<GroupId, Arc<Core>>>,
    confirms_unseen: bool,
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Groups").field("node", &self.0.node).finish_non_exhaustive()
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn raft_config(cluster: String) -> Config {
    Config {
        cluster_name: cluster,
        heartbeat_interval: milliseconds(limits::HEARTBEAT),
        heartbeat_min_interval: Some(milliseconds(limits::HEARTBEAT_MIN)),
        election_timeout_min: milliseconds(limits::ELECTION_MIN),
        election_timeout_max: milliseconds(limits::LEASE),
        max_payload_entries: limits::APPEND_ENTRIES,
        replication_lag_threshold: u64::MAX,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        enable_pre_vote: Some(true),
        // A restarted leader waits for an election: its machine may be behind what it had confirmed.
        enable_leader_restore: Some(false),
        // The leader's own sync and the way to the others overlap.
        broadcast_submitted_on_append: Some(true),
        backoff: "50ms 100ms ...500ms".to_owned(),
        api_channel_size: Some(4096),
        notification_channel_size: Some(4096),
        ..Config::default()
    }
}

impl Groups {
    /// Sets the groups up; none is open yet.
    ///
    /// # Errors
    /// If openraft refuses the timings, which are constants.
    pub fn new(config: GroupsConfig, transport: impl PeerTransport) -> Result<Groups, OpenError> {
        let raft = raft_config(config.cluster).validate().map_err(|error| OpenError::Failed(error.to_string()))?;
        let inner = Inner {
            node: config.node,
            logs: config.logs,
            calls: Arc::new(transport),
            spawner: Arc::new(Spawner { spawn: config.spawn, seed: AtomicU64::new(config.seed) }),
            config: Arc::new(raft),
            open: Mutex::default(),
            confirms_unseen: mutant::active(mutant::ACK_BEFORE_MAJORITY),
        };
        Ok(Groups(Arc::new(inner)))
    }

    /// This server's node id.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.0.node
    }

    /// The logs that were given.
    #[must_use]
    pub fn logs(&self) -> &RaftLogs {
        &self.0.logs
    }

    /// Whether clients' publishes should be refused because no space is left for them on this server's disk.
    #[must_use]
    pub fn disk_full(&self) -> bool {
        self.0.logs.disk_full()
    }

    /// Opens a group: applies its log up to the saved committed index, and then takes part in it. `returned` hears on
    /// the raft thread of every proposal that was taken and is not handed to `apply`.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open<A: Send + 'static>(
        &self,
        id: GroupId,
        machine: impl Machine<A>,
        returned: impl FnMut(A, RefusedReason) + Send + 'static,
    ) -> Result<Group<A>, OpenError> {
        if self.0.logs.is_damaged(id) {
            return Err(OpenError::Damaged);
        }
        if self.0.open.lock().contains_key(&id) {
            return Err(OpenError::Twice);
        }
        let inner = self.0.clone();
        let log = inner.logs.open(id, inner.node);
        let machine = StateMachine::new(Box::new(Typed::<A, _>::new(machine)));
        let network = Network { calls: inner.calls.clone(), group: id };
        let (node, config, store) = (inner.node, inner.config.clone(), log.clone());
        let opening = self.0.spawner.run(async move { Raft::new(node, config, network, store, machine).await });
        let raft: Node = match opening.await {
            Some(Ok(raft)) => raft,
            Some(Err(error)) => return Err(OpenError::Failed(error.to_string())),
            None => return Err(OpenError::Failed("the raft thread has ended".into())),
        };
        let core = Arc::new(Core::new(id, node, raft, log, inner.spawner.clone()));
        inner.open.lock().insert(id, core.clone());
        let queue = Arc::new(Queue::new(inner.logs.entry_bytes()));
        let waking = queue.clone();
        inner.spawner.spawn(core.clone().watch_role(move || waking.wake()));
        inner.spawner.spawn(Pump::new(core.clone(), queue.clone(), Box::new(returned)).run());
        Ok(Group { core, queue })
    }

    /// Answers a peer. The request is taken when this is called, not when the future is first polled: call it in the
    /// order in which a connection's frames came.
    pub fn handle(&self, from: NodeId, lane: Lane, kind: u8, body: Bytes) -> BoxFuture<'static, Bytes> {
        let task = match self.task(from, lane, kind, body) {
            Ok(task) => task,
            Err(declined) => return Box::pin(std::future::ready(declined.encode())),
        };
        let answer = self.0.spawner.run(task);
        Box::pin(async move { answer.await.unwrap_or_else(|| Declined::Stopped.encode()) })
    }

    fn task(&self, from: NodeId, lane: Lane, kind: u8, body: Bytes) -> Result<BoxFuture<'static, Bytes>, Declined> {
        let most = if lane == Lane::Control { limits::MAX_CONTROL_FRAME } else { limits::MAX_APPEND_FRAME };
        if body.len() > most {
            return Err(Declined::NotUnderstood);
        }
        let not_understood = |_| Declined::NotUnderstood;
        let group = group_of(&body).map_err(not_understood)?;
        let core = self.0.open.lock().get(&group).cloned().ok_or(Declined::NoSuchGroup)?;
        let raft = core.raft.clone();
        // Nobody speaks for another node.
        let own = |vote: &VoteOf| {
            if vote.leader_id.voted_for == from { Ok(()) } else { Err(Declined::NotUnderstood) }
        };
        match kind {
            kind::APPEND => {
                let request = decode_append(&body).map_err(not_understood)?;
                own(&request.vote)?;
                let confirms_unseen = self.0.confirms_unseen && !request.entries.is_empty();
                let spawner = self.0.spawner.clone();
                Ok(Box::pin(async move {
                    if confirms_unseen {
                        spawner.spawn(async move { drop(raft.append_entries(request).await) });
                        return encode_appended(&openraft::raft::AppendEntriesResponse::Success);
                    }
                    or_stopped(raft.append_entries(request).await, |response| encode_appended(&response))
                }))
            }
            kind::VOTE | kind::PRE_VOTE => {
                let request = decode_vote(&body).map_err(not_understood)?;
                own(&request.vote)?;
                let is_real = kind == kind::VOTE;
                Ok(Box::pin(async move {
                    let response = if is_real { raft.vote(request).await } else { raft.pre_vote(request).await };
                    or_stopped(response, |response| encode_voted(&response))
                }))
            }
            kind::TRANSFER => {
                let request = decode_transfer(&body).map_err(not_understood)?;
                own(request.from_leader())?;
                Ok(Box::pin(async move {
                    or_stopped(raft.handle_transfer_leader(request).await, |response| encode_transferred(&response))
                }))
            }
            _ => Err(Declined::NotUnderstood),
        }
    }

    /// Ends a group here, without leaving it: another start takes part again.
    pub async fn close(&self, id: GroupId) {
        let core = self.0.open.lock().remove(&id);
        if let Some(core) = core {
            self.end(core).await;
        }
    }

    /// Ends all groups. The lane has to run until this returns.
    pub async fn shutdown(&self) {
        let open = std::mem::take(&mut *self.0.open.lock());
        for core in open.into_values() {
            self.end(core).await;
        }
    }

    async fn end(&self, core: Arc<Core>) {
        core.stop();
        let ended = self.0.spawner.run(async move {
            if let Err(error) = core.log.log.save_rest().await {
                tracing::warn!(%error, "a group's committed index was not saved");
            }
            if core.raft.shutdown().await.is_err() {
                tracing::error!("a group's task panicked");
            }
        });
        ended.await;
    }
}

fn or_stopped<T, E>(result: Result<T, E>, encode: impl FnOnce(T) -> Bytes) -> Bytes {
    match result {
        Ok(response) => encode(response),
        Err(_) => Declined::Stopped.encode(),
    }
}
