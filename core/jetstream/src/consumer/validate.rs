//! Whether a consumer configuration is allowed, and what it becomes: nats-server's `checkConsumerCfg`, rule by rule.
//!
//! Pure: a configuration, its stream's and limits in, the complete configuration or the API error out. Rules that need
//! the stream's other consumers are in [`check_new_consumer`] and [`check_unique_filters`]; what may change later is in
//! [`update`]. What this server does not do yet is refused in words, after everything that nats-server refuses.

mod defaults;
pub mod update;

use forebay_api::consumer::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy, ReplayPolicy};
use forebay_api::duration::Nanos;
use forebay_api::error::ApiError;
use forebay_api::json::go_quote;
use forebay_api::limits::{DESCRIPTION_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX};
use forebay_api::name::is_valid_name;
use forebay_api::stream::{Retention, StreamConfig};
use forebay_subject::{is_literal, is_subset_of, is_valid_filter};

use crate::stream::validate::{Limits, metadata_bytes};

pub use update::{check_consumer_update, is_same_consumer};

/// The shortest heartbeat of a push consumer.
const SHORTEST_HEARTBEAT: Nanos = Nanos::from_millis(100);
/// The heartbeat that consumers with acks by flow control must have.
const FLOW_CONTROL_ACK_HEARTBEAT: Nanos = Nanos::from_secs(1);
/// The shortest `max_expires`.
const SHORTEST_EXPIRES: Nanos = Nanos::from_millis(1);
/// Longest name of a priority group, in bytes.
const GROUP_NAME_BYTES_MAX: usize = 16;

/// Fills in what was left out and checks the result against its stream and the limits.
///
/// `config.name` must already be the name in the subject, if there is one.
///
/// # Errors
/// 10052, 10074, 10079–10095, 10102, 10107, 10108, 10112–10116, 10121, 10125, 10126, 10132–10139, 10153, 10157,
/// 10159–10162, 10178, 10181–10184, 10196, 10197, 10218–10222, and 10012 for what is not built yet.
pub fn check_consumer(
    config: &ConsumerConfig,
    stream: &StreamConfig,
    limits: &Limits,
    pedantic: bool,
) -> Result<ConsumerConfig, ApiError> {
    if config.num_replicas > 1 {
        return Err(ApiError::stream_replicas_not_supported());
    }
    let mut config = config.clone();
    defaults::fill_in(&mut config, stream, limits, pedantic)?;
    check_names(&config)?;
    check_replicas(&config, stream)?;
    check_waits(&config)?;
    check_flow_control_acks(&config)?;
    check_texts(&config)?;
    if config.is_push() {
        check_push(&config, stream)?;
    } else {
        check_pull(&config, stream, limits)?;
    }
    check_limits(&config, stream, limits)?;
    check_direct(&config)?;
    check_filters(&config)?;
    check_start(&config)?;
    check_sampling(&config)?;
    check_rest(&config)?;
    check_priority(&config)?;
    refuse_unbuilt(&config)?;
    defaults::fill_in_ephemeral(&mut config);
    Ok(config)
}

/// Whether a complete configuration goes with its stream's: asked before the log as a part of [`check_consumer`], and again
/// when the command is applied, since the stream may have been updated meanwhile. Decides from the two alone.
///
/// # Errors
/// 10081, 10084, 10121, 10126, 10133, 10134, 10153.
pub fn check_fits_stream(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    check_replicas(config, stream)?;
    if config.is_push() {
        check_cycle(config, stream)?;
    } else {
        check_queue_acks(config, stream)?;
    }
    check_stream_limits(config, stream)
}

fn invalid<T>(rule: impl std::fmt::Display) -> Result<T, ApiError> {
    Err(ApiError::stream_invalid_config(rule))
}

/// Fails with `error` if `broken`.
fn rule(broken: bool, error: fn() -> ApiError) -> Result<(), ApiError> {
    if broken { Err(error()) } else { Ok(()) }
}

fn check_names(config: &ConsumerConfig) -> Result<(), ApiError> {
    if !config.name.is_empty() && !is_valid_name(&config.name) {
        return invalid("consumer name can not contain '.', '*', '>', '\\', '/'");
    }
    if !config.durable.is_empty() && !is_valid_name(&config.durable) {
        return invalid("consumer durable name can not contain '.', '*', '>', '\\', '/'");
    }
    if config.name.len().max(config.durable.len()) > NAME_BYTES_MAX {
        return Err(ApiError::consumer_name_too_long(NAME_BYTES_MAX));
    }
    Ok(())
}

fn check_replicas(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    let replicas = config.num_replicas;
    rule(replicas > 0 && replicas > stream.num_replicas, ApiError::consumer_replicas_exceeds_stream)?;
    rule(replicas < 0, ApiError::replicas_count_cannot_be_negative)?;
    let must_match = stream.retention != Retention::Limits;
    rule(
        must_match && replicas != 0 && replicas != stream.num_replicas,
        ApiError::consumer_replicas_should_match_stream,
    )
}

