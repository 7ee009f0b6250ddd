//! CONNECT, and whether the client may stay.

use super::{Session, Stage};
use crate::outbound::CloseReason;
use crate::thread_state::ThreadState;
use forebay_auth::{Credentials, Decision, authenticate};
use forebay_protocol::Violation;

impl Session {
    /// Takes a CONNECT document. Returns credentials whose check takes long.
    pub(super) fn handle_connect(
        &mut self,
        thread: &mut ThreadState,
        json: &[u8],
    ) -> Result<Option<Credentials>, CloseReason> {
        if self.options.merge(json).is_err() {
            return Err(CloseReason::ProtocolViolation);
        }
        if !(0..=1).contains(&self.options.protocol) {
            self.refuse(thread, &Violation::ClientProtocol);
            return Err(CloseReason::BadClientProtocolVersion);
        }
        // A second CONNECT starts over (nats-server `processConnect`).
        for (_, subscription) in std::mem::take(&mut self.subscriptions) {
            thread.finish(&self.account, &subscription);
        }
        if !self.options.account.is_empty() {
            return Err(self.deny(thread));
        }
        let credentials = self.credentials();
        let broker = thread.broker().clone();
        let auth = &broker.config().auth;
        if auth.is_expensive_for(&credentials) {
            self.stage = Stage::Authenticating;
            return Ok(Some(credentials));
        }
        let decision = authenticate(auth, &credentials);
        self.handle_decision(thread, decision).map(|()| None)
    }

    fn credentials(&self) -> Credentials {
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        Credentials {
            user: given(&self.options.user),
            password: given(&self.options.password),
            token: given(&self.options.token),
        }
    }

    /// The credentials of the last CONNECT were checked.
    ///
    /// # Errors
    /// The reason to end the connection.
    pub fn handle_decision(&mut self, thread: &mut ThreadState, decision: Decision) -> Result<(), CloseReason> {
        let Decision::Allowed(allowed) = decision else { return Err(self.deny(thread)) };
        self.account = thread.broker().account(&allowed.account);
        self.stage = Stage::Open;
        self.connected = true;
        self.timers.authenticated();
        self.limits.headers = self.options.headers;
        if self.outbound.headers() != self.options.headers {
            self.outbound.set_headers(self.options.headers);
            thread.headers_changed(&self.outbound);
        }
        self.stage_ok(thread);
        if self.options.no_responders && !self.options.headers {
            self.refuse(thread, &Violation::NoRespondersWithoutHeaders);
            return Err(CloseReason::NoRespondersRequiresHeaders);
        }
        Ok(())
    }

    fn deny(&self, thread: &mut ThreadState) -> CloseReason {
        self.refuse(thread, &Violation::Authorization);
        CloseReason::AuthenticationFailure
    }
}
