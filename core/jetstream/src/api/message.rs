//! Messages: `STREAM.MSG.GET`, `STREAM.MSG.DELETE` and `DIRECT.GET` in both forms (ADR-31).
//!
//! A handler finds places under the shard's lock; bodies are read without it, one at a time, by whoever drives the
//! [`ReadPlan`].

use std::collections::VecDeque;

use forebay_api::error::ApiError;
use forebay_api::json::{self, UnknownFields};
use forebay_api::level::is_above_server;
use forebay_api::limits::MULTI_LAST_MAX;
use forebay_api::publish::header::{REQUIRED_API_LEVEL, header_value};
use forebay_api::response::{Response, Success};
use forebay_api::routes::Endpoint;
use forebay_api::stream::request::{MessageDeleteRequest, MessageFound, MessageGetRequest, StoredMessage};
use forebay_api::time::Time;
use forebay_store::RecordRef;

use super::{ApiBackend, Call, Command, Reply, Step, Then};
use crate::command::StreamCommand;
use crate::meta::Assignment;
use crate::shard::Shard;
use crate::stream::Found;

/// Messages of one batch at most; the end of batch says how many are left.
const BATCH_MAX: usize = 1024;
/// Bytes of one batch where the request does not say; nats-server takes its `max_pending`.
const BATCH_BYTES_DEFAULT: usize = 64 << 20;
const NOT_FOUND: &str = "404 Message Not Found";
const NO_RESULTS: &str = "404 No Results";
const EMPTY_REQUEST: &str = "408 Empty Request";
const BAD_REQUEST: &str = "408 Bad Request";
const MALFORMED_REQUEST: &str = "408 Malformed Request";
const REQUIRED_LEVEL: &str = "412 Required Api Level";
const TOO_MANY_RESULTS: &str = "413 Too Many Results";

/// Messages to read, and what to answer with each.
///
/// ```text
/// while let Some(found) = plan.next() {
///     let body = read(&found);                 // without any lock; None if it is gone
///     send(plan.answer(&found, body));
/// }
/// if let Some(end) = plan.finish() { send(end) }
/// ```
#[derive(Debug)]
pub struct ReadPlan {
    stream: String,
    found: VecDeque<Found>,
    form: Form,
    no_headers: bool,
    /// The sequence of the message before, for batches.
    last: u64,
    sent: usize,
}

/// How messages are answered.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `STREAM.MSG.GET`: JSON.
    Json,
    /// One message as it is.
    Direct,
    /// Several.
    Batch {
        /// Matching messages after those that were sent.
        pending: u64,
        bytes_left: usize,
        /// For `multi_last`: the sequence up to which the stream was looked at.
        up_to: Option<u64>,
    },
}

impl ReadPlan {
    fn new(stream: &Assignment, found: impl IntoIterator<Item = Found>, form: Form, no_headers: bool) -> Self {
        let found = found.into_iter().collect();
        Self { stream: stream.config.name.clone(), found, form, no_headers, last: 0, sent: 0 }
    }

    /// The next message to read. Call [`ReadPlan::answer`] with it before the next one.
    #[allow(clippy::should_implement_trait, reason = "what is next depends on the answers between")]
    pub fn next(&mut self) -> Option<Found> {
        self.found.pop_front()
    }

    /// The answer for a message; `body` is nothing if it is gone. A message that is gone ends the plan.
    pub fn answer(&mut self, found: &Found, body: Option<RecordRef<'_>>) -> Reply {
        let Some(body) = body else {
            self.found.clear();
            return match self.form {
                Form::Json => refused(),
                Form::Batch { .. } if self.sent > 0 => self.end(),
                _ => {
                    self.form = Form::Direct;
                    Reply::status(NOT_FOUND)
                }
            };
        };
        self.sent += 1;
        if let Form::Batch { pending, bytes_left, .. } = &mut self.form {
            *pending = pending.saturating_sub(1);
            let size = body.subject.len() + body.headers.len() + body.payload.len();
            *bytes_left = bytes_left.saturating_sub(size);
            if *bytes_left == 0 {
                self.found.clear();
            }
        }
        let reply = match self.form {
            Form::Json => self.json(found, &body),
            _ => Reply { headers: self.headers(found, &body), payload: body.payload.to_vec(), failed: false },
        };
        self.last = found.seq;
        reply
    }

    /// What ends a batch, if it is one.
    #[must_use]
    pub fn finish(mut self) -> Option<Reply> {
        matches!(self.form, Form::Batch { .. }).then(|| self.end())
    }

    fn end(&mut self) -> Reply {
        let mut headers = String::from("NATS/1.0 204 EOB\r\n");
        if let Form::Batch { pending, up_to, .. } = self.form {
            headers.push_str(&format!("Nats-Num-Pending: {pending}\r\nNats-Last-Sequence: {}\r\n", self.last));
            if let Some(up_to) = up_to {
                headers.push_str(&format!("Nats-UpTo-Sequence: {up_to}\r\n"));
            }
        }
        headers.push_str("\r\n");
        self.form = Form::Direct;
        Reply { headers: headers.into_bytes(), payload: Vec::new(), failed: false }
    }

