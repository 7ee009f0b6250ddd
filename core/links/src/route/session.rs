//! A route as a state machine without a socket, on a core thread like a client's session.
//!
//! Inputs: [`RouteSession::handle_bytes`], [`RouteSession::handle_timeout`], [`RouteSession::handle_close`]. Getter:
//! [`RouteSession::poll_timeout`].

use super::{RouteEvents, RouteStart, RouteTraffic};
use crate::limits::{FIRST_PING, ROUTE_ACCOUNTS_MAX, ROUTE_INTEREST_MAX};
use forebay_broker::{Account, CloseReason, Handled, Outbound, Recipient, Subscription, ThreadState};
use forebay_protocol::limits::ROUTE_WORD_MAX;
use forebay_protocol::route::frame::{Decoded, Frame, Kind, decode};
use forebay_protocol::route::gossip::Gossip;
use forebay_protocol::route::interest::Interest;
use forebay_protocol::route::message::Message;
use forebay_protocol::route::{RouteError, ping, refuse};
use forebay_subject::is_valid_filter;
use hashbrown::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The interest of one account at the other server.
struct AccountInterest {
    account: Arc<Account>,
    /// By the filter, and behind a blank the queue group.
    subscriptions: HashMap<Vec<u8>, Arc<Subscription>>,
}

/// A route.
pub struct RouteSession {
    start: RouteStart,
    outbound: Arc<Outbound>,
    events: Arc<dyn RouteEvents>,
    traffic: Arc<RouteTraffic>,
    accounts: HashMap<Vec<u8>, AccountInterest>,
    subscriptions: usize,
    next_ping: Instant,
    pings_out: u32,
    ping_sent: Option<Instant>,
    last_heard: Instant,
}

/// Why a route cannot go on.
enum Fault {
    /// Bytes that make no sense.
    Frame(RouteError),
    /// More than a route may bring.
    TooMuch(&'static str),
    /// The other server ended it.
    Refused(String, CloseReason),
}

impl From<RouteError> for Fault {
    fn from(error: RouteError) -> Self {
        Self::Frame(error)
    }
}

impl RouteSession {
    /// A route that core threads write to from now on: the other server is told all interest here.
    pub fn open(mut start: RouteStart, thread: &mut ThreadState, outbound: Arc<Outbound>) -> Self {
        let events = start.events.clone();
        start.served = true;
        let traffic = Arc::new(RouteTraffic { address: start.address.clone(), ..RouteTraffic::default() });
        let now = thread.now();
        // nats-server's line, with what it leaves out behind it.
        let remote = &start.peer.server_name;
        tracing::info!(
            remote,
            solicited = start.dialed,
            "{} - rid:{} - Route connection created",
            start.address,
            outbound.id
        );
        thread.broker().route_opened(&outbound);
        events.opened(start.peer.id, start.number, &outbound, &traffic);
        Self {
            outbound,
            events,
            traffic,
            accounts: HashMap::new(),
            subscriptions: 0,
            next_ping: now + FIRST_PING.min(start.ping_interval),
            pings_out: 0,
            ping_sent: None,
            last_heard: now,
            start,
        }
    }

    /// The way out.
    pub fn outbound(&self) -> &Arc<Outbound> {
        &self.outbound
    }

    /// Takes what was read, with what was left over from before in front of it.
    pub fn handle_bytes(&mut self, thread: &mut ThreadState, bytes: &[u8]) -> Handled {
        self.last_heard = thread.now();
        let (mut at, mut messages) = (0, 0);
        let need = loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let handled = match decode(rest, self.start.frame_max) {
                Ok(Decoded::Partial(need)) => break need,
                Ok(Decoded::Frame(frame, taken)) => {
                    at += taken;
                    messages += u64::from(frame.kind == Kind::Message);
                    self.handle_frame(thread, &frame)
                }
                Err(error) => Err(Fault::Frame(error)),
            };
            if let Err(fault) = handled {
                return Handled::Close(self.report(fault));
            }
        };
        self.traffic.in_messages.fetch_add(messages, Ordering::Relaxed);
        self.traffic.in_bytes.fetch_add(at as u64, Ordering::Relaxed);
        Handled::Consumed { bytes: at, need }
    }

