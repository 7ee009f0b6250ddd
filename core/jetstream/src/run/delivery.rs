//! A core thread's delivery: takes batches from consumers that are due, reads the bodies, sends.
//!
//! Bodies come from the hot tail. If one is not there, the batch waits for the reader threads, and the consumer is not
//! asked again before it came back, so that its order is kept.

use crate::Take;
use crate::consumer::{Batch, BatchEnd, BatchLimit, ConsumerFacts, Delivery as Message, PlacedStatus};
use crate::run::api::PendingRead;
use crate::run::barrier::Request;
use crate::run::content::{Judge, ReadCandidates};
use crate::run::hands::Hands;
use crate::run::queue::{Due, Work};
use crate::run::waiter::Waiters;
use crate::run::{JetStream, registry::ConsumerRoute};
use forebay_api::ack::AckReply;
use forebay_broker::ThreadState;
use forebay_store::{Location, ReadError, RecordBuf};
use std::sync::Arc;
use std::task::{Context, Poll};

/// What one batch hands out at most: a turn of a core thread stays short.
const BATCH: BatchLimit = BatchLimit { messages: 256, bytes: 256 << 10 };

/// What came back from the reader threads.
pub(super) enum Ready {
    /// A batch whose bodies are all there.
    Batch(Box<ReadBatch>),
    /// What a filter is to judge.
    Candidates(Box<ReadCandidates>),
    /// An API request whose turn has come.
    Request(Box<Request>),
    /// An API request's message.
    Api(Box<PendingRead>, Result<RecordBuf, ReadError>),
}

/// A batch with its bodies.
pub(super) struct ReadBatch {
    due: Due,
    deliveries: Vec<Message>,
    statuses: Vec<PlacedStatus>,
    bodies: Vec<Result<RecordBuf, ReadError>>,
    end: BatchEnd,
}

/// Delivery on one core thread.
pub struct Delivery {
    pub(super) js: Arc<JetStream>,
    pub(super) core: usize,
    pub(super) hands: Hands,
    pub(super) batch: Batch,
    pub(super) judge: Judge,
    bodies: Vec<Result<RecordBuf, ReadError>>,
    reply: Vec<u8>,
    headers: Vec<u8>,
}

