//! The rows that options are, and the decoder that reads a TOML table by them.
//!
//! The decoder goes on after a problem and collects all of them, so that `config check` may show more
//! than the first.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::listen::ListenAddress;
use super::problem::{Problem, Source};
use super::refused::Refused;
use super::suggest::closest;
use super::units;

/// When a changed option takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reload {
    /// At once.
    Live,
    /// For connections made from then on.
    NewConnections,
    /// After a restart.
    Restart,
}

impl Reload {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Reload::Live => "live",
            Reload::NewConnections => "new connections",
            Reload::Restart => "restart",
        }
    }
}

/// One option of a `T`.
pub(crate) struct Row<T: 'static> {
    /// The dotted key inside `T`.
    pub(crate) key: &'static str,
    /// The default as TOML; empty where there is none.
    pub(crate) default: &'static str,
    /// What the value counts, where the type does not say.
    pub(crate) unit: &'static str,
    pub(crate) reload: Reload,
    /// The version that brought it.
    pub(crate) since: &'static str,
    /// What it does, in sentences.
    pub(crate) text: &'static str,
    /// Its type, its range, and where it goes.
    pub(crate) set: Set<T>,
}

/// The type of an option, with the function that puts a value of it into `T`.
pub(crate) enum Set<T: 'static> {
    Flag(fn(&mut T, bool)),
    Count {
        min: i64,
        max: i64,
        set: fn(&mut T, i64),
    },
    /// Bytes: a number or a text such as "64MiB".
    Size {
        min: u64,
        max: u64,
        set: fn(&mut T, u64),
    },
    Duration {
        min: Duration,
        max: Duration,
        set: fn(&mut T, Duration),
    },
    /// A duration as JetStream's JSON has it: nanoseconds, or a text such as "3d".
    Nanos(fn(&mut T, i64)),
    /// Bytes as JetStream's JSON has them: a number where -1 is none, or a text.
    SignedSize(fn(&mut T, i64)),
    Text(fn(&mut T, String)),
    /// One of some words. The setter may still refuse one of them.
    Choice {
        of: &'static [&'static str],
        set: fn(&mut T, &str) -> Result<(), String>,
    },
    /// Relative to the file's folder.
    Path(fn(&mut T, PathBuf)),
    Address(fn(&mut T, ListenAddress)),
    Texts(fn(&mut T, Vec<String>) -> Result<(), String>),
    /// Anything, as JSON.
    Json(fn(&mut T, serde_json::Value)),
    /// Tables of their own rows: `[[key]]`, or `[key.NAME]` where `named`.
    Tables {
        named: bool,
        rows: fn() -> Vec<RowDoc>,
        set: fn(&mut T, &Node<'_, '_>, &mut Vec<Problem>),
    },
}

/// A row without its setter, for documents.
pub(crate) struct RowDoc {
    pub(crate) key: String,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) reload: Reload,
    pub(crate) since: &'static str,
    pub(crate) text: &'static str,
}

/// What a value may be, for documents.
pub(crate) enum Kind {
    Flag,
    Count(i64, i64),
    Size,
    Duration,
    Nanos,
    SignedSize,
    Text,
    Choice(&'static [&'static str]),
    Path,
    Address,
    Texts,
    Json,
    Tables { named: bool, rows: Vec<RowDoc> },
}

impl<T> Row<T> {
    pub(crate) fn doc(&self) -> RowDoc {
        let kind = match &self.set {
            Set::Flag(_) => Kind::Flag,
            Set::Count { min, max, .. } => Kind::Count(*min, *max),
            Set::Size { .. } => Kind::Size,
            Set::Duration { .. } => Kind::Duration,
            Set::Nanos(_) => Kind::Nanos,
            Set::SignedSize(_) => Kind::SignedSize,
            Set::Text(_) => Kind::Text,
            Set::Choice { of, .. } => Kind::Choice(of),
            Set::Path(_) => Kind::Path,
            Set::Address(_) => Kind::Address,
            Set::Texts(_) => Kind::Texts,
            Set::Json(_) => Kind::Json,
            Set::Tables { named, rows, .. } => Kind::Tables { named: *named, rows: rows() },
        };
        let Row { key, default, unit, reload, since, text, .. } = *self;
        RowDoc { key: key.to_owned(), kind, default, unit, reload, since, text }
    }
}

