//! Streams: create, update, info, names, list, delete, purge.

use std::sync::Arc;

use forebay_api::consumer::ConsumerConfig;
use forebay_api::error::ApiError;
use forebay_api::json::to_vec;
use forebay_api::level::stamp_stream;
use forebay_api::limits::{LIST_PAGE, NAMES_PAGE};
use forebay_api::response::{Paged, Success};
use forebay_api::routes::Endpoint;
use forebay_api::stream::request::{
    ConfigRequest, Created, InfoPage, InfoRequest as InfoBody, ListPage, ListRequest, NamesPage, NamesRequest,
    PurgeRequest, Purged, Updated,
};
use forebay_api::stream::{ClusterInfo, StreamInfo};
use forebay_subject::filters_overlap;

use super::then::show_stream;
use super::{ApiBackend, Call, Command, Step, Then};
use crate::command::StreamCommand;
use crate::meta::{Assignment, MetaCommand};
use crate::stream::update::{check_update, is_same_stream};
use crate::stream::validate::{check_create_request, check_stream};
use crate::stream::{InfoRequest, StreamInfoPage};

/// `STREAM.CREATE`. A stream that is there already with the same configuration is answered at once.
pub(super) fn create<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let account = call.request.account;
    let checked = || {
        let ConfigRequest { mut config, pedantic } =
            ConfigRequest::parse(call.request.payload, call.backend.facts().unknown_fields)?;
        stamp_stream(&mut config);
        check_create_request(call.subject.stream, &config)?;
        check_stream(&config, &call.backend.limits(account), pedantic)
    };
    let config = match checked() {
        Ok(config) => config,
        Err(error) => return call.answer::<Created>(Err(error)),
    };
    if let Some(existing) = call.backend.stream(account, &config.name) {
        if !is_same_stream(&config, &existing.config) {
            return call.answer::<Created>(Err(ApiError::stream_name_exist()));
        }
        if let Some(page) = read_info(call, &existing, &InfoRequest::default()) {
            let info = Some(show_stream(call.backend.facts(), page.info));
            return call.answer(Ok(Created { info, did_create: true }));
        }
    }
    let command = call.backend.admit(account, &config).map(|()| {
        let command = MetaCommand::Create { account: account.to_owned(), config: to_vec(&config) };
        (Command::Meta(command), Then::StreamCreated)
    });
    call.propose::<Created>(command)
}

/// `STREAM.UPDATE`.
pub(super) fn update<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let account = call.request.account;
    let command = || {
        let ConfigRequest { config, pedantic } =
            ConfigRequest::parse(call.request.payload, call.backend.facts().unknown_fields)?;
        let limits = call.backend.limits(account);
        let mut config = check_stream(&config, &limits, pedantic)?;
        if config.name != call.subject.stream {
            return Err(ApiError::stream_mismatch());
        }
        let existing = call.stream()?;
        stamp_stream(&mut config);
        let consumers = read_consumers(call, &existing);
        let consumers = consumers.iter().map(|(name, config)| (name.as_str(), &**config));
        let config = check_update(&existing.config, &config, &limits, pedantic, consumers)?;
        call.backend.admit(account, &config)?;
        let command = MetaCommand::Update { account: account.to_owned(), config: to_vec(&config) };
        Ok((Command::Meta(command), Then::StreamUpdated))
    };
    call.propose::<Updated>(command())
}

/// Names and configurations of a stream's consumers.
pub(super) fn read_consumers<B: ApiBackend>(
    call: &Call<'_, B>,
    stream: &Assignment,
) -> Vec<(String, Arc<ConsumerConfig>)> {
    let entries = call.backend.with_shard(stream, |shard| shard.consumers(stream.uid)).unwrap_or_default();
    entries.into_iter().map(|entry| (entry.facts.name.to_string(), entry.config)).collect()
}

