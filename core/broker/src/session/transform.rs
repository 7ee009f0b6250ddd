//! A client's message that goes through plugins before anybody gets it (DESIGN §4.5, "What clients see").

use super::Session;
use super::operation::Turn;
use crate::deliver::Made;
use crate::hooks::{BoundTransforms, Emit, MessageRef, TransformVerdict};
use crate::limits::EMITS_BYTES_MAX;
use crate::thread_state::ThreadState;
use forebay_api::error::ApiError;
use forebay_api::publish::write_refusal;
use forebay_protocol::{Publish, Violation};

impl Session {
    /// Takes a message through the plugins in the thread's `bound`, and does what they say.
    #[cold]
    #[inline(never)]
    pub(super) fn handle_bound(&mut self, thread: &mut ThreadState, publish: &Publish<'_>) -> Turn {
        let bound = std::mem::take(&mut thread.bound);
        let verdict = judge(thread, &bound, publish);
        if !matches!(verdict, TransformVerdict::Reject(_)) {
            self.stage_ok(thread);
        }
        match verdict {
            TransformVerdict::Pass => {
                let made = Made {
                    subject: publish.subject,
                    reply: publish.reply,
                    headers: publish.headers,
                    payload: publish.payload,
                };
                if !thread.publish_made(&self.account, &made, self.outbound.id, !self.options.echo) {
                    self.handle_nobody(thread, publish);
                }
            }
            TransformVerdict::Replace(emits) => self.publish_emits(thread, publish, &emits),
            TransformVerdict::Drop => self.tell_dropped(thread, publish),
            TransformVerdict::Reject(reason) => self.tell_rejected(thread, publish, reason),
        }
        if thread.take_limit_hit() { Turn::Ends } else { Turn::GoesOn }
    }

    /// Publishes what the plugins made: all of it or, where one subject is not allowed, nothing.
    fn publish_emits(&self, thread: &mut ThreadState, publish: &Publish<'_>, emits: &[Emit]) {
        let refused =
            emits.iter().filter_map(|emit| emit.subject.as_deref()).find(|subject| Self::is_reserved(subject));
        if let Some(subject) = refused {
            let subject = String::from_utf8_lossy(subject);
            return self.tell_rejected(thread, publish, format!("a plugin may not publish to \"{subject}\""));
        }
        let original = message(thread, publish);
        let several = emits.len() > 1;
        let most = EMITS_BYTES_MAX.max(thread.broker().config().payload_max);
        if several && total_bytes(&original, emits) > most {
            let reason = format!("the messages that plugins made of this one are more than {most} bytes together");
            return self.tell_rejected(thread, publish, reason);
        }
        if several {
            thread.with_ingress(|ingress, _| ingress.hold());
        }
        let mut any = false;
        for (at, emit) in emits.iter().enumerate() {
            let emitted = emit.as_message(&original, at == 0);
            let made = Made {
                subject: emitted.subject,
                reply: emitted.reply,
                headers: emitted.headers,
                payload: emitted.payload,
            };
            any |= thread.publish_made(&self.account, &made, self.outbound.id, !self.options.echo);
        }
        if several {
            thread.with_ingress(|ingress, thread| ingress.release(thread));
        }
        if !any {
            self.handle_nobody(thread, publish);
        }
    }

    /// Where a stream would have taken the message, it says that it did not; elsewhere nobody says anything.
    fn tell_dropped(&self, thread: &mut ThreadState, publish: &Publish<'_>) {
        if publish.reply.is_empty() {
            return;
        }
        for target in thread.internal_targets(&self.account, publish.subject) {
            let told =
                thread.with_ingress(|ingress, thread| ingress.dropped(thread, &self.account, target, publish.reply));
            if told == Some(true) {
                return;
            }
        }
    }

    /// The publisher learns the reason where it waits for an answer. Otherwise it gets the one error that clients
    /// survive: they close for good on those that they do not know.
    fn tell_rejected(&self, thread: &mut ThreadState, publish: &Publish<'_>, reason: String) {
        tracing::debug!(subject = %String::from_utf8_lossy(publish.subject), reason, "A plugin rejected a message");
        if publish.reply.is_empty() {
            return self.refuse(thread, &Violation::PublishPermission(publish.subject.to_vec()));
        }
        let error = ApiError { description: reason.into(), ..ApiError::bad_request() };
        let mut body = Vec::new();
        match self.stream_of(thread, publish.subject) {
            Some(stream) => write_refusal(&mut body, &stream, &error),
            None => {
                body.extend_from_slice(b"{\"error\":");
                body.extend_from_slice(&forebay_api::json::to_vec(&error));
                body.push(b'}');
            }
        }
        thread.publish_internal(&self.account, publish.reply, b"", b"", &body);
    }

    fn stream_of(&self, thread: &mut ThreadState, subject: &[u8]) -> Option<std::sync::Arc<str>> {
        let targets = thread.internal_targets(&self.account, subject);
        thread.with_ingress(|ingress, _| targets.iter().find_map(|target| ingress.stream_name(*target))).flatten()
    }
}

fn message<'a>(thread: &ThreadState, publish: &Publish<'a>) -> MessageRef<'a> {
    MessageRef {
        subject: publish.subject,
        reply: publish.reply,
        headers: publish.headers,
        payload: publish.payload,
        sequence: 0,
        time_ns: thread.wall_ns(),
    }
}

/// What several messages are together.
fn total_bytes(original: &MessageRef<'_>, emits: &[Emit]) -> usize {
    let messages = emits.iter().map(|emit| emit.as_message(original, false));
    messages.map(|message| message.subject.len() + message.headers.len() + message.payload.len()).sum()
}

fn judge(thread: &mut ThreadState, bound: &BoundTransforms, publish: &Publish<'_>) -> TransformVerdict {
    let message = message(thread, publish);
    match &mut thread.transforms {
        Some(transforms) => transforms.transform_all(bound, &message),
        None => TransformVerdict::Pass,
    }
}

#[cfg(test)]
mod tests;
