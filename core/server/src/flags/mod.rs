//! nats-server's command line for running a server, as a table of flags.
//!
//! Go's rules: one or two dashes alike, `-flag value` or `-flag=value`, a switch takes a value only
//! after `=`, reading ends at the first argument that is no flag.

mod help;
mod table;

use std::path::PathBuf;

use crate::options::{ClusterOptions, ListenAddress, Options, closest};

pub use help::help;
use table::FLAGS;

/// One flag.
pub(crate) struct Flag {
    /// All its names, the short ones first.
    pub(crate) names: &'static [&'static str],
    pub(crate) group: Group,
    /// What it does, for `--help`.
    pub(crate) text: &'static str,
    pub(crate) takes: Takes,
}

/// What follows a flag, and where it goes.
pub(crate) enum Takes {
    Switch(fn(&mut RunFlags, bool)),
    Text {
        shown: &'static str,
        set: fn(&mut RunFlags, String),
    },
    /// A text that may be none.
    Checked {
        shown: &'static str,
        set: fn(&mut RunFlags, &str) -> Result<(), String>,
    },
    Number {
        shown: &'static str,
        set: fn(&mut RunFlags, i64) -> Result<(), String>,
    },
    /// Known from nats-server and not built. A switch that is off is no request.
    Refused {
        switch: bool,
    },
}

/// The sections of `--help`, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Server,
    Logging,
    JetStream,
    Authorization,
    Cluster,
    Common,
    NotBuilt,
}

/// What the flags said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFlags {
    /// `-c`
    pub config: Option<PathBuf>,
    /// `-t`
    pub test_config: bool,
    /// `--version`
    pub version: bool,
    /// `--help`
    pub help: bool,
    host: Option<String>,
    port: Option<u16>,
    http_port: Option<Option<u16>>,
    server_name: Option<String>,
    pid_file: Option<PathBuf>,
    ports_file_dir: Option<PathBuf>,
    log_file: Option<PathBuf>,
    debug: Option<bool>,
    trace: Option<bool>,
    utc: Option<bool>,
    user: Option<String>,
    password: Option<String>,
    token: Option<String>,
    jetstream: Option<bool>,
    store_dir: Option<PathBuf>,
    ignore_nats_store: Option<bool>,
    /// What the cluster's flags make of a server without a file; which of them were said.
    cluster: ClusterOptions,
    cluster_said: ClusterSaid,
}

/// Which of the cluster's flags were said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ClusterSaid {
    listen: bool,
    routes: bool,
    name: bool,
    advertise: bool,
    no_advertise: bool,
    connect_retries: bool,
}

/// What is wrong with a command line: one line, nats-server's where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagError {
    /// A flag that nobody knows.
    #[error("flag provided but not defined: {flag}{}", meant.as_ref().map(|name| format!(" (did you mean \"{name}\"?)")).unwrap_or_default())]
    Unknown {
        /// As it was typed.
        flag: String,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// A flag without its value.
    #[error("flag needs an argument: {0}")]
    NeedsValue(String),
    /// A value that the flag does not take.
    #[error("invalid value \"{value}\" for flag {flag}: {what}")]
    Value {
        /// The flag, as it was typed.
        flag: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        what: String,
    },
    /// A flag of nats-server that does nothing here yet.
    #[error("flag {0} is not built yet")]
    NotBuilt(String),
}

