//! `/healthz`: whether this server can do its work (nats-server monitor.go, `HealthStatus`).

use serde::{Deserialize, Serialize};

/// The body of `/healthz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthz {
    /// `ok`, `unavailable` (this server cannot) or `error` (the question cannot be answered).
    pub status: String,
    /// The HTTP status, in answers over NATS only: over HTTP it stands in the first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// What is wrong, where no details were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// All that is wrong, where details were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<HealthzError>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthzError {
    /// What kind of thing: `CONNECTION`, `JETSTREAM`, `ACCOUNT`, `STREAM`, `CONSUMER`, `BAD_REQUEST`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The account that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The stream that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The consumer that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// What is wrong.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_server_says_only_that() {
        let body = Healthz { status: "ok".into(), status_code: None, error: None, errors: vec![] };
        assert_eq!(serde_json::to_string(&body).unwrap_or_default(), r#"{"status":"ok"}"#);
    }
}
