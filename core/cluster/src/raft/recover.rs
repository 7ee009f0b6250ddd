//! Raft's logs after a restart: one pass over the lane's tail gives every group its vote, its committed index and the
//! places of its entries.

use super::entry::{VoteOf, log_id};
use super::flush::Commit;
use super::log::{GroupLog, LogStore, Pin};
use super::record::vote_of;
use super::table::{Place, Table};
use crate::limits;
use crate::machine::{GroupId, LaneAttachment, NodeId};
use forebay_store::{Damage, EntryKind, Reader, ShardCheckpoint, Store, TailEntry, TailItem};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Collects what the lane's tail has of raft's.
#[derive(Default)]
pub struct LogRecovery {
    groups: BTreeMap<GroupId, Found>,
    /// Lane entries are lost, and nobody knows whose they were.
    holed: bool,
}

#[derive(Default)]
struct Found {
    table: Table,
    damaged: bool,
}

impl LogRecovery {
    /// Takes the next item of the lane's tail; what is not raft's is left to others.
    pub fn item(&mut self, item: &TailItem) {
        match item {
            TailItem::Entry(entry) => self.entry(entry),
            TailItem::Damaged(damage) => self.damage(damage),
        }
    }

    /// Takes the next entry of the lane's tail.
    pub fn entry(&mut self, entry: &TailEntry) {
        let Some(group) = GroupId::of_lane_shard(entry.shard) else { return };
        let found = self.groups.entry(group).or_default();
        found.table.note_lsn(entry.lsn);
        found.damaged |= !take(&mut found.table, entry);
    }

    /// Entries are lost below the durable position. A vote may be among them, unless the one that is lost is known.
    pub fn damage(&mut self, damage: &Damage) {
        match damage.entry {
            Some((shard, _)) => {
                if let Some(group) = GroupId::of_lane_shard(shard) {
                    self.groups.entry(group).or_default().damaged = true;
                }
            }
            None if damage.first_lsn <= damage.last_lsn => self.holed = true,
            None => {}
        }
    }

    /// The logs, ready to be written on. Call it before the lane takes anything for raft.
    pub fn finish<T: LaneAttachment>(self, store: &Arc<Store<T>>, options: LogOptions) -> RaftLogs {
        let pins: Arc<dyn Pin> = Arc::new(Pins(store.clone()));
        let lane: Arc<dyn Commit> = Arc::new(store.lane());
        let mut logs = RaftLogs {
            lane,
            reader: store.reader().clone(),
            pins,
            options,
            entry_bytes: store.config().max_entry_bytes.saturating_sub(limits::ENTRY_SLACK_BYTES),
            groups: Arc::default(),
            damaged: Vec::new(),
            holed: self.holed,
        };
        for (group, found) in self.groups {
            if let Some(lsn) = found.table.first_lsn {
                logs.pins.pin(group.lane_shard(), lsn);
            }
            if found.damaged {
                logs.damaged.push(group);
            }
            let log = logs.make(group, found.table);
            logs.groups.lock().insert(group, log);
        }
        logs
    }
}

/// Puts a lane entry into the table; false if it does not belong there.
fn take(table: &mut Table, entry: &TailEntry) -> bool {
    match entry.kind {
        EntryKind::Vote => {
            let vote: Option<VoteOf> = vote_of(entry).ok();
            table.vote = vote.or(table.vote);
            vote.is_some()
        }
        EntryKind::Committed => {
            table.committed = Some(log_id(entry.term, entry.index));
            true
        }
        EntryKind::Entry => {
            let len = entry.bytes().len() as u32;
            table.push_place(entry.index, Place { term: entry.term, lsn: entry.lsn, at: entry.first_record, len })
        }
        EntryKind::Truncate => {
            table.truncate(entry.index);
            true
        }
        EntryKind::Purge => {
            table.purge(log_id(entry.term, entry.index));
            true
        }
        // The collector's copies are for whoever applies; the log keeps its own.
        EntryKind::Relocated | EntryKind::Tombstone | EntryKind::Padding | EntryKind::CheckpointMark => true,
    }
}

