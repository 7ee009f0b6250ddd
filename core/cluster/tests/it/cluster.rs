//! Three nodes: writes, refusals, failures and restarts.

use crate::waiting::{agreed, is_acked, leader, publish, until};
use forebay_cluster::testing::{Counting, Heard, NodeOptions, TestCluster, memory_store, runtime};
use forebay_cluster::{RefusedReason, Role, RoleName};
use std::time::Duration;

fn three() -> TestCluster {
    TestCluster::found((0..3).map(|_| memory_store()).collect(), NodeOptions::default())
}

#[test]
fn writes_of_the_leader_are_applied_in_the_same_order_everywhere() {
    let cluster = three();
    let node = &cluster.nodes[&leader(&cluster)];
    let mut next = 0;
    for _ in 0..200 {
        let ids: Vec<u64> = (next..next + 1 + next % 7).collect();
        next += ids.len() as u64;
        node.group.propose(Counting::batch(&ids, 50), ids[0]).unwrap();
    }
    until("all is applied", || node.machine.count() == next);
    let nodes: Vec<_> = cluster.nodes.values().collect();
    assert_eq!(agreed(&nodes), (0..next).collect::<Vec<_>>());
    // Many proposals share an entry, every one has heard, and nobody else has.
    let entries = node.group.status().last_index;
    assert!(entries < 150, "{entries} entries for 200 proposals");
    assert_eq!(node.machine.heard().len(), 200);
    for other in nodes.iter().filter(|other| other.id != node.id) {
        assert_eq!(other.machine.heard(), []);
    }
}

#[test]
fn what_is_applied_can_be_read_from_this_servers_lane() {
    let cluster = three();
    publish(&cluster, 0..20);
    let nodes: Vec<_> = cluster.nodes.values().collect();
    agreed(&nodes);
    for node in nodes {
        let places = node.machine.places();
        for (id, place) in node.machine.ids().into_iter().zip(places) {
            let record = node.store.reader().record(place).unwrap();
            assert_eq!(record.record().payload[..8], id.to_le_bytes());
        }
    }
}

#[test]
fn a_follower_refuses_and_names_the_leader() {
    let cluster = three();
    let leader = leader(&cluster);
    let follower = cluster.nodes.values().find(|node| node.id != leader).unwrap();
    until("it knows the leader", || follower.group.leader() == Some(leader));
    let refused = follower.group.propose(Counting::batch(&[1], 8), 1).unwrap_err();
    assert_eq!((refused.reason, refused.attachment), (RefusedReason::NotLeader { leader: Some(leader) }, 1));
    assert!(matches!(follower.machine.role_told(), Some(Role::Follower { leader: Some(of), .. }) if of == leader));
    let empty = cluster.nodes[&leader].group.propose(Counting::batch(&[], 8), 2).unwrap_err();
    assert_eq!(empty.reason, RefusedReason::Size);
}

#[test]
fn the_status_names_members_their_lag_and_contact() {
    let cluster = three();
    let id = leader(&cluster);
    publish(&cluster, 0..5);
    until("the others have all", || cluster.nodes[&id].group.status().members.iter().all(|m| m.lag == Some(0)));
    let status = cluster.nodes[&id].group.status();
    assert_eq!((status.role, status.leader, status.members.len()), (RoleName::Leader, Some(id), 3));
    assert_eq!((status.commit_index, status.applied), (status.last_index, status.last_index));
    assert!(status.is_initialized && !status.is_changing && status.elections >= 1);
    for member in status.members {
        assert_eq!((member.voter, member.member.name), (true, format!("s{}", member.id)));
        assert!(member.last_contact.is_some_and(|ago| ago < Duration::from_secs(2)), "{:?}", member.last_contact);
    }
    let metrics = cluster.nodes[&id].group.metrics();
    assert_eq!((metrics.role.label(), metrics.apply_lag, metrics.commit_index), ("leader", 0, status.commit_index));
}

#[test]
fn another_leads_within_three_seconds_and_no_ack_is_lost() {
    let mut cluster = three();
    let (mut acked, mut times) = (Vec::new(), Vec::new());
    for round in 0..3u64 {
        acked.extend(publish(&cluster, round * 100..round * 100 + 20));
        let killed = leader(&cluster);
        // Some are on their way while it dies.
        for id in 0..10 {
            let _ = cluster.nodes[&killed].group.propose(Counting::batch(&[round * 100 + 50 + id], 100), 1000);
        }
        cluster.kill(killed);
        times.push(until("another leads", || cluster.leader().is_some()));
        acked.extend(publish(&cluster, round * 100 + 70..round * 100 + 80));
        cluster.start(killed);
    }
    println!("another led after {times:?}");
    assert!(times.iter().all(|time| *time < Duration::from_secs(3)), "{times:?}");
    let ids = agreed(&cluster.nodes.values().collect::<Vec<_>>());
    assert!(acked.iter().all(|id| ids.contains(id)), "{acked:?} are not all in {ids:?}");
}

