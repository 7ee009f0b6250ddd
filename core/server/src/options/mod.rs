//! What a person may set, from a TOML file and from flags, as one plain struct.
//!
//! Each option is one row of a table (key, type, default, unit, reload class, since, text): the rows of
//! a block live in that block's file, and the decoder, `config/full.toml` and the schema read them.

pub mod auth;
pub mod cluster;
mod document;
mod file;
pub mod jetstream;
mod limits;
mod listen;
mod log;
mod monitor;
pub mod plugins;
mod problem;
mod refused;
mod streams;
mod suggest;
mod table;
mod units;

use std::path::PathBuf;

pub use auth::AuthOptions;
pub use cluster::ClusterOptions;
pub use document::{full_toml, json_schema};
pub use file::{Built, ConfigFile, LoadError};
pub use jetstream::{Durability, JetStreamOptions, StoreBase};
pub use limits::Limits;
pub use listen::{AddressError, DEFAULT_HOST, DEFAULT_PORT, ListenAddress};
pub use log::LogOptions;
pub use plugins::{Filter, FilterErrorPolicy, Plugin, PluginOptions, Transform, TransformErrorPolicy};
pub use problem::{Place, Problem};
pub use streams::DeclaredStream;
pub use suggest::closest;

/// Whether JetStream may be switched on. Step B sets it; until then the file and the flags refuse it.
pub const BUILT_JETSTREAM: bool = true;

/// Whether plugins may be bound. Step C sets it.
pub const BUILT_PLUGINS: bool = true;

/// Everything a person may set. The default is what `forebay` without flags does, which is what
/// nats-server without flags does.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How this program was called: `forebay`, or `nats-server` through a link of that name. Texts and
    /// file names begin with it.
    pub program: String,
    /// The file that the options came from.
    pub config: Option<ConfigFile>,
    /// The server's name in INFO; by default its id.
    pub server_name: Option<String>,
    /// Where clients connect.
    pub listen: ListenAddress,
    /// Where the monitoring endpoints are, if anywhere.
    pub http: Option<ListenAddress>,
    /// Whether `/metrics` answers there.
    pub metrics: bool,
    /// How many core threads serve connections; 0 is one per core.
    pub core_threads: usize,
    /// The bounds of connections.
    pub limits: Limits,
    /// Who may connect.
    pub auth: AuthOptions,
    /// Whether and where messages are kept.
    pub jetstream: JetStreamOptions,
    /// The cluster that this server belongs to.
    pub cluster: ClusterOptions,
    /// Streams to create or update at start.
    pub streams: Vec<DeclaredStream>,
    /// Plugins and what they are bound to.
    pub plugins: PluginOptions,
    /// What is logged, and where.
    pub log: LogOptions,
    /// A file that gets this process's id.
    pub pid_file: Option<PathBuf>,
    /// A folder that gets a file with the ports in use.
    pub ports_file_dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            program: crate::limits::PROGRAM.to_owned(),
            config: None,
            server_name: None,
            listen: ListenAddress::default(),
            http: None,
            metrics: true,
            core_threads: 0,
            limits: Limits::default(),
            auth: AuthOptions::default(),
            jetstream: JetStreamOptions::default(),
            cluster: ClusterOptions::default(),
            streams: Vec::new(),
            plugins: PluginOptions::default(),
            log: LogOptions::default(),
            pid_file: None,
            ports_file_dir: None,
        }
    }
}

/// Options that are each fine and together are not. The texts are nats-server's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// nats-server `validateOptions`.
    #[error("max_payload ({max_payload}) cannot be higher than max_pending ({max_pending})")]
    PayloadAbovePending {
        /// `limits.max_payload`, bytes.
        max_payload: usize,
        /// `limits.max_pending`, bytes.
        max_pending: usize,
    },
    /// nats-server `validateOptions`.
    #[error("server name cannot contain spaces")]
    ServerNameHasSpaces,
    /// nats-server `validateCluster`.
    #[error("solicited routes require cluster capabilities, e.g. --cluster")]
    RoutesWithoutCluster,
    /// nats-server `validateCluster`; and nobody has no name.
    #[error("cluster name cannot contain spaces or be empty")]
    ClusterName,
    /// Users that cannot be used together.
    #[error(transparent)]
    Auth(#[from] forebay_auth::AuthConfigError),
}

impl Options {
    /// How many core threads to start.
    pub fn core_thread_count(&self) -> usize {
        match self.core_threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            count => count,
        }
    }

    /// Checks the options against each other and builds what follows from several of them. Called once
    /// the file and the flags are read.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn finish(&mut self) -> Result<(), OptionsError> {
        let Limits { max_payload, max_pending, .. } = self.limits;
        if max_payload > max_pending {
            return Err(OptionsError::PayloadAbovePending { max_payload, max_pending });
        }
        if self.server_name.as_deref().is_some_and(|name| name.contains(' ')) {
            return Err(OptionsError::ServerNameHasSpaces);
        }
        self.cluster.check()?;
        self.auth.finish()?;
        Ok(())
    }

    /// What a person should know though it is allowed, in nats-server's words where it has some.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.auth.config.has_plain_text() {
            warnings.push("Plaintext passwords detected, use nkeys or bcrypt".to_owned());
        }
        if self.limits.max_payload > limits::MAX_PAYLOAD_ADVISED_BYTES {
            warnings.push(format!(
                "Maximum payloads over {} are generally discouraged and could lead to poor performance",
                human_bytes(limits::MAX_PAYLOAD_ADVISED_BYTES as u64)
            ));
        }
        if self.cluster.is_open() {
            warnings.push("The cluster has no secret: whoever reaches its port is let in as a server".to_owned());
        }
        if self.cluster.is_on() && self.jetstream.enabled {
            warnings.push("Each server of the cluster has its own JetStream: streams are not shared yet".to_owned());
        }
        if self.jetstream.enabled && self.jetstream.store_base().temporary {
            warnings.push("Temporary storage directory used, data could be lost on system reboot".to_owned());
        }
        warnings
    }
}

pub use units::human_bytes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_above_the_pending_limit_is_refused_as_nats_server_refuses_it() {
        let mut options = Options::default();
        options.limits.max_payload = 100 * 1024 * 1024;
        assert_eq!(
            options.finish().unwrap_err().to_string(),
            "max_payload (104857600) cannot be higher than max_pending (67108864)"
        );
    }

    #[test]
    fn a_name_with_spaces_is_refused() {
        let mut options = Options { server_name: Some("foo bar".into()), ..Options::default() };
        assert_eq!(options.finish(), Err(OptionsError::ServerNameHasSpaces));
    }

    #[test]
    fn the_default_is_fine_and_warns_of_nothing() {
        let mut options = Options::default();
        options.finish().unwrap();
        assert_eq!(options.warnings(), Vec::<String>::new());
        assert!(options.core_thread_count() >= 1);
    }
}
