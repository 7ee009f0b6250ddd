//! A configuration file: read, decoded by the rows, and held against what is built.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use toml::Spanned;
use toml::de::DeTable;

use super::problem::{Problem, Source};
use super::refused::REFUSED;
use super::suggest::closest;
use super::table::{Decoder, Row};
use super::{BUILT_JETSTREAM, BUILT_PLUGINS, Options, OptionsError, plugins};
use crate::limits::CONFIG_FILE_BYTES_MAX;

/// The file that options came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// As the user named it.
    pub path: PathBuf,
    /// `sha256:` and the hash of its text.
    pub digest: String,
}

/// Why a file gives no options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It cannot be read. The text is nats-server's.
    #[error("open {}: {}", path.display(), crate::error::io_text(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is longer than any configuration.
    #[error("{}: longer than {CONFIG_FILE_BYTES_MAX} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It is not ours to read yet.
    #[error("{}: nats-server's configuration format is not built yet; give a file whose name ends in .toml", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// What is wrong in it, in the file's order; never empty.
    #[error("{}", first(problems))]
    Problems {
        /// All of it.
        problems: Vec<Problem>,
    },
    /// Its options contradict each other.
    #[error("{}: {source}", path.display())]
    Options {
        /// The file.
        path: PathBuf,
        /// How.
        source: OptionsError,
    },
}

fn first(problems: &[Problem]) -> String {
    problems.first().map(Problem::to_string).unwrap_or_default()
}

/// What of the options is built. The constants of [`options`](super) say it; tests ask for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// `[jetstream]` and `[[streams]]`.
    pub jetstream: bool,
    /// `[plugins.NAME]`, `[[transforms]]` and `[[filters]]`.
    pub plugins: bool,
}

impl Built {
    /// What this program has.
    pub const NOW: Built = Built { jetstream: BUILT_JETSTREAM, plugins: BUILT_PLUGINS };
    /// What the options can say.
    pub const ALL: Built = Built { jetstream: true, plugins: true };
}

/// The rows of all blocks, in the order of `config/full.toml`.
pub(super) static GROUPS: &[&[Row<Options>]] = &[
    super::listen::ROWS,
    super::monitor::ROWS,
    super::log::ROWS,
    super::limits::ROWS,
    super::auth::ROWS,
    super::jetstream::ROWS,
    super::cluster::ROWS,
    super::streams::ROWS,
    plugins::ROWS,
];

impl Options {
    /// Reads a file into options that [`Options::finish`] has not seen yet.
    ///
    /// # Errors
    /// [`LoadError`], whose text is one line.
    pub fn load(path: &Path, built: Built) -> Result<Options, LoadError> {
        if path.extension().is_none_or(|extension| extension != "toml") {
            // A missing file is said to be missing, whatever its name.
            std::fs::metadata(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
            return Err(LoadError::Format { path: path.to_owned() });
        }
        let text = read(path)?;
        let mut options = Options::parse(path, &text, built)?;
        let digest = Sha256::digest(text.as_bytes()).iter().fold("sha256:".to_owned(), |mut digest, byte| {
            // Writing into a String cannot fail.
            let _ = write!(digest, "{byte:02x}");
            digest
        });
        options.config = Some(ConfigFile { path: path.to_owned(), digest });
        Ok(options)
    }

    /// Reads a file's text. `path` is only for messages and for relative paths.
    ///
    /// # Errors
    /// [`LoadError::Problems`].
    pub fn parse(path: &Path, text: &str, built: Built) -> Result<Options, LoadError> {
        let source = Source::new(path, text);
        let root = DeTable::parse(text).map_err(|error| {
            let what = error.message().replace('\n', ", ");
            let problem = source.problem(&error.span().unwrap_or(0..0), "", what);
            LoadError::Problems { problems: vec![problem] }
        })?;
        let root = root.get_ref();
        let mut options = Options::default();
        let mut problems = Vec::new();
        options.jetstream.enabled = root.contains_key("jetstream");
        let decoder = Decoder { source: &source, groups: GROUPS, refused: REFUSED, shown: "" };
        decoder.decode(root, &mut options, &mut problems);
        not_built(&source, root, built, &mut problems);
        together(&source, root, &options, &mut problems);
        if problems.is_empty() {
            return Ok(options);
        }
        problems.sort_by_key(|problem| (problem.at.line, problem.at.column));
        Err(LoadError::Problems { problems })
    }
}

fn read(path: &Path) -> Result<String, LoadError> {
    let read_error = |source| LoadError::Read { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(read_error)?.len();
    if length > CONFIG_FILE_BYTES_MAX {
        return Err(LoadError::TooLong { path: path.to_owned() });
    }
    let bytes = std::fs::read(path).map_err(read_error)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let problem = Source::new(path, &text).problem(&(valid..valid), "", "is not UTF-8");
        LoadError::Problems { problems: vec![problem] }
    })
}

/// Refuses the tables of steps that are not built.
fn not_built(source: &Source<'_>, root: &DeTable<'_>, built: Built, problems: &mut Vec<Problem>) {
    for (key, is_built) in [
        ("jetstream", built.jetstream),
        ("streams", built.jetstream),
        ("plugins", built.plugins),
        ("transforms", built.plugins),
        ("filters", built.plugins),
    ] {
        if let Some(name) = root.keys().find(|name| name.get_ref() == key)
            && !is_built
        {
            problems.push(source.problem(&name.span(), key, "is not built yet"));
        }
    }
}

/// What is wrong between options that are each fine.
fn together(source: &Source<'_>, root: &DeTable<'_>, options: &Options, problems: &mut Vec<Problem>) {
    let span = |key: &str| root.keys().find(|name| name.get_ref() == key).map(Spanned::span).unwrap_or(0..0);
    if let Some(what) = options.auth.contradiction() {
        problems.push(source.problem(&span("auth"), "auth", what));
    }
    if options.server_name.as_deref().is_some_and(|name| name.contains(' ')) {
        problems.push(source.problem(&span("server_name"), "server_name", "server name cannot contain spaces"));
    }
    let super::Limits { max_payload, max_pending, .. } = options.limits;
    if max_payload > max_pending {
        let error = OptionsError::PayloadAbovePending { max_payload, max_pending };
        problems.push(source.problem(&span("limits"), "limits.max_payload", error.to_string()));
    }
    if options.jetstream.enabled && options.jetstream.store_dir.is_none() {
        problems.push(source.problem(&span("jetstream"), "jetstream", "needs a \"store_dir\""));
    }
    if !options.streams.is_empty() && !options.jetstream.enabled {
        problems.push(source.problem(&span("streams"), "streams", "need a [jetstream] table"));
    }
    if let Some((at, table, plugin, names)) = plugins::unbound(&options.plugins) {
        problems.push(Problem {
            at: at.clone(),
            key: format!("{table}.plugin"),
            what: format!("there is no [plugins.{plugin}]"),
            meant: closest(plugin, names).map(str::to_owned),
        });
    }
}

#[cfg(test)]
mod tests;
