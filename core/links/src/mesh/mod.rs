//! Who is to be connected with whom: a full mesh, grown from explicit addresses and from what other servers tell.
//!
//! A state machine without sockets. Commands: [`Mesh::expect`] and [`Mesh::admit`] judge a connection on its way,
//! [`Mesh::opened`], [`Mesh::handle_gossip`], [`Mesh::handle_closed`] and [`Mesh::handle_dialed`] tell it what happened;
//! [`Mesh::poll_dials`] says what to dial now, [`Mesh::poll_news`] what to tell others, [`Mesh::poll_timeout`] when to ask
//! again.
//!
//! When two servers dial each other at once, the connection that the smaller number dialed stays. Both decide so by
//! themselves.

mod target;

use crate::config::{LinksConfig, Standing};
use crate::handshake::{Refusal, duplicate_name};
use crate::limits::{GOSSIP_GRACE, TARGETS_MAX};
use crate::peer::PeerId;
use crate::{backoff, route::RouteTraffic};
use forebay_broker::{CloseReason, Outbound};
use forebay_protocol::route::gossip::{Gossip, Known};
use forebay_protocol::route::refuse::Reason;
use forebay_protocol::route::{Hello, Lane};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use target::Target;
pub use target::TargetId;

/// A server that this one is connected with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its incarnation.
    pub id: PeerId,
    /// Its name.
    pub server_name: String,
    /// Its public nkey.
    pub server_id: String,
    /// Where other servers reach it.
    pub route_address: String,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// How many servers it thinks the cluster is to have; 0 if nobody said.
    pub size: u32,
    /// The cluster's id, once it was born; as the server last told.
    pub cluster_id: Option<String>,
    /// It keeps nothing that a cluster could have written; as it last told.
    pub empty: bool,
    /// It takes connections on the lanes beside the route.
    pub peer_lanes: bool,
}

impl PeerInfo {
    fn of(hello: &Hello) -> Self {
        Self {
            id: hello.node,
            server_name: hello.server_name.clone(),
            server_id: hello.server_id.clone(),
            route_address: hello.route_address.clone(),
            client_urls: hello.client_urls.clone(),
            size: hello.size,
            cluster_id: hello.cluster_id.clone(),
            empty: hello.empty,
            peer_lanes: hello.peer_lanes,
        }
    }
}

/// Ends a connection that another one replaces. A route that is served is ended through its way out.
pub trait Closer: Send + Sync {
    /// Ends it.
    fn close(&self);
}

/// A connection that was let in.
struct Connection {
    number: u64,
    dialed: bool,
    closer: Arc<dyn Closer>,
}

struct Peer {
    info: PeerInfo,
    lanes: BTreeMap<Lane, Connection>,
    /// The way out of the route, once a core thread serves it.
    outbound: Option<Arc<Outbound>>,
    traffic: Option<Arc<RouteTraffic>>,
    knows: Vec<Known>,
    /// The address at which we reached it, if we dialed its route.
    dialed_at: Option<String>,
    /// Lanes that we tried in vain: how often, and when to try again.
    lane_tries: BTreeMap<Lane, (u32, Instant)>,
}

/// Something to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Where.
    pub address: String,
    /// For which lane.
    pub lane: Lane,
    /// Who is expected there, if anybody in particular.
    pub peer: Option<PeerId>,
    /// The target it is dialed for; `None` for a lane beside an existing route.
    pub target: Option<TargetId>,
}

/// How a dial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialed {
    /// The server answered: it is this one, now connected or already so.
    Reached(PeerId),
    /// It is this server itself.
    Itself,
    /// Nobody answered, or not as one of us.
    Failed,
}

/// What to tell others after something changed.
#[derive(Default)]
pub struct News {
    /// Frames to be sent on routes.
    pub gossip: Vec<(Arc<Outbound>, Vec<u8>)>,
    /// Where clients may connect now; `None` if clients are not told.
    pub connect_urls: Option<Vec<String>>,
}

/// The mesh as this server sees it.
pub struct Mesh {
    node: PeerId,
    client_urls: Vec<String>,
    no_advertise: bool,
    connect_retries: u32,
    peer_lanes: bool,
    standing: Standing,
    targets: Vec<Target>,
    next_target: u64,
    peers: BTreeMap<PeerId, Peer>,
    /// Handshakes of ours that wait for the other side.
    expected: BTreeSet<(PeerId, Lane)>,
    next_connection: u64,
    /// Clients were told of other servers once; from then on they are told of every change.
    told_clients: bool,
    /// Others have not been told yet what changed.
    changed: bool,
}

