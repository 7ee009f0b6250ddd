//! One node on a disk that loses what was not synced: what was reported as durable is there afterwards.

use forebay_cluster::testing::{
    Counting, Heard, Node, NodeOptions, Signals, TestLane, Wire, founding_members, runtime,
};
use forebay_cluster::{GroupId, Groups, GroupsConfig, LogOptions, OnRuntime, RaftLogs, RefusedReason, RoleName};
use forebay_store::storage::Storage;
use forebay_store::storage::faulty::FaultyStorage;
use forebay_store::{Config, Lane, Step, Store};
use std::sync::Arc;
use std::time::Duration;

/// A node whose lane moves only when it is told to, on the runtime of the test.
struct Still {
    lane: Lane<TestLane>,
    _groups: Groups,
    machine: Counting,
    group: forebay_cluster::Group<u64>,
    _store: Arc<Store<TestLane>>,
}

fn config() -> Config {
    NodeOptions::default().config
}

async fn start(disk: &FaultyStorage, wire: &Wire) -> Still {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let opened = Store::<TestLane>::open(storage, config()).unwrap();
    let logs = RaftLogs::recover(&opened.store, &opened.recovered, LogOptions { inline_reads: true }).unwrap();
    let spawn = Arc::new(OnRuntime(tokio::runtime::Handle::current()));
    let groups =
        Groups::new(GroupsConfig { node: 1, cluster: "t".into(), seed: 1, logs, spawn }, wire.port(1)).unwrap();
    let machine = Counting::default();
    let group = groups.open(GroupId(1), machine.clone(), machine.returned()).await.unwrap();
    wire.plug(groups.clone());
    Still { lane: opened.lane, _groups: groups, machine, group, _store: opened.store }
}

