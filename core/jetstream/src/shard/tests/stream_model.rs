//! A stream against the naive model: a map of messages, and rules written the long way round.

use std::collections::{BTreeMap, BTreeSet};

use forebay_api::stream::Discard;
use proptest::prelude::*;

use super::*;

const SUBJECTS: [&str; 4] = ["a.1", "a.2", "a.1.x", "b"];
const FILTERS: [&str; 4] = ["", "a.*", "a.>", "a.1"];
const WINDOW: i64 = 10 * SECOND;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Publish { subject: usize, id: Option<u8>, expect: Option<bool>, expect_subject: Option<bool>, len: usize },
    Purge { filter: usize, below: u64, keep: u64 },
    Delete(u64),
    Advance(i64),
    Limits { msgs: i64, bytes: i64, per_subject: i64 },
    Checkpoint,
    Crash,
}

#[derive(Clone, Debug)]
pub(super) struct Limits {
    msgs: i64,
    bytes: i64,
    per_subject: i64,
    new: bool,
    new_per_subject: bool,
}

fn op() -> impl Strategy<Value = Op> {
    let publish = (0..4usize, option(0u8..6), option(any::<bool>()), option(any::<bool>()), 0usize..60).prop_map(
        |(subject, id, expect, expect_subject, len)| Op::Publish { subject, id, expect, expect_subject, len },
    );
    prop_oneof![
        12 => publish,
        1 => (0..4usize, 0u64..40, 0u64..3).prop_map(|(filter, below, keep)| match keep {
            0 => Op::Purge { filter, below, keep },
            _ => Op::Purge { filter, below: 0, keep },
        }),
        1 => (0u64..40).prop_map(Op::Delete),
        2 => (0i64..6).prop_map(|seconds| Op::Advance(seconds * SECOND)),
        1 => (small(), small(), small()).prop_map(|(msgs, bytes, per_subject)| Op::Limits {
            msgs, bytes: if bytes > 0 { bytes * 40 } else { bytes }, per_subject
        }),
        1 => Just(Op::Checkpoint),
        1 => Just(Op::Crash),
    ]
}

fn option<S: Strategy>(some: S) -> impl Strategy<Value = Option<S::Value>>
where
    S::Value: Clone,
{
    proptest::option::weighted(0.3, some)
}

fn small() -> impl Strategy<Value = i64> {
    prop_oneof![2 => Just(-1i64), 1 => 1i64..9]
}

fn limits() -> impl Strategy<Value = Limits> {
    (small(), small(), small(), any::<bool>(), any::<bool>()).prop_map(|(msgs, bytes, per_subject, new, each)| {
        let bytes = if bytes > 0 { bytes * 40 } else { bytes };
        Limits { msgs, bytes, per_subject, new, new_per_subject: each && new && per_subject > 0 }
    })
}

#[derive(Debug)]
struct Model {
    messages: BTreeMap<u64, (&'static str, u64)>,
    ids: BTreeMap<u8, (u64, i64)>,
    last: u64,
    limits: Limits,
    now: i64,
}

impl Model {
    fn publish(&mut self, op: &Op) -> PublishOutcome {
        let Op::Publish { subject, id, expect, expect_subject, len } = op else { unreachable!() };
        let subject = SUBJECTS[*subject];
        if let Some((seq, time)) = id.and_then(|id| self.ids.get(&id))
            && self.now - time <= WINDOW
        {
            return PublishOutcome::Duplicate { seq: *seq };
        }
        let of_subject = self.messages.iter().rev().find(|(_, m)| m.0 == subject).map_or(0, |(seq, _)| *seq);
        if *expect_subject == Some(false) {
            return PublishOutcome::Refused(ApiError::stream_wrong_last_sequence(of_subject));
        }
        if *expect == Some(false) {
            return PublishOutcome::Refused(ApiError::stream_wrong_last_sequence(self.last));
        }
        let headers = headers(op, self.last, of_subject);
        let head = if headers.is_empty() { 0 } else { 4 + headers.len() as u64 + 14 };
        let size = 30 + subject.len() as u64 + *len as u64 + head;
        if let Some(why) = self.full(subject, size) {
            return PublishOutcome::Refused(ApiError::stream_store_failed(why));
        }
        self.last += 1;
        self.messages.insert(self.last, (subject, size));
        if let Some(id) = id {
            self.ids.insert(*id, (self.last, self.now));
        }
        self.enforce();
        PublishOutcome::Stored { seq: self.last }
    }