impl Mesh {
    /// A server that is connected with nobody yet. With `peer_lanes` it makes and takes the lanes beside the routes.
    pub fn new(config: &LinksConfig, peer_lanes: bool, now: Instant) -> Self {
        let mut mesh = Self {
            node: config.node,
            client_urls: config.client_urls.clone(),
            no_advertise: config.no_advertise,
            connect_retries: config.connect_retries,
            peer_lanes,
            standing: Standing::default(),
            targets: Vec::new(),
            next_target: 1,
            peers: BTreeMap::new(),
            expected: BTreeSet::new(),
            next_connection: 1,
            told_clients: false,
            changed: false,
        };
        for address in &config.routes {
            mesh.add_target(address, None, now);
        }
        mesh
    }

    fn add_target(&mut self, address: &str, peer: Option<PeerId>, next: Instant) {
        if self.targets.len() < TARGETS_MAX {
            let id = TargetId(self.next_target);
            self.next_target += 1;
            self.targets.push(Target::new(id, address, peer, next));
        }
    }

    /// What became of this server.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Something became of this server: everybody is told.
    pub fn set_standing(&mut self, standing: Standing) {
        self.changed |= self.standing != standing;
        self.standing = standing;
    }

    /// A number for a connection on its way.
    pub fn next_connection(&mut self) -> u64 {
        let number = self.next_connection;
        self.next_connection += 1;
        number
    }

    fn connection(&self, peer: PeerId, lane: Lane) -> Option<&Connection> {
        self.peers.get(&peer)?.lanes.get(&lane)
    }

    fn is_connected(&self, peer: PeerId) -> bool {
        self.connection(peer, Lane::Route).is_some()
    }

    fn duplicate(hello: &Hello) -> Refusal {
        Refusal::new(Reason::Duplicate, format!("there is a connection with {} already", hello.server_name))
    }

    /// We dialed, and this server answered: true if we want to go on. Followed by [`Mesh::expected_no_more`].
    ///
    /// # Errors
    /// What the other one is told.
    pub fn expect(&mut self, hello: &Hello) -> Result<(), Refusal> {
        let key = (hello.node, hello.lane);
        if self.connection(hello.node, hello.lane).is_some() || self.expected.contains(&key) {
            return Err(Self::duplicate(hello));
        }
        self.check_name(hello)?;
        self.expected.insert(key);
        Ok(())
    }

    /// The handshake that [`Mesh::expect`] let go on is over.
    pub fn expected_no_more(&mut self, peer: PeerId, lane: Lane) {
        self.expected.remove(&(peer, lane));
    }

    fn check_name(&self, hello: &Hello) -> Result<(), Refusal> {
        let taken = self.peers.values().any(|peer| {
            peer.info.id != hello.node && peer.info.server_name == hello.server_name && !peer.lanes.is_empty()
        });
        if taken { Err(duplicate_name(&hello.server_name)) } else { Ok(()) }
    }

    /// The other server has proved itself: lets the connection in, or not. What it replaces is closed.
    ///
    /// # Errors
    /// What the other one is told.
    pub fn admit(
        &mut self,
        hello: &Hello,
        number: u64,
        dialed_at: Option<&str>,
        closer: Arc<dyn Closer>,
    ) -> Result<(), Refusal> {
        self.check_name(hello)?;
        let (ours, theirs) = (self.node, hello.node);
        let dialed = dialed_at.is_some();
        if hello.lane != Lane::Route && !self.is_connected(theirs) {
            return Err(Refusal::new(Reason::Lane, "there is no route beside which a lane could be"));
        }
        if let Some(existing) = self.connection(theirs, hello.lane) {
            let keep = match (existing.dialed, dialed) {
                // Both dialed at once: the smaller number's connection stays.
                (true, false) => ours < theirs,
                (false, true) => theirs < ours,
                // Whoever dials again has lost the one before.
                (false, false) => false,
                (true, true) => true,
            };
            if keep {
                return Err(Self::duplicate(hello));
            }
            existing.closer.close();
        }
        let peer = self.peers.entry(theirs).or_insert_with(|| Peer {
            info: PeerInfo::of(hello),
            lanes: BTreeMap::new(),
            outbound: None,
            traffic: None,
            knows: Vec::new(),
            dialed_at: None,
            lane_tries: BTreeMap::new(),
        });
        if hello.lane == Lane::Route {
            if let Some(outbound) = &peer.outbound {
                outbound.ask_to_close(CloseReason::DuplicateRoute);
            }
            peer.info = PeerInfo::of(hello);
            peer.dialed_at = dialed_at.map(str::to_owned);
            (peer.outbound, peer.traffic) = (None, None);
        }
        peer.lane_tries.remove(&hello.lane);
        peer.lanes.insert(hello.lane, Connection { number, dialed, closer });
        Ok(())
    }

