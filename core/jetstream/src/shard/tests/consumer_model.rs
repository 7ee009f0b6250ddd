//! A consumer against the naive model, with crashes between everything.
//!
//! What must hold: nothing that matches is skipped, nothing sticks, what was delivered comes again until it is settled,
//! what is durably settled never comes again, a count of two or more that was sent is never forgotten, the ack floor
//! is right, and `num_pending` is exact.

use std::collections::{BTreeMap, BTreeSet};

use forebay_api::stream::Retention;
use proptest::prelude::*;

use super::stream_model::matches;
use super::*;

const SUBJECTS: [&str; 3] = ["a.1", "a.2", "b"];
const WAIT: i64 = 30 * SECOND;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Publish(usize),
    Ask { batch: i64, no_wait: bool },
    Deliver,
    Ack(usize),
    Nak(usize, i64),
    Term(usize),
    Progress(usize),
    Advance(i64),
    Propose(bool),
    Commit,
    Remove(u64),
    Checkpoint,
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..3usize).prop_map(Op::Publish),
        5 => (1i64..6, any::<bool>()).prop_map(|(batch, no_wait)| Op::Ask { batch, no_wait }),
        8 => Just(Op::Deliver),
        8 => any::<usize>().prop_map(Op::Ack),
        2 => (any::<usize>(), 0i64..3).prop_map(|(at, by)| Op::Nak(at, by * 7 * SECOND)),
        1 => any::<usize>().prop_map(Op::Term),
        1 => any::<usize>().prop_map(Op::Progress),
        3 => (0i64..20).prop_map(|by| Op::Advance(by * SECOND)),
        3 => any::<bool>().prop_map(Op::Propose),
        4 => Just(Op::Commit),
        1 => (1u64..30).prop_map(Op::Remove),
        1 => Just(Op::Checkpoint),
        1 => Just(Op::Crash),
    ]
}

#[derive(Clone, Debug)]
pub(super) struct Config {
    all: bool,
    retention: Retention,
    filter: &'static str,
    max_ack_pending: i64,
    max_deliver: i64,
}

pub(super) fn case() -> impl Strategy<Value = (Config, Vec<Op>)> {
    let filter = prop_oneof![Just(""), Just("a.*"), Just("a.1")];
    let deliver = prop_oneof![3 => Just(-1i64), 1 => Just(3i64)];
    let retention =
        prop_oneof![2 => Just(Retention::Limits), 1 => Just(Retention::WorkQueue), 1 => Just(Retention::Interest)];
    let config = (any::<bool>(), retention, filter, 1i64..9, deliver).prop_map(
        |(all, retention, filter, max_ack_pending, max_deliver)| {
            let all = all && retention != Retention::WorkQueue;
            Config { all, retention, filter, max_ack_pending, max_deliver }
        },
    );
    (config, proptest::collection::vec(op(), 0..150))
}

/// How far a settlement got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Known,
    InFlight,
    Durable,
}

struct Model {
    messages: BTreeMap<u64, &'static str>,
    /// Settled by an ack: where acks remove, these go once that is durable.
    acked: BTreeMap<u64, Stage>,
    /// Settled for delivery by `max_deliver`: they stay, unless a late ack comes.
    given_up: BTreeMap<u64, Stage>,
    /// Delivered in this leadership (or known from before) and not settled.
    pending: BTreeSet<u64>,
    /// Every message ever delivered, with the highest count that was sent.
    sent: BTreeMap<u64, u32>,
    last_cseq: u64,
    outstanding: Vec<Delivery>,
    config: Config,
}

impl Model {
    fn wanted(&self) -> impl Iterator<Item = u64> + '_ {
        self.messages.iter().filter(|(_, subject)| matches(self.config.filter, subject)).map(|(seq, _)| *seq)
    }

    fn stages(&mut self) -> impl Iterator<Item = &mut Stage> {
        self.acked.values_mut().chain(self.given_up.values_mut())
    }

    fn is_settled(&self, seq: u64) -> bool {
        self.acked.contains_key(&seq) || self.given_up.contains_key(&seq)
    }

    fn settle(&mut self, seq: u64, delivered: u64) {
        // What the former leader delivered, and this one has not yet, may be acked too.
        let ahead = seq > delivered && self.messages.contains_key(&seq);
        let run: Vec<u64> = match self.config.all {
            true if seq > delivered => Vec::new(),
            true => self.pending.range(..=seq).copied().collect(),
            false if ahead || self.given_up.contains_key(&seq) => vec![seq],
            false => self.pending.get(&seq).copied().into_iter().collect(),
        };
        for seq in run {
            self.pending.remove(&seq);
            self.acked.entry(seq).or_insert(Stage::Known);
        }
    }

    fn delivered(&mut self, delivery: &Delivery) -> Result<(), TestCaseError> {
        let seq = delivery.seq;
        let subject = self.messages.get(&seq);
        prop_assert!(subject.is_some_and(|subject| matches(self.config.filter, subject)), "{seq} is not to be had");
        let (acked, given_up) = (self.acked.get(&seq), self.given_up.get(&seq));
        prop_assert!(!self.is_settled(seq), "{seq} is settled: {acked:?} {given_up:?}");
        prop_assert!(delivery.cseq > self.last_cseq, "consumer sequences rise");
        self.last_cseq = delivery.cseq;
        let before = self.sent.get(&seq).copied().unwrap_or(0);
        prop_assert!(delivery.deliveries > before || before <= 1, "count {} after {before}", delivery.deliveries);
        self.sent.insert(seq, delivery.deliveries.max(before));
        self.pending.insert(seq);
        self.outstanding.push(delivery.clone());
        Ok(())
    }

    /// What the log does not know is forgotten.
    fn crash(&mut self, delivered: u64) {
        self.acked.retain(|_, stage| *stage == Stage::Durable);
        self.given_up.retain(|_, stage| *stage == Stage::Durable);
        let pending = self.wanted().filter(|seq| *seq <= delivered && !self.is_settled(*seq)).collect();
        self.pending = pending;
        self.last_cseq = 0;
    }
}

