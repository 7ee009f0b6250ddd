//! One group as the rest of the server sees it.

use super::entry::{Rt, Types, term_of};
use super::groups::Spawner;
use super::log::LogStore;
use super::pump::Queue;
use super::state_machine::StateMachine;
use super::status::{GroupMetrics, GroupStatus, metrics_of, status_of};
use crate::batch::Batch;
use crate::limits::LEASE;
use crate::machine::{GroupId, Member, NodeId, Refused, RefusedReason, Role};
use futures::channel::oneshot;
use futures::future::{Either, select};
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, InitializeError, RaftError};
use openraft::metrics::{RaftDataMetrics, RaftServerMetrics};
use openraft::type_config::alias::{SerdeInstantOf, StoredMembershipOf, WatchReceiverOf};
use openraft::{ChangeMembers, Instant, Raft, ServerState};
use openraft_rt::AsyncRuntime;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(super) type Node = Raft<Types, StateMachine>;

/// Why a change of a group was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Ask the leader.
    #[error("not the leader")]
    NotLeader {
        /// Who leads, if that is known.
        leader: Option<NodeId>,
    },
    /// Another change is not finished.
    #[error("another change of the group is not finished")]
    InProgress,
    /// The group has members already.
    #[error("the group is initialised already")]
    Initialized,
    /// The change makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The group has stopped, or the change lost its place in the log: look at the status.
    #[error("the outcome is not known")]
    Unknown,
}

/// What the tasks of a group share.
pub(super) struct Core {
    pub(super) id: GroupId,
    pub(super) node: NodeId,
    pub(super) raft: Node,
    pub(super) log: LogStore,
    pub(super) spawner: Arc<Spawner>,
    leading: AtomicBool,
    /// 0 if nobody leads.
    leader: AtomicU64,
    stopped: AtomicBool,
}

impl Core {
    pub(super) fn new(id: GroupId, node: NodeId, raft: Node, log: LogStore, spawner: Arc<Spawner>) -> Core {
        let (leading, leader, stopped) = (AtomicBool::new(false), AtomicU64::new(0), AtomicBool::new(false));
        Core { id, node, raft, log, spawner, leading, leader, stopped }
    }

    /// Whether this node leads and has applied what came before its term.
    pub(super) fn is_leading(&self) -> bool {
        self.leading.load(Ordering::Acquire)
    }

