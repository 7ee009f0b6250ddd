//! What may go wrong between a client and the server, and the exact text a client is told.

use thiserror::Error;

/// Why decoding stopped. The connection ends after each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// Bytes that are no operation: answered with `Unknown Protocol Operation`.
    #[error("unknown protocol operation")]
    UnknownOperation,
    /// A control line over the limit.
    #[error("control line over the limit")]
    ControlLine,
    /// A payload over the limit.
    #[error("payload over the limit")]
    Payload,
    /// Arguments that make no sense: nats-server closes without a word, and so do we.
    #[error("malformed arguments: {0}")]
    Arguments(&'static str),
}

/// What a client is told in an `-ERR` line (nats-server `errors.go`, nats.md §1.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Unparsable bytes.
    UnknownOperation,
    /// Credentials refused, or an operation before CONNECT where credentials are needed.
    Authorization,
    /// No CONNECT in time.
    AuthenticationTimeout,
    /// The server has no room for one more connection.
    ConnectionsExceeded,
    /// The connection has no room for one more subscription. The connection stays.
    SubscriptionsExceeded,
    /// A payload over the limit.
    Payload,
    /// A control line over the limit.
    ControlLine,
    /// Pedantic only: the subject of a publish is not valid. The message is processed all the same.
    PublishSubject,
    /// The subject of a SUB is not valid. The connection stays.
    Subject,
    /// A publish to this subject is not allowed. The connection stays.
    PublishPermission(Vec<u8>),
    /// A publish with this reply subject is not allowed. The connection stays.
    ReplyPermission(Vec<u8>),
    /// A subscription to this subject, with this queue group, is not allowed. The connection stays.
    SubscribePermission(Vec<u8>, Option<Vec<u8>>),
    /// The subject of a SUB has more tokens than the server allows. The connection stays.
    TooManyTokens(Vec<u8>),
    /// PONGs are missing.
    Stale,
    /// CONNECT names a protocol other than 0 and 1.
    ClientProtocol,
    /// CONNECT asks for no-responders without headers.
    NoRespondersWithoutHeaders,
}

impl Violation {
    /// The text between the quotes.
    pub fn text(&self) -> Vec<u8> {
        let fixed: &[u8] = match self {
            Self::UnknownOperation => b"Unknown Protocol Operation",
            Self::Authorization => b"Authorization Violation",
            Self::AuthenticationTimeout => b"Authentication Timeout",
            Self::ConnectionsExceeded => b"maximum connections exceeded",
            Self::SubscriptionsExceeded => b"maximum subscriptions exceeded",
            Self::Payload => b"Maximum Payload Violation",
            Self::ControlLine => b"maximum control line exceeded",
            Self::PublishSubject => b"Invalid Publish Subject",
            Self::Subject => b"Invalid Subject",
            Self::Stale => b"Stale Connection",
            Self::ClientProtocol => b"invalid client protocol",
            Self::NoRespondersWithoutHeaders => b"no responders requires headers support",
            Self::PublishPermission(subject) => return quoted(b"Permissions Violation for Publish to ", subject),
            Self::ReplyPermission(reply) => return quoted(b"Permissions Violation for Publish with Reply of ", reply),
            Self::TooManyTokens(subject) => {
                let mut text = quoted(b"Permissions Violation for Subscription to ", subject);
                text.extend_from_slice(b", too many tokens");
                return text;
            }
            Self::SubscribePermission(subject, queue) => {
                let mut text = quoted(b"Permissions Violation for Subscription to ", subject);
                if let Some(queue) = queue {
                    text.extend_from_slice(&quoted(b" using queue ", queue));
                }
                return text;
            }
        };
        fixed.to_vec()
    }
}

impl ProtocolError {
    /// What the client is told before the connection ends; `None` where nats-server says nothing.
    pub fn violation(self) -> Option<Violation> {
        match self {
            Self::UnknownOperation => Some(Violation::UnknownOperation),
            Self::ControlLine => Some(Violation::ControlLine),
            Self::Payload => Some(Violation::Payload),
            Self::Arguments(_) => None,
        }
    }
}

fn quoted(before: &[u8], name: &[u8]) -> Vec<u8> {
    [before, b"\"", name, b"\""].concat()
}
