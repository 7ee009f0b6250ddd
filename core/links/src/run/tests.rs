//! Links over streams in memory: handshakes, meshes, lanes, and what strangers hear.

use super::*;
use crate::peer::{BoxFuture, PeerError};
use bytes::Bytes;
use forebay_broker::{BrokerConfig, Sink, Wake};
use forebay_protocol::route::frame::{Kind, header_bytes};
use std::collections::HashMap;
use std::sync::Weak;
use std::sync::atomic::AtomicUsize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

type Net = Arc<Mutex<HashMap<String, Weak<Shared<Wire>>>>>;

/// A host whose streams lie in memory. A route is answered for by a way out that leads nowhere.
struct Wire {
    net: Net,
    served: Mutex<Vec<DuplexStream>>,
}

struct Nowhere;

impl Sink for Nowhere {
    fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn wake_owner(&self, _: Wake) {}
}

impl Host for Wire {
    type Stream = DuplexStream;

    async fn dial(&self, address: &str) -> io::Result<DuplexStream> {
        let there = self.net.lock().get(address).and_then(Weak::upgrade);
        let there = there.ok_or(io::Error::from(io::ErrorKind::ConnectionRefused))?;
        let (ours, theirs) = duplex(1 << 16);
        tokio::spawn(there.answer(theirs, "memory".into()));
        Ok(ours)
    }

    fn serve_route(&self, stream: DuplexStream, mut route: RouteStart) {
        let outbound = Arc::new(Outbound::for_route(route.number, Box::new(Nowhere), route.message_max()));
        route.served = true;
        let (events, number, peer) = (route.events.clone(), route.number, route.peer.id);
        self.served.lock().push(stream);
        events.opened(peer, number, &outbound, &Arc::default());
    }

    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        bytes.iter_mut().zip(next.to_le_bytes().iter().cycle()).for_each(|(byte, from)| *byte = *from);
    }
}

/// Answers a call with its kind, its caller and its body; kind 9 never, kind 8 with a refusal.
struct Echo;

impl PeerService for Echo {
    fn handle(&self, from: PeerId, _: Lane, kind: u8, body: Bytes) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        Box::pin(async move {
            match kind {
                9 => std::future::pending().await,
                8 => Err(PeerError::Refused("not that".into())),
                _ => Ok(Bytes::from([&[kind, from as u8][..], &body].concat())),
            }
        })
    }
}

struct Server {
    links: Links<Wire>,
    peers: Peers,
}

fn config(node: u64, routes: &[&str]) -> LinksConfig {
    LinksConfig {
        node,
        server_name: format!("s{node}"),
        cluster: "C".into(),
        secret: b"secret".to_vec(),
        route_address: format!("s{node}:1"),
        client_urls: vec![format!("c{node}:1")],
        routes: routes.iter().map(|route| (*route).to_owned()).collect(),
        ..LinksConfig::default()
    }
}

fn start(net: &Net, config: LinksConfig) -> Server {
    let address = config.route_address.clone();
    let broker = Broker::new(BrokerConfig { cluster: Some(config.cluster.clone()), ..BrokerConfig::default() });
    let host = Wire { net: net.clone(), served: Mutex::default() };
    let peers = Peers::new();
    let links = Links::start(config, host, broker, Some(Arc::new(Echo)), &peers, Handle::current());
    net.lock().insert(address, Arc::downgrade(&links.shared));
    Server { links, peers }
}

