//! Publishing to a stream: the headers that mean something, and the PubAck.
//!
//! [`header`] has the table of headers and reads them in one pass over the raw block. The ack is written by hand, byte
//! for byte as nats-server does, then our `durability`.

pub mod header;

use crate::decimal::push_decimal;
use crate::error::ApiError;
use crate::json::{go_quote, to_vec};

pub use header::{PublishHeaders, Rollup, Ttl, header_value};

/// What an ack promises: where the message is when the ack leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// On disk; it survives a power cut.
    Fsync,
    /// With the operating system; it survives a crash of the server.
    Os,
    /// In memory.
    Memory,
}

impl Durability {
    /// The word in the ack, in metadata and in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
            Self::Memory => "memory",
        }
    }
}

/// What happened to a message that is acked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckOutcome {
    /// It has the sequence of the ack.
    Stored,
    /// Its message id was seen before; the ack has that message's sequence.
    Duplicate,
    /// A plugin dropped it; the ack has the stream's last sequence.
    Dropped,
}

/// The part of a PubAck that is the same for every message of a stream: `{"stream":"S","seq":`, with the domain
/// between them if there is one. Made once for each stream.
#[must_use]
pub fn ack_prefix(stream: &str, domain: &str) -> Box<[u8]> {
    let mut prefix = format!("{{\"stream\":{},", go_quote(stream.as_bytes()));
    if !domain.is_empty() {
        prefix.push_str(&format!("\"domain\":{},", go_quote(domain.as_bytes())));
    }
    prefix.push_str("\"seq\":");
    prefix.into_bytes().into_boxed_slice()
}

/// Appends a PubAck: nats-server's bytes (`"duplicate": true` with its space), then the durability.
pub fn write_ack(out: &mut Vec<u8>, prefix: &[u8], seq: u64, outcome: AckOutcome, durability: Durability) {
    out.extend_from_slice(prefix);
    push_decimal(out, seq);
    if outcome == AckOutcome::Duplicate {
        out.extend_from_slice(b",\"duplicate\": true");
    }
    out.extend_from_slice(match durability {
        Durability::Fsync => b",\"durability\":\"fsync\"",
        Durability::Os => b",\"durability\":\"os\"",
        Durability::Memory => b",\"durability\":\"memory\"",
    });
    if outcome == AckOutcome::Dropped {
        out.extend_from_slice(b",\"dropped\":true");
    }
    out.push(b'}');
}

/// Appends the PubAck of a message that was refused: `{"error":{…},"stream":"S","seq":0}`.
pub fn write_refusal(out: &mut Vec<u8>, stream: &str, error: &ApiError) {
    out.extend_from_slice(b"{\"error\":");
    out.extend_from_slice(&to_vec(error));
    out.extend_from_slice(b",\"stream\":");
    out.extend_from_slice(&to_vec(&stream));
    out.extend_from_slice(b",\"seq\":0}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(domain: &str, outcome: AckOutcome, durability: Durability) -> String {
        let mut out = Vec::new();
        write_ack(&mut out, &ack_prefix("S", domain), 4, outcome, durability);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_ack_is_nats_server_s_and_then_the_durability() {
        let tail = ",\"durability\":\"fsync\"}";
        for (outcome, nats_server) in [
            (AckOutcome::Stored, r#"{"stream":"S","seq":4}"#),
            (AckOutcome::Duplicate, r#"{"stream":"S","seq":4,"duplicate": true}"#),
        ] {
            let ours = ack("", outcome, Durability::Fsync);
            assert_eq!(ours.strip_suffix(tail), nats_server.strip_suffix('}'));
        }
        assert_eq!(
            ack("hub", AckOutcome::Dropped, Durability::Memory),
            r#"{"stream":"S","domain":"hub","seq":4,"durability":"memory","dropped":true}"#
        );
        for outcome in [AckOutcome::Stored, AckOutcome::Duplicate, AckOutcome::Dropped] {
            let json: serde_json::Value = serde_json::from_str(&ack("d", outcome, Durability::Os)).unwrap();
            assert_eq!(json["durability"], "os");
        }
    }

    #[test]
    fn a_refusal_is_nats_server_s() {
        let mut out = Vec::new();
        write_refusal(&mut out, "S", &ApiError::stream_wrong_last_sequence(4));
        let golden =
            r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 4"},"stream":"S","seq":0}"#;
        assert_eq!(String::from_utf8(out).unwrap(), golden);
    }
}
