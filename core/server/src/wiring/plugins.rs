//! Plugins: from the options to a host that runs them, and what each core thread has of it.

use crate::clock::monotonic_nanos;
use crate::error::StartError;
use crate::options::{FilterErrorPolicy, Options, PluginOptions, TransformErrorPolicy};
use forebay_broker::hooks::{
    BoundTransforms, FilterHook, FilterOutcome, FilterVerdict, Filters, MessageRef, TransformHook, TransformVerdict,
    Transforms,
};
use forebay_plugin_host::{
    Bindings, FilterBinding, FilterPolicy, Host, HostConfig, PluginConfig, PluginSet, ThreadPlugins, TransformBinding,
    TransformPolicy, Wasi,
};
use std::sync::Arc;

/// Each core has one set of instances for transforms and one for filters.
const THREADS_PER_CORE: usize = 2;

/// Loads what the options name; nothing runs if one of them cannot.
///
/// # Errors
/// All that is wrong, in one line.
pub(super) fn start(options: &Options) -> Result<Host, StartError> {
    let config = HostConfig {
        threads: options.core_thread_count() * THREADS_PER_CORE,
        output_bytes_max: options.limits.max_payload,
        ..HostConfig::default()
    };
    let host = Host::new(config, Arc::new(monotonic_nanos));
    if !options.plugins.is_empty() {
        host.apply(&set(&options.plugins)).map_err(|error| StartError::Plugins(error.to_string()))?;
        tell(&options.plugins);
    }
    Ok(host)
}

/// Says where plugins run.
pub(super) fn tell(options: &PluginOptions) {
    for transform in &options.transforms {
        let subjects = transform.subjects.join(", ");
        tracing::info!(plugin = transform.plugin, subjects, account = transform.account, "Plugin transforms messages");
    }
    for filter in &options.filters {
        let (stream, consumer) = (&filter.stream, &filter.consumer);
        tracing::info!(plugin = filter.plugin, stream, consumer, account = filter.account, "Plugin filters a consumer");
    }
}

/// The host's words for what the options say.
pub(super) fn set(options: &PluginOptions) -> PluginSet {
    let plugins = options.plugins.iter().map(|plugin| PluginConfig {
        sha256: plugin.sha256.clone(),
        timeout: plugin.timeout,
        memory_max_bytes: usize::try_from(plugin.memory_max).unwrap_or(usize::MAX),
        config: Some(plugin.config.clone()).filter(|config| config.as_object().is_none_or(|table| !table.is_empty())),
        wasi: if plugin.wasi_deny_all { Wasi::DenyAll } else { Wasi::Refuse },
        ..PluginConfig::new(&plugin.name, &plugin.file)
    });
    let transforms = options.transforms.iter().map(|one| TransformBinding {
        subjects: one.subjects.clone(),
        account: one.account.clone(),
        on_error: match one.on_error {
            // The parser refuses dead letters until they are built.
            TransformErrorPolicy::Reject | TransformErrorPolicy::DeadLetter => TransformPolicy::Reject,
            TransformErrorPolicy::Pass => TransformPolicy::Pass,
            TransformErrorPolicy::Drop => TransformPolicy::Drop,
        },
        stamp: one.stamp,
        ..TransformBinding::new(&one.plugin, &[])
    });
    let filters = options.filters.iter().map(|one| FilterBinding {
        account: one.account.clone(),
        on_error: match one.on_error {
            FilterErrorPolicy::Deliver => FilterPolicy::Deliver,
            FilterErrorPolicy::Skip => FilterPolicy::Skip,
            FilterErrorPolicy::Pause => FilterPolicy::Pause,
        },
        ..FilterBinding::new(&one.plugin, &one.stream, &one.consumer)
    });
    PluginSet { plugins: plugins.collect(), transforms: transforms.collect(), filters: filters.collect() }
}

/// The plugins of one core thread, for transforms or for filters.
pub(super) struct CorePlugins {
    host: Host,
    thread: ThreadPlugins,
    bindings: Arc<Bindings>,
}

impl CorePlugins {
    pub(super) fn new(host: &Host) -> Self {
        Self { host: host.clone(), thread: host.thread(), bindings: host.bindings() }
    }

    #[inline]
    fn bindings(&mut self) -> &Bindings {
        if self.bindings.generation() != self.host.generation() {
            self.bindings = self.host.bindings();
        }
        &self.bindings
    }
}

impl TransformHook for CorePlugins {
    fn transform(&mut self, binding: u32, message: &MessageRef<'_>) -> TransformVerdict {
        self.thread.transform(binding, message)
    }

    fn transform_all(&mut self, bindings: &[u32], message: &MessageRef<'_>) -> TransformVerdict {
        self.thread.transform_all(bindings, message)
    }

    fn take_limit_hit(&mut self) -> bool {
        TransformHook::take_limit_hit(&mut self.thread)
    }
}

impl Transforms for CorePlugins {
    #[inline]
    fn transforms_for(&mut self, account: &str, subject: &[u8]) -> BoundTransforms {
        let bindings = self.bindings();
        if bindings.is_empty() { BoundTransforms::new() } else { bindings.transforms_for(account, subject) }
    }

    #[inline]
    fn generation(&self) -> u64 {
        self.host.generation()
    }
}

impl FilterHook for CorePlugins {
    fn filter(&mut self, binding: u32, messages: &[MessageRef<'_>]) -> FilterVerdict {
        self.thread.filter(binding, messages)
    }

    fn filter_batch(&mut self, binding: u32, messages: &[MessageRef<'_>]) -> FilterOutcome {
        self.thread.filter_batch(binding, messages)
    }

    fn take_limit_hit(&mut self) -> bool {
        FilterHook::take_limit_hit(&mut self.thread)
    }
}

impl Filters for CorePlugins {
    fn filter_for(&mut self, account: &str, stream: &str, consumer: &str) -> Option<u32> {
        self.bindings().filter_for(account, stream, consumer)
    }

    fn generation(&self) -> u64 {
        self.host.generation()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Built, Options};
    use std::path::Path;

    #[test]
    fn the_hosts_set_says_what_the_file_says() {
        let text = r#"
[plugins.a]
file = "a.wasm"
timeout = "7ms"
memory_max = "2MiB"
config = { x = 1 }
wasi = "deny-all"
[plugins.b]
file = "/b.wasm"
[[transforms]]
plugin = "a"
subjects = ["x.*"]
on_error = "pass"
stamp = true
[[filters]]
plugin = "b"
stream = "S"
consumer = "c"
on_error = "pause"
"#;
        let options = Options::parse(Path::new("conf/a.toml"), text, Built::ALL).expect("a good file");
        let set = set(&options.plugins);
        let a = &set.plugins[0];
        assert_eq!(
            (a.file.as_path(), a.timeout.as_millis(), a.memory_max_bytes),
            (Path::new("conf/a.wasm"), 7, 2 << 20)
        );
        assert_eq!((a.wasi, a.config.clone()), (Wasi::DenyAll, Some(serde_json::json!({"x": 1}))));
        assert_eq!(set.plugins[1].config, None, "a plugin without a config takes none");
        let transform = &set.transforms[0];
        assert_eq!((transform.on_error, transform.stamp), (TransformPolicy::Pass, true));
        assert_eq!((set.filters[0].on_error, set.filters[0].account.as_str()), (FilterPolicy::Pause, "$G"));
        assert!(set.validate(32).is_empty());
    }
}
