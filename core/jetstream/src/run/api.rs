//! Serves the API: asks the pure handlers, proposes what they want proposed, reads what they want read.

use crate::account::{AccountLimits, Usage as Used};
use crate::api::{self, ApiBackend, ApiRequest, Command, ReadPlan, Reply, ServerFacts, Step};
use crate::meta::Assignment;
use crate::run::delivery::Ready;
use crate::run::hands::propose_command;
use crate::run::waiter::{Completion, Waiters};
use crate::run::{JetStream, content};
use crate::shard::Shard;
use crate::stream::Found;
use crate::stream::validate::Limits;
use forebay_api::account::{AccountInfo, ApiUse, Usage};
use forebay_api::error::ApiError;
use forebay_api::stream::StreamConfig;
use forebay_broker::{Account, GLOBAL_ACCOUNT, Inbound, ThreadState};
use forebay_protocol::headers;
use forebay_store::{ReadError, RecordBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Reads that wait until the reader threads have room, per core. nats-server leaves requests beyond so many unanswered
/// (`JSDefaultRequestQueueLimit`).
const READS_MAX: usize = 10_000;

/// Serves a request, or says that nobody answers to its subject.
pub(super) fn answer(js: &Arc<JetStream>, thread: &mut ThreadState, account: &Arc<Account>, message: &Inbound<'_>) {
    if !serve(js, thread, account, message) {
        nobody(thread, account, message);
    }
}

/// nats-server has no subscription where we have one for all: whoever asks is told that nobody answers.
pub(super) fn nobody(thread: &mut ThreadState, account: &Arc<Account>, message: &Inbound<'_>) {
    if message.reply.is_empty() {
        return;
    }
    let mut block = Vec::new();
    headers::no_responders(&mut block, message.subject);
    thread.publish_internal(account, message.reply, b"", &block, b"");
}

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
        Step::Propose { command, then } => {
            let server = js.clone();
            let completion = Box::new(move |result, thread: &mut ThreadState| {
                let reply = then.complete(&server.config.facts, result, thread.wall_ns());
                to.answer(&server, thread, &reply);
            });
            propose(js, thread, &command, completion);
        }
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

/// Logs a command; `completion` is called with what came of it.
pub(super) fn propose(js: &JetStream, thread: &mut ThreadState, command: &Command, completion: Completion) {
    let now = thread.wall_ns();
    let mut waiters = Waiters::default();
    waiters.push_completion(0, completion);
    if let Err(refused) = propose_command(js, now, command, waiters) {
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
            if js.queues.get(core).is_none_or(|queue| queue.waiting() >= READS_MAX) {
                tracing::warn!("Too many requests wait for the disk, one is not answered");
                js.api_errors.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let place = found.location;
            self.found = Some(found);
            let read = Box::new(self);
            js.read_cold(core, vec![place], move |mut bodies| {
                Ready::Api(read, bodies.pop().unwrap_or(Err(ReadError::Gone)))
            });
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
        content::admit_stream(&*self.config.filters, account, config)?;
        self.meta.lock().meta.admit_create(account, config, &AccountLimits::default(), &self.server_limits())
    }

    fn admit_consumer(&self, account: &str, stream: &StreamConfig, consumer: &str) -> Result<(), ApiError> {
        content::admit_consumer(&*self.config.filters, account, stream, consumer)
    }

    fn has_interest(&self, account: &str, subject: &str) -> bool {
        self.broker.account(account).interest.has_interest(subject.as_bytes())
    }

    fn fresh_name(&self) -> String {
        (self.config.fresh_name)()
    }
}
