//! Consumers: create in its three forms, info, names, list, delete, pause.

use std::sync::Arc;

use forebay_api::consumer::request::{
    ConsumerAction as Asked, CreateRequest, Described, ListPage, NamesPage, PageRequest, PauseRequest, Paused,
};
use forebay_api::consumer::{ConsumerConfig, ConsumerInfo};
use forebay_api::duration::Nanos;
use forebay_api::error::ApiError;
use forebay_api::json::to_vec;
use forebay_api::level::stamp_consumer;
use forebay_api::limits::{LIST_PAGE, NAMES_PAGE};
use forebay_api::name::has_path_separator;
use forebay_api::response::{Paged, Success};
use forebay_api::routes::Endpoint;
use forebay_api::stream::{Retention, StreamConfig};
use forebay_api::time::Time;

use super::stream::read_consumers;
use super::then::{paused, show_consumer};
use super::{ApiBackend, Call, Command, Step, Then};
use crate::command::{ConsumerAction, ConsumerCommand};
use crate::consumer::validate::{
    check_consumer, check_consumer_update, check_new_consumer, check_unique_filters, is_same_consumer,
};
use crate::id::ConsumerKey;
use crate::meta::Assignment;
use crate::shard::Shard;

/// How often a fresh name is drawn before a clash is given up as a fault of the randomness.
const FRESH_NAME_TRIES: usize = 8;

/// A consumer that exists.
struct Existing {
    key: ConsumerKey,
    config: Arc<ConsumerConfig>,
}

fn find<B: ApiBackend>(call: &Call<'_, B>, stream: &Assignment, name: &str) -> Option<Existing> {
    let found = call.backend.with_shard(stream, |shard| {
        let key = shard.consumer_of(stream.uid, name)?;
        shard.consumer_entry(key).map(|entry| Existing { key, config: entry.config })
    });
    found.flatten()
}

/// The consumer as it is; requests whose owners are gone do not count as waiting.
fn read_info<B: ApiBackend>(call: &Call<'_, B>, stream: &Assignment, key: ConsumerKey) -> Option<ConsumerInfo> {
    let mut waiting: Vec<Arc<[u8]>> = Vec::new();
    let read = |shard: &Shard| {
        shard.waiting_replies(key, usize::MAX, |reply| waiting.push(Arc::clone(reply)));
        shard.consumer_info(key, call.request.now)
    };
    let mut info = call.backend.with_shard(stream, read).flatten()?;
    let is_there = |reply: &&Arc<[u8]>| call.backend.has_interest(call.request.account, reply);
    info.num_waiting = waiting.iter().filter(is_there).count() as u64;
    Some(info)
}

/// `CONSUMER.CREATE` and `CONSUMER.DURABLE.CREATE`. A consumer that is the same already is answered at once.
pub(super) fn create<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    match prepare(call) {
        Ok(Prepared::Same(info)) => call.answer(Ok(Described { info: Some(*info) })),
        Ok(Prepared::Command(command)) => Step::Propose { command, then: Then::ConsumerCreated(call.route().endpoint) },
        Err(error) => call.answer::<Described>(Err(error)),
    }
}

enum Prepared {
    Same(Box<ConsumerInfo>),
    Command(Command),
}

