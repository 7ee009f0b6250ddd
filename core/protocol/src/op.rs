//! The words of the client protocol.

/// What a client says. Everything borrows from the bytes that were decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientOp<'a> {
    /// `CONNECT {json}`.
    Connect(&'a [u8]),
    /// `PUB` or `HPUB`.
    Publish(Publish<'a>),
    /// `SUB subject [queue] sid`.
    Subscribe {
        /// The filter, not yet checked.
        subject: &'a [u8],
        /// The queue group.
        queue: Option<&'a [u8]>,
        /// The client's name for the subscription.
        sid: &'a [u8],
    },
    /// `UNSUB sid [max]`.
    Unsubscribe {
        /// The client's name for the subscription.
        sid: &'a [u8],
        /// Deliveries, counted from the SUB, after which the subscription ends; `None` ends it now, as does a number
        /// that cannot be read (nats-server `processUnsub`).
        max: Option<u64>,
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `-ERR …`: the client gives up (nats-server closes without a word).
    Error,
    /// `+OK` or `INFO …`, which a client may say and nobody minds.
    Ignored,
}

/// A message on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The subject, not checked.
    pub subject: &'a [u8],
    /// The reply subject; empty if there is none.
    pub reply: &'a [u8],
    /// The header block, as sent; empty for `PUB`.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// True if there is a header block: an `HPUB` whose block has no bytes is a plain message.
    pub has_headers: bool,
    /// What stands behind the subject in the frame, `[reply ]sizes\r\n` up to and with the last CRLF, if it is in the
    /// form that a subscriber gets; `None` if the client wrote tabs, several spaces or a bare line feed.
    pub frame_tail: Option<&'a [u8]>,
    /// The sizes as the client wrote them (`size` or `hdrlen totlen`): subscribers get the same digits.
    pub sizes: (&'a [u8], &'a [u8]),
}
