//! The JetStream API: a request becomes an answer, a command with what to answer afterwards, or messages to read.
//!
//! Pure: handlers see a request, the time and a snapshot of streams and consumers ([`ApiBackend`]), and say what is to
//! be done ([`Step`]). Who proposes the command, waits, reads bodies and sends the answer is the run layer. What the
//! snapshot allows is decided again where it can have changed meanwhile: by the machines, at apply.
//!
//! One file for each noun: [`account`], [`stream`], [`message`], [`consumer`]; [`unbuilt`] refuses the rest in words.

mod account;
mod consumer;
mod message;
mod stream;
#[cfg(test)]
mod tests;
mod then;
mod unbuilt;

use forebay_api::account::AccountInfo;
use forebay_api::error::ApiError;
use forebay_api::json::{self, UnknownFields};
use forebay_api::level::is_above_server;
use forebay_api::publish::header::{REQUIRED_API_LEVEL, header_value};
use forebay_api::response::Response;
use forebay_api::routes::{Body, Endpoint, Route, Scope};
use forebay_api::stream::StreamConfig;
use forebay_api::subjects::ApiSubject;
use serde::Serialize;

pub use self::message::ReadPlan;
pub use self::then::Then;
use crate::command::{ConsumerCommand, StreamCommand};
use crate::id::StreamUid;
use crate::meta::{Assignment, MetaCommand};
use crate::shard::Shard;
use crate::stream::validate::Limits;

/// A request on `$JS.API.>`.
#[derive(Clone, Copy, Debug)]
pub struct ApiRequest<'a> {
    /// The account that asks.
    pub account: &'a str,
    /// The whole subject.
    pub subject: &'a [u8],
    /// The raw header block; empty if there is none.
    pub headers: &'a [u8],
    /// The body.
    pub payload: &'a [u8],
    /// The time, in ns since the epoch.
    pub now: i64,
}

/// What answers say about the server.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// The server's name: the leader of everything, without a cluster.
    pub name: String,
    /// The version in INFO, which answers put into metadata.
    pub version: String,
    /// The JetStream domain; empty if there is none.
    pub domain: String,
    /// Whether fields of requests that this server does not know are refused (option `jetstream.strict`).
    pub unknown_fields: UnknownFields,
}

/// What handlers see of the server: a snapshot, and small questions to other parts.
pub trait ApiBackend {
    /// About the server.
    fn facts(&self) -> &ServerFacts;
    /// The account may use JetStream.
    fn is_enabled(&self, account: &str) -> bool;
    /// What the account uses and may use, and how often the API was asked; the level is filled in here.
    fn account_info(&self, account: &str) -> AccountInfo;
    /// What configurations of this account may ask for.
    fn limits(&self, account: &str) -> Limits;
    /// Where the stream with this name lives.
    fn stream(&self, account: &str, name: &str) -> Option<Assignment>;
    /// All streams of an account, by name.
    fn streams(&self, account: &str) -> Vec<Assignment>;
    /// Reads a stream's shard under its lock; nothing if there is no such shard.
    fn with_shard<R>(&self, stream: &Assignment, read: impl FnOnce(&Shard) -> R) -> Option<R>;
    /// Whether there is room for a stream that is to become this, in place of the one of the same name if there is one:
    /// limits of account and server.
    ///
    /// # Errors
    /// 10023, 10027, 10028, 10047.
    fn admit(&self, account: &str, config: &StreamConfig) -> Result<(), ApiError>;
    /// Somebody listens on this subject.
    fn has_interest(&self, account: &str, subject: &[u8]) -> bool;
    /// A random name for a consumer without one: eight characters of `0-9A-Za-z`.
    fn fresh_name(&self) -> String;
}

/// What is to be done about a request.
#[derive(Debug)]
pub enum Step {
    /// Nothing: it is not answered.
    Silent,
    /// As if nobody listened: status 503 if the client asked for it.
    NoResponders,
    /// Answer.
    Reply(Reply),
    /// Propose the command, and answer with what `then` makes of its outcome.
    Propose {
        /// The command.
        command: Command,
        /// Who writes the answer.
        then: Then,
    },
    /// Read messages and answer with what the plan makes of each.
    Read(ReadPlan),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The raw header block; empty for an answer without headers.
    pub headers: Vec<u8>,
    /// The body.
    pub payload: Vec<u8>,
    /// It is an error, for the account's count.
    pub failed: bool,
}

/// A command that a request became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// For the table of streams.
    Meta(MetaCommand),
    /// For a stream.
    Stream {
        /// Its shard.
        shard: u32,
        /// Which one.
        uid: StreamUid,
        /// What.
        command: StreamCommand,
    },
    /// For a stream's consumer.
    Consumer {
        /// The stream's shard.
        shard: u32,
        /// The stream.
        uid: StreamUid,
        /// What.
        command: ConsumerCommand,
    },
}