    #[inline]
    fn handle_frame(&mut self, thread: &mut ThreadState, frame: &Frame<'_>) -> Result<(), Fault> {
        match frame.kind {
            Kind::Message => self.handle_message(thread, &Message::decode(frame)?),
            Kind::Interest => self.handle_interest(thread, &Interest::decode(frame)?)?,
            Kind::Gossip => self.events.gossip(self.start.peer.id, Gossip::decode(frame)?),
            Kind::Ping => {
                let mut pong = Vec::new();
                ping::encode(&mut pong, Kind::Pong, ping::decode(frame)?);
                thread.stage_control(&self.outbound, &pong);
            }
            Kind::Pong => {
                ping::decode(frame)?;
                self.pings_out = 0;
                if let Some(sent) = self.ping_sent.take() {
                    let round_trip = thread.now().saturating_duration_since(sent);
                    self.traffic.set_round_trip(round_trip);
                }
            }
            Kind::Refuse => {
                let (reason, text) = refuse::decode(frame)?;
                let reason = match reason {
                    refuse::Reason::Duplicate => CloseReason::DuplicateRoute,
                    _ => CloseReason::RouteRemoved,
                };
                return Err(Fault::Refused(text, reason));
            }
            Kind::Hello | Kind::Proof | Kind::Call | Kind::Answer => {
                return Err(Fault::Frame(RouteError::Kind(frame.kind as u8)));
            }
        }
        Ok(())
    }

    #[inline]
    fn handle_message(&mut self, thread: &mut ThreadState, message: &Message<'_>) {
        let account = match self.accounts.get(message.account) {
            Some(known) => known.account.clone(),
            // Nobody there is interested in anything of it; somebody here may be.
            None => match std::str::from_utf8(message.account).ok().and_then(|name| thread.broker().find_account(name))
            {
                Some(account) => account,
                None => return,
            },
        };
        thread.publish_from_route(&account, message, self.outbound.id);
    }

    fn handle_interest(&mut self, thread: &mut ThreadState, interest: &Interest<'_>) -> Result<(), Fault> {
        let words = [Some(interest.account), Some(interest.filter), interest.queue];
        if words.into_iter().flatten().any(|word| word.is_empty() || word.len() > ROUTE_WORD_MAX) {
            return Err(Fault::Frame(RouteError::Body("interest in nothing, or in too long a subject")));
        }
        if !is_valid_filter(interest.filter) || interest.queue.is_some_and(|queue| queue.contains(&b' ')) {
            return Err(Fault::Frame(RouteError::Body("interest in what is no subject")));
        }
        let mut key = interest.filter.to_vec();
        if let Some(queue) = interest.queue {
            key.push(b' ');
            key.extend_from_slice(queue);
        }
        if interest.weight == 0 {
            self.forget(thread, interest.account, &key);
            return Ok(());
        }
        let of = self.account(thread, interest.account)?;
        if let Some(known) = of.subscriptions.get(&key) {
            known.set_weight(interest.weight);
            of.account.interest.changed(known);
            return Ok(());
        }
        if self.subscriptions >= ROUTE_INTEREST_MAX {
            return Err(Fault::TooMuch("filters"));
        }
        let id = thread.broker().next_subscription();
        let recipient = Recipient::Route(self.outbound.clone());
        let subscription = Arc::new(Subscription::new(id, interest.filter, interest.queue, b"", recipient));
        subscription.set_weight(interest.weight);
        let of = self.account(thread, interest.account)?;
        of.account.interest.insert(&subscription);
        of.subscriptions.insert(key, subscription);
        self.subscriptions += 1;
        self.traffic.subscriptions.store(self.subscriptions as u64, Ordering::Relaxed);
        Ok(())
    }

