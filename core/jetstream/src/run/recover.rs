//! Opens the store, brings the machines back to where the log ends, and starts the threads.

use crate::effect::{Applied, Effects};
use crate::meta::{Assignment, Meta, MetaCommand, MetaEffects, MetaTodo};
use crate::record::Record;
use crate::run::applier::Applier;
use crate::run::barrier::Barriers;
use crate::run::hands::propose_command;
use crate::run::queue::Queue;
use crate::run::registry::Registry;
use crate::run::shard_cell::ShardCell;
use crate::run::target::Target;
use crate::run::waiter::Waiters;
use crate::run::{Clock, Config, JetStream, MetaCell};
use crate::shard::{RestoreError, Shard};
use crate::{META_SHARD, StreamFacts, StreamUid};
use forebay_api::stream::{Storage as StorageKind, StreamConfig};
use forebay_broker::{Broker, GLOBAL_ACCOUNT, Inbound, InterestWatcher, Recipient, Subscription, ThreadState};
use forebay_store::{
    ColdReads, EntryKind, LaneThread, OpenError, Opened, PrepareThread, Storage, Store, TailEntry, TailItem,
};
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use thiserror::Error;

/// Why JetStream does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store cannot be opened.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The checkpoint cannot be read.
    #[error("the checkpoint of shard {shard} cannot be read: {source}")]
    Restore {
        /// Whose.
        shard: u32,
        /// Why.
        source: RestoreError,
    },
    /// The log holds a command that this server cannot read.
    #[error("the log holds a command that this version cannot read: {0}")]
    Command(String),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// How long a start waits for what it had to bring up to date, and how often it looks.
const RECONCILE_PAUSE: Duration = Duration::from_millis(1);
/// See [`RECONCILE_PAUSE`].
const RECONCILE_PAUSES: usize = 5_000;

/// JetStream, running.
pub struct Started {
    /// What all threads share.
    pub js: Arc<JetStream>,
    /// The lane's thread; stop it last.
    pub lane: LaneThread<Waiters>,
    /// The thread that prepares segments.
    pub prepare: PrepareThread,
    /// The store, for upkeep.
    pub store: Arc<Store<Waiters>>,
    /// Streams and messages that were recovered.
    pub recovered: (usize, u64),
    /// Ranges that were found damaged.
    pub damaged: usize,
}

/// The machines while they are being brought back.
struct Machines {
    meta: Meta,
    meta_lsn: u64,
    shards: Vec<(Shard, u64)>,
    effects: Effects,
    meta_effects: MetaEffects,
}

/// Opens the store in `storage` and starts.
///
/// # Errors
/// See [`StartError`]; nothing has been changed then.
pub fn start(
    config: Config,
    storage: Arc<dyn Storage>,
    store_config: forebay_store::Config,
    broker: Arc<Broker>,
    clock: Arc<dyn Clock>,
    lane_thread_state: ThreadState,
) -> Result<Started, StartError> {
    let mark_after = store_config.mark_after;
    let Opened { store, lane, recovered } = Store::<Waiters>::open(storage, store_config)?;
    let mut machines = Machines::restore(&recovered, config.shards)?;
    let mut damaged = recovered.damage.len();
    for item in store.tail(&recovered) {
        match item? {
            TailItem::Entry(entry) => machines.apply(&entry)?,
            TailItem::Damaged(damage) => {
                tracing::error!(damage = ?damage, "A part of the log is damaged and was set aside");
                damaged += 1;
            }
        }
    }
    let cold = ColdReads::spawn(store.reader())?;
    let js = Arc::new(machines.finish(config, broker, clock, store.clone(), cold));
    let lane = LaneThread::spawn(lane, Applier::new(js.clone(), lane_thread_state), mark_after)?;
    let prepare = PrepareThread::spawn(store.clone())?;
    let recovered = js.register_all();
    js.reconcile();
    Ok(Started { js, lane, prepare, store, recovered, damaged })
}

