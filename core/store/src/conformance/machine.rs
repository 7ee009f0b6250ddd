//! A shard machine of the simplest kind: publishes get sequences, deletes take messages away. It does what the real
//! one does with the store: index, live bytes, checkpoints, footers, relocations.

use crate::checkpoint::ShardCheckpoint;
use crate::error::{OpenError, StoreError};
use crate::log::collect::{CollectStep, Collector, Liveness};
use crate::log::footer::{FooterPart, FooterRow, Outcome};
use crate::log::format::{EntryKind, Location};
use crate::log::group::Group;
use crate::log::lane::{LaneFailure, OnDurable};
use crate::log::record::{RecordBatch, RecordFields, RecordRef, Records};
use crate::log::submit::{DurableEntry, NewEntry, Placed, SubmitError};
use crate::log::tail::TailItem;
use crate::store::{Recovered, Store};
use crate::stream_index::{NewMessage, StreamIndex};
use std::collections::BTreeMap;
use std::sync::Arc;

const PUBLISH: u16 = 1;
const DELETE: u16 = 2;

/// What a record asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Store a message with this id, padded to about `len` bytes.
    Publish {
        /// Unique.
        id: u64,
        /// Length of the payload, at least 8.
        len: usize,
    },
    /// Take a message away.
    Delete {
        /// Its sequence.
        seq: u64,
    },
}

/// Sequence to id, per shard.
pub type Contents = BTreeMap<u32, BTreeMap<u64, u64>>;

#[derive(Debug)]
struct Shard {
    index: StreamIndex,
    ids: BTreeMap<u64, u64>,
    log_index: u64,
    parts: BTreeMap<u32, FooterPart>,
}

impl Default for Shard {
    fn default() -> Self {
        Shard { index: StreamIndex::new(1), ids: BTreeMap::new(), log_index: 0, parts: BTreeMap::new() }
    }
}

/// All shards of one server.
#[derive(Debug)]
pub struct Machine {
    store: Arc<Store<u64>>,
    collector: Option<Collector<u64>>,
    shards: BTreeMap<u32, Shard>,
    applied_lsn: u64,
    applied: u64,
    /// The highest lsn that was reported as durable.
    pub reported: u64,
    /// Set when the lane failed.
    pub failure: Option<String>,
    /// Entries whose attachment was not the lsn that they got; must stay empty.
    pub confused: Vec<u64>,
}

impl Machine {
    /// Without messages.
    #[must_use]
    pub fn new(store: Arc<Store<u64>>) -> Machine {
        let collector = Collector::new(store.clone(), |_| 0);
        Machine {
            store,
            collector: Some(collector),
            shards: BTreeMap::new(),
            applied_lsn: 0,
            applied: 0,
            reported: 0,
            failure: None,
            confused: Vec::new(),
        }
    }

    /// Loads the checkpoint and applies the tail.
    ///
    /// # Errors
    /// Those of reading the tail.
    pub fn recover(&mut self, recovered: &Recovered) -> Result<(), OpenError> {
        for shard in recovered.checkpoint.iter().flat_map(|c| &c.shards) {
            let (index, used) = StreamIndex::decode(&shard.blob).map_err(|_| OpenError::Config("a blob is damaged"))?;
            let ids = shard.blob.get(used..).unwrap_or_default().chunks_exact(16);
            let number = |b: &[u8]| b.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
            let ids = ids.map(|pair| (number(pair), number(&pair[8..]))).collect();
            for (_, meta) in index.iter_from(0) {
                self.store.live().retain(meta.location, meta.size);
            }
            self.applied_lsn = self.applied_lsn.max(shard.lsn);
            let state = Shard { index, ids, log_index: shard.index, parts: BTreeMap::new() };
            self.shards.insert(shard.shard, state);
        }
        let store = self.store.clone();
        for item in store.tail(recovered) {
            if let TailItem::Entry(entry) = item? {
                self.apply(entry.shard, entry.kind, entry.index, entry.lsn, entry.records());
            }
        }
        self.applied_lsn = self.applied_lsn.max(recovered.stats.last_lsn);
        Ok(())
    }