    fn json(&self, found: &Found, body: &RecordRef<'_>) -> Reply {
        let headers = if self.no_headers { Vec::new() } else { body.headers.to_vec() };
        let message = StoredMessage {
            subject: String::from_utf8_lossy(body.subject).into_owned(),
            seq: found.seq,
            headers,
            data: body.payload.to_vec(),
            time: Time::from_unix_ns(found.time),
        };
        let kind = Endpoint::MessageGet.route().response;
        Reply::json(Response::ok(kind, MessageFound { message: Some(message) }).to_json(), false)
    }

    /// The message's headers, and where it is from.
    fn headers(&self, found: &Found, body: &RecordRef<'_>) -> Vec<u8> {
        if self.no_headers {
            return Vec::new();
        }
        let mut block = match body.headers.strip_suffix(b"\r\n") {
            Some(headers) => headers.to_vec(),
            None => b"NATS/1.0\r\n".to_vec(),
        };
        block.extend_from_slice(format!("Nats-Stream: {}\r\nNats-Subject: ", self.stream).as_bytes());
        block.extend_from_slice(body.subject);
        let time = Time::from_unix_ns(found.time);
        let place = format!("\r\nNats-Sequence: {}\r\nNats-Time-Stamp: {time}\r\n", found.seq);
        block.extend_from_slice(place.as_bytes());
        if let Form::Batch { pending, .. } = self.form {
            let rest = format!("Nats-Num-Pending: {pending}\r\nNats-Last-Sequence: {}\r\n", self.last);
            block.extend_from_slice(rest.as_bytes());
        }
        block.extend_from_slice(b"\r\n");
        block
    }
}

fn refused() -> Reply {
    let kind = Endpoint::MessageGet.route().response;
    Reply::json(Response::<MessageFound>::failed(kind, ApiError::no_message_found()).to_json(), true)
}

/// `STREAM.MSG.GET`.
pub(super) fn get<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let plan = || {
        if json::is_empty_request(call.request.payload) {
            return Err(ApiError::bad_request());
        }
        let request: MessageGetRequest = call.required()?;
        let batched = request.batch > 0 || request.max_bytes > 0;
        if batched || is_unspecified(&request) || is_contradictory(&request) {
            return Err(ApiError::bad_request());
        }
        let stream = call.stream()?;
        let found = call.backend.with_shard(&stream, |shard| find(shard, &stream, &request)).flatten();
        let found = found.ok_or_else(ApiError::no_message_found)?;
        Ok(ReadPlan::new(&stream, [found], Form::Json, request.no_headers))
    };
    match plan() {
        Ok(plan) => Step::Read(plan),
        Err(error) => call.answer::<MessageFound>(Err(error)),
    }
}

/// Nothing says which message.
fn is_unspecified(request: &MessageGetRequest) -> bool {
    let by_subject = !request.last_by_subject.is_empty() || !request.next_by_subject.is_empty();
    request.seq == 0 && !by_subject && request.start_time.is_none()
}

/// Two things say which message, and not the same.
fn is_contradictory(request: &MessageGetRequest) -> bool {
    let last = !request.last_by_subject.is_empty();
    let time = request.start_time.is_some();
    (request.seq > 0 && (last || time)) || (last && (time || !request.next_by_subject.is_empty()))
}

/// The one message that a request means.
fn find(shard: &Shard, stream: &Assignment, request: &MessageGetRequest) -> Option<Found> {
    let next = request.next_by_subject.as_bytes();
    match request.start_time {
        Some(time) => shard.get_by_time(stream.uid, time.unix_ns(), next),
        None if !next.is_empty() => shard.get_next(stream.uid, request.seq, next),
        None if request.seq > 0 => shard.get_seq(stream.uid, request.seq),
        None => shard.get_last(stream.uid, request.last_by_subject.as_bytes()),
    }
}

/// `STREAM.MSG.DELETE`.
pub(super) fn delete<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let command = || {
        if json::is_empty_request(call.request.payload) {
            return Err(ApiError::bad_request());
        }
        let request: MessageDeleteRequest = call.required()?;
        let stream = call.stream()?;
        if stream.config.sealed {
            return Err(ApiError::stream_sealed());
        }
        if stream.config.deny_delete {
            return Err(ApiError::stream_msg_delete_failed("message delete not permitted"));
        }
        let command = StreamCommand::DeleteMessage { seq: request.seq, erase: !request.no_erase };
        let command = Command::Stream { shard: stream.shard, uid: stream.uid, command };
        Ok((command, Then::Done(Endpoint::MessageDelete)))
    };
    call.propose::<Success>(command())
}

