//! Carries out what the machines ask for, after the shard's lock was let go: one pair of hands a thread.

use crate::META_SHARD;
use crate::consumer::ConsumerFacts;
use crate::consumer::status::Status;
use crate::effect::{ApiDone, ApiOk, Body, Effects, LeaderOut, Lifecycle, Proposals, PublishOutcome};
use crate::meta::MetaCommand;
use crate::run::JetStream;
use crate::run::shard_cell::{Proposer, submit};
use crate::run::waiter::{Completion, Waiters};
use forebay_api::error::ApiError;
use forebay_api::publish::{AckOutcome, write_ack, write_refusal};
use forebay_broker::{Account, InterestWatcher, ThreadState};
use forebay_store::{RecordBatch, RecordFields};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct Hands {
    pub(super) effects: Effects,
    pub(super) out: LeaderOut,
    pub(super) proposals: Proposals,
    body: Vec<u8>,
    accounts: Vec<Arc<Account>>,
    /// Push consumers that came just now and have somebody to deliver to.
    bound: Vec<Arc<ConsumerFacts>>,
}

impl Hands {
    /// Carries out everything of one batch and empties the buffers.
    pub(super) fn carry_out(
        &mut self,
        js: &Arc<JetStream>,
        thread: &mut ThreadState,
        shard: u32,
        waiters: &mut Waiters,
    ) {
        if !self.effects.damaged.is_empty() {
            for error in self.effects.damaged.drain(..) {
                tracing::error!(shard, error = %error, "The log holds a command that cannot be read");
            }
            js.damaged.store(true, Ordering::Relaxed);
        }
        let lifecycle = std::mem::take(&mut self.effects.lifecycle);
        for change in &lifecycle {
            self.came(js, shard, change);
        }
        self.ack_publishes(thread, waiters);
        for mut done in self.effects.replies.drain(..) {
            if let Ok(ApiOk::Consumer(info)) = &mut done.result {
                info.push_bound |= self.bound.iter().any(|facts| *facts.name == *info.name);
            }
            complete(thread, waiters, done);
        }
        let statuses: Vec<Status> = self.effects.statuses.drain(..).chain(self.out.statuses.drain(..)).collect();
        for status in &statuses {
            self.say(js, thread, status);
        }
        for change in &lifecycle {
            went(js, change);
        }
        self.effects.lifecycle = lifecycle;
        js.wake(shard, self.effects.wake.drain(..).chain(self.out.wake.drain(..)));
        account_bodies(js, &self.effects.retained, 1);
        account_bodies(js, &self.effects.released, -1);
        for (account, reply) in waiters.afterwards() {
            let account = account_by_number(&mut self.accounts, thread, account);
            thread.publish_internal(&account, reply, b"", b"", b"");
        }
        self.bound.clear();
        self.effects.clear();
        self.out.clear();
    }

    fn ack_publishes(&mut self, thread: &mut ThreadState, waiters: &Waiters) {
        for done in &self.effects.publishes {
            let Some((account, reply)) = waiters.publish(done.waiter) else { continue };
            let Some(stream) = self.effects.streams.get(done.stream as usize) else { continue };
            self.body.clear();
            match &done.outcome {
                PublishOutcome::Stored { seq } | PublishOutcome::NotStored { seq } => {
                    write_ack(&mut self.body, &stream.ack_prefix, *seq, AckOutcome::Stored, stream.durability);
                }
                PublishOutcome::Duplicate { seq } => {
                    write_ack(&mut self.body, &stream.ack_prefix, *seq, AckOutcome::Duplicate, stream.durability);
                }
                PublishOutcome::Refused(error) => write_refusal(&mut self.body, &stream.name, error),
            }
            let account = account_by_number(&mut self.accounts, thread, account);
            thread.publish_internal(&account, reply, b"", b"", &self.body);
        }
        for waiter in &self.effects.orphans {
            let Some((account, reply)) = waiters.publish(*waiter) else { continue };
            self.body.clear();
            write_refusal(&mut self.body, "", &ApiError::stream_not_found());
            let account = account_by_number(&mut self.accounts, thread, account);
            thread.publish_internal(&account, reply, b"", b"", &self.body);
        }
    }

    /// Sends a status message.
    pub(super) fn say(&mut self, js: &JetStream, thread: &mut ThreadState, status: &Status) {
        let Some(route) = js.registry.consumer(status.key) else { return };
        self.body.clear();
        status.encode_headers(&mut self.body);
        let reply = status.reply().unwrap_or_default();
        thread.deliver_to(&route.account, &status.to, &status.to, reply, &self.body, b"");
    }

