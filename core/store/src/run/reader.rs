//! The threads that read what is not in memory any more, for those who may not wait for a disk.

use crate::limits::{READER_QUEUE, READER_THREADS};
use crate::log::format::Location;
use crate::reader::{ReadError, Reader};
use crate::record_buf::RecordBuf;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What a cold read gives.
pub type ReadResult = Result<RecordBuf, ReadError>;

/// Records to read, and who is to have them.
pub struct ReadJob {
    places: Vec<Location>,
    done: Box<dyn FnOnce(Vec<ReadResult>) + Send>,
}

impl std::fmt::Debug for ReadJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadJob").field("places", &self.places.len()).finish_non_exhaustive()
    }
}

impl ReadJob {
    /// Reads `places`; `done` gets the results in their order. It runs on a reader thread: it should only hand them on,
    /// for example by a waker.
    pub fn new(places: Vec<Location>, done: impl FnOnce(Vec<ReadResult>) + Send + 'static) -> Self {
        Self { places, done: Box::new(done) }
    }

    /// Reads one record.
    pub fn one(place: Location, done: impl FnOnce(ReadResult) + Send + 'static) -> Self {
        Self::new(vec![place], move |mut results| done(results.pop().unwrap_or(Err(ReadError::Gone))))
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<ReadJob>,
    /// Places in the waiting jobs.
    places: usize,
    stopped: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

/// The reader threads. Dropping it drops what waits: those callbacks are not called.
pub struct ColdReads {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for ColdReads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColdReads").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

impl ColdReads {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn spawn(reader: &Arc<Reader>) -> io::Result<ColdReads> {
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Condvar::new() });
        let mut reads = ColdReads { shared, threads: Vec::new() };
        for n in 0..READER_THREADS {
            let (shared, reader) = (reads.shared.clone(), reader.clone());
            let thread = std::thread::Builder::new().name(format!("forebay-read-{n}"));
            reads.threads.push(thread.spawn(move || serve(&shared, &reader))?);
        }
        Ok(reads)
    }

    /// Puts a job in line.
    ///
    /// # Errors
    /// The job, if [`READER_QUEUE`] places wait already: offer it again later. Nothing is ever dropped but by the end.
    pub fn submit(&self, job: ReadJob) -> Result<(), ReadJob> {
        let mut queue = self.shared.queue.lock();
        if queue.stopped || (!queue.jobs.is_empty() && queue.places + job.places.len() > READER_QUEUE) {
            return Err(job);
        }
        queue.places += job.places.len();
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Drop for ColdReads {
    fn drop(&mut self) {
        {
            let mut queue = self.shared.queue.lock();
            queue.stopped = true;
            queue.jobs.clear();
        }
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a reader thread panicked");
            }
        }
    }
}

fn serve(shared: &Shared, reader: &Reader) {
    loop {
        let job = {
            let mut queue = shared.queue.lock();
            loop {
                if queue.stopped {
                    return;
                }
                if let Some(job) = queue.jobs.pop_front() {
                    queue.places -= job.places.len();
                    break job;
                }
                shared.wake.wait(&mut queue);
            }
        };
        (job.done)(job.places.into_iter().map(|at| reader.record(at)).collect());
    }
}