/// Choices that do not come from the disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogOptions {
    /// Read old entries on the thread that asks for them: for simulations, in which there is no other thread.
    pub inline_reads: bool,
}

struct Pins<T>(Arc<Store<T>>);

impl<T: Send> Pin for Pins<T> {
    fn pin(&self, holder: u32, lsn: u64) {
        self.0.pin(holder, lsn);
    }
}

/// The logs of all groups of one server. Cheap to clone.
#[derive(Clone)]
pub struct RaftLogs {
    lane: Arc<dyn Commit>,
    reader: Arc<Reader>,
    pins: Arc<dyn Pin>,
    options: LogOptions,
    /// Bytes of records that the lane takes as one entry.
    entry_bytes: usize,
    groups: Arc<Mutex<BTreeMap<GroupId, Arc<GroupLog>>>>,
    damaged: Vec<GroupId>,
    holed: bool,
}

impl std::fmt::Debug for RaftLogs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftLogs").field("groups", &self.groups()).finish_non_exhaustive()
    }
}

impl RaftLogs {
    /// Builds the logs from what a store had when it was opened.
    ///
    /// # Errors
    /// If the lane's tail cannot be read.
    pub fn recover<T: LaneAttachment>(
        store: &Arc<Store<T>>,
        recovered: &forebay_store::Recovered,
        options: LogOptions,
    ) -> Result<RaftLogs, forebay_store::OpenError> {
        let mut recovery = LogRecovery::default();
        for item in store.tail(recovered) {
            recovery.item(&item?);
        }
        Ok(recovery.finish(store, options))
    }

    /// The groups that have written anything.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupId> {
        self.groups.lock().keys().copied().collect()
    }

    /// Whether this store never took part in raft: no vote, no entry. Only such a server may be born.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().iter().all(|(_, log)| log.first_lsn().is_none()) && !self.holed
    }

    /// Whether a group's log has a hole: it must not vote, and its server has to come back under a new node id.
    #[must_use]
    pub fn is_damaged(&self, group: GroupId) -> bool {
        self.holed || self.damaged.contains(&group)
    }

    /// Rows for the checkpoint: they keep the lane's tail from the group's first entry on, since nothing is purged.
    #[must_use]
    pub fn checkpoint_rows(&self) -> Vec<ShardCheckpoint> {
        let row = |(group, log): (GroupId, Arc<GroupLog>)| {
            let lsn = log.first_lsn()?.saturating_sub(1);
            Some(ShardCheckpoint { shard: group.lane_shard(), lsn, index: 0, blob: Vec::new() })
        };
        self.all().into_iter().filter_map(row).collect()
    }

    fn all(&self) -> Vec<(GroupId, Arc<GroupLog>)> {
        self.groups.lock().iter().map(|(group, log)| (*group, log.clone())).collect()
    }

    fn make(&self, group: GroupId, table: Table) -> Arc<GroupLog> {
        let (lane, reader, pins) = (self.lane.clone(), self.reader.clone(), self.pins.clone());
        Arc::new(GroupLog::new(group, lane, reader, pins, table, self.options.inline_reads))
    }

    /// The log of a group for its node.
    pub(crate) fn open(&self, group: GroupId, node: NodeId) -> LogStore {
        let log = self.groups.lock().get(&group).cloned();
        let log = log.unwrap_or_else(|| {
            let log = self.make(group, Table::default());
            self.groups.lock().entry(group).or_insert(log).clone()
        });
        LogStore { log, node }
    }

    pub(crate) fn entry_bytes(&self) -> usize {
        self.entry_bytes
    }

    /// Whether clients' publishes are refused for want of space.
    pub(crate) fn disk_full(&self) -> bool {
        self.lane.disk_full()
    }
}
