//! What the server asks for: plugins and their bindings, as plain structs. Where they are written (TOML, metadata) is
//! the server's question.

use std::collections::HashSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use forebay_subject::is_valid_filter;

use crate::limits::{
    CONFIG_BYTES_MAX, MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MAX, MEMORY_BYTES_MIN, PLUGIN_NAME_BYTES_MAX, SELFTESTS_MAX,
    TIMEOUT_DEFAULT, TIMEOUT_MAX, TIMEOUT_MIN,
};
use crate::policy::{FilterPolicy, TransformPolicy};

/// Everything that is to run, whole: what is not in it stops.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginSet {
    /// The plugins, in any order.
    pub plugins: Vec<PluginConfig>,
    /// The transforms, in file order.
    pub transforms: Vec<TransformBinding>,
    /// The filters; at most one for each consumer.
    pub filters: Vec<FilterBinding>,
}

/// One plugin: `[plugins.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Where its `.wasm` lies.
    pub file: PathBuf,
    /// The file's hash, if it is pinned: 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// CPU time of one call.
    pub timeout: Duration,
    /// Most linear memory of one instance.
    pub memory_max_bytes: usize,
    /// What `#[init]` gets; `None` if the config has no such table.
    pub config: Option<serde_json::Value>,
    /// What happens to WASI imports.
    pub wasi: Wasi,
    /// Cases that a new generation must pass before it runs.
    pub selftests: Vec<Selftest>,
}

impl PluginConfig {
    /// A plugin with every option at its default.
    pub fn new(name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            sha256: None,
            timeout: TIMEOUT_DEFAULT,
            memory_max_bytes: MEMORY_BYTES_DEFAULT,
            config: None,
            wasi: Wasi::Refuse,
            selftests: Vec::new(),
        }
    }

    /// The config as the guest gets it: JSON, `{}` if there is none.
    pub(crate) fn config_json(&self) -> Vec<u8> {
        self.config.as_ref().map_or_else(|| b"{}".to_vec(), |config| config.to_string().into_bytes())
    }
}

/// What happens to a module that imports WASI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wasi {
    /// It is not loaded.
    #[default]
    Refuse,
    /// Each WASI function fails (`wasi = "deny-all"`).
    DenyAll,
}

/// A word that an option does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option} = \"{word}\" {why}")]
pub struct WordError {
    option: &'static str,
    word: String,
    why: &'static str,
}

impl FromStr for Wasi {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        match word {
            "deny-all" => Ok(Self::DenyAll),
            _ => Err(WordError { option: "wasi", word: word.into(), why: "is unknown; only \"deny-all\" is taken" }),
        }
    }
}

/// How a transform takes part: `mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransformMode {
    /// Its verdict counts.
    #[default]
    On,
}

impl FromStr for TransformMode {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        match word {
            "on" => Ok(Self::On),
            "shadow" => Err(WordError { option: "mode", word: word.into(), why: "is not built yet" }),
            _ => Err(WordError { option: "mode", word: word.into(), why: "is unknown; only \"on\" is taken" }),
        }
    }
}

/// One `[[transforms]]` row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformBinding {
    /// The plugin's name.
    pub plugin: String,
    /// Subject filters. `$`-subjects, inboxes and the subjects of KV and object streams are meant only by a filter
    /// whose first token says so literally.
    pub subjects: Vec<String>,
    /// The account whose messages are meant.
    pub account: String,
    /// What a failed call does to its message.
    pub on_error: TransformPolicy,
    /// How it takes part.
    pub mode: TransformMode,
    /// Whether each message it let through says so in the header `Forebay-Plugin`.
    pub stamp: bool,
}

impl TransformBinding {
    /// A binding in the global account with every option at its default.
    pub fn new(plugin: impl Into<String>, subjects: &[&str]) -> Self {
        Self {
            plugin: plugin.into(),
            subjects: subjects.iter().map(ToString::to_string).collect(),
            account: "$G".into(),
            on_error: TransformPolicy::default(),
            mode: TransformMode::On,
            stamp: false,
        }
    }
}

