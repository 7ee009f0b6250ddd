//! The stream machine: which messages a stream holds, and in which order they got their sequences.
//!
//! State changes only by `apply_*`, with what the log says: no clock, no randomness, no I/O. Bodies are not here but in
//! the log's segments (or in [`MemoryBodies`]); the machine knows where they lie. One rule per file.
//!
//! Kinds of method: getters; `apply_*` commands; `poll_timeout`/`handle_timeout` for the leader.

mod age;
mod checkpoint;
mod dedupe;
pub(crate) mod direct_get;
mod expect;
mod info;
mod ingest;
mod limits;
mod purge;
mod retention;
mod rollup;
mod rules;
mod ttl;

pub mod update;

pub mod validate;

use std::sync::Arc;

pub use direct_get::Found;
use forebay_api::error::ApiError;
use forebay_api::publish::{Durability, ack_prefix};
use forebay_api::stream::{Storage, StreamConfig};
use forebay_store::{MemoryBodies, StreamIndex};
use hashbrown::HashMap;
use indexmap::IndexMap;
pub use info::{InfoRequest, StreamInfoPage};

use self::dedupe::Dedupe;
pub(crate) use self::rules::{Rules, overhead_bytes};
use self::ttl::Ttls;
use crate::consumer::Consumer;
use crate::effect::{Body, Effects};
use crate::id::StreamUid;
use crate::metrics::{Refused, StreamRow};
use crate::mutant;
use crate::shard::digest::Digest;

/// What does not change while a stream's config stays: shared with whoever answers publishers.
#[derive(Debug)]
pub struct StreamFacts {
    /// Who it is.
    pub uid: StreamUid,
    /// Its account.
    pub account: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What each of its PubAcks begins with ([`ack_prefix`]).
    pub ack_prefix: Box<[u8]>,
    /// Publishers get no answer.
    pub no_ack: bool,
    /// What a PubAck promises.
    pub durability: Durability,
    /// Its publishes bypass the log: call `apply` at once.
    pub in_memory: bool,
}

impl StreamFacts {
    pub(crate) fn new(uid: StreamUid, account: &str, config: &StreamConfig) -> Self {
        let in_memory = config.storage == Storage::Memory;
        let durability = if in_memory { Durability::Memory } else { Durability::Fsync };
        Self {
            uid,
            account: Arc::from(account),
            name: Arc::from(config.name.as_str()),
            ack_prefix: ack_prefix(&config.name, ""),
            no_ack: config.no_ack,
            durability,
            in_memory,
        }
    }
}

/// Counts since this server leads, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    published: u64,
    published_bytes: u64,
    duplicates: u64,
    refused: Refused,
}

/// One stream with its consumers.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) facts: Arc<StreamFacts>,
    pub(crate) config: Arc<StreamConfig>,
    pub(crate) rules: Rules,
    pub(crate) revision: u64,
    pub(crate) created: i64,
    pub(crate) index: StreamIndex,
    /// Of memory streams.
    pub(crate) bodies: Option<MemoryBodies>,
    /// In the order of their creation.
    pub(crate) consumers: IndexMap<u64, Consumer>,
    pub(crate) by_name: HashMap<Arc<str>, u64>,
    pub(crate) digest: Digest,
    dedupe: Dedupe,
    ttls: Ttls,
    /// Time of the newest message: none is older than one before it.
    last_time: i64,
    /// Time of the record that is being applied.
    pub(crate) now: i64,
    /// `Nats-Msg-Id` of the newest message, or empty.
    last_msg_id: Vec<u8>,
    /// The leader proposed an expiry that is not applied yet.
    expiring: bool,
    /// The collector moved a body: places no longer rise with sequences.
    pub(crate) relocated: bool,
    /// The earliest time for which the shard's timer has this stream.
    pub(crate) armed: i64,
    counters: Counters,
}

