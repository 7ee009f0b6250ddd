//! Consumers with something to deliver, on their way to the core thread that delivers for them.

use crate::id::ConsumerKey;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

/// A consumer and the shard it lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Due {
    /// The shard's number.
    pub shard: u32,
    /// The consumer.
    pub key: ConsumerKey,
}

/// What other threads tell a core's delivery task.
#[derive(Debug)]
pub(super) enum Work<R> {
    /// A consumer has something to deliver.
    Due(Due),
    /// Bodies came from disk.
    Ready(R),
}

struct State<R> {
    work: VecDeque<Work<R>>,
    /// What waits for a moment, in ns.
    later: Vec<(i64, Work<R>)>,
    waker: Option<Waker>,
}

/// The queue of one core. A consumer stands in it at most once (the machines see to that), and requests are bounded by
/// those who push them, so it is bounded.
pub(super) struct Queue<R> {
    state: Mutex<State<R>>,
    /// The first moment of those in `later`.
    next_later: AtomicI64,
}

impl<R> Default for Queue<R> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State { work: VecDeque::new(), later: Vec::new(), waker: None }),
            next_later: AtomicI64::new(i64::MAX),
        }
    }
}

impl<R> Queue<R> {
    pub(super) fn push(&self, work: Work<R>) {
        let waker = {
            let mut state = self.state.lock();
            state.work.push_back(work);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Work whose turn comes at `at`, in ns: [`Queue::release`] sees to it.
    pub(super) fn push_later(&self, at: i64, work: Work<R>) {
        let mut state = self.state.lock();
        state.later.push((at, work));
        self.next_later.fetch_min(at, Ordering::Relaxed);
    }

    /// The first moment for which something waits, in ns.
    pub(super) fn next_later(&self) -> i64 {
        self.next_later.load(Ordering::Relaxed)
    }

    /// How much waits for its moment.
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().later.len()
    }

    /// Puts in line whose moment has come.
    pub(super) fn release(&self, now: i64) {
        if self.next_later.load(Ordering::Relaxed) > now {
            return;
        }
        let waker = {
            let mut state = self.state.lock();
            let State { work, later, waker } = &mut *state;
            work.extend(later.extract_if(.., |(at, _)| *at <= now).map(|(_, later)| later));
            let next = later.iter().map(|(at, _)| *at).min().unwrap_or(i64::MAX);
            self.next_later.store(next, Ordering::Relaxed);
            waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn pop(&self) -> Option<Work<R>> {
        self.state.lock().work.pop_front()
    }

    /// Ready when there is work.
    pub(super) fn poll_work(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if !state.work.is_empty() {
            return Poll::Ready(());
        }
        match &state.waker {
            Some(known) if known.will_wake(cx.waker()) => {}
            _ => state.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ConsumerUid, StreamUid};

    #[test]
    fn who_waits_for_a_moment_is_in_line_when_it_comes() {
        let queue: Queue<()> = Queue::default();
        let due = |n| Due { shard: 1, key: ConsumerKey { stream: StreamUid(n), consumer: ConsumerUid(1) } };
        queue.push_later(20, Work::Due(due(2)));
        queue.push_later(10, Work::Due(due(1)));
        queue.release(9);
        assert!(queue.pop().is_none());
        queue.release(10);
        assert!(matches!(queue.pop(), Some(Work::Due(first)) if first == due(1)));
        assert!(queue.pop().is_none());
        queue.release(i64::MAX - 1);
        assert!(matches!(queue.pop(), Some(Work::Due(second)) if second == due(2)));
    }
}
