//! Raft's log and vote in the server's commit lane.
//!
//! An entry is readable when `append` returns and reported when the lane says that it is durable, never before. The
//! lane keeps the order in which things were handed in, so that nothing here waits but a vote and a reader of entries
//! that are to be applied: apply never runs ahead of this server's own disk, so that whoever learns of a record can
//! read it.

use super::entry::{LogEntry, LogId, Rt, Types, VoteOf, term_of};
use super::flush::{Carried, Commit, Done, on_flush};
use super::record::{entry_of, own_records, vote_records};
use super::table::{Found, Place, Table};
use crate::batch::Batch;
use crate::limits::{APPEND_BYTES, LANE_RETRY};
use crate::machine::{GroupId, NodeId};
use crate::mutant;
use forebay_store::{EntryKind, Index, NewEntry, Placed, Reader, SubmitError};
use futures::Stream;
use futures::channel::oneshot;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend, RaftLogReader};
use openraft_rt::AsyncRuntime;
use parking_lot::Mutex;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keeps segments that raft needs.
pub(super) trait Pin: Send + Sync {
    fn pin(&self, holder: u32, lsn: u64);
}

/// The log of one group.
pub(super) struct GroupLog {
    group: GroupId,
    lane: Arc<dyn Commit>,
    reader: Arc<Reader>,
    pins: Arc<dyn Pin>,
    state: Mutex<State>,
    /// Cold reads on the thread that asks, for simulations.
    inline_reads: bool,
    lies: Lies,
    elections: AtomicU64,
}

#[derive(Default)]
struct State {
    table: Table,
    /// The committed log id that has not been handed to the lane yet.
    unsaved: Option<LogId>,
    /// Whoever waits until an lsn is durable.
    waiting: Vec<(u64, oneshot::Sender<()>)>,
    /// An entry was lost: nothing will become durable any more.
    broken: bool,
}

/// The mutants that this log was built with.
#[derive(Debug, Clone, Copy)]
struct Lies {
    vote: bool,
    append: bool,
}

type EntriesStreamResult = Result<LogEntry, io::Error>;

/// What goes into the lane.
struct Raw<'a> {
    kind: EntryKind,
    term: u64,
    index: u64,
    batch: Option<&'a Batch>,
}

impl GroupLog {
    pub(super) fn new(
        group: GroupId,
        lane: Arc<dyn Commit>,
        reader: Arc<Reader>,
        pins: Arc<dyn Pin>,
        table: Table,
        inline_reads: bool,
    ) -> GroupLog {
        let lies = Lies {
            vote: mutant::active(mutant::VOTE_NOT_SYNCED),
            append: mutant::active(mutant::APPEND_BEFORE_DURABLE),
        };
        let state = Mutex::new(State { table, ..State::default() });
        GroupLog { group, lane, reader, pins, state, inline_reads, lies, elections: AtomicU64::new(0) }
    }

    /// Elections that this node began in the life of the process.
    pub(super) fn elections(&self) -> u64 {
        self.elections.load(Ordering::Relaxed)
    }

    /// The lane's lsn of the first thing that the group wrote.
    pub(super) fn first_lsn(&self) -> Option<u64> {
        self.state.lock().table.first_lsn
    }

    /// The saved committed index goes to the lane, when nothing else takes it there.
    pub(super) async fn save_rest(self: &Arc<Self>) -> io::Result<()> {
        self.hand_in_committed().await
    }

    async fn submit(self: &Arc<Self>, raw: Raw<'_>, done: Done) -> io::Result<Placed> {
        let mut carried = Carried::New(done);
        loop {
            let entry = NewEntry {
                shard: self.group.lane_shard(),
                kind: raw.kind,
                // Who publishes is refused on the leader; what raft agreed on may use the reserve.
                publish: false,
                index: Index::Given(raw.index),
                term: raw.term,
                time: raw.batch.map_or(0, |batch| batch.time),
                records: raw.batch.map_or(&[], |batch| &batch.records),
                count: raw.batch.map_or(0, |batch| batch.count),
                records_crc: raw.batch.map_or(0, |batch| batch.records_crc),
                attachment: carried,
            };
            match self.lane.submit(entry) {
                Ok(placed) => {
                    if self.state.lock().table.note_lsn(placed.lsn) {
                        self.pins.pin(self.group.lane_shard(), placed.lsn);
                    }
                    return Ok(placed);
                }
                Err(refused) if matches!(refused.reason, SubmitError::Full | SubmitError::DiskFull) => {
                    carried = refused.attachment;
                    Rt::sleep(LANE_RETRY).await;
                }
                Err(refused) => return Err(io::Error::other(refused.reason)),
            }
        }
    }