/// `DIRECT.GET`: messages as they are, statuses instead of JSON errors.
pub(super) fn direct<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let stream = match call.stream() {
        Ok(stream) if stream.config.allow_direct && call.backend.is_enabled(call.request.account) => stream,
        // nats-server listens for streams that allow it only.
        _ => return Step::NoResponders,
    };
    if is_above_server(header_value(call.request.headers, REQUIRED_API_LEVEL)) {
        return Step::Reply(Reply::status(REQUIRED_LEVEL));
    }
    let request = match direct_request(call) {
        Ok(request) => request,
        Err(status) => return Step::Reply(Reply::status(status)),
    };
    let plan = call.backend.with_shard(&stream, |shard| direct_plan(shard, &stream, &request));
    match plan.unwrap_or(Err(NOT_FOUND)) {
        Ok(plan) => Step::Read(plan),
        Err(status) => Step::Reply(Reply::status(status)),
    }
}

/// The request, or the status that refuses it.
fn direct_request<B: ApiBackend>(call: &Call<'_, B>) -> Result<MessageGetRequest, &'static str> {
    let body = call.request.payload;
    let by_subject = call.route().endpoint == Endpoint::DirectGetLast;
    if body.is_empty() && !by_subject {
        return Err(EMPTY_REQUEST);
    }
    let mut request: MessageGetRequest = json::decode(body, UnknownFields::Ignored).map_err(|_| MALFORMED_REQUEST)?;
    if by_subject {
        let plain = MessageGetRequest {
            no_headers: request.no_headers,
            max_bytes: request.max_bytes,
            ..MessageGetRequest::default()
        };
        if request != plain {
            return Err(BAD_REQUEST);
        }
        request.last_by_subject = call.subject.rest.to_owned();
        return Ok(request);
    }
    let multi = !request.multi_last.is_empty();
    if is_unspecified(&request) && !multi {
        return Err(EMPTY_REQUEST);
    }
    let (last, next) = (!request.last_by_subject.is_empty(), !request.next_by_subject.is_empty());
    let two_ends = request.up_to_seq > 0 && request.up_to_time.is_some();
    if is_contradictory(&request) || (last && request.batch > 0) || (multi && (last || next)) || two_ends {
        return Err(BAD_REQUEST);
    }
    Ok(request)
}

fn direct_plan(shard: &Shard, stream: &Assignment, request: &MessageGetRequest) -> Result<ReadPlan, &'static str> {
    if !request.multi_last.is_empty() {
        return multi_last_plan(shard, stream, request);
    }
    if request.batch <= 0 {
        let found = find(shard, stream, request).ok_or(NOT_FOUND)?;
        return Ok(ReadPlan::new(stream, [found], Form::Direct, request.no_headers));
    }
    let filter = request.next_by_subject.as_bytes();
    let most = usize::try_from(request.batch).unwrap_or(BATCH_MAX).min(BATCH_MAX);
    let first = match request.start_time {
        Some(time) => shard.get_by_time(stream.uid, time.unix_ns(), filter),
        None => shard.get_next(stream.uid, request.seq, filter),
    };
    let mut found = vec![first.ok_or(NOT_FOUND)?];
    let from = found.first().map_or(0, |found| found.seq);
    let pending = shard.count_from(stream.uid, from, filter);
    while found.len() < most
        && let Some(last) = found.last()
        && let Some(next) = shard.get_next(stream.uid, last.seq + 1, filter)
    {
        found.push(next);
    }
    let form = Form::Batch { pending, bytes_left: batch_bytes(request), up_to: None };
    Ok(ReadPlan::new(stream, found, form, request.no_headers))
}

fn batch_bytes(request: &MessageGetRequest) -> usize {
    match usize::try_from(request.max_bytes) {
        Ok(bytes) if bytes > 0 => bytes,
        _ => BATCH_BYTES_DEFAULT,
    }
}

/// The last message of each subject that the filters name, as of a sequence or a moment.
fn multi_last_plan(shard: &Shard, stream: &Assignment, request: &MessageGetRequest) -> Result<ReadPlan, &'static str> {
    let last = shard.last_seq(stream.uid).unwrap_or(0);
    let up_to = match request.up_to_time {
        Some(time) => match shard.get_by_time(stream.uid, time.unix_ns(), b"") {
            Some(after) => after.seq.saturating_sub(1),
            None => last,
        },
        None if request.up_to_seq > 0 => request.up_to_seq,
        None => last,
    };
    let filters: Vec<&[u8]> = request.multi_last.iter().map(String::as_bytes).collect();
    let found = shard.get_last_each(stream.uid, &filters, up_to, MULTI_LAST_MAX).ok_or(TOO_MANY_RESULTS)?;
    let found: Vec<Found> = found.into_iter().filter(|found| found.seq >= request.seq).collect();
    if found.is_empty() {
        return Err(NO_RESULTS);
    }
    let form = Form::Batch { pending: found.len() as u64, bytes_left: batch_bytes(request), up_to: Some(up_to) };
    let most = usize::try_from(request.batch).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
    Ok(ReadPlan::new(stream, found.into_iter().take(most), form, request.no_headers))
}
