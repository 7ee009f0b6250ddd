//! The rules one by one, and a small world of servers that see each other in any order.

use super::*;
use proptest::prelude::*;

const SIZE: usize = 3;

fn member(name: &str) -> Member {
    Member { name: name.to_owned(), address: format!("{name}:6222") }
}

fn own(name: &str, node: NodeId) -> Own {
    Own { node, member: member(name), cluster_name: "c".into(), size: SIZE, cluster_id: None, is_empty: true }
}

fn seen(name: &str, node: NodeId) -> Seen {
    Seen { node, member: member(name), cluster_name: "c".into(), cluster_id: None, is_empty: true }
}

fn born(name: &str, node: NodeId, cluster: ClusterId) -> Seen {
    Seen { cluster_id: Some(cluster), is_empty: false, ..seen(name, node) }
}

fn waits(step: &Step) -> bool {
    matches!(step, Step::Wait { .. })
}

#[test]
fn the_lowest_name_founds_when_all_are_there() {
    assert!(waits(&step(&own("a", 1), &[seen("b", 2)])));
    let peers = [seen("b", 2), seen("c", 3)];
    let members = BTreeMap::from([(1, member("a")), (2, member("b")), (3, member("c"))]);
    assert_eq!(step(&own("a", 1), &peers), Step::Found { members });
    assert!(waits(&step(&own("b", 2), &[seen("a", 1), seen("c", 3)])));
    assert!(waits(&step(&own("a", 1), &[seen("b", 2), seen("c", 3), seen("d", 4)])));
}

#[test]
fn a_server_alone_founds_a_cluster_of_one() {
    let alone = Own { size: 1, ..own("a", 1) };
    assert_eq!(step(&alone, &[]), Step::Found { members: BTreeMap::from([(1, member("a"))]) });
}

#[test]
fn an_empty_server_joins_what_is_born_and_never_founds_beside_it() {
    let peers = [seen("b", 2), born("c", 3, 77), born("d", 4, 77)];
    assert_eq!(step(&own("a", 1), &peers), Step::Join { cluster: 77, through: vec![3, 4] });
}

#[test]
fn a_born_server_runs_and_refuses_another_cluster() {
    let own = Own { cluster_id: Some(77), is_empty: false, ..own("a", 1) };
    assert_eq!(step(&own, &[]), Step::Run);
    assert_eq!(step(&own, &[seen("b", 2), born("c", 3, 77)]), Step::Run);
    let why = Refusal::OtherCluster { peer: "c".into(), theirs: 78, ours: 77 };
    assert_eq!(step(&own, &[born("c", 3, 78)]), Step::Refuse { peer: 3, why });
}

#[test]
fn another_name_is_refused_and_two_clusters_stop_an_empty_server() {
    let other = Seen { cluster_name: "x".into(), ..seen("b", 2) };
    assert!(matches!(step(&own("a", 1), &[other]), Step::Refuse { peer: 2, why: Refusal::OtherName { .. } }));
    let divided = Refusal::Divided { first: "b".into(), second: "c".into() };
    assert_eq!(step(&own("a", 1), &[born("b", 2, 1), born("c", 3, 2)]), Step::Stop { why: divided });
}

#[test]
fn a_store_that_took_part_never_founds_or_joins() {
    let own = Own { is_empty: false, ..own("a", 1) };
    assert_eq!(step(&own, &[seen("b", 2), seen("c", 3)]), Step::Stop { why: Refusal::Lost });
    let half = Seen { is_empty: false, ..seen("b", 2) };
    assert!(waits(&step(&self::own("a", 1), &[half, seen("c", 3)])));
}

#[test]
fn two_servers_of_one_name_do_not_found() {
    let why = Refusal::SameName { name: "a".into() };
    assert_eq!(step(&own("a", 1), &[seen("a", 2), seen("c", 3)]), Step::Stop { why });
}

fn group(voters: &[NodeId], learners: &[NodeId], names: &[(NodeId, &str)]) -> Membership {
    Membership {
        voters: voters.iter().copied().collect(),
        learners: learners.iter().copied().collect(),
        members: names.iter().map(|(id, name)| (*id, member(name))).collect(),
        is_changing: false,
    }
}

