//! What is logged, and where.

use std::path::PathBuf;

use super::Options;
use super::table::{Reload, Row, Set};

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// A file that gets the log instead of stderr.
    pub file: Option<PathBuf>,
    /// `[DBG]` lines.
    pub debug: bool,
    /// `[TRC]` lines: the raw protocol.
    pub trace: bool,
    /// Times in UTC and not in the machine's zone.
    pub utc: bool,
}

const fn row(key: &'static str, default: &'static str, text: &'static str, set: Set<Options>) -> Row<Options> {
    Row { key, default, unit: "", reload: Reload::Live, since: "0.1.0", text, set }
}

pub(crate) static ROWS: &[Row<Options>] = &[
    row(
        "log.file",
        "",
        "A file that gets the log instead of stderr. SIGUSR1 opens it anew.",
        Set::Path(|o, path| o.log.file = Some(path)),
    ),
    row("log.debug", "false", "Log what is useful for finding a fault.", Set::Flag(|o, flag| o.log.debug = flag)),
    row("log.trace", "false", "Log the raw protocol.", Set::Flag(|o, flag| o.log.trace = flag)),
    row("log.utc", "false", "Log times in UTC.", Set::Flag(|o, flag| o.log.utc = flag)),
];
