//! What a connection speaks: the protocol of clients, or that of the cluster's servers.

use forebay_auth::Decision;
use forebay_broker::{CloseReason, Handled, Outbound, Session, ThreadState};
use forebay_links::RouteSession;
use std::sync::Arc;
use std::time::Instant;

/// The machine behind a connection.
pub(crate) trait Speaker {
    /// It is a client: it waits for those that it publishes to where they are far behind, and is cut when it takes
    /// nothing for long. Another server does neither: one slow client must not hold up all others behind it.
    const IS_CLIENT: bool;

    fn outbound(&self) -> &Arc<Outbound>;
    fn handle_bytes(&mut self, thread: &mut ThreadState, bytes: &[u8]) -> Handled;
    fn handle_decision(&mut self, thread: &mut ThreadState, decision: Decision) -> Result<(), CloseReason>;
    fn handle_info_changed(&mut self, thread: &mut ThreadState);
    fn handle_timeout(&mut self, thread: &mut ThreadState) -> Result<(), CloseReason>;
    fn handle_close(&mut self, thread: &mut ThreadState, reason: CloseReason);
    fn poll_timeout(&self) -> Instant;
}

impl Speaker for Session {
    const IS_CLIENT: bool = true;

    fn outbound(&self) -> &Arc<Outbound> {
        self.outbound()
    }

    fn handle_bytes(&mut self, thread: &mut ThreadState, bytes: &[u8]) -> Handled {
        self.handle_bytes(thread, bytes)
    }

    fn handle_decision(&mut self, thread: &mut ThreadState, decision: Decision) -> Result<(), CloseReason> {
        self.handle_decision(thread, decision)
    }

    fn handle_info_changed(&mut self, thread: &mut ThreadState) {
        self.handle_info_changed(thread);
    }

    fn handle_timeout(&mut self, thread: &mut ThreadState) -> Result<(), CloseReason> {
        self.handle_timeout(thread)
    }

    fn handle_close(&mut self, thread: &mut ThreadState, reason: CloseReason) {
        self.handle_close(thread, reason);
    }

    fn poll_timeout(&self) -> Instant {
        self.poll_timeout()
    }
}

impl Speaker for RouteSession {
    const IS_CLIENT: bool = false;

    fn outbound(&self) -> &Arc<Outbound> {
        self.outbound()
    }

    fn handle_bytes(&mut self, thread: &mut ThreadState, bytes: &[u8]) -> Handled {
        self.handle_bytes(thread, bytes)
    }

    /// A server has proved itself before it is a route.
    fn handle_decision(&mut self, _: &mut ThreadState, _: Decision) -> Result<(), CloseReason> {
        Err(CloseReason::ProtocolViolation)
    }

    fn handle_info_changed(&mut self, _: &mut ThreadState) {}

    fn handle_timeout(&mut self, thread: &mut ThreadState) -> Result<(), CloseReason> {
        self.handle_timeout(thread)
    }

    fn handle_close(&mut self, thread: &mut ThreadState, reason: CloseReason) {
        self.handle_close(thread, reason);
    }

    fn poll_timeout(&self) -> Instant {
        self.poll_timeout()
    }
}