/// A count that a row's range has made a valid index.
pub(crate) fn index(count: i64) -> usize {
    usize::try_from(count).unwrap_or_default()
}

/// A size that a row's range has made fit.
pub(crate) fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// A value with its place and its key as the user would name it.
pub(crate) struct Node<'a, 'i> {
    pub(crate) source: &'a Source<'i>,
    pub(crate) key: String,
    pub(crate) value: &'a Spanned<DeValue<'i>>,
}

impl<'a, 'i> Node<'a, 'i> {
    pub(crate) fn problem(&self, what: impl Into<String>) -> Problem {
        self.source.problem(&self.value.span(), &self.key, what)
    }

    fn wrong_type(&self, wanted: &str) -> Problem {
        self.problem(format!("must be {wanted}, not {}", with_article(self.value.get_ref().type_str())))
    }

    fn text(&self, wanted: &str) -> Result<&'a str, Problem> {
        self.value.get_ref().as_str().ok_or_else(|| self.wrong_type(wanted))
    }

    fn integer(&self, wanted: &str) -> Result<i64, Problem> {
        let number = self.value.get_ref().as_integer().ok_or_else(|| self.wrong_type(wanted))?;
        i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| self.problem("is too large a number"))
    }

    fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    fn size(&self) -> Result<u64, Problem> {
        if self.is_text() {
            return units::size(self.text("a size")?).map_err(|what| self.problem(what));
        }
        let number = self.integer("a size, such as \"64MiB\" or 67108864")?;
        u64::try_from(number).map_err(|_| self.problem("must not be negative"))
    }

    fn duration(&self) -> Result<Duration, Problem> {
        if self.value.get_ref().is_integer() || self.value.get_ref().is_float() {
            return Err(self.problem("must be a text with a unit, such as \"250ms\", \"5s\" or \"1h30m\""));
        }
        units::duration(self.text("a duration, such as \"5s\"")?).map_err(|what| self.problem(what))
    }

    fn texts(&self) -> Result<Vec<String>, Problem> {
        const WANTED: &str = "a list of texts";
        let items = self.value.get_ref().as_array().ok_or_else(|| self.wrong_type(WANTED))?;
        items
            .iter()
            .enumerate()
            .map(|(at, value)| {
                let item = Node { source: self.source, key: format!("{}[{at}]", self.key), value };
                item.text("a text").map(str::to_owned)
            })
            .collect()
    }

    fn json(&self) -> Result<serde_json::Value, Problem> {
        to_json(self.value).map_err(|(span, what)| self.source.problem(&span, &self.key, what))
    }

    /// The tables of `[[key]]`.
    pub(crate) fn array_of_tables(&self, problems: &mut Vec<Problem>) -> Vec<(Node<'a, 'i>, &'a DeTable<'i>)> {
        let Some(items) = self.value.get_ref().as_array() else {
            problems.push(self.problem(format!(
                "must be written as [[{}]], not as {}",
                self.key,
                with_article(self.value.get_ref().type_str())
            )));
            return Vec::new();
        };
        let nodes = items.iter().enumerate().map(|(at, value)| (format!("{}[{at}]", self.key), value));
        self.tables(nodes, problems)
    }

    /// The tables of `[key.NAME]`, with their names.
    pub(crate) fn named_tables(&self, problems: &mut Vec<Problem>) -> Vec<(String, Node<'a, 'i>, &'a DeTable<'i>)> {
        let Some(table) = self.value.get_ref().as_table() else {
            problems.push(self.wrong_type("a table of tables"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, value) in table {
            let key = format!("{}.{}", self.key, name.get_ref());
            for (node, table) in self.tables(std::iter::once((key, value)), problems) {
                found.push((name.get_ref().to_string(), node, table));
            }
        }
        found
    }

    fn tables(
        &self,
        values: impl Iterator<Item = (String, &'a Spanned<DeValue<'i>>)>,
        problems: &mut Vec<Problem>,
    ) -> Vec<(Node<'a, 'i>, &'a DeTable<'i>)> {
        let mut found = Vec::new();
        for (key, value) in values {
            let node = Node { source: self.source, key, value };
            match value.get_ref().as_table() {
                Some(table) => found.push((node, table)),
                None => problems.push(node.wrong_type("a table")),
            }
        }
        found
    }
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// A TOML value as JSON; a date becomes its text.
fn to_json(value: &Spanned<DeValue<'_>>) -> Result<serde_json::Value, (Range<usize>, String)> {
    use serde_json::Value;
    let refuse = |what: &str| (value.span(), what.to_owned());
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::from)
            .map_err(|_| refuse("is too large a number"))?,
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| refuse("is a number that JSON does not have"))?,
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(date) => Value::from(date.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        DeValue::Table(table) => {
            let mut object = serde_json::Map::new();
            for (key, item) in table {
                object.insert(key.get_ref().to_string(), to_json(item)?);
            }
            Value::Object(object)
        }
    })
}

