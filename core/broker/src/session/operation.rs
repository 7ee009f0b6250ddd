//! What each operation of an open connection does.

use super::{Session, Stage};
use crate::deliver::Published;
use crate::outbound::CloseReason;
use crate::subscription::{Recipient, Subscription};
use crate::thread_state::ThreadState;
use forebay_auth::Credentials;
use forebay_protocol::client::encode;
use forebay_protocol::headers;
use forebay_protocol::{ClientOp, Publish, Violation};
use forebay_subject::token::tokens;
use forebay_subject::{filter_matches, is_valid_filter, is_valid_literal};
use std::sync::Arc;

/// The queue group that only the server may use.
const SYSTEM_QUEUE: &[u8] = b"_sys_";
/// Subjects that no client may publish to (nats-server `client.go`, reserved prefixes).
const RESERVED_SUBJECTS: [&[u8]; 2] = [b"$NRG.", b"_GR_."];
/// Reply subjects that no client may publish with.
const RESERVED_REPLIES: [&[u8]; 3] = [b"$JS.ACK.", b"_R_.", b"_GR_."];

/// Whether the turn goes on after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It does.
    GoesOn,
    /// The message is done, and a plugin's call hit its limit: the turn ends.
    Ends,
    /// A plugin's call has hit its limit in this turn, and the message needs one: it waits for the next turn.
    IsOver,
}

impl Session {
    /// One operation that is not a publish on an open connection.
    pub(super) fn handle_op(
        &mut self,
        thread: &mut ThreadState,
        op: &ClientOp<'_>,
    ) -> Result<Option<Credentials>, CloseReason> {
        if let ClientOp::Connect(json) = op {
            return self.handle_connect(thread, json);
        }
        if self.stage == Stage::AwaitingConnect {
            self.refuse(thread, &Violation::Authorization);
            return Err(CloseReason::AuthenticationFailure);
        }
        match op {
            ClientOp::Connect(_) | ClientOp::Ignored => {}
            ClientOp::Error => return Err(CloseReason::ClientClosed),
            // An open connection's publish does not come here.
            ClientOp::Publish(publish) => {
                self.handle_publish(thread, publish);
            }
            ClientOp::Subscribe { subject, queue, sid } => self.handle_subscribe(thread, subject, *queue, sid),
            ClientOp::Unsubscribe { sid, max } => self.handle_unsubscribe(thread, sid, *max),
            ClientOp::Ping => self.handle_ping(thread),
            ClientOp::Pong => self.timers.handle_pong(thread.now()),
        }
        Ok(None)
    }

    /// A message from the client.
    #[inline]
    pub(super) fn handle_publish(&mut self, thread: &mut ThreadState, publish: &Publish<'_>) -> Turn {
        if thread.is_limit_hit() && !thread.transforms_for(&self.account, publish.subject).is_empty() {
            return Turn::IsOver;
        }
        thread.in_messages += 1;
        thread.in_bytes += (publish.headers.len() + publish.payload.len()) as u64;
        if self.options.pedantic && !is_valid_literal(publish.subject) {
            self.refuse(thread, &Violation::PublishSubject);
        }
        if !self.may_publish(thread, publish) {
            return Turn::GoesOn;
        }
        // What plugins may refuse is not said to be OK before.
        if self.options.verbose && thread.transforms_for(&self.account, publish.subject).is_empty() {
            self.stage_ok(thread);
        }
        match thread.publish(&self.account, publish, self.outbound.id, !self.options.echo) {
            Published::Delivered => {}
            Published::Nobody => self.handle_nobody(thread, publish),
            Published::Bound => return self.handle_bound(thread, publish),
        }
        Turn::GoesOn
    }

    #[inline]
    pub(super) fn handle_nobody(&self, thread: &mut ThreadState, publish: &Publish<'_>) {
        if self.options.no_responders && !publish.reply.is_empty() {
            self.tell_no_responders(thread, publish);
        }
    }

    /// True for the subjects that no client may publish to.
    #[inline]
    pub(super) fn is_reserved(subject: &[u8]) -> bool {
        matches!(subject.first(), Some(b'$' | b'_'))
            && RESERVED_SUBJECTS.iter().any(|prefix| subject.starts_with(prefix))
    }

