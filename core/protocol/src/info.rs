//! INFO: what the server says of itself (nats-server `server.go` Info, field order included).

use serde::Serialize;

fn is_false(value: &bool) -> bool {
    !value
}

/// The INFO document for clients. Fields stand in nats-server's order; those it omits when empty are omitted here.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ServerInfo {
    /// The server's public nkey, `N…`.
    pub server_id: String,
    /// The configured name, or the id.
    pub server_name: String,
    /// nats-server's version whose behaviour we match, with our own behind it.
    pub version: String,
    /// 1: the server sends INFO at any time.
    pub proto: i32,
    /// The commit the binary was built from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// nats-server names its Go version; we name the language we are written in.
    pub go: String,
    /// The listen address.
    pub host: String,
    /// The listen port.
    pub port: u16,
    /// Headers are supported.
    pub headers: bool,
    /// Credentials are needed.
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// TLS is needed.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// Largest payload, in bytes.
    pub max_payload: usize,
    /// JetStream is enabled.
    #[serde(skip_serializing_if = "is_false")]
    pub jetstream: bool,
    /// This connection's number.
    pub client_id: u64,
    /// This connection's remote address.
    pub client_ip: String,
    /// The cluster's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Where clients may connect, this server's own addresses first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// True in the INFO that answers the first PING.
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    /// The account the client is bound to, in the INFO that answers the first PING.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_account: String,
    /// JetStream's API level.
    pub api_lvl: u32,
    /// The server's public curve key, for auth callout.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
}