impl Reply {
    fn json(payload: Vec<u8>, failed: bool) -> Self {
        Self { headers: Vec::new(), payload, failed }
    }

    /// A status without a body, such as `404 Message Not Found`.
    fn status(status: &str) -> Self {
        Self { headers: format!("NATS/1.0 {status}\r\n\r\n").into_bytes(), payload: Vec::new(), failed: true }
    }
}

/// Answers a request, or says what must be done first.
///
/// `CONSUMER.MSG.NEXT` has its own way through the run layer and is not for here.
pub fn handle<B: ApiBackend>(backend: &B, request: &ApiRequest<'_>) -> Step {
    let Some(subject) = ApiSubject::parse(request.subject) else {
        // nats-server answers nothing to a subject that is none of the API's.
        return Step::Silent;
    };
    if subject.route.scope == Scope::System {
        // Only the system account is answered, and there is none yet.
        return Step::Silent;
    }
    let call = Call { backend, request, subject };
    match subject.route.endpoint {
        Endpoint::ConsumerNext => return Step::NoResponders,
        Endpoint::DirectGet | Endpoint::DirectGetLast => return message::direct(&call),
        _ => {}
    }
    match call.refusal() {
        Some(error) => unbuilt::refuse(subject.route, error),
        None => dispatch(&call),
    }
}

fn dispatch<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    match call.subject.route.endpoint {
        Endpoint::AccountInfo => account::info(call),
        Endpoint::StreamCreate => stream::create(call),
        Endpoint::StreamUpdate => stream::update(call),
        Endpoint::StreamNames => stream::names(call),
        Endpoint::StreamList => stream::list(call),
        Endpoint::StreamInfo => stream::info(call),
        Endpoint::StreamDelete => stream::delete(call),
        Endpoint::StreamPurge => stream::purge(call),
        Endpoint::MessageGet => message::get(call),
        Endpoint::MessageDelete => message::delete(call),
        Endpoint::ConsumerCreate | Endpoint::ConsumerCreateNamed | Endpoint::ConsumerDurableCreate => {
            consumer::create(call)
        }
        Endpoint::ConsumerNames => consumer::names(call),
        Endpoint::ConsumerList => consumer::list(call),
        Endpoint::ConsumerInfo => consumer::info(call),
        Endpoint::ConsumerDelete => consumer::delete(call),
        Endpoint::ConsumerPause => consumer::pause(call),
        _ => unbuilt::answer(call),
    }
}

/// The body of an answer with nothing but a type and an error.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Nothing {}

/// A request on its way through a handler.
struct Call<'a, B> {
    backend: &'a B,
    request: &'a ApiRequest<'a>,
    subject: ApiSubject<'a>,
}

impl<B: ApiBackend> Call<'_, B> {
    fn route(&self) -> &'static Route {
        self.subject.route
    }

    /// What every JSON endpoint asks before its own questions.
    fn refusal(&self) -> Option<ApiError> {
        if is_above_server(header_value(self.request.headers, REQUIRED_API_LEVEL)) {
            return Some(ApiError::required_api_level());
        }
        if !self.backend.is_enabled(self.request.account) {
            return Some(ApiError::not_enabled_for_account());
        }
        let must_be_empty = self.route().body == Body::None;
        (must_be_empty && !json::is_empty_request(self.request.payload)).then(ApiError::not_empty_request)
    }

    /// The answer, at once.
    fn answer<T: Serialize + Default>(&self, result: Result<T, ApiError>) -> Step {
        let failed = result.is_err();
        Step::Reply(Reply::json(Response::from_result(self.route().response, result).to_json(), failed))
    }

    /// The command if there is one, otherwise the answer that says why not.
    fn propose<T: Serialize + Default>(&self, command: Result<(Command, Then), ApiError>) -> Step {
        match command {
            Ok((command, then)) => Step::Propose { command, then },
            Err(error) => self.answer::<T>(Err(error)),
        }
    }

    /// The stream in the subject.
    fn stream(&self) -> Result<Assignment, ApiError> {
        self.backend.stream(self.request.account, self.subject.stream).ok_or_else(ApiError::stream_not_found)
    }

    /// The body of an endpoint that needs none: what does not look like JSON is not read.
    fn optional<T: json::Request>(&self) -> Result<T, ApiError> {
        if json::is_object_or_array(self.request.payload) { self.required() } else { Ok(T::default()) }
    }

    /// The body of an endpoint that needs one.
    fn required<T: json::Request>(&self) -> Result<T, ApiError> {
        json::decode_request(self.request.payload, self.backend.facts().unknown_fields)
    }
}
