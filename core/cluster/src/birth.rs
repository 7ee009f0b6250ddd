//! Who founds a cluster, who joins one, and who may not: the rules of DESIGN §4.4 as a pure machine.
//!
//! A step takes what is seen now (no memory between steps but what is on the disk) and says what to do. Doing the same
//! twice is harmless: founding is refused by a group that has members, and joining twice is one join.
//!
//! One server founds: the lowest name among exactly `size` empty ones. All empty ones therefore have to see the same
//! `size` servers; who sees more or fewer waits. A server that was empty when it was seen and has been born since says
//! so by its cluster id, and then everybody else joins.

use crate::machine::{Member, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Made by the founder, the same for all servers of a cluster, for ever.
pub type ClusterId = u64;

/// This server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Its node id, which is made with the store.
    pub node: NodeId,
    /// Its name and address.
    pub member: Member,
    /// The cluster's name in its configuration.
    pub cluster_name: String,
    /// How many servers have to be there for a birth: `[cluster] size`.
    pub size: usize,
    /// The cluster it belongs to, if its store says so.
    pub cluster_id: Option<ClusterId>,
    /// Whether its store never took part in raft.
    pub is_empty: bool,
}

/// Another server, as its handshake described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its node id.
    pub node: NodeId,
    /// Its name and address.
    pub member: Member,
    /// The cluster's name in its configuration.
    pub cluster_name: String,
    /// The cluster it belongs to.
    pub cluster_id: Option<ClusterId>,
    /// Whether its store never took part in raft.
    pub is_empty: bool,
}

/// A group's membership as this server knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Membership {
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who listens.
    pub learners: BTreeSet<NodeId>,
    /// Names and addresses of both.
    pub members: BTreeMap<NodeId, Member>,
    /// A change is not finished.
    pub is_changing: bool,
}

impl Membership {
    fn has(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.learners.contains(&node)
    }
}

/// Why a server may not take part, or does not get further without a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The peer's configuration names another cluster.
    #[error("server {peer} is of cluster {theirs:?}, this one of {ours:?}")]
    OtherName {
        /// Whom it is about.
        peer: String,
        /// What it says.
        theirs: String,
        /// What this server says.
        ours: String,
    },
    /// The peer belongs to another cluster of the same name.
    #[error("server {peer} belongs to another cluster: {theirs:016x} instead of {ours:016x}")]
    OtherCluster {
        /// Whom it is about.
        peer: String,
        /// Its cluster.
        theirs: ClusterId,
        /// This server's.
        ours: ClusterId,
    },
    /// Two peers of an empty server belong to different clusters: which one to join?
    #[error("servers {first} and {second} belong to different clusters")]
    Divided {
        /// One.
        first: String,
        /// Another.
        second: String,
    },
    /// Two servers have one name, or one node id.
    #[error("two servers are called {name}")]
    SameName {
        /// The name.
        name: String,
    },
    /// The store took part in raft and has lost the cluster's id: it has to be wiped.
    #[error("the store has taken part in a cluster and does not know which: it has to be wiped")]
    Lost,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: not enough is seen, or somebody else has to act.
    Wait {
        /// For what, in words.
        why: &'static str,
    },
    /// Make a cluster id, write it, and initialise every group with these members.
    Found {
        /// Node id and description of each, this server among them.
        members: BTreeMap<NodeId, Member>,
    },
    /// Write this cluster id and ask one of these peers to be taken in as a learner.
    Join {
        /// The cluster.
        cluster: ClusterId,
        /// Whom to ask; each knows the leader or leads.
        through: Vec<NodeId>,
    },
    /// Do not talk to this peer.
    Refuse {
        /// Whom.
        peer: NodeId,
        /// Why.
        why: Refusal,
    },
    /// Stop: this server cannot take part.
    Stop {
        /// Why.
        why: Refusal,
    },
    /// This server belongs to its cluster; raft does the rest.
    Run,
}