    pub(super) fn leader(&self) -> Option<NodeId> {
        let leader = self.leader.load(Ordering::Acquire);
        (leader != 0).then_some(leader)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Whether a majority has not answered for a while.
    pub(super) fn is_silent(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        !is_heard(metrics.last_quorum_acked.as_ref(), &metrics.membership_config)
    }

    pub(super) fn stop(&self) {
        self.leading.store(false, Ordering::Release);
        self.stopped.store(true, Ordering::Release);
    }

    /// The role, and whether it may become another one without a change of raft's state.
    fn role_now(&self, server: &RaftServerMetrics<Types>, data: &RaftDataMetrics<Types>) -> (Role, bool) {
        let term = server.vote.leader_id.term;
        let leader = server.current_leader;
        match server.state {
            ServerState::Leader => {
                let applied = data.last_applied.as_ref().is_some_and(|id| term_of(id) == term);
                if applied && is_heard(data.last_quorum_acked.as_ref(), &server.membership_config) {
                    (Role::Leader { term }, true)
                } else {
                    (Role::Follower { term, leader: None }, true)
                }
            }
            ServerState::Learner => (Role::Learner { term, leader }, false),
            ServerState::Follower | ServerState::Candidate => (Role::Follower { term, leader }, false),
            ServerState::Shutdown => (Role::Follower { term, leader: None }, false),
        }
    }

    /// Watches the role, tells the machine of changes in order with what it applies, and wakes the pump.
    pub(super) async fn watch_role(self: Arc<Self>, changed: impl Fn() + Send + 'static) {
        let mut server = self.raft.server_metrics();
        let mut data = self.raft.data_metrics();
        let mut told = None;
        loop {
            let (role, is_loose) = self.role_now(&server.borrow_watched(), &data.borrow_watched());
            if told != Some(role) {
                told = Some(role);
                if !self.tell(role).await {
                    break;
                }
                changed();
            }
            if self.wait_for_change(&mut server, &mut data, role, is_loose).await.is_err() || self.is_stopped() {
                break;
            }
        }
        self.stop();
        changed();
    }

    /// A leader that is not ready waits for what it applies; one that is, for its peers' silence.
    async fn wait_for_change(
        &self,
        server: &mut WatchReceiverOf<Types, RaftServerMetrics<Types>>,
        data: &mut WatchReceiverOf<Types, RaftDataMetrics<Types>>,
        role: Role,
        is_loose: bool,
    ) -> Result<(), ()> {
        let changed = pin!(server.changed());
        if !is_loose {
            return changed.await.map_err(drop);
        }
        let pause = pin!(Rt::sleep(LEASE / 2));
        let ended = if role.is_leader() {
            matches!(select(changed, pause).await, Either::Left((Err(_), _)))
        } else {
            let applied = pin!(data.changed());
            matches!(select(changed, select(applied, pause)).await, Either::Left((Err(_), _)))
        };
        if ended { Err(()) } else { Ok(()) }
    }

    async fn tell(&self, role: Role) -> bool {
        let leader = match role {
            Role::Leader { .. } => Some(self.node),
            Role::Follower { leader, .. } | Role::Learner { leader, .. } => leader,
        };
        self.leader.store(leader.unwrap_or(0), Ordering::Release);
        if !role.is_leader() {
            self.leading.store(false, Ordering::Release);
        }
        let (tell, told) = oneshot::channel();
        let request = self.raft.external_state_machine_request(move |machine: &mut StateMachine| {
            machine.tell(role);
            let _ = tell.send(());
            Box::pin(async {})
        });
        let is_told = request.await.is_ok() && told.await.is_ok();
        // Proposals come only after the machine knows that it leads.
        self.leading.store(is_told && role.is_leader(), Ordering::Release);
        is_told
    }
}

/// Whether a majority has answered lately. openraft's leader stays one without, and only refuses to write.
fn is_heard(acked: Option<&SerdeInstantOf<Types>>, members: &StoredMembershipOf<Types>) -> bool {
    acked.is_some_and(|at| Instant::elapsed(&**at) < LEASE * 2) || members.voter_ids().count() <= 1
}

/// A handle of one group. Cheap to clone; any thread may use it.
pub struct Group<A> {
    pub(super) core: Arc<Core>,
    pub(super) queue: Arc<Queue<A>>,
}

impl<A> Clone for Group<A> {
    fn clone(&self) -> Self {
        Group { core: self.core.clone(), queue: self.queue.clone() }
    }
}

impl<A> std::fmt::Debug for Group<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("id", &self.core.id).field("node", &self.core.node).finish_non_exhaustive()
    }
}

