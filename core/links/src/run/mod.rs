//! The tasks behind the links: dialing, handshakes, and the lanes of calls. They run on a runtime that the server gives;
//! routes are handed to the host, which serves them where it serves clients.

mod handshake;
mod lane;
mod peers;

use crate::config::{LinksConfig, Standing};
use crate::limits::{DIAL_FAILURES_LOGGED, DIAL_MAX, HANDSHAKE_MAX, HANDSHAKES_MAX};
use crate::mesh::{Closer, Dial, Dialed, Mesh, News, PeerInfo};
use crate::peer::{Lane, PeerId, PeerService};
use crate::route::{RouteEvents, RouteReport, RouteStart, RouteTraffic};
use forebay_broker::{Broker, CloseReason, Outbound};
use forebay_protocol::route;
use forebay_protocol::route::Hello;
use forebay_protocol::route::gossip::Gossip;
use forebay_protocol::route::hello::NONCE_BYTES;
use forebay_protocol::route::refuse::Reason;
use handshake::Failure;
use parking_lot::Mutex;
use peers::PeerTable;
pub use peers::Peers;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

/// Without anything to dial, the mesh is asked again after so long.
const IDLE_LOOK: Duration = Duration::from_secs(60);

/// What the links need of the server: sockets, time, randomness, and threads that serve routes.
pub trait Host: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Makes a connection to `host:port`.
    fn dial(&self, address: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Serves a route: with [`crate::RouteSession::open`], on a thread that delivers messages.
    fn serve_route(&self, stream: Self::Stream, route: RouteStart);

    /// The time.
    fn now(&self) -> Instant;

    /// Random bytes.
    fn fill_random(&self, bytes: &mut [u8]);
}

/// What the tasks share.
struct Shared<H> {
    host: H,
    config: LinksConfig,
    broker: Arc<Broker>,
    mesh: Mutex<Mesh>,
    table: Arc<PeerTable>,
    service: Option<Arc<dyn PeerService>>,
    /// There is something new to dial or to tell.
    wake: Notify,
    stopped: AtomicBool,
    handshakes: Arc<Semaphore>,
}

/// The links of one server; a clone is the same ones.
pub struct Links<H: Host> {
    shared: Arc<Shared<H>>,
    runtime: Handle,
}

impl<H: Host> Clone for Links<H> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), runtime: self.runtime.clone() }
    }
}

impl<H: Host> Links<H> {
    /// Begins to dial. Calls of other servers go to `service`; without one there are routes only. `peers` is where calls
    /// are made from, and may be older than the links.
    pub fn start(
        config: LinksConfig,
        host: H,
        broker: Arc<Broker>,
        service: Option<Arc<dyn PeerService>>,
        peers: &Peers,
        runtime: Handle,
    ) -> Self {
        let mesh = Mesh::new(&config, service.is_some(), host.now());
        let shared = Arc::new(Shared {
            mesh: Mutex::new(mesh),
            host,
            config,
            broker,
            table: peers.table(),
            service,
            wake: Notify::new(),
            stopped: AtomicBool::new(false),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
        });
        runtime.spawn(dial_all(shared.clone()));
        Self { shared, runtime }
    }

    /// Waits until there is room for one more handshake. A listener asks before it accepts.
    pub async fn room(&self) {
        // The semaphore is never closed.
        let _ = self.shared.handshakes.acquire().await;
    }

    /// Somebody connected, from `address`.
    pub fn accept(&self, stream: H::Stream, address: String) {
        let shared = self.shared.clone();
        self.runtime.spawn(async move {
            let Ok(_room) = shared.handshakes.clone().acquire_owned().await else { return };
            shared.answer(stream, address).await;
        });
    }

    /// The servers that this one has a route with.
    pub fn connected(&self) -> Vec<PeerInfo> {
        self.shared.mesh.lock().connected()
    }

    /// The routes, for monitoring.
    pub fn routes(&self) -> Vec<RouteReport> {
        let routes = self.shared.mesh.lock().routes();
        routes.into_iter().map(|(peer, dialed, out, traffic)| RouteReport::new(peer, dialed, &out, &traffic)).collect()
    }

    /// Something became of this server: everybody is told.
    pub fn set_standing(&self, standing: Standing) {
        self.shared.mesh.lock().set_standing(standing);
        self.shared.wake.notify_one();
    }

    /// Dials no more and ends the lanes; routes end with the threads that serve them.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        self.shared.mesh.lock().close_all();
    }
}

