//! The shard's timer: the earliest moment at which one of its streams or consumers has something to do.
//!
//! Lazy: each has at most one valid entry, which may be too early and is then renewed when it comes up. So a moved
//! deadline costs nothing, and a new earlier one costs one push.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::id::{ConsumerKey, ConsumerUid, StreamUid};

/// Whose time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timed {
    Stream(StreamUid),
    Consumer(ConsumerKey),
}

/// The heap.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(i64, u64, u64)>>,
}

impl Timers {
    /// Puts an entry in if `at` is earlier than what is armed already.
    #[inline]
    pub(super) fn arm(&mut self, who: Timed, at: Option<i64>, armed: &mut i64) {
        let Some(at) = at else { return };
        if at >= *armed {
            return;
        }
        *armed = at;
        let (stream, consumer) = match who {
            Timed::Stream(uid) => (uid.0, 0),
            Timed::Consumer(key) => (key.stream.0, key.consumer.0),
        };
        self.heap.push(Reverse((at, stream, consumer)));
    }

    pub(super) fn poll_timeout(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The next entry that is due. Consumers' uids begin at 1, so 0 means the stream itself.
    pub(super) fn pop(&mut self, now: i64) -> Option<(i64, Timed)> {
        let Reverse((at, stream, consumer)) = self.heap.peek().copied()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        let stream = StreamUid(stream);
        Some((
            at,
            match consumer {
                0 => Timed::Stream(stream),
                uid => Timed::Consumer(ConsumerKey { stream, consumer: ConsumerUid(uid) }),
            },
        ))
    }

    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }
}
