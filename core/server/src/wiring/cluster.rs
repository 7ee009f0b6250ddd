//! Starts and stops what makes this server one of a cluster: the runtime of the links, their listener, their dialer.

use crate::bind;
use crate::clock::Clock;
use crate::core_thread::CoreHandle;
use crate::dial::Network;
use crate::entropy;
use crate::error::StartError;
use crate::identity::Identity;
use crate::limits::LINKS_STOP_WAIT;
use crate::listen::route;
use crate::options::{ListenAddress, Options};
use crate::pid;
use forebay_broker::Broker;
use forebay_links::limits::ROUTE_PING_MAX;
use forebay_links::{Links, LinksConfig, PeerService, Peers};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// The cluster's port, taken before anything is started.
pub(super) struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

/// Takes the cluster's port, if the server belongs to a cluster.
///
/// # Errors
/// The address cannot be had.
pub(super) fn listen(options: &Options) -> Result<Option<Listening>, StartError> {
    let Some(listen) = &options.cluster.listen else { return Ok(None) };
    let failed = |source| StartError::Route { port: listen.port, source };
    let listener = bind::listener(listen).map_err(failed)?;
    let address = listener.local_addr().map_err(|error| StartError::Other(error.to_string()))?;
    Ok(Some(Listening { listener, address }))
}

/// The running links.
pub(super) struct Running {
    pub(super) links: Links<Network>,
    /// Calls to the other servers; without a service there are no lanes for them.
    pub(super) _peers: Peers,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts to accept and to dial.
    ///
    /// # Errors
    /// The system gives no thread or no event queue.
    pub(super) fn start(
        listening: Listening,
        (options, identity, clock): (&Options, &Identity, Clock),
        broker: &Arc<Broker>,
        clients: SocketAddr,
        cores: Vec<CoreHandle>,
        service: Option<Arc<dyn PeerService>>,
    ) -> Result<Self, StartError> {
        let system = |source| StartError::System { what: "start the cluster's thread", source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
        let Listening { listener, address } = listening;
        let config = config(options, identity, clients, address.port());
        let peers = Peers::new();
        tracing::info!("Cluster name is {}", config.cluster);
        if let Some(listen) = &options.cluster.listen {
            let shown = ListenAddress { host: listen.host.clone(), port: address.port() };
            tracing::info!("Listening for route connections on {shown}");
        }
        let network = Network::new(clock, cores);
        let links = Links::start(config, network, broker.clone(), service, &peers, runtime.handle().clone());
        let (stop, stopped) = oneshot::channel();
        let accepting = links.clone();
        let thread = std::thread::Builder::new()
            .name("forebay-links".to_owned())
            .spawn(move || run(runtime, listener, accepting, stopped))
            .map_err(system)?;
        Ok(Self { links, _peers: peers, address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where other servers connect.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts and dials no more; the routes end with the core threads.
    pub(super) fn stop(mut self) {
        self.links.stop();
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The cluster's thread panicked");
        }
    }
}

fn run(runtime: Runtime, listener: TcpListener, links: Links<Network>, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async {
        tokio::select! {
            biased;
            _ = stopped => {}
            () = route::accept(listener, links) => {}
        }
    });
    runtime.shutdown_timeout(LINKS_STOP_WAIT);
}

fn config(options: &Options, identity: &Identity, clients: SocketAddr, route_port: u16) -> LinksConfig {
    let cluster = &options.cluster;
    LinksConfig {
        // 0 is nobody.
        node: entropy::u64().max(1),
        server_id: identity.server_id.clone(),
        server_name: identity.server_name.clone(),
        server_version: identity.version.to_owned(),
        cluster: cluster.name.clone(),
        size: match cluster.size {
            0 => u32::try_from(cluster.routes.len()).unwrap_or(0).saturating_add(1),
            size => size,
        },
        secret: cluster.secret.clone().into_bytes(),
        route_address: cluster.route_address(route_port),
        client_urls: client_urls(&options.listen, clients),
        no_advertise: cluster.no_advertise,
        routes: cluster.routes.clone(),
        connect_retries: cluster.connect_retries,
        max_payload: options.limits.max_payload,
        ping_interval: options.limits.ping_interval.min(ROUTE_PING_MAX),
        pings_out_max: options.limits.ping_max,
    }
}

/// Where clients reach this server, as nats-server tells them: for "any address" each of the machine's that others can
/// reach.
fn client_urls(listen: &ListenAddress, clients: SocketAddr) -> Vec<String> {
    if !clients.ip().is_unspecified() {
        return vec![ListenAddress { host: listen.host.clone(), port: clients.port() }.to_string()];
    }
    let reachable = pid::machine_addresses().into_iter().filter(|ip| pid::is_reachable(*ip));
    let urls: Vec<String> = reachable.map(|ip| SocketAddr::new(ip, clients.port()).to_string()).collect();
    if urls.is_empty() { vec![format!("127.0.0.1:{}", clients.port())] } else { urls }
}
