//! A machine that writes down what it applied.

use crate::batch::Batch;
use crate::machine::{Committed, Machine, RefusedReason, Role};
use forebay_store::{Location, RecordBatch, RecordFields};
use parking_lot::Mutex;
use std::sync::Arc;

/// One applied record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Index of its entry.
    pub index: u64,
    /// Term of its entry.
    pub term: u64,
    /// Its payload's first eight bytes.
    pub id: u64,
}

/// What a proposal heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was applied.
    Applied(u64),
    /// It came back.
    Returned(u64, RefusedReason),
}

/// Shared with the test.
#[derive(Debug, Clone, Default)]
pub struct Counting(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    applied: Vec<Applied>,
    places: Vec<Location>,
    heard: Vec<Heard>,
    role: Option<Role>,
    counted: u64,
    /// Only count, for measurements.
    is_brief: bool,
    /// Woken after each apply.
    watcher: Option<std::thread::Thread>,
}

impl Counting {
    /// One that only counts.
    #[must_use]
    pub fn brief() -> Counting {
        let counting = Counting::default();
        counting.0.lock().is_brief = true;
        counting
    }

    /// The calling thread is unparked after each apply.
    pub fn watch(&self) {
        self.0.lock().watcher = Some(std::thread::current());
    }

    /// A batch with one record for each id, of `len` bytes of payload.
    #[must_use]
    pub fn batch(ids: &[u64], len: usize) -> Batch {
        let mut staged = RecordBatch::new();
        let mut payload = vec![0u8; len.max(8)];
        for id in ids {
            if let Some(first) = payload.first_chunk_mut::<8>() {
                *first = id.to_le_bytes();
            }
            let record = RecordFields { number: 1, uid: 1, subject: b"t", payload: &payload, ..Default::default() };
            if let Err(error) = staged.push(&record) {
                tracing::error!(%error, "a test's record");
            }
        }
        Batch::of(&staged, 0)
    }

    /// What was applied.
    #[must_use]
    pub fn applied(&self) -> Vec<Applied> {
        self.0.lock().applied.clone()
    }

    /// The ids that were applied.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.0.lock().applied.iter().map(|applied| applied.id).collect()
    }

    /// Where the applied records lie.
    #[must_use]
    pub fn places(&self) -> Vec<Location> {
        self.0.lock().places.clone()
    }

    /// How many records were applied.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.lock().counted
    }

    /// What proposers heard.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.0.lock().heard.clone()
    }

    /// The role that was told last.
    #[must_use]
    pub fn role_told(&self) -> Option<Role> {
        self.0.lock().role
    }

    /// For `Groups::open`.
    pub fn returned(&self) -> impl FnMut(u64, RefusedReason) + Send + 'static {
        let notes = self.0.clone();
        move |id, reason| notes.lock().heard.push(Heard::Returned(id, reason))
    }
}

impl Machine<u64> for Counting {
    fn apply(&mut self, entries: &mut Vec<Committed<u64>>) {
        let mut notes = self.0.lock();
        for entry in entries.drain(..) {
            notes.counted += u64::from(entry.batch.count);
            if notes.is_brief {
                continue;
            }
            for (place, record) in entry.batch.trusted(entry.first_record).flatten() {
                let id = record.payload.first_chunk::<8>().map_or(0, |id| u64::from_le_bytes(*id));
                notes.applied.push(Applied { index: entry.index, term: entry.term, id });
                notes.places.push(place);
            }
            notes.heard.extend(entry.attached.iter().map(|attached| Heard::Applied(attached.attachment)));
        }
        if let Some(watcher) = &notes.watcher {
            watcher.unpark();
        }
    }

    fn role(&mut self, role: Role) {
        self.0.lock().role = Some(role);
    }
}