fn prepare<B: ApiBackend>(call: &Call<'_, B>) -> Result<Prepared, ApiError> {
    let mut request: CreateRequest = call.required()?;
    let name = resolve_name(call, &mut request)?;
    let stream = call.stream()?;
    let existing = if name.is_empty() { None } else { find(call, &stream, &name) };
    if let Some(existing) = &existing {
        // Only `CONSUMER.PAUSE` changes this (nats-server `jsConsumerCreateRequest`).
        request.config.pause_until = existing.config.pause_until;
    }
    stamp_consumer(&mut request.config);
    let limits = call.backend.limits(call.request.account);
    let mut config = check_consumer(&request.config, &stream.config, &limits, request.pedantic)?;
    let was_durable = existing.as_ref().is_some_and(|existing| existing.config.inactive_threshold == Nanos::ZERO);
    if was_durable && !config.is_durable() && !asks_for_threshold(&request.config, &stream.config) {
        // A durable that is named without its durable name stays (nats-server `updateInactiveThreshold`).
        config.inactive_threshold = Nanos::ZERO;
    }
    let others = read_consumers(call, &stream);
    let others = others.iter().map(|(name, config)| (name.as_str(), &**config));
    match existing {
        Some(existing) => {
            let same = is_same_consumer(&config, &existing.config);
            if request.action == Asked::Create && !same {
                return Err(ApiError::consumer_already_exists());
            }
            if let (true, Some(info)) = (same, read_info(call, &stream, existing.key)) {
                return Ok(Prepared::Same(Box::new(show_consumer(call.backend.facts(), info))));
            }
            if stream.config.retention == Retention::WorkQueue {
                check_unique_filters(&config, &name, others)?;
            }
            let old = &existing.config;
            let in_use =
                old.is_push() && call.backend.has_interest(call.request.account, old.deliver_subject.as_bytes());
            check_consumer_update(old, &config, in_use)?;
        }
        None if request.action == Asked::Update => return Err(ApiError::consumer_does_not_exist()),
        None => check_new_consumer(&config, &stream.config, &limits, others)?,
    }
    let action = match request.action {
        // A fresh name is nobody's: should it be taken by then, that consumer is not to be changed.
        _ if name.is_empty() => ConsumerAction::Create,
        Asked::CreateOrUpdate => ConsumerAction::CreateOrUpdate,
        Asked::Create => ConsumerAction::Create,
        Asked::Update => ConsumerAction::Update,
    };
    let name = if name.is_empty() { fresh_name(call, &stream)? } else { name };
    Ok(Prepared::Command(create_command(&stream, name, &config, action)))
}

fn asks_for_threshold(config: &ConsumerConfig, stream: &StreamConfig) -> bool {
    config.inactive_threshold > Nanos::ZERO || stream.consumer_limits.inactive_threshold > Nanos::ZERO
}

fn create_command(stream: &Assignment, name: String, config: &ConsumerConfig, action: ConsumerAction) -> Command {
    let command = ConsumerCommand::Create { name, config: to_vec(config), action };
    Command::Consumer { shard: stream.shard, uid: stream.uid, command }
}

/// The name that subject and request agree on, also written into the configuration; empty for a consumer that is to get
/// one.
fn resolve_name<B: ApiBackend>(call: &Call<'_, B>, request: &mut CreateRequest) -> Result<String, ApiError> {
    let endpoint = call.route().endpoint;
    let config = &mut request.config;
    let name = match endpoint {
        Endpoint::ConsumerCreate => config.name.clone(),
        _ => call.subject.consumer.to_owned(),
    };
    if call.subject.stream != request.stream_name {
        return Err(ApiError::stream_mismatch());
    }
    if has_path_separator(&name) {
        return Err(ApiError::consumer_name_contains_path_separators());
    }
    match endpoint {
        Endpoint::ConsumerCreate if config.is_durable() => {
            return Err(ApiError::consumer_ephemeral_with_durable_name());
        }
        Endpoint::ConsumerCreate => {}
        Endpoint::ConsumerDurableCreate if !config.is_durable() => {
            return Err(ApiError::consumer_durable_name_not_set());
        }
        _ if config.is_durable() && config.durable != name => {
            return Err(ApiError::consumer_durable_name_not_match_subject());
        }
        _ => config.name.clone_from(&name),
    }
    let filter = if endpoint == Endpoint::ConsumerCreateNamed { call.subject.rest } else { "" };
    if !filter.is_empty() && !config.filter_subjects.is_empty() {
        return Err(ApiError::consumer_multiple_filters_not_allowed());
    }
    if !filter.is_empty() && config.filter_subject != filter {
        return Err(ApiError::consumer_create_filter_subject_mismatch());
    }
    Ok(name)
}