fn check_waits(config: &ConsumerConfig) -> Result<(), ApiError> {
    rule(config.backoff.iter().any(|wait| *wait < Nanos::ZERO), ApiError::consumer_backoff_negative)?;
    rule(config.ack_wait < Nanos::ZERO, ApiError::consumer_ack_wait_negative)
}

/// Acks by flow control are for consumers that feed sources.
fn check_flow_control_acks(config: &ConsumerConfig) -> Result<(), ApiError> {
    if config.ack_policy != AckPolicy::FlowControl {
        return Ok(());
    }
    rule(!config.is_push(), ApiError::consumer_ack_fc_requires_push)?;
    rule(!config.flow_control, ApiError::consumer_ack_fc_requires_fc)?;
    if config.idle_heartbeat != FLOW_CONTROL_ACK_HEARTBEAT {
        return invalid("flow control ack policy heartbeat needs to be 1s");
    }
    rule(config.max_ack_pending <= 0, ApiError::consumer_ack_fc_requires_max_ack_pending)?;
    let waits = config.ack_wait != Nanos::ZERO || !config.backoff.is_empty();
    rule(waits, ApiError::consumer_ack_fc_requires_no_ack_wait)?;
    rule(config.max_deliver > 0, ApiError::consumer_ack_fc_requires_no_max_deliver)
}

fn check_texts(config: &ConsumerConfig) -> Result<(), ApiError> {
    check_backoff(config)?;
    if config.description.len() > DESCRIPTION_BYTES_MAX {
        return Err(ApiError::consumer_description_too_long(DESCRIPTION_BYTES_MAX));
    }
    Ok(())
}

/// Each wait of the backoff needs a delivery.
fn check_backoff(config: &ConsumerConfig) -> Result<(), ApiError> {
    let waits = i64::try_from(config.backoff.len()).unwrap_or(i64::MAX);
    rule(waits > 0 && config.max_deliver != -1 && waits > config.max_deliver, ApiError::consumer_max_deliver_backoff)
}

fn check_push(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    let subject = config.deliver_subject.as_bytes();
    rule(!is_literal(subject), ApiError::consumer_deliver_to_wildcards)?;
    rule(!is_valid_filter(subject), ApiError::consumer_invalid_deliver_subject)?;
    check_cycle(config, stream)?;
    rule(config.max_waiting != 0, ApiError::consumer_push_max_waiting)?;
    let unacked = config.max_ack_pending > 0 && config.ack_policy == AckPolicy::None;
    rule(unacked, ApiError::consumer_max_pending_ack_policy_required)?;
    let heartbeat = config.idle_heartbeat;
    rule(heartbeat > Nanos::ZERO && heartbeat < SHORTEST_HEARTBEAT, ApiError::consumer_small_heartbeat)
}

/// A stream that captures what its consumer delivers would feed itself.
fn check_cycle(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    let subject = config.deliver_subject.as_bytes();
    let is_cycle = stream.subjects.iter().any(|captured| is_subset_of(subject, captured.as_bytes()));
    rule(is_cycle, ApiError::consumer_deliver_cycle)
}

/// Who pulls from a work queue says when a message may go.
fn check_queue_acks(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    let unacked = config.ack_policy == AckPolicy::None && stream.retention == Retention::WorkQueue;
    rule(unacked, ApiError::consumer_pull_requires_ack)
}

fn check_pull(config: &ConsumerConfig, stream: &StreamConfig, limits: &Limits) -> Result<(), ApiError> {
    check_queue_acks(config, stream)?;
    rule(config.rate_limit > 0, ApiError::consumer_pull_with_rate_limit)?;
    rule(config.max_waiting < 0, ApiError::consumer_max_waiting_negative)?;
    rule(config.idle_heartbeat > Nanos::ZERO, ApiError::consumer_hb_requires_push)?;
    rule(config.flow_control, ApiError::consumer_fc_requires_push)?;
    rule(config.max_batch < 0, ApiError::consumer_max_request_batch_negative)?;
    let expires = config.max_expires;
    rule(expires != Nanos::ZERO && expires < SHORTEST_EXPIRES, ApiError::consumer_max_request_expires_too_small)?;
    if limits.max_request_batch > 0 && config.max_batch > limits.max_request_batch {
        return Err(ApiError::consumer_max_request_batch_exceeded(limits.max_request_batch));
    }
    Ok(())
}

