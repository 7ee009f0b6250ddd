//! The layer that runs the machines: shards behind their locks, the lane's callback, ingress on the core threads,
//! delivery, timers, and what the API needs of all of them.
//!
//! Which thread runs what: *core threads* call [`CoreIngress`] (in the turn that read a message) and [`Delivery`];
//! the *lane thread* calls [`Applier`]; one *upkeep* thread writes checkpoints and collects segments. Two std reader
//! threads serve cold reads. A shard's lock is held for pure calls and for handing records to the lane, whose own lock
//! is taken for one copy: an order that is never turned round (docs/adr/0007).

mod api;
mod applier;
mod barrier;
mod content;
mod delivery;
mod gone;
mod hands;
mod ingress;
mod queue;
mod recover;
mod registry;
mod shard_cell;
mod stage;
mod target;
mod upkeep;
mod waiter;

pub use applier::Applier;
pub use delivery::Delivery;
pub use ingress::CoreIngress;
pub use recover::{StartError, Started, start};
pub use upkeep::Upkeep;
pub use waiter::Waiters;

use crate::account::Usage;
use crate::api::ServerFacts;
use crate::meta::Meta;
use crate::metrics::MetricRows;
use forebay_broker::Broker;
use forebay_store::{ColdReads, LaneHandle, LaneStats, Store};
use parking_lot::Mutex;
use queue::{Due, Queue, Work};
use registry::Registry;
use shard_cell::ShardCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Time, from the only place that has it.
pub trait Clock: Send + Sync {
    /// For waiting.
    fn now(&self) -> Instant;
    /// Nanoseconds since the epoch.
    fn wall_ns(&self) -> i64;
}

/// What JetStream is told at start.
pub struct Config {
    /// What answers say about the server.
    pub facts: ServerFacts,
    /// Most bytes of memory streams.
    pub max_memory: u64,
    /// Most bytes of file streams.
    pub max_storage: u64,
    /// Shards for streams with one replica.
    pub shards: u32,
    /// Core threads that deliver.
    pub cores: usize,
    /// Random names of eight characters.
    pub fresh_name: Box<dyn Fn() -> String + Send + Sync>,
}

/// JetStream of one server, shared by all its threads.
pub struct JetStream {
    config: Config,
    broker: Arc<Broker>,
    clock: Arc<dyn Clock>,
    store: Arc<Store<Waiters>>,
    lane: LaneHandle<Waiters>,
    cold: ColdReads,
    meta: Mutex<MetaCell>,
    shards: Vec<ShardCell>,
    registry: Registry,
    queues: Vec<Queue<delivery::Ready>>,
    barriers: barrier::Barriers,
    api_calls: AtomicU64,
    api_errors: AtomicU64,
    damaged: AtomicBool,
}

/// The table of streams, and how far the log is in it.
struct MetaCell {
    meta: Meta,
    lsn: u64,
}

impl JetStream {
    fn shard(&self, number: u32) -> Option<&ShardCell> {
        self.shards.get((number as usize).checked_sub(1)?)
    }

    /// Puts consumers on the queues of the cores that deliver for them.
    fn wake(&self, shard: u32, keys: impl Iterator<Item = crate::ConsumerKey>) {
        for key in keys {
            let core = (key.stream.0 as usize).wrapping_mul(31).wrapping_add(key.consumer.0 as usize);
            if let Some(queue) = self.queues.get(core % self.queues.len().max(1)) {
                queue.push(Work::Due(Due { shard, key }));
            }
        }
    }

    /// Why JetStream is not healthy; `None` if it is.
    pub fn health(&self) -> Option<&'static str> {
        if self.lane.failed() {
            return Some(
                "the store failed: a write or sync was refused by the system, nothing is acked until a restart",
            );
        }
        if self.damaged.load(Ordering::Relaxed) {
            return Some("the log holds a command that this server cannot read");
        }
        self.lane.disk_full().then_some("the disk is full: publishes are refused")
    }

    /// True if the store takes nothing any more.
    pub fn is_failed(&self) -> bool {
        self.lane.failed()
    }

    /// Everything in the streams.
    pub fn usage(&self) -> Usage {
        self.account_usage(None)
    }

    fn account_usage(&self, account: Option<&str>) -> Usage {
        let mut usage = Usage::default();
        for cell in &self.shards {
            cell.read(|shard| usage.add(shard, account));
        }
        usage
    }

    /// Rows for metrics.
    pub fn metrics(&self) -> MetricRows {
        let mut rows = MetricRows::default();
        for cell in &self.shards {
            cell.read(|shard| shard.metrics(&mut rows));
        }
        rows
    }

    /// The lane's counters.
    pub fn lane_stats(&self) -> &LaneStats {
        self.store.stats()
    }

    /// Bytes of messages that are kept in memory for delivery.
    pub fn hot_bytes(&self) -> usize {
        self.store.hot().held_bytes()
    }

    /// Requests to the API, and how many of them failed.
    pub fn api_counts(&self) -> (u64, u64) {
        (self.api_calls.load(Ordering::Relaxed), self.api_errors.load(Ordering::Relaxed))
    }

    /// Most bytes of memory and of file streams.
    pub fn maxima(&self) -> (u64, u64) {
        (self.config.max_memory, self.config.max_storage)
    }
}
