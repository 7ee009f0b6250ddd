//! What is known of a group: for `stream info`, `/metrics` and whoever decides on memberships.

use super::entry::{Types, term_of};
use crate::machine::{Member, NodeId};
use openraft::{RaftMetrics, ServerState};
use std::time::Duration;

/// A role's name, as metrics have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleName {
    /// Leads.
    Leader,
    /// Follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Only listens, or is no member.
    Learner,
    /// Has stopped.
    Stopped,
}

impl RoleName {
    /// The `role` label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            RoleName::Leader => "leader",
            RoleName::Follower => "follower",
            RoleName::Candidate => "candidate",
            RoleName::Learner => "learner",
            RoleName::Stopped => "stopped",
        }
    }
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its node id.
    pub id: NodeId,
    /// Its name and address.
    pub member: Member,
    /// Whether it votes, in any of the configurations of a change that goes on.
    pub voter: bool,
    /// Up to which index its log is known to agree; only the leader knows.
    pub matched: Option<u64>,
    /// Entries that it does not have yet; only the leader knows.
    pub lag: Option<u64>,
    /// How long ago it answered; only the leader knows, and of itself it is zero.
    pub last_contact: Option<Duration>,
}

/// A group as this server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// This server's role.
    pub role: RoleName,
    /// The term.
    pub term: u64,
    /// Who leads, if that is known.
    pub leader: Option<NodeId>,
    /// The highest committed index that this server knows; 0 before there is one.
    pub commit_index: u64,
    /// The highest applied index.
    pub applied: u64,
    /// The highest index in the log.
    pub last_index: u64,
    /// Elections that this server began since it was started.
    pub elections: u64,
    /// A change of the membership is not finished.
    pub is_changing: bool,
    /// Whether the group was ever initialised, as far as this server knows.
    pub is_initialized: bool,
    /// The members.
    pub members: Vec<MemberStatus>,
}

/// `forebay_raft_…` of one group; the label is the exporter's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupMetrics {
    /// Label `role`.
    pub role: RoleName,
    /// The term.
    pub term: u64,
    /// The highest committed index.
    pub commit_index: u64,
    /// Committed entries that are not applied yet.
    pub apply_lag: u64,
    /// Elections that this server began.
    pub elections_total: u64,
}

fn role_name(metrics: &RaftMetrics<Types>) -> RoleName {
    if metrics.running_state.is_err() {
        return RoleName::Stopped;
    }
    match metrics.state {
        ServerState::Learner => RoleName::Learner,
        ServerState::Follower => RoleName::Follower,
        ServerState::Candidate => RoleName::Candidate,
        ServerState::Leader => RoleName::Leader,
        ServerState::Shutdown => RoleName::Stopped,
    }
}

pub(super) fn metrics_of(metrics: &RaftMetrics<Types>, elections: u64) -> GroupMetrics {
    let commit_index = metrics.local_committed.map_or(0, |id| id.index());
    let applied = metrics.last_applied.map_or(0, |id| id.index());
    GroupMetrics {
        role: role_name(metrics),
        term: metrics.current_term,
        commit_index,
        apply_lag: commit_index.saturating_sub(applied),
        elections_total: elections,
    }
}

pub(super) fn status_of(metrics: &RaftMetrics<Types>, elections: u64) -> GroupStatus {
    let last_index = metrics.last_log_index.unwrap_or(0);
    let membership = metrics.membership_config.membership();
    let member = |(id, member): (&NodeId, &Member)| {
        let is_self = *id == metrics.id && metrics.state == ServerState::Leader;
        let replicated = metrics.replication.as_ref().and_then(|matched| matched.get(id)).copied().flatten();
        let matched = if is_self { metrics.last_log_index } else { replicated.map(|id| id.index()) };
        let heard = metrics.heartbeat.as_ref().and_then(|heard| heard.get(id)).and_then(|at| at.as_ref());
        let contact = heard.map(|at| openraft::Instant::elapsed(&**at));
        MemberStatus {
            id: *id,
            member: member.clone(),
            voter: membership.voter_ids().any(|voter| voter == *id),
            matched,
            lag: metrics.replication.as_ref().map(|_| last_index.saturating_sub(matched.unwrap_or(0))),
            last_contact: if is_self { Some(Duration::ZERO) } else { contact },
        }
    };
    GroupStatus {
        role: role_name(metrics),
        term: metrics.current_term,
        leader: metrics.current_leader,
        commit_index: metrics.local_committed.map_or(0, |id| id.index()),
        applied: metrics.last_applied.map_or(0, |id| id.index()),
        last_index,
        elections,
        is_changing: membership.get_joint_config().len() > 1
            || metrics.membership_config.log_id() != metrics.committed_membership_config.log_id(),
        is_initialized: metrics.last_log_index.is_some() || term_of_applied(metrics).is_some(),
        members: membership.nodes().map(member).collect(),
    }
}

fn term_of_applied(metrics: &RaftMetrics<Types>) -> Option<u64> {
    metrics.last_applied.as_ref().map(term_of)
}
