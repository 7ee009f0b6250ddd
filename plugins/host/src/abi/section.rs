//! The custom section `forebay.plugin`: one JSON object a line, one line for each exported function.

use serde::Deserialize;

use super::ABI;
use crate::limits::SECTION_BYTES_MAX;

/// The section's name.
pub const SECTION_NAME: &str = "forebay.plugin";

/// Which parts of a message a function wants. Parts that are not wanted are not copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(u32);

impl Needs {
    /// The subject.
    pub const SUBJECT: Self = Self(1);
    /// The reply subject.
    pub const REPLY: Self = Self(2);
    /// The raw header block.
    pub const HEADERS: Self = Self(4);
    /// The payload.
    pub const PAYLOAD: Self = Self(8);
    /// All parts.
    pub const ALL: Self = Self(15);

    /// True if `part` is wanted.
    #[inline]
    pub fn has(self, part: Self) -> bool {
        self.0 & part.0 != 0
    }

    /// Both.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn from_bits(bits: u32) -> Option<Self> {
        (bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }
}

/// What a plugin says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Its name for itself (the crate's); the operator's name for it counts.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
    /// What its filter needs, if it has one.
    pub filter: Option<Needs>,
    /// What its transform needs, if it has one.
    pub transform: Option<Needs>,
    /// Whether it takes a config.
    pub init: bool,
}

/// Why a section is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// There is none.
    #[error("no custom section \"{SECTION_NAME}\": this is not a forebay plugin (or its sections were stripped)")]
    Missing,
    /// It is too long.
    #[error("the section \"{SECTION_NAME}\" is larger than {} KiB", SECTION_BYTES_MAX >> 10)]
    TooLarge,
    /// A line is not the JSON it should be.
    #[error("line {line} of the section \"{SECTION_NAME}\" cannot be read: {why}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What the decoder says.
        why: String,
    },
    /// It was built for another contract.
    #[error("it was built for the ABI \"{0}\", and this server has \"{ABI}\"")]
    Abi(String),
    /// A kind of function that this version does not run.
    #[error("its function \"{function}\" is of the kind \"{kind}\", which {why}")]
    Kind {
        /// The function.
        function: String,
        /// The kind.
        kind: String,
        /// What is the matter.
        why: &'static str,
    },
    /// Two functions of one kind.
    #[error("it has two functions of the kind \"{0}\"")]
    Twice(String),
    /// It needs a part of a message that does not exist.
    #[error("its function \"{function}\" needs {needs}, which this server does not know")]
    Needs {
        /// The function.
        function: String,
        /// The bits.
        needs: u32,
    },
    /// It has no function that could be bound.
    #[error("it has neither a filter nor a transform")]
    Nothing,
}

#[derive(Deserialize)]
struct Line {
    abi: String,
    kind: String,
    #[serde(rename = "fn", default)]
    function: String,
    #[serde(default)]
    needs: u32,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

impl Section {
    /// Reads the section's bytes (all sections of that name, one after the other). Unknown keys are ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, SectionError> {
        if bytes.len() > SECTION_BYTES_MAX {
            return Err(SectionError::TooLarge);
        }
        let mut section = Self::default();
        let mut lines = 0;
        for (at, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line: Line = serde_json::from_slice(text)
                .map_err(|error| SectionError::Line { line: at + 1, why: error.to_string() })?;
            section.take(line)?;
            lines += 1;
        }
        match (lines, section.filter, section.transform) {
            (0, ..) => Err(SectionError::Missing),
            (_, None, None) => Err(SectionError::Nothing),
            _ => Ok(section),
        }
    }

    fn take(&mut self, line: Line) -> Result<(), SectionError> {
        if line.abi != ABI {
            return Err(SectionError::Abi(line.abi));
        }
        let Some(needs) = Needs::from_bits(line.needs) else {
            return Err(SectionError::Needs { function: line.function, needs: line.needs });
        };
        let twice = match line.kind.as_str() {
            "filter" => self.filter.replace(needs).is_some(),
            "transform" => self.transform.replace(needs).is_some(),
            "init" => std::mem::replace(&mut self.init, true),
            kind => {
                let why = match kind {
                    "authenticate" | "authorize" => "is not built yet",
                    _ => "this server does not know",
                };
                return Err(SectionError::Kind { function: line.function, kind: line.kind, why });
            }
        };
        if twice {
            return Err(SectionError::Twice(line.kind));
        }
        if !line.name.is_empty() {
            self.name = line.name;
            self.version = line.version;
        }
        Ok(())
    }

    /// The kinds it has, for people.
    pub fn kinds(&self) -> Vec<&'static str> {
        let filter = self.filter.map(|_| "filter");
        let transform = self.transform.map(|_| "transform");
        transform.into_iter().chain(filter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_function() {
        let text = br#"{"abi":"forebay/1","kind":"filter","fn":"big","needs":9,"name":"paid","version":"1.2.0","x":1}
{"abi":"forebay/1","kind":"init","fn":"configure"}
"#;
        let section = Section::decode(text).unwrap();
        assert_eq!((section.name.as_str(), section.version.as_str()), ("paid", "1.2.0"));
        let needs = section.filter.unwrap();
        assert!(needs.has(Needs::SUBJECT) && needs.has(Needs::PAYLOAD) && !needs.has(Needs::HEADERS));
        assert!(section.init && section.transform.is_none());
        assert_eq!(section.kinds(), ["filter"]);
    }

    #[test]
    fn what_cannot_run_is_refused_in_words() {
        for (text, want) in [
            ("", "not a forebay plugin"),
            ("{", "line 1"),
            (r#"{"abi":"forebay/2","kind":"filter"}"#, "built for the ABI \"forebay/2\""),
            (r#"{"abi":"forebay/1","kind":"authenticate","fn":"a"}"#, "\"authenticate\", which is not built yet"),
            (r#"{"abi":"forebay/1","kind":"magic","fn":"a"}"#, "this server does not know"),
            (r#"{"abi":"forebay/1","kind":"filter","fn":"f","needs":16}"#, "needs 16"),
            (r#"{"abi":"forebay/1","kind":"init"}"#, "neither"),
            (
                "{\"abi\":\"forebay/1\",\"kind\":\"filter\"}\n{\"abi\":\"forebay/1\",\"kind\":\"filter\"}",
                "two functions",
            ),
        ] {
            let error = Section::decode(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert_eq!(Section::decode(&vec![b' '; SECTION_BYTES_MAX + 1]), Err(SectionError::TooLarge));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>) {
            let _ = Section::decode(&bytes);
        }
    }
}
