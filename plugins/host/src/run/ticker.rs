//! The epoch ticker: a thread that moves the engine's epoch on each millisecond, only while somebody holds a lease.
//!
//! It is a thread of the operating system and nothing else's task, because a starved ticker is a late timeout.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use wasmtime::Engine;

use crate::limits::TICK;

/// Starts and stops the thread.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    leases: AtomicUsize,
    /// True while the thread runs; it is the lock under which starting and stopping are decided.
    running: Mutex<bool>,
}

/// While one of these lives, running guests are looked at each tick.
pub(crate) struct TickerLease {
    shared: Arc<Shared>,
}

impl Ticker {
    pub(crate) fn new(engine: Engine) -> Self {
        let shared = Shared { engine, leases: AtomicUsize::new(0), running: Mutex::new(false) };
        Self { shared: Arc::new(shared) }
    }

    /// Starts the thread if it does not run.
    pub(crate) fn lease(&self) -> std::io::Result<TickerLease> {
        self.shared.leases.fetch_add(1, Ordering::SeqCst);
        let lease = TickerLease { shared: Arc::clone(&self.shared) };
        let mut running = self.shared.running.lock();
        if !*running {
            let shared = Arc::clone(&self.shared);
            std::thread::Builder::new().name("plugin-ticker".into()).spawn(move || shared.run())?;
            *running = true;
        }
        Ok(lease)
    }

    /// True while the thread runs.
    #[cfg(test)]
    pub(crate) fn is_running(&self) -> bool {
        *self.shared.running.lock()
    }
}

impl Drop for TickerLease {
    fn drop(&mut self) {
        self.shared.leases.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn run(&self) {
        loop {
            std::thread::sleep(TICK);
            self.engine.increment_epoch();
            if self.leases.load(Ordering::SeqCst) == 0 {
                let mut running = self.running.lock();
                // A lease may have come between the look and the lock; its holder then waits for the lock to see
                // whether it has to start a thread.
                if self.leases.load(Ordering::SeqCst) == 0 {
                    *running = false;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eventually(mut done: impl FnMut() -> bool) {
        for _ in 0..5_000 {
            if done() {
                return;
            }
            std::thread::sleep(TICK);
        }
        panic!("it never happened");
    }

    #[test]
    fn the_thread_runs_only_while_a_lease_lives() {
        let ticker = Ticker::new(Engine::default());
        assert!(!ticker.is_running());
        let (first, second) = (ticker.lease().unwrap(), ticker.lease().unwrap());
        drop(first);
        std::thread::sleep(10 * TICK);
        assert!(ticker.is_running());
        drop(second);
        eventually(|| !ticker.is_running());
        let _third = ticker.lease().unwrap();
        assert!(ticker.is_running());
    }
}
