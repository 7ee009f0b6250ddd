//! The stock of prepared segments: recycled files first, newly reserved ones otherwise.
//!
//! A prepared file has its final name and its space, both synced, before the lane may write to it. What a recycled
//! file held before is not erased: entry checksums are tied to segment id and offset, so nothing in it counts.

use super::segment::segment_name;
use crate::limits::RECYCLED_SEGMENTS;
use crate::storage::{Storage, StorageFile, TEMPORARY, is_full};
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Names of files that wait for a new life: freed segments, synced under this name.
pub(crate) const RECYCLED_PREFIX: &str = "free-";

#[derive(Debug)]
pub(crate) struct Stock {
    storage: Arc<dyn Storage>,
    segment_bytes: u32,
    inner: Mutex<Inner>,
    /// One preparation at a time: the lane helps itself when the preparing thread is late.
    preparing: Mutex<()>,
    taken: Condvar,
}

#[derive(Debug)]
struct Inner {
    ready: BTreeMap<u32, Arc<dyn StorageFile>>,
    next_id: u32,
    recycled: VecDeque<String>,
}

/// What came of an attempt to prepare a segment.
#[derive(Debug)]
pub(crate) enum Prepared {
    Ready,
    NoSpace,
}

impl Stock {
    /// `next_id` is the first id that no segment has had.
    pub(crate) fn new(storage: Arc<dyn Storage>, segment_bytes: u32, next_id: u32, recycled: Vec<String>) -> Stock {
        let inner = Inner { ready: BTreeMap::new(), next_id, recycled: recycled.into() };
        Stock { storage, segment_bytes, inner: Mutex::new(inner), preparing: Mutex::default(), taken: Condvar::new() }
    }

    /// A segment that was prepared before the restart.
    pub(crate) fn adopt(&self, id: u32, file: Arc<dyn StorageFile>) {
        let mut inner = self.inner.lock();
        inner.next_id = inner.next_id.max(id + 1);
        inner.ready.insert(id, file);
    }

    pub(crate) fn take(&self, id: u32) -> Option<Arc<dyn StorageFile>> {
        let file = self.inner.lock().ready.remove(&id);
        if file.is_some() {
            self.taken.notify_all();
        }
        file
    }

    /// Waits until a segment is taken or freed, or the time is over.
    pub(crate) fn wait(&self, timeout: Duration) {
        let mut inner = self.inner.lock();
        self.taken.wait_for(&mut inner, timeout);
    }

    /// Ends a wait.
    pub(crate) fn nudge(&self) {
        self.taken.notify_all();
    }

    pub(crate) fn ready(&self) -> usize {
        self.inner.lock().ready.len()
    }

    /// Prepares the next segment.
    pub(crate) fn prepare(&self) -> Prepared {
        let _alone = self.preparing.lock();
        let (id, recycled) = {
            let mut inner = self.inner.lock();
            (inner.next_id, inner.recycled.pop_front())
        };
        let file = match &recycled {
            Some(name) => self.name(name, id),
            None => self.make(id),
        };
        match file {
            Ok(file) => {
                let mut inner = self.inner.lock();
                inner.next_id = id + 1;
                inner.ready.insert(id, file);
                Prepared::Ready
            }
            Err(error) => {
                if let Some(name) = recycled {
                    self.inner.lock().recycled.push_back(name);
                }
                if !is_full(&error) {
                    tracing::error!(%error, segment = id, "cannot prepare a segment");
                }
                Prepared::NoSpace
            }
        }
    }

    fn make(&self, id: u32) -> io::Result<Arc<dyn StorageFile>> {
        let temporary = format!("{TEMPORARY}{}", segment_name(id));
        match self.storage.remove(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let made = self.storage.create(&temporary, u64::from(self.segment_bytes));
        let made = made.and_then(|file| file.sync().map(|()| file));
        match made.and_then(|_| self.name(&temporary, id)) {
            Ok(file) => Ok(file),
            Err(error) => {
                let _ = self.storage.remove(&temporary);
                Err(error)
            }
        }
    }

    fn name(&self, from: &str, id: u32) -> io::Result<Arc<dyn StorageFile>> {
        let name = segment_name(id);
        self.storage.rename(from, &name)?;
        self.storage.sync_names()?;
        self.storage.open(&name)
    }

    /// Takes a freed segment's file back. The caller has made sure that nothing in it is needed.
    pub(crate) fn recycle(&self, id: u32) -> io::Result<()> {
        let name = segment_name(id);
        if self.inner.lock().recycled.len() >= RECYCLED_SEGMENTS {
            self.storage.remove(&name)?;
            return self.storage.sync_names();
        }
        let free = format!("{RECYCLED_PREFIX}{id:08x}");
        self.storage.rename(&name, &free)?;
        self.storage.sync_names()?;
        self.inner.lock().recycled.push_back(free);
        self.taken.notify_all();
        Ok(())
    }
}
