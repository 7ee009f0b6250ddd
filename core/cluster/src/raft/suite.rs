//! openraft's own suite for log stores, the whole of it, on ours: over memory and over a folder, with the real lane
//! thread. Where the suite purges it also wants snapshots, which the machine of the suite has and ours refuses.

use super::entry::{LogEntry, LogId, Types};
use super::log::LogStore;
use super::recover::{LogOptions, RaftLogs};
use super::state_machine::{Apply, StateMachine};
use crate::machine::{GroupId, Role};
use crate::testing::{Signals, TestLane, memory_store};
use forebay_store::storage::Storage;
use forebay_store::{Config, Disk, LaneThread, PrepareThread, Store};
use futures::Stream;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::{OptionalSend, RaftSnapshotBuilder, StorageError};
use std::io;
use std::sync::Arc;
use std::time::Duration;

struct Ignore;

impl Apply for Ignore {
    fn apply(&mut self, entries: &mut Vec<LogEntry>) {
        entries.clear();
    }

    fn role(&mut self, _: Role) {}
}

/// Our machine with snapshots that hold nothing.
struct Machine {
    inner: StateMachine,
    snapshot: Option<SnapshotMetaOf<Types>>,
    installed: Option<SnapshotMetaOf<Types>>,
}

struct Snapshots(SnapshotMetaOf<Types>);

impl RaftSnapshotBuilder<Types> for Snapshots {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, ()>, io::Error> {
        Ok(SnapshotOf::<Types, ()> { meta: self.0.clone(), snapshot: () })
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = ();
    type SnapshotBuilder = Snapshots;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembershipOf<Types>), io::Error> {
        match &self.installed {
            Some(meta) => Ok((meta.last_log_id, meta.last_membership.clone())),
            None => self.inner.applied_state().await,
        }
    }

    async fn apply<S>(&mut self, entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        self.inner.apply(entries).await
    }

    async fn get_snapshot_builder(&mut self) -> Snapshots {
        let (last_log_id, last_membership) = self.inner.applied_state().await.unwrap();
        let meta = SnapshotMetaOf::<Types> { last_log_id, last_membership };
        self.snapshot = Some(meta.clone());
        Snapshots(meta)
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<Types>, (): ()) -> Result<(), io::Error> {
        self.snapshot = Some(meta.clone());
        self.installed = Some(meta.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, ()>>, io::Error> {
        Ok(self.snapshot.clone().map(|meta| SnapshotOf::<Types, ()> { meta, snapshot: () }))
    }
}

struct Builder {
    on_disk: bool,
}

/// What has to live as long as the log.
struct Guard {
    _lane: LaneThread<TestLane>,
    _prepare: PrepareThread,
    _folder: tempfile::TempDir,
}

impl StoreBuilder<Types, LogStore, Machine, Guard> for Builder {
    async fn build(&self) -> Result<(Guard, LogStore, Machine), StorageError<Types>> {
        let folder = tempfile::tempdir().unwrap();
        let storage: Arc<dyn Storage> =
            if self.on_disk { Arc::new(Disk::open(folder.path()).unwrap()) } else { memory_store() };
        let config = Config { segment_bytes: 1 << 20, ..Config::small() };
        let opened = Store::<TestLane>::open(storage, config).unwrap();
        let logs = RaftLogs::recover(&opened.store, &opened.recovered, LogOptions::default()).unwrap();
        let prepare = PrepareThread::spawn(opened.store.clone()).unwrap();
        let lane = LaneThread::spawn(opened.lane, Signals, Duration::from_millis(50)).unwrap();
        let machine = Machine { inner: StateMachine::new(Box::new(Ignore)), snapshot: None, installed: None };
        Ok((Guard { _lane: lane, _prepare: prepare, _folder: folder }, logs.open(GroupId(1), 0), machine))
    }
}

fn run(on_disk: bool) {
    let suite = Suite::<Types, LogStore, Machine, Builder, Guard>::test_all(Builder { on_disk });
    crate::testing::runtime().block_on(super::entry::Rt::scope(7, suite)).unwrap();
}

#[test]
fn openrafts_suite_passes_in_memory() {
    run(false);
}

#[test]
fn openrafts_suite_passes_on_disk() {
    run(true);
}