#[test]
fn all_three_come_back_with_everything_after_they_were_killed_at_once() {
    let mut cluster = three();
    let mut acked = publish(&cluster, 0..30);
    for round in 0..2 {
        for id in cluster.ids() {
            cluster.kill(id);
        }
        for id in cluster.ids() {
            cluster.start(id);
        }
        leader(&cluster);
        acked.extend(publish(&cluster, 100 * (round + 1)..100 * (round + 1) + 5));
    }
    assert_eq!(agreed(&cluster.nodes.values().collect::<Vec<_>>()), acked);
}

#[test]
fn a_node_that_was_shut_down_applies_its_log_before_anybody_speaks_to_it() {
    let mut cluster = three();
    let acked = publish(&cluster, 0..10);
    agreed(&cluster.nodes.values().collect::<Vec<_>>());
    for id in cluster.ids() {
        cluster.nodes.remove(&id).unwrap().stop();
    }
    cluster.start(2);
    assert_eq!(cluster.nodes[&2].machine.ids(), acked);
    assert!(!cluster.nodes[&2].group.is_leading());
}

#[test]
fn a_minority_refuses_and_what_it_had_taken_is_not_acked() {
    let cluster = three();
    publish(&cluster, 0..5);
    let old = leader(&cluster);
    cluster.wire.isolate(old, &cluster.ids());
    let propose = |id| cluster.nodes[&old].group.propose(Counting::batch(&[id], 2 << 20), id);
    let taken = (500..520).filter(|id| propose(*id).is_ok()).count();
    assert!((3..20).contains(&taken), "the queue has a bound: {taken}");
    until("the others have a leader", || cluster.nodes.values().any(|n| n.id != old && n.group.is_leading()));
    until("the minority knows that it is one", || !cluster.nodes[&old].group.is_leading());
    let refused = cluster.nodes[&old].group.propose(Counting::batch(&[1], 8), 1).unwrap_err();
    assert!(matches!(refused.reason, RefusedReason::NotLeader { .. }));
    let next = cluster.nodes.values().find(|node| node.id != old && node.group.is_leading()).unwrap();
    next.group.propose(Counting::batch(&[9], 8), 9).unwrap();
    assert!(is_acked(next, 9));
    cluster.wire.heal();
    let ids = agreed(&cluster.nodes.values().collect::<Vec<_>>());
    assert_eq!(ids, [0, 1, 2, 3, 4, 9]);
    // Each that was taken has heard once, and none of them that it was applied.
    let heard = || cluster.nodes[&old].machine.heard();
    until("all have heard", || heard().iter().filter(|heard| is_of(heard, 500..520)).count() >= taken);
    let heard = heard();
    assert_eq!(heard.iter().filter(|heard| is_of(heard, 500..520)).count(), taken);
    assert!(!heard.iter().any(|heard| matches!(heard, Heard::Applied(500..520))), "{heard:?}");
}

fn is_of(heard: &Heard, ids: std::ops::Range<u64>) -> bool {
    let (Heard::Applied(id) | Heard::Returned(id, _)) = heard;
    ids.contains(id)
}

#[test]
fn the_leader_can_be_asked_to_hand_over() {
    let cluster = three();
    publish(&cluster, 0..5);
    let old = leader(&cluster);
    let next = cluster.ids().into_iter().find(|id| *id != old).unwrap();
    runtime().block_on(cluster.nodes[&old].group.transfer_leader(next)).unwrap();
    let took = until("it has taken over", || cluster.nodes[&next].group.is_leading());
    println!("took over after {took:?}");
    assert!(!cluster.nodes[&old].group.is_leading());
    publish(&cluster, 5..8);
    assert_eq!(agreed(&cluster.nodes.values().collect::<Vec<_>>()), (0..8).collect::<Vec<_>>());
    let nobody = runtime().block_on(cluster.nodes[&next].group.transfer_leader(77));
    assert!(nobody.is_err());
}

#[test]
fn a_slow_wire_is_only_slow() {
    let cluster = three();
    leader(&cluster);
    cluster.wire.delay(Duration::from_millis(40));
    let acked = publish(&cluster, 0..10);
    assert_eq!(acked.len(), 10);
    assert_eq!(agreed(&cluster.nodes.values().collect::<Vec<_>>()), acked);
}

#[cfg(feature = "mutants")]
mod mutants {
    use super::*;
    use forebay_cluster::mutant;

    /// Writes on a leader whose followers cannot write: whether anything was acked.
    fn acked_without_followers(name: Option<&'static str>) -> bool {
        mutant::choose(name);
        let cluster = three();
        mutant::choose(None);
        let id = leader(&cluster);
        publish(&cluster, 0..3);
        for node in cluster.nodes.values().filter(|node| node.id != id) {
            node.store.lane().close();
        }
        let node = &cluster.nodes[&id];
        let before = node.machine.heard().len();
        let _ = node.group.propose(Counting::batch(&[9], 8), 9);
        std::thread::sleep(Duration::from_millis(300));
        node.machine.heard().len() > before
    }

    #[test]
    fn an_ack_before_the_majority_is_caught() {
        assert!(!acked_without_followers(None));
        assert!(acked_without_followers(Some(mutant::ACK_BEFORE_MAJORITY)));
    }
}
