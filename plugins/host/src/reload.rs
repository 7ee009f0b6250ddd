//! How a set of plugins comes to run: read → hash → section → compile aside → instantiate → configure with the real
//! config → self-tests → swap one pointer. Whole or not at all; while a set is refused, the published one runs on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::artifact::{self, Artifact, ArtifactError};
use crate::binding::{BindingKey, BindingSlot, Bindings, Policy};
use crate::breaker::BreakerCell;
use crate::engine::{EngineError, Runtime};
use crate::error::CallError;
use crate::generation::Generation;
use crate::host::{Host, Registry, Table};
use crate::instance::Instance;
use crate::limits::{BINDINGS_EVER_MAX, PLUGINS_EVER_MAX};
use crate::manifest::{ManifestError, PluginConfig, PluginSet, Wasi};
use crate::metrics::CallCounters;
use crate::run::TickerLease;
use crate::selftest::{self, SelftestError};

/// Why one plugin, or the set, is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageReason {
    /// The set is wrong in itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A binding asks a plugin for what it does not do.
    #[error("{binding} needs a plugin with a {kind}, and \"{plugin}\" has none")]
    NoSuchKind {
        /// The binding in words.
        binding: &'static str,
        /// The kind it needs.
        kind: &'static str,
        /// The plugin.
        plugin: String,
    },
    /// The file is no plugin.
    #[error("plugin \"{plugin}\" ({file}): {source}")]
    Artifact {
        /// The plugin.
        plugin: String,
        /// Its file.
        file: String,
        /// What is the matter.
        source: ArtifactError,
    },
    /// It cannot be started, or refuses its config.
    #[error("plugin \"{plugin}\": {source}")]
    Start {
        /// The plugin.
        plugin: String,
        /// What is the matter.
        source: CallError,
    },
    /// It takes no config, and there is one.
    #[error("plugin \"{0}\" takes no config (it has no #[init]), and one is given")]
    NoConfig(String),
    /// A self-test failed.
    #[error("plugin \"{plugin}\": {source}")]
    Selftest {
        /// The plugin.
        plugin: String,
        /// Which, and how.
        source: SelftestError,
    },
    /// The engine or its ticker cannot start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The ticker cannot start.
    #[error("the plugins' ticker thread cannot start: {0}")]
    Ticker(std::io::Error),
    /// More plugins or bindings since the start than a host keeps numbers for.
    #[error("more than {max} {what} since the start; restart the server")]
    Exhausted {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
}

/// A set that was refused: each reason, the old set runs on.
#[derive(Debug, thiserror::Error)]
#[error("{}", .reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct StageError {
    /// All that is wrong, not only the first.
    pub reasons: Vec<StageReason>,
}

/// A set that is checked through and through and only has to be published. Dropping it changes nothing.
pub struct Staged {
    set: PluginSet,
    plugins: Vec<StagedPlugin>,
    lease: Option<TickerLease>,
}

enum StagedPlugin {
    /// The running generation is what the set asks for.
    Keep(Arc<Generation>),
    New {
        config: PluginConfig,
        artifact: Arc<Artifact>,
    },
}

impl StagedPlugin {
    fn artifact(&self) -> &Artifact {
        match self {
            Self::Keep(generation) => &generation.artifact,
            Self::New { artifact, .. } => artifact,
        }
    }
}

/// What a publication changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The plugins of the set.
    pub plugins: Vec<PluginReport>,
    /// Names of plugins that ran before and do not any more.
    pub removed: Vec<String>,
}

/// One plugin of a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginReport {
    /// Its name.
    pub name: String,
    /// Its file's hash.
    pub sha256: String,
    /// Its generation now.
    pub generation: u64,
    /// False if it runs on as it was.
    pub changed: bool,
}

impl Host {
    /// Checks a set up to the last step before it runs. Slow: call it where blocking is allowed. Nothing changes; the
    /// reasons of a refusal are counted in `forebay_plugin_reloads_total{result="failed"}` for each plugin at fault, or
    /// for each that runs, if it is nobody's in particular.
    pub fn stage(&self, set: &PluginSet) -> Result<Staged, StageError> {
        let mut reasons: Vec<StageReason> =
            set.validate(self.shared.config.plugins_max).into_iter().map(StageReason::from).collect();
        if !reasons.is_empty() {
            return Err(self.refuse(reasons));
        }
        if set.plugins.is_empty() {
            return Ok(Staged { set: set.clone(), plugins: Vec::new(), lease: None });
        }
        let one = |reason| self.refuse(vec![reason]);
        self.room_for(set).map_err(one)?;
        let runtime = self.shared.runtime().map_err(|error| one(error.into()))?;
        let lease = runtime.ticker.lease().map_err(|error| one(StageReason::Ticker(error)))?;
        let mut plugins = Vec::with_capacity(set.plugins.len());
        for config in &set.plugins {
            match self.stage_one(runtime, config) {
                Ok(staged) => plugins.push(staged),
                Err(reason) => {
                    self.count_refused_of(&config.name);
                    reasons.push(reason);
                }
            }
        }
        if reasons.is_empty() {
            for (plugin, reason) in wrong_kinds(set, &plugins) {
                self.count_refused_of(plugin);
                reasons.push(reason);
            }
        }
        if reasons.is_empty() {
            return Ok(Staged { set: set.clone(), plugins, lease: Some(lease) });
        }
        Err(StageError { reasons })
    }