    /// Something came or changed: the broker learns of it before anybody is answered.
    fn came(&mut self, js: &Arc<JetStream>, shard: u32, change: &Lifecycle) {
        match change {
            Lifecycle::StreamCreated { facts, config } | Lifecycle::StreamUpdated { facts, config, .. } => {
                js.registry.put_stream(&js.broker, shard, facts, config);
            }
            Lifecycle::ConsumerCreated { facts, .. } | Lifecycle::ConsumerUpdated { facts, .. } => {
                let watcher: Arc<dyn InterestWatcher> = js.clone();
                let (_, interest) = js.registry.put_consumer(&js.broker, shard, facts, &watcher);
                if let (Some(true), Some(cell)) = (interest, js.shard(shard)) {
                    let now = js.clock.wall_ns();
                    self.bound.push(facts.clone());
                    cell.change(|state| state.shard.set_push_interest(facts.key, now, true, &mut self.out));
                }
            }
            Lifecycle::StreamKept { .. } | Lifecycle::StreamRemoved { .. } | Lifecycle::ConsumerRemoved { .. } => {}
        }
    }

    /// What hands a shard's commands to the lane.
    pub(super) fn proposer<'a>(&'a mut self, js: &'a JetStream, shard: u32, now: i64) -> Proposer<'a> {
        Proposer { lane: &js.lane, shard, now, proposals: &mut self.proposals, effects: &mut self.effects }
    }
}

/// A stream or consumer went: nobody finds it any more.
fn went(js: &Arc<JetStream>, change: &Lifecycle) {
    match change {
        Lifecycle::StreamRemoved { facts } => {
            js.registry.remove_stream(facts.uid);
            tell_meta(js, &MetaCommand::Forget { uid: facts.uid.0 });
        }
        Lifecycle::StreamUpdated { facts, revision, .. } => {
            tell_meta(js, &MetaCommand::Settle { uid: facts.uid.0, revision: *revision, kept: Vec::new() });
        }
        Lifecycle::StreamKept { facts, config, revision } => {
            let kept = forebay_api::json::to_vec(&**config);
            tell_meta(js, &MetaCommand::Settle { uid: facts.uid.0, revision: *revision, kept });
        }
        Lifecycle::ConsumerRemoved { facts } => js.registry.remove_consumer(facts.key),
        _ => {}
    }
}

/// Tells the table of streams what a shard has done. If the lane takes nothing now, the next start finds it out.
fn tell_meta(js: &JetStream, command: &MetaCommand) {
    let mut body = Vec::new();
    command.encode(&mut body);
    let now = js.clock.wall_ns();
    let _ = propose_command(js, META_SHARD, now, command.number(), 0, &body, Waiters::default());
}

/// Logs one command; returns its entry's lsn.
pub(super) fn propose_command(
    js: &JetStream,
    shard: u32,
    now: i64,
    number: u16,
    uid: u64,
    body: &[u8],
    waiters: Waiters,
) -> Result<u64, Box<(ApiError, Waiters)>> {
    let mut batch = RecordBatch::new();
    let record = RecordFields { number, uid, time: now, payload: body, ..RecordFields::default() };
    if batch.push(&record).is_err() {
        return Err(Box::new((ApiError::bad_request(), waiters)));
    }
    submit(&js.lane, shard, now, &batch, waiters)
        .map_err(|refused| Box::new((ApiError::insufficient_resources(), refused.attachment)))
}

/// Answers who waits for an API command.
pub(super) fn complete(thread: &mut ThreadState, waiters: &mut Waiters, done: ApiDone) {
    let completion: Option<Completion> = waiters.take_completion(&done);
    if let Some(completion) = completion {
        completion(done.result, thread);
    }
}

/// Tells the store which bodies came or went, a segment at a time.
fn account_bodies(js: &JetStream, bodies: &[Body], sign: i64) {
    let mut rest = bodies;
    while let Some(first) = rest.first() {
        let segment = first.location.segment;
        let same = rest.iter().take_while(|body| body.location.segment == segment).count();
        let (now, later) = rest.split_at(same);
        let bytes: i64 = now.iter().map(|body| i64::from(body.size)).sum();
        js.store.live().add(segment, sign * bytes);
        rest = later;
    }
}

/// The account with this number, from the thread's own list.
pub(super) fn account_by_number(known: &mut Vec<Arc<Account>>, thread: &ThreadState, number: usize) -> Arc<Account> {
    if known.len() <= number {
        *known = thread.broker().accounts();
    }
    match known.get(number) {
        Some(account) => account.clone(),
        // Account numbers come from the broker's own list, which never shrinks.
        None => thread.broker().account(forebay_broker::GLOBAL_ACCOUNT),
    }
}