struct Run {
    bench: Bench,
    model: Model,
}

impl Run {
    fn new(config: &Config) -> Self {
        let mut bench = Bench::new(StreamConfig { retention: config.retention, ..Bench::of("S", &[">"]) });
        let ack_policy = if config.all { AckPolicy::All } else { AckPolicy::Explicit };
        let consumer = ConsumerConfig {
            ack_policy,
            filter_subject: config.filter.into(),
            max_ack_pending: config.max_ack_pending,
            max_deliver: config.max_deliver,
            ..Bench::pull("C")
        };
        bench.consume("C", consumer).expect("a consumer");
        let model = Model {
            messages: BTreeMap::new(),
            acked: BTreeMap::new(),
            given_up: BTreeMap::new(),
            pending: BTreeSet::new(),
            sent: BTreeMap::new(),
            last_cseq: 0,
            outstanding: Vec::new(),
            config: config.clone(),
        };
        Self { bench, model }
    }

    fn lead(&self) -> &crate::consumer::Lead {
        let consumer = self.bench.shard.consumer(self.bench.key("C"));
        consumer.and_then(|consumer| consumer.lead.as_deref()).expect("a leader")
    }

    /// How far the consumer has looked.
    fn position(&self) -> u64 {
        self.lead().delivered.sseq
    }

    fn answer(&mut self, at: usize, verb: AckVerb) {
        let Some(at) = at.checked_rem(self.model.outstanding.len()) else { return };
        let delivery = self.model.outstanding[at].clone();
        let delivered = self.position();
        self.bench.ack("C", &delivery, verb.clone());
        match verb {
            AckVerb::Ack => self.model.settle(delivery.seq, delivered),
            AckVerb::Term { .. } => self.model.settle(delivery.seq, delivered),
            _ => {}
        }
    }

    /// A message that was given up is settled as far as delivery goes.
    fn note_given_up(&mut self) {
        for advisory in self.bench.out.advisories.drain(..) {
            if let crate::effect::Advisory::MaxDeliveries { stream_seq, .. } = advisory {
                self.model.pending.remove(&stream_seq);
                self.model.given_up.entry(stream_seq).or_insert(Stage::Known);
            }
        }
    }

