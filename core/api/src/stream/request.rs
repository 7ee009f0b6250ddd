//! What clients ask of streams, and the bodies of the answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::{StreamConfig, StreamInfo};
use crate::error::ApiError;
use crate::json::{DecodeError, Document, Request, UnknownFields};
use crate::omit::{is_false, is_zero};
use crate::response::Paged;
use crate::time::Time;

/// Makes the Go name of a request's type known, for errors.
macro_rules! requests {
    ($($name:ident $go_name:literal;)*) => {
        $(impl Request for $name { const GO_NAME: &'static str = $go_name; })*
    };
}

requests! {
    InfoRequest "JSApiStreamInfoRequest";
    NamesRequest "JSApiStreamNamesRequest";
    ListRequest "JSApiStreamListRequest";
    PurgeRequest "JSApiStreamPurgeRequest";
    MessageGetRequest "JSApiMsgGetRequest";
    MessageDeleteRequest "JSApiMsgDeleteRequest";
}

/// `STREAM.CREATE` and `STREAM.UPDATE` (nats-server `StreamConfigRequest`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigRequest {
    /// What the stream should be.
    pub config: StreamConfig,
    /// What would be silently corrected is refused.
    pub pedantic: bool,
}

impl ConfigRequest {
    /// Reads the body: a configuration with one more field.
    ///
    /// # Errors
    /// Err 10025 with Go's text.
    pub fn parse(body: &[u8], unknown: UnknownFields) -> Result<Self, ApiError> {
        Ok(Self::decode(body, unknown)?)
    }

    fn decode(body: &[u8], unknown: UnknownFields) -> Result<Self, DecodeError> {
        const GO_NAME: &str = "StreamConfigRequest";
        let mut document = Document::parse(body)?;
        let pedantic = match document.take("pedantic") {
            Some(node) => document.decode_field(&node, GO_NAME, "pedantic")?,
            None => false,
        };
        Ok(Self { config: document.decode(GO_NAME, unknown)?, pedantic })
    }
}

/// `STREAM.INFO`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.JSApiStreamInfoRequest", default)]
pub struct InfoRequest {
    /// Where the page of subjects begins.
    pub offset: i64,
    /// List the deleted numbers.
    #[serde(skip_serializing_if = "is_false")]
    pub deleted_details: bool,
    /// Count messages of each of these subjects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subjects_filter: String,
}

/// `STREAM.NAMES`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.JSApiStreamNamesRequest", default)]
pub struct NamesRequest {
    /// Where the page begins.
    pub offset: i64,
    /// Only streams whose subjects overlap this filter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
}

/// `STREAM.LIST`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.JSApiStreamListRequest", default)]
pub struct ListRequest {
    /// Where the page begins.
    pub offset: i64,
    /// Only streams whose subjects overlap this filter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
}

/// `STREAM.PURGE`; without a body everything goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.JSApiStreamPurgeRequest", default)]
pub struct PurgeRequest {
    /// Up to this number, which stays. Not together with `keep`.
    #[serde(skip_serializing_if = "is_zero")]
    pub seq: u64,
    /// Only these subjects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// How many of the newest stay.
    #[serde(skip_serializing_if = "is_zero")]
    pub keep: u64,
}

/// `STREAM.MSG.GET` and `DIRECT.GET` (nats-server `JSApiMsgGetRequest`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.JSApiMsgGetRequest", default)]
pub struct MessageGetRequest {
    /// The message with this number, or where to search from.
    #[serde(skip_serializing_if = "is_zero")]
    pub seq: u64,
    /// The last message of a subject.
    #[serde(rename = "last_by_subj", skip_serializing_if = "String::is_empty")]
    pub last_by_subject: String,
    /// The next message of a subject from `seq` on.
    #[serde(rename = "next_by_subj", skip_serializing_if = "String::is_empty")]
    pub next_by_subject: String,
    /// How many messages; direct only.
    #[serde(skip_serializing_if = "is_zero")]
    pub batch: i64,
    /// About how many bytes at most; direct only.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_bytes: i64,
    /// From this moment on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// The last message of each of these subjects; direct only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub multi_last: Vec<String>,
    /// The state as of this number; direct only.
    #[serde(skip_serializing_if = "is_zero")]
    pub up_to_seq: u64,
    /// The state as of this moment; direct only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to_time: Option<Time>,
    /// Leave headers out.
    #[serde(rename = "no_hdr", skip_serializing_if = "is_false")]
    pub no_headers: bool,
}

/// `STREAM.MSG.DELETE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.JSApiMsgDeleteRequest", default)]
pub struct MessageDeleteRequest {
    /// Which message.
    pub seq: u64,
    /// The bytes need not be overwritten.
    #[serde(skip_serializing_if = "is_false")]
    pub no_erase: bool,
}

/// The answer to `STREAM.CREATE`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Created {
    /// The stream; `None` in an answer that failed.
    #[serde(flatten)]
    pub info: Option<StreamInfo>,
    /// True whenever there is no error, also for a stream that was there before.
    #[serde(skip_serializing_if = "is_false")]
    pub did_create: bool,
}

/// The answer to `STREAM.UPDATE`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Updated {
    /// The stream; `None` in an answer that failed.
    #[serde(flatten)]
    pub info: Option<StreamInfo>,
}

/// The answer to `STREAM.INFO`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InfoPage {
    /// The page of subjects; all zero when none were asked for or found.
    #[serde(flatten)]
    pub page: Paged,
    /// The stream; `None` in an answer that failed.
    #[serde(flatten)]
    pub info: Option<StreamInfo>,
}

/// The answer to `STREAM.NAMES`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NamesPage {
    /// Which page.
    #[serde(flatten)]
    pub page: Paged,
    /// The names, sorted; none is `null`.
    #[serde(serialize_with = "null_if_empty")]
    pub streams: Vec<String>,
}

/// The answer to `STREAM.LIST`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListPage {
    /// Which page.
    #[serde(flatten)]
    pub page: Paged,
    /// The streams, sorted by name.
    pub streams: Vec<StreamInfo>,
    /// Streams that could not be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Streams that this server can not load, with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub offline: BTreeMap<String, String>,
}

/// The answer to `STREAM.PURGE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Purged {
    /// True unless there is an error.
    #[serde(skip_serializing_if = "is_false")]
    pub success: bool,
    /// How many messages went.
    pub purged: u64,
}

/// The answer to `STREAM.MSG.GET`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MessageFound {
    /// The message; `None` in an answer that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<StoredMessage>,
}

/// A message as `STREAM.MSG.GET` gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoredMessage {
    /// Where it was published.
    pub subject: String,
    /// Its number.
    pub seq: u64,
    /// Its header block, in base64.
    #[serde(rename = "hdrs", skip_serializing_if = "Vec::is_empty", serialize_with = "base64")]
    pub headers: Vec<u8>,
    /// Its body, in base64.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "base64")]
    pub data: Vec<u8>,
    /// When it was stored.
    pub time: Time,
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    use base64::Engine as _;
    serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(bytes))
}

fn null_if_empty<S: Serializer>(names: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    if names.is_empty() { serializer.serialize_none() } else { names.serialize(serializer) }
}
