//! Meshes without sockets: who dials whom, and which connection stays.

use super::*;
use crate::handshake::hello;
use forebay_protocol::route::hello::NONCE_BYTES;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Default)]
struct Wire(AtomicBool);

impl Closer for Wire {
    fn close(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

fn config(node: u64, routes: &[&str]) -> LinksConfig {
    LinksConfig {
        node,
        server_name: format!("s{node}"),
        route_address: format!("s{node}:1"),
        client_urls: vec![format!("c{node}:1")],
        routes: routes.iter().map(|route| (*route).to_owned()).collect(),
        ..LinksConfig::default()
    }
}

fn hello_of(node: u64, lane: Lane) -> Hello {
    hello(&config(node, &[]), &Standing::default(), lane, [0; NONCE_BYTES], true)
}

fn mesh(node: u64, routes: &[&str]) -> Mesh {
    Mesh::new(&config(node, routes), false, now())
}

fn admit(mesh: &mut Mesh, peer: u64, lane: Lane, dialed: bool) -> Result<(u64, Arc<Wire>), Refusal> {
    let (number, wire) = (mesh.next_connection(), Arc::new(Wire::default()));
    let address = format!("s{peer}:1");
    mesh.admit(&hello_of(peer, lane), number, dialed.then_some(address.as_str()), wire.clone())?;
    Ok((number, wire))
}

fn knows(nodes: &[u64]) -> Gossip {
    let peers = nodes.iter().map(|node| Known { node: *node, address: format!("s{node}:1") }).collect();
    Gossip { peers, ..Gossip::default() }
}

#[test]
fn when_both_dial_at_once_both_keep_what_the_smaller_number_dialed() {
    for first_is_own in [true, false] {
        // The smaller number keeps what it dialed, whichever came first.
        let mut small = mesh(1, &[]);
        let first = admit(&mut small, 2, Lane::Route, first_is_own).unwrap();
        let second = admit(&mut small, 2, Lane::Route, !first_is_own);
        assert_eq!((second.is_err(), first.1.0.load(Ordering::Relaxed)), (first_is_own, !first_is_own));
        // The greater one keeps what it was dialed for.
        let mut great = mesh(2, &[]);
        let first = admit(&mut great, 1, Lane::Route, first_is_own).unwrap();
        let second = admit(&mut great, 1, Lane::Route, !first_is_own);
        assert_eq!((second.is_err(), first.1.0.load(Ordering::Relaxed)), (!first_is_own, first_is_own));
    }
}

#[test]
fn who_dials_again_has_lost_the_connection_before() {
    let mut mesh = mesh(1, &[]);
    let (old, wire) = admit(&mut mesh, 2, Lane::Route, false).unwrap();
    let (new, _) = admit(&mut mesh, 2, Lane::Route, false).unwrap();
    assert!(wire.0.load(Ordering::Relaxed));
    // The old one's end is no news any more.
    mesh.handle_closed(2, Lane::Route, old, now(), 0);
    assert_eq!((mesh.connected().len(), mesh.poll_news().is_some()), (1, false));
    mesh.handle_closed(2, Lane::Route, new, now(), 0);
    assert_eq!((mesh.connected().len(), mesh.poll_news().is_some()), (0, true));
}

#[test]
fn a_name_belongs_to_one_server() {
    let mut mesh = mesh(1, &[]);
    let _ = admit(&mut mesh, 2, Lane::Route, false).unwrap();
    let second = Hello { node: 3, server_name: "s2".into(), ..hello_of(3, Lane::Route) };
    assert_eq!(mesh.expect(&second).unwrap_err().reason, Reason::Name);
    let refused = mesh.admit(&second, 9, None, Arc::new(Wire::default()));
    assert_eq!(refused.unwrap_err().reason, Reason::Name);
}

#[test]
fn an_explicit_route_is_dialed_for_ever_and_not_while_it_is_connected() {
    let mut mesh = mesh(1, &["s2:1"]);
    let mut at = now();
    for failures in 1..20 {
        let dials = mesh.poll_dials(at);
        assert_eq!(dials.len(), 1, "{failures}");
        assert!(mesh.poll_dials(at).is_empty());
        assert_eq!(mesh.handle_dialed(&dials[0], &Dialed::Failed, at, 0), failures);
        at = mesh.poll_timeout().unwrap();
    }
    let dials = mesh.poll_dials(at);
    let (number, _) = admit(&mut mesh, 2, Lane::Route, true).unwrap();
    mesh.handle_dialed(&dials[0], &Dialed::Reached(2), at, 0);
    at += Duration::from_secs(60);
    assert!(mesh.poll_dials(at).is_empty() && mesh.poll_timeout().is_none());
    mesh.handle_closed(2, Lane::Route, number, at, 0);
    at = mesh.poll_timeout().unwrap();
    assert_eq!(mesh.poll_dials(at).len(), 1);
}

#[test]
fn a_route_to_itself_is_dialed_once() {
    let mut mesh = mesh(1, &["me:1"]);
    let dials = mesh.poll_dials(now());
    mesh.handle_dialed(&dials[0], &Dialed::Itself, now(), 0);
    assert!(mesh.poll_dials(now() + Duration::from_secs(99)).is_empty());
}

#[test]
fn who_is_heard_of_is_dialed_by_the_smaller_number_first_and_forgotten_with_who_knew_it() {
    let mut mesh = mesh(5, &[]);
    let at = now();
    let (number, _) = admit(&mut mesh, 2, Lane::Route, false).unwrap();
    mesh.handle_gossip(2, knows(&[3, 5, 9]), at);
    let dials = mesh.poll_dials(at);
    assert_eq!(dials.iter().map(|dial| dial.peer).collect::<Vec<_>>(), [Some(9)]);
    let later = mesh.poll_dials(at + GOSSIP_GRACE);
    assert_eq!(later.iter().map(|dial| dial.peer).collect::<Vec<_>>(), [Some(3)]);
    mesh.handle_dialed(&dials[0], &Dialed::Failed, at, 0);
    mesh.handle_dialed(&later[0], &Dialed::Failed, at, 0);
    assert_eq!(mesh.poll_dials(at + Duration::from_secs(9)).len(), 2);
    for dial in dials.iter().chain(&later) {
        mesh.handle_dialed(dial, &Dialed::Failed, at, 0);
    }
    mesh.handle_closed(2, Lane::Route, number, at, 0);
    assert!(mesh.poll_dials(at + Duration::from_secs(99)).is_empty());
}

#[test]
fn who_nobody_knows_any_more_is_tried_as_often_as_was_said() {
    let config = LinksConfig { connect_retries: 2, ..config(1, &[]) };
    let mut mesh = Mesh::new(&config, false, now());
    let mut at = now();
    let (number, _) = admit(&mut mesh, 2, Lane::Route, false).unwrap();
    mesh.handle_gossip(2, knows(&[3]), at);
    mesh.handle_closed(2, Lane::Route, number, at, 0);
    let mut tries = 0;
    while let Some(next) = mesh.poll_timeout() {
        at = next;
        for dial in mesh.poll_dials(at) {
            mesh.handle_dialed(&dial, &Dialed::Failed, at, 0);
            tries += 1;
        }
    }
    assert_eq!(tries, 2);
}

#[test]
fn lanes_are_dialed_by_who_dialed_the_route() {
    let mut ours = Mesh::new(&config(1, &[]), true, now());
    assert!(admit(&mut ours, 2, Lane::Bulk, true).is_err(), "no lane without a route");
    let _ = admit(&mut ours, 2, Lane::Route, true).unwrap();
    let lanes: Vec<Lane> = ours.poll_dials(now()).iter().map(|dial| dial.lane).collect();
    assert_eq!(lanes, [Lane::Control, Lane::Append, Lane::Bulk]);
    for lane in lanes {
        let _ = admit(&mut ours, 2, lane, true).unwrap();
    }
    assert!(ours.poll_dials(now()).is_empty());
    let mut theirs = Mesh::new(&config(2, &[]), true, now());
    let _ = admit(&mut theirs, 1, Lane::Route, false).unwrap();
    assert!(theirs.poll_dials(now()).is_empty());
}

#[test]
fn a_lost_lane_is_dialed_again_after_a_pause() {
    let mut mesh = Mesh::new(&config(1, &[]), true, now());
    let at = now();
    let _ = admit(&mut mesh, 2, Lane::Route, true).unwrap();
    mesh.poll_dials(at);
    let numbers = [Lane::Control, Lane::Append, Lane::Bulk].map(|lane| admit(&mut mesh, 2, lane, true).unwrap().0);
    mesh.handle_closed(2, Lane::Append, numbers[1], at, 0);
    assert!(mesh.poll_dials(at).is_empty());
    let next = mesh.poll_timeout().unwrap();
    let dials = mesh.poll_dials(next);
    assert_eq!(dials.iter().map(|dial| dial.lane).collect::<Vec<_>>(), [Lane::Append]);
    assert_eq!(mesh.handle_dialed(&dials[0], &Dialed::Failed, next, 0), 2);
}

#[test]
fn clients_hear_of_others_once_there_were_some() {
    let mut mesh = mesh(1, &[]);
    assert_eq!(mesh.news().connect_urls, None);
    let (number, _) = admit(&mut mesh, 2, Lane::Route, true).unwrap();
    assert_eq!(mesh.news().connect_urls, Some(vec!["c1:1".into(), "c2:1".into()]));
    mesh.handle_closed(2, Lane::Route, number, now(), 0);
    assert_eq!(mesh.poll_news().unwrap().connect_urls, Some(vec!["c1:1".into()]));
}

/// Three meshes, one seed: told to each other by hand, until nobody dials any more.
#[test]
fn one_seed_makes_a_full_mesh() {
    let mut meshes = [mesh(1, &[]), mesh(2, &["s1:1"]), mesh(3, &["s1:1"])];
    let mut at = now();
    for _ in 0..20 {
        for from in 0..3 {
            for dial in meshes[from].poll_dials(at) {
                let to: usize = dial.address[1..2].parse::<usize>().unwrap() - 1;
                let (dialer, acceptor) = (from as u64 + 1, to as u64 + 1);
                if meshes[from].expect(&hello_of(acceptor, Lane::Route)).is_ok() {
                    let accepted = admit(&mut meshes[to], dialer, Lane::Route, false).is_ok();
                    assert!(accepted && admit(&mut meshes[from], acceptor, Lane::Route, true).is_ok());
                    meshes[from].expected_no_more(acceptor, Lane::Route);
                }
                meshes[from].handle_dialed(&dial, &Dialed::Reached(acceptor), at, 0);
            }
        }
        for from in 0..3 {
            let peers: Vec<u64> = meshes[from].connected().iter().map(|peer| peer.id).collect();
            for to in &peers {
                let others: Vec<u64> = peers.iter().copied().filter(|peer| peer != to).collect();
                meshes[*to as usize - 1].handle_gossip(from as u64 + 1, knows(&others), at);
            }
        }
        at += Duration::from_millis(100);
    }
    for mesh in &meshes {
        assert_eq!(mesh.connected().len(), 2);
        assert_eq!(mesh.poll_timeout(), None);
    }
}
