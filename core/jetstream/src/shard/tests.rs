//! A shard driven as the run layer drives it: what is published and proposed goes into a log, the log is applied, and
//! a crash keeps the checkpoint and the log and nothing else.

mod consumer_model;
mod consumers;
#[cfg(feature = "mutants")]
mod mutants;
mod publishing;
mod stream_model;

use std::sync::Arc;

use forebay_api::consumer::{AckPolicy, ConsumerConfig, ConsumerInfo};
use forebay_api::duration::Nanos;
use forebay_api::error::ApiError;
use forebay_api::pull::PullRequest;
use forebay_api::stream::StreamConfig;
use forebay_store::Location;

use super::{Shard, Take};
use crate::command::{ConsumerAction, ConsumerCommand, StreamCommand, number};
use crate::consumer::{AckDone, AckInput, AckVerb, Batch, BatchEnd, BatchLimit, Delivery};
use crate::effect::{ApiOk, Applied, Effects, LeaderOut, Proposals, PublishOutcome};
use crate::id::{ConsumerKey, NO_WAITER, StreamUid};
use crate::record::Record;

const UID: StreamUid = StreamUid(1);
const SECOND: i64 = 1_000_000_000;

/// A record that outlives its bytes.
#[derive(Clone, Debug)]
struct Logged {
    number: u16,
    time: i64,
    subject: Vec<u8>,
    headers: Vec<u8>,
    payload: Vec<u8>,
}

#[derive(Debug)]
struct Bench {
    shard: Shard,
    now: i64,
    fx: Effects,
    out: LeaderOut,
    /// Durable.
    log: Vec<Logged>,
    /// Proposed, and not yet durable: lost in a crash.
    in_flight: Vec<Logged>,
    checkpoint: Option<(Vec<u8>, usize)>,
    volatile: bool,
}

impl Bench {
    fn new(config: StreamConfig) -> Self {
        let mut bench = Self {
            shard: Shard::new(1),
            now: 1_000 * SECOND,
            fx: Effects::default(),
            out: LeaderOut::default(),
            log: Vec::new(),
            in_flight: Vec::new(),
            checkpoint: None,
            volatile: config.storage == forebay_api::stream::Storage::Memory,
        };
        bench.shard.become_leader(bench.now);
        let config = forebay_api::json::to_vec(&config);
        let made = bench.stream_command(&StreamCommand::Create { account: "A".into(), config, revision: 1 });
        assert!(matches!(made, Ok(ApiOk::Stream(_))), "{made:?}");
        bench
    }

    fn of(name: &str, subjects: &[&str]) -> StreamConfig {
        StreamConfig {
            name: name.into(),
            subjects: subjects.iter().map(|subject| (*subject).into()).collect(),
            duplicate_window: Nanos(120 * SECOND),
            num_replicas: 1,
            max_msgs: -1,
            max_bytes: -1,
            max_msgs_per_subject: -1,
            max_consumers: -1,
            max_msg_size: -1,
            ..StreamConfig::default()
        }
    }

    /// Makes a record durable and applies it, for waiter 7.
    fn log(&mut self, logged: Logged) {
        self.fx.clear();
        self.log.push(logged);
        self.apply_at(self.log.len() - 1, 7);
        assert_eq!(self.fx.damaged, []);
    }

    fn apply_at(&mut self, at: usize, waiter: u32) {
        let logged = self.log[at].clone();
        let record = Record {
            number: logged.number,
            uid: UID.0,
            time: logged.time,
            subject: &logged.subject,
            headers: &logged.headers,
            payload: &logged.payload,
        };
        let location = Location { segment: 1, offset: at as u32 };
        self.shard.apply(&record, Applied { index: at as u64 + 1, term: 0, location, waiter }, &mut self.fx);
    }

    fn command(&mut self, number: u16, payload: Vec<u8>) -> Result<ApiOk, ApiError> {
        self.log(Logged { number, time: self.now, subject: vec![], headers: vec![], payload });
        self.fx.replies.pop().expect("an answer").result
    }

    fn stream_command(&mut self, command: &StreamCommand) -> Result<ApiOk, ApiError> {
        let mut body = Vec::new();
        command.encode(&mut body);
        self.command(command.number(), body)
    }

    fn publish_with(&mut self, subject: &str, headers: &str, payload: &[u8]) -> PublishOutcome {
        let headers = if headers.is_empty() { String::new() } else { format!("NATS/1.0\r\n{headers}\r\n\r\n") };
        self.log(Logged {
            number: number::PUBLISH,
            time: self.now,
            subject: subject.into(),
            headers: headers.into(),
            payload: payload.to_vec(),
        });
        self.fx.publishes.pop().expect("an outcome").outcome
    }

    fn publish(&mut self, subject: &str) -> u64 {
        match self.publish_with(subject, "", b"x") {
            PublishOutcome::Stored { seq } => seq,
            other => panic!("{other:?}"),
        }
    }

    fn consume(&mut self, name: &str, config: ConsumerConfig) -> Result<ConsumerInfo, ApiError> {
        self.consume_as(name, config, ConsumerAction::CreateOrUpdate)
    }

