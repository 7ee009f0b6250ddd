//! The store as a whole: opening it, and the parts that the shard layer works with.

use crate::checkpoint::{Checkpoint, Checkpoints, ShardCheckpoint};
use crate::config::Config;
use crate::error::{OpenError, StoreError};
use crate::limits::BLOCK;
use crate::log::footer::{Footer, FooterPart, Footers};
use crate::log::group::{BufferPool, HotTail};
use crate::log::lane::{Lane, LaneParts, LaneStats};
use crate::log::live::LiveBytes;
use crate::log::recover::RecoveryStats;
use crate::log::segment::{Segment, Segments};
use crate::log::stock::{Prepared, Stock};
use crate::log::submit::LaneHandle;
use crate::log::tail::{Damage, Piece, Tail};
use crate::log::waiting::Shared;
use crate::reader::Reader;
use crate::storage::{FolderLock, Storage};
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One disk's log with everything around it.
pub struct Store<T> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) stock: Arc<Stock>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) footers: Footers,
    pub(crate) live: LiveBytes,
    pub(crate) pins: Mutex<HashMap<u32, u64>>,
    hot: Arc<HotTail>,
    reader: Arc<Reader>,
    stats: Arc<LaneStats>,
    config: Config,
    segment_bytes: u32,
    _lock: Arc<dyn FolderLock>,
}

impl<T> std::fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("storage", &self.storage).finish_non_exhaustive()
    }
}

/// What was found when the store was opened.
#[derive(Debug)]
pub struct Recovered {
    /// The newest good checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// What cannot be read below the durable position. Also in its place in the tail.
    pub damage: Vec<Damage>,
    /// Counters.
    pub stats: RecoveryStats,
    pub(crate) pieces: VecDeque<Piece>,
}

/// An open store, the lane to be driven, and what is to be applied again before anything else is done.
#[derive(Debug)]
pub struct Opened<T> {
    /// The store.
    pub store: Arc<Store<T>>,
    /// Its lane.
    pub lane: Lane<T>,
    /// What was found.
    pub recovered: Recovered,
}

/// What is known of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its id.
    pub id: u32,
    /// First lsn.
    pub first_lsn: u64,
    /// Last durable lsn.
    pub last_lsn: u64,
    /// Durable bytes.
    pub bytes: u32,
    /// Of these, bodies in use, as far as they were counted.
    pub live_bytes: u64,
    /// Whether it is full.
    pub sealed: bool,
    /// Whether something in it is damaged.
    pub damaged: bool,
}

impl<T> Store<T> {
    /// Opens a store, makes it if the folder is empty, and finds out where its log ends.
    ///
    /// # Errors
    /// See [`OpenError`]. Damage is no error: it is in [`Recovered`].
    pub fn open(storage: Arc<dyn Storage>, config: Config) -> Result<Opened<T>, OpenError> {
        crate::open::open(storage, config)
    }

    /// The way into the lane.
    #[must_use]
    pub fn lane(&self) -> LaneHandle<T> {
        LaneHandle(self.shared.clone())
    }

    /// The recent groups.
    #[must_use]
    pub fn hot(&self) -> &Arc<HotTail> {
        &self.hot
    }

    /// Cold reads, for threads that may block.
    #[must_use]
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// The count of live bytes per segment.
    #[must_use]
    pub fn live(&self) -> &LiveBytes {
        &self.live
    }

    /// Counters of the lane.
    #[must_use]
    pub fn stats(&self) -> &LaneStats {
        &self.stats
    }

    /// The configuration it was opened with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Length of a segment of this store.
    #[must_use]
    pub fn segment_bytes(&self) -> u32 {
        self.segment_bytes
    }

    /// The files underneath.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The segments with entries.
    #[must_use]
    pub fn segments_info(&self) -> Vec<SegmentInfo> {
        let info = |s: Arc<Segment>| SegmentInfo {
            id: s.id,
            first_lsn: s.first_lsn,
            last_lsn: s.last_lsn(),
            bytes: s.end(),
            live_bytes: self.live.of(s.id),
            sealed: s.sealed(),
            damaged: s.damaged(),
        };
        self.segments.all().into_iter().map(info).collect()
    }

    /// Makes the shards' states permanent and marks it in the log. Blocking. Returns the checkpoint's lsn.
    ///
    /// Each blob has to hold everything up to its lsn, and no lsn may be above [`LaneHandle::durable`].
    ///
    /// # Errors
    /// The previous checkpoints are then still there.
    pub fn write_checkpoint(&self, shards: Vec<ShardCheckpoint>) -> Result<u64, StoreError> {
        let durable = self.shared.durable.load(Ordering::Acquire);
        if shards.iter().any(|s| s.lsn > durable) {
            return Err(StoreError::Invalid("a checkpoint is ahead of what is durable"));
        }
        let checkpoint = Checkpoint::new(shards)?;
        self.checkpoints.write(&checkpoint)?;
        // The mark is a courtesy to whoever reads the log; without it the checkpoint is as good.
        let _ = self.shared.mark(checkpoint.lsn, 0);
        Ok(checkpoint.lsn)
    }

    /// The lsns of the kept checkpoints, oldest first.
    #[must_use]
    pub fn checkpoint_lsns(&self) -> Vec<u64> {
        self.checkpoints.kept()
    }

    /// Hands in what a shard made of its records in a segment. The footer is written by [`Store::write_footers`].
    pub fn footer_part(&self, segment: u32, shard: u32, part: FooterPart) {
        self.footers.add(segment, shard, part);
    }

