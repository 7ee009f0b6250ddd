//! A host in a folder of its own, with a clock that the test turns.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_broker::hooks::MessageRef;
use forebay_plugin_host::metrics::PluginCounts;
use forebay_plugin_host::{
    FilterBinding, FilterPolicy, Host, HostConfig, PluginConfig, PluginSet, Report, StageError, TransformBinding,
    TransformPolicy,
};
use rustix::time::{ClockId, clock_gettime};

pub(crate) struct Fixture {
    pub(crate) host: Host,
    folder: tempfile::TempDir,
    now_ns: Arc<AtomicU64>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let now_ns = Arc::new(AtomicU64::new(1));
        let clock = Arc::clone(&now_ns);
        let host = Host::new(HostConfig::default(), Arc::new(move || clock.load(Ordering::Relaxed)));
        Self { host, folder: tempfile::tempdir().unwrap(), now_ns }
    }

    /// A host that runs one plugin, `p`, bound as transform (binding 0) or filter.
    pub(crate) fn with(wasm: &[u8], bind: impl FnOnce(&mut PluginSet)) -> Self {
        let fixture = Self::new();
        fixture.apply(wasm, bind).unwrap();
        fixture
    }

    pub(crate) fn apply(&self, wasm: &[u8], bind: impl FnOnce(&mut PluginSet)) -> Result<Report, StageError> {
        let mut set = PluginSet { plugins: vec![self.plugin("p", wasm)], ..PluginSet::default() };
        bind(&mut set);
        self.host.apply(&set)
    }

    /// A plugin of these bytes, in this folder.
    pub(crate) fn plugin(&self, name: &str, wasm: &[u8]) -> PluginConfig {
        PluginConfig::new(name, self.write(&format!("{name}.wasm"), wasm))
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn pass_time(&self, time: Duration) {
        self.now_ns.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// The counts of the plugin `p`.
    pub(crate) fn counts(&self) -> PluginCounts {
        let snapshot = self.host.snapshot();
        snapshot.plugins.into_iter().find(|plugin| plugin.name == "p").unwrap().counts
    }

    pub(crate) fn breakers_open(&self) -> u64 {
        self.host.snapshot().plugins.iter().map(|plugin| plugin.breakers_open).sum()
    }
}

/// Binds `p` as a transform of everything.
pub(crate) fn transform(on_error: TransformPolicy) -> impl FnOnce(&mut PluginSet) {
    move |set| {
        set.transforms.push(TransformBinding { on_error, ..TransformBinding::new("p", &[">"]) });
    }
}

/// Binds `p` as the filter of the consumer `C` of the stream `S`.
pub(crate) fn filter(on_error: FilterPolicy) -> impl FnOnce(&mut PluginSet) {
    move |set| set.filters.push(FilterBinding { on_error, ..FilterBinding::new("p", "S", "C") })
}

pub(crate) fn message<'a>(subject: &'a str, payload: &'a [u8]) -> MessageRef<'a> {
    MessageRef { subject: subject.as_bytes(), payload, ..MessageRef::default() }
}

/// The CPU time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The folder of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap()
}