impl Delivery {
    /// Delivery on the core thread with this number.
    pub fn new(js: Arc<JetStream>, core: usize) -> Self {
        Self {
            js,
            core,
            hands: Hands::default(),
            batch: Batch::default(),
            judge: Judge::default(),
            bodies: Vec::new(),
            reply: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Ready when [`Delivery::step`] has something to do.
    pub fn poll_work(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.js.queues.get(self.core) {
            Some(queue) => queue.poll_work(cx),
            None => Poll::Pending,
        }
    }

    /// Does one piece of work; false if there was none.
    pub fn step(&mut self, thread: &mut ThreadState) -> bool {
        let Some(work) = self.js.queues.get(self.core).and_then(|queue| queue.pop()) else { return false };
        match work {
            Work::Due(due) => self.deliver_due(thread, due),
            Work::Ready(Ready::Batch(batch)) => self.deliver_read(thread, *batch),
            Work::Ready(Ready::Candidates(read)) => self.judge_read(thread, *read),
            Work::Ready(Ready::Request(request)) => request.serve(&self.js.clone(), thread),
            Work::Ready(Ready::Api(read, body)) => (*read).go_on(&self.js.clone(), thread, self.core, body),
        }
        true
    }

    /// Logs and times what is due in every shard: called every few milliseconds on one core thread.
    pub fn tick(&mut self, thread: &mut ThreadState) {
        let js = self.js.clone();
        let now = thread.wall_ns();
        self.tell_filters(&js, thread);
        js.queues.iter().for_each(|queue| queue.release(now));
        for cell in &js.shards {
            if !cell.is_due(now) {
                continue;
            }
            cell.change(|state| {
                state.shard.handle_timeout(now, &mut self.hands.out);
                self.hands.proposer(&js, cell.number(), now).propose(state, Take::All, Waiters::default());
            });
            let unsure = std::mem::take(&mut self.hands.out.unsure);
            self.hands.carry_out(&js, thread, cell.number(), &mut Waiters::default());
            unsure.into_iter().for_each(|key| js.drop_all_gone(cell, key));
        }
    }

    fn deliver_due(&mut self, thread: &mut ThreadState, due: Due) {
        let js = self.js.clone();
        let (Some(cell), Some(route)) = (js.shard(due.shard), js.registry.consumer(due.key)) else { return };
        if let Some(binding) = self.judge.binding(&route) {
            return self.judge_due(thread, due, &route, binding);
        }
        js.drop_gone_takers(cell, &route, BATCH.messages);
        let now = thread.wall_ns();
        self.batch.clear();
        let end = cell.change(|state| {
            let end = state.shard.next_batch(due.key, now, BATCH, &mut self.batch);
            if state.shard.has_urgent() {
                self.hands.proposer(&js, due.shard, now).propose(state, Take::Urgent, Waiters::default());
            }
            end
        });
        self.hands.carry_out(&js, thread, due.shard, &mut Waiters::default());
        self.deliver_batch(thread, due, &route, end);
    }

    /// Sends what is in `self.batch`, with bodies from memory or by way of the reader threads.
    pub(super) fn deliver_batch(&mut self, thread: &mut ThreadState, due: Due, route: &ConsumerRoute, end: BatchEnd) {
        let js = self.js.clone();
        self.bodies.clear();
        let hot = js.store.hot();
        for delivery in &self.batch.deliveries {
            let body = delivery.body.clone().or_else(|| hot.get(delivery.location));
            match body {
                Some(body) => self.bodies.push(Ok(body)),
                None => return self.read_cold(due, end),
            }
        }
        let batch = std::mem::take(&mut self.batch);
        let bodies = std::mem::take(&mut self.bodies);
        self.send(thread, route, due, &batch.deliveries, &batch.statuses, &bodies);
        (self.batch, self.bodies) = (batch, bodies);
        self.again(due, end);
    }

    /// Sends the batch to the reader threads.
    fn read_cold(&mut self, due: Due, end: BatchEnd) {
        let js = self.js.clone();
        let core = self.core;
        let batch = std::mem::take(&mut self.batch);
        let places: Vec<Location> = batch.deliveries.iter().map(|delivery| delivery.location).collect();
        let (deliveries, statuses) = (batch.deliveries, batch.statuses);
        let back = js.clone();
        let done = move |bodies: Vec<Result<RecordBuf, ReadError>>| {
            let batch = ReadBatch { due, deliveries, statuses, bodies, end };
            if let Some(queue) = back.queues.get(core) {
                queue.push(Work::Ready(Ready::Batch(Box::new(batch))));
            }
        };
        if js.cold.read_many(places, done).is_err() {
            // The readers have too much to do. What was handed out comes again after its ack wait; a consumer without
            // acks is asked again for what follows.
            tracing::warn!(core, "The reader threads are busy, deliveries are delayed");
            self.again(due, BatchEnd::More);
        }
    }

    fn deliver_read(&mut self, thread: &mut ThreadState, batch: ReadBatch) {
        if let Some(route) = self.js.registry.consumer(batch.due.key) {
            self.send(thread, &route, batch.due, &batch.deliveries, &batch.statuses, &batch.bodies);
            self.again(batch.due, batch.end);
        }
    }

    pub(super) fn again(&self, due: Due, end: BatchEnd) {
        if end == BatchEnd::More
            && let Some(queue) = self.js.queues.get(self.core)
        {
            queue.push(Work::Due(due));
        }
    }

    pub(super) fn send(
        &mut self,
        thread: &mut ThreadState,
        route: &ConsumerRoute,
        due: Due,
        deliveries: &[Message],
        statuses: &[PlacedStatus],
        bodies: &[Result<RecordBuf, ReadError>],
    ) {
        let mut statuses = statuses.iter().peekable();
        for (number, delivery) in deliveries.iter().enumerate() {
            while let Some(placed) = statuses.next_if(|placed| placed.after <= number) {
                self.hands.say(&self.js, thread, &placed.status);
            }
            match bodies.get(number) {
                Some(Ok(body)) if self.send_one(thread, route, delivery, body) => {}
                Some(Ok(_)) => self.not_taken(thread, due, delivery),
                Some(Err(error)) => self.unreadable(thread, due, delivery, error),
                None => {}
            }
        }
        for placed in statuses {
            self.hands.say(&self.js, thread, &placed.status);
        }
    }

    /// Sends one message; false if nobody took it.
    fn send_one(&mut self, thread: &mut ThreadState, route: &ConsumerRoute, d: &Message, body: &RecordBuf) -> bool {
        let facts: &ConsumerFacts = &route.facts;
        let record = body.record();
        self.reply.clear();
        let reply = AckReply {
            deliveries: d.deliveries.into(),
            stream_seq: d.seq,
            consumer_seq: d.cseq,
            timestamp_ns: d.time,
            pending: d.pending,
        };
        reply.write(&mut self.reply, &facts.ack_prefix);
        let (headers, payload): (&[u8], &[u8]) = if facts.headers_only {
            self.headers.clear();
            let before = record.headers.strip_suffix(b"\r\n").unwrap_or(b"NATS/1.0\r\n");
            self.headers.extend_from_slice(before);
            self.headers.extend_from_slice(format!("Nats-Msg-Size: {}\r\n\r\n", record.payload.len()).as_bytes());
            (&self.headers, b"")
        } else {
            (record.headers, record.payload)
        };
        thread.deliver_to(&route.account, &d.to, record.subject, &self.reply, headers, payload)
    }

    /// Whoever asked is gone: the message waits for somebody else.
    fn not_taken(&mut self, thread: &mut ThreadState, due: Due, delivery: &Message) {
        let js = self.js.clone();
        let Some(cell) = js.shard(due.shard) else { return };
        let now = thread.wall_ns();
        cell.change(|state| {
            state.shard.drop_waiting(due.key, &delivery.to);
            state.shard.undelivered(due.key, delivery.seq, now);
        });
    }

    fn unreadable(&mut self, thread: &mut ThreadState, due: Due, delivery: &Message, error: &ReadError) {
        let js = self.js.clone();
        let Some(cell) = js.shard(due.shard) else { return };
        let now = thread.wall_ns();
        let lost = matches!(error, ReadError::Damaged { .. });
        if lost {
            tracing::error!(seq = delivery.seq, error = %error, "A stored message cannot be read");
        }
        cell.change(|state| {
            if lost {
                state.shard.lost(due.key, delivery.seq);
            } else {
                state.shard.undelivered(due.key, delivery.seq, now);
            }
        });
    }
}