impl<A: Send + 'static> Group<A> {
    /// Proposes a batch. Never waits. If it was taken, the attachment comes to the machine's `apply` on this server,
    /// or to the group's `returned`.
    ///
    /// # Errors
    /// Nothing was logged, and the attachment is in the refusal.
    pub fn propose(&self, batch: Batch, attachment: A) -> Result<(), Refused<A>> {
        if !self.core.is_leading() {
            let stopped = self.core.is_stopped();
            let not_leader = RefusedReason::NotLeader { leader: self.core.leader() };
            let reason = if stopped { RefusedReason::Stopped } else { not_leader };
            return Err(Refused { reason, attachment });
        }
        self.queue.push(batch, attachment)
    }

    /// Which group it is.
    #[must_use]
    pub fn id(&self) -> GroupId {
        self.core.id
    }

    /// Whether this server leads the group and has applied what came before its term.
    #[must_use]
    pub fn is_leading(&self) -> bool {
        self.core.is_leading()
    }

    /// Who leads, if that is known.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.core.leader()
    }

    /// All that is known of the group.
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        status_of(&self.core.raft.metrics().borrow_watched(), self.core.log.log.elections())
    }

    /// The rows of `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> GroupMetrics {
        metrics_of(&self.core.raft.metrics().borrow_watched(), self.core.log.log.elections())
    }

    /// Gives the group its first members; on one node, once in the life of a group.
    ///
    /// # Errors
    /// `Initialized` if it has any.
    pub async fn initialize(&self, members: BTreeMap<NodeId, Member>) -> Result<(), ChangeError> {
        let raft = self.core.raft.clone();
        self.on_raft(async move {
            match raft.initialize(members).await {
                Ok(()) => Ok(()),
                Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Err(ChangeError::Initialized),
                Err(RaftError::APIError(InitializeError::NotInMembers(error))) => {
                    Err(ChangeError::Invalid(error.to_string()))
                }
                Err(RaftError::Fatal(_)) => Err(ChangeError::Unknown),
            }
        })
        .await
    }

    /// Adds a node that listens and does not vote. Returns when that is committed; `status` says when it has caught up.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn add_learner(&self, id: NodeId, member: Member) -> Result<(), ChangeError> {
        let raft = self.core.raft.clone();
        self.on_raft(async move { raft.add_learner(id, member, false).await.map(drop).map_err(refused) }).await
    }

    /// Makes exactly these nodes the voters; each has to be a member. Voters that are left out leave the group,
    /// learners stay. Returns when it is committed.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change_voters(&self, voters: BTreeSet<NodeId>) -> Result<(), ChangeError> {
        let raft = self.core.raft.clone();
        self.on_raft(async move { raft.change_membership(voters, false).await.map(drop).map_err(refused) }).await
    }

    /// Takes learners out of the group. Returns when it is committed.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn remove_learners(&self, learners: BTreeSet<NodeId>) -> Result<(), ChangeError> {
        let raft = self.core.raft.clone();
        let change = ChangeMembers::RemoveNodes(learners);
        self.on_raft(async move { raft.change_membership(change, false).await.map(drop).map_err(refused) }).await
    }

    /// Asks another voter to take over. Returns when it was asked; the role says what came of it.
    ///
    /// # Errors
    /// `NotLeader` here, `Invalid` if the other is no voter.
    pub async fn transfer_leader(&self, to: NodeId) -> Result<(), ChangeError> {
        let status = self.status();
        if !self.is_leading() {
            return Err(ChangeError::NotLeader { leader: self.leader() });
        }
        if !status.members.iter().any(|member| member.id == to && member.voter) {
            return Err(ChangeError::Invalid(format!("node {to:x} is no voter of the group")));
        }
        let raft = self.core.raft.clone();
        self.on_raft(async move { raft.trigger().transfer_leader(to).await.map_err(|_| ChangeError::Unknown) }).await
    }

    /// Begins an election here, after asking whether it could be won.
    ///
    /// # Errors
    /// If the group has stopped.
    pub async fn elect(&self) -> Result<(), ChangeError> {
        let raft = self.core.raft.clone();
        self.on_raft(async move { raft.trigger().elect(true).await.map_err(|_| ChangeError::Unknown) }).await
    }

    /// Runs on the raft thread, where openraft finds its runtime.
    async fn on_raft<R: Send + 'static>(
        &self,
        act: impl Future<Output = Result<R, ChangeError>> + Send + 'static,
    ) -> Result<R, ChangeError> {
        self.core.spawner.run(act).await.unwrap_or(Err(ChangeError::Unknown))
    }
}

fn refused(error: RaftError<Types, ClientWriteError<Types>>) -> ChangeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => ChangeError::NotLeader { leader: to.leader_id },
        RaftError::APIError(ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_))) => {
            ChangeError::InProgress
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => ChangeError::Invalid(error.to_string()),
        RaftError::APIError(_) | RaftError::Fatal(_) => ChangeError::Unknown,
    }
}