    /// Subjects and replies that are the server's own.
    #[inline]
    fn may_publish(&self, thread: &mut ThreadState, publish: &Publish<'_>) -> bool {
        if Self::is_reserved(publish.subject) {
            self.refuse(thread, &Violation::PublishPermission(publish.subject.to_vec()));
            return false;
        }
        if matches!(publish.reply.first(), Some(b'$' | b'_'))
            && RESERVED_REPLIES.iter().any(|prefix| publish.reply.starts_with(prefix))
        {
            self.refuse(thread, &Violation::ReplyPermission(publish.reply.to_vec()));
            return false;
        }
        true
    }

    /// Nobody answers: a subscription of this connection that would get the reply is told so (ADR-32).
    #[cold]
    fn tell_no_responders(&self, thread: &mut ThreadState, publish: &Publish<'_>) {
        let listener = self
            .subscriptions
            .values()
            .find(|one| one.queue.is_none() && !one.is_closed() && filter_matches(&one.filter, publish.reply));
        let Some(listener) = listener else { return };
        let mut block = Vec::new();
        headers::no_responders(&mut block, publish.subject);
        let size = block.len();
        let mut frame = [b"HMSG ", publish.reply, b" ", &listener.sid, b" "].concat();
        encode::number(&mut frame, size);
        frame.push(b' ');
        encode::number(&mut frame, size);
        for part in [encode::CRLF, &block, encode::CRLF] {
            frame.extend_from_slice(part);
        }
        thread.stage_control(&self.outbound, &frame);
    }

    fn handle_subscribe(&mut self, thread: &mut ThreadState, subject: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
        if queue == Some(SYSTEM_QUEUE) {
            let violation = Violation::SubscribePermission(subject.to_vec(), queue.map(<[u8]>::to_vec));
            return self.refuse(thread, &violation);
        }
        if !is_valid_filter(subject) {
            return self.refuse(thread, &Violation::Subject);
        }
        let most_tokens = thread.broker().config().subscription_tokens_max;
        if most_tokens != 0 && tokens(subject).count() > most_tokens {
            return self.refuse(thread, &Violation::TooManyTokens(subject.to_vec()));
        }
        self.forget_finished(sid);
        if self.subscriptions.contains_key(sid) {
            return self.stage_ok(thread);
        }
        let most = thread.broker().config().subscriptions_max;
        if most != 0 && self.subscriptions.len() >= most {
            return self.refuse(thread, &Violation::SubscriptionsExceeded);
        }
        let recipient = Recipient::Connection(self.outbound.clone());
        let id = thread.broker().next_subscription();
        let subscription = Arc::new(Subscription::new(id, subject, queue, sid, recipient));
        self.subscriptions.insert(sid.into(), subscription.clone());
        self.account.interest.insert(&subscription);
        self.stage_ok(thread);
    }

    /// A subscription that reached its maximum leaves its sid free.
    fn forget_finished(&mut self, sid: &[u8]) {
        if self.subscriptions.get(sid).is_some_and(|known| known.is_closed()) {
            self.subscriptions.remove(sid);
        }
    }

    fn handle_unsubscribe(&mut self, thread: &mut ThreadState, sid: &[u8], max: Option<u64>) {
        if let Some(subscription) = self.subscriptions.get(sid).cloned() {
            // What this turn delivered so far counts.
            thread.staging.report_delivered();
            let goes_on = match max {
                Some(max) if max > 0 => subscription.set_max(max),
                _ => false,
            };
            if goes_on {
                self.account.interest.changed(&subscription);
            } else {
                self.subscriptions.remove(sid);
                thread.finish(&self.account, &subscription);
            }
        }
        self.stage_ok(thread);
    }

    fn handle_ping(&mut self, thread: &mut ThreadState) {
        thread.stage_control(&self.outbound, encode::PONG);
        if self.connected && !self.first_pong_sent {
            self.first_pong_sent = true;
            if self.options.protocol >= 1 {
                self.stage_info(thread, true);
            }
        }
    }
}