/// One `[[filters]]` row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterBinding {
    /// The plugin's name.
    pub plugin: String,
    /// The stream's name.
    pub stream: String,
    /// The consumer's name, whoever creates it.
    pub consumer: String,
    /// The account that the stream is in.
    pub account: String,
    /// What happens to a message that could not be judged.
    pub on_error: FilterPolicy,
    /// On a work queue, whether a message that is not let through counts as acked. Without it the consumer of a work
    /// queue cannot have the filter.
    pub skip_acks: bool,
}

impl FilterBinding {
    /// A binding in the global account with every option at its default.
    pub fn new(plugin: impl Into<String>, stream: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self {
            plugin: plugin.into(),
            stream: stream.into(),
            consumer: consumer.into(),
            account: "$G".into(),
            on_error: FilterPolicy::default(),
            skip_acks: false,
        }
    }
}

/// A case that a new generation must pass: one message and what has to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selftest {
    /// The message's subject.
    pub subject: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// What has to become of it.
    pub expect: Expect,
}

/// What a self-test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The filter delivers it.
    Deliver,
    /// The filter skips it.
    Skip,
    /// The transform lets it through as it is.
    Pass,
    /// The transform swallows it.
    Drop,
    /// The transform rejects it.
    Reject,
    /// The transform emits one message; a part that is `None` may be anything.
    Replace {
        /// The new subject.
        subject: Option<String>,
        /// The new payload.
        payload: Option<Vec<u8>>,
    },
}

/// One thing that is wrong with a set, before any file is read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The name cannot be one.
    #[error("plugin name \"{0}\" is not one: letters, digits, - and _, at most {PLUGIN_NAME_BYTES_MAX}")]
    Name(String),
    /// Two plugins have it.
    #[error("plugin \"{0}\" is there twice")]
    Twice(String),
    /// More plugins than the host was made for.
    #[error("{count} plugins, and at most {max} are allowed")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// An option is out of its range.
    #[error("plugin \"{plugin}\": {what}")]
    Option {
        /// The plugin.
        plugin: String,
        /// Which option, and what it may be.
        what: String,
    },
    /// A binding names a plugin that is not there.
    #[error("{binding} names the plugin \"{plugin}\", which is not there")]
    NoSuchPlugin {
        /// The binding in words.
        binding: String,
        /// The plugin it names.
        plugin: String,
    },
    /// A transform's subject is no filter, or it has none.
    #[error("transform of plugin \"{plugin}\": {what}")]
    Subject {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        what: String,
    },
    /// A filter's stream or consumer is no name.
    #[error("filter of plugin \"{plugin}\": \"{name}\" is not the name of a stream or consumer")]
    AssetName {
        /// The plugin.
        plugin: String,
        /// What was written.
        name: String,
    },
    /// Two filters for one consumer.
    #[error("consumer \"{consumer}\" of stream \"{stream}\" has two filters; it may have one")]
    TwoFilters {
        /// The stream.
        stream: String,
        /// The consumer.
        consumer: String,
    },
}

impl PluginSet {
    /// Checks what can be checked without reading a file. All findings, not only the first.
    pub fn validate(&self, plugins_max: usize) -> Vec<ManifestError> {
        let mut errors = Vec::new();
        if self.plugins.len() > plugins_max {
            errors.push(ManifestError::TooMany { count: self.plugins.len(), max: plugins_max });
        }
        let mut names = HashSet::new();
        for plugin in &self.plugins {
            if !names.insert(plugin.name.as_str()) {
                errors.push(ManifestError::Twice(plugin.name.clone()));
            }
            plugin.validate(&mut errors);
        }
        for transform in &self.transforms {
            transform.validate(&names, &mut errors);
        }
        let mut consumers = HashSet::new();
        for filter in &self.filters {
            filter.validate(&names, &mut errors);
            if !consumers.insert((&filter.account, &filter.stream, &filter.consumer)) {
                errors.push(ManifestError::TwoFilters {
                    stream: filter.stream.clone(),
                    consumer: filter.consumer.clone(),
                });
            }
        }
        errors
    }
}

