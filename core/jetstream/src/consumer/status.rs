//! Status messages: what a client that pulls, or listens, is told besides messages, in nats-server's words.

use std::io::Write as _;
use std::sync::Arc;

use crate::id::{ConsumerKey, Position};

/// A message without a body whose header block is a status line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The consumer that says it.
    pub key: ConsumerKey,
    /// To whom: a pull request's reply subject or the deliver subject.
    pub to: Arc<[u8]>,
    /// What.
    pub kind: StatusKind,
}

/// What a request still asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Messages, as the request counted them.
    pub messages: i64,
    /// Bytes; 0 if it had no limit.
    pub bytes: u64,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusKind {
    /// 100, with the positions.
    IdleHeartbeat {
        /// The last delivery.
        last: Position,
        /// The flow control question that is still open.
        stalled: Option<Box<[u8]>>,
    },
    /// 100; the client publishes an empty message to `reply`.
    FlowControl {
        /// Where the answer goes: the message's reply subject.
        reply: Box<[u8]>,
    },
    /// 400.
    BadRequest {
        /// Why.
        why: Box<str>,
    },
    /// 404.
    NoMessages,
    /// 408, the time is over.
    RequestTimeout {
        /// What is left of the request.
        left: Left,
    },
    /// 408, others wait for what there is.
    RequestsPending,
    /// 409, the next message does not fit.
    MessageTooLarge {
        /// What is left of the request.
        left: Left,
    },
    /// 409, the batch is full and bytes are left.
    BatchCompleted {
        /// What is left of the request.
        left: Left,
    },
    /// 409, with the text after `Exceeded `.
    Exceeded {
        /// Which limit, such as `MaxWaiting` or `MaxRequestBatch of 5`.
        what: Box<str>,
    },
    /// 409.
    ConsumerDeleted,
    /// 409.
    PushBased,
    /// 409.
    LeadershipChange {
        /// What is left of the request.
        left: Left,
    },
    /// 409.
    ServerShutdown {
        /// What is left of the request.
        left: Left,
    },
}

impl Status {
    /// The reply subject of the status message, if it has one.
    #[must_use]
    pub fn reply(&self) -> Option<&[u8]> {
        match &self.kind {
            StatusKind::FlowControl { reply } => Some(reply),
            _ => None,
        }
    }

    /// Appends the header block (nats-server consumer.go, the `JsPull…` and `NATS/1.0` literals).
    pub fn encode_headers(&self, out: &mut Vec<u8>) {
        let (line, left): (&str, Option<Left>) = match &self.kind {
            StatusKind::IdleHeartbeat { last, stalled } => return encode_heartbeat(*last, stalled.as_deref(), out),
            StatusKind::BadRequest { why } => return encode_text(out, "400 Bad Request - ", why),
            StatusKind::Exceeded { what } => return encode_text(out, "409 Exceeded ", what),
            StatusKind::FlowControl { .. } => ("100 FlowControl Request", None),
            StatusKind::NoMessages => ("404 No Messages", None),
            StatusKind::RequestTimeout { left } => ("408 Request Timeout", Some(*left)),
            StatusKind::RequestsPending => ("408 Requests Pending", None),
            StatusKind::MessageTooLarge { left } => ("409 Message Size Exceeds MaxBytes", Some(*left)),
            StatusKind::BatchCompleted { left } => ("409 Batch Completed", Some(*left)),
            StatusKind::ConsumerDeleted => ("409 Consumer Deleted", None),
            StatusKind::PushBased => ("409 Consumer is push based", None),
            StatusKind::LeadershipChange { left } => ("409 Leadership Change", Some(*left)),
            StatusKind::ServerShutdown { left } => ("409 Server Shutdown", Some(*left)),
        };
        out.extend_from_slice(b"NATS/1.0 ");
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
        if let Some(Left { messages, bytes }) = left {
            put(out, format_args!("Nats-Pending-Messages: {messages}\r\nNats-Pending-Bytes: {bytes}\r\n"));
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn encode_text(out: &mut Vec<u8>, line: &str, text: &str) {
    // A header line must not break, whatever a request's parser put into the reason.
    let text = text.replace(['\r', '\n'], " ");
    put(out, format_args!("NATS/1.0 {line}{text}\r\n\r\n"));
}

fn encode_heartbeat(last: Position, stalled: Option<&[u8]>, out: &mut Vec<u8>) {
    let Position { cseq, sseq } = last;
    let head = "NATS/1.0 100 Idle Heartbeat\r\n";
    put(out, format_args!("{head}Nats-Last-Consumer: {cseq}\r\nNats-Last-Stream: {sseq}\r\n"));
    if let Some(subject) = stalled {
        out.extend_from_slice(b"Nats-Consumer-Stalled: ");
        out.extend_from_slice(subject);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a Vec takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: StatusKind) -> String {
        let mut out = Vec::new();
        Status { key: ConsumerKey::default(), to: Arc::from(&b"r"[..]), kind }.encode_headers(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn statuses_are_nats_servers_bytes() {
        assert_eq!(text(StatusKind::NoMessages), "NATS/1.0 404 No Messages\r\n\r\n");
        assert_eq!(
            text(StatusKind::RequestTimeout { left: Left { messages: 3, bytes: 0 } }),
            "NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 3\r\nNats-Pending-Bytes: 0\r\n\r\n"
        );
        assert_eq!(
            text(StatusKind::Exceeded { what: "MaxWaiting".into() }),
            "NATS/1.0 409 Exceeded MaxWaiting\r\n\r\n"
        );
        assert_eq!(
            text(StatusKind::BadRequest { why: "heartbeat\r\n value".into() }),
            "NATS/1.0 400 Bad Request - heartbeat   value\r\n\r\n"
        );
        assert_eq!(
            text(StatusKind::IdleHeartbeat {
                last: Position { cseq: 1, sseq: 2 },
                stalled: Some(b"$JS.FC.S.C.1"[..].into())
            }),
            "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\nNats-Last-Stream: 2\r\n\
             Nats-Consumer-Stalled: $JS.FC.S.C.1\r\n\r\n"
        );
    }
}
