//! Plugins, and what they are bound to.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use super::Options;
use super::problem::{Place, Problem};
use super::streams::DeclaredStream;
use super::table::{Decoder, Node, Reload, Row, Set};

/// How long one call may take, where a plugin's table does not say (DESIGN §5).
const TIMEOUT: Duration = Duration::from_millis(5);
/// How much memory a plugin may have, where its table does not say.
const MEMORY_MAX_BYTES: u64 = 16 << 20;
const MEMORY_HIGHEST_BYTES: u64 = 4 << 30;
const SHA256_HEX_CHARS: usize = 64;

/// Plugins, and what they are bound to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PluginOptions {
    /// `[plugins.NAME]`, by name.
    pub plugins: Vec<Plugin>,
    /// `[[transforms]]`, in the file's order.
    pub transforms: Vec<Transform>,
    /// `[[filters]]`, in the file's order.
    pub filters: Vec<Filter>,
}

impl PluginOptions {
    /// Whether the file binds nothing and loads nothing.
    pub fn is_empty(&self) -> bool {
        self.plugins.is_empty() && self.transforms.is_empty() && self.filters.is_empty()
    }
}

/// One plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    /// The NAME of `[plugins.NAME]`.
    pub name: String,
    /// Its `.wasm`.
    pub file: PathBuf,
    /// What its file must hash to, in lower-case hex.
    pub sha256: Option<String>,
    /// CPU time of one call.
    pub timeout: Duration,
    /// Memory of one instance, in bytes.
    pub memory_max: u64,
    /// What it is configured with, as JSON.
    pub config: serde_json::Value,
    /// Whether WASI imports are linked to stubs that fail (`wasi = "deny-all"`).
    pub wasi_deny_all: bool,
    /// Where it stands in the file.
    pub at: Place,
}

/// A plugin that rewrites messages of some subjects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    /// The plugin's name.
    pub plugin: String,
    /// The subjects, as filters.
    pub subjects: Vec<String>,
    /// The account whose messages they are.
    pub account: String,
    /// What happens to a message on which the plugin fails.
    pub on_error: TransformErrorPolicy,
    /// Whether messages get the header `Forebay-Plugin`.
    pub stamp: bool,
    /// Where it stands in the file.
    pub at: Place,
}

/// A plugin that decides what a consumer gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The plugin's name.
    pub plugin: String,
    /// The stream.
    pub stream: String,
    /// The consumer, whoever creates it.
    pub consumer: String,
    /// The account of the stream.
    pub account: String,
    /// What happens to a message on which the plugin fails.
    pub on_error: FilterErrorPolicy,
    /// On a work queue, whether a message that is not let through counts as acked.
    pub skip_acks: bool,
    /// Where it stands in the file.
    pub at: Place,
}

impl Filter {
    /// Why a work queue cannot have this filter.
    pub fn why_refused(&self) -> String {
        format!(
            "the stream \"{}\" is a work queue, so what the filter of consumer \"{}\" does not let through would be removed: say skip_acks = true if that is meant",
            self.stream, self.consumer
        )
    }
}

/// What happens to a message on which a transform fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransformErrorPolicy {
    /// It is refused.
    #[default]
    Reject,
    /// It goes on as it came.
    Pass,
    /// It is dropped.
    Drop,
    /// It goes where dead letters go.
    DeadLetter,
}

/// What happens to a message on which a filter fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FilterErrorPolicy {
    /// It is delivered.
    #[default]
    Deliver,
    /// It is skipped.
    Skip,
    /// The consumer waits.
    Pause,
}

macro_rules! row {
    ($key:literal, $default:literal, $text:literal, $set:expr) => {
        Row { key: $key, default: $default, unit: "", reload: Reload::Live, since: "0.1.0", text: $text, set: $set }
    };
}

struct PluginDraft {
    file: Option<PathBuf>,
    sha256: Option<String>,
    timeout: Duration,
    memory_max: u64,
    config: serde_json::Value,
    wasi_deny_all: bool,
}

