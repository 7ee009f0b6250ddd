//! The thread that keeps prepared segments in stock and writes complete footers.

use crate::store::Store;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it looks for space on a full disk, and for footers.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A running preparer.
#[derive(Debug)]
pub struct PrepareThread {
    stop: Arc<AtomicBool>,
    nudge: Box<dyn Nudge>,
    thread: Option<JoinHandle<()>>,
}

/// Ends the thread's wait, whatever the store's attachment is.
trait Nudge: Send + Sync + std::fmt::Debug {
    fn nudge(&self);
}

impl<T: Send> Nudge for Arc<Store<T>> {
    fn nudge(&self) {
        self.stock.nudge();
    }
}

impl PrepareThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn spawn<T: Send + 'static>(store: Arc<Store<T>>) -> io::Result<PrepareThread> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let nudge = Box::new(store.clone());
        let run = move || {
            while !stopped.load(Ordering::Acquire) {
                if store.prepare_segments() {
                    // A lane that waits for space may go on.
                    store.lane().nudge();
                }
                if let Err(error) = store.write_footers() {
                    tracing::warn!(%error, "a footer was not written; recovery will apply its segment again");
                }
                store.stock.wait(LOOK_AGAIN);
            }
        };
        let thread = std::thread::Builder::new().name("forebay-prepare".into()).spawn(run)?;
        Ok(PrepareThread { stop, nudge, thread: Some(thread) })
    }
}

impl Drop for PrepareThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.nudge.nudge();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the preparing thread panicked");
        }
    }
}
