//! A shard: streams, their consumers and their part of the store, in one struct behind one lock.
//!
//! Whoever learns that entries are durable locks it, applies them in order, unlocks, and carries the effects out. The
//! leader's entry points ([`leader`]) take acks, pull requests and the passing of time, and hand out deliveries and
//! commands to log. Reads are in [`read`].
//!
//! Kinds of method: getters; `handle_*` input; `poll_timeout`; `apply` for what the log says; `take_*`/`next_*` output.

mod apply;
mod checkpoint;
mod consumers;
pub mod digest;
mod leader;
mod name;
mod read;
#[cfg(test)]
mod tests;
mod timer;

pub use checkpoint::RestoreError;
use hashbrown::HashMap;
use indexmap::IndexMap;
pub use leader::Take;
pub use read::ConsumerEntry;

use self::name::StreamName;
use self::timer::Timers;
use crate::consumer::Consumer;
use crate::effect::Proposals;
use crate::id::{ConsumerKey, StreamUid};
use crate::stream::Stream;

/// One shard.
#[derive(Debug)]
pub struct Shard {
    id: u32,
    /// In the order of their creation.
    streams: IndexMap<u64, Stream>,
    by_name: HashMap<StreamName, StreamUid>,
    /// The uid of the next consumer.
    next_consumer: u64,
    /// The log index of the last applied record.
    applied: u64,
    /// This server leads the shard.
    leads: bool,
    timers: Timers,
    /// Consumers that know something the log does not.
    dirty: Vec<ConsumerKey>,
    /// Expiries to log.
    outbox: Proposals,
    /// Commands of memory streams, which bypass the log.
    local: Proposals,
    /// Scratch space.
    due: Vec<u64>,
    /// Scratch space.
    come: Vec<(i64, timer::Timed)>,
}

impl Shard {
    /// An empty shard.
    #[must_use]
    pub fn new(id: u32) -> Self {
        Self {
            id,
            streams: IndexMap::new(),
            by_name: HashMap::new(),
            next_consumer: 1,
            applied: 0,
            leads: false,
            timers: Timers::default(),
            dirty: Vec::new(),
            outbox: Proposals::default(),
            local: Proposals::default(),
            due: Vec::new(),
            come: Vec::new(),
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The log index of the last applied record.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    fn stream(&self, uid: StreamUid) -> Option<&Stream> {
        self.streams.get(&uid.0)
    }

    fn consumer(&self, key: ConsumerKey) -> Option<&Consumer> {
        self.stream(key.stream)?.consumers.get(&key.consumer.0)
    }

    fn consumer_mut(&mut self, key: ConsumerKey) -> Option<&mut Consumer> {
        self.streams.get_mut(&key.stream.0)?.consumers.get_mut(&key.consumer.0)
    }
}
