//! The log: nats-server's lines, written by a thread of their own.
//!
//! Everybody logs with `tracing`; this is its one subscriber. A line is `[pid] YYYY/MM/DD
//! HH:MM:SS.µµµµµµ [INF] text key=value`. Nobody who logs ever waits for stderr or a disk: lines go
//! through a bounded queue, and what does not fit is dropped and counted.

mod line;
mod writer;

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::clock::Clock;
use crate::error::io_text;
use crate::options::{LogOptions, Options, human_bytes};
use line::LineFormat;
pub use writer::LogHandle;
use writer::Target;

/// An error event with this target is a `[FTL]` line.
pub const FATAL: &str = "forebay::fatal";

/// Crates of the house begin with this; only their debug and trace lines are of use to a person.
const HOUSE: &str = "forebay";

/// Why there is no log. The text is nats-server's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log file cannot be opened.
    #[error("error opening file: open {}: {}", path.display(), io_text(source))]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no thread for it.
    #[error("can't start the log: {}", io_text(.0))]
    Thread(#[source] io::Error),
    /// Another part of this process has a subscriber already.
    #[error("this process logs elsewhere already")]
    Taken,
}

/// Starts the log of this process.
///
/// # Errors
/// [`LogError`].
pub fn start(options: &LogOptions, clock: Clock) -> Result<LogHandle, LogError> {
    let target = match &options.file {
        Some(path) => Target::file(path).map_err(|source| LogError::Open { path: path.clone(), source })?,
        None => Target::stderr(),
    };
    let format = LineFormat::new(clock, options.utc, target.is_coloured());
    let handle = LogHandle::start(target, Arc::new(format)).map_err(LogError::Thread)?;
    let subscriber = Lines { debug: options.debug, trace: options.trace, handle: handle.clone() };
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Taken)?;
    Ok(handle)
}

/// Panics become one line of the log; without this they would be written to stderr by whoever panics,
/// who would wait for its reader.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no text");
        tracing::error!(thread = thread.name().unwrap_or_default(), place, what, "A thread panicked, this is a bug");
    }));
}

/// `tracing`'s subscriber. Spans are not kept: a line carries its own fields.
struct Lines {
    debug: bool,
    trace: bool,
    handle: LogHandle,
}

impl Lines {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let house = metadata.target().starts_with(HOUSE);
        match *metadata.level() {
            Level::ERROR | Level::WARN => metadata.is_event(),
            Level::INFO => metadata.is_event() && house,
            Level::DEBUG => metadata.is_event() && house && self.debug,
            Level::TRACE => metadata.is_event() && house && self.trace,
        }
    }
}

impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match (self.trace, self.debug) {
            (true, _) => LevelFilter::TRACE,
            (_, true) => LevelFilter::DEBUG,
            _ => LevelFilter::INFO,
        })
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.handle.log(event);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn open_log_file(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The first lines: who starts, in nats-server's order and texts.
pub fn start_facts(options: &Options, identity: &crate::identity::Identity) {
    tracing::info!("Starting {}", options.program);
    tracing::info!("  Version:  {}", identity.version);
    let commit = if identity.git_commit.is_empty() { "not set" } else { identity.git_commit };
    tracing::info!("  Git:      [{commit}]");
    if options.cluster.is_on() {
        tracing::info!("  Cluster:  {}", options.cluster.name);
    }
    tracing::info!("  Name:     {}", identity.server_name);
    if options.jetstream.enabled {
        tracing::info!("  Node:     {}", identity.node);
    }
    tracing::info!("  ID:       {}", identity.server_id);
    for warning in options.warnings() {
        tracing::warn!("{warning}");
    }
    if let Some(file) = &options.config {
        tracing::info!("Using configuration file: {} ({})", file.path.display(), file.digest);
    }
}

/// JetStream's lines, in nats-server's texts; limits in bytes.
pub fn jetstream_facts(max_memory: u64, max_storage: u64, store_dir: &Path, api_level: u32) {
    tracing::info!("---------------- JETSTREAM ----------------");
    tracing::info!("  Max Memory:      {}", human_bytes(max_memory));
    tracing::info!("  Max Storage:     {}", human_bytes(max_storage));
    tracing::info!("  Store Directory: \"{}\"", store_dir.display());
    tracing::info!("  API Level:       {api_level}");
    tracing::info!("-------------------------------------------");
}
