//! How other threads reach the task that owns a connection.

use forebay_broker::{CloseReason, Wake};
use parking_lot::Mutex;
use std::task::Waker;

/// What the owner is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signals {
    /// Bytes wait for the socket.
    pub(crate) write: bool,
    /// A deadline passed.
    pub(crate) timeout: bool,
    /// What INFO says has changed.
    pub(crate) info: bool,
    /// The connection must end.
    pub(crate) close: Option<CloseReason>,
}

#[derive(Default)]
struct State {
    signals: Signals,
    waker: Option<Waker>,
}

/// The owner's mailbox.
#[derive(Default)]
pub(crate) struct Owner {
    state: Mutex<State>,
}

impl Owner {
    /// Tells the owner why it is woken.
    pub(crate) fn wake(&self, why: Wake) {
        self.signal(|signals| match why {
            Wake::Write => signals.write = true,
            Wake::Close(reason) => signals.close = signals.close.or(Some(reason)),
        });
    }

    /// Tells the owner that a deadline passed.
    pub(crate) fn time_out(&self) {
        self.signal(|signals| signals.timeout = true);
    }

    /// Tells the owner that what INFO says has changed.
    pub(crate) fn inform(&self) {
        self.signal(|signals| signals.info = true);
    }

    fn signal(&self, set: impl FnOnce(&mut Signals)) {
        let waker = {
            let mut state = self.state.lock();
            set(&mut state.signals);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes what came, and leaves a waker for what comes.
    pub(crate) fn take(&self, waker: &Waker) -> Signals {
        let mut state = self.state.lock();
        match &state.waker {
            Some(known) if known.will_wake(waker) => {}
            _ => state.waker = Some(waker.clone()),
        }
        std::mem::take(&mut state.signals)
    }
}
