//! What clients ask of consumers, and the bodies of the answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConsumerConfig, ConsumerInfo};
use crate::duration::Nanos;
use crate::json::Request;
use crate::omit::is_false;
use crate::response::Paged;
use crate::time::Time;

/// `CONSUMER.CREATE` in all its forms (nats-server `CreateConsumerRequest`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.CreateConsumerRequest", default)]
pub struct CreateRequest {
    /// Must be the stream of the subject.
    pub stream_name: String,
    /// What the consumer should be.
    pub config: ConsumerConfig,
    /// Whether it may exist.
    pub action: ConsumerAction,
    /// What would be silently corrected is refused.
    #[serde(skip_serializing_if = "is_false")]
    pub pedantic: bool,
}

impl Request for CreateRequest {
    const GO_NAME: &'static str = "CreateConsumerRequest";
}

/// Whether a consumer that is to be created may exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConsumerAction {
    /// It may.
    #[default]
    #[serde(rename = "")]
    CreateOrUpdate,
    /// It must.
    #[serde(rename = "update")]
    Update,
    /// It must not, unless it is the same.
    #[serde(rename = "create")]
    Create,
}

/// `CONSUMER.NAMES` and `CONSUMER.LIST`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.JSApiConsumersRequest", default)]
pub struct PageRequest {
    /// Where the page begins.
    pub offset: i64,
}

impl Request for PageRequest {
    const GO_NAME: &'static str = "JSApiConsumersRequest";
}

/// `CONSUMER.PAUSE`; without a body it goes on at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "server.JSApiConsumerPauseRequest", default)]
pub struct PauseRequest {
    /// Nothing is delivered before; the zero time is now.
    pub pause_until: Time,
}

impl Request for PauseRequest {
    const GO_NAME: &'static str = "JSApiConsumerPauseRequest";
}

/// The answer to `CONSUMER.PAUSE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paused {
    /// It is paused now.
    pub paused: bool,
    /// Until when; the zero time if it never was.
    pub pause_until: Time,
    /// For how much longer.
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub pause_remaining: Nanos,
}

/// The answer to `CONSUMER.RESET`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reset {
    /// The consumer; `None` in an answer that failed.
    #[serde(flatten)]
    pub info: Option<ConsumerInfo>,
    /// Where it goes on.
    pub reset_seq: u64,
}

/// The answer to `CONSUMER.CREATE` and `CONSUMER.INFO`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Described {
    /// The consumer; `None` in an answer that failed.
    #[serde(flatten)]
    pub info: Option<ConsumerInfo>,
}

/// The answer to `CONSUMER.NAMES`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NamesPage {
    /// Which page.
    #[serde(flatten)]
    pub page: Paged,
    /// The names, sorted.
    pub consumers: Vec<String>,
}

/// The answer to `CONSUMER.LIST`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListPage {
    /// Which page.
    #[serde(flatten)]
    pub page: Paged,
    /// The consumers, sorted by name.
    pub consumers: Vec<ConsumerInfo>,
    /// Consumers that could not be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Consumers that this server can not load, with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub offline: BTreeMap<String, String>,
}
