//! The way out to one connection: a short lock, a buffer, and the writing role.
//!
//! Any thread writes to any connection. Whoever finds nobody writing takes the role, leaves the lock, and sends without
//! blocking; others append meanwhile, and the writer takes over what they left for a few rounds. After a short write
//! the rest waits in the buffer and the connection's owner is woken to go on when the socket takes more.

use crate::limits::{
    COMBINE_ROUNDS, ROUTE_CONGESTED_ABOVE, ROUTE_PENDING_MAX, ROUTE_STALL_TURNS, STALL_DENOMINATOR, STALL_NUMERATOR,
    STALL_TURNS,
};
use parking_lot::{Mutex, MutexGuard};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What bytes leave through: a socket, TLS or WebSocket, as the server has it.
pub trait Sink: Send + Sync {
    /// Sends what can be sent without blocking; returns how much.
    ///
    /// # Errors
    /// `WouldBlock` if nothing can be sent now; anything else ends the connection.
    fn try_send(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Wakes the connection's owner.
    fn wake_owner(&self, why: Wake);
}

/// Why an owner is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Bytes wait for the socket to take more.
    Write,
    /// The connection must end.
    Close(CloseReason),
}

/// Why a connection ended (nats-server `client.go` ClosedState).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CloseReason {
    ClientClosed,
    AuthenticationTimeout,
    AuthenticationFailure,
    SlowConsumerPendingBytes,
    SlowConsumerWriteDeadline,
    WriteError,
    ReadError,
    ParseError,
    StaleConnection,
    ProtocolViolation,
    BadClientProtocolVersion,
    MaxConnectionsExceeded,
    MaxPayloadExceeded,
    MaxControlLineExceeded,
    ServerShutdown,
    NoRespondersRequiresHeaders,
    DuplicateRoute,
    RouteRemoved,
    WrongPort,
}

impl CloseReason {
    /// The text that `/connz` and events show.
    pub fn text(self) -> &'static str {
        match self {
            Self::ClientClosed => "Client Closed",
            Self::AuthenticationTimeout => "Authentication Timeout",
            Self::AuthenticationFailure => "Authentication Failure",
            Self::SlowConsumerPendingBytes => "Slow Consumer (Pending Bytes)",
            Self::SlowConsumerWriteDeadline => "Slow Consumer (Write Deadline)",
            Self::WriteError => "Write Error",
            Self::ReadError => "Read Error",
            Self::ParseError => "Parse Error",
            Self::StaleConnection => "Stale Connection",
            Self::ProtocolViolation => "Protocol Violation",
            Self::BadClientProtocolVersion => "Bad Client Protocol Version",
            Self::MaxConnectionsExceeded => "Maximum Connections Exceeded",
            Self::MaxPayloadExceeded => "Maximum Message Payload Exceeded",
            Self::MaxControlLineExceeded => "Maximum Control Line Exceeded",
            Self::ServerShutdown => "Server Shutdown",
            Self::NoRespondersRequiresHeaders => "No Responders Requires Headers",
            Self::DuplicateRoute => "Duplicate Route",
            Self::RouteRemoved => "Route Removed",
            Self::WrongPort => "Incorrect Port",
        }
    }

    /// True if the reader was too slow.
    pub fn is_slow_consumer(self) -> bool {
        matches!(self, Self::SlowConsumerPendingBytes | Self::SlowConsumerWriteDeadline)
    }
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    /// How much of `pending` has been sent.
    sent: usize,
    /// Somebody sends outside the lock.
    writing: bool,
    /// The owner has been woken and will send.
    armed: bool,
    closed: bool,
}

/// The way out to one connection.
pub struct Outbound {
    /// The connection's number.
    pub id: u64,
    state: Mutex<State>,
    sink: Box<dyn Sink>,
    pending_max: usize,
    /// What may wait before publishers are held back, and for how many pauses they are.
    congested_above: usize,
    stall_turns: usize,
    /// The longest message that the other end takes.
    pub(crate) message_max: usize,
    /// Messages that were longer.
    too_long: AtomicU64,
    waiting: AtomicUsize,
    headers: AtomicBool,
    messages: AtomicU64,
    bytes: AtomicU64,
}

/// What is known after the owner sent what waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Nothing waits.
    All,
    /// The socket takes no more now.
    Blocked,
    /// Somebody else is sending, and wakes the owner if something is left.
    Busy,
    /// The connection is over.
    Closed,
}

