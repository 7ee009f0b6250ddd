//! The raft thread: one tokio runtime that runs all groups of the server, their applies, and whatever the wiring puts
//! beside them (the peers' connections). Behind neither plugins nor clients.

use crate::raft::Spawn;
use futures::future::BoxFuture;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that read old entries back from the disk at the same time.
const READERS: usize = 2;

/// A running raft thread.
#[derive(Debug)]
pub struct RaftThread {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RaftThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system gives no thread or no poller.
    pub fn spawn() -> io::Result<RaftThread> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(READERS)
            .thread_name("forebay-raft-reader")
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let _ = runtime.block_on(stopped);
        };
        let thread = std::thread::Builder::new().name("forebay-raft".into()).spawn(run)?;
        Ok(RaftThread { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// The runtime.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Where groups run.
    #[must_use]
    pub fn tasks(&self) -> Arc<dyn Spawn> {
        Arc::new(OnRuntime(self.handle.clone()))
    }

    /// Ends the thread; what still runs on it is dropped. Shut the groups down first.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the raft thread panicked");
        }
    }
}

impl Drop for RaftThread {
    fn drop(&mut self) {
        self.end();
    }
}

/// Tasks on a runtime that somebody else drives, as simulations do.
#[derive(Debug, Clone)]
pub struct OnRuntime(pub Handle);

impl Spawn for OnRuntime {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task);
    }
}
