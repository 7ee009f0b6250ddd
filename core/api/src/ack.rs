//! Acks: the reply subject of a delivery, and what an ack's body says.
//!
//! The subject is `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<ns>.<pending>` (nine tokens,
//! ADR-15). The newer form has domain and account hash before the stream and may have more tokens at the end; it is
//! accepted, and not written (nats-server writes it behind a feature flag).

use crate::decimal::{parse_decimal, push_decimal};
use crate::duration::Nanos;

const TOKENS_V1: usize = 9;
const TOKENS_V2: usize = 11;

/// What a delivery's reply subject tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckReply {
    /// How often the message was delivered, this time included.
    pub deliveries: u64,
    /// The message's number in the stream.
    pub stream_seq: u64,
    /// The delivery's number.
    pub consumer_seq: u64,
    /// When the message was stored, in nanoseconds since the epoch.
    pub timestamp_ns: i64,
    /// Matching messages not yet delivered, after this one.
    pub pending: u64,
}

/// Whose ack a subject is, and what else it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckSubject<'a> {
    /// The stream's name.
    pub stream: &'a [u8],
    /// The consumer's name.
    pub consumer: &'a [u8],
    /// The numbers.
    pub reply: AckReply,
}

/// The part of the subject that is the same for every delivery of a consumer: `$JS.ACK.<stream>.<consumer>.`.
#[must_use]
pub fn reply_prefix(stream: &str, consumer: &str) -> Box<[u8]> {
    format!("$JS.ACK.{stream}.{consumer}.").into_bytes().into_boxed_slice()
}

/// The filter that all acks of a consumer match, in the older form.
#[must_use]
pub fn reply_filter(stream: &str, consumer: &str) -> String {
    format!("$JS.ACK.{stream}.{consumer}.>")
}

impl AckReply {
    /// Appends the subject to `out`, after the consumer's [`reply_prefix`].
    pub fn write(&self, out: &mut Vec<u8>, prefix: &[u8]) {
        out.extend_from_slice(prefix);
        push_decimal(out, self.deliveries);
        out.push(b'.');
        push_decimal(out, self.stream_seq);
        out.push(b'.');
        push_decimal(out, self.consumer_seq);
        out.push(b'.');
        push_decimal(out, u64::try_from(self.timestamp_ns).unwrap_or(0));
        out.push(b'.');
        push_decimal(out, self.pending);
    }
}

impl<'a> AckSubject<'a> {
    /// Reads a subject of either form; nothing for any other subject, and for numbers that are none.
    #[must_use]
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let rest = subject.strip_prefix(b"$JS.ACK.")?;
        let count = 3 + memchr::memchr_iter(b'.', rest).count();
        let mut tokens = rest.split(|byte| *byte == b'.');
        match count {
            TOKENS_V1 => {}
            TOKENS_V2.. => {
                // The domain and the account's hash.
                tokens.next()?;
                tokens.next()?;
            }
            _ => return None,
        }
        let stream = tokens.next()?;
        let consumer = tokens.next()?;
        let mut number = || parse_decimal(tokens.next()?);
        let (deliveries, stream_seq, consumer_seq) = (number()?, number()?, number()?);
        let timestamp_ns = i64::try_from(number()?).ok()?;
        let reply = AckReply { deliveries, stream_seq, consumer_seq, timestamp_ns, pending: number()? };
        Some(Self { stream, consumer, reply })
    }
}

/// What an ack's body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckKind<'a> {
    /// Done: empty, `+ACK` or `+OK`.
    Ack,
    /// Deliver again: `-NAK`, at once or after a delay (`-NAK 5s`, `-NAK {"delay":5000000000}`). A delay that can not
    /// be read counts as none.
    Nak {
        /// How long to wait.
        delay: Option<Nanos>,
    },
    /// Still working: `+WPI`.
    Progress,
    /// Done, and a pull request: `+NXT`, with the request's body.
    Next {
        /// For [`crate::pull::PullRequest::parse`].
        request: &'a [u8],
    },
    /// Never again: `+TERM`, perhaps with a reason.
    Term {
        /// For the advisory; empty if none.
        reason: &'a [u8],
    },
    /// Something else, which nats-server ignores.
    Unknown,
}

