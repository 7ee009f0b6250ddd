//! Plugins: from the options to a host that runs them.

use crate::clock::monotonic_nanos;
use crate::error::StartError;
use crate::options::{FilterErrorPolicy, Options, PluginOptions, TransformErrorPolicy};
use forebay_jetstream::run::JetStream;
use forebay_plugin_host::{
    FilterBinding, FilterPolicy, Host, HostConfig, PluginConfig, PluginSet, Report, TransformBinding, TransformPolicy,
    Wasi,
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
        let report = host.apply(&set(&options.plugins)).map_err(|error| StartError::Plugins(error.to_string()))?;
        tell_changed(&report, "Plugin loaded");
        tell(&options.plugins);
    }
    Ok(host)
}

/// Says which plugins run anew, and which do not run any more.
pub(super) fn tell_changed(report: &Report, what: &'static str) {
    for plugin in report.plugins.iter().filter(|plugin| plugin.changed) {
        let sha256 = plugin.sha256.get(..8).unwrap_or_default();
        tracing::info!(plugin = plugin.name, sha256, generation = plugin.generation, "{what}");
    }
    for plugin in &report.removed {
        tracing::info!(plugin, "Plugin removed");
    }
}

/// Filters on streams that are work queues now, and that do not say that a skip acks: the plugins, and why, in words.
pub(super) fn on_work_queues(options: &PluginOptions, js: &JetStream) -> Vec<(String, String)> {
    let refused = options.filters.iter().filter(|filter| !filter.skip_acks);
    let refused = refused.filter(|filter| js.is_work_queue(&filter.account, &filter.stream));
    refused.map(|filter| (filter.plugin.clone(), filter.why_refused())).collect()
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
        skip_acks: one.skip_acks,
        ..FilterBinding::new(&one.plugin, &one.stream, &one.consumer)
    });
    PluginSet { plugins: plugins.collect(), transforms: transforms.collect(), filters: filters.collect() }
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
skip_acks = true
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
        let filter = &set.filters[0];
        assert_eq!((filter.on_error, filter.account.as_str(), filter.skip_acks), (FilterPolicy::Pause, "$G", true));
        assert!(set.validate(32).is_empty());
    }
}
