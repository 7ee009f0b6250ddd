//! What monitoring is told.

use crate::dial::Network;
use crate::monitor::{Health, HealthQuestion, Measured, MonitorSource, StoreMeasured};
use forebay_api::monitor::healthz::HealthzError;
use forebay_api::monitor::varz::Varz;
use forebay_broker::Broker;
use forebay_jetstream::run::JetStream;
use forebay_links::{Links, RouteReport};
use forebay_plugin_host::Host;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The server as monitoring sees it.
pub(super) struct Source {
    broker: Arc<Broker>,
    cores: usize,
    jetstream: Option<Arc<JetStream>>,
    host: Host,
    links: Option<Links<Network>>,
}

impl Source {
    pub(super) fn new(
        broker: Arc<Broker>,
        cores: usize,
        jetstream: Option<Arc<JetStream>>,
        host: Host,
        links: Option<Links<Network>>,
    ) -> Self {
        Self { broker, cores, jetstream, host, links }
    }
}

impl MonitorSource for Source {
    fn fill_varz(&self, varz: &mut Varz) {
        let stats = self.broker.stats();
        varz.in_msgs = stats.in_messages as i64;
        varz.in_bytes = stats.in_bytes as i64;
        varz.out_msgs = stats.out_messages as i64;
        varz.out_bytes = stats.out_bytes as i64;
        varz.connections = stats.connections as i32;
        varz.total_connections = stats.total_connections;
        varz.subscriptions = stats.subscriptions as u32;
        varz.slow_consumers = stats.slow_consumers as i64;
        varz.gomaxprocs = self.cores as i32;
        varz.routes = self.broker.routes() as i32;
        varz.connect_urls.clone_from(&self.broker.cluster().connect_urls);
    }

    fn health(&self, _: &HealthQuestion) -> Health {
        if let Some(why) = self.jetstream.as_ref().and_then(|js| js.health()) {
            let error = HealthzError {
                kind: "JETSTREAM".into(),
                account: None,
                stream: None,
                consumer: None,
                error: why.to_owned(),
            };
            return Health::Failed { status_code: 503, errors: vec![error] };
        }
        Health::Ok
    }

    fn routes(&self) -> Vec<RouteReport> {
        self.links.as_ref().map(Links::routes).unwrap_or_default()
    }

    fn measure(&self) -> Measured {
        let store = self.jetstream.as_ref().map(|js| {
            let stats = js.lane_stats();
            StoreMeasured {
                memory_bytes: js.hot_bytes() as u64,
                failed: js.is_failed(),
                sync_counts: stats.write_times.each_ref().map(|count| count.load(Ordering::Relaxed)),
                sync_nanos: stats.write_nanos.load(Ordering::Relaxed),
            }
        });
        Measured {
            broker: self.broker.stats(),
            jetstream: self.jetstream.as_ref().map(|js| js.metrics()),
            store,
            plugins: self.host.snapshot(),
        }
    }
}