    /// Numbers are never used again, so there is an end to them.
    fn room_for(&self, set: &PluginSet) -> Result<(), StageReason> {
        let registry = self.shared.registry.lock();
        if registry.plugins.len() + set.plugins.len() > PLUGINS_EVER_MAX {
            return Err(StageReason::Exhausted { what: "plugins", max: PLUGINS_EVER_MAX });
        }
        if registry.bindings.len() + set.transforms.len() + set.filters.len() > BINDINGS_EVER_MAX {
            return Err(StageReason::Exhausted { what: "bindings", max: BINDINGS_EVER_MAX });
        }
        Ok(())
    }

    fn stage_one(&self, runtime: &Runtime, config: &PluginConfig) -> Result<StagedPlugin, StageReason> {
        let failed = |source| StageReason::Artifact {
            plugin: config.name.clone(),
            file: config.file.display().to_string(),
            source,
        };
        let bytes = artifact::read(&config.file).map_err(failed)?;
        let found = artifact::sha256(&bytes);
        if let Some(pinned) = config.sha256.as_ref().filter(|pinned| !pinned.eq_ignore_ascii_case(&found)) {
            return Err(failed(ArtifactError::Hash { found, pinned: pinned.clone() }));
        }
        if let Some(running) = self.shared.running(&config.name).filter(|running| running.is_same(config, &found)) {
            return Ok(StagedPlugin::Keep(running));
        }
        let artifact = match self.shared.compiled(&found, config.wasi) {
            Some(artifact) => artifact,
            None => {
                let inspection = artifact::inspect(&bytes, config.wasi).map_err(failed)?;
                let compiled = Artifact::compile(runtime, &bytes, inspection, config.wasi).map_err(failed)?;
                Arc::new(compiled)
            }
        };
        if config.config.is_some() && !artifact.section.init {
            return Err(StageReason::NoConfig(config.name.clone()));
        }
        self.try_out(runtime, config, &artifact)?;
        Ok(StagedPlugin::New { config: config.clone(), artifact })
    }

    /// Starts, configures and tests an instance that no message ever sees.
    fn try_out(&self, runtime: &Runtime, config: &PluginConfig, artifact: &Arc<Artifact>) -> Result<(), StageReason> {
        let plugin = || config.name.clone();
        let trial =
            Arc::new(Generation::new(config.clone(), Arc::clone(artifact), 0, self.shared.output(), Arc::default()));
        let counters = Arc::new(CallCounters::default());
        let mut instance = Instance::new(runtime, &trial, &counters, &self.shared.clock)
            .map_err(|source| StageReason::Start { plugin: plugin(), source })?;
        selftest::run(&mut instance, &config.selftests)
            .map_err(|source| StageReason::Selftest { plugin: plugin(), source })
    }

    /// Makes a staged set the running one: each thread sees it on its next call. Calls that are under way end on the
    /// old code.
    pub fn publish(&self, staged: Staged) -> Report {
        let mut registry = self.shared.registry.lock();
        let old = self.shared.table.load_full();
        let mut table = Table { generation: old.generation + 1, lease: staged.lease, ..Table::default() };
        let mut report = Report::default();
        for plugin in staged.plugins {
            let (number, generation, row) = publish_one(&mut registry, &old, plugin, self.shared.output());
            table.set_plugin(number, generation);
            report.plugins.push(row);
        }
        report.removed =
            old.names().filter(|name| !table.names().any(|new| new == *name)).map(str::to_string).collect();
        fill_bindings(&mut registry, &old, &mut table, &staged.set);
        let generation = table.generation;
        self.shared.table.store(Arc::new(table));
        self.shared.generation.store(generation, Ordering::Release);
        report
    }

