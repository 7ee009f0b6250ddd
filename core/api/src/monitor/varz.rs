//! `/varz`: the server's facts and counters (nats-server 2.15.1 monitor.go, `Varz`).
//!
//! The fields stand in nats-server's order and are left out where it leaves them out, so that a
//! program made for its answer reads ours. What belongs to parts that are not built (routes, gateways,
//! leafnodes, MQTT, WebSocket, operators, OCSP) is there, empty, where nats-server has it always.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// The body of `/varz`. Times are RFC 3339 texts, durations nanoseconds, sizes bytes, unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Varz {
    /// The server's public nkey, `N…`.
    pub server_id: String,
    /// Its name; by default its id.
    pub server_name: String,
    /// Its version, as in INFO.
    pub version: String,
    /// The protocol's version, 1.
    pub proto: u32,
    /// The commit that it was built from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// What it was built with.
    pub go: String,
    /// The host that clients connect to.
    pub host: String,
    /// The port that clients connect to.
    pub port: u16,
    /// Whether clients must say who they are.
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// Whether clients must use TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// Whether clients must show a certificate.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    /// The address to advertise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// Where clients may connect to this cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// The same for WebSocket.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ws_connect_urls: Vec<String>,
    /// Clients at a time.
    pub max_connections: u64,
    /// Subscriptions of one client.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_subscriptions: u64,
    /// How often a silent client is pinged.
    pub ping_interval: i64,
    /// How many pings may stay unanswered.
    pub ping_max: u32,
    /// The host of this endpoint.
    pub http_host: String,
    /// The port of this endpoint.
    pub http_port: u16,
    /// What stands before each endpoint's path.
    pub http_base_path: String,
    /// The port of this endpoint over TLS, 0 where there is none.
    pub https_port: u16,
    /// How long a client may take to send its CONNECT, in seconds.
    #[serde(serialize_with = "as_go_float")]
    pub auth_timeout: f64,
    /// The longest control line.
    pub max_control_line: u64,
    /// The longest message.
    pub max_payload: u64,
    /// What may wait for one client.
    pub max_pending: u64,
    /// The cluster's options.
    pub cluster: Map<String, Value>,
    /// The gateway's options.
    pub gateway: Map<String, Value>,
    /// The leafnodes' options.
    pub leaf: Map<String, Value>,
    /// The MQTT options.
    pub mqtt: Map<String, Value>,
    /// The WebSocket options.
    pub websocket: Map<String, Value>,
    /// JetStream's configuration and counters.
    pub jetstream: JetStreamVarz,
    /// How long a TLS handshake may take, in seconds.
    #[serde(serialize_with = "as_go_float")]
    pub tls_timeout: f64,
    /// How long one write to a client may take.
    pub write_deadline: i64,
    /// When the server started.
    pub start: String,
    /// When this was written.
    pub now: String,
    /// How long the server runs, as nats-server writes it: `1d2h3m4s`.
    pub uptime: String,
    /// Resident memory.
    pub mem: u64,
    /// Cores of the machine.
    pub cores: i32,
    /// Threads that serve connections.
    pub gomaxprocs: i32,
    /// CPU in use, in percent of one core.
    #[serde(serialize_with = "as_go_float")]
    pub cpu: f64,
    /// Connections now.
    pub connections: i32,
    /// Connections since the start.
    pub total_connections: u64,
    /// Routes now.
    pub routes: i32,
    /// Remote servers now.
    pub remotes: i32,
    /// Leafnodes now.
    pub leafnodes: i32,
    /// Messages that came in.
    pub in_msgs: i64,
    /// Bytes that came in.
    pub in_bytes: i64,
    /// Messages that came from clients.
    pub in_client_msgs: i64,
    /// Bytes that came from clients.
    pub in_client_bytes: i64,
    /// Messages that went out.
    pub out_msgs: i64,
    /// Bytes that went out.
    pub out_bytes: i64,
    /// Messages that went to clients.
    pub out_client_msgs: i64,
    /// Bytes that went to clients.
    pub out_client_bytes: i64,
    /// Connections cut off because they read too slowly.
    pub slow_consumers: i64,
    /// Connections cut off because they did not answer pings.
    pub stale_connections: i64,
    /// Clients that were made to wait for a slow reader.
    pub stalled_clients: i64,
    /// Subscriptions now.
    pub subscriptions: u32,
    /// How often each endpoint was asked.
    pub http_req_stats: BTreeMap<String, u64>,
    /// When the configuration was read.
    pub config_load_time: String,
    /// The configuration's hash, empty without a file.
    pub config_digest: String,
    /// The server's tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The server's metadata.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Features that may be on or off.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_flags: BTreeMap<String, bool>,
    /// The system account.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub system_account: String,
    /// Slow consumers by kind.
    pub slow_consumer_stats: KindCounts,
    /// Stale connections by kind.
    pub stale_connection_stats: KindCounts,
    /// Waits for the disk.
    pub disk_io_wait_stats: DiskIoWaitStats,
}