impl<'a> AckKind<'a> {
    /// Reads an ack's body, without headers.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Self {
        if body.is_empty() || body == b"+ACK" || body == b"+OK" {
            return Self::Ack;
        }
        if body == b"+WPI" {
            return Self::Progress;
        }
        if let Some(request) = body.strip_prefix(b"+NXT") {
            return Self::Next { request };
        }
        if let Some(delay) = body.strip_prefix(b"-NAK") {
            return Self::Nak { delay: parse_delay(delay.trim_ascii()) };
        }
        match body.strip_prefix(b"+TERM") {
            Some(reason) => Self::Term { reason: reason.trim_ascii() },
            None => Self::Unknown,
        }
    }
}

fn parse_delay(text: &[u8]) -> Option<Nanos> {
    #[derive(serde::Deserialize)]
    struct Options {
        #[serde(default)]
        delay: i64,
    }
    match text.first()? {
        b'{' => serde_json::from_slice::<Options>(text).ok().map(|options| Nanos(options.delay)),
        _ => std::str::from_utf8(text).ok().and_then(|text| Nanos::parse_go(text).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: AckReply = AckReply {
        deliveries: 1,
        stream_seq: 7,
        consumer_seq: 3,
        timestamp_ns: 1_795_371_114_896_481_653,
        pending: 42,
    };
    const V1: &[u8] = b"$JS.ACK.S.C.1.7.3.1795371114896481653.42";

    #[test]
    fn the_subject_that_is_written_reads_back() {
        let mut out = Vec::new();
        REPLY.write(&mut out, &reply_prefix("S", "C"));
        assert_eq!(out, V1);
        assert_eq!(AckSubject::parse(&out), Some(AckSubject { stream: b"S", consumer: b"C", reply: REPLY }));
    }

    #[test]
    fn the_newer_form_is_accepted_with_and_without_more_tokens() {
        for tail in ["", ".xyz", ".x.y.z"] {
            let subject = format!("$JS.ACK._.hash1234.S.C.1.7.3.1795371114896481653.42{tail}");
            let parsed = AckSubject::parse(subject.as_bytes()).unwrap();
            assert_eq!((parsed.stream, parsed.consumer, parsed.reply), (&b"S"[..], &b"C"[..], REPLY));
        }
    }

    #[test]
    fn other_subjects_are_not_acks() {
        for subject in [
            &b"$JS.ACK.S.C.1.7.3.4"[..],
            b"$JS.ACK.a.S.C.1.7.3.4.5",
            b"$JS.ACK.S.C.1.-7.3.4.5",
            b"$JS.ACK.S.C.1.7.3.99999999999999999999.5",
            b"$JS.FC.S.C.1.7.3.4.5",
            b"$JS.ACK.",
            b"",
        ] {
            assert_eq!(AckSubject::parse(subject), None);
        }
    }

    #[test]
    fn the_bodies_of_acks_are_read_as_nats_server_reads_them() {
        let delay = Some(Nanos::from_secs(5));
        for (body, kind) in [
            (&b""[..], AckKind::Ack),
            (b"+ACK", AckKind::Ack),
            (b"+OK", AckKind::Ack),
            (b"-NAK", AckKind::Nak { delay: None }),
            (b"-NAK 5s", AckKind::Nak { delay }),
            (b"-NAK {\"delay\": 5000000000}", AckKind::Nak { delay }),
            (b"-NAK {\"delay\": \"x\"}", AckKind::Nak { delay: None }),
            (b"-NAK soon", AckKind::Nak { delay: None }),
            (b"+WPI", AckKind::Progress),
            (b"+WPI ", AckKind::Unknown),
            (b"+NXT", AckKind::Next { request: b"" }),
            (b"+NXT {\"batch\":5}", AckKind::Next { request: b" {\"batch\":5}" }),
            (b"+TERM", AckKind::Term { reason: b"" }),
            (b"+TERM no such user", AckKind::Term { reason: b"no such user" }),
            (b"hello", AckKind::Unknown),
        ] {
            assert_eq!(AckKind::parse(body), kind, "{body:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_reply_subject_reads_back(numbers: [u64; 4], time in 0..i64::MAX) {
            let [deliveries, stream_seq, consumer_seq, pending] = numbers;
            let reply = AckReply { deliveries, stream_seq, consumer_seq, timestamp_ns: time, pending };
            let mut out = Vec::new();
            reply.write(&mut out, &reply_prefix("ORDERS", "worker-1"));
            proptest::prop_assert_eq!(AckSubject::parse(&out).map(|subject| subject.reply), Some(reply));
        }

        #[test]
        fn no_subject_or_body_panics(bytes: Vec<u8>) {
            let _ = AckSubject::parse(&bytes);
            let _ = AckKind::parse(&bytes);
        }
    }
}