fn fresh_name<B: ApiBackend>(call: &Call<'_, B>, stream: &Assignment) -> Result<String, ApiError> {
    let mut names = std::iter::repeat_with(|| call.backend.fresh_name()).take(FRESH_NAME_TRIES);
    names.find(|name| find(call, stream, name).is_none()).ok_or_else(ApiError::consumer_name_exist)
}

/// `CONSUMER.INFO`.
pub(super) fn info<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let info = || {
        let stream = call.stream()?;
        let existing = find(call, &stream, call.subject.consumer).ok_or_else(ApiError::consumer_not_found)?;
        let info = read_info(call, &stream, existing.key).ok_or_else(ApiError::consumer_not_found)?;
        Ok(Described { info: Some(show_consumer(call.backend.facts(), info)) })
    };
    call.answer(info())
}

/// `CONSUMER.NAMES`.
pub(super) fn names<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let page = || {
        let request: PageRequest = call.optional()?;
        let found = listed(call, &call.stream()?);
        let (page, range) = Paged::new(found.len(), request.offset, NAMES_PAGE);
        let consumers = found.get(range).unwrap_or_default().iter().map(|(name, _)| name.clone()).collect();
        Ok(NamesPage { page, consumers })
    };
    call.answer(page())
}

/// `CONSUMER.LIST`.
pub(super) fn list<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let page = || {
        let request: PageRequest = call.optional()?;
        let stream = call.stream()?;
        let found = listed(call, &stream);
        let (page, range) = Paged::new(found.len(), request.offset, LIST_PAGE);
        let names = found.get(range).unwrap_or_default();
        let infos = call.backend.with_shard(&stream, |shard| {
            let keys = names.iter().filter_map(|(name, _)| shard.consumer_of(stream.uid, name));
            keys.filter_map(|key| shard.consumer_info(key, call.request.now)).collect()
        });
        Ok(ListPage { page, consumers: infos.unwrap_or_default(), ..ListPage::default() })
    };
    call.answer(page())
}

/// The consumers that are shown, by name.
fn listed<B: ApiBackend>(call: &Call<'_, B>, stream: &Assignment) -> Vec<(String, Arc<ConsumerConfig>)> {
    let mut consumers = read_consumers(call, stream);
    consumers.retain(|(_, config)| !config.direct);
    consumers.sort_by(|a, b| a.0.cmp(&b.0));
    consumers
}

/// `CONSUMER.DELETE`.
pub(super) fn delete<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let command = || {
        let stream = call.stream()?;
        let existing = find(call, &stream, call.subject.consumer).ok_or_else(ApiError::consumer_not_found)?;
        let command = ConsumerCommand::Delete { consumer: existing.key.consumer };
        let command = Command::Consumer { shard: stream.shard, uid: stream.uid, command };
        Ok((command, Then::Done(Endpoint::ConsumerDelete)))
    };
    call.propose::<Success>(command())
}

/// `CONSUMER.PAUSE`.
pub(super) fn pause<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let now = call.request.now;
    let request = match call.optional::<PauseRequest>() {
        Ok(request) => request,
        Err(error) => return call.answer::<Paused>(Err(error)),
    };
    let until = request.pause_until.utc();
    let command = || {
        let stream = call.stream()?;
        let existing = find(call, &stream, call.subject.consumer).ok_or_else(ApiError::consumer_not_found)?;
        let until = (!until.is_zero()).then_some(until);
        if until == existing.config.pause_until {
            return Ok(None);
        }
        let (consumer, until) = (existing.key.consumer, until.map(Time::unix_ns));
        let command = ConsumerCommand::Pause { consumer, until };
        Ok(Some(Command::Consumer { shard: stream.shard, uid: stream.uid, command }))
    };
    match command() {
        Ok(Some(command)) => Step::Propose { command, then: Then::Paused { until } },
        Ok(None) => call.answer(Ok(paused(until, now))),
        Err(error) => call.answer::<Paused>(Err(error)),
    }
}