impl Server {
    async fn until(&self, what: impl Fn(&Self) -> bool) {
        for _ in 0..1000 {
            if what(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it did not come to that: {:?}", self.links.connected());
    }

    fn lanes_to(&self, peer: PeerId) -> usize {
        Lane::ALL.into_iter().filter(|lane| self.peers.is_connected(peer, *lane)).count()
    }
}

#[tokio::test]
async fn one_seed_makes_a_full_mesh_with_all_lanes() {
    let net = Net::default();
    let servers = [start(&net, config(1, &[])), start(&net, config(2, &["s1:1"])), start(&net, config(3, &["s1:1"]))];
    // Gossip is what routes carry; these lead nowhere, so it is handed over here.
    servers[0].until(|server| server.links.connected().len() == 2).await;
    let known = |node: u64| route::gossip::Known { node, address: format!("s{node}:1") };
    for (to, about) in [(1, 3), (2, 2)] {
        let gossip = Gossip { peers: vec![known(about)], ..Gossip::default() };
        RouteEvents::gossip(&*servers[to].links.shared, 1, gossip);
    }
    for (at, server) in servers.iter().enumerate() {
        let others: Vec<u64> = (1..=3).filter(|node| *node != at as u64 + 1).collect();
        server.until(|server| server.links.connected().iter().map(|peer| peer.id).eq(others.iter().copied())).await;
        for other in others {
            server.until(|server| server.lanes_to(other) == 3).await;
        }
    }
}

#[tokio::test]
async fn two_that_dial_each_other_at_once_keep_one_connection_a_lane() {
    let net = Net::default();
    let one = start(&net, config(1, &["s2:1"]));
    let two = start(&net, config(2, &["s1:1"]));
    one.until(|server| server.lanes_to(2) == 3).await;
    two.until(|server| server.lanes_to(1) == 3).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((one.lanes_to(2), two.lanes_to(1)), (3, 3));
    assert_eq!((one.links.connected().len(), two.links.connected().len()), (1, 1));
}

#[tokio::test]
async fn calls_are_answered_in_any_order_and_in_both_directions() {
    let net = Net::default();
    let one = start(&net, config(1, &[]));
    let two = start(&net, config(2, &["s1:1"]));
    one.until(|server| server.lanes_to(2) == 3).await;
    two.until(|server| server.lanes_to(1) == 3).await;
    let second = Duration::from_secs(1);
    let never = one.peers.call(2, Lane::Control, 9, Bytes::new(), Duration::from_millis(50));
    let soon = one.peers.call(2, Lane::Control, 3, Bytes::from_static(b"x"), second);
    let (never, soon) = tokio::join!(never, soon);
    assert_eq!((never, soon), (Err(PeerError::TimedOut), Ok(Bytes::from_static(b"\x03\x01x"))));
    let refused = two.peers.call(1, Lane::Append, 8, Bytes::new(), second).await;
    assert_eq!(refused, Err(PeerError::Refused("not that".into())));
    let large = Bytes::from(vec![7; 3 << 20]);
    let answer = two.peers.call(1, Lane::Bulk, 1, large.clone(), second * 5).await.unwrap();
    assert_eq!((answer.len(), &answer[2..]), (large.len() + 2, &large[..]));
    let too_long = one.peers.call(2, Lane::Control, 1, large, second).await;
    assert!(matches!(too_long, Err(PeerError::TooLong { .. })));
    assert_eq!(one.peers.call(7, Lane::Control, 1, Bytes::new(), second).await, Err(PeerError::NotConnected));
}

#[tokio::test]
async fn who_has_too_many_calls_under_way_is_told_so() {
    let net = Net::default();
    let one = start(&net, config(1, &[]));
    let two = start(&net, config(2, &["s1:1"]));
    two.until(|server| server.lanes_to(1) == 3).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..crate::limits::CALLS_MAX {
        let peers = two.peers.clone();
        calls.spawn(async move { peers.call(1, Lane::Control, 9, Bytes::new(), Duration::from_secs(9)).await });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let one_more = two.peers.call(1, Lane::Control, 1, Bytes::new(), Duration::from_secs(1)).await;
    assert_eq!(one_more, Err(PeerError::Busy));
    // The other side ends: nobody waits any longer.
    one.links.stop();
    while let Some(ended) = calls.join_next().await {
        assert_eq!(ended.unwrap(), Err(PeerError::Disconnected));
    }
}

#[tokio::test]
async fn another_cluster_or_secret_or_the_same_name_is_refused() {
    let net = Net::default();
    let one = start(&net, config(1, &[]));
    let wrong = [
        LinksConfig { cluster: "D".into(), ..config(2, &["s1:1"]) },
        LinksConfig { secret: b"guess".to_vec(), ..config(3, &["s1:1"]) },
        LinksConfig { secret: Vec::new(), ..config(4, &["s1:1"]) },
        LinksConfig { server_name: "s1".into(), ..config(5, &["s1:1"]) },
    ];
    let wrong: Vec<Server> = wrong.into_iter().map(|config| start(&net, config)).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(one.links.connected(), []);
    assert!(wrong.iter().all(|server| server.links.connected().is_empty()));
    let right = start(&net, config(6, &["s1:1"]));
    right.until(|server| server.links.connected().len() == 1).await;
}

#[tokio::test]
async fn strangers_hear_one_clear_line() {
    let net = Net::default();
    let one = start(&net, config(1, &[]));
    let line = "-ERR 'attempted to connect to route port'\r\n";
    for first in [
        &b"CONNECT {\"verbose\":false}\r\nPING\r\n"[..],
        b"INFO {\"server_id\":\"N\"}\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 64],
        b"short",
        // Silence: NATS clients wait for INFO.
        b"",
    ] {
        let (mut ours, theirs) = duplex(1 << 16);
        one.links.accept(theirs, "memory".into());
        ours.write_all(first).await.unwrap();
        if first == b"short" {
            ours.shutdown().await.unwrap();
        }
        let mut heard = String::new();
        ours.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, line, "{first:?}");
    }
    // A hello of a length that nobody has is turned away by its header.
    let (mut ours, theirs) = duplex(1 << 16);
    one.links.accept(theirs, "memory".into());
    ours.write_all(&header_bytes(Kind::Hello, 0, u32::MAX as usize)).await.unwrap();
    let mut heard = String::new();
    ours.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, line);
}

#[tokio::test]
async fn a_dialed_nats_server_is_recognised() {
    let net = Net::default();
    let one = start(&net, config(1, &[]));
    let (stream, mut there) = duplex(1 << 16);
    there.write_all(b"INFO {\"server_id\":\"N\",\"cluster\":\"C\"} \r\n").await.unwrap();
    let dial = Dial { address: "x:1".into(), lane: route::Lane::Route, peer: None, target: None };
    let failure = one.links.shared.clone().greet(stream, &dial).await.unwrap_err();
    assert!(failure.to_string().contains("nats-server"), "{failure}");
    assert!(failure.is_worth_a_line());
}

#[tokio::test]
async fn what_becomes_of_a_server_reaches_the_others() {
    let net = Net::default();
    let one = start(&net, config(1, &[]));
    let two = start(&net, config(2, &["s1:1"]));
    one.until(|server| server.peers.connected().len() == 1).await;
    let changes = two.peers.changes();
    let before = *changes.borrow();
    let gossip = Gossip { cluster_id: Some("id".into()), empty: true, peers: Vec::new() };
    two.until(|server| server.peers.connected().len() == 1).await;
    RouteEvents::gossip(&*two.links.shared, 1, gossip);
    let peer = two.peers.connected().remove(0);
    assert_eq!((peer.cluster_id.as_deref(), peer.empty), (Some("id"), true));
    assert!(*changes.borrow() > before);
}

#[test]
fn who_listens_on_any_address_is_reached_where_it_was_seen() {
    use super::handshake::reachable;
    for (told, seen, address) in [
        ("0.0.0.0:6222", "10.0.0.7:40000", "10.0.0.7:6222"),
        ("[::]:6222", "[fd00::1]:40000", "[fd00::1]:6222"),
        ("host:6222", "10.0.0.7:40000", "host:6222"),
        ("", "10.0.0.7:40000", ""),
    ] {
        assert_eq!(reachable(told, seen), address);
    }
}
