//! Plugins between a publisher and everybody else, without a plugin host.

use crate::account::Account;
use crate::broker::{Broker, BrokerConfig};
use crate::hooks::{BoundTransforms, Emit, MessageRef, TransformHook, TransformVerdict, Transforms};
use crate::ingress::{Inbound, Ingress};
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
        let bound = subject.starts_with(b"in.") && self.generation() % 2 == 1;
        if bound { BoundTransforms::from_slice(&[1]) } else { BoundTransforms::new() }
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
}

/// A stream `S` with target 5.
struct FakeStream;

impl Ingress for FakeStream {
    fn message(&mut self, _: &mut ThreadState, _: &Arc<Account>, _: u64, _: &Inbound<'_>) {}
    fn dropped(&mut self, thread: &mut ThreadState, account: &Arc<Account>, target: u64, reply: &[u8]) -> bool {
        thread.publish_internal(account, reply, b"", b"", b"dropped");
        target == 5
    }
    fn stream_name(&self, target: u64) -> Option<Arc<str>> {
        (target == 5).then(|| "S".into())
    }
    fn turn_end(&mut self, _: &mut ThreadState) {}
}

struct Bench {
    thread: ThreadState,
    session: Session,
    wire: Wire,
    generation: Arc<AtomicU64>,
}

impl Bench {
    #[allow(clippy::disallowed_methods)]
    fn new(options: &str) -> Self {
        let mut thread = ThreadState::new(Broker::new(BrokerConfig::default()), 7, Instant::now(), 0);
        let generation = Arc::new(AtomicU64::new(1));
        thread.set_transforms(Box::new(Fake { generation: generation.clone(), limit_hit: false }));
        thread.set_ingress(Box::new(FakeStream));
        let wire = Wire::default();
        let outbound = Arc::new(Outbound::new(1, Box::new(wire.clone()), 1 << 20));
        let mut session = Session::new(&thread, outbound, IpAddr::V4(Ipv4Addr::LOCALHOST));
        session.handle_open(&mut thread, true).expect("room");
        let mut bench = Self { thread, session, wire, generation };
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