/// The next step of a server that sees these peers.
#[must_use]
pub fn step(own: &Own, peers: &[Seen]) -> Step {
    if let Some((peer, why)) = peers.iter().find_map(|peer| refusal(own, peer).map(|why| (peer.node, why))) {
        return Step::Refuse { peer, why };
    }
    if own.cluster_id.is_some() {
        return Step::Run;
    }
    if !own.is_empty {
        return Step::Stop { why: Refusal::Lost };
    }
    let born: Vec<&Seen> = peers.iter().filter(|peer| peer.cluster_id.is_some()).collect();
    if let Some(first) = born.first() {
        if let Some(second) = born.iter().find(|peer| peer.cluster_id != first.cluster_id) {
            let (first, second) = (first.member.name.clone(), second.member.name.clone());
            return Step::Stop { why: Refusal::Divided { first, second } };
        }
        let through = born.iter().map(|peer| peer.node).collect();
        return Step::Join { cluster: first.cluster_id.unwrap_or_default(), through };
    }
    if peers.iter().any(|peer| !peer.is_empty) {
        return Step::Wait { why: "a peer has taken part in a cluster and does not say in which" };
    }
    if let Some(name) = same_name(own, peers) {
        return Step::Stop { why: Refusal::SameName { name } };
    }
    if peers.len() + 1 < own.size {
        return Step::Wait { why: "not all servers of the cluster are there yet" };
    }
    if peers.len() + 1 > own.size {
        return Step::Wait { why: "more empty servers are there than the cluster is to have" };
    }
    if peers.iter().any(|peer| peer.member.name < own.member.name) {
        return Step::Wait { why: "another server founds the cluster" };
    }
    let mut members: BTreeMap<NodeId, Member> = peers.iter().map(|peer| (peer.node, peer.member.clone())).collect();
    members.insert(own.node, own.member.clone());
    Step::Found { members }
}

/// Why this server does not talk to a peer.
#[must_use]
pub fn refusal(own: &Own, peer: &Seen) -> Option<Refusal> {
    let name = || peer.member.name.clone();
    if peer.cluster_name != own.cluster_name {
        let (theirs, ours) = (peer.cluster_name.clone(), own.cluster_name.clone());
        return Some(Refusal::OtherName { peer: name(), theirs, ours });
    }
    match (own.cluster_id, peer.cluster_id) {
        (Some(ours), Some(theirs)) if ours != theirs => Some(Refusal::OtherCluster { peer: name(), theirs, ours }),
        _ => None,
    }
}

fn same_name(own: &Own, peers: &[Seen]) -> Option<String> {
    let mut names = BTreeSet::from([own.member.name.as_str()]);
    let mut nodes = BTreeSet::from([own.node]);
    let twice = peers.iter().find(|peer| !names.insert(&peer.member.name) || !nodes.insert(peer.node));
    twice.map(|peer| peer.member.name.clone())
}

/// What a leader does next with one group for a server that wants to be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is a voter.
    Done,
    /// Look again later.
    Wait,
    /// Add it as a learner.
    AddLearner,
    /// Make exactly these the voters; a voter that is left out leaves the group.
    ChangeVoters(BTreeSet<NodeId>),
    /// Take these learners out.
    RemoveLearners(BTreeSet<NodeId>),
}

/// Takes a server into a group: first as a learner; then every older node of the same name leaves; then, when it has
/// caught up, it becomes a voter, if it is to be one. One change at a time, so that a crash between two is harmless.
///
/// `lag` is what the joiner's log lacks, if the leader knows it; `wants_vote` says whether it is to vote at all.
#[must_use]
pub fn admit(joiner: NodeId, member: &Member, group: &Membership, lag: Option<u64>, wants_vote: bool) -> Admission {
    if group.is_changing {
        return Admission::Wait;
    }
    if !group.has(joiner) {
        return Admission::AddLearner;
    }
    let is_former =
        |id: &&NodeId| **id != joiner && group.members.get(*id).is_some_and(|other| other.name == member.name);
    let rest: BTreeSet<NodeId> = group.voters.iter().filter(|id| !is_former(id)).copied().collect();
    if rest.len() < group.voters.len() {
        // A group whose only voter was wiped has lost everything; there is nobody who could admit its successor.
        return if rest.is_empty() { Admission::Wait } else { Admission::ChangeVoters(rest) };
    }
    let learners: BTreeSet<NodeId> = group.learners.iter().filter(is_former).copied().collect();
    if !learners.is_empty() {
        return Admission::RemoveLearners(learners);
    }
    if group.voters.contains(&joiner) || !wants_vote {
        return Admission::Done;
    }
    match lag {
        Some(lag) if lag <= CAUGHT_UP_ENTRIES => {
            let mut voters = group.voters.clone();
            voters.insert(joiner);
            Admission::ChangeVoters(voters)
        }
        _ => Admission::Wait,
    }
}

/// A learner that lacks no more entries than this may become a voter.
pub const CAUGHT_UP_ENTRIES: u64 = 64;

#[cfg(test)]
mod tests;
