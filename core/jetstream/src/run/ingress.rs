//! What a core thread does with messages for JetStream, in the turn that read them: publishes gather per shard and go
//! to the lane at the turn's end, acks gather per shard and are judged together, pull requests and the API are served
//! at once.

use crate::consumer::status::{Status, StatusKind};
use crate::consumer::{AckDone, AckInput, AckVerb};
use crate::effect::Applied;
use crate::record::Record;
use crate::run::hands::{Hands, account_by_number};
use crate::run::registry::ConsumerRoute;
use crate::run::stage::Stage;
use crate::run::target::{StreamTarget, Target};
use crate::run::waiter::Waiters;
use crate::run::{JetStream, api};
use crate::{StreamUid, Take};
use forebay_api::ack::{AckKind, AckSubject};
use forebay_api::error::ApiError;
use forebay_api::publish::{AckOutcome, write_ack, write_refusal};
use forebay_api::pull::{BadPullRequest, PullRequest};
use forebay_broker::{Account, Inbound, Ingress, ThreadState};
use forebay_protocol::headers;
use forebay_store::{Location, NewEntry, Records, SubmitError};
use std::sync::Arc;

/// A stage of this many bytes goes to the lane before the turn ends.
const STAGE_BYTES: usize = 512 << 10;
/// The subject of pull requests, before `stream.consumer`.
const NEXT_PREFIX: &[u8] = b"$JS.API.CONSUMER.MSG.NEXT.";
/// The subject of answers to flow control, before `stream.consumer.token`.
const FLOW_PREFIX: &[u8] = b"$JS.FC.";

/// Acks that gather for one shard.
#[derive(Default)]
struct AckStage {
    acks: Vec<AckInput>,
    /// Account and reply subject of each ack that wants an answer.
    replies: Vec<Option<(usize, Box<[u8]>)>>,
    /// Pull requests that came with acks (`+NXT`).
    next: Vec<(Arc<ConsumerRoute>, PullRequest, Arc<[u8]>)>,
}

/// The consumer that was asked for last: acks come in runs.
#[derive(Default)]
struct RouteCache {
    generation: u64,
    account: usize,
    name: Vec<u8>,
    route: Option<Arc<ConsumerRoute>>,
}

/// JetStream's part of one thread.
pub struct CoreIngress {
    js: Arc<JetStream>,
    files: Vec<Stage>,
    memory: Vec<Stage>,
    acks: Vec<AckStage>,
    hands: Hands,
    done: Vec<AckDone>,
    cache: RouteCache,
    accounts: Vec<Arc<Account>>,
    body: Vec<u8>,
    /// The last entry that this thread handed to the lane.
    submitted: u64,
}

impl CoreIngress {
    /// For a thread that reads, or answers, clients.
    pub fn new(js: Arc<JetStream>) -> Self {
        let stages = || js.shards.iter().map(|_| Stage::default()).collect();
        Self {
            files: stages(),
            memory: stages(),
            acks: js.shards.iter().map(|_| AckStage::default()).collect(),
            hands: Hands::default(),
            done: Vec::new(),
            cache: RouteCache::default(),
            accounts: Vec::new(),
            body: Vec::new(),
            submitted: 0,
            js,
        }
    }

    #[inline]
    fn publish(&mut self, thread: &mut ThreadState, account: &Account, to: StreamTarget, message: &Inbound<'_>) {
        let stages = if to.memory { &mut self.memory } else { &mut self.files };
        let Some(stage) = (to.shard as usize).checked_sub(1).and_then(|at| stages.get_mut(at)) else { return };
        let reply = if to.no_ack { b"" } else { message.reply };
        if stage.push(to.uid.0, thread.wall_ns(), account.number, reply, message).is_err() {
            let name = self.js.registry.stream_name(to.uid).unwrap_or_default();
            let error = ApiError::stream_message_exceeds_maximum();
            return self.refuse(thread, account.number, reply, &name, &error);
        }
        if stage.batch.len() >= STAGE_BYTES {
            if to.memory { self.apply_memory(thread, to.shard) } else { self.submit(thread, to.shard) }
        }
    }