impl Still {
    /// Lets everything go on for a while; the lane writes only if `writes`.
    async fn live(&mut self, writes: bool, rounds: u32) {
        for _ in 0..rounds {
            while writes && self.lane.step(&mut Signals) == Step::Wrote {}
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What a life reported, and what the next one found.
#[derive(Debug, Default)]
struct Found {
    /// Ids that the first life acked.
    acked: Vec<u64>,
    /// Ids in the second life's log, applied once a leader is there.
    kept: Vec<u64>,
    /// The term that the first life reported.
    term: u64,
    /// The term in which the second life began.
    term_kept: u64,
}

/// One node: it founds itself and leads, takes ids while its lane writes or not, and loses its power.
fn one_life(seed: u64, votes_are_written: bool, entries_are_written: bool) -> Found {
    let (disk, wire) = (FaultyStorage::new(seed), Wire::default());
    let mut found = Found::default();
    runtime().block_on(async {
        let mut node = start(&disk, &wire).await;
        let founding = {
            let group = node.group.clone();
            tokio::spawn(async move { group.initialize(founding_members(&[1])).await })
        };
        node.live(votes_are_written, 50).await;
        if votes_are_written {
            founding.await.unwrap().unwrap();
        }
        for id in 0..8 {
            let _ = node.group.propose(Counting::batch(&[id], 700), id);
            node.live(entries_are_written, 5).await;
        }
        let acked = |heard: &Heard| if let Heard::Applied(id) = heard { Some(*id) } else { None };
        found.acked = node.machine.heard().iter().filter_map(acked).collect();
        found.term = node.group.status().term;
        wire.unplug(1);
    });
    disk.power_cut();
    runtime().block_on(async {
        let mut node = start(&disk, &wire).await;
        found.term_kept = node.group.status().term;
        node.live(true, 100).await;
        found.kept = node.machine.ids();
    });
    found
}

#[test]
fn entries_and_votes_that_were_reported_are_there_after_a_power_cut() {
    for seed in 0..12 {
        let found = one_life(seed, true, true);
        assert_eq!(found.acked, (0..8).collect::<Vec<_>>(), "{found:?}");
        assert!(found.kept.starts_with(&found.acked), "seed {seed}: {found:?}");
        assert!(found.term_kept >= found.term && found.term > 0, "seed {seed}: {found:?}");
    }
}

#[test]
fn nothing_is_acked_while_the_lane_does_not_write() {
    let found = one_life(1, true, false);
    assert_eq!(found.acked, [], "{found:?}");
}

#[test]
fn a_node_does_not_lead_while_its_vote_is_not_on_the_disk() {
    let found = one_life(1, false, false);
    assert_eq!((found.term, found.term_kept), (0, 0), "{found:?}");
}

/// Where the lane never fails, entries come in any size and the store in small segments; killed anywhere, reopened.
#[test]
fn a_log_over_many_segments_is_rebuilt_in_one_pass() {
    let wire = Wire::default();
    let disk = FaultyStorage::new(5);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let options = NodeOptions { config: Config::small(), brief: false };
    let node = Node::start(1, storage.clone(), &wire, &options);
    runtime().block_on(node.group.initialize(founding_members(&[1]))).unwrap();
    crate::waiting::until("it leads", || node.group.is_leading());
    for id in 0..300 {
        while node.group.propose(Counting::batch(&[id], 100 + (id as usize * 37) % 900), id).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    crate::waiting::until("all is applied", || node.machine.count() == 300);
    let rows = node.groups.logs().checkpoint_rows();
    assert_eq!((rows.len(), rows[0].shard), (1, GroupId(1).lane_shard()));
    node.kill();
    disk.power_cut();
    let node = Node::start(1, storage, &wire, &options);
    crate::waiting::until("all is applied again", || node.machine.count() == 300);
    assert_eq!(node.machine.ids(), (0..300).collect::<Vec<_>>());
    assert!(node.store.segments_info().len() > 3);
}

#[test]
fn a_lane_that_fails_stops_the_group_and_gives_back_what_it_had_taken() {
    let (disk, wire) = (FaultyStorage::new(6), Wire::default());
    let node = Node::start(1, Arc::new(disk.clone()), &wire, &NodeOptions::default());
    runtime().block_on(node.group.initialize(founding_members(&[1]))).unwrap();
    crate::waiting::until("it leads", || node.group.is_leading());
    disk.fail_in(1);
    let mut taken = 0;
    crate::waiting::until("it has stopped", || {
        taken += usize::from(node.group.propose(Counting::batch(&[7], 100), 7).is_ok());
        node.group.propose(Counting::batch(&[7], 100), 7).map(|()| taken += 1).is_err()
    });
    crate::waiting::until("all have heard", || node.machine.heard().len() == taken);
    assert!(!node.machine.heard().iter().any(|heard| matches!(heard, Heard::Applied(_))));
    crate::waiting::until("it says so", || node.group.metrics().role == RoleName::Stopped);
    let refused = node.group.propose(Counting::batch(&[8], 100), 8).unwrap_err();
    assert_eq!(refused.reason, RefusedReason::Stopped);
}

#[test]
fn a_group_whose_log_has_a_hole_is_not_opened() {
    let (disk, wire) = (FaultyStorage::new(6), Wire::default());
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let node = Node::start(1, storage.clone(), &wire, &NodeOptions::default());
    runtime().block_on(node.group.initialize(founding_members(&[1]))).unwrap();
    crate::waiting::until("it leads", || node.group.is_leading());
    node.group.propose(Counting::batch(&[7], 20_000), 7).unwrap();
    crate::waiting::until("it is applied", || node.machine.count() == 1);
    let at = node.machine.places()[0];
    node.stop();
    disk.flip_bit(&forebay_store::log::segment::segment_name(at.segment), u64::from(at.offset) + 9_000, 3);
    let opened = Store::<TestLane>::open(storage, config()).unwrap();
    let logs = RaftLogs::recover(&opened.store, &opened.recovered, LogOptions::default()).unwrap();
    assert!(logs.is_damaged(GroupId(1)) && !logs.is_damaged(GroupId(2)) && !logs.is_empty());
}

#[cfg(feature = "mutants")]
mod mutants {
    use super::*;
    use forebay_cluster::mutant;

    #[test]
    fn a_vote_that_is_not_synced_is_caught() {
        mutant::choose(Some(mutant::VOTE_NOT_SYNCED));
        let found = one_life(1, false, false);
        mutant::choose(None);
        // It believes in a term that the disk does not know.
        assert!(found.term > found.term_kept, "{found:?}");
    }

    #[test]
    fn an_append_that_is_reported_before_it_is_durable_is_caught() {
        mutant::choose(Some(mutant::APPEND_BEFORE_DURABLE));
        let found = one_life(1, true, false);
        mutant::choose(None);
        assert!(found.acked.iter().any(|id| !found.kept.contains(id)), "{found:?}");
    }
}