    fn step(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match op {
            Op::Publish(subject) => {
                let subject = SUBJECTS[*subject];
                let unwanted =
                    self.model.config.retention == Retention::Interest && !matches(self.model.config.filter, subject);
                match self.bench.publish_with(subject, "", b"x") {
                    PublishOutcome::Stored { seq } if !unwanted => {
                        self.model.messages.insert(seq, subject);
                    }
                    PublishOutcome::NotStored { .. } if unwanted => {}
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            Op::Ask { batch, no_wait } => {
                let expires = Nanos(if *no_wait { 0 } else { 25 * SECOND });
                self.bench
                    .ask("C", &PullRequest { batch: *batch, no_wait: *no_wait, expires, ..PullRequest::default() });
            }
            Op::Deliver => {
                for delivery in self.bench.deliver("C") {
                    self.model.delivered(&delivery)?;
                }
            }
            Op::Ack(at) => self.answer(*at, AckVerb::Ack),
            Op::Nak(at, delay) => self.answer(*at, AckVerb::Nak { delay: *delay }),
            Op::Term(at) => self.answer(*at, AckVerb::Term { reason: "".into() }),
            Op::Progress(at) => self.answer(*at, AckVerb::InProgress),
            Op::Advance(by) => {
                self.bench.now += by;
                self.bench.shard.handle_timeout(self.bench.now, &mut self.bench.out);
            }
            Op::Propose(all) => {
                self.bench.propose(if *all { Take::All } else { Take::Urgent });
                self.model.stages().for_each(|stage| *stage = (*stage).max(Stage::InFlight));
            }
            Op::Commit => self.commit(),
            Op::Remove(seq) => {
                let removed = self.bench.stream_command(&StreamCommand::DeleteMessage { seq: *seq, erase: false });
                prop_assert_eq!(removed.is_ok(), self.model.messages.remove(seq).is_some());
                self.model.pending.remove(seq);
                self.model.given_up.remove(seq);
            }
            Op::Checkpoint => self.bench.take_checkpoint(),
            Op::Crash => {
                self.bench.crash();
                self.model.crash(self.position());
            }
        }
        self.note_given_up();
        self.check(op)
    }

    fn commit(&mut self) {
        self.bench.commit();
        for stage in self.model.stages().filter(|stage| **stage == Stage::InFlight) {
            *stage = Stage::Durable;
        }
        if self.model.config.retention != Retention::Limits {
            let Model { messages, acked, .. } = &mut self.model;
            messages.retain(|seq, _| acked.get(seq) != Some(&Stage::Durable));
        }
    }

    fn check(&self, op: &Op) -> Result<(), TestCaseError> {
        let (info, model) = (self.bench.info("C"), &self.model);
        prop_assert_eq!(self.bench.seqs(), model.messages.keys().copied().collect::<Vec<_>>(), "after {:?}", op);
        // CONSUMER.INFO shows the last message that was sent; what the filters leave out lies between.
        let position = self.position();
        prop_assert!(info.delivered.stream_seq <= position);
        let ahead = |seq: u64| seq > position;
        let num_pending = model.wanted().filter(|seq| ahead(*seq)).count() as u64;
        prop_assert_eq!(info.num_pending, num_pending, "num_pending after {:?}", op);
        prop_assert_eq!(info.num_ack_pending, model.pending.len() as u64, "num_ack_pending after {:?}", op);
        prop_assert!(model.config.max_ack_pending as u64 >= info.num_ack_pending || matches!(op, Op::Crash));
        let floor = model.pending.first().map_or(position, |seq| seq - 1);
        prop_assert_eq!(self.lead().floor().sseq, floor, "ack floor after {:?}", op);
        // What is shown may lag behind, as nats-server's does.
        prop_assert!(info.ack_floor.stream_seq <= floor.min(info.delivered.stream_seq), "shown after {:?}", op);
        if model.config.max_deliver != 1 {
            let spent = model.given_up.keys().filter(|seq| !model.acked.contains_key(seq)).count() as u64;
            prop_assert!(info.num_redelivered >= spent, "given up after {:?}", op);
        }
        prop_assert!(info.ack_floor.consumer_seq <= info.delivered.consumer_seq);
        Ok(())
    }

    /// No more faults: everything is delivered, acked and forgotten within a bounded time.
    fn heal(&mut self) -> Result<(), TestCaseError> {
        self.model.outstanding.clear();
        for _ in 0..200 {
            let info = self.bench.info("C");
            if info.num_pending == 0 && info.num_ack_pending == 0 {
                break;
            }
            self.step(&Op::Ask { batch: 5, no_wait: true })?;
            for _ in 0..2 {
                self.step(&Op::Deliver)?;
                while let Some(delivery) = self.model.outstanding.pop() {
                    self.bench.ack("C", &delivery, AckVerb::Ack);
                    self.model.settle(delivery.seq, u64::MAX);
                }
                self.step(&Op::Propose(true))?;
                self.step(&Op::Commit)?;
            }
            self.step(&Op::Advance(WAIT))?;
            self.step(&Op::Propose(true))?;
            self.step(&Op::Commit)?;
        }
        self.step(&Op::Propose(true))?;
        self.step(&Op::Commit)?;
        let info = self.bench.info("C");
        prop_assert_eq!((info.num_pending, info.num_ack_pending), (0, 0), "something sticks");
        for seq in self.model.wanted() {
            prop_assert!(self.model.sent.contains_key(&seq), "{seq} was never delivered");
            prop_assert!(self.model.is_settled(seq), "{seq} was never settled");
        }
        self.step(&Op::Crash)?;
        self.step(&Op::Advance(WAIT))?;
        self.step(&Op::Propose(true))?;
        self.step(&Op::Commit)?;
        self.step(&Op::Ask { batch: 100, no_wait: true })?;
        self.step(&Op::Deliver)?;
        prop_assert!(self.model.outstanding.is_empty(), "something came back");
        Ok(())
    }
}

pub(super) fn run(config: &Config, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut run = Run::new(config);
    for op in ops {
        run.step(op)?;
    }
    run.heal()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(300), ..ProptestConfig::default() })]

    #[test]
    fn a_consumer_neither_skips_nor_sticks((config, ops) in case()) {
        run(&config, &ops)?;
    }
}
