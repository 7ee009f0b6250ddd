//! `/routez`: the routes to the cluster's other servers (nats-server `Routez`).

use serde::Serialize;

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "nats-server's names say it")]
pub struct Routez {
    pub server_id: String,
    pub server_name: String,
    pub now: String,
    pub num_routes: i32,
    pub routes: Vec<RouteInfo>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "nats-server's names say it")]
pub struct RouteInfo {
    pub rid: u64,
    pub remote_id: String,
    pub remote_name: String,
    pub did_solicit: bool,
    pub is_configured: bool,
    pub ip: String,
    pub port: u16,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rtt: String,
    pub pending_size: i64,
    pub in_msgs: i64,
    pub out_msgs: i64,
    pub in_bytes: i64,
    pub out_bytes: i64,
    pub subscriptions: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_nats_servers_names() {
        let route = RouteInfo {
            rid: 1,
            remote_id: "N".into(),
            remote_name: "b".into(),
            did_solicit: true,
            is_configured: false,
            ip: "127.0.0.1".into(),
            port: 6222,
            rtt: String::new(),
            pending_size: 0,
            in_msgs: 1,
            out_msgs: 2,
            in_bytes: 3,
            out_bytes: 4,
            subscriptions: 5,
        };
        assert_eq!(
            serde_json::to_string(&route).unwrap(),
            r#"{"rid":1,"remote_id":"N","remote_name":"b","did_solicit":true,"is_configured":false,"ip":"127.0.0.1","port":6222,"pending_size":0,"in_msgs":1,"out_msgs":2,"in_bytes":3,"out_bytes":4,"subscriptions":5}"#
        );
    }
}
