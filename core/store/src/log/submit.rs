//! The submitting side of the commit lane, as callers see it.

use super::format::{EntryKind, Location};
use super::record::RecordBatch;
use super::waiting::{Shared, State};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Who numbers an entry within its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// The lane does (shards with one replica).
    Local,
    /// Raft did.
    Given(u64),
}

/// An entry on its way into the lane.
#[derive(Debug)]
pub struct NewEntry<'a, T> {
    /// The shard.
    pub shard: u32,
    /// What it is.
    pub kind: EntryKind,
    /// Whether it is a client's publish, which is refused while the disk is full; others use the reserve.
    pub publish: bool,
    /// Who numbers it.
    pub index: Index,
    /// Raft term, 0 on local shards.
    pub term: u64,
    /// The leader's time in nanoseconds since 1970.
    pub time: i64,
    /// Encoded records.
    pub records: &'a [u8],
    /// Their number.
    pub count: u32,
    /// CRC32C over their checksums.
    pub records_crc: u32,
    /// Comes back in [`DurableEntry`].
    pub attachment: T,
}

impl<'a, T> NewEntry<'a, T> {
    /// Publishes for a shard with one replica.
    #[must_use]
    pub fn local(shard: u32, time: i64, batch: &'a RecordBatch, attachment: T) -> NewEntry<'a, T> {
        NewEntry {
            shard,
            kind: EntryKind::Entry,
            publish: true,
            index: Index::Local,
            term: 0,
            time,
            records: batch.bytes(),
            count: batch.count(),
            records_crc: batch.crc(),
            attachment,
        }
    }
}

/// What an entry got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its number in the lane.
    pub lsn: u64,
    /// Its number in the shard.
    pub index: u64,
    /// Where its first record will lie.
    pub first_record: Location,
}

/// Why an entry was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many bytes wait; try again later.
    #[error("too many bytes wait for the disk")]
    Full,
    /// No further segment can be prepared.
    #[error("the disk is full")]
    DiskFull,
    /// A write failed; the lane takes nothing until the server is restarted.
    #[error("the log failed and takes nothing until the server is restarted")]
    Failed,
    /// The lane is shutting down.
    #[error("the log is closed")]
    Closed,
    /// Longer than an entry may be.
    #[error("the entry is too large")]
    TooLarge,
}

/// An entry that was not taken.
#[derive(Debug)]
pub struct Refused<T> {
    /// Why.
    pub reason: SubmitError,
    /// What the submitter attached.
    pub attachment: T,
}

/// An entry that a power cut cannot take any more.
#[derive(Debug)]
pub struct DurableEntry<T> {
    /// Its number in the lane.
    pub lsn: u64,
    /// The shard.
    pub shard: u32,
    /// What it is.
    pub kind: EntryKind,
    /// Its number in the shard.
    pub index: u64,
    /// Raft term.
    pub term: u64,
    /// The leader's time.
    pub time: i64,
    /// Where its first record lies.
    pub first_record: Location,
    /// Its records in [`super::group::Group::bytes`].
    pub range: Range<usize>,
    /// Number of records.
    pub count: u32,
    /// What the submitter attached.
    pub attachment: T,
}

/// The way into the lane. Cheap to clone.
#[derive(Debug)]
pub struct LaneHandle<T>(pub(crate) Arc<Shared<T>>);

impl<T> Clone for LaneHandle<T> {
    fn clone(&self) -> Self {
        LaneHandle(self.0.clone())
    }
}

impl<T> LaneHandle<T> {
    /// Hands one entry in.
    ///
    /// # Errors
    /// The reason, with the attachment.
    pub fn submit(&self, entry: NewEntry<'_, T>) -> Result<Placed, Refused<T>> {
        let mut state = self.0.state.lock();
        match self.submit_locked(&mut state, entry) {
            Ok(placed) => {
                self.0.finish(state);
                Ok(placed)
            }
            Err((reason, entry)) => Err(Refused { reason, attachment: entry.attachment }),
        }
    }

    /// Hands several entries in under one lock, in order, and takes those that were accepted out of `entries`.
    /// Returns what the last of them got.
    ///
    /// # Errors
    /// The reason for which the first entry that is left in `entries` was refused.
    pub fn submit_all(&self, entries: &mut Vec<NewEntry<'_, T>>) -> Result<Option<Placed>, SubmitError> {
        let mut last = None;
        let mut refused = None;
        let mut state = self.0.state.lock();
        let mut waiting = std::mem::take(entries).into_iter();
        for entry in waiting.by_ref() {
            match self.submit_locked(&mut state, entry) {
                Ok(placed) => last = Some(placed),
                Err(refusal) => {
                    refused = Some(refusal);
                    break;
                }
            }
        }
        self.0.finish(state);
        match refused {
            None => Ok(last),
            Some((reason, entry)) => {
                entries.push(entry);
                entries.extend(waiting);
                Err(reason)
            }
        }
    }

    fn submit_locked<'a>(
        &self,
        state: &mut State<T>,
        entry: NewEntry<'a, T>,
    ) -> Result<Placed, (SubmitError, NewEntry<'a, T>)> {
        match self.0.place(state, &entry) {
            Err(reason) => Err((reason, entry)),
            Ok((placed, range)) => {
                let term = entry.term;
                if let Some(fill) = state.fill.as_mut() {
                    fill.entries.push(DurableEntry {
                        lsn: placed.lsn,
                        shard: entry.shard,
                        kind: entry.kind,
                        index: placed.index,
                        term,
                        time: entry.time,
                        first_record: placed.first_record,
                        range,
                        count: entry.count,
                        attachment: entry.attachment,
                    });
                }
                Ok(placed)
            }
        }
    }

    /// The highest lsn that a power cut cannot take.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.0.durable.load(Ordering::Acquire)
    }

    /// The highest lsn up to which [`super::lane::OnDurable::durable`] has returned: for shards that apply there, what
    /// a checkpoint of theirs reaches, also when they had no entries lately.
    #[must_use]
    pub fn reported(&self) -> u64 {
        self.0.reported.load(Ordering::Acquire)
    }

    /// Takes nothing from now on: for a driver that cannot go on.
    pub(crate) fn fail(&self) {
        self.0.fail(&mut Vec::new());
    }

    /// Whether a write failed; final until the server is restarted.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.0.failed.load(Ordering::Acquire)
    }

    /// Whether publishes are refused because no further segment can be prepared.
    #[must_use]
    pub fn disk_full(&self) -> bool {
        self.0.disk_full.load(Ordering::Acquire)
    }

    /// Bytes that wait for the next write.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// The next index that the lane will give on a local shard. For shards that were moved here.
    pub fn set_next_index(&self, shard: u32, index: u64) {
        self.0.state.lock().indexes.insert(shard, index);
    }

    /// Takes no more entries; the lane's thread ends when everything is written.
    pub fn close(&self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        self.0.finish(state);
        self.0.wake.notify_all();
    }

    /// Wakes the lane's thread, for example because space may be there again.
    pub fn nudge(&self) {
        self.0.wake.notify_all();
    }
}
