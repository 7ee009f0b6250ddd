//! What a thread does with messages for subscribers inside the server: JetStream and the system services.

use crate::account::Account;
use crate::thread_state::ThreadState;
use std::sync::Arc;

/// A message on its way in, as an internal subscriber sees it. Parts that do not exist are empty.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// The subject it was published to.
    pub subject: &'a [u8],
    /// The reply subject.
    pub reply: &'a [u8],
    /// The raw header block.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// The connection it came from; 0 for the server itself.
    pub connection: u64,
}

/// One per thread; called on that thread, in the turn that read the message.
pub trait Ingress: Send {
    /// A message matched the internal subscription made with number `target`.
    fn message(&mut self, thread: &mut ThreadState, account: &Arc<Account>, target: u64, message: &Inbound<'_>);

    /// A plugin dropped a message that would have matched the internal subscription `target`: whoever waits at `reply`
    /// is told so. False if this subscriber has nothing to say to that.
    fn dropped(&mut self, thread: &mut ThreadState, account: &Arc<Account>, target: u64, reply: &[u8]) -> bool;

    /// The name of the stream behind `target`, if it is a stream.
    fn stream_name(&self, target: u64) -> Option<Arc<str>>;

    /// The messages that follow, until [`Ingress::release`], were made of one: a store that takes several of them keeps
    /// all or none, whatever crashes.
    fn hold(&mut self);

    /// Ends what [`Ingress::hold`] began.
    fn release(&mut self, thread: &mut ThreadState);

    /// The turn is over: what gathered goes on its way.
    fn turn_end(&mut self, thread: &mut ThreadState);
}