    fn full(&self, subject: &str, size: u64) -> Option<&'static str> {
        if !self.limits.new {
            return None;
        }
        let same: Vec<u64> = self.messages.values().filter(|m| m.0 == subject).map(|m| m.1).collect();
        let replaces = self.limits.per_subject > 0 && same.len() as i64 >= self.limits.per_subject;
        if replaces && self.limits.new_per_subject {
            return Some("maximum messages per subject exceeded");
        }
        if self.limits.msgs > 0 && self.messages.len() as i64 >= self.limits.msgs && !replaces {
            return Some("maximum messages exceeded");
        }
        let bytes: u64 = self.messages.values().map(|m| m.1).sum();
        let over = self.limits.bytes > 0 && (bytes + size) as i64 > self.limits.bytes;
        (over && !(replaces && same[0] >= size)).then_some("maximum bytes exceeded")
    }

    fn enforce(&mut self) {
        for subject in SUBJECTS {
            let same: Vec<u64> = self.messages.iter().filter(|(_, m)| m.0 == subject).map(|(seq, _)| *seq).collect();
            let most = if self.limits.per_subject > 0 { self.limits.per_subject as usize } else { usize::MAX };
            for seq in same.iter().take(same.len().saturating_sub(most)) {
                self.messages.remove(seq);
            }
        }
        while (self.limits.msgs > 0 && self.messages.len() as i64 > self.limits.msgs)
            || (self.limits.bytes > 0 && self.messages.values().map(|m| m.1 as i64).sum::<i64>() > self.limits.bytes)
        {
            self.messages.pop_first();
        }
    }

    fn purge(&mut self, filter: &str, below: u64, keep: u64) {
        let matching: Vec<u64> = self.messages.iter().filter(|(_, m)| matches(filter, m.0)).map(|(s, _)| *s).collect();
        for seq in matching.iter().take(matching.len() - (keep as usize).min(matching.len())) {
            if below == 0 || *seq < below {
                self.messages.remove(seq);
            }
        }
        if filter.is_empty() && below > self.last + 1 {
            self.last = below - 1;
        }
    }
}

pub(super) fn matches(filter: &str, subject: &str) -> bool {
    let tokens: Vec<&str> = subject.split('.').collect();
    match filter {
        "" => true,
        "a.*" => tokens.len() == 2 && tokens[0] == "a",
        "a.>" => tokens.len() > 1 && tokens[0] == "a",
        literal => literal == subject,
    }
}

fn headers(op: &Op, last: u64, of_subject: u64) -> String {
    let Op::Publish { id, expect, expect_subject, .. } = op else { unreachable!() };
    let wrong = |right: bool, seq: u64| if right { seq } else { seq + 7 };
    let mut lines = Vec::new();
    lines.extend(id.map(|id| format!("Nats-Msg-Id: {id}")));
    lines.extend(expect.map(|right| format!("Nats-Expected-Last-Sequence: {}", wrong(right, last))));
    lines.extend(
        expect_subject.map(|right| format!("Nats-Expected-Last-Subject-Sequence: {}", wrong(right, of_subject))),
    );
    lines.join("\r\n")
}

fn config(limits: &Limits) -> StreamConfig {
    StreamConfig {
        max_msgs: limits.msgs,
        max_bytes: limits.bytes,
        max_msgs_per_subject: limits.per_subject,
        discard: if limits.new { Discard::New } else { Discard::Old },
        discard_new_per_subject: limits.new_per_subject,
        duplicate_window: Nanos(WINDOW),
        ..Bench::of("S", &[">"])
    }
}

