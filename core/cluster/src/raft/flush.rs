//! The lane as raft's log sees it: entries go in, and a callback says when they are durable.

use crate::machine::LaneAttachment;
use forebay_store::{LaneHandle, NewEntry, Placed, Refused, SubmitError};
use std::any::Any;

/// Called once: true if the entry is durable, false if the lane failed or was dropped.
pub(crate) type Done = Box<dyn FnOnce(bool) + Send>;

/// Makes a callback that also runs when it is dropped.
pub(crate) fn on_flush(done: impl FnOnce(bool) + Send + 'static) -> Done {
    let mut guard = Guard(Some(done));
    Box::new(move |durable| {
        if let Some(done) = guard.0.take() {
            done(durable);
        }
    })
}

struct Guard<F: FnOnce(bool)>(Option<F>);

impl<F: FnOnce(bool)> Drop for Guard<F> {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(false);
        }
    }
}

/// What goes into the lane with an entry.
pub(crate) enum Carried {
    New(Done),
    /// The lane's own attachment, which came back because the entry was refused.
    Again(Box<dyn Any + Send>),
}

/// The lane without its type of attachment.
pub(crate) trait Commit: Send + Sync + 'static {
    /// Hands an entry in; what it carried comes back with a refusal.
    fn submit(&self, entry: NewEntry<'_, Carried>) -> Result<Placed, Refused<Carried>>;
    /// The highest lsn that is durable.
    fn durable(&self) -> u64;
    /// Whether the lane has failed for good.
    fn failed(&self) -> bool;
    /// Whether clients' publishes are refused for want of space.
    fn disk_full(&self) -> bool;
}

impl<T: LaneAttachment> Commit for LaneHandle<T> {
    fn submit(&self, entry: NewEntry<'_, Carried>) -> Result<Placed, Refused<Carried>> {
        let attachment = match entry.attachment {
            Carried::New(done) => T::flushed(done),
            Carried::Again(again) => match again.downcast::<T>() {
                Ok(attachment) => *attachment,
                Err(again) => {
                    return Err(Refused { reason: SubmitError::Closed, attachment: Carried::Again(again) });
                }
            },
        };
        let entry = NewEntry {
            shard: entry.shard,
            kind: entry.kind,
            publish: entry.publish,
            index: entry.index,
            term: entry.term,
            time: entry.time,
            records: entry.records,
            count: entry.count,
            records_crc: entry.records_crc,
            attachment,
        };
        LaneHandle::submit(self, entry).map_err(|refused| Refused {
            reason: refused.reason,
            attachment: Carried::Again(Box::new(refused.attachment)),
        })
    }

    fn durable(&self) -> u64 {
        LaneHandle::durable(self)
    }

    fn failed(&self) -> bool {
        LaneHandle::failed(self)
    }

    fn disk_full(&self) -> bool {
        LaneHandle::disk_full(self)
    }
}
