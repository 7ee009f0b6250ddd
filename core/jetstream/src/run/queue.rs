//! Consumers with something to deliver, on their way to the core thread that delivers for them.

use crate::id::ConsumerKey;
use parking_lot::Mutex;
use std::collections::VecDeque;
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
    waker: Option<Waker>,
}

/// The queue of one core. A consumer stands in it at most once (the machines see to that), so it is bounded by the
/// number of consumers.
pub(super) struct Queue<R> {
    state: Mutex<State<R>>,
}

impl<R> Default for Queue<R> {
    fn default() -> Self {
        Self { state: Mutex::new(State { work: VecDeque::new(), waker: None }) }
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
