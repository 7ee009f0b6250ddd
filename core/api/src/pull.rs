//! The body of a pull request: nothing, a number, or JSON.

use serde::{Deserialize, Serialize};

use crate::duration::Nanos;
use crate::json::{self, Request, UnknownFields};
use crate::omit::{is_false, is_zero};

/// What a pull request asks for (nats-server `JSApiConsumerGetNextRequest`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.JSApiConsumerGetNextRequest", default, deny_unknown_fields)]
pub struct PullRequest {
    /// How long it may wait; zero is for ever, unless `no_wait`.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub expires: Nanos,
    /// How many messages; below one counts as one.
    #[serde(skip_serializing_if = "is_zero")]
    pub batch: i64,
    /// How many bytes; zero is no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_bytes: i64,
    /// Only what is there.
    #[serde(skip_serializing_if = "is_false")]
    pub no_wait: bool,
    /// A sign of life while it waits.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub idle_heartbeat: Nanos,
    /// The priority group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Overflow: only with so many pending.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_pending: i64,
    /// Overflow: only with so many unacked.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_ack_pending: i64,
    /// The pin that the client holds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Prioritized: 0 to 9, lower is served first.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: i64,
}

impl Request for PullRequest {
    /// Go decodes it through a pointer to a pointer, and then has no name for it.
    const GO_NAME: &'static str = "";
}

/// Why a pull request is refused: what follows `400 Bad Request - `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPullRequest(String);

impl PullRequest {
    /// Reads a body. What is neither JSON nor a number asks for one message, as in nats-server (`nextReqFromMsg`).
    ///
    /// # Errors
    /// [`BadPullRequest`] for malformed JSON and for a heartbeat of more than half the expiry.
    pub fn parse(body: &[u8]) -> Result<Self, BadPullRequest> {
        let body = body.trim_ascii();
        if body.first() == Some(&b'{') {
            let request = Self::parse_json(body)?;
            if request.idle_heartbeat.ns() > 0 && request.idle_heartbeat.ns().saturating_mul(2) > request.expires.ns() {
                return Err(BadPullRequest("heartbeat value too large".into()));
            }
            return Ok(request);
        }
        let batch = std::str::from_utf8(body).ok().and_then(|text| text.parse().ok()).unwrap_or(1);
        Ok(Self { batch, ..Self::default() })
    }

    /// The plain case by serde_json, which is faster; whatever it does not like is judged by Go's rules.
    fn parse_json(body: &[u8]) -> Result<Self, BadPullRequest> {
        serde_json::from_slice(body).or_else(|_| json::decode(body, UnknownFields::Ignored)).map_err(
            |error| match error.to_string().as_str() {
                // Here nats-server reads the whole body at once, and Go has other words for that.
                "unexpected EOF" => BadPullRequest("unexpected end of JSON input".into()),
                other => BadPullRequest(other.into()),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(body: &str) -> i64 {
        PullRequest::parse(body.as_bytes()).unwrap().batch
    }

    #[test]
    fn a_body_is_empty_or_a_number_or_json() {
        assert_eq!(batch(""), 1);
        assert_eq!(batch("  "), 1);
        assert_eq!(batch("10"), 10);
        assert_eq!(batch("hello"), 1);
        assert_eq!(batch(r#" {"batch":5}"#), 5);
        assert_eq!(batch(r#"{"Batch":5,"new_field":[1]}"#), 5);
        let request = PullRequest::parse(
            br#"{"expires":5000000000,"batch":2,"no_wait":true,"idle_heartbeat":1000000000,"max_bytes":9}"#,
        )
        .unwrap();
        assert_eq!(request.expires, Nanos::from_secs(5));
        assert!(request.no_wait);
        assert_eq!((request.max_bytes, request.idle_heartbeat), (9, Nanos::from_secs(1)));
    }

    #[test]
    fn a_bad_body_is_refused_in_go_s_words() {
        let refusal = |body: &str| PullRequest::parse(body.as_bytes()).unwrap_err().to_string();
        assert_eq!(refusal(r#"{"expires":10,"idle_heartbeat":6}"#), "heartbeat value too large");
        assert_eq!(refusal(r#"{"idle_heartbeat":1}"#), "heartbeat value too large");
        let text = "json: cannot unmarshal string into Go struct field .batch of type int";
        assert_eq!(refusal(r#"{"batch":"x"}"#), text);
        assert!(refusal("{").contains("unexpected end of JSON input"));
    }
}