    fn refuse(&mut self, thread: &mut ThreadState, account: usize, reply: &[u8], stream: &str, error: &ApiError) {
        if reply.is_empty() {
            return;
        }
        self.body.clear();
        write_refusal(&mut self.body, stream, error);
        let account = account_by_number(&mut self.accounts, thread, account);
        thread.publish_internal(&account, reply, b"", b"", &self.body);
    }

    /// Hands a shard's publishes to the lane.
    fn submit(&mut self, thread: &mut ThreadState, shard: u32) {
        let Some(stage) = self.files.get_mut(shard as usize - 1) else { return };
        let waiters = std::mem::take(&mut stage.waiters);
        let result = self.js.lane.submit(NewEntry::local(shard, thread.wall_ns(), &stage.batch, waiters));
        let refused = match result {
            Ok(placed) => {
                self.submitted = placed.lsn;
                return stage.batch.clear();
            }
            Err(refused) => refused,
        };
        let error = match refused.reason {
            SubmitError::Full => ApiError::stream_too_many_requests(),
            SubmitError::DiskFull => ApiError::storage_resources_exceeded(),
            SubmitError::TooLarge => ApiError::stream_message_exceeds_maximum(),
            // Nothing is acked, not even with an error that a client might take for "not stored".
            SubmitError::Failed | SubmitError::Closed => return stage.batch.clear(),
        };
        let batch = std::mem::take(&mut stage.batch);
        let records = Records::trusted(batch.bytes(), Location::NONE, batch.count());
        for (ordinal, record) in records.enumerate() {
            let Ok((_, record)) = record else { continue };
            let Some((account, reply)) = refused.attachment.publish(ordinal as u32) else { continue };
            let name = self.js.registry.stream_name(StreamUid(record.uid)).unwrap_or_default();
            self.refuse(thread, account, reply, &name, &error);
        }
    }

    /// Applies publishes of memory streams, which have no log.
    fn apply_memory(&mut self, thread: &mut ThreadState, shard: u32) {
        let js = self.js.clone();
        let (Some(cell), Some(stage)) = (js.shard(shard), self.memory.get_mut(shard as usize - 1)) else { return };
        let mut waiters = std::mem::take(&mut stage.waiters);
        let now = thread.wall_ns();
        cell.change(|state| {
            let index = state.shard.applied();
            let records = Records::trusted(stage.batch.bytes(), Location::NONE, stage.batch.count());
            for (ordinal, record) in records.enumerate() {
                let Ok((_, record)) = record else { continue };
                let at = Applied { index, term: 0, location: Location::NONE, waiter: waiters.number(ordinal as u32) };
                state.shard.apply(&Record::from(&record), at, &mut self.hands.effects);
            }
            if state.shard.has_urgent() {
                self.hands.proposer(&js, shard, now).propose(state, Take::Urgent, Waiters::default());
            }
        });
        stage.batch.clear();
        self.hands.carry_out(&js, thread, shard, &mut waiters);
    }

    /// The consumer `stream.consumer` of an account.
    fn route(&mut self, account: usize, name: &[u8]) -> Option<Arc<ConsumerRoute>> {
        let generation = self.js.registry.generation();
        let cache = &mut self.cache;
        if cache.generation != generation || cache.account != account || cache.name != name || cache.route.is_none() {
            cache.route = self.js.registry.consumer_named(account, name);
            cache.generation = generation;
            cache.account = account;
            cache.name.clear();
            cache.name.extend_from_slice(name);
        }
        cache.route.clone()
    }

