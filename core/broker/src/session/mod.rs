//! A client's connection as a state machine without a socket.
//!
//! Inputs: [`Session::handle_open`], [`Session::handle_bytes`], [`Session::handle_decision`],
//! [`Session::handle_timeout`], [`Session::handle_info_changed`], [`Session::handle_close`]. Getter:
//! [`Session::poll_timeout`]. What it says leaves through the thread's staging, in order with what is delivered to it.

mod connect;
mod operation;
mod timer;
mod transform;

use crate::account::Account;
use crate::outbound::{CloseReason, Outbound};
use crate::subscription::Subscription;
use crate::thread_state::ThreadState;
use forebay_auth::Credentials;
use forebay_protocol::client::decode::{DecodeLimits, Decoded, decode};
use forebay_protocol::client::encode;
use forebay_protocol::connect::ConnectOptions;
use forebay_protocol::{ClientOp, ProtocolError, Violation};
use hashbrown::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use timer::Timers;

/// What became of the bytes of one read.
#[derive(Debug)]
pub enum Handled {
    /// So many were consumed; with at least `need` bytes from there on, the next operation may be whole.
    Consumed {
        /// Bytes that are done with.
        bytes: usize,
        /// Length of the next operation as far as it is known.
        need: usize,
    },
    /// The turn ends early, so that others wait for no more than one call that hit its limit. So many bytes were
    /// consumed; hand in the rest again when the others had their turn.
    Yield {
        /// Bytes that are done with.
        bytes: usize,
    },
    /// Checking these credentials takes long: do it elsewhere, then call [`Session::handle_decision`]. So many bytes
    /// were consumed; the rest waits.
    Authenticate {
        /// Bytes that are done with.
        bytes: usize,
        /// What to check.
        credentials: Credentials,
    },
    /// The connection is over; what is staged may still be sent.
    Close(CloseReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Credentials are needed and have not come.
    AwaitingConnect,
    /// Credentials are being checked.
    Authenticating,
    /// Operations are welcome.
    Open,
}

/// A client's connection.
pub struct Session {
    outbound: Arc<Outbound>,
    peer: IpAddr,
    account: Arc<Account>,
    options: ConnectOptions,
    stage: Stage,
    limits: DecodeLimits,
    subscriptions: HashMap<Box<[u8]>, Arc<Subscription>>,
    connected: bool,
    first_pong_sent: bool,
    /// The generation of the cluster's facts that the client was told last.
    told_generation: u64,
    timers: Timers,
}

impl Session {
    /// A connection that has said nothing yet, in the global account.
    pub fn new(thread: &ThreadState, outbound: Arc<Outbound>, peer: IpAddr) -> Self {
        let broker = thread.broker();
        let config = broker.config();
        let required = config.auth.is_required();
        Self {
            account: broker.account(crate::GLOBAL_ACCOUNT),
            options: ConnectOptions::default(),
            stage: if required { Stage::AwaitingConnect } else { Stage::Open },
            limits: DecodeLimits {
                control_line_max: config.control_line_max,
                payload_max: config.payload_max,
                headers: false,
            },
            subscriptions: HashMap::new(),
            connected: false,
            first_pong_sent: false,
            told_generation: 0,
            timers: Timers::new(config, thread.now(), required),
            outbound,
            peer,
        }
    }

    /// The way out.
    pub fn outbound(&self) -> &Arc<Outbound> {
        &self.outbound
    }

    /// What the client said of itself.
    pub fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// The connection was made: says INFO. With `room` false the server is full, and the connection ends.
    ///
    /// # Errors
    /// The reason to end the connection.
    pub fn handle_open(&mut self, thread: &mut ThreadState, room: bool) -> Result<(), CloseReason> {
        self.stage_info(thread, false);
        if !room {
            self.refuse(thread, &Violation::ConnectionsExceeded);
            return Err(CloseReason::MaxConnectionsExceeded);
        }
        Ok(())
    }

