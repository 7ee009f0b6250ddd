//! `/routez`: the routes to the cluster's other servers, one for each.

use forebay_api::monitor::routez::{RouteInfo, Routez};
use forebay_links::RouteReport;

use super::Facts;
use crate::clock::rfc3339;

pub(super) fn routez(facts: &Facts) -> Routez {
    let routes: Vec<RouteInfo> = facts.source.routes().iter().map(|route| shown(route, facts)).collect();
    Routez {
        server_id: facts.identity.server_id.clone(),
        server_name: facts.identity.server_name.clone(),
        now: rfc3339(facts.clock.wall_nanos()),
        num_routes: i32::try_from(routes.len()).unwrap_or(i32::MAX),
        routes,
    }
}

fn shown(route: &RouteReport, facts: &Facts) -> RouteInfo {
    let (ip, port) = route.address.rsplit_once(':').unwrap_or((route.address.as_str(), ""));
    RouteInfo {
        rid: route.id,
        remote_id: route.peer.server_id.clone(),
        remote_name: route.peer.server_name.clone(),
        did_solicit: route.dialed,
        is_configured: route.dialed && facts.options.cluster.routes.contains(&route.address),
        ip: ip.trim_matches(['[', ']']).to_owned(),
        port: port.parse().unwrap_or(0),
        rtt: route.round_trip.map(|time| format!("{}µs", time.as_micros())).unwrap_or_default(),
        pending_size: i64::try_from(route.pending).unwrap_or(i64::MAX),
        in_msgs: i64::try_from(route.in_messages).unwrap_or(i64::MAX),
        out_msgs: i64::try_from(route.out_messages).unwrap_or(i64::MAX),
        in_bytes: i64::try_from(route.in_bytes).unwrap_or(i64::MAX),
        out_bytes: i64::try_from(route.out_bytes).unwrap_or(i64::MAX),
        subscriptions: u32::try_from(route.subscriptions).unwrap_or(u32::MAX),
    }
}