    fn forget(&mut self, thread: &ThreadState, account: &[u8], key: &[u8]) {
        let Some(of) = self.accounts.get_mut(account) else { return };
        let Some(subscription) = of.subscriptions.remove(key) else { return };
        of.account.interest.remove(&subscription);
        self.subscriptions -= 1;
        self.traffic.subscriptions.store(self.subscriptions as u64, Ordering::Relaxed);
        thread.broker().subscription_over();
    }

    fn account(&mut self, thread: &ThreadState, name: &[u8]) -> Result<&mut AccountInterest, Fault> {
        let known = self.accounts.len();
        match self.accounts.entry(name.to_vec()) {
            hashbrown::hash_map::Entry::Occupied(found) => Ok(found.into_mut()),
            hashbrown::hash_map::Entry::Vacant(place) => {
                let name = std::str::from_utf8(name).map_err(|_| RouteError::Body("an account without a name"))?;
                if known >= ROUTE_ACCOUNTS_MAX {
                    return Err(Fault::TooMuch("accounts"));
                }
                let account = thread.broker().account(name);
                Ok(place.insert(AccountInterest { account, subscriptions: HashMap::new() }))
            }
        }
    }

    fn report(&self, fault: Fault) -> CloseReason {
        let remote = &self.start.peer.server_name;
        match fault {
            Fault::Frame(error) => {
                tracing::error!(route = self.outbound.id, remote, error = %error, "A route brought what it must not");
                CloseReason::ParseError
            }
            Fault::TooMuch(what) => {
                tracing::error!(route = self.outbound.id, remote, what, "A route brought more than it may");
                CloseReason::ProtocolViolation
            }
            Fault::Refused(text, reason) => {
                tracing::debug!(route = self.outbound.id, remote, text, "The other server ended a route");
                reason
            }
        }
    }

    /// The next moment at which [`RouteSession::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Instant {
        self.next_ping
    }

    /// A ping may be due. A route is given up for silence only, never for being slow.
    ///
    /// # Errors
    /// The reason to end the connection.
    pub fn handle_timeout(&mut self, thread: &mut ThreadState) -> Result<(), CloseReason> {
        let now = thread.now();
        if self.next_ping > now {
            return Ok(());
        }
        let interval = self.start.ping_interval;
        self.next_ping = now + interval;
        let silent = now.saturating_duration_since(self.last_heard) >= interval;
        if !silent {
            self.pings_out = 0;
        }
        if self.pings_out >= self.start.pings_out_max {
            return Err(CloseReason::StaleConnection);
        }
        self.pings_out += 1;
        self.ping_sent = Some(now);
        let mut frame = Vec::new();
        ping::encode(&mut frame, Kind::Ping, u64::from(self.pings_out));
        thread.stage_control(&self.outbound, &frame);
        Ok(())
    }

    /// The connection is over: the interest that came over it goes.
    pub fn handle_close(&mut self, thread: &mut ThreadState, reason: CloseReason) {
        self.outbound.close();
        thread.broker().route_closed(&self.outbound);
        for (_, of) in self.accounts.drain() {
            for (_, subscription) in of.subscriptions {
                of.account.interest.remove(&subscription);
                thread.broker().subscription_over();
            }
        }
        let remote = &self.start.peer.server_name;
        if reason.is_slow_consumer() {
            let most = forebay_broker::limits::ROUTE_PENDING_MAX;
            tracing::error!(
                route = self.outbound.id,
                remote,
                most,
                "Too much waits for another server: its route is made anew"
            );
        }
        tracing::info!(
            "{} - rid:{} - Router connection closed: {} - Remote: {remote}",
            self.start.address,
            self.outbound.id,
            reason.text()
        );
        self.events.closed(self.start.peer.id, self.start.number);
    }

    /// The last measured round trip.
    pub fn round_trip(&self) -> Option<Duration> {
        self.traffic.round_trip()
    }
}