/// Reads tables by rows of `T`.
pub(crate) struct Decoder<'a, 'i, T: 'static> {
    pub(crate) source: &'a Source<'i>,
    pub(crate) groups: &'a [&'static [Row<T>]],
    /// Keys that are known and not built, at the root only.
    pub(crate) refused: &'static [Refused],
    /// What stands before this table's keys when they are shown: empty, or `streams[0].`.
    pub(crate) shown: &'a str,
}

impl<'i, T> Decoder<'_, 'i, T> {
    /// Reads `table` into `target` and reports what is wrong.
    pub(crate) fn decode(&self, table: &DeTable<'i>, target: &mut T, problems: &mut Vec<Problem>) {
        self.walk(table, "", target, problems);
    }

    fn rows(&self) -> impl Iterator<Item = &'static Row<T>> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    fn walk(&self, table: &DeTable<'i>, prefix: &str, target: &mut T, problems: &mut Vec<Problem>) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            let node = Node { source: self.source, key: format!("{}{key}", self.shown), value };
            if let Some(row) = self.rows().find(|row| row.key == key) {
                if let Err(problem) = apply(row, &node, target, problems) {
                    problems.push(problem);
                }
                continue;
            }
            let inner = format!("{key}.");
            if self.rows().any(|row| row.key.starts_with(&inner)) {
                match value.get_ref().as_table() {
                    Some(table) => self.walk(table, &inner, target, problems),
                    None => problems.push(node.wrong_type("a table")),
                }
                continue;
            }
            problems.push(self.unknown(name.span(), &key, prefix));
        }
    }

    fn unknown(&self, span: Range<usize>, key: &str, prefix: &str) -> Problem {
        let shown = format!("{}{key}", self.shown);
        if let Some(refused) = self.refused.iter().find(|refused| refused.key == key) {
            return self.source.problem(&span, &shown, refused.what());
        }
        let mut problem = self.source.problem(&span, &shown, "unknown key");
        let typed = key.strip_prefix(prefix).unwrap_or(key);
        let siblings = self
            .rows()
            .filter_map(|row| row.key.strip_prefix(prefix))
            .chain(self.refused.iter().filter_map(|refused| refused.key.strip_prefix(prefix)))
            .map(|rest| rest.split('.').next().unwrap_or(rest));
        problem.meant = match closest(typed, siblings) {
            Some(name) => Some(format!("{}{prefix}{name}", self.shown)),
            None => self.elsewhere(typed),
        };
        problem
    }

    /// A key of this name in another table: `max_payload` belongs to `[limits]`.
    fn elsewhere(&self, typed: &str) -> Option<String> {
        let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
        let name = closest(typed, self.rows().map(|row| last(row.key)))?;
        let row = self.rows().find(|row| last(row.key) == name)?;
        Some(format!("{}{}", self.shown, row.key))
    }
}

