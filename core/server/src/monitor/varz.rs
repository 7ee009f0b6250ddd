//! `/varz`: the facts that the server's shell knows, then the source's counters.

use std::time::Duration;

use forebay_api::monitor::varz::Varz;
use serde_json::{Map, Value};

use super::Facts;
use super::http::Endpoints;
use crate::clock::rfc3339;
use crate::options::Options;

/// nats-server says this although it has no TLS either.
const TLS_TIMEOUT_SECONDS: f64 = 2.0;

pub(super) fn varz(endpoints: &Endpoints) -> Varz {
    let Facts { options, identity, clock, client_port, http_address, source } = &endpoints.facts;
    let limits = &options.limits;
    let started = rfc3339(identity.started_nanos);
    let mut varz = Varz {
        server_id: identity.server_id.clone(),
        server_name: identity.server_name.clone(),
        version: identity.version.to_owned(),
        proto: 1,
        git_commit: identity.git_commit.to_owned(),
        go: concat!("rust", env!("CARGO_PKG_RUST_VERSION")).to_owned(),
        host: options.listen.host.clone(),
        port: *client_port,
        auth_required: options.auth.config.is_required(),
        max_connections: limits.max_connections as u64,
        max_subscriptions: limits.max_subscriptions as u64,
        ping_interval: nanos(limits.ping_interval),
        ping_max: limits.ping_max,
        http_host: options.http.as_ref().map(|http| http.host.clone()).unwrap_or_default(),
        http_port: http_address.port(),
        auth_timeout: options.auth.timeout.as_secs_f64(),
        max_control_line: limits.max_control_line as u64,
        max_payload: limits.max_payload as u64,
        max_pending: limits.max_pending as u64,
        tls_timeout: TLS_TIMEOUT_SECONDS,
        write_deadline: nanos(limits.write_deadline),
        start: started.clone(),
        now: rfc3339(clock.wall_nanos()),
        uptime: uptime(clock.now().saturating_duration_since(identity.started)),
        mem: endpoints.usage.memory_bytes(),
        cores: count(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        gomaxprocs: count(options.core_thread_count()),
        cpu: endpoints.usage.cpu_percent(),
        http_req_stats: endpoints.requests.lock().clone(),
        config_load_time: started,
        config_digest: options.config.as_ref().map(|file| file.digest.clone()).unwrap_or_default(),
        ..Varz::default()
    };
    varz.cluster = cluster(options);
    source.fill_varz(&mut varz);
    varz
}

/// nats-server's block of the cluster's options; empty for a server alone.
fn cluster(options: &Options) -> Map<String, Value> {
    let mut block = Map::new();
    let Some(listen) = &options.cluster.listen else { return block };
    block.insert("name".into(), options.cluster.name.clone().into());
    block.insert("addr".into(), listen.host.clone().into());
    block.insert("cluster_port".into(), listen.port.into());
    if !options.cluster.routes.is_empty() {
        block.insert("urls".into(), options.cluster.routes.clone().into());
    }
    block
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// nats-server's `myUptime`: whole seconds, years of 365 days.
fn uptime(running: Duration) -> String {
    let seconds = running.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let years = days / 365;
    if years > 0 {
        format!("{years}y{}d{}h{}m{}s", days % 365, hours % 24, minutes % 60, seconds % 60)
    } else if days > 0 {
        format!("{days}d{}h{}m{}s", hours % 24, minutes % 60, seconds % 60)
    } else if hours > 0 {
        format!("{hours}h{}m{}s", minutes % 60, seconds % 60)
    } else if minutes > 0 {
        format!("{minutes}m{}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_is_written_as_nats_server_writes_it() {
        for (seconds, text) in
            [(0, "0s"), (61, "1m1s"), (3_600, "1h0m0s"), (90_061, "1d1h1m1s"), (31_536_000 + 86_400, "1y1d0h0m0s")]
        {
            assert_eq!(uptime(Duration::from_secs(seconds)), text);
        }
    }
}
