//! Sessions without sockets: what goes in, what comes out.

use super::*;
use crate::broker::{Broker, BrokerConfig};
use crate::outbound::{Sink, Wake};
use parking_lot::Mutex;
use std::net::Ipv4Addr;
use std::time::Duration;

#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

impl Sink for Wire {
    fn try_send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn wake_owner(&self, _: Wake) {}
}

struct Client {
    session: Session,
    wire: Wire,
}

#[allow(clippy::disallowed_methods)]
fn thread(config: BrokerConfig) -> ThreadState {
    ThreadState::new(Broker::new(config), 7, Instant::now(), 0)
}

fn client(thread: &mut ThreadState) -> Client {
    let wire = Wire::default();
    let (id, room) = thread.broker().connection_opened();
    let outbound = Arc::new(Outbound::new(id, Box::new(wire.clone()), 1 << 20));
    let mut session = Session::new(thread, outbound, IpAddr::V4(Ipv4Addr::LOCALHOST));
    session.handle_open(thread, room).expect("room");
    thread.flush();
    wire.0.lock().clear();
    Client { session, wire }
}

impl Client {
    fn says(&mut self, thread: &mut ThreadState, bytes: &str) -> Option<CloseReason> {
        let result = match self.session.handle_bytes(thread, bytes.as_bytes()) {
            Handled::Consumed { bytes: done, .. } => {
                assert_eq!(done, bytes.len());
                None
            }
            Handled::Close(reason) => Some(reason),
            Handled::Yield { .. } => panic!("no plugin is here"),
            Handled::Authenticate { .. } => panic!("nothing is expensive here"),
        };
        thread.flush();
        result
    }

    fn hears(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.wire.0.lock())).expect("text")
    }
}

const QUIET: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n";

#[test]
fn a_message_reaches_every_matching_subscription_first_seen_and_cached() {
    let mut thread = thread(BrokerConfig::default());
    let (mut a, mut b) = (client(&mut thread), client(&mut thread));
    a.says(&mut thread, QUIET);
    b.says(&mut thread, QUIET);
    b.says(&mut thread, "SUB x.* 1\r\nSUB x.> 2\r\nSUB x.y q 3\r\nSUB x.y q 4\r\n");
    for round in 0..4 {
        a.says(&mut thread, "PUB x.y r 2\r\nhi\r\n");
        let heard = b.hears();
        for sid in ["1", "2"] {
            assert!(heard.contains(&format!("MSG x.y {sid} r 2\r\nhi\r\n")), "round {round}: {heard}");
        }
        let queued = ["3", "4"].iter().filter(|sid| heard.contains(&format!("MSG x.y {sid} r 2\r\n"))).count();
        assert_eq!((queued, heard.matches("MSG").count()), (1, 3));
    }
}

#[test]
fn a_maximum_counts_from_the_subscription() {
    let mut thread = thread(BrokerConfig::default());
    let mut a = client(&mut thread);
    a.says(&mut thread, QUIET);
    a.says(
        &mut thread,
        "SUB a 1\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\nUNSUB 1 4\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\n",
    );
    assert_eq!(a.hears().matches("MSG a 1 0").count(), 4);
    assert!(thread.broker().account("$G").interest.is_empty());
    a.says(&mut thread, "SUB a 1\r\nPUB a 0\r\n\r\nUNSUB 1 1\r\nPUB a 0\r\n\r\n");
    assert_eq!(a.hears().matches("MSG a 1 0").count(), 1);
}

#[test]
fn own_messages_do_not_come_back_without_echo() {
    let mut thread = thread(BrokerConfig::default());
    let (mut a, mut b) = (client(&mut thread), client(&mut thread));
    a.says(&mut thread, "CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB a 1\r\nSUB a q 2\r\n");
    b.says(&mut thread, QUIET);
    b.says(&mut thread, "SUB a q 1\r\n");
    for _ in 0..8 {
        a.says(&mut thread, "PUB a 0\r\n\r\n");
        assert_eq!((a.hears(), b.hears()), (String::new(), "MSG a 1 0\r\n\r\n".into()));
    }
}