/// Runs the operations on both, and says where they differ.
pub(super) fn run(limits: &Limits, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut bench = Bench::new(config(limits));
    for (at, filter) in FILTERS.iter().enumerate() {
        let name = format!("C{at}");
        bench.consume(&name, ConsumerConfig { filter_subject: (*filter).into(), ..Bench::pull(&name) }).unwrap();
    }
    let mut model =
        Model { messages: BTreeMap::new(), ids: BTreeMap::new(), last: 0, limits: limits.clone(), now: bench.now };
    let mut revision = 1;
    for op in ops {
        match op {
            Op::Publish { subject, len, .. } => {
                let subject = SUBJECTS[*subject];
                let of_subject = model.messages.iter().rev().find(|(_, m)| m.0 == subject).map_or(0, |(seq, _)| *seq);
                let headers = headers(op, model.last, of_subject);
                let have = bench.publish_with(subject, &headers, &vec![b'p'; *len]);
                prop_assert_eq!(have, model.publish(op), "{:?}", op);
            }
            Op::Purge { filter, below, keep } => {
                let filter = FILTERS[*filter];
                let command = StreamCommand::Purge { filter: filter.into(), below: *below, keep: *keep };
                bench.stream_command(&command).unwrap();
                model.purge(filter, *below, *keep);
            }
            Op::Delete(seq) => {
                let done = bench.stream_command(&StreamCommand::DeleteMessage { seq: *seq, erase: false });
                prop_assert_eq!(done.is_ok(), model.messages.remove(seq).is_some());
            }
            Op::Advance(by) => {
                bench.advance(*by);
                model.now = bench.now;
            }
            Op::Limits { msgs, bytes, per_subject } => {
                let new_per_subject = model.limits.new_per_subject && *per_subject > 0;
                let (msgs, bytes, per_subject) = (*msgs, *bytes, *per_subject);
                model.limits = Limits { msgs, bytes, per_subject, new_per_subject, ..model.limits.clone() };
                revision += 1;
                let config = forebay_api::json::to_vec(&config(&model.limits));
                bench.stream_command(&StreamCommand::Update { config, revision }).unwrap();
                model.enforce();
            }
            Op::Checkpoint => bench.take_checkpoint(),
            Op::Crash => bench.crash(),
        }
        check(&bench, &model, op)?;
    }
    Ok(())
}

fn check(bench: &Bench, model: &Model, op: &Op) -> Result<(), TestCaseError> {
    prop_assert_eq!(bench.seqs(), model.messages.keys().copied().collect::<Vec<_>>(), "{:?}", op);
    let state = bench.state();
    prop_assert_eq!(state.messages, model.messages.len() as u64);
    prop_assert_eq!(state.bytes, model.messages.values().map(|m| m.1).sum::<u64>());
    prop_assert_eq!(state.last_seq, model.last);
    let first = model.messages.keys().next().copied().unwrap_or(model.last + 1);
    prop_assert_eq!(state.first_seq, if model.last == 0 { 0 } else { first }, "{:?}", op);
    let subjects: BTreeSet<_> = model.messages.values().map(|m| m.0).collect();
    prop_assert_eq!(state.num_subjects, subjects.len() as u64);
    for (at, filter) in FILTERS.iter().enumerate() {
        let want = model.messages.values().filter(|m| matches(filter, m.0)).count() as u64;
        prop_assert_eq!(bench.info(&format!("C{at}")).num_pending, want, "{} after {:?}", filter, op);
    }
    Ok(())
}

pub(super) fn case() -> impl Strategy<Value = (Limits, Vec<Op>)> {
    (limits(), proptest::collection::vec(op(), 0..80))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(200), ..ProptestConfig::default() })]

    #[test]
    fn a_stream_is_the_naive_map((limits, ops) in case()) {
        run(&limits, &ops)?;
    }
}
