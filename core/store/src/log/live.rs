//! How many bytes of each segment are still bodies of messages. A hint for the collector, never a reason to free.
//!
//! Not persisted: whoever indexes messages counts them again after recovery.

use super::format::Location;
use hashbrown::HashMap;
use parking_lot::RwLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// Live bytes per segment.
#[derive(Debug, Default)]
pub struct LiveBytes {
    segments: RwLock<HashMap<u32, AtomicI64>>,
}

impl LiveBytes {
    /// A body lies here. Give the same number of bytes, for example the message's logical size, to
    /// [`LiveBytes::release`].
    pub fn retain(&self, at: Location, bytes: u32) {
        self.add(at.segment, i64::from(bytes));
    }

    /// The body here is not needed any more.
    pub fn release(&self, at: Location, bytes: u32) {
        self.add(at.segment, -i64::from(bytes));
    }

    /// Many bodies of one segment at once. [`Location::NONE`] counts nowhere.
    pub fn add(&self, segment: u32, bytes: i64) {
        if segment == Location::NONE.segment {
            return;
        }
        if let Some(count) = self.segments.read().get(&segment) {
            count.fetch_add(bytes, Ordering::Relaxed);
            return;
        }
        self.segments.write().entry(segment).or_default().fetch_add(bytes, Ordering::Relaxed);
    }

    /// Live bytes of a segment; a release that overtook its retain reads as 0.
    #[must_use]
    pub fn of(&self, segment: u32) -> u64 {
        self.segments.read().get(&segment).map_or(0, |c| u64::try_from(c.load(Ordering::Relaxed)).unwrap_or(0))
    }

    pub(crate) fn forget(&self, segment: u32) {
        self.segments.write().remove(&segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_retained_and_released_is_zero() {
        let live = LiveBytes::default();
        let at = Location { segment: 3, offset: 10 };
        live.release(at, 5);
        assert_eq!(live.of(3), 0);
        live.retain(at, 5);
        live.retain(at, 7);
        assert_eq!(live.of(3), 7);
        live.retain(Location::NONE, 7);
        assert_eq!(live.of(Location::NONE.segment), 0);
    }
}