#[test]
fn a_wiped_server_votes_only_after_its_former_self_has_left() {
    let names = [(1, "a"), (2, "b"), (3, "c"), (9, "c")];
    let asks = |group: &Membership, lag| admit(9, &member("c"), group, lag, true);
    assert_eq!(asks(&group(&[1, 2, 3], &[], &names[..3]), None), Admission::AddLearner);
    let rest = Admission::ChangeVoters(BTreeSet::from([1, 2]));
    assert_eq!(asks(&group(&[1, 2, 3], &[9], &names), Some(0)), rest);
    let without: Vec<_> = names.iter().filter(|(id, _)| *id != 3).copied().collect();
    assert_eq!(asks(&group(&[1, 2], &[9], &without), Some(CAUGHT_UP_ENTRIES + 1)), Admission::Wait);
    let all = Admission::ChangeVoters(BTreeSet::from([1, 2, 9]));
    assert_eq!(asks(&group(&[1, 2], &[9], &without), Some(3)), all);
    assert_eq!(asks(&group(&[1, 2, 9], &[], &without), Some(0)), Admission::Done);
    // A former self that only listened has to go as well.
    let listening = group(&[1, 2], &[3, 9], &names);
    assert_eq!(asks(&listening, Some(0)), Admission::RemoveLearners(BTreeSet::from([3])));
    let changing = Membership { is_changing: true, ..group(&[1, 2], &[9], &without) };
    assert_eq!(asks(&changing, Some(0)), Admission::Wait);
    assert_eq!(admit(9, &member("c"), &group(&[1, 2], &[9], &without), None, false), Admission::Done);
}

/// What happens to a world of servers.
#[derive(Debug, Clone)]
enum Event {
    /// The two hear of each other's present state.
    Meet(usize, usize),
    /// The server takes its next step.
    Act(usize),
    /// It forgets whom it has seen.
    Restart(usize),
}

fn events(servers: usize) -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..servers, 0..servers).prop_map(|(a, b)| Event::Meet(a, b)),
        3 => (0..servers).prop_map(Event::Act),
        1 => (0..servers).prop_map(Event::Restart),
    ];
    proptest::collection::vec(event, 0..120)
}

struct World {
    servers: Vec<Own>,
    /// What each remembers of the others; it may be outdated.
    seen: Vec<BTreeMap<NodeId, Seen>>,
    founded: Vec<BTreeMap<NodeId, Member>>,
}

impl World {
    fn new(servers: usize) -> World {
        let name = |at: usize| format!("s{at}");
        World {
            servers: (0..servers).map(|at| own(&name(at), 100 + at as u64)).collect(),
            seen: vec![BTreeMap::new(); servers],
            founded: Vec::new(),
        }
    }

    fn meet(&mut self, a: usize, b: usize) {
        if a != b {
            for (to, from) in [(a, b), (b, a)] {
                let of = &self.servers[from];
                let seen = Seen {
                    node: of.node,
                    member: of.member.clone(),
                    cluster_name: of.cluster_name.clone(),
                    cluster_id: of.cluster_id,
                    is_empty: of.is_empty,
                };
                self.seen[to].insert(of.node, seen);
            }
        }
    }

    fn act(&mut self, at: usize) {
        let peers: Vec<Seen> = self.seen[at].values().cloned().collect();
        match step(&self.servers[at], &peers) {
            Step::Found { members } => {
                self.servers[at].cluster_id = Some(self.founded.len() as u64 + 1);
                self.servers[at].is_empty = false;
                self.founded.push(members);
            }
            Step::Join { cluster, .. } => {
                self.servers[at].cluster_id = Some(cluster);
                self.servers[at].is_empty = false;
            }
            Step::Wait { .. } | Step::Run => {}
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn whatever_they_see_and_when_there_is_one_birth_with_exactly_size_members(events in events(SIZE)) {
        let mut world = World::new(SIZE);
        for event in events {
            match event {
                Event::Meet(a, b) => world.meet(a, b),
                Event::Act(at) => world.act(at),
                Event::Restart(at) => world.seen[at].clear(),
            }
        }
        prop_assert!(world.founded.len() <= 1);
        prop_assert!(world.founded.iter().all(|members| members.len() == SIZE));
        // In the end all meet, and then there is one cluster with everybody in it.
        for _ in 0..SIZE {
            for a in 0..SIZE {
                for b in 0..SIZE {
                    world.meet(a, b);
                }
            }
            for at in 0..SIZE {
                world.act(at);
            }
        }
        prop_assert_eq!(world.founded.len(), 1);
        prop_assert!(world.servers.iter().all(|server| server.cluster_id == Some(1)));
    }
}