    async fn hand_in_committed(self: &Arc<Self>) -> io::Result<()> {
        let unsaved = self.state.lock().unsaved.take();
        let Some(id) = unsaved else { return Ok(()) };
        let raw = Raw { kind: EntryKind::Committed, term: term_of(&id), index: id.index(), batch: None };
        self.submit(raw, Box::new(|_| {})).await.map(|_| ())
    }

    /// Runs on the lane's thread, or where a lane is dropped.
    fn flushed(&self, durable: bool) {
        let reached = if durable { self.lane.durable() } else { u64::MAX };
        let mut state = self.state.lock();
        state.broken |= !durable;
        let (released, waiting) = std::mem::take(&mut state.waiting).into_iter().partition(|(lsn, _)| *lsn <= reached);
        state.waiting = waiting;
        drop(state);
        let released: Vec<(u64, oneshot::Sender<()>)> = released;
        for (_, waiter) in released {
            let _ = waiter.send(());
        }
    }

    /// Waits until the lane has written everything up to `lsn`.
    async fn durable(&self, lsn: u64) -> io::Result<()> {
        loop {
            let waiter = {
                let mut state = self.state.lock();
                if self.lane.durable() >= lsn || self.lies.append {
                    return Ok(());
                }
                if state.broken || self.lane.failed() {
                    return Err(io::Error::other("the lane failed before the entry was durable"));
                }
                let (tell, waiter) = oneshot::channel();
                state.waiting.push((lsn, tell));
                waiter
            };
            let _ = waiter.await;
        }
    }

    /// The entries of a range: from memory, or read back and verified.
    async fn read(self: &Arc<Self>, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<LogEntry>> {
        let found = self.state.lock().table.range(range, max_bytes);
        if found.iter().all(|found| matches!(found, Found::Here(_))) || self.inline_reads {
            return self.resolve(found);
        }
        let log = self.clone();
        Rt::spawn_blocking(move || log.resolve(found)).await?
    }

    /// Blocks where an entry has to come from the disk.
    fn resolve(&self, found: Vec<Found>) -> io::Result<Vec<LogEntry>> {
        let resolve = |found| match found {
            Found::Here(entry) => Ok(entry),
            Found::OnDisk(index, place) => self.read_back(index, place),
        };
        found.into_iter().map(resolve).collect()
    }

    fn read_back(&self, index: u64, place: Place) -> io::Result<LogEntry> {
        let entry = self.reader.entry(place.at).map_err(io::Error::other)?;
        let wanted = (self.group.lane_shard(), EntryKind::Entry, index, place.term);
        if (entry.shard, entry.kind, entry.index, entry.term) != wanted {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "another entry lies where the log's should"));
        }
        entry_of(entry).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    async fn append_one(self: &Arc<Self>, mut entry: LogEntry, done: Done) -> io::Result<()> {
        let own = own_records(&entry.payload).map_err(io::Error::other)?;
        let normal = match &entry.payload {
            EntryPayload::Normal(proposal) => Some(proposal.batch.clone()),
            _ => None,
        };
        let batch = own.as_ref().or(normal.as_deref());
        let (term, index) = (entry.term(), entry.log_index());
        let placed = self.submit(Raw { kind: EntryKind::Entry, term, index, batch }, done).await?;
        entry.place = placed.first_record;
        let len = batch.map_or(0, |batch| batch.records.len() as u32);
        let place = Place { term, lsn: placed.lsn, at: placed.first_record, len };
        let durable = self.lane.durable();
        let mut state = self.state.lock();
        if !state.table.push_place(index, place) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the entry would leave a hole in the log"));
        }
        state.table.remember(entry, durable);
        Ok(())
    }
}

/// What openraft gets: it makes readers of it freely.
#[derive(Clone)]
pub(crate) struct LogStore {
    pub(super) log: Arc<GroupLog>,
    pub(super) node: NodeId,
}

