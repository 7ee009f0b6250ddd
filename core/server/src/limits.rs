//! The named bounds and fixed names of the server's shell.

use std::time::Duration;

/// The program's name, and the prefix of what it says and writes.
pub(crate) const PROGRAM: &str = "forebay";

/// A link of this name behaves as nats-server.
pub(crate) const NATS_PROGRAM: &str = "nats-server";

/// Our version.
pub const FOREBAY_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The nats-server whose behaviour we match.
pub const NATS_VERSION: &str = "2.15.1";

/// What INFO and `/varz` say (DESIGN §5).
pub const SERVER_VERSION: &str = concat!("2.15.1-forebay.", env!("CARGO_PKG_VERSION"));

/// The commit that this was built from, empty where nobody said it; whoever builds a release sets
/// `FOREBAY_GIT_COMMIT`.
pub(crate) const GIT_COMMIT: &str = match option_env!("FOREBAY_GIT_COMMIT") {
    Some(commit) => commit,
    None => "",
};

/// No configuration is longer than this.
pub(crate) const CONFIG_FILE_BYTES_MAX: u64 = 16 << 20;

/// Lines that may wait for the log's writer.
pub(crate) const LOG_QUEUE_LINES_MAX: usize = 8_192;

/// Bytes that may wait for the log's writer; more is dropped and counted.
pub(crate) const LOG_QUEUE_BYTES_MAX: usize = 8 << 20;

/// A longer line is cut.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 64 << 10;

/// How long a stopping program waits for the log to be written.
pub(crate) const LOG_FLUSH_WAIT: Duration = Duration::from_millis(500);

/// How long stopping may take before the process ends anyway.
pub(crate) const STOP_WAIT: Duration = Duration::from_secs(8);

/// Monitoring connections at a time; more wait to be accepted.
pub(crate) const MONITOR_CONNECTIONS_MAX: usize = 256;

/// How long a monitoring connection may be silent before it is closed to make room.
pub(crate) const MONITOR_IDLE_MAX: Duration = Duration::from_secs(60);

/// How long the monitor's answers under way may take once the server stops.
pub(crate) const MONITOR_STOP_WAIT: Duration = Duration::from_millis(300);

/// A CPU figure is measured over at least this.
pub(crate) const CPU_SAMPLE_MIN: Duration = Duration::from_millis(500);

/// A change of a plugin's file or of the configuration is looked at when nothing more has changed for so long, so
/// that a file that is being written is not read half.
pub(crate) const RELOAD_QUIET: Duration = Duration::from_millis(200);

/// However much goes on changing, it is looked at after so long.
pub(crate) const RELOAD_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long to wait after another server could not be accepted, for want of descriptors.
pub(crate) const ROUTE_ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the links' work under way may take once the server stops.
pub(crate) const LINKS_STOP_WAIT: Duration = Duration::from_millis(300);

/// Connections that may wait to be accepted.
pub(crate) const LISTEN_BACKLOG: i32 = 4_096;

const _: () = assert!(LOG_LINE_BYTES_MAX < LOG_QUEUE_BYTES_MAX);
const _: () = assert!(RELOAD_QUIET.as_millis() < RELOAD_WAIT_MAX.as_millis());
const _: () = assert!(LOG_FLUSH_WAIT.as_millis() < STOP_WAIT.as_millis());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_version_begins_with_the_nats_version_that_we_match() {
        assert_eq!(SERVER_VERSION, format!("{NATS_VERSION}-{PROGRAM}.{FOREBAY_VERSION}"));
    }
}
