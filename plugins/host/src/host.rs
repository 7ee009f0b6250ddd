//! The host itself: what all threads share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use forebay_broker::hooks::{BoundFilter, FilterTable};
use parking_lot::Mutex;

use crate::abi::result::OutputLimits;
use crate::artifact::Artifact;
use crate::binding::{BindingKey, BindingSlot, Bindings};
use crate::engine::{EngineError, Runtime};
use crate::generation::Generation;
use crate::limits::PLUGINS_MAX_DEFAULT;
use crate::manifest::Wasi;
use crate::metrics::{PluginMetrics, PluginSnapshot, Snapshot};
use crate::run::TickerLease;
use crate::thread::ThreadPlugins;

/// Where the host has the time from. It must not go back.
pub trait Clock: Send + Sync {
    /// Nanoseconds since some moment that stays the same.
    fn now_ns(&self) -> u64;
}

impl<F: Fn() -> u64 + Send + Sync> Clock for F {
    fn now_ns(&self) -> u64 {
        self()
    }
}

/// What the server decides about the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// How many threads will call [`Host::thread`]; the pool of instances is sized by it.
    pub threads: usize,
    /// Most plugins of a set.
    pub plugins_max: usize,
    /// Largest payload that a plugin may make: the server's `max_payload`.
    pub output_bytes_max: usize,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { threads: 2, plugins_max: PLUGINS_MAX_DEFAULT, output_bytes_max: 1 << 20 }
    }
}

/// The plugin host. Cheap to clone; without plugins it has no engine, no thread and no cost.
#[derive(Clone)]
pub struct Host {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: HostConfig,
    pub(crate) clock: Arc<dyn Clock>,
    runtime: OnceLock<Runtime>,
    /// The published table. Threads load it only when `generation` says so.
    pub(crate) table: ArcSwap<Table>,
    pub(crate) generation: AtomicU64,
    /// Names and numbers, and the lock under which sets are published.
    pub(crate) registry: Mutex<Registry>,
}

/// Everything that was ever heard of: numbers are never used again.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) plugins: HashMap<String, PluginEntry>,
    /// By number.
    pub(crate) bindings: Vec<BindingKey>,
    numbers: HashMap<BindingKey, u32>,
}

pub(crate) struct PluginEntry {
    pub(crate) number: usize,
    pub(crate) metrics: Arc<PluginMetrics>,
    last_generation: u64,
}

impl Registry {
    /// A plugin's number, its metrics, and the number of its newest generation.
    pub(crate) fn plugin(&mut self, name: &str) -> (usize, Arc<PluginMetrics>, &mut u64) {
        let number = self.plugins.len();
        let entry = self.plugins.entry(name.to_string()).or_insert_with(|| PluginEntry {
            number,
            metrics: Arc::default(),
            last_generation: 0,
        });
        (entry.number, Arc::clone(&entry.metrics), &mut entry.last_generation)
    }

    /// A binding's number.
    pub(crate) fn binding(&mut self, key: BindingKey) -> u32 {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        // Staging has checked that there is room: `BINDINGS_EVER_MAX` is far below.
        let number = self.bindings.len() as u32;
        self.bindings.push(key.clone());
        self.numbers.insert(key, number);
        number
    }
}

/// One publication: which generation each plugin has, and which plugin each binding.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) generation: u64,
    pub(crate) plugins: Vec<Option<Arc<Generation>>>,
    pub(crate) slots: Vec<Option<BindingSlot>>,
    pub(crate) bindings: Arc<Bindings>,
    /// Keeps the ticker running while there are plugins.
    #[expect(dead_code, reason = "it is held, not used")]
    pub(crate) lease: Option<TickerLease>,
}

impl Table {
    pub(crate) fn set_plugin(&mut self, number: usize, generation: Arc<Generation>) {
        if self.plugins.len() <= number {
            self.plugins.resize(number + 1, None);
        }
        if let Some(place) = self.plugins.get_mut(number) {
            *place = Some(generation);
        }
    }

    #[inline]
    pub(crate) fn plugin(&self, number: usize) -> Option<&Arc<Generation>> {
        self.plugins.get(number)?.as_ref()
    }