    /// Takes what was read, with what was left over from before in front of it.
    pub fn handle_bytes(&mut self, thread: &mut ThreadState, bytes: &[u8]) -> Handled {
        let mut at = 0;
        self.timers.heard(thread.now());
        thread.refresh_transforms();
        while self.stage != Stage::Authenticating {
            let rest = bytes.get(at..).unwrap_or_default();
            let (op, taken) = match decode(rest, &self.limits) {
                Ok(Decoded::Op(op, taken)) => (op, taken),
                Ok(Decoded::Partial(need)) => {
                    if let Err(reason) = self.check_stage(thread, rest.first()) {
                        return Handled::Close(reason);
                    }
                    return Handled::Consumed { bytes: at, need };
                }
                Err(error) => return Handled::Close(self.protocol_error(thread, rest, error)),
            };
            at += taken;
            // The common operation first: nothing stands between it and delivery.
            if let ClientOp::Publish(publish) = &op
                && self.stage == Stage::Open
            {
                if self.handle_publish(thread, publish) {
                    return Handled::Yield { bytes: at };
                }
                continue;
            }
            match self.handle_op(thread, &op) {
                Ok(None) => {}
                Ok(Some(credentials)) => return Handled::Authenticate { bytes: at, credentials },
                Err(reason) => return Handled::Close(reason),
            }
        }
        Handled::Consumed { bytes: at, need: 0 }
    }

    /// Where credentials are needed, nothing may come before CONNECT (nats-server `parser.go`, `authErr`).
    fn check_stage(&self, thread: &mut ThreadState, verb: Option<&u8>) -> Result<(), CloseReason> {
        if self.stage == Stage::AwaitingConnect && verb.is_some_and(|verb| !matches!(verb, b'C' | b'c')) {
            self.refuse(thread, &Violation::Authorization);
            return Err(CloseReason::AuthenticationFailure);
        }
        Ok(())
    }

    fn protocol_error(&self, thread: &mut ThreadState, rest: &[u8], error: ProtocolError) -> CloseReason {
        if let Err(reason) = self.check_stage(thread, rest.first()) {
            return reason;
        }
        if let Some(violation) = error.violation() {
            self.refuse(thread, &violation);
        }
        match error {
            ProtocolError::UnknownOperation | ProtocolError::Arguments(_) => CloseReason::ParseError,
            ProtocolError::ControlLine => CloseReason::MaxControlLineExceeded,
            ProtocolError::Payload => CloseReason::MaxPayloadExceeded,
        }
    }

    /// The connection is over: its subscriptions go.
    pub fn handle_close(&mut self, thread: &mut ThreadState, reason: CloseReason) {
        for (_, subscription) in std::mem::take(&mut self.subscriptions) {
            thread.finish(&self.account, &subscription);
        }
        self.outbound.close();
        thread.broker().connection_closed(reason);
    }

    /// The next moment at which [`Session::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Instant {
        self.timers.next()
    }

    fn refuse(&self, thread: &mut ThreadState, violation: &Violation) {
        let mut line = Vec::new();
        encode::error(&mut line, violation);
        thread.stage_control(&self.outbound, &line);
    }

    fn stage_info(&mut self, thread: &mut ThreadState, connect_info: bool) {
        self.told_generation = thread.broker().cluster_generation();
        let mut info = thread.broker().config().info.clone();
        info.client_id = self.outbound.id;
        info.client_ip = self.peer.to_string();
        info.auth_required = thread.broker().config().auth.is_required();
        info.connect_info = connect_info;
        let cluster = thread.broker().cluster();
        info.cluster.clone_from(&cluster.name);
        info.connect_urls.clone_from(&cluster.connect_urls);
        if connect_info {
            info.remote_account = self.account.name.to_string();
        }
        let mut line = Vec::new();
        encode::info(&mut line, &info);
        thread.stage_control(&self.outbound, &line);
    }

    /// What INFO says has changed: clients that take it at any time are told (nats-server `sendAsyncInfoToClients`).
    pub fn handle_info_changed(&mut self, thread: &mut ThreadState) {
        let is_news = thread.broker().cluster_generation() != self.told_generation;
        if is_news && self.options.protocol >= 1 && self.first_pong_sent {
            self.stage_info(thread, false);
        }
    }

    fn stage_ok(&self, thread: &mut ThreadState) {
        if self.options.verbose {
            thread.stage_control(&self.outbound, encode::OK);
        }
    }
}

#[cfg(test)]
mod tests;