    fn ack(&mut self, thread: &mut ThreadState, account: &Arc<Account>, message: &Inbound<'_>) {
        let Some(subject) = AckSubject::parse(message.subject) else { return };
        self.body.clear();
        for part in [subject.stream, b".", subject.consumer] {
            self.body.extend_from_slice(part);
        }
        let name = std::mem::take(&mut self.body);
        let route = self.route(account.number, &name);
        self.body = name;
        // A consumer without acks does not listen for them, in nats-server either.
        let Some(route) = route.filter(|route| route.facts.acks) else { return self.nobody(thread, account, message) };
        let Some(stage) = self.acks.get_mut((route.shard as usize).wrapping_sub(1)) else { return };
        let mut reply = (!message.reply.is_empty()).then(|| (account.number, message.reply.into()));
        let verb = match AckKind::parse(message.payload) {
            AckKind::Ack => AckVerb::Ack,
            AckKind::Nak { delay } => AckVerb::Nak { delay: delay.map_or(0, |delay| delay.ns()) },
            AckKind::Progress => AckVerb::InProgress,
            AckKind::Term { reason } => AckVerb::Term { reason: String::from_utf8_lossy(reason).into() },
            AckKind::Next { request } => {
                // The reply gets the next message, not an empty answer.
                if let Some((_, reply)) = reply.take() {
                    let reply = Arc::from(reply);
                    match PullRequest::parse(request) {
                        Ok(request) => stage.next.push((route.clone(), request, reply)),
                        Err(why) => self.hands.out.statuses.push(bad_request(&route, reply, &why)),
                    }
                }
                AckVerb::Ack
            }
            // Nothing happens, and whoever asked is told that it did, as by nats-server.
            AckKind::Unknown => {
                if !message.reply.is_empty() {
                    thread.publish_internal(account, message.reply, b"", b"", b"");
                }
                return;
            }
        };
        let (sseq, cseq) = (subject.reply.stream_seq, subject.reply.consumer_seq);
        stage.acks.push(AckInput { key: route.facts.key, verb, sseq, cseq });
        stage.replies.push(reply);
    }

    /// Judges the acks that gathered for a shard, and logs what came of them.
    fn judge_acks(&mut self, thread: &mut ThreadState, shard: u32) {
        let js = self.js.clone();
        let (Some(cell), Some(stage)) = (js.shard(shard), self.acks.get_mut(shard as usize - 1)) else { return };
        let now = thread.wall_ns();
        self.done.clear();
        let mut answered = Waiters::default();
        cell.change(|state| {
            state.shard.handle_acks(now, &stage.acks, &mut self.hands.out, &mut self.done);
            let mut waiters = Waiters::default();
            for (done, reply) in self.done.iter().zip(&stage.replies) {
                let Some((account, reply)) = reply else { continue };
                match done {
                    AckDone::Ignored => {}
                    AckDone::Now => answered.push_afterwards(*account, reply),
                    AckDone::Logged => waiters.push_afterwards(*account, reply),
                }
            }
            for (route, request, reply) in stage.next.drain(..) {
                state.shard.pull_request(route.facts.key, now, &request, &reply, &mut self.hands.out);
            }
            let mut proposer = self.hands.proposer(&js, shard, now);
            if let Some(unlogged) = proposer.propose(state, Take::Urgent, waiters) {
                for (account, reply) in unlogged.afterwards() {
                    answered.push_afterwards(account, reply);
                }
            }
        });
        stage.acks.clear();
        stage.replies.clear();
        self.hands.carry_out(&js, thread, shard, &mut answered);
    }

    fn pull(&mut self, thread: &mut ThreadState, account: &Arc<Account>, message: &Inbound<'_>, name: &[u8]) {
        let Some(route) = self.route(account.number, name) else { return self.nobody(thread, account, message) };
        if message.reply.is_empty() {
            return;
        }
        let js = self.js.clone();
        let Some(cell) = js.shard(route.shard) else { return };
        let reply: Arc<[u8]> = Arc::from(message.reply);
        let request = match PullRequest::parse(message.payload) {
            Ok(request) => request,
            Err(why) => return self.hands.say(&js, thread, &bad_request(&route, reply, &why)),
        };
        let (key, now) = (route.facts.key, thread.wall_ns());
        if cell.read(|shard| shard.is_waiting_full(key)) {
            js.drop_all_gone(cell, key);
        }
        cell.change(|state| state.shard.pull_request(key, now, &request, &reply, &mut self.hands.out));
        self.hands.carry_out(&js, thread, route.shard, &mut Waiters::default());
    }

