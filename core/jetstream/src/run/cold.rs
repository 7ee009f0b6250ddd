//! Reads from disk, which no core thread waits for: the reader threads push what they found back into the core's queue.

use crate::run::JetStream;
use crate::run::delivery::Ready;
use crate::run::queue::Work;
use forebay_store::{Location, ReadError, ReadJob, RecordBuf};
use std::sync::Arc;

/// After so long, readers that had too much to do are asked again, in ns.
pub(super) const BUSY_NS: i64 = 20_000_000;

impl JetStream {
    /// Reads `places` and hands `core` what `ready` makes of them, in their order.
    pub(super) fn read_cold(
        self: &Arc<Self>,
        core: usize,
        places: Vec<Location>,
        ready: impl FnOnce(Vec<Result<RecordBuf, ReadError>>) -> Ready + Send + 'static,
    ) {
        let back = self.clone();
        let done = move |bodies| {
            if let Some(queue) = back.queues.get(core) {
                queue.push(Work::Ready(ready(bodies)));
            }
        };
        self.submit_read(core, ReadJob::new(places, done));
    }

    /// Puts a job in line. Where the line is full it waits in the core's queue, so that nothing goes before it that
    /// should come after it.
    pub(super) fn submit_read(&self, core: usize, job: ReadJob) {
        let Err(job) = self.cold.submit(job) else { return };
        self.later(core, self.clock.wall_ns() + BUSY_NS, Work::Ready(Ready::Unread(job)));
    }
}
