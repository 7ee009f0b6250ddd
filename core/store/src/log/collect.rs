//! Collection: copying the live records out of a segment that is mostly dead, and giving its file a new life.
//!
//! A segment goes through these stages, and a crash in any of them starts it over:
//!
//! 1. It is sealed, undamaged, and both kept checkpoints reach beyond its last entry, so that every fact in it that
//!    is not a body is permanent elsewhere, and the shards have applied all of it.
//! 2. Its records are shown to the shards; the live ones go into the log again as cold records (`Relocated`).
//! 3. The relocations are applied like any entry. When both kept checkpoints reach beyond the last of them, nothing
//!    refers to the segment any more, in memory or after any recovery.
//! 4. If no raft log or transfer needs it and nobody reads it, its file is renamed and reused.

use super::format::{ENTRY_HEADER, EntryKind, Location};
use super::record::{RecordBatch, RecordRef, Records};
use super::scan::{Found, Scanner};
use super::segment::Segment;
use super::submit::{Index, NewEntry, SubmitError};
use crate::error::StoreError;
use crate::limits::{BLOCK, COLLECT_STEP_BYTES};
use crate::mutant;
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The shards' knowledge of which records are bodies of messages.
pub trait Liveness {
    /// For each record that lies at the given place under the given stream uid: its sequence if the message at that
    /// sequence has its body exactly there, otherwise `None`. `seqs` is empty at first.
    fn live(&mut self, shard: u32, records: &[(Location, u64)], seqs: &mut Vec<Option<u64>>);
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectStep {
    /// Nothing is worth it at the moment.
    Idle,
    /// The lane is full; try again later.
    Busy,
    /// Part of a segment was looked at, and this many records were copied.
    Copied {
        /// The segment.
        segment: u32,
        /// Live records.
        records: u32,
    },
    /// A segment has no live records any more; it waits for two checkpoints.
    Emptied {
        /// The segment.
        segment: u32,
    },
    /// A segment's file is free again.
    Freed {
        /// The segment.
        segment: u32,
    },
}

#[derive(Debug)]
struct Current {
    segment: Arc<Segment>,
    pos: usize,
    lsn: u64,
    epoch: u32,
    /// Highest lsn of its relocations.
    relocated: u64,
}

/// Collects one store. Driven by whoever may block.
pub struct Collector<T> {
    store: Arc<Store<T>>,
    attach: Box<dyn Fn(u32) -> T + Send>,
    current: Option<Current>,
    /// Emptied segments and the lsn that the checkpoints have to reach.
    emptied: BTreeMap<u32, u64>,
    now: i64,
}

impl<T> std::fmt::Debug for Collector<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("current", &self.current).field("emptied", &self.emptied).finish()
    }
}

impl<T> Collector<T> {
    /// `attach` makes the attachment of a relocation for a shard.
    pub fn new(store: Arc<Store<T>>, attach: impl Fn(u32) -> T + Send + 'static) -> Collector<T> {
        Collector { store, attach: Box::new(attach), current: None, emptied: BTreeMap::new(), now: 0 }
    }

    /// One bounded piece of work at the time `now` (nanoseconds since 1970).
    ///
    /// # Errors
    /// A segment that cannot be read is marked as damaged and left alone from then on.
    pub fn step(&mut self, liveness: &mut dyn Liveness, now: i64) -> Result<CollectStep, StoreError> {
        self.now = now;
        if let Some(segment) = self.free_one()? {
            return Ok(CollectStep::Freed { segment });
        }
        if self.current.is_none() {
            self.current = self.choose();
        }
        let Some(current) = self.current.take() else { return Ok(CollectStep::Idle) };
        self.copy(current, liveness)
    }

    /// The emptiest segment under half live that the checkpoints have outlived.
    fn choose(&self) -> Option<Current> {
        let covered = self.store.checkpoints.covered();
        let mut best: Option<(u64, Arc<Segment>)> = None;
        for segment in self.store.segments.all() {
            let used = u64::from(segment.end()).saturating_sub(BLOCK as u64);
            let live = self.store.live.of(segment.id);
            let fit = segment.sealed()
                && !segment.damaged()
                && segment.last_lsn() <= covered
                && live * 2 < used.max(1)
                && !self.emptied.contains_key(&segment.id);
            if fit && best.as_ref().is_none_or(|(least, _)| live < *least) {
                best = Some((live, segment));
            }
        }
        let (_, segment) = best?;
        let lsn = segment.first_lsn;
        Some(Current { segment, pos: BLOCK, lsn, epoch: 0, relocated: 0 })
    }

