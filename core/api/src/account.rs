//! What `$JS.API.INFO` says about an account: what it uses, and what it may use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::omit::is_zero;

/// The answer to `$JS.API.INFO` (nats-server `JetStreamAccountStats`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountInfo {
    /// Use and limits of the whole account.
    #[serde(flatten)]
    pub usage: Usage,
    /// The JetStream domain, if the server has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// How much the API was used.
    pub api: ApiUse,
    /// Use and limits of each tier, for accounts with tiers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, Usage>,
}

/// The body of the account info answer; empty when it failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Described {
    /// The account; `None` in an answer that failed.
    #[serde(flatten)]
    pub info: Option<AccountInfo>,
}

/// What is used and what may be used (nats-server `JetStreamTier`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Bytes in memory streams.
    pub memory: u64,
    /// Bytes in file streams.
    pub storage: u64,
    /// Bytes that memory streams with `max_bytes` have reserved.
    pub reserved_memory: u64,
    /// Bytes that file streams with `max_bytes` have reserved.
    pub reserved_storage: u64,
    /// How many streams.
    pub streams: u64,
    /// How many consumers.
    pub consumers: u64,
    /// What may be used.
    pub limits: AccountLimits,
}

/// What an account may use; -1 is no limit (nats-server `JetStreamAccountLimits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountLimits {
    /// Bytes in memory streams.
    pub max_memory: i64,
    /// Bytes in file streams.
    pub max_storage: i64,
    /// How many streams.
    pub max_streams: i64,
    /// How many consumers of one stream.
    pub max_consumers: i64,
    /// Largest `max_ack_pending` of a consumer.
    pub max_ack_pending: i64,
    /// Largest `max_bytes` of a memory stream.
    pub memory_max_stream_bytes: i64,
    /// Largest `max_bytes` of a file stream.
    pub storage_max_stream_bytes: i64,
    /// Every stream must have `max_bytes`.
    pub max_bytes_required: bool,
}

impl Default for AccountLimits {
    /// No limits.
    fn default() -> Self {
        Self {
            max_memory: -1,
            max_storage: -1,
            max_streams: -1,
            max_consumers: -1,
            max_ack_pending: -1,
            memory_max_stream_bytes: -1,
            storage_max_stream_bytes: -1,
            max_bytes_required: false,
        }
    }
}

/// How much the API was used, and which level it has (nats-server `JetStreamAPIStats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiUse {
    /// The API level.
    pub level: u32,
    /// Requests since the start.
    pub total: u64,
    /// Of these, the ones that failed.
    pub errors: u64,
    /// Requests being served.
    #[serde(skip_serializing_if = "is_zero")]
    pub inflight: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Response;

    #[test]
    fn account_info_is_written_as_nats_server_writes_it() {
        let golden = r#"{"type":"io.nats.jetstream.api.v1.account_info_response","memory":0,"storage":73,"reserved_memory":1000,"reserved_storage":0,"streams":5,"consumers":0,"limits":{"max_memory":-1,"max_storage":-1,"max_streams":-1,"max_consumers":-1,"max_ack_pending":-1,"memory_max_stream_bytes":-1,"storage_max_stream_bytes":-1,"max_bytes_required":false},"api":{"level":5,"total":40,"errors":10}}"#;
        let info = AccountInfo {
            usage: Usage { storage: 73, reserved_memory: 1000, streams: 5, ..Usage::default() },
            api: ApiUse { level: 5, total: 40, errors: 10, inflight: 0 },
            ..AccountInfo::default()
        };
        let kind = "io.nats.jetstream.api.v1.account_info_response";
        let json = Response::ok(kind, Described { info: Some(info) }).to_json();
        assert_eq!(String::from_utf8(json).unwrap(), golden);
    }
}
