//! How the server of a scenario is started: flags, and configuration in both languages.

/// What a server is started with, beside its address and its folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// Extra flags, the same for both servers.
    pub flags: &'static [&'static str],
    /// Whether JetStream is on (`-js -sd DIR`).
    pub jetstream: bool,
    /// nats-server's configuration, if it needs one.
    pub conf: &'static str,
    /// The same in Forebay's TOML.
    pub toml: &'static str,
}

impl Setup {
    /// A server with core NATS only.
    pub const CORE: Self = Self { flags: &[], jetstream: false, conf: "", toml: "" };
    /// A server with JetStream on an empty folder.
    pub const JETSTREAM: Self = Self { jetstream: true, ..Self::CORE };

    /// A core server with flags.
    pub const fn flags(flags: &'static [&'static str]) -> Self {
        Self { flags, ..Self::CORE }
    }

    /// A core server with a configuration file, written in both languages.
    pub const fn configured(conf: &'static str, toml: &'static str) -> Self {
        Self { conf, toml, ..Self::CORE }
    }
}