fn check_limits(config: &ConsumerConfig, stream: &StreamConfig, limits: &Limits) -> Result<(), ApiError> {
    for most in [limits.max_ack_pending, limits.account.max_ack_pending] {
        if most > 0 && config.max_ack_pending > most {
            return Err(ApiError::consumer_max_pending_ack_excess(most));
        }
    }
    check_stream_limits(config, stream)
}

fn check_stream_limits(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    let of_stream = stream.consumer_limits;
    if of_stream.max_ack_pending > 0 && config.max_ack_pending > of_stream.max_ack_pending {
        return Err(ApiError::consumer_max_pending_ack_excess(of_stream.max_ack_pending));
    }
    let longest = of_stream.inactive_threshold;
    if longest > Nanos::ZERO && config.inactive_threshold > longest {
        return Err(ApiError::consumer_inactive_threshold_excess(longest));
    }
    Ok(())
}

fn check_direct(config: &ConsumerConfig) -> Result<(), ApiError> {
    rule(config.direct && !config.is_push(), ApiError::consumer_direct_requires_push)?;
    rule(config.direct && config.is_durable(), ApiError::consumer_direct_requires_ephemeral)
}

fn check_filters(config: &ConsumerConfig) -> Result<(), ApiError> {
    let both = !config.filter_subject.is_empty() && !config.filter_subjects.is_empty();
    rule(both, ApiError::consumer_duplicate_filter_subjects)?;
    rule(config.filter_subjects.iter().any(String::is_empty), ApiError::consumer_empty_filter)?;
    let filters: Vec<&str> = config.filters().collect();
    for (index, filter) in filters.iter().enumerate() {
        if !is_valid_filter(filter.as_bytes()) {
            return invalid("invalid subject");
        }
        // nats-server only looks for filters inside another one: `a.*.b` beside `a.b.*` is allowed.
        let inside = |(at, other): (usize, &&str)| at != index && is_subset_of(filter.as_bytes(), other.as_bytes());
        rule(filters.iter().enumerate().any(inside), ApiError::consumer_overlapping_subject_filters)?;
    }
    Ok(())
}

/// Each deliver policy has its own start, and no other.
fn check_start(config: &ConsumerConfig) -> Result<(), ApiError> {
    let (seq, time) = (config.opt_start_seq > 0, config.opt_start_time.is_some());
    let (policy, needs) = match config.deliver_policy {
        DeliverPolicy::All => ("all", None),
        DeliverPolicy::Last => ("last", None),
        DeliverPolicy::LastPerSubject => {
            ("last per subject", Some((config.filters().next().is_some(), "filter subject")))
        }
        DeliverPolicy::New => ("new", None),
        DeliverPolicy::ByStartSequence => ("by start sequence", Some((seq, "start sequence"))),
        DeliverPolicy::ByStartTime => ("by start time", Some((time, "start time"))),
    };
    let also_set = |start: &str| {
        let text = format!("consumer delivery policy is deliver {policy}, but optional start {start} is also set");
        Err(ApiError::consumer_invalid_policy(text))
    };
    let by_position = matches!(config.deliver_policy, DeliverPolicy::ByStartSequence | DeliverPolicy::ByStartTime);
    if seq && !by_position {
        return also_set("sequence");
    }
    if time && !by_position {
        return also_set("time");
    }
    if let Some((false, what)) = needs {
        let text = format!("consumer delivery policy is deliver {policy}, but optional {what} is not set");
        return Err(ApiError::consumer_invalid_policy(text));
    }
    match config.deliver_policy {
        DeliverPolicy::ByStartSequence if time => also_set("time"),
        // The doubled word is nats-server's.
        DeliverPolicy::ByStartTime if seq => also_set("start sequence"),
        _ => Ok(()),
    }
}

/// The percentage of acks to report; nothing if there is none.
fn sampling(config: &ConsumerConfig) -> Option<Result<i64, std::num::ParseIntError>> {
    let text = config.sample_freq.strip_suffix('%').unwrap_or(&config.sample_freq);
    if config.sample_freq.is_empty() { None } else { Some(text.parse()) }
}

fn check_sampling(config: &ConsumerConfig) -> Result<(), ApiError> {
    match sampling(config) {
        None | Some(Ok(0..)) => Ok(()),
        // What Go prints where there is no error to print.
        Some(Ok(_)) => Err(ApiError::consumer_invalid_sampling("<nil>")),
        Some(Err(_)) => {
            let text = config.sample_freq.strip_suffix('%').unwrap_or(&config.sample_freq);
            let text = go_quote(text.as_bytes());
            Err(ApiError::consumer_invalid_sampling(format_args!("strconv.Atoi: parsing {text}: invalid syntax")))
        }
    }
}

