//! Serves the API: asks the pure handlers, proposes what they want proposed, reads what they want read.

use crate::META_SHARD;
use crate::account::{AccountLimits, Usage as Used};
use crate::api::{self, ApiBackend, ApiRequest, Command, ReadPlan, Reply, ServerFacts, Step, Then};
use crate::meta::Assignment;
use crate::run::JetStream;
use crate::run::delivery::Ready;
use crate::run::hands::propose_command;
use crate::run::queue::Work;
use crate::run::waiter::Waiters;
use crate::shard::Shard;
use crate::stream::Found;
use crate::stream::validate::Limits;
use forebay_api::account::{AccountInfo, ApiUse, Usage};
use forebay_api::error::ApiError;
use forebay_api::stream::StreamConfig;
use forebay_broker::{Account, GLOBAL_ACCOUNT, Inbound, ThreadState};
use forebay_store::{ReadError, RecordBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Serves a request; false if nobody answers to its subject.
pub(super) fn serve(
    js: &Arc<JetStream>,
    thread: &mut ThreadState,
    account: &Arc<Account>,
    message: &Inbound<'_>,
) -> bool {
    let request = ApiRequest {
        account: &account.name,
        subject: message.subject,
        headers: message.headers,
        payload: message.payload,
        now: thread.wall_ns(),
    };
    let to = Asker { account: account.clone(), reply: message.reply.into() };
    let step = api::handle(&**js, &request);
    // An answer does not count the request that it is for.
    js.api_calls.fetch_add(1, Ordering::Relaxed);
    match step {
        Step::Silent => {}
        Step::NoResponders => return false,
        Step::Reply(reply) => to.answer(js, thread, &reply),
        Step::Propose { command, then } => propose(js, thread, to, command, then),
        Step::Read(plan) => {
            let core = (message.connection as usize) % js.queues.len().max(1);
            PendingRead { to, plan, found: None }.next(js, thread, core);
        }
    }
    true
}

/// Who asked.
struct Asker {
    account: Arc<Account>,
    reply: Box<[u8]>,
}

impl Asker {
    fn answer(&self, js: &JetStream, thread: &mut ThreadState, reply: &Reply) {
        if reply.failed {
            js.api_errors.fetch_add(1, Ordering::Relaxed);
        }
        if !self.reply.is_empty() {
            thread.publish_internal(&self.account, &self.reply, b"", &reply.headers, &reply.payload);
        }
    }
}

fn propose(js: &Arc<JetStream>, thread: &mut ThreadState, to: Asker, command: Command, then: Then) {
    let mut body = Vec::new();
    let (shard, uid, number) = match &command {
        Command::Meta(command) => {
            command.encode(&mut body);
            (META_SHARD, 0, command.number())
        }
        Command::Stream { shard, uid, command } => {
            command.encode(&mut body);
            (*shard, uid.0, command.number())
        }
        Command::Consumer { shard, uid, command } => {
            command.encode(&mut body);
            (*shard, uid.0, command.number())
        }
    };
    let now = thread.wall_ns();
    let mut waiters = Waiters::default();
    let server = js.clone();
    waiters.push_completion(
        0,
        Box::new(move |result, thread| {
            let reply = then.complete(&server.config.facts, result, thread.wall_ns());
            to.answer(&server, thread, &reply);
        }),
    );
    if let Err(refused) = propose_command(js, shard, now, number, uid, &body, waiters) {
        let (error, mut waiters) = *refused;
        for completion in waiters.take_completions() {
            completion(Err(error.clone()), thread);
        }
    }
}

/// A request that reads messages, one after the other.
pub(super) struct PendingRead {
    to: Asker,
    plan: ReadPlan,
    found: Option<Found>,
}

impl PendingRead {
    /// Reads on; from disk by the reader threads, which hand it back to this core.
    fn next(mut self, js: &Arc<JetStream>, thread: &mut ThreadState, core: usize) {
        while let Some(found) = self.plan.next() {
            let hot = found.body.clone().or_else(|| js.store.hot().get(found.location));
            if let Some(body) = hot {
                let reply = self.plan.answer(&found, Some(body.record()));
                self.to.answer(js, thread, &reply);
                continue;
            }
            let location = found.location;
            self.found = Some(found);
            let back = js.clone();
            let read = Box::new(self);
            let done = move |body: Result<RecordBuf, ReadError>| {
                if let Some(queue) = back.queues.get(core) {
                    queue.push(Work::Ready(Ready::Api(read, body)));
                }
            };
            if js.cold.read(location, done).is_err() {
                tracing::warn!("The reader threads are busy, a request is not answered");
            }
            return;
        }
        if let Some(reply) = self.plan.finish() {
            self.to.answer(js, thread, &reply);
        }
    }

    /// A body came from disk.
    pub(super) fn go_on(
        mut self,
        js: &Arc<JetStream>,
        thread: &mut ThreadState,
        core: usize,
        body: Result<RecordBuf, ReadError>,
    ) {
        if let Some(found) = self.found.take() {
            let reply = self.plan.answer(&found, body.ok().as_ref().map(RecordBuf::record));
            self.to.answer(js, thread, &reply);
        }
        self.next(js, thread, core);
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl JetStream {
    fn server_limits(&self) -> AccountLimits {
        AccountLimits {
            max_memory: signed(self.config.max_memory),
            max_storage: signed(self.config.max_storage),
            ..AccountLimits::default()
        }
    }
}

impl ApiBackend for JetStream {
    fn facts(&self) -> &ServerFacts {
        &self.config.facts
    }

    fn is_enabled(&self, account: &str) -> bool {
        account == GLOBAL_ACCOUNT
    }

    fn account_info(&self, account: &str) -> AccountInfo {
        let used: Used = self.account_usage(Some(account));
        let reserved = self.meta.lock().meta.reservation(Some(account));
        let (total, errors) = self.api_counts();
        AccountInfo {
            usage: Usage {
                memory: used.memory,
                storage: used.storage,
                reserved_memory: reserved.memory,
                reserved_storage: reserved.storage,
                streams: used.streams,
                consumers: used.consumers,
                limits: AccountLimits::default(),
            },
            domain: self.config.facts.domain.clone(),
            api: ApiUse { total, errors, ..ApiUse::default() },
            tiers: Default::default(),
        }
    }

    fn limits(&self, _: &str) -> Limits {
        Limits { account: AccountLimits::default(), ..Limits::default() }
    }

    fn stream(&self, account: &str, name: &str) -> Option<Assignment> {
        self.meta.lock().meta.get(account, name).cloned()
    }

    fn streams(&self, account: &str) -> Vec<Assignment> {
        self.meta.lock().meta.of_account(account).cloned().collect()
    }

    fn with_shard<R>(&self, stream: &Assignment, read: impl FnOnce(&Shard) -> R) -> Option<R> {
        Some(self.shard(stream.shard)?.read(read))
    }

    fn admit(&self, account: &str, config: &StreamConfig) -> Result<(), ApiError> {
        self.meta.lock().meta.admit_create(account, config, &AccountLimits::default(), &self.server_limits())
    }

    fn has_interest(&self, account: &str, subject: &[u8]) -> bool {
        self.broker.account(account).interest.has_interest(subject)
    }

    fn fresh_name(&self) -> String {
        (self.config.fresh_name)()
    }
}