    fn copy(&mut self, mut current: Current, liveness: &mut dyn Liveness) -> Result<CollectStep, StoreError> {
        let id = current.segment.id;
        let seal = self.store.shared.seal();
        let bytes = self.window(&current)?;
        // The window is a copy of the segment's front part, so that offsets agree with the file's.
        let mut scanner = Scanner::new(&bytes, id, seal, current.pos, current.lsn, current.epoch);
        let mut batches = Batches { most: self.store.config().group_bytes, list: Vec::new() };
        let budget = current.pos + COLLECT_STEP_BYTES;
        let last = current.segment.last_lsn();
        while scanner.lsn <= last && scanner.pos < budget {
            match scanner.next() {
                Found::Entry(header, at) => {
                    if matches!(header.kind, EntryKind::Entry | EntryKind::Relocated) {
                        let records = bytes.get(at + ENTRY_HEADER..at + header.len as usize).unwrap_or_default();
                        let first = Location { segment: id, offset: (at + ENTRY_HEADER) as u32 };
                        let records = Records::trusted(records, first, header.count);
                        if let Err(error) = batches.pick_live(header.shard, records, liveness) {
                            current.segment.set_damaged();
                            return Err(error);
                        }
                    }
                }
                _ => {
                    tracing::error!(segment = id, lsn = scanner.lsn, "a sealed segment is damaged; it is kept");
                    current.segment.set_damaged();
                    return Ok(CollectStep::Idle);
                }
            }
        }
        let mut copied = 0;
        for (shard, batch) in &batches.list {
            match self.submit(*shard, batch) {
                Ok(lsn) => current.relocated = current.relocated.max(lsn),
                // What went in is harmless: applying it only moves the messages; the step is done again.
                Err(SubmitError::Full) => {
                    self.current = Some(current);
                    return Ok(CollectStep::Busy);
                }
                Err(other) => return Err(other.into()),
            }
            copied += batch.count();
        }
        current.pos = scanner.pos;
        current.lsn = scanner.lsn;
        current.epoch = scanner.epoch;
        if current.lsn <= last {
            self.current = Some(current);
            return Ok(CollectStep::Copied { segment: id, records: copied });
        }
        // The shards were asked until now: their answers rest on what they had applied by now at the latest.
        let needed = current.relocated.max(self.store.shared.durable.load(Ordering::Acquire)).max(last);
        self.emptied.insert(id, needed);
        Ok(CollectStep::Emptied { segment: id })
    }

    fn window(&self, current: &Current) -> Result<Vec<u8>, StoreError> {
        let end = current.segment.end() as usize;
        let mut bytes = vec![0u8; end];
        // Entries may be long; reading on to the end of the longest one that can begin in this step is enough.
        let until = (current.pos + COLLECT_STEP_BYTES + self.store.config().max_entry_bytes).min(end);
        if let Some(part) = bytes.get_mut(current.pos..until) {
            let what = format!("reading segment {}", current.segment.id);
            current.segment.file.read(current.pos as u64, part).map_err(StoreError::io(what))?;
        }
        bytes.truncate(until.max(current.pos));
        Ok(bytes)
    }

    fn submit(&self, shard: u32, batch: &RecordBatch) -> Result<u64, SubmitError> {
        let entry = NewEntry {
            shard,
            kind: EntryKind::Relocated,
            publish: false,
            index: Index::Given(0),
            term: 0,
            time: self.now,
            records: batch.bytes(),
            count: batch.count(),
            records_crc: batch.crc(),
            attachment: (self.attach)(shard),
        };
        self.store.lane().submit(entry).map(|placed| placed.lsn).map_err(|refused| refused.reason)
    }

    /// Gives the file of one emptied segment a new life, if nothing can need it any more.
    fn free_one(&mut self) -> Result<Option<u32>, StoreError> {
        let covered = self.store.checkpoints.covered();
        let pinned = self.store.pins.lock().values().copied().min().unwrap_or(u64::MAX);
        for (id, needed) in &self.emptied {
            let id = *id;
            let Some(segment) = self.store.segments.get(id) else { continue };
            let early = mutant::active(mutant::FREE_BEFORE_CHECKPOINT);
            if (*needed > covered && !early) || pinned <= segment.last_lsn() {
                continue;
            }
            drop(segment);
            if !self.store.segments.remove_unused(id) {
                continue;
            }
            self.emptied.remove(&id);
            self.store.live.forget(id);
            self.store.footers.remove(id).map_err(StoreError::io(format!("removing the footer of {id}")))?;
            self.store.stock.recycle(id).map_err(StoreError::io(format!("freeing segment {id}")))?;
            return Ok(Some(id));
        }
        Ok(None)
    }
}

/// Live records on their way, in batches of about one group.
struct Batches {
    most: usize,
    list: Vec<(u32, RecordBatch)>,
}

impl Batches {
    fn pick_live(&mut self, shard: u32, records: Records<'_>, liveness: &mut dyn Liveness) -> Result<(), StoreError> {
        let records: Vec<(Location, RecordRef<'_>)> = records.flatten().collect();
        let places: Vec<(Location, u64)> = records.iter().map(|(at, r)| (*at, r.uid)).collect();
        let mut seqs = Vec::with_capacity(places.len());
        liveness.live(shard, &places, &mut seqs);
        if seqs.len() != places.len() {
            return Err(StoreError::Invalid("the shard did not judge every record; the segment is kept"));
        }
        for ((_, record), seq) in records.iter().zip(seqs) {
            if seq.is_some() {
                let fields = record.fields(seq);
                let moved = self.batch(shard, fields.encoded_len()).push(&fields);
                moved.map_err(|source| StoreError::Damaged { what: "a record to be moved".into(), source })?;
            }
        }
        Ok(())
    }

    /// The batch of the shard that has room for `len` more bytes.
    fn batch(&mut self, shard: u32, len: usize) -> &mut RecordBatch {
        let roomy = |(s, b): &(u32, RecordBatch)| *s == shard && (b.is_empty() || b.len() + len <= self.most);
        let at = match self.list.iter().rposition(roomy) {
            Some(at) => at,
            None => {
                self.list.push((shard, RecordBatch::new()));
                self.list.len() - 1
            }
        };
        &mut self.list[at].1
    }
}
