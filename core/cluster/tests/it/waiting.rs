//! Waiting for what a cluster is to become, and proposing until it takes it.

use forebay_cluster::testing::{Counting, Heard, Node, TestCluster};
use std::time::{Duration, Instant};

/// Looks until it is so; panics after a while.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

/// Waits for a leader and gives its id.
pub(crate) fn leader(cluster: &TestCluster) -> u64 {
    until("there is a leader", || cluster.leader().is_some());
    cluster.leader().map_or(0, |node| node.id)
}

/// Proposes ids one by one to whoever leads and returns those that were acked there.
pub(crate) fn publish(cluster: &TestCluster, ids: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut acked = Vec::new();
    for id in ids {
        let node = &cluster.nodes[&leader(cluster)];
        if node.group.propose(Counting::batch(&[id], 100), id).is_ok() && is_acked(node, id) {
            acked.push(id);
        }
    }
    acked
}

/// Waits for what becomes of a proposal.
pub(crate) fn is_acked(node: &Node, id: u64) -> bool {
    let mut outcome = None;
    until("a proposal has an outcome", || {
        outcome = node.machine.heard().into_iter().rev().find_map(|heard| match heard {
            Heard::Applied(of) if of == id => Some(true),
            Heard::Returned(of, _) if of == id => Some(false),
            _ => None,
        });
        outcome.is_some()
    });
    outcome == Some(true)
}

/// Waits until these nodes have applied the same, and gives the ids.
pub(crate) fn agreed(nodes: &[&Node]) -> Vec<u64> {
    let same = || nodes.windows(2).all(|pair| pair[0].machine.applied() == pair[1].machine.applied());
    until("the replicas have applied the same", || {
        let highest = nodes.iter().map(|node| node.group.status().last_index).max();
        nodes.iter().all(|node| Some(node.group.status().applied) == highest) && same()
    });
    nodes[0].machine.ids()
}
