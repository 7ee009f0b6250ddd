//! Advisories: what JetStream tells whoever listens on `$JS.EVENT.ADVISORY.>`.
//!
//! Each is sent only when somebody listens. Id (22 random characters) and time are arguments.

use serde::Serialize;

use crate::json::to_vec;
use crate::omit::is_zero;
use crate::time::Time;

/// The prefix of every advisory's subject.
pub const ADVISORY_PREFIX: &str = "$JS.EVENT.ADVISORY.";
/// The prefix of every advisory's type.
const TYPE_PREFIX: &str = "io.nats.jetstream.advisory.v1.";

/// An advisory: where it goes, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The consumer; empty for the stream's own.
    pub consumer: &'a str,
    /// The JetStream domain; empty if there is none.
    pub domain: &'a str,
    /// What happened.
    pub event: Event<'a>,
}

/// What happened to a stream or consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// It was created.
    Created,
    /// A stream was changed.
    Updated,
    /// It was deleted.
    Deleted,
    /// A consumer was paused, or goes on.
    Paused {
        /// It is paused now.
        paused: bool,
        /// Until when; the zero time if it goes on.
        until: Time,
    },
    /// A message was delivered as often as it may be.
    MaxDeliveries {
        /// The message.
        stream_seq: u64,
        /// How often.
        deliveries: u64,
    },
    /// A client refused a delivery.
    Naked(Delivery),
    /// A client wants a message never again.
    Terminated {
        /// Which delivery.
        delivery: Delivery,
        /// What the client said; may be empty.
        reason: &'a str,
    },
}

/// One delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub consumer_seq: u64,
    /// The message.
    pub stream_seq: u64,
    /// How often the message was delivered.
    pub deliveries: u64,
}

impl Event<'_> {
    /// The subject's verb and the type, for a stream and for a consumer.
    fn names(&self) -> [(&'static str, &'static str); 2] {
        let consumer_only = |verb, kind| [(verb, kind); 2];
        match self {
            Self::Created => [("STREAM.CREATED", "stream_action"), ("CONSUMER.CREATED", "consumer_action")],
            Self::Updated => [("STREAM.UPDATED", "stream_action"), ("CONSUMER.UPDATED", "consumer_action")],
            Self::Deleted => [("STREAM.DELETED", "stream_action"), ("CONSUMER.DELETED", "consumer_action")],
            Self::Paused { .. } => consumer_only("CONSUMER.PAUSE", "consumer_pause"),
            Self::MaxDeliveries { .. } => consumer_only("CONSUMER.MAX_DELIVERIES", "max_deliver"),
            Self::Naked(_) => consumer_only("CONSUMER.MSG_NAKED", "nak"),
            Self::Terminated { .. } => consumer_only("CONSUMER.MSG_TERMINATED", "terminated"),
        }
    }
}

/// The JSON of all advisories: each has the fields that it needs, in nats-server's order.
#[derive(Default, Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    id: &'a str,
    timestamp: Time,
    stream: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    consumer: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_until: Option<Time>,
    #[serde(skip_serializing_if = "is_zero")]
    consumer_seq: u64,
    #[serde(skip_serializing_if = "is_zero")]
    stream_seq: u64,
    #[serde(skip_serializing_if = "is_zero")]
    deliveries: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: &'a str,
}

impl Advisory<'_> {
    fn names(&self) -> (&'static str, &'static str) {
        let [stream, consumer] = self.event.names();
        if self.consumer.is_empty() { stream } else { consumer }
    }

    /// Where it is published.
    #[must_use]
    pub fn subject(&self) -> String {
        let (verb, _) = self.names();
        let dot = if self.consumer.is_empty() { "" } else { "." };
        format!("{ADVISORY_PREFIX}{verb}.{}{dot}{}", self.stream, self.consumer)
    }

    /// What it says, as nats-server writes it.
    #[must_use]
    pub fn to_json(&self, id: &str, now: Time) -> Vec<u8> {
        let (_, kind) = self.names();
        let mut document = Document {
            kind: format!("{TYPE_PREFIX}{kind}"),
            id,
            timestamp: now,
            stream: self.stream,
            consumer: self.consumer,
            domain: self.domain,
            ..Document::default()
        };
        match self.event {
            Event::Created => document.action = "create",
            Event::Updated => document.action = "modify",
            Event::Deleted => document.action = "delete",
            Event::Paused { paused, until } => {
                document.paused = Some(paused);
                document.pause_until = Some(until.utc());
            }
            Event::MaxDeliveries { stream_seq, deliveries } => {
                document.stream_seq = stream_seq;
                document.deliveries = deliveries;
            }
            Event::Naked(delivery) => document.delivery(delivery),
            Event::Terminated { delivery, reason } => {
                document.delivery(delivery);
                document.reason = reason;
            }
        }
        to_vec(&document)
    }
}

impl Document<'_> {
    fn delivery(&mut self, delivery: Delivery) {
        self.consumer_seq = delivery.consumer_seq;
        self.stream_seq = delivery.stream_seq;
        self.deliveries = delivery.deliveries;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Subjects and bodies, captured from nats-server 2.15.1.
    const CAPTURED: &str = include_str!("../testdata/advisories.txt");

    #[test]
    fn advisories_are_written_as_nats_server_writes_them() {
        let delivery = |consumer_seq, stream_seq, deliveries| Delivery { consumer_seq, stream_seq, deliveries };
        let until = Time::parse("2034-01-01T00:00:00Z").unwrap();
        let events = [
            ("", Event::Created),
            ("", Event::Updated),
            ("c", Event::Created),
            ("c", Event::Paused { paused: true, until }),
            ("c", Event::Paused { paused: false, until: Time::ZERO }),
            ("c", Event::Naked(delivery(1, 1, 1))),
            ("c", Event::Naked(delivery(2, 1, 2))),
            ("c", Event::MaxDeliveries { stream_seq: 1, deliveries: 2 }),
            ("c", Event::Terminated { delivery: delivery(3, 2, 1), reason: "because <x>" }),
            ("c", Event::Deleted),
            ("", Event::Deleted),
        ];
        assert_eq!(CAPTURED.lines().count(), events.len());
        for (line, (consumer, event)) in CAPTURED.lines().zip(events) {
            let (subject, body) = line.split_once(' ').unwrap();
            let captured: serde_json::Value = serde_json::from_str(body).unwrap();
            let (id, time) = (captured["id"].as_str().unwrap(), captured["timestamp"].as_str().unwrap());
            let advisory = Advisory { stream: "EV", consumer, domain: "", event };
            assert_eq!(advisory.subject(), subject);
            let json = advisory.to_json(id, Time::parse(time).unwrap());
            assert_eq!(String::from_utf8(json).unwrap(), body);
        }
    }
}