    /// Writes the footers that are complete. Blocking. Returns how many.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_footers(&self) -> Result<u32, StoreError> {
        let mut written = 0;
        for id in self.footers.waiting() {
            let Some(segment) = self.segments.get(id).filter(|s| s.sealed() && !s.damaged()) else { continue };
            let Some(shards) = segment.shards() else { continue };
            written += u32::from(self.footers.write_complete(id, segment.first_lsn, &shards)?);
        }
        Ok(written)
    }

    /// The footer of a segment.
    ///
    /// # Errors
    /// `Damaged` if it cannot be read: apply the segment's entries instead.
    pub fn read_footer(&self, segment: u32) -> Result<Option<Footer>, StoreError> {
        let Some(found) = self.segments.get(segment) else { return Ok(None) };
        self.footers.read(segment, found.first_lsn)
    }

    /// The entries that have to be applied again, in lane order, without those that the checkpoint holds.
    #[must_use]
    pub fn tail(&self, recovered: &Recovered) -> Tail {
        self.tail_without(recovered, |_| false)
    }

    /// The same without the segments that `skip` names, whose footers serve instead.
    #[must_use]
    pub fn tail_without(&self, recovered: &Recovered, skip: impl Fn(u32) -> bool) -> Tail {
        let keep = |piece: &&Piece| match piece {
            Piece::Run { segment, .. } => !skip(*segment),
            Piece::Damaged(_) => true,
        };
        let pieces = recovered.pieces.iter().filter(keep).cloned().collect();
        let covered = recovered.checkpoint.iter().flat_map(|c| &c.shards).map(|s| (s.shard, s.lsn)).collect();
        Tail::new(self.storage.clone(), self.shared.seal(), pieces, covered)
    }

    /// Keeps all segments with entries at or above `lsn`: a shard's raft log or a transfer still needs them. A later
    /// call replaces the earlier one; `u64::MAX` lets go.
    pub fn pin(&self, holder: u32, lsn: u64) {
        let mut pins = self.pins.lock();
        if lsn == u64::MAX {
            pins.remove(&holder);
        } else {
            pins.insert(holder, lsn);
        }
    }

    /// Prepares segments until enough stand ready. Blocking. Returns whether it changed anything.
    pub fn prepare_segments(&self) -> bool {
        let wanted = self.config.reserve_segments + self.config.spare_segments;
        let mut changed = false;
        while self.stock.ready() < wanted {
            match self.stock.prepare() {
                Prepared::Ready => self.shared.segment_ready(),
                Prepared::NoSpace => {
                    self.shared.set_disk_full();
                    return changed;
                }
            }
            changed = true;
        }
        self.shared.clear_disk_full();
        changed
    }
}

/// What [`crate::open`] hands over.
pub(crate) struct StoreParts<T> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) stock: Arc<Stock>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) pool: Arc<BufferPool>,
    pub(crate) config: Config,
    pub(crate) segment_bytes: u32,
    pub(crate) lock: Arc<dyn FolderLock>,
    pub(crate) current: Option<Arc<Segment>>,
    pub(crate) tail_block: Vec<u8>,
}

impl<T> StoreParts<T> {
    pub(crate) fn build(self) -> (Store<T>, Lane<T>) {
        let hot = Arc::new(HotTail::new(self.config.hot_tail_bytes, self.pool));
        let stats = Arc::new(LaneStats::default());
        let lane = Lane::new(LaneParts {
            shared: self.shared.clone(),
            stock: self.stock.clone(),
            segments: self.segments.clone(),
            hot: hot.clone(),
            stats: stats.clone(),
            current: self.current,
            tail: self.tail_block,
            clock: self.config.clock,
            lock: self.lock.clone(),
        });
        let (chunk, cache) = (self.config.chunk_bytes, self.config.chunk_cache_bytes);
        let reader = Arc::new(Reader::new(self.shared.seal(), self.segments.clone(), hot.clone(), chunk, cache));
        let store = Store {
            footers: Footers::new(self.storage.clone()),
            shared: self.shared,
            storage: self.storage,
            segments: self.segments,
            stock: self.stock,
            checkpoints: self.checkpoints,
            live: LiveBytes::default(),
            pins: Mutex::default(),
            hot,
            reader,
            stats,
            config: self.config,
            segment_bytes: self.segment_bytes,
            _lock: self.lock,
        };
        (store, lane)
    }
}

/// Length of a pooled buffer: a group with the block before it and the rest of the block behind it.
pub(crate) const fn buffer_bytes(group_bytes: usize) -> usize {
    group_bytes.next_multiple_of(BLOCK) + 2 * BLOCK
}

/// The folder with nats-server's streams in it, if `store_dir` has any. Nothing in it is ever touched.
///
/// nats-server keeps them in `jetstream/<account>/streams/<stream>` (server/filestore.go, server/jetstream.go).
#[must_use]
pub fn foreign_streams(store_dir: &Path) -> Option<PathBuf> {
    let jetstream = store_dir.join("jetstream");
    let accounts = std::fs::read_dir(&jetstream).ok()?;
    let has_streams = accounts.flatten().any(|account| {
        let streams = std::fs::read_dir(account.path().join("streams"));
        streams.is_ok_and(|s| s.flatten().any(|stream| stream.path().is_dir()))
    });
    has_streams.then_some(jetstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nats_servers_streams_are_recognised_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(foreign_streams(folder.path()), None);
        std::fs::create_dir_all(folder.path().join("jetstream/$G/streams")).unwrap();
        assert_eq!(foreign_streams(folder.path()), None);
        std::fs::create_dir_all(folder.path().join("jetstream/$G/streams/ORDERS/msgs")).unwrap();
        assert_eq!(foreign_streams(folder.path()), Some(folder.path().join("jetstream")));
    }
}