impl Stream {
    pub(crate) fn new(uid: StreamUid, account: &str, config: StreamConfig, revision: u64, created: i64) -> Self {
        let rules = Rules::new(&config);
        Self {
            facts: Arc::new(StreamFacts::new(uid, account, &config)),
            revision,
            created,
            index: StreamIndex::new(config.first_seq.max(1)),
            bodies: rules.memory.then(MemoryBodies::default),
            consumers: IndexMap::new(),
            by_name: HashMap::new(),
            digest: Digest::default(),
            dedupe: Dedupe::new(uid.0),
            ttls: Ttls::default(),
            last_time: i64::MIN,
            now: created,
            last_msg_id: Vec::new(),
            expiring: false,
            relocated: false,
            armed: i64::MAX,
            counters: Counters::default(),
            config: Arc::new(config),
            rules,
        }
    }

    pub(crate) fn uid(&self) -> StreamUid {
        self.facts.uid
    }

    /// Whether the config may be replaced by this one, as the stream is and as its consumers are now.
    pub(crate) fn check_update(&self, config: &StreamConfig) -> Result<(), ApiError> {
        if mutant::active(mutant::UPDATE_NOT_CHECKED) {
            return Ok(());
        }
        update::check_transition(&self.config, config)?;
        let consumers = self.consumers.values().map(|consumer| (&*consumer.facts.name, &*consumer.config));
        update::check_consumer_limits(&self.config, config, consumers)
    }

    /// Replaces the config; limits that became tighter remove messages, and so does a retention that waits for acks
    /// that came before.
    pub(crate) fn apply_update(&mut self, config: StreamConfig, fx: &mut Effects) {
        let retention = self.rules.retention;
        self.rules = Rules::new(&config);
        self.facts = Arc::new(StreamFacts::new(self.uid(), &self.facts.account, &config));
        self.config = Arc::new(config);
        for consumer in self.consumers.values_mut() {
            consumer.apply_stream_update(&self.config);
        }
        self.enforce_all(fx);
        if self.rules.retention != retention {
            self.remove_done_above(0, fx);
        }
    }

    /// Removes one message; false if it is not there. Every removal comes through here, so that consumers' counts
    /// stay exact.
    pub(crate) fn remove(&mut self, seq: u64, fx: &mut Effects) -> bool {
        let Some(meta) = self.index.get(seq) else { return false };
        if !self.consumers.is_empty() {
            let subject = self.index.subject(meta.subject_id).map_or(&b""[..], |subject| &*subject.name);
            for consumer in self.consumers.values_mut() {
                if consumer.handle_removed(seq, subject, self.now) {
                    fx.wake.push(consumer.key());
                }
            }
        }
        self.index.remove(seq);
        self.ttls.removed(seq);
        match &mut self.bodies {
            Some(bodies) => {
                bodies.remove(seq);
            }
            None => fx.released.push(Body { location: meta.location, size: meta.size }),
        }
        true
    }

    /// Moves the last sequence on.
    pub(crate) fn apply_skip(&mut self, through: u64) {
        if through > self.index.last_seq() {
            self.index.skip_to(through);
        }
    }

    /// Everything goes: the stream is deleted.
    pub(crate) fn release_all(&mut self, fx: &mut Effects) {
        if self.bodies.is_some() {
            return;
        }
        let mut from = self.index.first_seq();
        while let Some((seq, meta)) = self.index.next_from(from) {
            fx.released.push(Body { location: meta.location, size: meta.size });
            from = seq + 1;
        }
    }

    pub(crate) fn metrics(&self) -> StreamRow {
        StreamRow {
            account: Arc::clone(&self.facts.account),
            stream: Arc::clone(&self.facts.name),
            storage: self.config.storage,
            messages: self.index.count(),
            bytes: self.index.bytes(),
            first_sequence: self.index.first_seq(),
            last_sequence: self.index.last_seq(),
            consumers: self.consumers.len() as u64,
            published_total: self.counters.published,
            published_bytes_total: self.counters.published_bytes,
            refused_total: self.counters.refused,
            duplicates_total: self.counters.duplicates,
        }
    }
}