impl PluginConfig {
    fn validate(&self, errors: &mut Vec<ManifestError>) {
        let name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.name.is_empty() || self.name.len() > PLUGIN_NAME_BYTES_MAX || !self.name.bytes().all(name_byte) {
            errors.push(ManifestError::Name(self.name.clone()));
        }
        let mut refuse = |what: String| errors.push(ManifestError::Option { plugin: self.name.clone(), what });
        if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&self.timeout) {
            refuse(format!("timeout must be from {TIMEOUT_MIN:?} to {TIMEOUT_MAX:?}, not {:?}", self.timeout));
        }
        if !(MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX).contains(&self.memory_max_bytes) {
            refuse(format!("memory_max must be from {} to {} MiB", MEMORY_BYTES_MIN >> 20, MEMORY_BYTES_MAX >> 20));
        }
        if self.sha256.as_ref().is_some_and(|pin| pin.len() != 64 || !pin.bytes().all(|b| b.is_ascii_hexdigit())) {
            refuse("sha256 must be 64 hexadecimal digits".into());
        }
        if self.config.as_ref().is_some_and(|config| config.to_string().len() > CONFIG_BYTES_MAX) {
            refuse(format!("config is larger than {} KiB", CONFIG_BYTES_MAX >> 10));
        }
        if self.selftests.len() > SELFTESTS_MAX {
            refuse(format!("more than {SELFTESTS_MAX} selftests"));
        }
    }
}

impl TransformBinding {
    fn validate(&self, plugins: &HashSet<&str>, errors: &mut Vec<ManifestError>) {
        if !plugins.contains(self.plugin.as_str()) {
            let binding = format!("transform of \"{}\"", self.subjects.join("\", \""));
            errors.push(ManifestError::NoSuchPlugin { binding, plugin: self.plugin.clone() });
        }
        let mut refuse = |what: String| errors.push(ManifestError::Subject { plugin: self.plugin.clone(), what });
        if self.subjects.is_empty() {
            refuse("it has no subjects".into());
        }
        for subject in &self.subjects {
            if !is_valid_filter(subject.as_bytes()) {
                refuse(format!("\"{subject}\" is not a valid subject"));
            }
        }
    }
}

impl FilterBinding {
    fn validate(&self, plugins: &HashSet<&str>, errors: &mut Vec<ManifestError>) {
        if !plugins.contains(self.plugin.as_str()) {
            let binding = format!("filter of consumer \"{}\" of stream \"{}\"", self.consumer, self.stream);
            errors.push(ManifestError::NoSuchPlugin { binding, plugin: self.plugin.clone() });
        }
        // nats-server's `isValidName`, and no path separators (`isValidAssetName`).
        let bad = |c: char| c.is_whitespace() || matches!(c, '.' | '*' | '>' | '/' | '\\');
        for name in [&self.stream, &self.consumer] {
            if name.is_empty() || name.contains(bad) {
                errors.push(ManifestError::AssetName { plugin: self.plugin.clone(), name: name.clone() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(set: &PluginSet) -> Vec<String> {
        set.validate(2).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_set_has_no_errors() {
        let set = PluginSet {
            plugins: vec![PluginConfig::new("redact", "redact.wasm")],
            transforms: vec![TransformBinding::new("redact", &["faa.strikes"])],
            filters: vec![FilterBinding::new("redact", "STRIKES", "damaged")],
        };
        assert_eq!(texts(&set), Vec::<String>::new());
    }

    #[test]
    fn every_finding_is_told_not_only_the_first() {
        let mut slow = PluginConfig::new("a b", "x");
        slow.timeout = Duration::ZERO;
        slow.memory_max_bytes = 1;
        slow.sha256 = Some("abc".into());
        let set = PluginSet {
            plugins: vec![slow, PluginConfig::new("x", "x"), PluginConfig::new("x", "x")],
            transforms: vec![TransformBinding::new("y", &["a..b"]), TransformBinding::new("x", &[])],
            filters: vec![FilterBinding::new("x", "S", "*"), FilterBinding::new("x", "S", "*")],
        };
        let texts = texts(&set);
        assert_eq!(texts.len(), 12, "{texts:#?}");
        assert!(texts.contains(&"plugin \"x\" is there twice".to_string()));
        assert!(texts.iter().any(|t| t.contains("names the plugin \"y\", which is not there")));
    }

    #[test]
    fn words_that_are_not_built_are_refused() {
        assert_eq!("shadow".parse::<TransformMode>().unwrap_err().to_string(), "mode = \"shadow\" is not built yet");
        assert_eq!("deny-all".parse(), Ok(Wasi::DenyAll));
        assert!("allow".parse::<Wasi>().unwrap_err().to_string().contains("deny-all"));
    }
}
