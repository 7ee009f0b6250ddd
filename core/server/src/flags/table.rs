//! The flags, one row each.

use super::{Flag, Group, RunFlags, Takes};
use crate::options::{DEFAULT_HOST, DEFAULT_PORT, ListenAddress};

const fn flag(names: &'static [&'static str], group: Group, text: &'static str, takes: Takes) -> Flag {
    Flag { names, group, text, takes }
}

const fn not_built(names: &'static [&'static str]) -> Flag {
    flag(names, Group::NotBuilt, "", Takes::Refused { switch: false })
}

const fn switch_not_built(names: &'static [&'static str]) -> Flag {
    flag(names, Group::NotBuilt, "", Takes::Refused { switch: true })
}

pub(super) static FLAGS: &[Flag] = &[
    flag(
        &["a", "addr", "net"],
        Group::Server,
        "Bind to host address (default: 0.0.0.0)",
        Takes::Text {
            shown: "host",
            set: |f, host| f.host = Some(if host.is_empty() { DEFAULT_HOST.to_owned() } else { host }),
        },
    ),
    flag(
        &["p", "port"],
        Group::Server,
        "Use port for clients, -1 for any free one (default: 4222)",
        Takes::Number { shown: "port", set: client_port },
    ),
    flag(
        &["n", "name", "server_name"],
        Group::Server,
        "Server name (default: its id)",
        Takes::Text { shown: "server_name", set: |f, name| f.server_name = Some(name) },
    ),
    flag(
        &["P", "pid"],
        Group::Server,
        "File to store PID",
        Takes::Text { shown: "file", set: |f, path| f.pid_file = Some(path.into()) },
    ),
    flag(
        &["m", "http_port"],
        Group::Server,
        "Use port for http monitoring, -1 for any free one",
        Takes::Number { shown: "port", set: http_port },
    ),
    flag(
        &["c", "config"],
        Group::Server,
        "Configuration file (.toml)",
        Takes::Text { shown: "file", set: |f, path| f.config = Some(path.into()) },
    ),
    flag(&["t"], Group::Server, "Test configuration and exit", Takes::Switch(|f, on| f.test_config = on)),
    flag(
        &["ports_file_dir"],
        Group::Server,
        "Creates a ports file in this folder (<program>_<pid>.ports)",
        Takes::Text { shown: "dir", set: |f, path| f.ports_file_dir = Some(path.into()) },
    ),
    flag(
        &["l", "log"],
        Group::Logging,
        "File to redirect log output",
        Takes::Text { shown: "file", set: |f, path| f.log_file = Some(path.into()) },
    ),
    flag(
        &["logtime_utc"],
        Group::Logging,
        "Timestamps in UTC instead of local timezone",
        Takes::Switch(|f, on| f.utc = Some(on)),
    ),
    flag(&["D", "debug"], Group::Logging, "Enable debugging output", Takes::Switch(|f, on| f.debug = Some(on))),
    flag(&["V", "trace"], Group::Logging, "Trace the raw protocol", Takes::Switch(|f, on| f.trace = Some(on))),
    flag(&["VV"], Group::Logging, "Verbose trace", Takes::Switch(|f, on| f.trace = Some(on))),
    flag(&["DV"], Group::Logging, "Debug and trace", Takes::Switch(debug_and_trace)),
    flag(&["DVV"], Group::Logging, "Debug and verbose trace", Takes::Switch(debug_and_trace)),
    flag(
        &["js", "jetstream"],
        Group::JetStream,
        "Enable JetStream functionality",
        Takes::Switch(|f, on| f.jetstream = Some(on)),
    ),
    flag(
        &["sd", "store_dir"],
        Group::JetStream,
        "Set the storage directory",
        Takes::Text { shown: "dir", set: |f, path| f.store_dir = Some(path.into()) },
    ),
    flag(
        &["ignore-nats-store"],
        Group::JetStream,
        "Start though the storage directory holds a nats-server's streams",
        Takes::Switch(|f, on| f.ignore_nats_store = Some(on)),
    ),
    flag(
        &["user"],
        Group::Authorization,
        "User required for connections",
        Takes::Text { shown: "user", set: |f, user| f.user = Some(user) },
    ),
    flag(
        &["pass"],
        Group::Authorization,
        "Password required for connections",
        Takes::Text { shown: "password", set: |f, password| f.password = Some(password) },
    ),
    flag(
        &["auth"],
        Group::Authorization,
        "Authorization token required for connections",
        Takes::Text { shown: "token", set: |f, token| f.token = Some(token) },
    ),
    flag(
        &["routes"],
        Group::Cluster,
        "Routes to solicit and connect, with commas between them",
        Takes::Checked {
            shown: "rurl-1, rurl-2",
            set: |f, urls| {
                f.cluster_said.routes = true;
                f.cluster.take_route_urls(urls)
            },
        },
    ),
    flag(
        &["cluster_listen", "cluster"],
        Group::Cluster,
        "Cluster URL for solicited routes, nats://host:port",
        Takes::Checked {
            shown: "cluster-url",
            set: |f, url| {
                f.cluster_said.listen = true;
                f.cluster.take_listen_url(url)
            },
        },
    ),
    flag(
        &["cluster_name"],
        Group::Cluster,
        "Cluster name (default: forebay)",
        Takes::Text {
            shown: "name",
            set: |f, name| {
                f.cluster_said.name = true;
                f.cluster.name = name;
            },
        },
    ),
    flag(
        &["no_advertise"],
        Group::Cluster,
        "Do not advertise known cluster information to clients",
        Takes::Switch(|f, on| {
            f.cluster_said.no_advertise = true;
            f.cluster.no_advertise = on;
        }),
    ),
    flag(
        &["cluster_advertise"],
        Group::Cluster,
        "Cluster URL to advertise to other servers",
        Takes::Text {
            shown: "host",
            set: |f, host| {
                f.cluster_said.advertise = true;
                f.cluster.advertise = Some(host);
            },
        },
    ),
    flag(
        &["connect_retries"],
        Group::Cluster,
        "Connect retries for routes that no server knows any more",
        Takes::Number { shown: "number", set: connect_retries },
    ),
    flag(&["h", "help"], Group::Common, "Show this message", Takes::Switch(|f, on| f.help = on)),
    flag(&["v", "version"], Group::Common, "Show version", Takes::Switch(|f, on| f.version = on)),
    not_built(&["ms", "https_port"]),
    not_built(&["sl", "signal"]),
    not_built(&["client_advertise"]),
    // Lines always carry the time, which is nats-server's default; only switching it off is refused.
    flag(&["T", "logtime"], Group::NotBuilt, "", Takes::Switch(|_, _| ())),
    switch_not_built(&["s", "syslog"]),
    not_built(&["r", "remote_syslog"]),
    not_built(&["log_size_limit"]),
    not_built(&["max_traced_msg_len"]),
    switch_not_built(&["tls"]),
    switch_not_built(&["tlsverify"]),
    not_built(&["tlscert"]),
    not_built(&["tlskey"]),
    not_built(&["tlscacert"]),
    switch_not_built(&["help_tls"]),
    not_built(&["profile"]),
];

fn debug_and_trace(flags: &mut RunFlags, on: bool) {
    flags.debug = Some(on);
    flags.trace = Some(on);
}

fn connect_retries(flags: &mut RunFlags, number: i64) -> Result<(), String> {
    flags.cluster_said.connect_retries = true;
    flags.cluster.connect_retries = u32::try_from(number).map_err(|_| "not a number of retries".to_owned())?;
    Ok(())
}

fn client_port(flags: &mut RunFlags, number: i64) -> Result<(), String> {
    flags.port = Some(port(number)?.unwrap_or(DEFAULT_PORT));
    Ok(())
}

fn http_port(flags: &mut RunFlags, number: i64) -> Result<(), String> {
    flags.http_port = Some(port(number)?);
    Ok(())
}

/// A port of a flag: 0 is nats-server's "not said", -1 any free one.
fn port(number: i64) -> Result<Option<u16>, String> {
    if number == 0 {
        return Ok(None);
    }
    ListenAddress::port_from(number).map(Some).map_err(|_| "not a port".to_owned())
}