impl Outbound {
    /// A way out through `sink`, holding at most `pending_max` bytes.
    pub fn new(id: u64, sink: Box<dyn Sink>, pending_max: usize) -> Self {
        Self {
            id,
            state: Mutex::default(),
            sink,
            pending_max,
            congested_above: pending_max / STALL_DENOMINATOR * STALL_NUMERATOR,
            stall_turns: STALL_TURNS,
            message_max: usize::MAX,
            too_long: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            headers: AtomicBool::new(false),
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// A way out to another server that takes messages of at most `message_max` bytes: more may wait for it than for a
    /// client, and publishers to it are held back sooner and longer.
    pub fn for_route(id: u64, sink: Box<dyn Sink>, message_max: usize) -> Self {
        let route = Self::new(id, sink, ROUTE_PENDING_MAX);
        route.set_headers(true);
        Self { congested_above: ROUTE_CONGESTED_ABOVE, stall_turns: ROUTE_STALL_TURNS, message_max, ..route }
    }

    /// For how many pauses a publisher to it is held back while it is congested.
    pub fn stall_turns(&self) -> usize {
        self.stall_turns
    }

    /// True if the client understands HMSG.
    pub fn headers(&self) -> bool {
        self.headers.load(Ordering::Relaxed)
    }

    pub(crate) fn set_headers(&self, headers: bool) {
        self.headers.store(headers, Ordering::Relaxed);
    }

    /// A message was longer than the other end takes; true for the first one.
    pub(crate) fn count_too_long(&self) -> bool {
        self.too_long.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Messages and payload bytes that left for the connection.
    pub fn sent_counts(&self) -> (u64, u64) {
        (self.messages.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    pub(crate) fn count_sent(&self, messages: u64, bytes: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// True if so much waits that publishers should hold back.
    #[inline]
    pub fn is_congested(&self) -> bool {
        self.waiting_bytes() > self.congested_above
    }

    /// True once the connection is over.
    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Sends `bytes`, or leaves them for who is sending, or for the owner.
    pub fn send(&self, bytes: &[u8]) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if state.writing || state.armed {
            state.pending.extend_from_slice(bytes);
            let waiting = state.pending.len() - state.sent;
            self.waiting.store(waiting, Ordering::Relaxed);
            if waiting > self.pending_max {
                self.fail(&mut state, CloseReason::SlowConsumerPendingBytes);
            }
            return;
        }
        state.writing = true;
        drop(state);
        self.write(bytes);
    }

    /// Sends with the writing role, then what others appended meanwhile.
    fn write(&self, bytes: &[u8]) {
        let mut result = self.send_some(bytes);
        let mut state = self.state.lock();
        let mut rest = Self::rest_of(bytes, &mut result);
        for round in 0.. {
            if let Err(reason) = result {
                self.fail(&mut state, reason);
                break;
            }
            if state.closed {
                break;
            }
            if !rest.is_empty() {
                rest.extend_from_slice(&state.pending);
                state.pending = rest;
                state.sent = 0;
                return self.hand_to_owner(state);
            }
            if state.pending.is_empty() {
                break;
            }
            if round == COMBINE_ROUNDS {
                return self.hand_to_owner(state);
            }
            let taken = std::mem::take(&mut state.pending);
            drop(state);
            result = self.send_some(&taken);
            rest = Self::rest_of(&taken, &mut result);
            state = self.state.lock();
        }
        self.waiting.store(0, Ordering::Relaxed);
        state.writing = false;
    }

    fn rest_of(bytes: &[u8], result: &mut Result<usize, CloseReason>) -> Vec<u8> {
        match result {
            Ok(sent) => bytes.get(*sent..).unwrap_or_default().to_vec(),
            Err(_) => Vec::new(),
        }
    }

    fn hand_to_owner(&self, mut state: MutexGuard<'_, State>) {
        let waiting = state.pending.len();
        self.waiting.store(waiting, Ordering::Relaxed);
        state.writing = false;
        if waiting > self.pending_max {
            return self.fail(&mut state, CloseReason::SlowConsumerPendingBytes);
        }
        state.armed = true;
        drop(state);
        self.sink.wake_owner(Wake::Write);
    }

    /// One send; `Ok(0)` if the socket takes nothing now.
    fn send_some(&self, bytes: &[u8]) -> Result<usize, CloseReason> {
        match self.sink.try_send(bytes) {
            Ok(sent) => Ok(sent),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(_) => Err(CloseReason::WriteError),
        }
    }

    /// The connection cannot go on: what waits is dropped, and the owner ends it.
    fn fail(&self, state: &mut State, reason: CloseReason) {
        state.closed = true;
        state.pending = Vec::new();
        state.sent = 0;
        self.waiting.store(0, Ordering::Relaxed);
        self.sink.wake_owner(Wake::Close(reason));
    }

    /// The owner's turn: sends what waits until nothing does or the socket takes no more.
    pub fn drain(&self) -> Drained {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return Drained::Closed;
            }
            if state.writing {
                return Drained::Busy;
            }
            if state.pending.is_empty() {
                state.armed = false;
                return Drained::All;
            }
            let taken = std::mem::take(&mut state.pending);
            let from = std::mem::take(&mut state.sent);
            state.writing = true;
            state.armed = true;
            drop(state);
            let result = self.send_some(&taken[from..]);
            state = self.state.lock();
            state.writing = false;
            match result {
                Err(reason) => {
                    self.fail(&mut state, reason);
                    return Drained::Closed;
                }
                Ok(sent) if from + sent < taken.len() => {
                    return self.keep_rest(&mut state, taken, from + sent);
                }
                Ok(_) => self.waiting.store(state.pending.len(), Ordering::Relaxed),
            }
        }
    }

    fn keep_rest(&self, state: &mut State, mut rest: Vec<u8>, sent: usize) -> Drained {
        if state.closed {
            return Drained::Closed;
        }
        rest.extend_from_slice(&state.pending);
        state.pending = rest;
        state.sent = sent;
        if sent > 1 << 20 {
            state.pending.drain(..sent);
            state.sent = 0;
        }
        self.waiting.store(state.pending.len() - state.sent, Ordering::Relaxed);
        Drained::Blocked
    }

    /// Ends it from the owner's side: nothing is sent any more.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.pending = Vec::new();
        state.sent = 0;
        self.waiting.store(0, Ordering::Relaxed);
    }

    /// Asks the owner to end the connection.
    pub fn ask_to_close(&self, reason: CloseReason) {
        self.sink.wake_owner(Wake::Close(reason));
    }
}

#[cfg(test)]
mod tests;
