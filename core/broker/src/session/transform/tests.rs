//! Plugins between a publisher and everybody else, without a plugin host.

use crate::account::Account;
use crate::broker::{Broker, BrokerConfig};
use crate::hooks::{BoundTransforms, Emit, MessageRef, TransformHook, TransformVerdict, Transforms};
use crate::ingress::{Inbound, Ingress};
use crate::limits::EMITS_BYTES_MAX;
use crate::outbound::{Outbound, Sink, Wake};
use crate::session::{Handled, Session};
use crate::subscription::{Recipient, Subscription};
use crate::thread_state::ThreadState;
use parking_lot::Mutex;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

impl Sink for Wire {
    fn try_send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn wake_owner(&self, _: Wake) {}
}

/// Binding 1 of everything below `in.`: the payload says what is to happen. An even generation binds nothing.
struct Fake {
    generation: Arc<AtomicU64>,
    seen: u64,
    limit_hit: bool,
}

impl TransformHook for Fake {
    fn transform(&mut self, _: u32, message: &MessageRef<'_>) -> TransformVerdict {
        match message.payload {
            b"pass" => TransformVerdict::Pass,
            b"drop" => TransformVerdict::Drop,
            b"slow" => {
                self.limit_hit = true;
                TransformVerdict::Pass
            }
            b"two" => TransformVerdict::Replace(vec![
                Emit { subject: Some(b"in.again".to_vec()), payload: Some(b"1".to_vec()), headers: None },
                Emit { subject: Some(b"out.2".to_vec()), ..Emit::default() },
            ]),
            b"much" => TransformVerdict::Replace(vec![
                Emit { payload: Some(vec![b'x'; EMITS_BYTES_MAX / 2]), ..Emit::default() },
                Emit { payload: Some(vec![b'x'; EMITS_BYTES_MAX / 2]), ..Emit::default() },
            ]),
            b"steal" => TransformVerdict::Replace(vec![Emit { subject: Some(b"$NRG.x".to_vec()), ..Emit::default() }]),
            _ => TransformVerdict::Reject("no".into()),
        }
    }

    fn take_limit_hit(&mut self) -> bool {
        std::mem::take(&mut self.limit_hit)
    }
}

impl Transforms for Fake {
    fn transforms_for(&mut self, _: &str, subject: &[u8]) -> BoundTransforms {
        let bound = subject.starts_with(b"in.") && self.seen % 2 == 1;
        if bound { BoundTransforms::from_slice(&[1]) } else { BoundTransforms::new() }
    }

    fn is_empty(&self) -> bool {
        self.seen.is_multiple_of(2)
    }

    fn refresh(&mut self) -> u64 {
        self.seen = self.generation.load(Ordering::Relaxed);
        self.seen
    }
}

/// A stream `S` with target 5: what it was told, in order.
struct FakeStream(Told);
type Told = Arc<Mutex<Vec<String>>>;

impl Ingress for FakeStream {
    fn message(&mut self, _: &mut ThreadState, _: &Arc<Account>, _: u64, message: &Inbound<'_>) {
        self.0.lock().push(String::from_utf8_lossy(message.subject).into_owned());
    }
    fn dropped(&mut self, thread: &mut ThreadState, account: &Arc<Account>, target: u64, reply: &[u8]) -> bool {
        thread.publish_internal(account, reply, b"", b"", b"dropped");
        target == 5
    }
    fn stream_name(&self, target: u64) -> Option<Arc<str>> {
        (target == 5).then(|| "S".into())
    }
    fn hold(&mut self) {
        self.0.lock().push("hold".into());
    }
    fn release(&mut self, _: &mut ThreadState) {
        self.0.lock().push("release".into());
    }
    fn turn_end(&mut self, _: &mut ThreadState) {}
}

struct Bench {
    thread: ThreadState,
    session: Session,
    wire: Wire,
    generation: Arc<AtomicU64>,
    told: Told,
}