    /// A core thread serves the route now; false if it has been replaced meanwhile.
    pub(crate) fn opened(
        &mut self,
        peer: PeerId,
        number: u64,
        outbound: &Arc<Outbound>,
        traffic: &Arc<RouteTraffic>,
    ) -> bool {
        let is_it = |peer: &&mut Peer| peer.lanes.get(&Lane::Route).is_some_and(|route| route.number == number);
        let Some(found) = self.peers.get_mut(&peer).filter(is_it) else { return false };
        found.outbound = Some(outbound.clone());
        found.traffic = Some(traffic.clone());
        self.changed = true;
        true
    }

    /// Another server told what it knows.
    pub fn handle_gossip(&mut self, from: PeerId, gossip: Gossip, now: Instant) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        peer.knows = gossip.peers;
        peer.info.cluster_id = gossip.cluster_id;
        peer.info.empty = gossip.empty;
        self.reconcile(now);
    }

    /// A connection is over.
    pub fn handle_closed(&mut self, peer: PeerId, lane: Lane, number: u64, now: Instant, random: u64) {
        let is_it = |peer: &&mut Peer| peer.lanes.get(&lane).is_some_and(|connection| connection.number == number);
        let Some(found) = self.peers.get_mut(&peer).filter(is_it) else { return };
        found.lanes.remove(&lane);
        if lane == Lane::Route {
            found.knows = Vec::new();
            (found.outbound, found.traffic) = (None, None);
            for target in self.targets.iter_mut().filter(|target| target.peer == Some(peer)) {
                target.lost(now, random);
            }
        } else {
            found.lane_tries.insert(lane, (1, now + backoff::pause(1, random)));
        }
        if found.lanes.is_empty() {
            self.peers.remove(&peer);
        }
        self.reconcile(now);
        self.changed = true;
    }

    /// Dials those that others know and we are not connected with, and forgets those that nobody knows any more.
    fn reconcile(&mut self, now: Instant) {
        let mut known: BTreeMap<PeerId, String> = BTreeMap::new();
        for peer in self.peers.values().filter(|peer| peer.lanes.contains_key(&Lane::Route)) {
            let reachable = peer.knows.iter().filter(|known| !known.address.is_empty() && known.node != self.node);
            known.extend(reachable.map(|known| (known.node, known.address.clone())));
        }
        let retries = self.connect_retries;
        self.targets.retain_mut(|target| {
            if target.explicit || target.dialing {
                return true;
            }
            let vouched = target.peer.is_some_and(|peer| known.contains_key(&peer) || self.peers.contains_key(&peer));
            if vouched {
                target.unknown_failures = 0;
            }
            vouched || target.unknown_failures < retries
        });
        for (node, address) in known {
            if self.is_connected(node) || self.targets.iter().any(|target| target.peer == Some(node)) {
                continue;
            }
            // Both hear of each other: one begins.
            let next = if self.node < node { now } else { now + GOSSIP_GRACE };
            self.add_target(&address, Some(node), next);
        }
    }

    /// What to dial now. Each ends with [`Mesh::handle_dialed`].
    pub fn poll_dials(&mut self, now: Instant) -> Vec<Dial> {
        let mut dials = Vec::new();
        let peers = &self.peers;
        let is_connected = |peer: PeerId| peers.get(&peer).is_some_and(|peer| peer.lanes.contains_key(&Lane::Route));
        for target in &mut self.targets {
            if target.is_due(now) && !target.peer.is_some_and(is_connected) {
                target.dialing = true;
                dials.push(Dial {
                    address: target.address.clone(),
                    lane: Lane::Route,
                    peer: target.peer.filter(|_| !target.explicit),
                    target: Some(target.id),
                });
            }
        }
        for (id, peer) in self.peers.iter_mut().filter(|_| self.peer_lanes) {
            for (lane, address) in peer.missing_lanes(now) {
                if self.expected.contains(&(*id, lane)) {
                    continue;
                }
                // Until the dial has ended it is not tried again.
                peer.lane_tries.entry(lane).or_insert((0, now)).1 = now + crate::limits::DIAL_MAX * 3;
                dials.push(Dial { address, lane, peer: Some(*id), target: None });
            }
        }
        dials
    }

    /// A dial has ended; says how often it has failed in a row.
    pub fn handle_dialed(&mut self, dial: &Dial, dialed: &Dialed, now: Instant, random: u64) -> u32 {
        let Some(id) = dial.target else {
            return match (dial.peer.and_then(|peer| self.peers.get_mut(&peer)), dialed) {
                (Some(peer), Dialed::Failed) => {
                    let tries = peer.lane_tries.entry(dial.lane).or_insert((0, now));
                    *tries = (tries.0.saturating_add(1), now + backoff::pause(tries.0 + 1, random));
                    tries.0
                }
                _ => 0,
            };
        };
        let vouched = |peer| self.peers.values().any(|other| other.knows.iter().any(|known| known.node == peer));
        let unknown = self.targets.iter().find(|target| target.id == id).and_then(|target| target.peer);
        let unknown = unknown.is_some_and(|peer| !vouched(peer));
        let Some(target) = self.targets.iter_mut().find(|target| target.id == id) else { return 0 };
        target.ended(dialed, unknown, now, random);
        let failures = target.failures;
        // Who is connected under another number than we heard of is that other server now.
        self.reconcile(now);
        failures
    }

    /// When [`Mesh::poll_dials`] may have something new.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let targets = self.targets.iter().filter(|target| {
            !target.dialing && !target.itself && !target.peer.is_some_and(|peer| self.is_connected(peer))
        });
        let lanes = self.peers.values().filter(|peer| self.peer_lanes && peer.makes_lanes());
        let lanes = lanes.flat_map(|peer| peer.lane_tries.values().map(|(_, next)| *next));
        targets.map(|target| target.next).chain(lanes).min()
    }

    /// What is known of a connected server.
    pub fn peer(&self, id: PeerId) -> Option<PeerInfo> {
        self.peers.get(&id).map(|peer| peer.info.clone())
    }

    /// The servers that this one has a route with.
    pub fn connected(&self) -> Vec<PeerInfo> {
        let routed = self.peers.values().filter(|peer| peer.lanes.contains_key(&Lane::Route));
        routed.map(|peer| peer.info.clone()).collect()
    }

    /// The routes that core threads serve.
    pub(crate) fn routes(&self) -> Vec<(PeerInfo, bool, Arc<Outbound>, Arc<RouteTraffic>)> {
        let shown = |peer: &Peer| {
            let dialed = peer.lanes.get(&Lane::Route)?.dialed;
            Some((peer.info.clone(), dialed, peer.outbound.clone()?, peer.traffic.clone()?))
        };
        self.peers.values().filter_map(shown).collect()
    }

    /// Ends all connections.
    pub fn close_all(&self) {
        for connection in self.peers.values().flat_map(|peer| peer.lanes.values()) {
            connection.closer.close();
        }
    }

    /// What others and clients are to be told now. Whoever asks sends it before it asks again: the last word counts.
    pub fn poll_news(&mut self) -> Option<News> {
        std::mem::take(&mut self.changed).then(|| self.news())
    }

    fn news(&mut self) -> News {
        let routed = || self.peers.values().filter(|peer| peer.lanes.contains_key(&Lane::Route));
        let mut news = News::default();
        for to in routed() {
            let Some(outbound) = &to.outbound else { continue };
            let others = routed().filter(|peer| peer.info.id != to.info.id);
            let peers = others.map(|peer| Known { node: peer.info.id, address: peer.info.route_address.clone() });
            let Standing { cluster_id, empty } = self.standing.clone();
            let mut frame = Vec::new();
            Gossip { cluster_id, empty, peers: peers.collect() }.encode(&mut frame);
            news.gossip.push((outbound.clone(), frame));
        }
        let theirs: Vec<String> = routed().flat_map(|peer| peer.info.client_urls.iter().cloned()).collect();
        // As nats-server: a server alone says nothing, one that was in company once goes on to tell.
        self.told_clients |= !theirs.is_empty();
        if self.told_clients && !self.no_advertise {
            let mut urls = self.client_urls.clone();
            for url in theirs {
                if !urls.contains(&url) {
                    urls.push(url);
                }
            }
            news.connect_urls = Some(urls);
        }
        news
    }
}

impl Peer {
    /// True if the other lanes are ours to dial: whoever dialed the route dials them too.
    fn makes_lanes(&self) -> bool {
        self.info.peer_lanes && self.dialed_at.is_some() && self.lanes.contains_key(&Lane::Route)
    }

    fn missing_lanes(&self, now: Instant) -> Vec<(Lane, String)> {
        let Some(address) = self.dialed_at.as_ref().filter(|_| self.makes_lanes()) else { return Vec::new() };
        let missing = Lane::ALL.into_iter().filter(|lane| !self.lanes.contains_key(lane));
        let due = missing.filter(|lane| self.lane_tries.get(lane).is_none_or(|(_, next)| *next <= now));
        due.map(|lane| (lane, address.clone())).collect()
    }
}

#[cfg(test)]
mod tests;