    fn flow_control(&mut self, thread: &mut ThreadState, account: &Arc<Account>, message: &Inbound<'_>) {
        let Some(rest) = message.subject.strip_prefix(FLOW_PREFIX) else { return };
        let Some(end) = last_dot(rest) else { return };
        let Some(route) = self.route(account.number, &rest[..end]) else { return };
        let js = self.js.clone();
        let Some(cell) = js.shard(route.shard) else { return };
        cell.change(|state| {
            state.shard.flow_control_reply(route.facts.key, message.subject, &mut self.hands.out);
        });
        self.hands.carry_out(&js, thread, route.shard, &mut Waiters::default());
    }

    /// Serves an API request; after what this thread has handed to the lane, so that a client sees what it wrote.
    fn serve(&mut self, thread: &mut ThreadState, account: &Arc<Account>, message: &Inbound<'_>) {
        self.turn_end(thread);
        let js = self.js.clone();
        if !js.barriers.is_applied(self.submitted) && js.barriers.wait(&js, self.submitted, account, message) {
            return;
        }
        if !api::serve(&js, thread, account, message) {
            self.nobody(thread, account, message);
        }
    }

    /// nats-server has no subscription where we have one for all: whoever asks is told that nobody answers.
    fn nobody(&mut self, thread: &mut ThreadState, account: &Arc<Account>, message: &Inbound<'_>) {
        if message.reply.is_empty() {
            return;
        }
        self.body.clear();
        headers::no_responders(&mut self.body, message.subject);
        thread.publish_internal(account, message.reply, b"", &self.body, b"");
    }
}

fn last_dot(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'.')
}

fn bad_request(route: &ConsumerRoute, to: Arc<[u8]>, why: &BadPullRequest) -> Status {
    Status { key: route.facts.key, to, kind: StatusKind::BadRequest { why: why.to_string().into() } }
}

impl Ingress for CoreIngress {
    fn message(&mut self, thread: &mut ThreadState, account: &Arc<Account>, target: u64, message: &Inbound<'_>) {
        match Target::of(target) {
            Some(Target::Stream(stream)) => self.publish(thread, account, stream, message),
            Some(Target::Ack) => self.ack(thread, account, message),
            Some(Target::Api) => match message.subject.strip_prefix(NEXT_PREFIX) {
                Some(name) => self.pull(thread, account, message, name),
                None => self.serve(thread, account, message),
            },
            Some(Target::FlowControl) => self.flow_control(thread, account, message),
            None => {}
        }
    }

    fn dropped(&mut self, thread: &mut ThreadState, account: &Arc<Account>, target: u64, reply: &[u8]) -> bool {
        let Some(Target::Stream(stream)) = Target::of(target) else { return false };
        if stream.no_ack {
            return true;
        }
        let Some(cell) = self.js.shard(stream.shard) else { return false };
        let known = cell.read(|shard| Some((shard.stream_facts(stream.uid)?.clone(), shard.last_seq(stream.uid)?)));
        let Some((facts, last)) = known else { return false };
        self.body.clear();
        write_ack(&mut self.body, &facts.ack_prefix, last, AckOutcome::Dropped, facts.durability);
        thread.publish_internal(account, reply, b"", b"", &self.body);
        true
    }

    fn stream_name(&self, target: u64) -> Option<Arc<str>> {
        match Target::of(target)? {
            Target::Stream(stream) => self.js.registry.stream_name(stream.uid),
            _ => None,
        }
    }

    fn turn_end(&mut self, thread: &mut ThreadState) {
        for shard in 1..=self.files.len() as u32 {
            let at = shard as usize - 1;
            if self.files.get(at).is_some_and(|stage| !stage.is_empty()) {
                self.submit(thread, shard);
            }
            if self.memory.get(at).is_some_and(|stage| !stage.is_empty()) {
                self.apply_memory(thread, shard);
            }
            if self.acks.get(at).is_some_and(|stage| !stage.acks.is_empty()) {
                self.judge_acks(thread, shard);
            }
        }
    }
}
