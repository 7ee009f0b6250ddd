//! JetStream on a disk whose power goes, with one core thread and a lane that the test steps: what plugins made of one
//! message is one entry, and a filter that may not empty a work queue does not.

use super::recover::{Restored, restore};
use super::{Applier, Clock, Config, CoreIngress, Delivery, JetStream, Waiters, api};
use crate::api::ServerFacts;
use forebay_api::json::UnknownFields;
use forebay_broker::hooks::{
    BoundFilter, BoundTransforms, Emit, FilterHook, FilterVerdict, Filters, MessageRef, NoFilters, TransformHook,
    TransformVerdict, Transforms,
};
use forebay_broker::{Broker, BrokerConfig, GLOBAL_ACCOUNT, Inbound, Outbound, Session, Sink, ThreadState, Wake};
use forebay_store::storage::faulty::FaultyStorage;
use forebay_store::{Lane, Step};
use parking_lot::Mutex;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What one message becomes.
const PARTS: usize = 3;
/// The length of each of them.
const PART_BYTES: usize = 60 << 10;
/// What is published before it, so that a full stage falls between the parts.
const BEFORE_BYTES: usize = 500 << 10;

struct Fixed(Instant);

impl Clock for Fixed {
    fn now(&self) -> Instant {
        self.0
    }
    fn wall_ns(&self) -> i64 {
        1_000_000_000
    }
}

#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

impl Sink for Wire {
    fn try_send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn wake_owner(&self, _: Wake) {}
}

/// `in` becomes `s.0`, `s.1` and so on, and between them a question to the API.
struct Split;

impl TransformHook for Split {
    fn transform(&mut self, _: u32, _: &MessageRef<'_>) -> TransformVerdict {
        let emit =
            |subject: &str, len| Emit { subject: Some(subject.into()), payload: Some(vec![b'x'; len]), headers: None };
        let mut emits: Vec<_> = (0..PARTS).map(|part| emit(&format!("s.{part}"), PART_BYTES)).collect();
        emits.insert(1, emit("$JS.API.INFO", 0));
        TransformVerdict::Replace(emits)
    }
}

impl Transforms for Split {
    fn transforms_for(&mut self, _: &str, subject: &[u8]) -> BoundTransforms {
        if subject == b"in" { BoundTransforms::from_slice(&[1]) } else { BoundTransforms::new() }
    }
    fn is_empty(&self) -> bool {
        false
    }
    fn refresh(&mut self) -> u64 {
        1
    }
}

