//! A generation: one version of a plugin's code with one version of its config, validated and published.

use std::sync::Arc;

use crate::abi::result::OutputLimits;
use crate::artifact::Artifact;
use crate::manifest::PluginConfig;
use crate::metrics::PluginMetrics;

/// Who a guest is, for logs.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) sha256: String,
}

impl Identity {
    /// The first 8 digits of the hash.
    pub(crate) fn sha8(&self) -> &str {
        self.sha256.get(..8).unwrap_or_default()
    }
}

/// See the module's documentation.
pub(crate) struct Generation {
    pub(crate) identity: Arc<Identity>,
    /// Counts from 1 for each plugin; a new config is a new generation too.
    pub(crate) number: u64,
    pub(crate) artifact: Arc<Artifact>,
    /// What it was made of.
    pub(crate) config: PluginConfig,
    pub(crate) config_json: Vec<u8>,
    pub(crate) timeout_ns: u64,
    pub(crate) memory_max_bytes: usize,
    pub(crate) output: OutputLimits,
    pub(crate) metrics: Arc<PluginMetrics>,
    /// `<name>@<first 8 hex of sha256>/<generation>`
    pub(crate) stamp: Vec<u8>,
}

impl Generation {
    pub(crate) fn new(
        config: PluginConfig,
        artifact: Arc<Artifact>,
        number: u64,
        output: OutputLimits,
        metrics: Arc<PluginMetrics>,
    ) -> Self {
        let identity = Identity { name: config.name.clone(), sha256: artifact.sha256.clone() };
        let stamp = format!("{}@{}/{number}", identity.name, identity.sha8()).into_bytes();
        Self {
            identity: Arc::new(identity),
            number,
            artifact,
            config_json: config.config_json(),
            timeout_ns: config.timeout.as_nanos() as u64,
            memory_max_bytes: config.memory_max_bytes,
            output,
            metrics,
            stamp,
            config,
        }
    }

    /// True if a new generation of this config and file would be the same.
    pub(crate) fn is_same(&self, config: &PluginConfig, sha256: &str) -> bool {
        self.artifact.sha256 == sha256 && self.config == *config
    }
}