#[test]
fn headers_are_stripped_for_who_does_not_understand_them() {
    let mut thread = thread(BrokerConfig::default());
    let (mut a, mut b) = (client(&mut thread), client(&mut thread));
    a.says(&mut thread, QUIET);
    b.says(&mut thread, "CONNECT {\"verbose\":false}\r\nSUB a 1\r\n");
    for _ in 0..3 {
        a.says(&mut thread, "HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
        assert_eq!(b.hears(), "MSG a 1 r 2\r\nhi\r\n");
    }
}

#[test]
fn a_request_that_nobody_answers_gets_a_503() {
    let mut thread = thread(BrokerConfig::default());
    let mut a = client(&mut thread);
    a.says(&mut thread, QUIET);
    a.says(&mut thread, "SUB r.* 9\r\nPUB svc r.1 0\r\n\r\n");
    assert_eq!(a.hears(), "HMSG r.1 9 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n");
}

#[test]
fn replies_to_one_inbox_go_by_its_prefix_until_interest_changes() {
    let mut thread = thread(BrokerConfig::default());
    let (mut a, mut b) = (client(&mut thread), client(&mut thread));
    a.says(&mut thread, QUIET);
    b.says(&mut thread, QUIET);
    a.says(&mut thread, "SUB _INBOX.a.* 1\r\n");
    for number in 0..6 {
        b.says(&mut thread, &format!("PUB _INBOX.a.{number} 1\r\nx\r\n"));
        assert_eq!(a.hears(), format!("MSG _INBOX.a.{number} 1 1\r\nx\r\n"));
    }
    b.says(&mut thread, "SUB _INBOX.a.special 2\r\nPUB _INBOX.a.special 0\r\n\r\n");
    assert_eq!(
        (a.hears().as_str(), b.hears().as_str()),
        ("MSG _INBOX.a.special 1 0\r\n\r\n", "MSG _INBOX.a.special 2 0\r\n\r\n")
    );
    a.says(&mut thread, "UNSUB 1\r\n");
    b.says(&mut thread, "PUB _INBOX.a.99 0\r\n\r\n");
    assert_eq!(a.hears(), "");
}

#[test]
fn verbose_and_pedantic_are_the_defaults() {
    let mut thread = thread(BrokerConfig::default());
    let mut a = client(&mut thread);
    a.says(&mut thread, "SUB a 1\r\nPUB a 2\r\nhi\r\nPUB a.* 0\r\n\r\n");
    assert_eq!(a.hears(), "+OK\r\n+OK\r\nMSG a 1 2\r\nhi\r\n-ERR 'Invalid Publish Subject'\r\n+OK\r\n");
}

#[test]
fn who_is_silent_is_asked_and_then_cut() {
    let config = BrokerConfig { ping_interval: Duration::from_secs(5), ..BrokerConfig::default() };
    let mut thread = thread(config);
    let mut a = client(&mut thread);
    a.says(&mut thread, QUIET);
    let mut result = Ok(());
    for _ in 0..3 {
        assert_eq!(result, Ok(()));
        let now = a.session.poll_timeout();
        thread.set_now(now, 0);
        result = a.session.handle_timeout(&mut thread);
        thread.flush();
    }
    assert_eq!(result, Err(CloseReason::StaleConnection));
    assert_eq!(a.hears(), "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
}

#[test]
fn a_client_that_takes_info_at_any_time_is_told_once_where_else_it_may_connect() {
    let config = BrokerConfig { cluster: Some("C".into()), ..BrokerConfig::default() };
    let mut thread = thread(config);
    let (mut new, mut old) = (client(&mut thread), client(&mut thread));
    new.says(&mut thread, "CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    old.says(&mut thread, "CONNECT {\"verbose\":false,\"protocol\":0}\r\nPING\r\n");
    assert!(new.hears().contains("\"cluster\":\"C\",\"connect_info\":true"));
    thread.broker().set_connect_urls(vec!["a:1".into(), "b:2".into()]);
    for round in 0..2 {
        new.session.handle_info_changed(&mut thread);
        old.session.handle_info_changed(&mut thread);
        thread.flush();
        let told = new.hears().contains("\"cluster\":\"C\",\"connect_urls\":[\"a:1\",\"b:2\"],\"api_lvl\"");
        assert_eq!((told, old.hears().contains("connect_urls")), (round == 0, false));
    }
}

#[test]
fn a_closed_connection_leaves_nothing_behind() {
    let mut thread = thread(BrokerConfig::default());
    let mut a = client(&mut thread);
    a.says(&mut thread, QUIET);
    a.says(&mut thread, "SUB a 1\r\nSUB b.* q 2\r\n");
    assert_eq!(thread.broker().stats().subscriptions, 2);
    a.session.handle_close(&mut thread, CloseReason::ClientClosed);
    let stats = thread.broker().stats();
    assert_eq!((stats.subscriptions, stats.connections), (0, 0));
}