impl Machines {
    fn restore(recovered: &forebay_store::Recovered, shards: u32) -> Result<Self, StartError> {
        let mut machines = Self {
            meta: Meta::new(shards),
            meta_lsn: 0,
            shards: (1..=shards).map(|number| (Shard::new(number), 0)).collect(),
            effects: Effects::default(),
            meta_effects: MetaEffects::default(),
        };
        let Some(checkpoint) = &recovered.checkpoint else { return Ok(machines) };
        for part in &checkpoint.shards {
            let failed = |source| StartError::Restore { shard: part.shard, source };
            if part.shard == META_SHARD {
                machines.meta = Meta::restore(&part.blob, shards).map_err(failed)?;
                machines.meta_lsn = part.lsn;
            } else if let Some(place) = machines.shards.get_mut(part.shard as usize - 1) {
                *place = (Shard::restore(&part.blob).map_err(failed)?, part.lsn);
            }
        }
        Ok(machines)
    }

    fn apply(&mut self, entry: &TailEntry) -> Result<(), StartError> {
        match entry.kind {
            EntryKind::Entry if entry.shard == META_SHARD => {
                self.meta_lsn = entry.lsn;
                for record in entry.records() {
                    let Ok((location, record)) = record else { continue };
                    let at = Applied::unattended(entry.index, location);
                    self.meta.apply(&Record::from(&record), at, &mut self.meta_effects);
                }
                // What follows from it is found again by `reconcile`.
                self.meta_effects.clear();
            }
            EntryKind::Entry | EntryKind::Relocated => self.apply_shard(entry),
            _ => {}
        }
        match self.effects.damaged.first() {
            Some(error) => Err(StartError::Command(error.to_string())),
            None => {
                self.effects.clear();
                Ok(())
            }
        }
    }

    fn apply_shard(&mut self, entry: &TailEntry) {
        let Some((shard, lsn)) = self.shards.get_mut((entry.shard as usize).wrapping_sub(1)) else { return };
        *lsn = entry.lsn;
        for record in entry.records() {
            let Ok((location, record)) = record else { continue };
            match record.seq {
                Some(seq) if entry.kind == EntryKind::Relocated => {
                    shard.apply_relocated(StreamUid(record.uid), seq, location, &mut self.effects);
                }
                _ => {
                    let at = Applied::unattended(entry.index, location);
                    shard.apply(&Record::from(&record), at, &mut self.effects);
                }
            }
        }
    }

    fn finish(
        self,
        config: Config,
        broker: Arc<Broker>,
        clock: Arc<dyn Clock>,
        store: Arc<Store<Waiters>>,
        cold: ColdReads,
    ) -> JetStream {
        let now = clock.wall_ns();
        let mut shards = Vec::new();
        for (mut shard, lsn) in self.shards {
            shard.for_each_body(|location, size| store.live().retain(location, size));
            shard.become_leader(now);
            shards.push(ShardCell::new(shard.id(), shard, lsn));
        }
        JetStream {
            queues: (0..config.cores.max(1)).map(|_| Queue::default()).collect(),
            config,
            broker,
            clock,
            lane: store.lane(),
            store,
            cold,
            meta: Mutex::new(MetaCell { meta: self.meta, lsn: self.meta_lsn }),
            shards,
            registry: Registry::default(),
            barriers: Barriers::default(),
            api_calls: AtomicU64::new(0),
            api_errors: AtomicU64::new(0),
            damaged: AtomicBool::new(false),
        }
    }
}

impl JetStream {
    /// Makes the broker know all streams and consumers. Returns how many streams and messages there are.
    fn register_all(self: &Arc<Self>) -> (usize, u64) {
        let account = self.broker.account(GLOBAL_ACCOUNT);
        for (filter, target) in
            [(&b"$JS.API.>"[..], Target::Api), (b"$JS.ACK.>", Target::Ack), (b"$JS.FC.>", Target::FlowControl)]
        {
            let recipient = Recipient::Internal(target.number());
            let subscription = Subscription::new(self.broker.next_subscription(), filter, None, b"", recipient);
            account.interest.insert(&Arc::new(subscription));
        }
        let watcher: Arc<dyn InterestWatcher> = self.clone();
        let (mut streams, mut messages) = (0, 0);
        for cell in &self.shards {
            let mut consumers = Vec::new();
            cell.read(|shard| {
                for (facts, config, _) in shard.streams() {
                    streams += 1;
                    self.registry.put_stream(&self.broker, cell.number(), facts, config);
                    consumers.extend(shard.consumers(facts.uid).into_iter().map(|entry| entry.facts));
                }
                let mut rows = crate::metrics::MetricRows::default();
                shard.metrics(&mut rows);
                messages += rows.streams.iter().map(|row| row.messages).sum::<u64>();
            });
            for facts in consumers {
                self.registry.put_consumer(&self.broker, cell.number(), &facts, &watcher);
            }
        }
        (streams, messages)
    }

