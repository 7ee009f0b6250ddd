//! What is answered when a command has been applied.

use forebay_api::consumer::{self, ConsumerInfo};
use forebay_api::duration::Nanos;
use forebay_api::error::ApiError;
use forebay_api::level::add_answer_keys;
use forebay_api::response::{Response, Success};
use forebay_api::routes::Endpoint;
use forebay_api::stream::{self, StreamInfo};
use forebay_api::time::Time;
use serde::Serialize;

use super::{Reply, ServerFacts};
use crate::effect::ApiOk;

/// Who writes the answer to a request that became a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// `STREAM.CREATE`.
    StreamCreated,
    /// `STREAM.UPDATE`.
    StreamUpdated,
    /// `STREAM.PURGE`.
    Purged,
    /// `CONSUMER.CREATE`, in the form that was asked.
    ConsumerCreated(Endpoint),
    /// `CONSUMER.PAUSE`.
    Paused {
        /// Until when; the zero time is not at all.
        until: Time,
    },
    /// Endpoints that only say that it worked.
    Done(Endpoint),
}

impl Then {
    /// Writes the answer. `result` is the command's outcome, or why it could not be logged; `now` is the time.
    #[must_use]
    pub fn complete(self, facts: &ServerFacts, result: Result<ApiOk, ApiError>, now: i64) -> Reply {
        match self {
            Self::StreamCreated => answer(Endpoint::StreamCreate, result.and_then(|done| created(facts, done))),
            Self::StreamUpdated => answer(Endpoint::StreamUpdate, result.and_then(|done| updated(facts, done))),
            Self::Purged => answer(Endpoint::StreamPurge, result.and_then(purged)),
            Self::ConsumerCreated(endpoint) => answer(endpoint, result.and_then(|done| described(facts, done))),
            Self::Paused { until } => answer(Endpoint::ConsumerPause, result.map(|_| paused(until, now))),
            Self::Done(endpoint) => answer(endpoint, result.map(|_| Success::DONE)),
        }
    }
}

fn answer<T: Serialize + Default>(endpoint: Endpoint, result: Result<T, ApiError>) -> Reply {
    let failed = result.is_err();
    Reply::json(Response::from_result(endpoint.route().response, result).to_json(), failed)
}

fn stream_of(facts: &ServerFacts, done: ApiOk) -> Result<StreamInfo, ApiError> {
    match done {
        ApiOk::Stream(info) => Ok(show_stream(facts, *info)),
        // The machines answer a stream's command with the stream; anything else would be our own mistake.
        _ => Err(ApiError::stream_general("no stream in the outcome")),
    }
}

fn created(facts: &ServerFacts, done: ApiOk) -> Result<stream::request::Created, ApiError> {
    Ok(stream::request::Created { info: Some(stream_of(facts, done)?), did_create: true })
}

fn updated(facts: &ServerFacts, done: ApiOk) -> Result<stream::request::Updated, ApiError> {
    let info = StreamInfo { domain: facts.domain.clone(), ..stream_of(facts, done)? };
    Ok(stream::request::Updated { info: Some(info) })
}

fn purged(done: ApiOk) -> Result<stream::request::Purged, ApiError> {
    match done {
        ApiOk::Purged(purged) => Ok(stream::request::Purged { success: true, purged }),
        _ => Err(ApiError::stream_general("no count in the outcome")),
    }
}

fn described(facts: &ServerFacts, done: ApiOk) -> Result<consumer::request::Described, ApiError> {
    match done {
        ApiOk::Consumer(info) => Ok(consumer::request::Described { info: Some(show_consumer(facts, *info)) }),
        _ => Err(ApiError::stream_general("no consumer in the outcome")),
    }
}

/// What `CONSUMER.PAUSE` says about a consumer that is paused until then.
pub(super) fn paused(until: Time, now: i64) -> consumer::request::Paused {
    let remaining = if until.is_zero() { 0 } else { until.unix_ns().saturating_sub(now).max(0) };
    consumer::request::Paused { paused: remaining > 0, pause_until: until.utc(), pause_remaining: Nanos(remaining) }
}

/// A stream as answers about it alone show it: with the server's version and level.
pub(super) fn show_stream(facts: &ServerFacts, mut info: StreamInfo) -> StreamInfo {
    add_answer_keys(&mut info.config.metadata, &facts.version);
    info
}

/// A consumer as answers about it alone show it: with the server's version and level.
pub(super) fn show_consumer(facts: &ServerFacts, mut info: ConsumerInfo) -> ConsumerInfo {
    if let Some(config) = &mut info.config {
        add_answer_keys(&mut config.metadata, &facts.version);
    }
    info
}