fn read_info<B: ApiBackend>(call: &Call<'_, B>, stream: &Assignment, request: &InfoRequest) -> Option<StreamInfoPage> {
    call.backend.with_shard(stream, |shard| shard.stream_info(stream.uid, call.request.now, request)).flatten()
}

/// `STREAM.INFO`.
pub(super) fn info<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let facts = call.backend.facts();
    let page = || {
        let body: InfoBody = call.optional()?;
        let stream = call.stream()?;
        let request = InfoRequest {
            deleted_details: body.deleted_details,
            subjects_filter: body.subjects_filter.into_bytes(),
            offset: usize::try_from(body.offset.max(0)).unwrap_or(usize::MAX),
        };
        let found = read_info(call, &stream, &request).ok_or_else(ApiError::stream_not_found)?;
        let page = match found.total {
            0 => Paged::default(),
            total => Paged { total: total as u64, offset: found.offset as u64, limit: found.limit as u64 },
        };
        let cluster = Some(ClusterInfo { leader: facts.name.clone(), ..ClusterInfo::default() });
        let info = StreamInfo { cluster, domain: facts.domain.clone(), ..show_stream(facts, found.info) };
        Ok(InfoPage { page, info: Some(info) })
    };
    call.answer(page())
}

/// The account's streams that a request for this filter means, by name.
fn matching<B: ApiBackend>(call: &Call<'_, B>, filter: &str) -> Vec<Assignment> {
    let mut streams = call.backend.streams(call.request.account);
    let overlaps = |subject: &String| filters_overlap(filter.as_bytes(), subject.as_bytes());
    streams.retain(|stream| filter.is_empty() || stream.config.subjects.iter().any(overlaps));
    streams.sort_by(|a, b| a.config.name.cmp(&b.config.name));
    streams
}

/// `STREAM.NAMES`.
pub(super) fn names<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let page = || {
        let request: NamesRequest = call.optional()?;
        let streams = matching(call, &request.subject);
        let (page, range) = Paged::new(streams.len(), request.offset, NAMES_PAGE);
        let streams = streams.get(range).unwrap_or_default();
        Ok(NamesPage { page, streams: streams.iter().map(|stream| stream.config.name.clone()).collect() })
    };
    call.answer(page())
}

/// `STREAM.LIST`.
pub(super) fn list<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let facts = call.backend.facts();
    let page = || {
        let request: ListRequest = call.optional()?;
        let found = matching(call, &request.subject);
        let (page, range) = Paged::new(found.len(), request.offset, LIST_PAGE);
        let mut streams = Vec::with_capacity(range.len());
        for stream in found.get(range).unwrap_or_default() {
            // A stream that went meanwhile is left out.
            if let Some(found) = read_info(call, stream, &InfoRequest::default()) {
                streams.push(StreamInfo { domain: facts.domain.clone(), ..found.info });
            }
        }
        Ok(ListPage { page, streams, ..ListPage::default() })
    };
    call.answer(page())
}

/// `STREAM.DELETE`.
pub(super) fn delete<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let command = call.stream().map(|stream| {
        let account = call.request.account.to_owned();
        let command = MetaCommand::Delete { account, name: stream.config.name.clone() };
        (Command::Meta(command), Then::Done(Endpoint::StreamDelete))
    });
    call.propose::<Success>(command)
}

/// `STREAM.PURGE`.
pub(super) fn purge<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let command = || {
        let request: PurgeRequest = call.optional()?;
        if request.seq > 0 && request.keep > 0 {
            return Err(ApiError::bad_request());
        }
        let stream = call.stream()?;
        if stream.config.sealed {
            return Err(ApiError::stream_sealed());
        }
        if stream.config.deny_purge {
            return Err(ApiError::stream_purge_failed("stream purge not permitted"));
        }
        let filter = request.filter.into_bytes();
        let command = StreamCommand::Purge { filter, below: request.seq, keep: request.keep };
        Ok((Command::Stream { shard: stream.shard, uid: stream.uid, command }, Then::Purged))
    };
    call.propose::<Purged>(command())
}
