//! A wiped node under a new id, and what its old id can still do.

use crate::waiting::{agreed, leader, publish, until};
use forebay_cluster::birth::{Admission, Membership, admit};
use forebay_cluster::testing::{Node, NodeOptions, TestCluster, memory_store, runtime};
use forebay_cluster::{Group, GroupStatus, Member, RoleName};
use std::collections::BTreeSet;
use std::time::Duration;

fn three() -> TestCluster {
    TestCluster::found((0..3).map(|_| memory_store()).collect(), NodeOptions::default())
}

fn membership(status: &GroupStatus) -> Membership {
    let of = |voter| status.members.iter().filter(move |member| member.voter == voter).map(|member| member.id);
    Membership {
        voters: of(true).collect(),
        learners: of(false).collect(),
        members: status.members.iter().map(|member| (member.id, member.member.clone())).collect(),
        is_changing: status.is_changing,
    }
}

/// What the leader does for a joiner, step by step, as the wiring will.
fn take_in(group: &Group<u64>, joiner: u64, member: &Member) -> Vec<&'static str> {
    let mut steps = Vec::new();
    until("the joiner votes", || {
        let status = group.status();
        let lag = status.members.iter().find(|member| member.id == joiner).and_then(|member| member.lag);
        match admit(joiner, member, &membership(&status), lag, true) {
            Admission::Done => true,
            Admission::Wait => false,
            Admission::AddLearner => {
                runtime().block_on(group.add_learner(joiner, member.clone())).unwrap();
                steps.push("learner");
                false
            }
            Admission::RemoveLearners(learners) => {
                steps.push("former learner out");
                runtime().block_on(group.remove_learners(learners)).unwrap();
                false
            }
            Admission::ChangeVoters(voters) => {
                steps.push(if voters.contains(&joiner) { "voter" } else { "former self out" });
                runtime().block_on(group.change_voters(voters)).unwrap();
                false
            }
        }
    });
    steps
}

#[test]
fn a_wiped_node_comes_back_under_a_new_id_and_its_old_id_counts_for_nothing() {
    let mut cluster = three();
    let acked = publish(&cluster, 0..300);
    let lost = cluster.ids().into_iter().find(|id| *id != leader(&cluster)).unwrap();
    cluster.kill(lost);
    let old_folder = cluster.storages.remove(&lost).unwrap();
    cluster.storages.insert(9, memory_store());
    cluster.start(9);
    assert_eq!(cluster.nodes[&9].machine.ids(), []);
    let member = Member { name: format!("s{lost}"), address: "elsewhere".into() };
    let steps = take_in(&cluster.nodes[&leader(&cluster)].group, 9, &member);
    assert_eq!(steps, ["learner", "former self out", "voter"]);
    assert_eq!(agreed(&cluster.nodes.values().collect::<Vec<_>>()), acked);
    let voters: BTreeSet<u64> = cluster.nodes[&9].group.status().members.iter().map(|m| m.id).collect();
    assert_eq!(voters, cluster.ids().into_iter().collect());
    until("it follows", || cluster.nodes[&9].group.status().role == RoleName::Follower);

    // The old folder under the old id, with one node that is left: two of the former three, and no majority.
    let left = cluster.ids().into_iter().find(|id| *id != 9).unwrap();
    for id in cluster.ids() {
        if id != left {
            cluster.kill(id);
        }
    }
    let ghost = Node::start(lost, old_folder, &cluster.wire, &NodeOptions::default());
    std::thread::sleep(Duration::from_secs(6));
    assert!(!ghost.group.is_leading() && !cluster.nodes[&left].group.is_leading());
    assert!(ghost.group.status().role != RoleName::Leader && cluster.nodes[&left].group.status().term > 0);
    drop(ghost);
    cluster.start(9);
    until("the true majority elects", || cluster.leader().is_some());
}

#[test]
fn a_learner_hears_everything_and_does_not_vote() {
    let mut cluster = three();
    let acked = publish(&cluster, 0..50);
    cluster.storages.insert(9, memory_store());
    cluster.start(9);
    let group = cluster.nodes[&leader(&cluster)].group.clone();
    runtime().block_on(group.add_learner(9, Member::default())).unwrap();
    assert_eq!(agreed(&cluster.nodes.values().collect::<Vec<_>>()), acked);
    assert_eq!(cluster.nodes[&9].group.status().role, RoleName::Learner);
    assert_eq!(group.status().members.iter().filter(|member| member.voter).count(), 3);
}

#[test]
fn a_wiped_learner_comes_back_as_a_learner_alone() {
    let mut cluster = three();
    publish(&cluster, 0..5);
    for id in [8, 9] {
        cluster.storages.insert(id, memory_store());
        cluster.start(id);
    }
    let group = cluster.nodes[&leader(&cluster)].group.clone();
    let member = Member { name: "listener".into(), address: String::new() };
    runtime().block_on(group.add_learner(8, member.clone())).unwrap();
    cluster.kill(8);
    let steps = take_in(&group, 9, &member);
    assert_eq!(steps, ["learner", "former learner out", "voter"]);
    assert!(!group.status().members.iter().any(|member| member.id == 8));
}