fn check_rest(config: &ConsumerConfig) -> Result<(), ApiError> {
    let silent = config.flow_control && config.idle_heartbeat == Nanos::ZERO;
    rule(silent, ApiError::consumer_with_flow_control_needs_heartbeats)?;
    let differ = config.is_durable() && !config.name.is_empty() && config.name != config.durable;
    rule(differ, ApiError::consumer_create_durable_and_name_mismatch)?;
    if metadata_bytes(&config.metadata) > METADATA_BYTES_MAX {
        return Err(ApiError::consumer_metadata_length(format_args!("{}KB", METADATA_BYTES_MAX / 1024)));
    }
    Ok(())
}

fn check_priority(config: &ConsumerConfig) -> Result<(), ApiError> {
    if config.priority_policy == PriorityPolicy::None {
        rule(!config.priority_groups.is_empty(), ApiError::consumer_priority_group_with_policy_none)?;
        let pinned = config.priority_timeout > Nanos::ZERO;
        return rule(pinned, ApiError::consumer_pinned_ttl_without_priority_policy_none);
    }
    rule(config.is_push(), ApiError::consumer_push_with_priority_group)?;
    rule(config.priority_groups.is_empty(), ApiError::consumer_priority_policy_without_group)?;
    for group in &config.priority_groups {
        rule(group.is_empty(), ApiError::consumer_empty_group_name)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/_=-".contains(&byte);
        let valid = group.len() <= GROUP_NAME_BYTES_MAX && group.bytes().all(fits);
        rule(!valid, ApiError::consumer_invalid_group_name)?;
    }
    Ok(())
}

/// Features that nats-server has and this server does not yet: the word for it, and how a configuration asks for it.
type Unbuilt = (&'static str, fn(&ConsumerConfig) -> bool);
const UNBUILT: &[Unbuilt] = &[
    ("priority groups", |config| config.priority_policy != PriorityPolicy::None),
    ("acks by flow control", |config| config.ack_policy == AckPolicy::FlowControl),
    ("direct consumers", |config| config.direct || config.sourcing),
    ("replay at the original speed", |config| config.replay_policy == ReplayPolicy::Original),
    ("rate limits", |config| config.rate_limit > 0),
    ("ack sampling", |config| matches!(sampling(config), Some(Ok(1..)))),
];

fn refuse_unbuilt(config: &ConsumerConfig) -> Result<(), ApiError> {
    match UNBUILT.iter().find(|(_, used)| used(config)) {
        Some((feature, _)) => {
            Err(ApiError::consumer_create(format_args!("{feature} not supported by this server yet")))
        }
        None => Ok(()),
    }
}

/// What a consumer that does not exist yet must satisfy beside the stream's others: their number, and the rules of a
/// work queue. `others` are the stream's consumers, by name; `config` is checked already.
///
/// # Errors
/// 10026, 10098–10101.
pub fn check_new_consumer<'a>(
    config: &ConsumerConfig,
    stream: &StreamConfig,
    limits: &Limits,
    others: impl Iterator<Item = (&'a str, &'a ConsumerConfig)> + Clone,
) -> Result<(), ApiError> {
    let of_account = limits.account.max_consumers;
    let mut most = stream.max_consumers;
    if most <= 0 || (of_account > 0 && of_account < most) {
        most = of_account;
    }
    let count = others.clone().filter(|(_, other)| !other.direct).count();
    if most > 0 && i64::try_from(count).unwrap_or(i64::MAX) >= most {
        return Err(ApiError::maximum_consumers_limit());
    }
    if stream.retention != Retention::WorkQueue {
        return Ok(());
    }
    let acked = matches!(config.ack_policy, AckPolicy::Explicit | AckPolicy::FlowControl);
    rule(!acked, ApiError::consumer_wq_requires_explicit_ack)?;
    rule(config.deliver_policy != DeliverPolicy::All, ApiError::consumer_wq_consumer_not_deliver_all)?;
    if count == 0 {
        return Ok(());
    }
    rule(config.filters().next().is_none(), ApiError::consumer_wq_multiple_unfiltered)?;
    check_unique_filters(config, "", others)
}

/// On a work queue every message has one consumer: the filters of `config` and those of the others do not overlap. The
/// consumer called `own_name` is not another one.
///
/// # Errors
/// 10100.
pub fn check_unique_filters<'a>(
    config: &ConsumerConfig,
    own_name: &str,
    mut others: impl Iterator<Item = (&'a str, &'a ConsumerConfig)>,
) -> Result<(), ApiError> {
    let clashes = others.any(|(name, other)| {
        let unfiltered = other.filters().next().is_none() || config.filters().next().is_none();
        let overlap = |filter: &str| {
            other.filters().any(|theirs| forebay_subject::filters_overlap(filter.as_bytes(), theirs.as_bytes()))
        };
        name != own_name && !other.direct && (unfiltered || config.filters().any(overlap))
    });
    rule(clashes, ApiError::consumer_wq_consumer_not_unique)
}

#[cfg(test)]
mod tests;