impl RunFlags {
    /// Reads flags up to the first argument that is none; the rest is returned.
    ///
    /// # Errors
    /// [`FlagError`].
    pub fn parse(arguments: &[String]) -> Result<(RunFlags, &[String]), FlagError> {
        let mut flags = RunFlags::default();
        let mut rest = arguments;
        while let Some((argument, after)) = rest.split_first() {
            let Some(body) = argument.strip_prefix('-').filter(|body| !body.is_empty()) else { break };
            rest = after;
            if argument == "--" {
                break;
            }
            let body = body.strip_prefix('-').unwrap_or(body);
            let (name, attached) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (body, None),
            };
            let typed = argument.split('=').next().unwrap_or(argument);
            let flag = FLAGS.iter().find(|flag| flag.names.contains(&name)).ok_or_else(|| unknown(typed, name))?;
            let mut value = || -> Result<String, FlagError> {
                if let Some(attached) = attached {
                    return Ok(attached.to_owned());
                }
                let (value, after) = rest.split_first().ok_or_else(|| FlagError::NeedsValue(typed.to_owned()))?;
                rest = after;
                Ok(value.clone())
            };
            match &flag.takes {
                Takes::Switch(set) => set(&mut flags, switch(typed, attached)?),
                Takes::Text { set, .. } => set(&mut flags, value()?),
                Takes::Checked { set, .. } => {
                    let value = value()?;
                    let wrong = |what: String| FlagError::Value { flag: typed.to_owned(), value: value.clone(), what };
                    set(&mut flags, &value).map_err(wrong)?;
                }
                Takes::Number { set, .. } => {
                    let value = value()?;
                    let wrong = |what: String| FlagError::Value { flag: typed.to_owned(), value: value.clone(), what };
                    let number = go_number(&value).ok_or_else(|| wrong("parse error".to_owned()))?;
                    set(&mut flags, number).map_err(wrong)?;
                }
                Takes::Refused { switch: true } if !switch(typed, attached)? => {}
                Takes::Refused { .. } => return Err(FlagError::NotBuilt(typed.to_owned())),
            }
        }
        Ok((flags, rest))
    }

    /// Puts the flags over what the file said.
    pub fn apply(self, options: &mut Options) {
        if let Some(host) = self.host {
            options.listen.host = host;
        }
        if let Some(port) = self.port {
            options.listen.port = port;
        }
        match self.http_port {
            // The monitor of a flag is on the clients' host, as nats-server's.
            Some(Some(port)) => options.http = Some(ListenAddress { host: options.listen.host.clone(), port }),
            Some(None) => options.http = None,
            None => {}
        }
        let Options { log, jetstream, auth, .. } = options;
        log.debug = self.debug.unwrap_or(log.debug);
        log.trace = self.trace.unwrap_or(log.trace);
        log.utc = self.utc.unwrap_or(log.utc);
        replace(&mut log.file, self.log_file);
        if let Some(enabled) = self.jetstream {
            jetstream.enabled = enabled;
        }
        replace(&mut jetstream.store_dir, self.store_dir);
        jetstream.ignore_nats_store = self.ignore_nats_store.unwrap_or(jetstream.ignore_nats_store);
        if self.user.is_some() || self.password.is_some() {
            auth.take_user(self.user, self.password);
        }
        if let Some(token) = self.token {
            auth.take_token(token);
        }
        self.cluster_said.apply(self.cluster, &mut options.cluster);
        replace(&mut options.server_name, self.server_name);
        replace(&mut options.pid_file, self.pid_file);
        replace(&mut options.ports_file_dir, self.ports_file_dir);
    }

    /// Whether the flags ask for JetStream.
    pub fn wants_jetstream(&self) -> bool {
        self.jetstream == Some(true)
    }
}

impl ClusterSaid {
    /// Puts what the flags said over what the file said.
    fn apply(&self, from: ClusterOptions, to: &mut ClusterOptions) {
        if !from.secret.is_empty() {
            to.secret = from.secret;
        }
        if self.listen {
            to.listen = from.listen;
        }
        if self.routes {
            to.routes = from.routes;
        }
        if self.name {
            to.name = from.name;
        }
        if self.advertise {
            to.advertise = from.advertise;
        }
        if self.no_advertise {
            to.no_advertise = from.no_advertise;
        }
        if self.connect_retries {
            to.connect_retries = from.connect_retries;
        }
    }
}

fn replace<T>(slot: &mut Option<T>, with: Option<T>) {
    if with.is_some() {
        *slot = with;
    }
}

fn unknown(typed: &str, name: &str) -> FlagError {
    let names = FLAGS.iter().flat_map(|flag| flag.names.iter().copied()).filter(|name| name.len() > 2);
    let dashes = |name: &str| if name.len() > 2 { format!("--{name}") } else { format!("-{name}") };
    FlagError::Unknown { flag: typed.to_owned(), meant: closest(name, names).map(dashes) }
}

/// A switch's value: none is on, otherwise what Go's `strconv.ParseBool` takes.
fn switch(typed: &str, attached: Option<&str>) -> Result<bool, FlagError> {
    match attached {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(value) => {
            Err(FlagError::Value { flag: typed.to_owned(), value: value.to_owned(), what: "parse error".to_owned() })
        }
    }
}

/// A number as Go's flags read it, `0x10` included.
fn go_number(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (if text.starts_with('-') { -1 } else { 1 }, digits),
        None => (1, text),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16),
        None if digits.starts_with(['+', '-']) => return None,
        None => digits.parse::<i64>(),
    };
    number.ok().map(|number| number * sign)
}

#[cfg(test)]
mod tests;