    /// A crash between the table of streams and a shard leaves one behind: it is brought up to date.
    /// Returns when that has been applied, so that nobody sees what is about to go.
    fn reconcile(&self) {
        let now = self.clock.wall_ns();
        let (mut todo, mut settled) = (Vec::<MetaTodo>::new(), Vec::<MetaCommand>::new());
        {
            let cell = self.meta.lock();
            for shard in &self.shards {
                let known = |(facts, config, revision): (&Arc<StreamFacts>, &Arc<StreamConfig>, u64)| {
                    (facts.uid, (revision, Arc::clone(config)))
                };
                let has: HashMap<StreamUid, _> = shard.read(|shard| shard.streams().map(known).collect());
                settled.extend(
                    cell.meta.settled(shard.number(), |uid| has.get(&uid).map(|(at, config)| (*at, &**config))),
                );
                todo.extend(cell.meta.reconcile(shard.number(), |uid| has.get(&uid).map(|(revision, _)| *revision)));
            }
        }
        let mut last = self.forget_memory_streams(now);
        for command in settled {
            last = last.max(self.tell_table(now, &command));
        }
        for todo in todo {
            let mut body = Vec::new();
            todo.command.encode(&mut body);
            let number = todo.command.number();
            match propose_command(self, todo.shard, now, number, todo.uid.0, &body, Waiters::default()) {
                Ok(lsn) => last = last.max(lsn),
                Err(_) => {
                    tracing::error!(
                        uid = todo.uid.0,
                        "A stream could not be brought up to date with the table of streams"
                    );
                }
            }
        }
        for _ in 0..RECONCILE_PAUSES {
            if self.barriers.is_applied(last) || self.lane.failed() {
                return;
            }
            std::thread::sleep(RECONCILE_PAUSE);
        }
    }

    /// Streams in memory end with the process, as in nats-server: only their place in the log has outlived it.
    fn forget_memory_streams(&self, now: i64) -> u64 {
        if !self.meta.lock().meta.has_memory_streams() {
            return 0;
        }
        self.tell_table(now, &MetaCommand::ForgetMemory)
    }

    /// Proposes a command of the table of streams; returns its entry's lsn, or 0 if the lane took nothing.
    fn tell_table(&self, now: i64, command: &MetaCommand) -> u64 {
        let mut body = Vec::new();
        command.encode(&mut body);
        let proposed = propose_command(self, META_SHARD, now, command.number(), 0, &body, Waiters::default());
        proposed.unwrap_or_else(|_| {
            tracing::error!(command = command.number(), "The table of streams could not be brought up to date");
            0
        })
    }

    /// Creates or updates a declared stream, as an API request would. The outcome is logged.
    pub fn declare(self: &Arc<Self>, thread: &mut ThreadState, account: &str, name: &str, config: &[u8]) {
        // A stream in memory is being forgotten if the log still has it.
        let lasts = |known: &Assignment| known.config.storage != StorageKind::Memory;
        let exists = self.meta.lock().meta.get(account, name).is_some_and(lasts);
        let verb = if exists { "UPDATE" } else { "CREATE" };
        let subject = format!("$JS.API.STREAM.{verb}.{name}");
        let message = Inbound { subject: subject.as_bytes(), reply: b"", headers: b"", payload: config, connection: 0 };
        let account = self.broker.account(account);
        crate::run::api::serve(self, thread, &account, &message);
    }

    /// True if publishes to this stream's subjects reach it.
    pub fn has_stream(&self, account: &str, name: &str) -> bool {
        self.registry.has_stream(account, name)
    }
}

impl InterestWatcher for JetStream {
    fn interest_changed(&self, tag: u64, _: &[u8], interested: bool) {
        let Some(route) = self.registry.consumer_watched(tag) else { return };
        let Some(cell) = self.shard(route.shard) else { return };
        let now = self.clock.wall_ns();
        let mut out = crate::LeaderOut::default();
        cell.change(|state| state.shard.set_push_interest(route.facts.key, now, interested, &mut out));
        self.wake(route.shard, out.wake.drain(..));
    }
}