impl Bench {
    #[allow(clippy::disallowed_methods)]
    fn new(options: &str) -> Self {
        let mut thread = ThreadState::new(Broker::new(BrokerConfig::default()), 7, Instant::now(), 0);
        let generation = Arc::new(AtomicU64::new(1));
        thread.set_transforms(Box::new(Fake { generation: generation.clone(), seen: 0, limit_hit: false }));
        let told = Told::default();
        thread.set_ingress(Box::new(FakeStream(told.clone())));
        let wire = Wire::default();
        let outbound = Arc::new(Outbound::new(1, Box::new(wire.clone()), 1 << 20));
        let mut session = Session::new(&thread, outbound, IpAddr::V4(Ipv4Addr::LOCALHOST));
        session.handle_open(&mut thread, true).expect("room");
        let mut bench = Self { thread, session, wire, generation, told };
        bench.says(&format!("CONNECT {options}\r\nSUB > 1\r\n"));
        bench.hears();
        bench
    }

    fn quiet() -> Self {
        Self::new("{\"verbose\":false,\"headers\":true,\"no_responders\":true}")
    }

    fn stream(&self, subject: &[u8]) {
        let account = self.thread.broker().account("$G");
        let id = self.thread.broker().next_subscription();
        account.interest.insert(&Arc::new(Subscription::new(id, subject, None, b"", Recipient::Internal(5))));
    }

    fn says(&mut self, bytes: &str) -> Handled {
        let handled = self.session.handle_bytes(&mut self.thread, bytes.as_bytes());
        self.thread.flush();
        handled
    }

    fn publish(&mut self, subject: &str, reply: &str, payload: &str) -> String {
        self.says(&format!("PUB {subject} {reply} {}\r\n{payload}\r\n", payload.len()));
        self.hears()
    }

    fn hears(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.wire.0.lock())).expect("text")
    }
}

#[test]
fn what_plugins_make_is_published_once_seen_first_and_cached() {
    let mut bench = Bench::quiet();
    for _ in 0..4 {
        let heard = bench.publish("in.a", "r", "two");
        assert_eq!(heard, "MSG in.again 1 r 1\r\n1\r\nMSG out.2 1 3\r\ntwo\r\n");
        assert_eq!(bench.publish("in.a", "r", "pass"), "MSG in.a 1 r 4\r\npass\r\n");
        assert_eq!(bench.publish("other", "", "drop"), "MSG other 1 4\r\ndrop\r\n");
    }
}

#[test]
fn a_reject_is_an_error_at_the_reply_or_a_permissions_violation() {
    let mut bench = Bench::quiet();
    let violation = "-ERR 'Permissions Violation for Publish to \"in.a\"'\r\n";
    assert_eq!(bench.publish("in.a", "", "bad"), violation);
    let told = bench.publish("in.a", "r", "bad");
    assert!(told.ends_with("{\"error\":{\"code\":400,\"err_code\":10003,\"description\":\"no\"}}\r\n"), "{told}");
    bench.stream(b"in.a");
    let told = bench.publish("in.a", "r", "bad");
    assert!(told.ends_with("\"description\":\"no\"},\"stream\":\"S\",\"seq\":0}\r\n"), "{told}");
    assert!(bench.publish("in.b", "r", "steal").contains("may not publish to"));
}

#[test]
fn a_store_is_told_what_was_made_of_one_message() {
    let mut bench = Bench::quiet();
    bench.stream(b"in.>");
    bench.stream(b"out.>");
    for _ in 0..3 {
        bench.publish("in.a", "", "two");
        bench.publish("in.a", "", "pass");
        assert_eq!(std::mem::take(&mut *bench.told.lock()), ["hold", "in.again", "out.2", "release", "in.a"]);
    }
}