    /// Encodes and submits one entry.
    ///
    /// # Errors
    /// Those of the lane.
    pub fn submit(&mut self, shard: u32, ops: &[Op]) -> Result<Placed, SubmitError> {
        let mut batch = RecordBatch::new();
        let uid = u64::from(shard) + 100;
        for op in ops {
            let (number, payload) = match op {
                Op::Publish { id, len } => {
                    let mut payload = id.to_le_bytes().to_vec();
                    // Filled with what depends on the id, so that a mix-up shows in every byte.
                    payload.resize((*len).max(8), (*id % 251) as u8);
                    (PUBLISH, payload)
                }
                Op::Delete { seq } => (DELETE, seq.to_le_bytes().to_vec()),
            };
            let subject: &[u8] = if number == PUBLISH { b"crash.test" } else { b"" };
            let fields = RecordFields { number, uid, subject, payload: &payload, ..RecordFields::default() };
            batch.push(&fields).map_err(|_| SubmitError::TooLarge)?;
        }
        let publish = ops.iter().any(|op| matches!(op, Op::Publish { .. }));
        let entry = NewEntry { publish, ..NewEntry::local(shard, 7, &batch, 1) };
        self.store.lane().submit(entry).map_err(|refused| refused.reason)
    }

    /// Deletes all but each `keep`-th message of a shard.
    pub fn delete_most(&mut self, shard: u32, keep: u64) {
        let seqs: Vec<u64> = match self.shards.get(&shard) {
            Some(state) => state.ids.keys().copied().filter(|s| s % keep != 0).collect(),
            None => return,
        };
        for chunk in seqs.chunks(50) {
            let ops: Vec<Op> = chunk.iter().map(|seq| Op::Delete { seq: *seq }).collect();
            // Refusals are fine: it is only housekeeping.
            let _ = self.submit(shard, &ops);
        }
    }

    fn apply(&mut self, number: u32, kind: EntryKind, index: u64, lsn: u64, records: Records<'_>) {
        self.applied += 1;
        let shard = self.shards.entry(number).or_default();
        if kind == EntryKind::Entry {
            shard.log_index = index;
        }
        for (at, record) in records.flatten() {
            match (kind, record.seq) {
                (EntryKind::Relocated, Some(seq)) => relocate(shard, &self.store, seq, at),
                (EntryKind::Entry, None) => execute(shard, &self.store, at, &record),
                _ => self.confused.push(lsn),
            }
        }
        self.applied_lsn = self.applied_lsn.max(lsn);
    }