    /// A reload was refused for a reason that is no plugin's own (a configuration that cannot be read, say): it counts
    /// in `forebay_plugin_reloads_total{result="failed"}` for each plugin that runs on.
    pub fn count_refused(&self) {
        let table = self.shared.table.load();
        for generation in table.running() {
            generation.metrics.reloads_failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The caller found a reason in this plugin not to publish a staged set: counted like a refusal of [`Host::stage`].
    pub fn count_refused_of(&self, plugin: &str) {
        self.shared.registry.lock().plugin(plugin).1.reloads_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// A refusal of the set as a whole.
    fn refuse(&self, reasons: Vec<StageReason>) -> StageError {
        self.count_refused();
        StageError { reasons }
    }

    /// [`Host::stage`] and [`Host::publish`].
    pub fn apply(&self, set: &PluginSet) -> Result<Report, StageError> {
        self.stage(set).map(|staged| self.publish(staged))
    }
}

fn publish_one(
    registry: &mut Registry,
    old: &Table,
    plugin: StagedPlugin,
    output: crate::abi::result::OutputLimits,
) -> (usize, Arc<Generation>, PluginReport) {
    let (generation, changed) = match plugin {
        StagedPlugin::Keep(generation) => (generation, false),
        StagedPlugin::New { config, artifact } => {
            let (_, metrics, last) = registry.plugin(&config.name);
            *last += 1;
            (Arc::new(Generation::new(config, artifact, *last, output, metrics)), true)
        }
    };
    let (number, metrics, _) = registry.plugin(&generation.identity.name);
    if changed && old.plugin(number).is_some() {
        metrics.reloads_ok.fetch_add(1, Ordering::Relaxed);
    }
    let row = PluginReport {
        name: generation.identity.name.clone(),
        sha256: generation.identity.sha256.clone(),
        generation: generation.number,
        changed,
    };
    (number, generation, row)
}

/// Numbers the bindings and fills the table's slots. A binding that is not in the set any more keeps its plugin while
/// that runs: a message that a thread has looked up already is not let through unjudged.
fn fill_bindings(registry: &mut Registry, old: &Table, table: &mut Table, set: &PluginSet) {
    let mut bindings = Bindings::new(table.generation);
    let mut wanted: HashMap<u32, (Policy, bool)> = HashMap::new();
    for transform in &set.transforms {
        let number = registry.binding(BindingKey::of_transform(transform));
        bindings.add_transform(number, transform);
        wanted.insert(number, (Policy::Transform(transform.on_error), transform.stamp));
    }
    for filter in &set.filters {
        let number = registry.binding(BindingKey::of_filter(filter));
        bindings.add_filter(number, filter);
        wanted.insert(number, (Policy::Filter(filter.on_error), false));
    }
    for (number, key) in registry.bindings.iter().enumerate() {
        let plugin = registry.plugins.get(key.plugin()).map(|plugin| plugin.number);
        let runs = plugin.filter(|plugin| table.plugin(*plugin).is_some());
        let before = old.binding(number as u32);
        let told = wanted.get(&(number as u32)).copied();
        let told = told.or_else(|| before.map(|slot| (slot.policy, slot.stamp)));
        let slot = runs.zip(told).map(|(plugin, (policy, stamp))| {
            // A new generation starts with a closed breaker.
            let same = |slot: &&BindingSlot| same_generation(old, table, slot.plugin);
            let breaker =
                before.filter(same).map_or_else(|| Arc::new(BreakerCell::default()), |s| Arc::clone(&s.breaker));
            BindingSlot { plugin, policy, stamp, breaker, in_set: wanted.contains_key(&(number as u32)) }
        });
        table.slots.push(slot);
    }
    table.bindings = Arc::new(bindings);
}

fn same_generation(old: &Table, new: &Table, plugin: usize) -> bool {
    matches!((old.plugin(plugin), new.plugin(plugin)), (Some(old), Some(new)) if Arc::ptr_eq(old, new))
}

/// The plugins that are bound to what they do not do.
fn wrong_kinds<'a>(set: &'a PluginSet, plugins: &[StagedPlugin]) -> Vec<(&'a str, StageReason)> {
    let section = |name: &str| {
        let at = set.plugins.iter().position(|plugin| plugin.name == name)?;
        plugins.get(at).map(|staged| &staged.artifact().section)
    };
    let reason = |plugin: &'a str, binding, kind| {
        (plugin, StageReason::NoSuchKind { binding, kind, plugin: plugin.to_string() })
    };
    let transforms = set.transforms.iter().map(|transform| transform.plugin.as_str());
    let transforms = transforms.filter(|plugin| section(plugin).is_none_or(|section| section.transform.is_none()));
    let filters = set.filters.iter().map(|filter| filter.plugin.as_str());
    let filters = filters.filter(|plugin| section(plugin).is_none_or(|section| section.filter.is_none()));
    let mut wrong: Vec<_> = transforms.map(|plugin| reason(plugin, "[[transforms]]", "transform")).collect();
    wrong.extend(filters.map(|plugin| reason(plugin, "[[filters]]", "filter")));
    wrong
}

/// Checks one file and its config as [`Host::stage`] would, and tells what it says about itself.
pub fn inspect(file: &std::path::Path, wasi: Wasi) -> Result<artifact::Inspection, ArtifactError> {
    artifact::inspect(&artifact::read(file)?, wasi)
}
