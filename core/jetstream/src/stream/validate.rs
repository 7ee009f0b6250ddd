//! Whether a stream configuration is allowed, and what it becomes: nats-server's `checkStreamCfg`, rule by rule.
//!
//! Pure: a configuration and limits in, the normalised configuration or the API error out. Under `pedantic` what would
//! be silently corrected is refused with 10157. What this server does not do yet is refused in words. Whether subjects
//! overlap another stream's, and whether there is room, is the meta machine's question.

use std::collections::BTreeSet;

use forebay_api::account::AccountLimits;
use forebay_api::duration::Nanos;
use forebay_api::error::ApiError;
use forebay_api::json::go_quote;
use forebay_api::limits::{DESCRIPTION_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX, REPLICAS_MAX};
use forebay_api::name::{has_path_separator, is_valid_name};
use forebay_api::stream::{Compression, Discard, Metadata, PersistMode, Placement, Storage, StreamConfig};
use forebay_subject::{filters_overlap, is_subset_of, is_valid_filter};

/// How long a message id is remembered where the configuration does not say (nats-server
/// `StreamDefaultDuplicatesWindow`).
const DUPLICATE_WINDOW_DEFAULT: Nanos = Nanos::from_secs(120);
/// The shortest age limit and duplicate window.
const SHORTEST_WINDOW: Nanos = Nanos::from_millis(100);
/// The shortest life of a delete marker.
const SHORTEST_MARKER_TTL: Nanos = Nanos::from_secs(1);
/// Everything.
const ALL_SUBJECTS: &str = ">";
/// Spaces of the server that a stream may not capture and then answer into.
const API_SPACES: [&str; 3] = ["$JS.>", "$JSC.>", "$NRG.>"];
/// The part of these that is plain messages.
const API_EVENTS: &str = "$JS.EVENT.>";
/// The system's space.
const SYSTEM_SPACE: &str = "$SYS.>";
/// The part of it that is plain messages.
const SYSTEM_EVENTS: &str = "$SYS.ACCOUNT.>";

/// What the server and the account allow, for streams and consumers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The account's limits.
    pub account: AccountLimits,
    /// The longest duplicate window; zero is no limit (option `jetstream.limits.duplicate_window`).
    pub duplicate_window: Nanos,
    /// The largest `max_ack_pending`; zero is no limit (option `jetstream.limits.max_ack_pending`).
    pub max_ack_pending: i64,
    /// The largest `max_batch`; zero is no limit (option `jetstream.limits.max_request_batch`).
    pub max_request_batch: i64,
    /// The stream durability `os` works on this server (metadata `forebay.durability`).
    pub os_durability: bool,
}

/// What a `STREAM.CREATE` is asked before its configuration is looked at: the subject's name and the request's are the
/// same, and it does not begin where only an update leads.
///
/// # Errors
/// 10056, 10128, 10052.
pub fn check_create_request(subject_name: &str, config: &StreamConfig) -> Result<(), ApiError> {
    if subject_name != config.name {
        return Err(ApiError::stream_mismatch());
    }
    if has_path_separator(subject_name) {
        return Err(ApiError::stream_name_contains_path_separators());
    }
    if config.sealed {
        return invalid("stream configuration for create can not be sealed");
    }
    if config.mirror_direct && config.mirror.is_none() {
        return invalid("stream has no mirror but does have mirror direct");
    }
    Ok(())
}

/// Checks a configuration and fills in what was left out.
///
/// # Errors
/// 10052 with the broken rule, 10157 under `pedantic`, 10074, 10113, 10122, 10133.
pub fn check_stream(config: &StreamConfig, limits: &Limits, pedantic: bool) -> Result<StreamConfig, ApiError> {
    check_texts(config)?;
    refuse_unbuilt(config)?;
    let mut config = config.clone();
    check_replicas(&mut config)?;
    fill_limits(&mut config, pedantic)?;
    check_age(&config)?;
    fill_duplicate_window(&mut config, limits, pedantic)?;
    check_permissions(&mut config, pedantic)?;
    check_subjects(&mut config)?;
    check_account(&config, &limits.account)?;
    check_placement(&mut config)?;
    check_durability(&config, limits)?;
    if config.num_replicas > 1 {
        return Err(ApiError::stream_replicas_not_supported());
    }
    Ok(config)
}