    /// What every shard holds.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.shards.iter().map(|(n, s)| (*n, s.ids.clone())).collect()
    }

    /// Entries applied since it was made.
    #[must_use]
    pub fn applied_entries(&self) -> u64 {
        self.applied
    }

    /// Reads every body and compares it with what it should be.
    ///
    /// # Errors
    /// The first that is not, in words.
    pub fn check_bodies(&self) -> Result<(), String> {
        for (number, shard) in &self.shards {
            if shard.index.count() != shard.ids.len() as u64 {
                return Err(format!("shard {number}: the index has {} messages", shard.index.count()));
            }
            for (seq, meta) in shard.index.iter_from(0) {
                let what = format!("shard {number}, message {seq} at {:?}", meta.location);
                let found = self.store.reader().record(meta.location).map_err(|e| format!("{what}: {e}"))?;
                let record = found.record();
                let id = shard.ids.get(&seq).copied().unwrap_or(u64::MAX);
                let fill = (id % 251) as u8;
                let right = record.payload.starts_with(&id.to_le_bytes())
                    && record.payload[8..].iter().all(|b| *b == fill)
                    && record.seq.is_none_or(|s| s == seq)
                    && record.uid == u64::from(*number) + 100;
                if !right {
                    return Err(format!("{what}: another message lies there"));
                }
            }
        }
        Ok(())
    }

    /// The shards' checkpoints as of now.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<ShardCheckpoint> {
        let blob = |shard: &Shard| {
            let mut blob = Vec::new();
            shard.index.encode(&mut blob);
            for (seq, id) in &shard.ids {
                blob.extend_from_slice(&seq.to_le_bytes());
                blob.extend_from_slice(&id.to_le_bytes());
            }
            blob
        };
        let one = |(n, s): (&u32, &Shard)| ShardCheckpoint {
            shard: *n,
            lsn: self.applied_lsn.max(self.store.lane().reported()),
            index: s.log_index,
            blob: blob(s),
        };
        self.shards.iter().map(one).collect()
    }

    /// Hands in the footer parts of the first `shards` shards and writes what is complete.
    pub fn hand_in_footers(&mut self, shards: u32) -> u32 {
        for segment in self.store.segments_info() {
            for (number, shard) in self.shards.iter().filter(|(n, _)| **n < shards) {
                let part = shard.parts.get(&segment.id).cloned().unwrap_or_default();
                self.store.footer_part(segment.id, *number, part);
            }
        }
        self.store.write_footers().unwrap_or(0)
    }

    /// One step of collection.
    ///
    /// # Errors
    /// Those of the collector.
    pub fn collect(&mut self, now: i64) -> Result<CollectStep, StoreError> {
        let Some(mut collector) = self.collector.take() else { return Ok(CollectStep::Idle) };
        let step = collector.step(self, now);
        self.collector = Some(collector);
        step
    }
}

fn execute(shard: &mut Shard, store: &Store<u64>, at: Location, record: &RecordRef<'_>) {
    let number = record.payload.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    let mut outcome = Outcome::NotAMessage;
    let size = record.len as u32;
    if record.number == PUBLISH {
        let seq = shard.index.last_seq() + 1;
        let has_headers = !record.headers.is_empty();
        let message = NewMessage { seq, location: at, time: 7, size, has_headers, subject: record.subject };
        if shard.index.push(&message).is_ok() {
            shard.ids.insert(seq, number);
            store.live().retain(at, size);
            outcome = Outcome::Seq(seq);
        }
    } else if let Some(meta) = shard.index.remove(number) {
        shard.ids.remove(&number);
        store.live().release(meta.location, meta.size);
    }
    let part = shard.parts.entry(at.segment).or_default();
    if part.subjects.is_empty() {
        part.subjects.push(b"crash.test".as_slice().into());
    }
    part.rows.push(FooterRow { offset: at.offset, uid: record.uid, outcome, size, subject: 0, time: 7 });
}

fn relocate(shard: &mut Shard, store: &Store<u64>, seq: u64, at: Location) {
    let Some(meta) = shard.index.get(seq) else { return };
    shard.index.set_location(seq, at);
    store.live().release(meta.location, meta.size);
    store.live().retain(at, meta.size);
}

impl OnDurable<u64> for Machine {
    fn durable(&mut self, group: &Arc<Group>, entries: &mut Vec<DurableEntry<u64>>) {
        for entry in entries.drain(..) {
            let records = Records::trusted(group.bytes(entry.range.clone()), entry.first_record, entry.count);
            if entry.lsn <= self.reported {
                self.confused.push(entry.lsn);
            }
            self.reported = entry.lsn;
            self.apply(entry.shard, entry.kind, entry.index, entry.lsn, records);
        }
    }

    fn failed(&mut self, failure: &LaneFailure, attachments: &mut Vec<u64>) {
        attachments.clear();
        self.failure = Some(failure.to_string());
    }
}

impl Liveness for Machine {
    fn live(&mut self, shard: u32, records: &[(Location, u64)], seqs: &mut Vec<Option<u64>>) {
        let Some(state) = self.shards.get(&shard) else {
            seqs.extend(records.iter().map(|_| None));
            return;
        };
        let places: BTreeMap<Location, u64> = state.index.iter_from(0).map(|(seq, m)| (m.location, seq)).collect();
        seqs.extend(records.iter().map(|(at, _)| places.get(at).copied()));
    }
}
