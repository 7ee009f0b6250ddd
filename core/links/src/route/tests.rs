//! Servers in memory: brokers with clients and routes between them, without sockets and tasks.

use super::*;
use forebay_broker::{Broker, BrokerConfig, CloseReason, Handled, Session, Sink, ThreadState, Wake};
use forebay_protocol::route::interest::Interest;
use parking_lot::Mutex;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

#[derive(Clone, Default)]
struct Wire {
    bytes: Arc<Mutex<Vec<u8>>>,
    blocked: Arc<Mutex<bool>>,
    woken: Arc<Mutex<Vec<Wake>>>,
}

impl Sink for Wire {
    fn try_send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        if *self.blocked.lock() {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        self.bytes.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn wake_owner(&self, why: Wake) {
        self.woken.lock().push(why);
    }
}

#[derive(Default)]
struct Quiet(Mutex<Vec<&'static str>>);

impl RouteEvents for Quiet {
    fn opened(&self, _: PeerId, _: u64, _: &Arc<Outbound>, _: &Arc<RouteTraffic>) {
        self.0.lock().push("opened");
    }
    fn gossip(&self, _: PeerId, _: Gossip) {
        self.0.lock().push("gossip");
    }
    fn closed(&self, _: PeerId, _: u64) {
        self.0.lock().push("closed");
    }
}

struct Client {
    session: Session,
    wire: Wire,
}

struct Server {
    thread: ThreadState,
    clients: Vec<Client>,
    /// To the servers with these places.
    routes: BTreeMap<usize, (RouteSession, Wire)>,
    events: Arc<Quiet>,
}

#[allow(clippy::disallowed_methods)]
fn server(place: usize) -> Server {
    let broker = Broker::new(BrokerConfig { cluster: Some("C".into()), ..BrokerConfig::default() });
    let thread = ThreadState::new(broker, place as u64 + 7, Instant::now(), 0);
    Server { thread, clients: Vec::new(), routes: BTreeMap::new(), events: Arc::default() }
}

fn start(place: usize, events: &Arc<Quiet>) -> RouteStart {
    let peer = PeerInfo {
        id: place as u64 + 1,
        server_name: format!("s{place}"),
        server_id: String::new(),
        route_address: String::new(),
        client_urls: Vec::new(),
        size: 0,
        cluster_id: None,
        empty: false,
        peer_lanes: false,
    };
    let message_max = message_max(100, 100);
    RouteStart {
        peer,
        number: 1,
        dialed: false,
        address: "memory".into(),
        frame_max: frame_max(message_max),
        message_max: 100,
        ping_interval: Duration::from_secs(5),
        pings_out_max: 2,
        events: events.clone(),
        served: false,
    }
}

impl Server {
    fn route(&mut self, to: usize) {
        let (wire, id) = (Wire::default(), self.thread.broker().next_connection());
        let start = start(to, &self.events);
        let outbound = Arc::new(Outbound::for_route(id, Box::new(wire.clone()), start.message_max()));
        let session = RouteSession::open(start, &mut self.thread, outbound);
        self.thread.flush();
        self.routes.insert(to, (session, wire));
    }

    fn client(&mut self) -> usize {
        let (wire, (id, _)) = (Wire::default(), self.thread.broker().connection_opened());
        let outbound = Arc::new(Outbound::new(id, Box::new(wire.clone()), 1 << 20));
        let session = Session::new(&self.thread, outbound, IpAddr::V4(Ipv4Addr::LOCALHOST));
        self.clients.push(Client { session, wire });
        let client = self.clients.len() - 1;
        self.says(client, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n");
        client
    }

    fn says(&mut self, client: usize, text: &str) {
        let handled = self.clients[client].session.handle_bytes(&mut self.thread, text.as_bytes());
        assert!(matches!(handled, Handled::Consumed { .. }), "{handled:?}");
        self.thread.flush();
    }

    fn hears(&self, client: usize) -> String {
        String::from_utf8(std::mem::take(&mut *self.clients[client].wire.bytes.lock())).expect("text")
    }

    /// The route's next deadline passes.
    fn times_out(&mut self, route: usize) -> Result<(), CloseReason> {
        let (session, _) = self.routes.get_mut(&route).expect("a route");
        self.thread.set_now(session.poll_timeout(), 0);
        let result = session.handle_timeout(&mut self.thread);
        self.thread.flush();
        result
    }

    fn takes(&mut self, from: usize, bytes: &[u8]) -> Handled {
        let (session, _) = self.routes.get_mut(&from).expect("a route");
        let handled = session.handle_bytes(&mut self.thread, bytes);
        self.thread.flush();
        handled
    }
}

/// Carries what was sent between all servers until nothing is under way; says how many bytes moved.
fn carry(servers: &mut [Server]) -> usize {
    let mut moved = 0;
    loop {
        let mut now = 0;
        for from in 0..servers.len() {
            for to in 0..servers.len() {
                let Some((_, wire)) = servers[from].routes.get(&to) else { continue };
                let bytes = std::mem::take(&mut *wire.bytes.lock());
                now += bytes.len();
                if !bytes.is_empty() {
                    let handled = servers[to].takes(from, &bytes);
                    assert!(
                        matches!(handled, Handled::Consumed { bytes: all, .. } if all == bytes.len()),
                        "{handled:?}"
                    );
                }
            }
        }
        if now == 0 {
            return moved;
        }
        moved += now;
    }
}

fn mesh(count: usize) -> Vec<Server> {
    let mut servers: Vec<Server> = (0..count).map(server).collect();
    for (from, server) in servers.iter_mut().enumerate() {
        for to in (0..count).filter(|to| *to != from) {
            server.route(to);
        }
    }
    carry(&mut servers);
    servers
}

#[test]
fn a_subscriber_elsewhere_gets_a_message_once_first_seen_and_cached() {
    let mut servers = mesh(3);
    for server in &mut servers {
        server.client();
    }
    servers[1].says(0, "SUB a.* 1\r\nSUB a.b 2\r\n");
    servers[2].says(0, "SUB > 3\r\n");
    carry(&mut servers);
    for _ in 0..4 {
        servers[0].says(0, "HPUB a.b r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
        carry(&mut servers);
        let heard = servers[1].hears(0);
        for sid in ["1", "2"] {
            assert_eq!(
                heard.matches(&format!("HMSG a.b {sid} r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")).count(),
                1,
                "{heard}"
            );
        }
        assert_eq!(servers[2].hears(0), "HMSG a.b 3 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
        assert_eq!(servers[0].hears(0), "");
    }
}

#[test]
fn one_frame_leaves_for_a_server_however_many_subscribers_it_has() {
    let mut servers = mesh(2);
    servers[0].client();
    servers[1].client();
    servers[1].says(0, "SUB a 1\r\nSUB a 2\r\nSUB * 3\r\nSUB a q 4\r\nSUB a p 5\r\n");
    carry(&mut servers);
    for _ in 0..3 {
        servers[0].says(0, "PUB a 2\r\nhi\r\n");
        let (session, _) = &servers[0].routes[&1];
        let frames = session.outbound().sent_counts().0;
        carry(&mut servers);
        assert_eq!(servers[1].hears(0).matches("MSG a ").count(), 5);
        assert_eq!(servers[0].routes[&1].0.outbound().sent_counts().0, frames);
    }
    assert_eq!(servers[0].routes[&1].0.outbound().sent_counts().0, 3);
}

#[test]
fn a_request_is_told_that_nobody_answers_only_if_nobody_does_anywhere() {
    let mut servers = mesh(2);
    servers[0].client();
    servers[1].client();
    servers[1].says(0, "SUB svc q 1\r\n");
    carry(&mut servers);
    servers[0].says(0, "SUB _INBOX.x.* 9\r\nPUB svc _INBOX.x.1 0\r\n\r\n");
    carry(&mut servers);
    assert_eq!((servers[0].hears(0).as_str(), servers[1].hears(0).as_str()), ("", "MSG svc 1 _INBOX.x.1 0\r\n\r\n"));
    servers[1].says(0, "PUB _INBOX.x.1 2\r\nok\r\n");
    carry(&mut servers);
    assert_eq!(servers[0].hears(0), "MSG _INBOX.x.1 9 2\r\nok\r\n");
    servers[1].says(0, "UNSUB 1\r\n");
    carry(&mut servers);
    servers[0].says(0, "PUB svc _INBOX.x.2 0\r\n\r\n");
    assert!(servers[0].hears(0).contains("503"));
}

/// Interest leaves before what the same client publishes after it: the answer of the other server finds it.
#[test]
fn a_reply_finds_an_inbox_of_the_same_batch_of_bytes() {
    let mut servers = mesh(2);
    servers[0].client();
    servers[1].client();
    servers[1].says(0, "SUB svc 1\r\n");
    carry(&mut servers);
    for number in 0..20 {
        servers[0].says(0, &format!("SUB _INBOX.{number} 9\r\nUNSUB 9 1\r\nPUB svc _INBOX.{number} 0\r\n\r\n"));
        let bytes = std::mem::take(&mut *servers[0].routes[&1].1.bytes.lock());
        servers[1].takes(0, &bytes);
        servers[1].says(0, &format!("PUB _INBOX.{number} 2\r\nok\r\n"));
        carry(&mut servers);
        assert_eq!(servers[0].hears(0), format!("MSG _INBOX.{number} 9 2\r\nok\r\n"));
    }
}

#[test]
fn replies_below_one_prefix_go_over_the_route_until_interest_changes() {
    let mut servers = mesh(2);
    servers[0].client();
    servers[1].client();
    servers[0].says(0, "SUB _INBOX.a.* 1\r\n");
    carry(&mut servers);
    for number in 0..6 {
        servers[1].says(0, &format!("PUB _INBOX.a.{number} 1\r\nx\r\n"));
        carry(&mut servers);
        assert_eq!(servers[0].hears(0), format!("MSG _INBOX.a.{number} 1 1\r\nx\r\n"));
    }
    servers[0].says(0, "UNSUB 1\r\n");
    carry(&mut servers);
    servers[1].says(0, "PUB _INBOX.a.9 0\r\n\r\n");
    assert_eq!(carry(&mut servers), 0);
}

#[test]
fn interest_goes_with_its_route() {
    let mut servers = mesh(2);
    servers[1].client();
    servers[1].says(0, "SUB a 1\r\nSUB b.* q 2\r\n");
    carry(&mut servers);
    assert_eq!(servers[0].thread.broker().stats().subscriptions, 2);
    let (mut session, _) = servers[0].routes.remove(&1).expect("a route");
    session.handle_close(&mut servers[0].thread, CloseReason::ClientClosed);
    assert_eq!((servers[0].thread.broker().stats().subscriptions, servers[0].thread.broker().routes()), (0, 0));
    assert_eq!(*servers[0].events.0.lock(), ["opened", "closed"]);
}

#[test]
fn a_message_that_is_too_long_for_the_other_server_stays() {
    let mut servers = mesh(2);
    servers[0].client();
    servers[1].client();
    servers[1].says(0, "SUB a 1\r\n");
    carry(&mut servers);
    for _ in 0..3 {
        servers[0].says(0, &format!("PUB a 101\r\n{}\r\n", "x".repeat(101)));
        assert_eq!(carry(&mut servers), 0);
    }
    servers[0].says(0, &format!("PUB a 100\r\n{}\r\n", "x".repeat(100)));
    assert!(carry(&mut servers) > 0);
}

#[test]
fn what_a_route_must_not_bring_ends_it() {
    let mut servers = mesh(2);
    let mut of = |bytes: &[u8]| matches!(servers[0].takes(1, bytes), Handled::Close(_));
    let interest = |filter: &[u8], account: &[u8]| {
        let mut frame = Vec::new();
        Interest { account, filter, queue: None, weight: 1 }.encode(&mut frame);
        frame
    };
    assert!(!of(&interest(b"a.b", b"$G")));
    assert!(of(&interest(b"a..b", b"$G")));
    assert!(of(&interest(b"a b", b"$G")));
    assert!(of(&interest(b"a", b"")));
    assert!(of(&interest(b"a", b"\xff")));
    assert!(of(&interest(&[b'a'; 33_000], b"$G")));
    assert!(of(&[0xff, 0xff, 0xff, 0x7f, 8, 0, 0, 0]));
    assert!(of(&[0, 0, 0, 0, 1, 0, 0, 0]));
    assert!(of(&[0, 0, 0, 0, 99, 0, 0, 0]));
    assert!(of(b"CONNECT {}\r\n"));
}

#[test]
fn a_silent_server_is_asked_and_then_given_up() {
    let mut servers = mesh(2);
    let mut result = Ok(());
    let mut asked = 0;
    while result.is_ok() {
        result = servers[0].times_out(1);
        asked += u32::from(result.is_ok());
        assert!(asked < 9);
    }
    assert_eq!((result, asked), (Err(CloseReason::StaleConnection), 2));
}

#[test]
fn a_ping_is_answered_and_timed() {
    let mut servers = mesh(2);
    for round in 0..9 {
        assert_eq!(servers[0].times_out(1), Ok(()), "{round}");
        carry(&mut servers);
    }
    assert!(servers[0].routes[&1].0.round_trip().is_some());
}

/// A server that takes nothing: publishers are held back long before, and then the route ends, by itself and alone.
#[test]
fn what_waits_for_a_server_has_a_bound() {
    let mut servers = mesh(2);
    servers[0].client();
    servers[1].client();
    servers[1].says(0, "SUB a 1\r\n");
    carry(&mut servers);
    let (session, wire) = &servers[0].routes[&1];
    let (outbound, wire) = (session.outbound().clone(), wire.clone());
    *wire.blocked.lock() = true;
    let chunk = vec![0; 1 << 20];
    outbound.send(&chunk);
    assert!(!outbound.is_congested());
    for _ in 0..16 {
        outbound.send(&chunk);
    }
    assert!(outbound.is_congested() && !outbound.is_closed());
    assert!(outbound.stall_turns() > forebay_broker::limits::STALL_TURNS);
    for _ in 17..257 {
        outbound.send(&chunk);
    }
    assert!(outbound.is_closed());
    assert_eq!(wire.woken.lock().last(), Some(&Wake::Close(CloseReason::SlowConsumerPendingBytes)));
}

/// What a client does.
#[derive(Clone, Debug)]
enum Step {
    Subscribe { server: usize, filter: usize, queue: Option<usize> },
    Unsubscribe { server: usize, which: usize },
    Publish { server: usize, subject: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..3, 0usize..5, proptest::option::of(0usize..2))
            .prop_map(|(server, filter, queue)| Step::Subscribe { server, filter, queue }),
        1 => (0usize..3, 0usize..8).prop_map(|(server, which)| Step::Unsubscribe { server, which }),
        4 => (0usize..3, 0usize..3).prop_map(|(server, subject)| Step::Publish { server, subject }),
    ]
}

const FILTERS: [&str; 5] = ["a.b", "a.*", ">", "c", "*"];
const SUBJECTS: [&str; 3] = ["a.b", "c", "a.x"];
const QUEUES: [&str; 2] = ["p", "q"];

struct Known {
    server: usize,
    sid: usize,
    filter: usize,
    queue: Option<usize>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whoever subscribes wherever: each message comes once to each plain subscription that matches, and to one member
    /// of each group, here if there is one here.
    #[test]
    fn each_message_comes_exactly_once(steps in proptest::collection::vec(step(), 1..60)) {
        let mut servers = mesh(3);
        for server in &mut servers {
            server.client();
        }
        let mut known: Vec<Known> = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Subscribe { server, filter, queue } => {
                    let group = queue.map_or(String::new(), |queue| format!("{} ", QUEUES[queue]));
                    servers[*server].says(0, &format!("SUB {} {group}{number}\r\n", FILTERS[*filter]));
                    known.push(Known { server: *server, sid: number, filter: *filter, queue: *queue });
                }
                Step::Unsubscribe { server, which } => {
                    let own: Vec<usize> = (0..known.len()).filter(|at| known[*at].server == *server).collect();
                    if let Some(at) = own.get(*which) {
                        let gone = known.remove(*at);
                        servers[*server].says(0, &format!("UNSUB {}\r\n", gone.sid));
                    }
                }
                Step::Publish { server, subject } => {
                    servers[*server].says(0, &format!("PUB {} 1\r\nx\r\n", SUBJECTS[*subject]));
                    carry(&mut servers);
                    check(&servers, &known, *server, SUBJECTS[*subject])?;
                }
            }
            carry(&mut servers);
        }
    }
}

fn check(servers: &[Server], known: &[Known], from: usize, subject: &str) -> Result<(), TestCaseError> {
    let mut heard: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (place, server) in servers.iter().enumerate() {
        for line in server.hears(0).lines().filter(|line| line.starts_with("MSG ")) {
            let sid = line.split(' ').nth(2).and_then(|sid| sid.parse().ok()).expect("a sid");
            *heard.entry((place, sid)).or_default() += 1;
        }
    }
    let matches = |one: &&Known| forebay_subject::filter_matches(FILTERS[one.filter].as_bytes(), subject.as_bytes());
    for one in known.iter().filter(matches).filter(|one| one.queue.is_none()) {
        prop_assert_eq!(heard.remove(&(one.server, one.sid)), Some(1), "plain {} of {}", one.sid, one.server);
    }
    for queue in 0..QUEUES.len() {
        let members: Vec<&Known> = known.iter().filter(matches).filter(|one| one.queue == Some(queue)).collect();
        let got: Vec<&&Known> = members.iter().filter(|one| heard.contains_key(&(one.server, one.sid))).collect();
        prop_assert_eq!(got.len(), usize::from(!members.is_empty()), "group {}", queue);
        for one in got {
            prop_assert_eq!(heard.remove(&(one.server, one.sid)), Some(1));
            prop_assert!(one.server == from || members.iter().all(|member| member.server != from));
        }
    }
    prop_assert!(heard.is_empty(), "nobody asked for {:?}", heard);
    Ok(())
}