static PLUGIN_ROWS: &[Row<PluginDraft>] = &[
    row!("file", "", "The plugin's .wasm. Needed.", Set::Path(|p, path| p.file = Some(path))),
    row!("sha256", "", "What the file must hash to, in hex.", Set::Text(|p, text| p.sha256 = Some(text))),
    row!(
        "timeout",
        "\"5ms\"",
        "CPU time of one call; a filter's batch may take four of them.",
        Set::Duration { min: Duration::from_millis(1), max: Duration::from_secs(10), set: |p, time| p.timeout = time }
    ),
    row!(
        "memory_max",
        "\"16MiB\"",
        "Memory of one instance.",
        Set::Size { min: 1 << 16, max: MEMORY_HIGHEST_BYTES, set: |p, size| p.memory_max = size }
    ),
    row!("config", "", "What the plugin is configured with.", Set::Json(|p, config| p.config = config)),
    row!(
        "wasi",
        "",
        "\"deny-all\" lets a plugin compiled for WASI load; each of its WASI calls fails.",
        Set::Choice {
            of: &["deny-all"],
            set: |p, _| {
                p.wasi_deny_all = true;
                Ok(())
            }
        }
    ),
];

static TRANSFORM_ROWS: &[Row<Transform>] = &[
    row!("plugin", "", "The plugin's name. Needed.", Set::Text(|t, name| t.plugin = name)),
    row!(
        "subjects",
        "",
        "The subjects whose messages it gets, as filters. Needed.",
        Set::Texts(|t, subjects| {
            t.subjects = subjects;
            Ok(())
        })
    ),
    row!("account", "\"$G\"", "The account of the publishers.", Set::Text(|t, account| t.account = account)),
    row!(
        "on_error",
        "\"reject\"",
        "What happens to a message on which the plugin fails.",
        Set::Choice {
            of: &["reject", "pass", "drop", "dead_letter"],
            set: |t, word| {
                t.on_error = match word {
                    "pass" => TransformErrorPolicy::Pass,
                    "drop" => TransformErrorPolicy::Drop,
                    "dead_letter" => return Err("\"dead_letter\" is not built yet".to_owned()),
                    _ => TransformErrorPolicy::Reject,
                };
                Ok(())
            }
        }
    ),
    row!(
        "mode",
        "\"on\"",
        "\"on\" applies what the plugin says.",
        Set::Choice {
            of: &["on", "shadow"],
            set: |_, word| if word == "shadow" { Err("\"shadow\" is not built yet".to_owned()) } else { Ok(()) }
        }
    ),
    row!("stamp", "false", "Whether messages get the header Forebay-Plugin.", Set::Flag(|t, flag| t.stamp = flag)),
];

static FILTER_ROWS: &[Row<Filter>] = &[
    row!("plugin", "", "The plugin's name. Needed.", Set::Text(|f, name| f.plugin = name)),
    row!("stream", "", "The stream. Needed.", Set::Text(|f, name| f.stream = name)),
    row!("consumer", "", "The consumer's name, whoever creates it. Needed.", Set::Text(|f, name| f.consumer = name)),
    row!("account", "\"$G\"", "The account of the stream.", Set::Text(|f, account| f.account = account)),
    row!(
        "on_error",
        "\"deliver\"",
        "What happens to a message on which the plugin fails.",
        Set::Choice {
            of: &["deliver", "skip", "pause"],
            set: |f, word| {
                f.on_error = match word {
                    "skip" => FilterErrorPolicy::Skip,
                    "pause" => FilterErrorPolicy::Pause,
                    _ => FilterErrorPolicy::Deliver,
                };
                Ok(())
            }
        }
    ),
    row!(
        "skip_acks",
        "false",
        "On a work queue, a message that is not let through counts as acked and is removed. Needed there.",
        Set::Flag(|f, flag| f.skip_acks = flag)
    ),
];

pub(crate) static ROWS: &[Row<Options>] = &[
    row!(
        "plugins",
        "",
        "A plugin.",
        Set::Tables { named: true, rows: || PLUGIN_ROWS.iter().map(Row::doc).collect(), set: plugins }
    ),
    row!(
        "transforms",
        "",
        "A plugin that rewrites messages before they are routed and stored, in the file's order.",
        Set::Tables { named: false, rows: || TRANSFORM_ROWS.iter().map(Row::doc).collect(), set: transforms }
    ),
    row!(
        "filters",
        "",
        "A plugin that decides what a consumer gets.",
        Set::Tables { named: false, rows: || FILTER_ROWS.iter().map(Row::doc).collect(), set: filters }
    ),
];

