//! Segments: the files of the log, who reads them, and what is known of each.

use crate::storage::StorageFile;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// How the names of segments begin; the id follows in hexadecimal.
const SEGMENT_PREFIX: &str = "seg-";

/// The name of a segment's file.
#[must_use]
pub fn segment_name(id: u32) -> String {
    format!("{SEGMENT_PREFIX}{id:08x}")
}

/// The segment that a file name stands for.
#[must_use]
pub fn segment_of_name(name: &str) -> Option<u32> {
    numbered(name, SEGMENT_PREFIX, 8).and_then(|n| u32::try_from(n).ok())
}

/// The number behind a prefix, written with exactly `digits` hexadecimal digits. Other names are not ours.
pub(crate) fn numbered(name: &str, prefix: &str, digits: usize) -> Option<u64> {
    let number = name.strip_prefix(prefix)?;
    let plain = number.len() == digits && number.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if plain { u64::from_str_radix(number, 16).ok() } else { None }
}

/// A segment that has entries.
#[derive(Debug)]
pub struct Segment {
    /// Its id.
    pub id: u32,
    pub(crate) file: Arc<dyn StorageFile>,
    /// Lsn of its first entry.
    pub first_lsn: u64,
    last_lsn: AtomicU64,
    end: AtomicU32,
    sealed: AtomicBool,
    damaged: AtomicBool,
    /// `None` for segments below the checkpoint, whose entries are not read when the store is opened.
    shards: Mutex<Option<BTreeSet<u32>>>,
}

impl Segment {
    pub(crate) fn new(id: u32, file: Arc<dyn StorageFile>, first_lsn: u64) -> Segment {
        Segment {
            id,
            file,
            first_lsn,
            last_lsn: AtomicU64::new(first_lsn.saturating_sub(1)),
            end: AtomicU32::new(0),
            sealed: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
            shards: Mutex::new(Some(BTreeSet::new())),
        }
    }

    /// Lsn of its last durable entry.
    #[must_use]
    pub fn last_lsn(&self) -> u64 {
        self.last_lsn.load(Ordering::Acquire)
    }

    /// Where its durable bytes end.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.end.load(Ordering::Acquire)
    }

    /// Whether nothing is written to it any more.
    #[must_use]
    pub fn sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// Whether something in it is damaged: it is then never reused.
    #[must_use]
    pub fn damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    /// The shards with entries in it, if they are known: not for segments below the checkpoint of the last opening.
    #[must_use]
    pub fn shards(&self) -> Option<Vec<u32>> {
        self.shards.lock().as_ref().map(|s| s.iter().copied().collect())
    }

    pub(crate) fn forget_shards(&self) {
        *self.shards.lock() = None;
    }

    pub(crate) fn extend(&self, last_lsn: u64, end: u32) {
        self.end.store(end, Ordering::Release);
        self.last_lsn.store(last_lsn, Ordering::Release);
    }

    pub(crate) fn note_shards(&self, shards: impl Iterator<Item = u32>) {
        if let Some(known) = self.shards.lock().as_mut() {
            known.extend(shards);
        }
    }

    pub(crate) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
        self.file.end_writing();
    }

    pub(crate) fn set_damaged(&self) {
        self.damaged.store(true, Ordering::Release);
    }
}

/// The segments that exist.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    map: RwLock<BTreeMap<u32, Arc<Segment>>>,
}

impl Segments {
    pub(crate) fn get(&self, id: u32) -> Option<Arc<Segment>> {
        self.map.read().get(&id).cloned()
    }

    pub(crate) fn insert(&self, segment: Arc<Segment>) {
        self.map.write().insert(segment.id, segment);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        self.map.read().values().cloned().collect()
    }

    /// Takes a segment away if nobody reads it at the moment; whoever looks its id up later learns that it is gone.
    pub(crate) fn remove_unused(&self, id: u32) -> bool {
        let mut map = self.map.write();
        // Only the map's own share; under the write lock nobody can take another.
        let unused = map.get(&id).is_some_and(|s| Arc::strong_count(s) == 1);
        if unused {
            map.remove(&id);
        }
        unused
    }
}
