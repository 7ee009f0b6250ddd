//! A cluster in one process, for the tests of this crate and of whoever builds on it: each node has its own store,
//! lane thread and raft thread; the wire between them can be cut and delayed, and nodes killed and restarted.

mod cluster;
mod counting;
mod wire;

pub use cluster::{Node, NodeOptions, TestCluster, founding_members, runtime};
pub use counting::{Applied, Counting, Heard};
pub use wire::Wire;

use forebay_store::storage::Storage;
use forebay_store::{DurableEntry, Group, LaneFailure, MemoryStorage, OnDurable};
use std::sync::Arc;

/// What a test's lane carries: raft's callbacks, and nothing else.
pub type TestLane = Box<dyn FnOnce(bool) + Send>;

/// The lane's owner: calls what became durable.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signals;

impl OnDurable<TestLane> for Signals {
    fn durable(&mut self, _: &Arc<Group>, entries: &mut Vec<DurableEntry<TestLane>>) {
        for entry in entries.drain(..) {
            (entry.attachment)(true);
        }
    }

    fn failed(&mut self, _: &LaneFailure, attachments: &mut Vec<TestLane>) {
        for done in attachments.drain(..) {
            done(false);
        }
    }
}

/// A folder in memory.
#[must_use]
pub fn memory_store() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}
