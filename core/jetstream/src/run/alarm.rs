//! Wakes the core that looks after what is due, when it sleeps and something came due sooner than it thinks.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Context, Poll, Waker};

/// The alarm of one server: one core sleeps, all threads may ring.
#[derive(Default)]
pub(super) struct Alarm {
    asleep: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Alarm {
    /// Something may be due sooner than before. Call it after that can be seen.
    #[inline]
    pub(super) fn ring(&self) {
        // Either this sees the sleeper, or the sleeper's look, which comes after its mark, sees what is due.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        let waker = {
            let mut waker = self.waker.lock();
            self.asleep.store(false, Ordering::Relaxed);
            waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Goes to sleep: the next look at what is due has to come after this.
    pub(super) fn fall_asleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Ready once it rang.
    pub(super) fn poll_rang(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waker = self.waker.lock();
        if !self.asleep.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        *waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_wakes_who_sleeps_and_only_once() {
        let alarm = Alarm::default();
        let cx = Context::from_waker(Waker::noop());
        assert_eq!(alarm.poll_rang(&cx), Poll::Ready(()), "nobody sleeps");
        alarm.fall_asleep();
        assert_eq!(alarm.poll_rang(&cx), Poll::Pending);
        alarm.ring();
        assert_eq!(alarm.poll_rang(&cx), Poll::Ready(()));
        alarm.ring();
        alarm.fall_asleep();
        assert_eq!(alarm.poll_rang(&cx), Poll::Pending, "a ring from before does not count");
    }
}
