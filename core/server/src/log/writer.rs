//! The thread that writes the log, and the bounded queue before it.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tracing::Event;

use super::line::LineFormat;
use super::open_log_file;
use crate::error::io_text;
use crate::limits::{LOG_QUEUE_BYTES_MAX, LOG_QUEUE_LINES_MAX};

/// Lines are joined up to this many bytes when several wait.
const WRITE_BYTES: usize = 64 << 10;

/// Where lines go.
pub(super) enum Target {
    Stderr {
        coloured: bool,
    },
    File {
        path: PathBuf,
        file: File,
    },
    #[cfg(test)]
    Test(Box<dyn Write + Send>),
}

impl Target {
    pub(super) fn stderr() -> Target {
        Target::Stderr { coloured: io::stderr().is_terminal() }
    }

    pub(super) fn file(path: &Path) -> io::Result<Target> {
        Ok(Target::File { path: path.to_owned(), file: open_log_file(path)? })
    }

    pub(super) fn is_coloured(&self) -> bool {
        matches!(self, Target::Stderr { coloured: true })
    }

    /// There is nobody to tell when this fails.
    fn write(&mut self, text: &[u8]) {
        let _ = match self {
            Target::Stderr { .. } => io::stderr().lock().write_all(text),
            Target::File { file, .. } => file.write_all(text),
            #[cfg(test)]
            Target::Test(sink) => sink.write_all(text),
        };
    }
}

enum Job {
    Line(String),
    Reopen,
    Flush(SyncSender<()>),
}

/// The way to the log's thread.
#[derive(Clone)]
pub struct LogHandle {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
}

struct Shared {
    format: Arc<LineFormat>,
    queued_bytes: AtomicUsize,
    dropped: AtomicU64,
    is_file: bool,
}

impl LogHandle {
    pub(super) fn start(target: Target, format: Arc<LineFormat>) -> io::Result<LogHandle> {
        let (jobs, queue) = sync_channel(LOG_QUEUE_LINES_MAX);
        let shared = Arc::new(Shared {
            format,
            queued_bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            is_file: matches!(target, Target::File { .. }),
        });
        let worker = Arc::clone(&shared);
        thread::Builder::new().name("forebay-log".to_owned()).spawn(move || write_all(target, &queue, &worker))?;
        Ok(LogHandle { jobs, shared })
    }

    pub(super) fn log(&self, event: &Event<'_>) {
        self.push(self.shared.format.event(event));
    }

    fn push(&self, line: String) {
        let bytes = line.len();
        let fits = self.shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= LOG_QUEUE_BYTES_MAX;
        if !fits || self.jobs.try_send(Job::Line(line)).is_err() {
            self.shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the log file anew, for those who have moved it away (SIGUSR1).
    pub fn reopen(&self) {
        if !self.shared.is_file {
            tracing::info!("File log re-open ignored, not a file logger");
        } else if self.jobs.try_send(Job::Reopen).is_err() {
            tracing::error!("File log re-open refused, the log is not being written");
        }
    }

    /// Waits until what was logged so far is written, at most for `wait`; whether it is.
    pub fn flush(&self, wait: Duration) -> bool {
        let (done, written) = sync_channel(1);
        let mut job = Job::Flush(done);
        // A full queue is a stuck reader: it gets a few chances, and no more.
        const STEPS: u32 = 20;
        for _ in 0..STEPS {
            match self.jobs.try_send(job) {
                Ok(()) => return written.recv_timeout(wait).is_ok(),
                Err(TrySendError::Full(back)) => job = back,
                Err(TrySendError::Disconnected(_)) => return false,
            }
            thread::sleep(wait / STEPS);
        }
        false
    }

    /// Lines that found the queue full.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

/// The thread. It ends when nobody can log any more.
fn write_all(mut target: Target, queue: &Receiver<Job>, shared: &Shared) {
    let mut told_dropped = 0;
    while let Ok(first) = queue.recv() {
        let mut text = String::new();
        let mut flushed = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Line(line) => {
                    shared.queued_bytes.fetch_sub(line.len(), Ordering::Relaxed);
                    text.push_str(&line);
                }
                Job::Reopen => {
                    target.write(text.as_bytes());
                    text = reopen(&mut target, shared);
                }
                Job::Flush(done) => flushed.push(done),
            }
            next = if text.len() < WRITE_BYTES { queue.try_recv().ok() } else { None };
        }
        let dropped = shared.dropped.load(Ordering::Relaxed);
        if dropped > told_dropped {
            let more = dropped - told_dropped;
            text.push_str(&shared.format.warning(format_args!("Log lines dropped, nobody read them lines={more}")));
            told_dropped = dropped;
        }
        target.write(text.as_bytes());
        for done in flushed {
            let _ = done.try_send(());
        }
    }
}

/// What to log about it, nats-server's text where it went well.
fn reopen(target: &mut Target, shared: &Shared) -> String {
    let Target::File { path, file } = target else { return String::new() };
    match open_log_file(path) {
        Ok(opened) => {
            *file = opened;
            shared.format.info(format_args!("File log re-opened"))
        }
        Err(error) => {
            let why = io_text(&error);
            shared.format.warning(format_args!("File log not re-opened: open {}: {why}", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn format() -> Arc<LineFormat> {
        Arc::new(LineFormat::new(Clock::new(), true, false))
    }

    /// Blocks at its first write until it is let go.
    struct Stuck {
        go: Receiver<()>,
        written: SyncSender<Vec<u8>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go.recv();
            let _ = self.written.try_send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_stuck_reader_and_what_is_lost_is_told() {
        let (go, stuck) = sync_channel(1);
        let (written, read) = sync_channel(100_000);
        let log = LogHandle::start(Target::Test(Box::new(Stuck { go: stuck, written })), format()).unwrap();
        for number in 0..LOG_QUEUE_LINES_MAX * 3 {
            log.push(format!("line {number}\n"));
        }
        assert!(log.dropped() > 0);
        assert!(!log.flush(Duration::from_millis(20)));
        drop(go);
        while !log.flush(Duration::from_millis(500)) {}
        log.push("last\n".to_owned());
        assert!(log.flush(Duration::from_secs(5)));
        let text: Vec<u8> = read.try_iter().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("line 0\nline 1\n"), "{}", &text[..40]);
        assert!(text.contains("Log lines dropped, nobody read them lines=") && text.contains("last\n"));
        let queued = log.shared.queued_bytes.load(Ordering::Relaxed);
        assert_eq!(queued, 0);
    }

    #[test]
    fn a_reopened_file_goes_on_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = LogHandle::start(Target::file(&path).unwrap(), format()).unwrap();
        log.push("one\n".to_owned());
        assert!(log.flush(Duration::from_secs(5)));
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        log.reopen();
        log.push("two\n".to_owned());
        assert!(log.flush(Duration::from_secs(5)));
        assert_eq!(std::fs::read_to_string(folder.path().join("old")).unwrap(), "one\n");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("[INF] File log re-opened\n") && text.ends_with("two\n"), "{text}");
    }
}