fn bounds(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<LogEntry>, io::Error> {
        self.log.read(bounds(&range), usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<LogEntry>, io::Error> {
        self.log.read(start..end, APPEND_BYTES).await
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf>, io::Error> {
        Ok(self.log.state.lock().table.vote)
    }

    /// What is to be applied: in pieces, so that a log of any length can be gone through, and only what is durable.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = EntriesStreamResult> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let log = self.log.clone();
        let pieces = futures::stream::unfold((log, bounds(&range)), |(log, range)| async move {
            if range.is_empty() {
                return None;
            }
            let piece = log.read_durable(range.clone()).await;
            let next = match &piece {
                Ok(entries) => entries.last().map_or(range.end, |last| last.log_index() + 1)..range.end,
                Err(_) => range.end..range.end,
            };
            let items: Vec<EntriesStreamResult> = match piece {
                Ok(entries) => entries.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            Some((futures::stream::iter(items), (log, next)))
        });
        Box::pin(futures::StreamExt::flatten(pieces))
    }
}

impl GroupLog {
    async fn read_durable(self: &Arc<Self>, range: Range<u64>) -> io::Result<Vec<LogEntry>> {
        let entries = self.read(range, APPEND_BYTES).await?;
        let last = entries.last().map(LogEntry::log_index);
        let place = last.and_then(|index| self.state.lock().table.place(index));
        if let Some(place) = place {
            self.durable(place.lsn).await?;
        }
        Ok(entries)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let state = self.log.state.lock();
        Ok(LogState { last_purged_log_id: state.table.purged(), last_log_id: state.table.last() })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf) -> Result<(), io::Error> {
        if vote.leader_id.voted_for == self.node && !vote.committed {
            self.log.elections.fetch_add(1, Ordering::Relaxed);
        }
        let batch = vote_records(vote).map_err(io::Error::other)?;
        let (tell, durable) = oneshot::channel();
        let log = self.log.clone();
        let done = on_flush(move |ok| {
            log.flushed(ok);
            let _ = tell.send(ok);
        });
        let raw = Raw { kind: EntryKind::Vote, term: vote.leader_id.term, index: 0, batch: Some(&batch) };
        self.log.submit(raw, done).await?;
        if !self.log.lies.vote && durable.await != Ok(true) {
            return Err(io::Error::other("the lane failed before the vote was durable"));
        }
        self.log.state.lock().table.vote = Some(*vote);
        Ok(())
    }

    /// Goes to the lane with the next append: alone it would cost a write for every commit. What a crash takes of it
    /// is learned again from the next leader.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let mut state = self.log.state.lock();
        state.table.committed = committed;
        state.unsaved = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.log.state.lock().table.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.log.hand_in_committed().await?;
        let mut callback = Some(callback);
        if self.log.lies.append
            && let Some(callback) = callback.take()
        {
            callback.io_completed(Ok(()));
        }
        let mut entries = entries.into_iter().peekable();
        while let Some(entry) = entries.next() {
            let done: Done = match entries.peek() {
                Some(_) => Box::new(|_| {}),
                None => self.last_of_append(callback.take()),
            };
            self.log.append_one(entry, done).await?;
        }
        if let Some(callback) = callback {
            callback.io_completed(Ok(()));
        }
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let index = last_log_id.map_or(0, |id| id.index() + 1);
        let raw = Raw { kind: EntryKind::Truncate, term: 0, index, batch: None };
        self.log.submit(raw, Box::new(|_| {})).await?;
        self.log.state.lock().table.truncate(index);
        Ok(())
    }

    /// Complete, and never asked for yet: there are no snapshots.
    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let raw = Raw { kind: EntryKind::Purge, term: term_of(&upto), index: upto.index(), batch: None };
        self.log.submit(raw, Box::new(|_| {})).await?;
        self.log.state.lock().table.purge(upto);
        Ok(())
    }
}

impl LogStore {
    fn last_of_append(&self, callback: Option<IOFlushed<Types>>) -> Done {
        let log = self.log.clone();
        on_flush(move |durable| {
            log.flushed(durable);
            if let Some(callback) = callback {
                let lost = || io::Error::other("the lane failed before the entries were durable");
                callback.io_completed(if durable { Ok(()) } else { Err(lost()) });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openraft::entry::RaftEntry;

    #[test]
    fn ranges_of_all_kinds_are_half_open() {
        assert_eq!((bounds(&(3..5)), bounds(&(3..=5)), bounds(&(..))), (3..5, 3..6, 0..u64::MAX));
        let entry = LogEntry::new(super::super::entry::log_id(3, 4), EntryPayload::Blank);
        assert_eq!((entry.term(), entry.index()), (3, 4));
    }
}
