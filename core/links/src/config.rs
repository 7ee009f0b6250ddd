//! What the links are told at start, and what may change of it.

use crate::limits::ROUTE_PING_MAX;
use std::time::Duration;

/// What the links are told at start.
#[derive(Clone)]
pub struct LinksConfig {
    /// This server's incarnation; never 0.
    pub node: u64,
    /// Its public nkey.
    pub server_id: String,
    /// Its name.
    pub server_name: String,
    /// Its program's version.
    pub server_version: String,
    /// The cluster's name.
    pub cluster: String,
    /// How many servers the cluster is to have; 0 if nobody said.
    pub size: u32,
    /// What only servers of the cluster know; may be empty.
    pub secret: Vec<u8>,
    /// Where other servers reach this one: `host:port`.
    pub route_address: String,
    /// Where clients reach this one.
    pub client_urls: Vec<String>,
    /// Clients are not told where else they may connect, nor others' clients of this server.
    pub no_advertise: bool,
    /// Servers to dial for ever.
    pub routes: Vec<String>,
    /// How often a server that was only heard of, and that nobody knows any more, is dialed before it is forgotten.
    pub connect_retries: u32,
    /// The longest message of our clients, in bytes.
    pub max_payload: usize,
    /// Pause between pings.
    pub ping_interval: Duration,
    /// Unanswered pings after which a route is stale.
    pub pings_out_max: u32,
}

impl Default for LinksConfig {
    fn default() -> Self {
        Self {
            node: 1,
            server_id: String::new(),
            server_name: String::new(),
            server_version: String::new(),
            cluster: String::new(),
            size: 0,
            secret: Vec::new(),
            route_address: String::new(),
            client_urls: Vec::new(),
            no_advertise: false,
            routes: Vec::new(),
            connect_retries: 0,
            max_payload: forebay_protocol::limits::PAYLOAD_MAX,
            ping_interval: ROUTE_PING_MAX,
            pings_out_max: 2,
        }
    }
}

/// What became of a server: other servers are told when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The cluster's id, once it was born.
    pub cluster_id: Option<String>,
    /// The server keeps nothing that a cluster could have written.
    pub empty: bool,
}