    fn consume_as(
        &mut self,
        name: &str,
        config: ConsumerConfig,
        action: ConsumerAction,
    ) -> Result<ConsumerInfo, ApiError> {
        let config = forebay_api::json::to_vec(&config);
        let command = ConsumerCommand::Create { name: name.into(), config, action };
        let mut body = Vec::new();
        command.encode(&mut body);
        match self.command(command.number(), body)? {
            ApiOk::Consumer(info) => Ok(*info),
            other => panic!("{other:?}"),
        }
    }

    fn pull(name: &str) -> ConsumerConfig {
        ConsumerConfig {
            durable: name.into(),
            name: name.into(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Nanos(30 * SECOND),
            max_deliver: -1,
            max_ack_pending: 1_000,
            max_waiting: 512,
            ..ConsumerConfig::default()
        }
    }

    fn key(&self, name: &str) -> ConsumerKey {
        self.shard.consumer_of(UID, name).expect("a consumer")
    }

    fn info(&self, name: &str) -> ConsumerInfo {
        self.shard.consumer_info(self.key(name), self.now).expect("a consumer")
    }

    fn ask(&mut self, name: &str, request: &PullRequest) {
        let (key, reply) = (self.key(name), Arc::from(&b"reply"[..]));
        self.shard.pull_request(key, self.now, request, &reply, &mut self.out);
    }

    /// Asks for up to `batch` messages that are there, and gets them.
    fn fetch(&mut self, name: &str, batch: i64) -> Vec<Delivery> {
        self.ask(name, &PullRequest { batch, no_wait: true, ..PullRequest::default() });
        let got = self.deliver(name);
        self.settle();
        let late = self.deliver(name);
        self.settle();
        got.into_iter().chain(late).collect()
    }

    fn deliver(&mut self, name: &str) -> Vec<Delivery> {
        let (key, mut b) = (self.key(name), Batch::default());
        let limit = BatchLimit { messages: 7, bytes: 1 << 20 };
        let mut got = Vec::new();
        for _ in 0..10_000 {
            b.clear();
            let end = self.shard.next_batch(key, self.now, limit, &mut b);
            got.append(&mut b.deliveries);
            self.out.statuses.extend(b.statuses.drain(..).map(|placed| placed.status));
            self.out.advisories.append(&mut b.advisories);
            if end == BatchEnd::Idle {
                return got;
            }
        }
        panic!("a delivery that does not end");
    }

    fn ack(&mut self, name: &str, delivery: &Delivery, verb: AckVerb) -> AckDone {
        let ack = AckInput { key: self.key(name), verb, sseq: delivery.seq, cseq: delivery.cseq };
        let mut done = Vec::new();
        self.shard.handle_acks(self.now, &[ack], &mut self.out, &mut done);
        done[0]
    }

    /// Takes proposals into flight.
    fn propose(&mut self, take: Take) {
        let mut proposals = Proposals::default();
        let mut fx = Effects::default();
        self.shard.take_proposals(self.now, take, &mut proposals, &mut fx);
        assert!(fx.damaged.is_empty());
        assert!(proposals.is_empty() || !self.volatile || proposals.iter().all(|p| p.command == 103));
        for proposal in proposals.iter() {
            let (number, payload) = (proposal.command, proposal.body.to_vec());
            self.in_flight.push(Logged { number, time: self.now, subject: vec![], headers: vec![], payload });
        }
    }

    /// Makes what is in flight durable and applies it.
    fn commit(&mut self) {
        for logged in std::mem::take(&mut self.in_flight) {
            self.log.push(logged);
            self.apply_at(self.log.len() - 1, NO_WAITER);
        }
    }

    fn settle(&mut self) {
        self.propose(Take::All);
        self.commit();
    }

    fn advance(&mut self, by: i64) {
        self.now += by;
        self.shard.handle_timeout(self.now, &mut self.out);
        self.settle();
    }

    fn take_checkpoint(&mut self) {
        let mut bytes = Vec::new();
        self.shard.checkpoint(&mut bytes);
        self.checkpoint = Some((bytes, self.log.len()));
    }

    /// Everything but the log and the checkpoint is lost.
    fn crash(&mut self) {
        self.in_flight.clear();
        let (shard, from) = match &self.checkpoint {
            Some((bytes, at)) => (Shard::restore(bytes).expect("a checkpoint restores"), *at),
            None => (Shard::new(1), 0),
        };
        self.shard = shard;
        for at in from..self.log.len() {
            self.apply_at(at, NO_WAITER);
        }
        self.shard.become_leader(self.now);
        self.out.clear();
    }

    fn state(&self) -> forebay_api::stream::StreamState {
        self.shard.stream_info(UID, self.now, &crate::stream::InfoRequest::default()).expect("a stream").info.state
    }

    fn seqs(&self) -> Vec<u64> {
        let mut seqs = Vec::new();
        let mut from = 0;
        while let Some(found) = self.shard.get_next(UID, from, b"") {
            seqs.push(found.seq);
            from = found.seq + 1;
        }
        seqs
    }
}

fn seqs(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.seq).collect()
}