/// Dials what the mesh wants and tells what changed, for as long as the server runs.
async fn dial_all<H: Host>(shared: Arc<Shared<H>>) {
    while !shared.stopped.load(Ordering::Acquire) {
        let now = shared.host.now();
        let (dials, news, next) = {
            let mut mesh = shared.mesh.lock();
            (mesh.poll_dials(now), mesh.poll_news(), mesh.poll_timeout())
        };
        if let Some(news) = news {
            shared.spread(news);
        }
        for dial in dials {
            tokio::spawn(shared.clone().dial(dial));
        }
        let pause = next.map_or(IDLE_LOOK, |next| next.saturating_duration_since(shared.host.now()));
        tokio::select! {
            biased;
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl<H: Host> Shared<H> {
    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.host.fill_random(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn hello(&self, lane: route::Lane) -> Hello {
        let mut nonce = [0; NONCE_BYTES];
        self.host.fill_random(&mut nonce);
        let standing = self.mesh.lock().standing().clone();
        crate::handshake::hello(&self.config, &standing, lane, nonce, self.service.is_some())
    }

    async fn dial(self: Arc<Self>, dial: Dial) {
        let dialed = match tokio::time::timeout(DIAL_MAX, self.host.dial(&dial.address)).await {
            Ok(Ok(stream)) => {
                let greeted = tokio::time::timeout(HANDSHAKE_MAX, self.clone().greet(stream, &dial)).await;
                greeted.unwrap_or(Err(Failure::Silent))
            }
            Ok(Err(error)) => Err(Failure::Stream(error)),
            Err(_) => Err(Failure::Silent),
        };
        let ended = match &dialed {
            Ok(peer) => Dialed::Reached(*peer),
            Err(failure) => failure.dialed(),
        };
        let failures = self.mesh.lock().handle_dialed(&dial, &ended, self.host.now(), self.random());
        if let Err(failure) = dialed
            && failure.is_worth_a_line()
            && !self.stopped.load(Ordering::Acquire)
            && failures % DIAL_FAILURES_LOGGED == 1
        {
            let (address, lane) = (&dial.address, dial.lane.name());
            tracing::error!(address, lane, attempt = failures, why = %failure, "Error trying to connect to route");
        }
        self.wake.notify_one();
    }

    /// A connection that has been let in is served; false if it is not.
    fn serve(self: &Arc<Self>, stream: H::Stream, theirs: &Hello, number: u64, dialed: bool, address: String) -> bool {
        let message_max = crate::route::message_max(self.config.max_payload, theirs.max_payload);
        let Some(peer) = self.mesh.lock().peer(theirs.node) else { return false };
        let start = RouteStart {
            peer,
            number,
            dialed,
            address,
            frame_max: crate::route::frame_max(message_max),
            message_max: crate::route::message_max(
                usize::try_from(theirs.max_payload).unwrap_or(0),
                self.config.max_payload as u64,
            ),
            ping_interval: self.config.ping_interval,
            pings_out_max: self.config.pings_out_max,
            events: self.clone(),
            served: false,
        };
        self.host.serve_route(stream, start);
        true
    }

    /// Serves a lane until it ends; false if nobody would answer its calls.
    fn serve_lane(
        self: &Arc<Self>,
        stream: H::Stream,
        peer: PeerId,
        lane: Lane,
        number: u64,
        ending: Arc<Ending>,
    ) -> bool {
        let Some(service) = self.service.clone() else { return false };
        let shared = self.clone();
        tokio::spawn(async move {
            let table = shared.table.clone();
            let why = lane::run(stream, (peer, lane, number), &table, service, ending).await;
            tracing::debug!(peer, lane = lane.on_the_wire().name(), why = %why, "Lane closed");
            shared.connection_closed(peer, lane.on_the_wire(), number);
        });
        true
    }

    fn connection_closed(&self, peer: PeerId, lane: route::Lane, number: u64) {
        let random = self.random();
        self.mesh.lock().handle_closed(peer, lane, number, self.host.now(), random);
        self.wake.notify_one();
    }

    fn spread(&self, news: News) {
        for (outbound, frame) in news.gossip {
            outbound.send(&frame);
        }
        if let Some(urls) = news.connect_urls {
            self.broker.set_connect_urls(urls);
        }
        self.table.set_connected(self.mesh.lock().connected());
    }
}

impl<H: Host> RouteEvents for Shared<H> {
    fn opened(&self, peer: PeerId, number: u64, outbound: &Arc<Outbound>, traffic: &Arc<RouteTraffic>) {
        if !self.mesh.lock().opened(peer, number, outbound, traffic) {
            outbound.ask_to_close(CloseReason::DuplicateRoute);
        }
        self.wake.notify_one();
    }

    fn gossip(&self, peer: PeerId, gossip: Gossip) {
        let connected = {
            let mut mesh = self.mesh.lock();
            mesh.handle_gossip(peer, gossip, self.host.now());
            mesh.connected()
        };
        self.table.set_connected(connected);
        self.wake.notify_one();
    }

    fn closed(&self, peer: PeerId, number: u64) {
        self.connection_closed(peer, route::Lane::Route, number);
    }
}

/// Ends a lane that another one replaces.
#[derive(Default)]
struct Ending(Notify);

impl Closer for Ending {
    fn close(&self) {
        self.0.notify_one();
    }
}

impl Failure {
    /// What the mesh makes of it.
    fn dialed(&self) -> Dialed {
        match self {
            Self::Duplicate(peer) => Dialed::Reached(*peer),
            Self::Refused(Reason::Itself, _) => Dialed::Itself,
            _ => Dialed::Failed,
        }
    }

    /// What happens in every healthy cluster is no error.
    fn is_worth_a_line(&self) -> bool {
        !matches!(self, Self::Duplicate(_) | Self::Refused(Reason::Itself | Reason::Duplicate, _))
    }
}

#[cfg(test)]
mod tests;
