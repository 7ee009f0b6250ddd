//! When a connection is asked whether it lives, and when it is given up.

use super::{Session, Stage};
use crate::broker::BrokerConfig;
use crate::limits::FIRST_PING_MS;
use crate::outbound::CloseReason;
use crate::thread_state::ThreadState;
use forebay_protocol::Violation;
use forebay_protocol::client::encode;
use std::time::{Duration, Instant};

/// A connection's deadlines. Getter: `next`; inputs: `heard`, `handle_pong`.
pub(super) struct Timers {
    auth_deadline: Option<Instant>,
    next_ping: Instant,
    ping_interval: Duration,
    pings_out: u32,
    pings_out_max: u32,
    last_heard: Instant,
    ping_sent: Option<Instant>,
    round_trip: Option<Duration>,
}

impl Timers {
    pub(super) fn new(config: &BrokerConfig, now: Instant, auth_required: bool) -> Self {
        Self {
            auth_deadline: auth_required.then(|| now + config.auth_timeout),
            next_ping: now + config.ping_interval.min(Duration::from_millis(FIRST_PING_MS)),
            ping_interval: config.ping_interval,
            pings_out: 0,
            pings_out_max: config.pings_out_max,
            last_heard: now,
            ping_sent: None,
            round_trip: None,
        }
    }

    #[inline]
    pub(super) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    pub(super) fn authenticated(&mut self) {
        self.auth_deadline = None;
    }

    pub(super) fn handle_pong(&mut self, now: Instant) {
        self.pings_out = 0;
        if let Some(sent) = self.ping_sent.take() {
            self.round_trip = Some(now.saturating_duration_since(sent));
        }
    }

    pub(super) fn next(&self) -> Instant {
        self.auth_deadline.map_or(self.next_ping, |deadline| deadline.min(self.next_ping))
    }
}

impl Session {
    /// A deadline may have passed (nats-server `processPingTimer`, `authTimeout`).
    ///
    /// # Errors
    /// The reason to end the connection.
    pub fn handle_timeout(&mut self, thread: &mut ThreadState) -> Result<(), CloseReason> {
        let now = thread.now();
        if self.timers.auth_deadline.is_some_and(|deadline| deadline <= now) {
            self.refuse(thread, &Violation::AuthenticationTimeout);
            return Err(CloseReason::AuthenticationTimeout);
        }
        if self.timers.next_ping > now {
            return Ok(());
        }
        self.timers.next_ping = now + self.timers.ping_interval;
        // Who speaks lives; the first PING measures the round trip all the same.
        let silent = now.saturating_duration_since(self.timers.last_heard) >= self.timers.ping_interval;
        if self.stage != Stage::Open || (!silent && self.timers.round_trip.is_some()) {
            return Ok(());
        }
        if self.timers.pings_out + 1 > self.timers.pings_out_max {
            self.refuse(thread, &Violation::Stale);
            return Err(CloseReason::StaleConnection);
        }
        self.timers.pings_out += 1;
        self.timers.ping_sent = Some(now);
        thread.stage_control(&self.outbound, encode::PING);
        Ok(())
    }

    /// The last measured round trip.
    pub fn round_trip(&self) -> Option<Duration> {
        self.timers.round_trip
    }
}