    #[inline]
    pub(crate) fn binding(&self, number: u32) -> Option<&BindingSlot> {
        self.slots.get(number as usize)?.as_ref()
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Arc<Generation>> {
        self.plugins.iter().flatten()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.running().map(|generation| generation.identity.name.as_str())
    }
}

impl Shared {
    /// The engine, made by the first plugin. Called only while staging.
    pub(crate) fn runtime(&self) -> Result<&Runtime, EngineError> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        // Each thread one instance of each plugin, and as many again for what is staged or about to be dropped.
        let instances = (self.config.threads.max(1) + 1) * self.config.plugins_max.max(1) * 2;
        let runtime = Runtime::new(u32::try_from(instances).unwrap_or(u32::MAX))?;
        Ok(self.runtime.get_or_init(|| runtime))
    }

    /// The engine, if there is one.
    #[inline]
    pub(crate) fn runtime_made(&self) -> Option<&Runtime> {
        self.runtime.get()
    }

    pub(crate) fn output(&self) -> OutputLimits {
        OutputLimits { payload_bytes_max: self.config.output_bytes_max }
    }

    /// The running generation of this name.
    pub(crate) fn running(&self, name: &str) -> Option<Arc<Generation>> {
        let table = self.table.load();
        table.running().find(|generation| generation.identity.name == name).cloned()
    }

    /// Compiled code of these bytes, if some running generation has it.
    pub(crate) fn compiled(&self, sha256: &str, wasi: Wasi) -> Option<Arc<Artifact>> {
        let table = self.table.load();
        let mut artifacts = table.running().map(|generation| &generation.artifact);
        artifacts.find(|artifact| artifact.sha256 == sha256 && artifact.wasi == wasi).cloned()
    }
}

/// A running plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginInfo {
    /// The operator's name for it.
    pub name: String,
    /// Where it was read from.
    pub file: PathBuf,
    /// The file's hash.
    pub sha256: String,
    /// Its own name and version.
    pub crate_name: String,
    /// See `crate_name`.
    pub version: String,
    /// Its generation.
    pub generation: u64,
    /// `transform`, `filter` or both.
    pub kinds: Vec<&'static str>,
}

impl Host {
    /// A host without plugins.
    pub fn new(config: HostConfig, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            config,
            clock,
            runtime: OnceLock::new(),
            table: ArcSwap::default(),
            generation: AtomicU64::new(0),
            registry: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What one thread calls plugins with. Make it once for each thread, on any thread.
    pub fn thread(&self) -> ThreadPlugins {
        ThreadPlugins::new(Arc::clone(&self.shared))
    }

    /// Which publication runs; it changes whenever [`Host::bindings`] may answer differently.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// The published bindings.
    pub fn bindings(&self) -> Arc<Bindings> {
        Arc::clone(&self.shared.table.load().bindings)
    }

    /// The running plugins, by name.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        let table = self.shared.table.load_full();
        let mut plugins: Vec<_> = table.running().map(|generation| info(generation)).collect();
        plugins.sort_by(|a, b| a.name.cmp(&b.name));
        plugins
    }

    /// All counters at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let table = self.shared.table.load_full();
        let entries: Vec<_> = {
            let registry = self.shared.registry.lock();
            registry.plugins.iter().map(|(name, e)| (name.clone(), e.number, Arc::clone(&e.metrics))).collect()
        };
        let mut plugins: Vec<_> = entries
            .into_iter()
            .map(|(name, number, metrics)| PluginSnapshot {
                name,
                generation: table.plugin(number).map_or(0, |generation| generation.number),
                breakers_open: open_breakers(&table, number),
                counts: metrics.counts(),
            })
            .collect();
        plugins.sort_by(|a, b| a.name.cmp(&b.name));
        Snapshot { plugins }
    }
}

impl FilterTable for Host {
    fn filter_for(&self, account: &str, stream: &str, consumer: &str) -> Option<BoundFilter> {
        self.bindings().filter_for(account, stream, consumer)
    }

    fn without_skip_acks(&self, account: &str, stream: &str) -> Option<String> {
        self.bindings().without_skip_acks(account, stream).map(str::to_owned)
    }
}

fn open_breakers(table: &Table, plugin: usize) -> u64 {
    let of_plugin = table.slots.iter().flatten().filter(|slot| slot.in_set && slot.plugin == plugin);
    of_plugin.filter(|slot| slot.breaker.is_open()).count() as u64
}

fn info(generation: &Generation) -> PluginInfo {
    let section = &generation.artifact.section;
    PluginInfo {
        name: generation.identity.name.clone(),
        file: generation.config.file.clone(),
        sha256: generation.identity.sha256.clone(),
        crate_name: section.name.clone(),
        version: section.version.clone(),
        generation: generation.number,
        kinds: section.kinds(),
    }
}