#[test]
fn more_than_a_store_takes_as_one_is_rejected_whole() {
    let mut bench = Bench::quiet();
    bench.stream(b"in.>");
    let told = bench.publish("in.a", "r", "much");
    assert!(told.contains("made of this one are more than 8388608 bytes together"), "{told}");
    assert!(bench.told.lock().is_empty());
}

#[test]
fn a_drop_is_acked_by_the_stream_and_silent_elsewhere() {
    let mut bench = Bench::quiet();
    assert_eq!(bench.publish("in.a", "r", "drop"), "");
    bench.stream(b"in.a");
    assert_eq!(bench.publish("in.a", "", "drop"), "");
    assert_eq!(bench.publish("in.a", "r", "drop"), "MSG r 1 7\r\ndropped\r\n");
}

#[test]
fn a_call_that_hit_its_limit_ends_the_turn_and_loses_nothing() {
    let mut bench = Bench::quiet();
    let text = "PUB in.a 4\r\nslow\r\nPUB x 2\r\nhi\r\n";
    let Handled::Yield { bytes } = bench.says(text) else { panic!("the turn ends") };
    assert_eq!(bench.hears(), "MSG in.a 1 4\r\nslow\r\n");
    assert!(matches!(bench.says(&text[bytes..]), Handled::Consumed { bytes: 13, .. }));
    assert_eq!(bench.hears(), "MSG x 1 2\r\nhi\r\n");
}

#[test]
fn after_a_call_that_hit_its_limit_no_plugin_is_called_in_that_turn() {
    let mut bench = Bench::quiet();
    let outbound = Arc::new(Outbound::new(2, Box::new(Wire::default()), 1 << 20));
    let mut other = Session::new(&bench.thread, outbound, IpAddr::V4(Ipv4Addr::LOCALHOST));
    other.handle_open(&mut bench.thread, true).expect("room");
    bench.says("PUB in.a 4\r\nslow\r\n");
    bench.hears();
    assert!(bench.thread.must_end_turn());
    let text = b"PUB x 2\r\nhi\r\nPUB in.b 4\r\npass\r\n";
    for _ in 0..2 {
        let Handled::Yield { bytes } = other.handle_bytes(&mut bench.thread, text) else { panic!("it waits") };
        assert_eq!(&text[bytes..], b"PUB in.b 4\r\npass\r\n");
    }
    bench.thread.flush();
    assert_eq!(bench.hears(), "MSG x 1 2\r\nhi\r\nMSG x 1 2\r\nhi\r\n", "nobody waits for a plugin that is not theirs");
    bench.thread.end_turn();
    bench.thread.allow_plugins();
    assert!(!bench.thread.must_end_turn());
    assert!(matches!(other.handle_bytes(&mut bench.thread, &text[13..]), Handled::Consumed { bytes: 18, .. }));
    bench.thread.flush();
    assert_eq!(bench.hears(), "MSG in.b 1 4\r\npass\r\n");
}

#[test]
fn a_match_made_under_other_bindings_is_forgotten() {
    let mut bench = Bench::quiet();
    let rejected = "-ERR 'Permissions Violation for Publish to \"in.a\"'\r\n";
    for generation in 1..6 {
        bench.generation.store(generation, Ordering::Relaxed);
        for _ in 0..3 {
            let heard = bench.publish("in.a", "", "bad");
            assert_eq!(heard, if generation % 2 == 1 { rejected } else { "MSG in.a 1 3\r\nbad\r\n" });
        }
    }
}

#[test]
fn verbose_says_ok_only_to_what_was_not_rejected() {
    let mut bench = Bench::new("{\"verbose\":true,\"pedantic\":false}");
    assert_eq!(bench.publish("in.a", "", "pass"), "+OK\r\nMSG in.a 1 4\r\npass\r\n");
    assert!(bench.publish("in.a", "", "bad").starts_with("-ERR"));
    assert_eq!(bench.publish("x", "", "pass"), "+OK\r\nMSG x 1 4\r\npass\r\n");
}
