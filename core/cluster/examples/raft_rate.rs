//! How many messages a second a group of three takes, all in this process, with their logs on a real folder.
//!
//! `cargo run --release -p forebay-cluster --features test-util --example raft_rate -- FOLDER [SECONDS] [IN_FLIGHT] [PAYLOAD] [PER_PROPOSAL]`
//!
//! One thread keeps IN_FLIGHT messages unapplied, PER_PROPOSAL to a proposal, as the ingress turn of a core thread does.
#![allow(clippy::disallowed_methods)]

use forebay_cluster::testing::{Counting, NodeOptions, TestCluster};
use forebay_store::storage::Storage;
use forebay_store::{Config, Disk};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn cpu() -> Duration {
    let ticks = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = ticks.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let of = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((of(11) + of(12)) * 10)
}

fn argument(n: usize, default: u64) -> u64 {
    std::env::args().nth(n).and_then(|argument| argument.parse().ok()).unwrap_or(default)
}

fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    let (seconds, in_flight) = (argument(2, 5), argument(3, 1024));
    let (payload, per_proposal) = (argument(4, 256) as usize, argument(5, 64).min(in_flight));
    let storages = (1..=3).map(|node| {
        let disk = Disk::open(&Path::new(&folder).join(format!("n{node}"))).expect("the folder");
        Arc::new(disk) as Arc<dyn Storage>
    });
    let config = Config { store_id: 42, ..Config::default() };
    let cluster = TestCluster::found(storages.collect(), NodeOptions { config, brief: true });
    while cluster.leader().is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let leader = cluster.leader().expect("a leader");
    let ids: Vec<u64> = (0..per_proposal).collect();
    let batch = Counting::batch(&ids, payload);
    let (start, start_cpu, mut sent) = (Instant::now(), cpu(), 0u64);
    let mut waits = Vec::new();
    leader.machine.watch();
    while start.elapsed() < Duration::from_secs(seconds) {
        let began = Instant::now();
        while sent + per_proposal > leader.machine.count() + in_flight {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        waits.push(began.elapsed());
        leader.group.propose(batch.clone(), 0).expect("room");
        sent += per_proposal;
    }
    while leader.machine.count() < sent {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (took, used) = (start.elapsed(), cpu() - start_cpu);
    let entries = leader.group.status().last_index;
    println!(
        "{:.0} messages/s, {:.2} CPU µs a message for all three, {:.0} messages an entry, {} entries",
        sent as f64 / took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / sent as f64,
        sent as f64 / entries as f64,
        entries,
    );
    if in_flight == per_proposal {
        waits.sort();
        println!("one at a time: p50 {:?}, p99 {:?}", waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
    }
}
