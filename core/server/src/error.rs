//! Why a server does not start, in nats-server's words.
//!
//! These texts begin with a capital letter, unlike our other errors: each is the one `[FTL]` line, and
//! programs look for nats-server's.

use std::io;
use std::path::PathBuf;

use crate::bind::BindError;
use crate::options::OptionsError;

/// Why a server does not start. Its text is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// Clients cannot be listened for.
    #[error("Error listening on port: {address}, \"{source}\"")]
    Listen {
        /// The address as the options have it.
        address: String,
        /// Why.
        source: BindError,
    },
    /// Other servers cannot be listened for.
    #[error("Error listening on router port: {port} - {source}")]
    Route {
        /// The port as the options have it.
        port: u16,
        /// Why.
        source: BindError,
    },
    /// The monitoring endpoints cannot be listened for.
    #[error("Can't start monitoring: can't listen to the monitor port: {0}")]
    Monitor(#[source] BindError),
    /// The pid file cannot be written.
    #[error("Could not write pidfile: open {}: {}", path.display(), io_text(source))]
    PidFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// JetStream cannot work.
    #[error("Can't start JetStream: {0}")]
    JetStream(String),
    /// A plugin cannot run as the configuration says.
    #[error("Can't load the plugins: {0}")]
    Plugins(String),
    /// The operating system refused something that every server needs.
    #[error("Can't {what}: {}", io_text(source))]
    System {
        /// What was refused, as a verb: `start a thread`.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Anything else, as a whole sentence.
    #[error("{0}")]
    Other(String),
}

/// An operating system's error as Go writes it: `no such file or directory`, without a number.
pub fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_read_as_gos() {
        for (number, text) in
            [(2, "no such file or directory"), (13, "permission denied"), (98, "address already in use")]
        {
            assert_eq!(io_text(&io::Error::from_raw_os_error(number)), text);
        }
    }

    #[test]
    fn a_missing_folder_of_the_pid_file_is_told_as_nats_server_tells_it() {
        let error = StartError::PidFile { path: "/no/pid".into(), source: io::Error::from_raw_os_error(2) };
        assert_eq!(error.to_string(), "Could not write pidfile: open /no/pid: no such file or directory");
    }
}