fn apply<T>(row: &Row<T>, node: &Node<'_, '_>, target: &mut T, problems: &mut Vec<Problem>) -> Result<(), Problem> {
    match &row.set {
        Set::Flag(set) => {
            let flag = node.value.get_ref().as_bool().ok_or_else(|| node.wrong_type("true or false"))?;
            set(target, flag);
        }
        Set::Count { min, max, set } => {
            let count = node.integer("a whole number")?;
            if !(*min..=*max).contains(&count) {
                return Err(node.problem(format!("must be from {min} to {max}, not {count}")));
            }
            set(target, count);
        }
        Set::Size { min, max, set } => {
            let size = node.size()?;
            if !(*min..=*max).contains(&size) {
                return Err(node.problem(format!("must be from {min} to {max} bytes, not {size}")));
            }
            set(target, size);
        }
        Set::Duration { min, max, set } => {
            let duration = node.duration()?;
            if !(*min..=*max).contains(&duration) {
                let [min, max, got] = [*min, *max, duration].map(units::show_duration);
                return Err(node.problem(format!("must be from {min} to {max}, not {got}")));
            }
            set(target, duration);
        }
        Set::Nanos(set) => {
            let nanos = if node.is_text() {
                i64::try_from(node.duration()?.as_nanos()).unwrap_or(i64::MAX)
            } else {
                node.integer("a duration, such as \"3d\", or nanoseconds")?
            };
            set(target, nanos);
        }
        Set::SignedSize(set) => {
            let size = if node.is_text() {
                i64::try_from(node.size()?).unwrap_or(i64::MAX)
            } else {
                node.integer("a size, such as \"64MiB\", or bytes")?
            };
            set(target, size);
        }
        Set::Text(set) => set(target, node.text("a text")?.to_owned()),
        Set::Choice { of, set } => choose(node, of, *set, target)?,
        Set::Path(set) => {
            let path = node.text("a path")?;
            if path.is_empty() {
                return Err(node.problem("must not be empty"));
            }
            set(target, node.source.resolve(path));
        }
        Set::Address(set) => set(target, address(node)?),
        Set::Texts(set) => set(target, node.texts()?).map_err(|what| node.problem(what))?,
        Set::Json(set) => set(target, node.json()?),
        Set::Tables { set, .. } => set(target, node, problems),
    }
    Ok(())
}

fn choose<T>(
    node: &Node<'_, '_>,
    of: &'static [&'static str],
    set: fn(&mut T, &str) -> Result<(), String>,
    target: &mut T,
) -> Result<(), Problem> {
    let word = node.text("a text")?;
    if !of.contains(&word) {
        let mut problem = node.problem(format!("\"{word}\" is none of {}", of.join(", ")));
        problem.meant = closest(word, of.iter().copied()).map(str::to_owned);
        return Err(problem);
    }
    set(target, word).map_err(|what| node.problem(what))
}

fn address(node: &Node<'_, '_>) -> Result<ListenAddress, Problem> {
    if node.value.get_ref().is_integer() {
        let number = node.integer("a port")?;
        let port = ListenAddress::port_from(number).map_err(|error| node.problem(error.to_string()))?;
        return Ok(ListenAddress { port, ..ListenAddress::default() });
    }
    let text = node.text("an address, such as \"127.0.0.1:4222\", or a port")?;
    text.parse().map_err(|error: super::AddressError| node.problem(error.to_string()))
}
