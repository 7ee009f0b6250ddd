//! The upkeep thread: checkpoints, so that a start re-applies little, and collection, so that space comes back.

use crate::META_SHARD;
use crate::run::JetStream;
use crate::run::waiter::Waiters;
use forebay_store::{CollectStep, Collector, Liveness, Location, ShardCheckpoint, Store};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How often the thread looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Segments of log after which a checkpoint is written.
const CHECKPOINT_SEGMENTS: u64 = 4;
/// Steps of collection in one look.
const COLLECT_STEPS: usize = 4;

struct Shared {
    stop: Mutex<bool>,
    wake: Condvar,
}

/// The upkeep thread.
pub struct Upkeep {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Upkeep {
    /// Starts it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(js: Arc<JetStream>, store: Arc<Store<Waiters>>) -> io::Result<Self> {
        let shared = Arc::new(Shared { stop: Mutex::new(false), wake: Condvar::new() });
        let seen = shared.clone();
        let thread = std::thread::Builder::new().name("upkeep".into()).spawn(move || run(&js, &store, &seen))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Writes a last checkpoint and ends.
    pub fn stop(mut self) {
        *self.shared.stop.lock() = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the upkeep thread panicked");
        }
    }
}

/// Says which records are still bodies of messages.
struct Alive<'a>(&'a JetStream);

impl Liveness for Alive<'_> {
    fn live(&mut self, shard: u32, records: &[(Location, u64)], seqs: &mut Vec<Option<u64>>) {
        match self.0.shard(shard) {
            Some(cell) => cell.read(|shard| shard.live(records, seqs)),
            None => seqs.extend(records.iter().map(|_| None)),
        }
    }
}

fn run(js: &Arc<JetStream>, store: &Arc<Store<Waiters>>, shared: &Shared) {
    let mut collector = Collector::new(store.clone(), |_| Waiters::default());
    let mut written = store.checkpoint_lsns().last().copied().unwrap_or(0);
    let mut segments = newest_segment(store);
    loop {
        let stop = {
            let mut stop = shared.stop.lock();
            if !*stop {
                shared.wake.wait_for(&mut stop, PAUSE);
            }
            *stop
        };
        if js.lane.failed() {
            if stop {
                return;
            }
            continue;
        }
        let newest = newest_segment(store);
        let grown = u64::from(newest.saturating_sub(segments)) >= CHECKPOINT_SEGMENTS;
        if (grown || stop) && js.lane.durable() > written {
            match js.checkpoint(store) {
                Ok(lsn) => (written, segments) = (lsn, newest),
                Err(error) => tracing::error!(error = %error, "A checkpoint could not be written"),
            }
        }
        if stop {
            return;
        }
        collect(js, &mut collector);
    }
}

fn newest_segment(store: &Store<Waiters>) -> u32 {
    store.segments_info().iter().map(|info| info.id).max().unwrap_or(0)
}

fn collect(js: &JetStream, collector: &mut Collector<Waiters>) {
    for _ in 0..COLLECT_STEPS {
        match collector.step(&mut Alive(js), js.clock.wall_ns()) {
            Ok(CollectStep::Idle) => return,
            Ok(_) => {}
            Err(error) => return tracing::error!(error = %error, "A segment could not be collected"),
        }
    }
}

impl JetStream {
    /// Writes what the log has made of the machines, so that nothing of it is needed to make it again.
    fn checkpoint(&self, store: &Store<Waiters>) -> Result<u64, forebay_store::StoreError> {
        // Whatever the lane has reported is in the machines, also in those that had no entry lately.
        let reported = self.lane.reported();
        let mut parts = Vec::new();
        {
            let cell = self.meta.lock();
            let mut blob = Vec::new();
            cell.meta.checkpoint(&mut blob);
            parts.push(ShardCheckpoint {
                shard: META_SHARD,
                lsn: cell.lsn.max(reported),
                index: cell.meta.applied(),
                blob,
            });
        }
        for cell in &self.shards {
            let mut blob = Vec::new();
            let (lsn, index) = cell.change(|state| {
                state.shard.checkpoint(&mut blob);
                (state.lsn.max(reported), state.shard.applied())
            });
            parts.push(ShardCheckpoint { shard: cell.number(), lsn, index, blob });
        }
        store.write_checkpoint(parts)
    }
}