fn plugins(options: &mut Options, node: &Node<'_, '_>, problems: &mut Vec<Problem>) {
    for (name, node, table) in node.named_tables(problems) {
        let mut draft = PluginDraft {
            file: None,
            sha256: None,
            timeout: TIMEOUT,
            memory_max: MEMORY_MAX_BYTES,
            config: serde_json::Value::Object(serde_json::Map::new()),
            wasi_deny_all: false,
        };
        if !decode(PLUGIN_ROWS, &node, table, &mut draft, problems) {
            continue;
        }
        let hex = |text: &String| text.len() == SHA256_HEX_CHARS && text.chars().all(|c| c.is_ascii_hexdigit());
        if draft.sha256.as_ref().is_some_and(|text| !hex(text)) {
            problems.push(node.problem("\"sha256\" must be 64 hex digits"));
        }
        let PluginDraft { file: Some(file), sha256, timeout, memory_max, config, wasi_deny_all } = draft else {
            problems.push(node.problem("needs a \"file\""));
            continue;
        };
        let sha256 = sha256.map(|text| text.to_ascii_lowercase());
        let at = node.source.place(&node.value.span());
        options.plugins.plugins.push(Plugin { name, file, sha256, timeout, memory_max, config, wasi_deny_all, at });
    }
}

fn transforms(options: &mut Options, node: &Node<'_, '_>, problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for (node, table) in node.array_of_tables(problems) {
        let mut transform = Transform {
            plugin: String::new(),
            subjects: Vec::new(),
            account: forebay_auth::GLOBAL_ACCOUNT.to_owned(),
            on_error: TransformErrorPolicy::default(),
            stamp: false,
            at: node.source.place(&node.value.span()),
        };
        if !decode(TRANSFORM_ROWS, &node, table, &mut transform, problems) {
            continue;
        }
        if transform.plugin.is_empty() {
            problems.push(node.problem("needs a \"plugin\""));
        } else if transform.subjects.is_empty() {
            problems.push(node.problem("needs \"subjects\""));
        } else if !seen.insert((transform.account.clone(), transform.plugin.clone(), transform.subjects.clone())) {
            problems.push(node.problem("stands there twice"));
        } else {
            options.plugins.transforms.push(transform);
        }
    }
}

fn filters(options: &mut Options, node: &Node<'_, '_>, problems: &mut Vec<Problem>) {
    for (node, table) in node.array_of_tables(problems) {
        let mut filter = Filter {
            plugin: String::new(),
            stream: String::new(),
            consumer: String::new(),
            account: forebay_auth::GLOBAL_ACCOUNT.to_owned(),
            on_error: FilterErrorPolicy::default(),
            skip_acks: false,
            at: node.source.place(&node.value.span()),
        };
        if !decode(FILTER_ROWS, &node, table, &mut filter, problems) {
            continue;
        }
        let empty = [("plugin", &filter.plugin), ("stream", &filter.stream), ("consumer", &filter.consumer)]
            .into_iter()
            .find(|(_, value)| value.is_empty());
        match empty {
            Some((name, _)) => problems.push(node.problem(format!("needs a \"{name}\""))),
            None => options.plugins.filters.push(filter),
        }
    }
}

/// Reads one table; whether it was free of problems.
fn decode<'i, T>(
    rows: &'static [Row<T>],
    node: &Node<'_, 'i>,
    table: &toml::de::DeTable<'i>,
    target: &mut T,
    problems: &mut Vec<Problem>,
) -> bool {
    let before = problems.len();
    let shown = format!("{}.", node.key);
    Decoder { source: node.source, groups: &[rows], refused: &[], shown: &shown }.decode(table, target, problems);
    problems.len() == before
}

/// Bindings of plugins that the file does not have.
pub(super) fn unbound(options: &PluginOptions) -> Option<(&Place, &'static str, &str, Vec<&str>)> {
    let names: Vec<&str> = options.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    let transforms = options.transforms.iter().map(|one| (&one.at, "transforms", one.plugin.as_str()));
    let filters = options.filters.iter().map(|one| (&one.at, "filters", one.plugin.as_str()));
    let (at, table, plugin) = transforms.chain(filters).find(|(_, _, plugin)| !names.contains(plugin))?;
    Some((at, table, plugin, names))
}

/// Filters whose stream the file declares as a work queue, and that do not say that a skip acks.
pub(super) fn on_work_queues(options: &Options) -> Vec<Problem> {
    let is_work_queue = |filter: &&Filter| {
        let text = |stream: &DeclaredStream, key| {
            stream.config.get(key).and_then(serde_json::Value::as_str).map(str::to_owned)
        };
        options.streams.iter().any(|stream| {
            stream.account == filter.account
                && text(stream, "name").as_ref() == Some(&filter.stream)
                && text(stream, "retention").as_deref() == Some("workqueue")
        })
    };
    let refused = options.plugins.filters.iter().filter(|filter| !filter.skip_acks).filter(is_work_queue);
    let problem = |filter: &Filter| Problem {
        at: filter.at.clone(),
        key: "filters.skip_acks".to_owned(),
        what: filter.why_refused(),
        meant: None,
    };
    refused.map(problem).collect()
}