/// Counts by the kind of connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct KindCounts {
    /// Clients.
    pub clients: u64,
    /// Routes.
    pub routes: i32,
    /// Gateways.
    pub gateways: u64,
    /// Leafnodes.
    pub leafs: u64,
}

/// Waits for the disk; nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DiskIoWaitStats {
    /// Who waits now.
    pub waiters: u64,
    /// Waits so far.
    pub waits: u64,
    /// Time spent waiting.
    pub wait_time: u64,
    /// The longest wait.
    pub max_wait_time: u64,
}

/// JetStream's part of `/varz`; empty where JetStream is off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JetStreamVarz {
    /// How it is set up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<JetStreamConfig>,
    /// What it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<JetStreamStats>,
    /// Its limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Map<String, Value>>,
}

/// How JetStream is set up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JetStreamConfig {
    /// The limit of memory streams.
    pub max_memory: i64,
    /// The limit of file streams.
    pub max_storage: i64,
    /// The store's folder.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub store_dir: String,
    /// How often the disk is synced where acks do not wait for it.
    #[serde(skip_serializing_if = "is_zero_i64")]
    pub sync_interval: i64,
    /// Whether every ack waits for the disk.
    #[serde(skip_serializing_if = "is_false")]
    pub sync_always: bool,
    /// The domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Whether unknown fields of requests are refused.
    #[serde(skip_serializing_if = "is_false")]
    pub strict: bool,
}

/// What JetStream holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JetStreamStats {
    /// Bytes of memory streams.
    pub memory: u64,
    /// Bytes of file streams.
    pub storage: u64,
    /// Bytes that memory streams may still claim.
    pub reserved_memory: u64,
    /// Bytes that file streams may still claim.
    pub reserved_storage: u64,
    /// Accounts with JetStream.
    pub accounts: u64,
    /// Streams and consumers with more than one replica.
    pub ha_assets: u64,
    /// Requests to the API.
    pub api: JetStreamApiStats,
}

/// Requests to JetStream's API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JetStreamApiStats {
    /// The level whose features all work.
    pub level: u32,
    /// Requests so far.
    pub total: u64,
    /// Those that were answered with an error.
    pub errors: u64,
    /// Those that are being answered.
    #[serde(skip_serializing_if = "is_zero")]
    pub inflight: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero_i64(number: &i64) -> bool {
    *number == 0
}

/// Go writes a whole float without a point: 2 and not 2.0.
fn as_go_float<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that nats-server 2.15.1 answers with without a configuration file, in its order.
    const KEYS: &str = "server_id server_name version proto git_commit go host port max_connections \
        ping_interval ping_max http_host http_port http_base_path https_port auth_timeout max_control_line \
        max_payload max_pending cluster gateway leaf mqtt websocket jetstream tls_timeout write_deadline \
        start now uptime mem cores gomaxprocs cpu connections total_connections routes remotes leafnodes \
        in_msgs in_bytes in_client_msgs in_client_bytes out_msgs out_bytes out_client_msgs out_client_bytes \
        slow_consumers stale_connections stalled_clients subscriptions http_req_stats config_load_time \
        config_digest feature_flags system_account slow_consumer_stats stale_connection_stats \
        disk_io_wait_stats";

    #[test]
    fn the_keys_stand_in_nats_servers_order() {
        let varz = Varz {
            git_commit: "b2fd3ef".into(),
            system_account: "$SYS".into(),
            feature_flags: BTreeMap::from([("a".to_owned(), true)]),
            ..Varz::default()
        };
        let text = serde_json::to_string_pretty(&varz).unwrap_or_default();
        let keys: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("  \"").and_then(|rest| rest.split('"').next())).collect();
        assert_eq!(keys, KEYS.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let varz = Varz { auth_timeout: 2.0, cpu: 1.5, ..Varz::default() };
        let text = serde_json::to_string(&varz).unwrap_or_default();
        assert!(text.contains("\"auth_timeout\":2,") && text.contains("\"cpu\":1.5,"), "{text}");
    }

    #[test]
    fn jetstream_is_empty_where_it_is_off() {
        assert_eq!(serde_json::to_string(&JetStreamVarz::default()).unwrap_or_default(), "{}");
    }
}
