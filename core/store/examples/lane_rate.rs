//! How many records a second the lane takes on a real folder, and what it costs.
//!
//! `cargo run --release -p forebay-store --example lane_rate -- FOLDER [SECONDS] [IN_FLIGHT] [PAYLOAD] [PER_ENTRY]`
//!
//! One submitting thread keeps IN_FLIGHT records unconfirmed, PER_ENTRY to an entry, as the ingress turn of a core
//! thread does; the lane's thread confirms. The folder is left behind for inspection.
#![allow(clippy::disallowed_methods)]

use forebay_store::{
    Config, Disk, DurableEntry, Group, LaneFailure, LaneThread, NewEntry, OnDurable, PrepareThread, RecordBatch,
    RecordFields, Store,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

struct Confirm {
    confirmed: Arc<AtomicU64>,
    submitter: Thread,
}

impl OnDurable<u32> for Confirm {
    fn durable(&mut self, _: &Arc<Group>, entries: &mut Vec<DurableEntry<u32>>) {
        let records: u64 = entries.drain(..).map(|e| u64::from(e.attachment)).sum();
        self.confirmed.fetch_add(records, Ordering::Release);
        self.submitter.unpark();
    }

    fn failed(&mut self, failure: &LaneFailure, _: &mut Vec<u32>) {
        panic!("{failure}");
    }
}

fn cpu() -> Duration {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(usage.tv_sec as u64, usage.tv_nsec as u32)
}

fn argument(n: usize, default: u64) -> u64 {
    std::env::args().nth(n).and_then(|a| a.parse().ok()).unwrap_or(default)
}

fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    let (seconds, in_flight) = (argument(2, 5), argument(3, 1024));
    let (payload, per_entry) = (argument(4, 128) as usize, argument(5, 64).min(in_flight));
    let storage = Arc::new(Disk::open(&Path::new(&folder).join("forebay")).expect("the folder"));
    let start = Instant::now();
    let opened = Store::<u32>::open(storage, Config { store_id: 42, ..Config::default() }).expect("the store");
    let entries = opened.store.tail(&opened.recovered).count();
    println!("opened in {:?}: {:?}; {entries} entries in the tail", start.elapsed(), opened.recovered.stats);

    let confirmed = Arc::new(AtomicU64::new(0));
    let on = Confirm { confirmed: confirmed.clone(), submitter: std::thread::current() };
    let _prepare = PrepareThread::spawn(opened.store.clone()).expect("a thread");
    let lane = LaneThread::spawn(opened.lane, on, Duration::from_millis(50)).expect("a thread");
    let handle = lane.handle().clone();
    let payload = vec![b'x'; payload];
    let mut batch = RecordBatch::new();
    let (mut submitted, mut full) = (0u64, 0u64);
    let (start, start_cpu) = (Instant::now(), cpu());
    while start.elapsed() < Duration::from_secs(seconds) {
        while submitted - confirmed.load(Ordering::Acquire) + per_entry > in_flight {
            std::thread::park();
        }
        batch.clear();
        for _ in 0..per_entry {
            let fields =
                RecordFields { number: 1, uid: 1, subject: b"bench.rate", payload: &payload, ..Default::default() };
            batch.push(&fields).expect("a small record");
        }
        match handle.submit(NewEntry::local(0, 0, &batch, per_entry as u32)) {
            Ok(_) => submitted += per_entry,
            Err(_) => full += 1,
        }
    }
    while confirmed.load(Ordering::Acquire) < submitted {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let (took, used) = (start.elapsed(), cpu() - start_cpu);
    let stats = opened.store.stats();
    let (writes, written) = (stats.writes.load(Ordering::Relaxed), stats.written_bytes.load(Ordering::Relaxed));
    println!(
        "{:.0} records/s, {:.3} CPU µs a record, {:.0} records a write, {:.2} bytes written per entry byte, {full} refused",
        submitted as f64 / took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / submitted as f64,
        submitted as f64 / writes as f64,
        written as f64 / stats.entry_bytes.load(Ordering::Relaxed) as f64,
    );
    lane.stop();
}
