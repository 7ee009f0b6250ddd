//! What is wrong in a configuration file, and where: one clear line.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in a configuration file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// Where.
    pub at: Place,
    /// The dotted key that it is about; empty where the file is no TOML at all.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What was probably meant.
    pub meant: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.at)?;
        if !self.key.is_empty() {
            write!(f, "key \"{}\": ", self.key)?;
        }
        f.write_str(&self.what)?;
        match &self.meant {
            Some(meant) => write!(f, " (did you mean \"{meant}\"?)"),
            None => Ok(()),
        }
    }
}

/// The text under examination.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    file: Arc<str>,
    folder: PathBuf,
    text: &'a str,
}

impl<'a> Source<'a> {
    pub(crate) fn new(path: &Path, text: &'a str) -> Source<'a> {
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Source { file: Arc::from(path.to_string_lossy().as_ref()), folder, text }
    }

    /// A path in the file is relative to the file's folder (DESIGN §5).
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The line and column at which a span begins.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Place { file: Arc::clone(&self.file), line, column }
    }

    pub(crate) fn problem(&self, span: &Range<usize>, key: &str, what: impl Into<String>) -> Problem {
        Problem { at: self.place(span), key: key.to_owned(), what: what.into(), meant: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let source = Source::new(Path::new("a.toml"), "x = 1\nüü = 2\n");
        assert_eq!(source.place(&(0..1)).to_string(), "a.toml:1:1");
        let equals = "x = 1\nüü = 2\n".rfind('=').unwrap();
        assert_eq!(source.place(&(equals..equals)).to_string(), "a.toml:2:4");
        assert_eq!(source.place(&(999..1000)).to_string(), "a.toml:3:1");
    }

    #[test]
    fn a_problem_is_one_line_with_everything() {
        let source = Source::new(Path::new("a.toml"), "x = 1\n");
        let mut problem = source.problem(&(0..1), "limits.max_paylod", "unknown key");
        assert_eq!(problem.to_string(), "a.toml:1:1: key \"limits.max_paylod\": unknown key");
        problem.meant = Some("limits.max_payload".into());
        assert!(problem.to_string().ends_with("unknown key (did you mean \"limits.max_payload\"?)"));
    }
}
