//! The only place that knows everyone: options in, a running server out.

mod accept;
mod jetstream;
mod plugins;
mod reload;
mod source;

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
use source::Source;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// A server that could run: everything that can fail is done, and nobody can connect yet.
pub(crate) struct Prepared {
    source: Arc<Source>,
    threads: Vec<CoreThread>,
    jetstream: Option<jetstream::Running>,
    reloads: Option<reload::Reloads>,
}

impl Prepared {
    /// Loads the plugins, opens the store, starts the core threads. `address` is where clients will connect.
    ///
    /// # Errors
    /// A plugin, the store or a declared stream cannot be as the options say, or the system gives no threads.
    pub(crate) fn new(
        options: &Arc<Options>,
        identity: &Identity,
        clock: Clock,
        address: SocketAddr,
    ) -> Result<Self, StartError> {
        let host = plugins::start(options)?;
        let broker = Broker::new(broker_config(options, identity, address));
        let jetstream = match options.jetstream.enabled {
            true => Some(jetstream::start(options, identity, clock, &broker, &host)?),
            false => None,
        };
        let js = jetstream.as_ref().map(|running| running.js.clone());
        let mut threads = Vec::new();
        for number in 0..options.core_thread_count() {
            let (broker, seed, js, host) = (broker.clone(), entropy::u64(), js.clone(), host.clone());
            let make = Box::new(move || {
                let mut state = ThreadState::new(broker, seed, clock.now(), clock.wall_nanos());
                state.set_transforms(Box::new(host.thread()));
                let delivery = js.map(|js| {
                    state.set_ingress(Box::new(CoreIngress::new(js.clone())));
                    let mut delivery = Delivery::new(js, number);
                    delivery.set_filters(Box::new(host.thread()));
                    delivery
                });
                CoreStart { state, delivery, ticks: number == 0 }
            });
            let thread = CoreThread::start(number, clock, make)
                .map_err(|error| StartError::Other(format!("cannot start a core thread: {error}")))?;
            threads.push(thread);
        }
        let reloads = reload::start(options, &host, js.clone(), clock);
        let source = Arc::new(Source::new(broker, threads.len(), js, host));
        Ok(Self { source, threads, jetstream, reloads })
    }

    /// What monitoring shows.
    pub(crate) fn monitor_source(&self) -> Arc<dyn MonitorSource> {
        self.source.clone()
    }

    /// Accepts clients.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn accept(self, listener: TcpListener) -> Result<Running, StartError> {
        let acceptor = accept::Acceptor::start(listener, self.threads)
            .map_err(|error| StartError::Other(format!("cannot accept connections: {error}")))?;
        Ok(Running { acceptor, jetstream: self.jetstream, reloads: self.reloads })
    }

    /// Gives up before anybody connected.
    pub(crate) fn stop(self) {
        drop(self.reloads);
        for mut thread in self.threads {
            thread.ask_to_stop();
            thread.join();
        }
        if let Some(jetstream) = self.jetstream {
            jetstream.stop();
        }
    }
}

/// A running server.
pub(crate) struct Running {
    acceptor: accept::Acceptor,
    jetstream: Option<jetstream::Running>,
    reloads: Option<reload::Reloads>,
}

impl Running {
    /// Asks for a reload; false if there is no file to read.
    pub(crate) fn reload(&self) -> bool {
        self.reloads.as_ref().map(reload::Reloads::ask).is_some()
    }

    /// Ends all connections and threads.
    pub(crate) fn stop(self) {
        drop(self.reloads);
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
    }
}