fn invalid<T>(rule: impl std::fmt::Display) -> Result<T, ApiError> {
    Err(ApiError::stream_invalid_config(rule))
}

fn check_texts(config: &StreamConfig) -> Result<(), ApiError> {
    if !is_valid_name(&config.name) {
        return invalid("stream name is required and can not contain '.', '*', '>', '\\', '/'");
    }
    if config.name.len() > NAME_BYTES_MAX {
        return invalid(format_args!("stream name is too long, maximum allowed is {NAME_BYTES_MAX}"));
    }
    if config.description.len() > DESCRIPTION_BYTES_MAX {
        return invalid(format_args!("stream description is too long, maximum allowed is {DESCRIPTION_BYTES_MAX}"));
    }
    if metadata_bytes(&config.metadata) > METADATA_BYTES_MAX {
        return invalid(format_args!("stream metadata exceeds maximum size of {METADATA_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// All keys and values together.
pub(crate) fn metadata_bytes(metadata: &Metadata) -> usize {
    metadata.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// Features that nats-server has and this server does not yet: the word for it, and how a configuration asks for it.
type Unbuilt = (&'static str, fn(&StreamConfig) -> bool);
const UNBUILT: &[Unbuilt] = &[
    ("mirrors", |config| config.mirror.is_some()),
    ("sources", |config| !config.sources.is_empty()),
    ("compression", |config| config.compression != Compression::None),
    ("subject transforms of streams", |config| config.subject_transform.is_some()),
    ("republishing", |config| config.republish.is_some()),
    ("delete markers", |config| config.subject_delete_marker_ttl != Nanos::ZERO),
    ("message counters", |config| config.allow_msg_counter),
    ("atomic batches", |config| config.allow_atomic),
    ("message schedules", |config| config.allow_msg_schedules),
    ("the persist mode async", |config| config.persist_mode == PersistMode::Async),
    ("batch publishing", |config| config.allow_batched),
];

fn refuse_unbuilt(config: &StreamConfig) -> Result<(), ApiError> {
    match UNBUILT.iter().find(|(_, used)| used(config)) {
        Some((feature, _)) => invalid(format_args!("{feature} not supported by this server yet")),
        None => Ok(()),
    }
}

fn check_replicas(config: &mut StreamConfig) -> Result<(), ApiError> {
    if config.num_replicas == 0 {
        config.num_replicas = 1;
    }
    if config.num_replicas > REPLICAS_MAX {
        return invalid(format_args!("maximum replicas is {REPLICAS_MAX}"));
    }
    if config.num_replicas < 0 {
        return Err(ApiError::replicas_count_cannot_be_negative());
    }
    Ok(())
}

/// A limit of zero or below -1 becomes -1, which is none.
fn fill_limits(config: &mut StreamConfig, pedantic: bool) -> Result<(), ApiError> {
    unlimited(&mut config.max_msgs, "max_msgs", pedantic)?;
    unlimited(&mut config.max_msgs_per_subject, "max_msgs_per_subject", pedantic)?;
    unlimited(&mut config.max_bytes, "max_bytes", pedantic)?;
    let mut max_msg_size = i64::from(config.max_msg_size);
    unlimited(&mut max_msg_size, "max_msg_size", pedantic)?;
    config.max_msg_size = i32::try_from(max_msg_size).unwrap_or(-1);
    unlimited(&mut config.max_consumers, "max_consumers", pedantic)
}

fn unlimited(limit: &mut i64, field: &str, pedantic: bool) -> Result<(), ApiError> {
    if *limit < -1 && pedantic {
        return Err(ApiError::pedantic(format_args!("{field} must be set to -1")));
    }
    if *limit <= 0 {
        *limit = -1;
    }
    Ok(())
}

fn check_age(config: &StreamConfig) -> Result<(), ApiError> {
    if config.max_age < Nanos::ZERO {
        return invalid("max age can not be negative");
    }
    if config.max_age != Nanos::ZERO && config.max_age < SHORTEST_WINDOW {
        return invalid("max age needs to be >= 100ms");
    }
    Ok(())
}

fn fill_duplicate_window(config: &mut StreamConfig, limits: &Limits, pedantic: bool) -> Result<(), ApiError> {
    let most = limits.duplicate_window;
    if config.duplicate_window == Nanos::ZERO && config.mirror.is_none() && config.sources.is_empty() {
        let mut window = DUPLICATE_WINDOW_DEFAULT;
        if most > Nanos::ZERO && window > most {
            if pedantic {
                return Err(ApiError::pedantic("duplicate window limits are higher than current limits"));
            }
            window = most;
        }
        if config.max_age != Nanos::ZERO && config.max_age < window {
            if pedantic {
                return Err(ApiError::pedantic("duplicate window cannot be bigger than max age"));
            }
            window = config.max_age;
        }
        config.duplicate_window = window;
    }
    let window = config.duplicate_window;
    if window < Nanos::ZERO {
        return invalid("duplicates window can not be negative");
    }
    if config.max_age != Nanos::ZERO && window > config.max_age {
        return invalid("duplicates window can not be larger then max age");
    }
    if most > Nanos::ZERO && window > most {
        return invalid(format_args!("duplicates window can not be larger then server limit of {most}"));
    }
    if window > Nanos::ZERO && window < SHORTEST_WINDOW {
        return invalid("duplicates window needs to be >= 100ms");
    }
    Ok(())
}

/// What may be combined: rollups, discard new, delete markers.
fn check_permissions(config: &mut StreamConfig, pedantic: bool) -> Result<(), ApiError> {
    if config.deny_purge && config.allow_rollup_hdrs {
        return invalid("roll-ups require the purge permission");
    }
    check_discard_new_per_subject(config)?;
    let marker_ttl = config.subject_delete_marker_ttl;
    if marker_ttl < Nanos::ZERO {
        return invalid("subject delete marker TTL must not be negative");
    }
    if marker_ttl == Nanos::ZERO {
        return Ok(());
    }
    if marker_ttl < SHORTEST_MARKER_TTL {
        return invalid("subject delete marker TTL must be at least 1 second");
    }
    if !config.allow_msg_ttl {
        if pedantic {
            return invalid("subject delete marker cannot be set if message TTLs are disabled");
        }
        config.allow_msg_ttl = true;
    }
    if !config.allow_rollup_hdrs {
        if pedantic {
            return invalid("subject delete marker cannot be set if roll-ups are disabled");
        }
        config.allow_rollup_hdrs = true;
        config.deny_purge = false;
    }
    Ok(())
}

/// `discard_new_per_subject` needs a limit that it can hold.
pub(crate) fn check_discard_new_per_subject(config: &StreamConfig) -> Result<(), ApiError> {
    if !config.discard_new_per_subject {
        return Ok(());
    }
    if config.discard != Discard::New {
        return invalid("discard new per subject requires discard new policy to be set");
    }
    if config.max_msgs_per_subject <= 0 {
        return invalid("discard new per subject requires max msgs per subject > 0");
    }
    Ok(())
}

fn check_subjects(config: &mut StreamConfig) -> Result<(), ApiError> {
    if config.subjects.is_empty() {
        if config.mirror.is_none() && config.sources.is_empty() {
            config.subjects.push(config.name.clone());
        }
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    let mut rest = config.subjects.as_slice();
    while let Some((subject, later)) = rest.split_first() {
        if !is_valid_filter(subject.as_bytes()) {
            return invalid("invalid subject");
        }
        if !seen.insert(subject.as_str()) {
            return invalid("duplicate subjects detected");
        }
        check_capture(config, subject)?;
        if let Some(other) = later.iter().find(|other| overlap(other, subject)) {
            let (subject, other) = (go_quote(subject.as_bytes()), go_quote(other.as_bytes()));
            return invalid(format_args!("subject {subject} overlaps with {other}"));
        }
        rest = later;
    }
    Ok(())
}

/// A stream that captures what it answers with would feed itself.
fn check_capture(config: &StreamConfig, subject: &str) -> Result<(), ApiError> {
    if subject == ALL_SUBJECTS {
        if !config.no_ack {
            return invalid("capturing all subjects requires no-ack to be true");
        }
        if config.num_replicas != 1 {
            return invalid("capturing all subjects requires replicas of 1");
        }
    }
    if config.no_ack {
        return Ok(());
    }
    let is_api = API_SPACES.iter().any(|space| overlap(subject, space));
    if is_api && !is_subset_of(subject.as_bytes(), API_EVENTS.as_bytes()) {
        return invalid("subjects that overlap with jetstream api require no-ack to be true");
    }
    if overlap(subject, SYSTEM_SPACE) && !is_subset_of(subject.as_bytes(), SYSTEM_EVENTS.as_bytes()) {
        return invalid("subjects that overlap with system api require no-ack to be true");
    }
    Ok(())
}

fn overlap(left: &str, right: &str) -> bool {
    filters_overlap(left.as_bytes(), right.as_bytes())
}

/// True if two streams would capture the same subject: err 10065.
#[must_use]
pub fn subjects_overlap(left: &StreamConfig, right: &StreamConfig) -> bool {
    left.subjects.iter().any(|subject| right.subjects.iter().any(|other| overlap(subject, other)))
}

fn check_account(config: &StreamConfig, account: &AccountLimits) -> Result<(), ApiError> {
    if account.max_bytes_required && config.max_bytes <= 0 {
        return Err(ApiError::stream_max_bytes_required());
    }
    let most = match config.storage {
        Storage::Memory => account.memory_max_stream_bytes,
        Storage::File => account.storage_max_stream_bytes,
    };
    if most > 0 && config.max_bytes > most {
        return Err(ApiError::stream_max_stream_bytes_exceeded());
    }
    Ok(())
}

fn check_placement(config: &mut StreamConfig) -> Result<(), ApiError> {
    if config.placement.as_ref().is_some_and(|placement| *placement == Placement::default()) {
        config.placement = None;
    }
    match &config.placement {
        Some(placement) if !placement.preferred.is_empty() => invalid("preferred server not permitted in placement"),
        _ => Ok(()),
    }
}

/// The metadata key by which a stream chooses what its acks promise.
pub const DURABILITY_KEY: &str = "forebay.durability";

/// What a stream's acks promise where it does not say.
const DURABILITY_DEFAULT: &str = "fsync";

/// What a stream asks its acks to promise: a stream that does not say asks for the default. It is chosen when the stream
/// is made, as its messages lie where the choice puts them.
pub(crate) fn durability(config: &StreamConfig) -> &str {
    config.metadata.get(DURABILITY_KEY).map_or(DURABILITY_DEFAULT, String::as_str)
}

fn check_durability(config: &StreamConfig, limits: &Limits) -> Result<(), ApiError> {
    match config.metadata.get(DURABILITY_KEY).map(String::as_str) {
        None => Ok(()),
        Some(_) if config.storage == Storage::Memory => {
            invalid("forebay.durability is for file storage, what is in memory is not durable")
        }
        Some("fsync") => Ok(()),
        Some("os") if config.num_replicas > 1 => {
            invalid("forebay.durability os is not supported on replicated streams")
        }
        Some("os") if limits.os_durability => Ok(()),
        Some("os") => invalid("forebay.durability os not supported by this server yet"),
        Some(other) => {
            let other = go_quote(other.as_bytes());
            invalid(format_args!("forebay.durability must be fsync or os, not {other}"))
        }
    }
}

#[cfg(test)]
mod tests;