/// A filter of every consumer that lets nothing through. From the second generation on its skips ack.
#[derive(Clone, Default)]
struct Nothing {
    generation: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

impl FilterHook for Nothing {
    fn filter(&mut self, _: u32, _: &[MessageRef<'_>]) -> FilterVerdict {
        FilterVerdict::Deliver(0)
    }
}

impl Filters for Nothing {
    fn filter_for(&mut self, _: &str, _: &str, _: &str) -> Option<BoundFilter> {
        Some(BoundFilter { number: 1, skip_acks: self.generation.load(Ordering::Relaxed) > 0 })
    }
    fn refresh(&mut self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
    fn count_refused(&mut self, _: u32) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// A server's JetStream with one core thread and no lane thread.
struct World {
    js: Arc<JetStream>,
    lane: Lane<Waiters>,
    on: Applier,
    thread: ThreadState,
}

impl World {
    #[allow(clippy::disallowed_methods)]
    fn open(disk: &FaultyStorage) -> Self {
        let start = Instant::now();
        let facts = ServerFacts {
            name: "n".into(),
            version: "v".into(),
            domain: String::new(),
            unknown_fields: UnknownFields::Refused,
        };
        let config = Config {
            facts,
            max_memory: 1 << 30,
            max_storage: 1 << 30,
            shards: 1,
            cores: 1,
            fresh_name: Box::new(String::new),
            filters: Arc::new(NoFilters),
        };
        let store = forebay_store::Config {
            segment_bytes: 4 << 20,
            max_entry_bytes: 3 << 20,
            // Two entries of this test do not go into one write.
            group_bytes: 600 << 10,
            max_waiting_bytes: 8 << 20,
            ..forebay_store::Config::default()
        };
        let broker = Broker::new(BrokerConfig::default());
        let thread = || ThreadState::new(broker.clone(), 1, start, 1);
        let clock = Arc::new(Fixed(start));
        let Restored { js, lane, .. } =
            restore(config, Arc::new(disk.clone()), store, broker.clone(), clock).expect("the store opens");
        js.register_all();
        let on = Applier::new(js.clone(), thread());
        let mut thread = thread();
        thread.set_ingress(Box::new(CoreIngress::new(js.clone())));
        thread.set_transforms(Box::new(Split));
        Self { js, lane, on, thread }
    }

    fn write(&mut self) {
        while self.lane.step(&mut self.on) == Step::Wrote {}
    }

    fn connect(&mut self) -> (Session, Wire) {
        let wire = Wire::default();
        let outbound = Arc::new(Outbound::new(1, Box::new(wire.clone()), 1 << 20));
        let mut client = Session::new(&self.thread, outbound, IpAddr::V4(Ipv4Addr::LOCALHOST));
        client.handle_open(&mut self.thread, true).expect("room");
        (client, wire)
    }

    /// What a client says in one turn.
    fn says(&mut self, client: &mut Session, bytes: &[u8]) {
        client.handle_bytes(&mut self.thread, bytes);
        self.thread.end_turn();
        self.thread.flush();
    }

    /// A client publishes to the subjects in one turn.
    fn publish(&mut self, messages: &[(&str, usize)]) {
        let (mut client, _) = self.connect();
        let mut bytes = b"CONNECT {\"verbose\":false}\r\n".to_vec();
        for (subject, len) in messages {
            bytes.extend_from_slice(format!("PUB {subject} {len}\r\n").as_bytes());
            bytes.resize(bytes.len() + len, b'x');
            bytes.extend_from_slice(b"\r\n");
        }
        self.says(&mut client, &bytes);
    }

    /// How many messages a stream has of a subject.
    fn count(&self, filter: &[u8]) -> usize {
        let stream = self.js.meta.lock().meta.get("$G", "S").cloned().expect("the stream");
        let shard = self.js.shard(stream.shard).expect("its shard");
        shard.read(|shard| {
            let mut from = 0;
            let next = std::iter::from_fn(|| {
                let found = shard.get_next(stream.uid, from, filter)?;
                from = found.seq + 1;
                Some(found)
            });
            next.count()
        })
    }
}

/// Publishes what becomes several messages, with the power going in the n-th write, and tells how many of them are there
/// after a restart.
fn parts_after_a_cut(storage: &str, writes: u64) -> usize {
    let disk = FaultyStorage::new(writes);
    let mut world = World::open(&disk);
    let config = format!(r#"{{"name":"S","subjects":["s.*","before"],"storage":"{storage}"}}"#);
    let World { js, thread, .. } = &mut world;
    create(js, thread, config.as_bytes());
    world.write();
    let before: Vec<(&str, usize)> = (0..10).map(|_| ("before", BEFORE_BYTES / 10)).chain([("in", 0)]).collect();
    disk.cut_power_in(writes);
    world.publish(&before);
    world.write();
    if storage == "memory" {
        return world.count(b"s.*");
    }
    drop(world);
    disk.power_cut();
    let world = World::open(&disk);
    assert!(matches!(world.count(b"before"), 0 | 10));
    world.count(b"s.*")
}

#[test]
fn what_plugins_made_of_one_message_is_there_whole_or_not_at_all_after_a_crash() {
    let left: Vec<usize> = (1..8).map(|writes| parts_after_a_cut("file", writes)).collect();
    assert!(left.iter().all(|parts| [0, PARTS].contains(parts)), "{left:?}");
    assert!(left.contains(&0) && left.contains(&PARTS), "{left:?}");
}

#[test]
fn a_stream_in_memory_gets_all_of_them() {
    assert_eq!(parts_after_a_cut("memory", 99), PARTS);
}

/// Asks for the stream `S`; the lane has to be driven after this.
fn create(js: &Arc<JetStream>, thread: &mut ThreadState, config: &[u8]) {
    let account = js.broker.account(GLOBAL_ACCOUNT);
    let subject = b"$JS.API.STREAM.CREATE.S";
    let message = Inbound { subject, reply: b"", headers: b"", payload: config, connection: 0 };
    assert!(api::serve(js, thread, &account, &message));
}

/// Bindings and streams come on different threads: that they met is seen at the latest here.
#[test]
fn a_filter_that_may_not_ack_is_not_asked_on_a_work_queue_and_the_consumer_waits() {
    let mut world = World::open(&FaultyStorage::new(1));
    let config = br#"{"name":"S","subjects":["s.*"],"retention":"workqueue"}"#;
    let World { js, thread, .. } = &mut world;
    create(js, thread, config);
    world.write();
    let filter = Nothing::default();
    let mut delivery = Delivery::new(world.js.clone(), 0);
    delivery.set_filters(Box::new(filter.clone()));
    let mut deliver = |world: &mut World| {
        delivery.tick(&mut world.thread);
        while delivery.step(&mut world.thread) {}
        // What it has to log is logged in the next tick.
        delivery.tick(&mut world.thread);
        world.thread.flush();
        world.write();
    };
    let (mut client, wire) = world.connect();
    let create = r#"{"stream_name":"S","config":{"name":"c","durable_name":"c","ack_policy":"explicit"}}"#;
    let text = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB back 1\r\nPUB s.0 1\r\nx\r\nPUB $JS.API.CONSUMER.CREATE.S.c made {}\r\n{create}\r\n",
        create.len()
    );
    world.says(&mut client, text.as_bytes());
    world.write();
    deliver(&mut world);
    world.says(&mut client, b"PUB $JS.API.CONSUMER.MSG.NEXT.S.c back 0\r\n\r\n");
    wire.0.lock().clear();
    deliver(&mut world);
    assert_eq!((world.count(b"s.*"), filter.refused.load(Ordering::Relaxed)), (1, 1));
    assert!(wire.0.lock().is_empty(), "nothing is delivered unjudged either");
    filter.generation.store(1, Ordering::Relaxed);
    deliver(&mut world);
    assert_eq!((world.count(b"s.*"), filter.refused.load(Ordering::Relaxed)), (0, 1));
}

#[cfg(feature = "mutants")]
#[test]
fn the_mutant_that_parts_them_is_found() {
    crate::mutant::choose(Some(crate::mutant::EMITS_SPLIT));
    let left: Vec<usize> = (1..8).map(|writes| parts_after_a_cut("file", writes)).collect();
    crate::mutant::choose(None);
    assert!(left.iter().any(|parts| ![0, PARTS].contains(parts)), "{left:?}");
}
