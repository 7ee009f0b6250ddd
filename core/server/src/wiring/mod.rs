//! The only place that knows everyone: options in, a running server out.

mod accept;
mod cluster;
mod jetstream;
mod plugins;
mod reload;
mod source;

use crate::bind;
use crate::clock::Clock;
use crate::core_thread::{CoreStart, CoreThread};
use crate::entropy;
use crate::error::StartError;
use crate::identity::Identity;
use crate::monitor::MonitorSource;
use crate::options::Options;
use forebay_broker::{Broker, BrokerConfig, ThreadState};
use forebay_jetstream::run::{CoreIngress, Delivery};
use forebay_protocol::info::ServerInfo;
use plugins::CorePlugins;
use source::Source;
use std::net::SocketAddr;
use std::sync::Arc;

/// A running server.
pub(crate) struct Running {
    addresses: Vec<SocketAddr>,
    source: Arc<Source>,
    acceptor: accept::Acceptor,
    cluster: Option<cluster::Running>,
    jetstream: Option<jetstream::Running>,
    reloads: Option<reload::Reloads>,
}

impl Running {
    /// Binds the client address and starts the core threads.
    ///
    /// # Errors
    /// The address cannot be bound, or the system gives no threads.
    pub(crate) fn start(options: &Arc<Options>, identity: &Identity, clock: Clock) -> Result<Self, StartError> {
        let listener = bind::listener(&options.listen)
            .map_err(|source| StartError::Listen { address: options.listen.to_string(), source })?;
        let address = listener.local_addr().map_err(|error| StartError::Other(error.to_string()))?;
        let routes = cluster::listen(options)?;
        let host = plugins::start(options)?;
        let broker = Broker::new(broker_config(options, identity, address));
        let jetstream = match options.jetstream.enabled {
            true => Some(jetstream::start(options, identity, clock, &broker)?),
            false => None,
        };
        let js = jetstream.as_ref().map(|running| running.js.clone());
        let mut threads = Vec::new();
        for number in 0..options.core_thread_count() {
            let (broker, seed, js, host) = (broker.clone(), entropy::u64(), js.clone(), host.clone());
            let make = Box::new(move || {
                let mut state = ThreadState::new(broker, seed, clock.now(), clock.wall_nanos());
                state.set_transforms(Box::new(CorePlugins::new(&host)));
                let delivery = js.map(|js| {
                    state.set_ingress(Box::new(CoreIngress::new(js.clone())));
                    let mut delivery = Delivery::new(js, number);
                    delivery.set_filters(Box::new(CorePlugins::new(&host)));
                    delivery
                });
                CoreStart { state, delivery, ticks: number == 0 }
            });
            let thread = CoreThread::start(number, clock, make)
                .map_err(|error| StartError::Other(format!("cannot start a core thread: {error}")))?;
            threads.push(thread);
        }
        let reloads = reload::start(options, &host, clock);
        let cores = threads.iter().map(|thread| thread.handle().clone()).collect();
        let started =
            |routes| cluster::Running::start(routes, (options, identity, clock), &broker, address, cores, None);
        let cluster = routes.map(started).transpose()?;
        let links = cluster.as_ref().map(|cluster| cluster.links.clone());
        let source = Arc::new(Source::new(broker, threads.len(), js, host, links));
        let acceptor = accept::Acceptor::start(listener, threads)
            .map_err(|error| StartError::Other(format!("cannot accept connections: {error}")))?;
        Ok(Self { addresses: vec![address], source, acceptor, cluster, jetstream, reloads })
    }

    /// Where clients connect.
    pub(crate) fn client_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// Where the cluster's other servers connect.
    pub(crate) fn route_address(&self) -> Option<SocketAddr> {
        self.cluster.as_ref().map(cluster::Running::address)
    }

    /// What monitoring shows.
    pub(crate) fn monitor_source(&self) -> Arc<dyn MonitorSource> {
        self.source.clone()
    }

    /// Ends all connections and threads.
    pub(crate) fn stop(self) {
        drop(self.reloads);
        if let Some(cluster) = self.cluster {
            cluster.stop();
        }
        self.acceptor.stop();
        if let Some(jetstream) = self.jetstream {
            jetstream.stop();
        }
    }
}

fn broker_config(options: &Options, identity: &Identity, address: SocketAddr) -> BrokerConfig {
    let limits = &options.limits;
    BrokerConfig {
        info: ServerInfo {
            server_id: identity.server_id.clone(),
            server_name: identity.server_name.clone(),
            version: identity.version.to_owned(),
            proto: 1,
            git_commit: if identity.git_commit.is_empty() { "dev" } else { identity.git_commit }.to_owned(),
            go: concat!("rust", env!("CARGO_PKG_RUST_VERSION")).to_owned(),
            host: options.listen.host.clone(),
            port: address.port(),
            headers: true,
            max_payload: limits.max_payload,
            jetstream: options.jetstream.enabled,
            xkey: identity.xkey.clone(),
            ..ServerInfo::default()
        },
        auth: options.auth.config.clone(),
        payload_max: limits.max_payload,
        control_line_max: limits.max_control_line,
        pending_max: limits.max_pending,
        connections_max: limits.max_connections,
        subscriptions_max: limits.max_subscriptions,
        subscription_tokens_max: limits.max_sub_tokens,
        ping_interval: limits.ping_interval,
        pings_out_max: limits.ping_max,
        auth_timeout: options.auth.timeout,
        write_deadline: limits.write_deadline,
        cluster: options.cluster.is_on().then(|| options.cluster.name.clone()),
    }
}
