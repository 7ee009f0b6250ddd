//! The thread that drives a lane in production.

use crate::log::lane::{Lane, OnDurable, Step};
use crate::log::submit::LaneHandle;
use crate::log::waiting::Woken;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the lane waits before it looks again whether a segment can be prepared.
const SPACE_RETRY: Duration = Duration::from_millis(100);

/// A running lane.
#[derive(Debug)]
pub struct LaneThread<T> {
    handle: LaneHandle<T>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> LaneThread<T> {
    /// Starts the thread. `mark_after` is how long the lane has to be idle before it marks its last group.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn spawn(lane: Lane<T>, on: impl OnDurable<T> + 'static, mark_after: Duration) -> io::Result<LaneThread<T>> {
        let handle = lane.handle();
        let guard = FailOnPanic(handle.clone());
        let run = move || {
            let _guard = guard;
            drive(lane, on, mark_after);
        };
        let thread = std::thread::Builder::new().name("forebay-lane".into()).spawn(run)?;
        Ok(LaneThread { handle, thread: Some(thread) })
    }

    /// The way into the lane.
    #[must_use]
    pub fn handle(&self) -> &LaneHandle<T> {
        &self.handle
    }

    /// Takes no more entries, writes what waits, and ends the thread.
    pub fn stop(mut self) {
        self.end();
    }
}

impl<T> LaneThread<T> {
    fn end(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the lane's thread panicked");
        }
    }
}

impl<T> Drop for LaneThread<T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// A callback that panics takes the thread with it: submitters have to learn that nothing will be confirmed.
struct FailOnPanic<T>(LaneHandle<T>);

impl<T> Drop for FailOnPanic<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the lane's thread panicked; nothing is stored until the server is restarted");
            self.0.fail();
        }
    }
}

fn drive<T>(mut lane: Lane<T>, mut on: impl OnDurable<T>, mark_after: Duration) {
    loop {
        match lane.step(&mut on) {
            Step::Wrote => continue,
            Step::Failed => return,
            Step::NoSpace => {
                // With nothing but a full disk ahead, a server that stops does not wait for space.
                if lane.pause(SPACE_RETRY) {
                    tracing::error!("stopped with entries that found no space; none of them was confirmed");
                    return;
                }
                continue;
            }
            Step::Idle => on.idle(),
        }
        let timeout = lane.wants_mark().then_some(mark_after);
        match lane.wait(timeout) {
            Woken::Work => {}
            Woken::TimedOut => {
                lane.mark();
            }
            Woken::Closed => {
                if !lane.mark() {
                    return;
                }
            }
        }
    }
}
