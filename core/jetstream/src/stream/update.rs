//! What may change in a stream, and when two configurations are the same: nats-server's `configUpdateCheck`.

use forebay_api::consumer::ConsumerConfig;
use forebay_api::duration::Nanos;
use forebay_api::error::ApiError;
use forebay_api::level::adopt_server_keys;
use forebay_api::stream::{Discard, Retention, StreamConfig};

use super::validate::{Limits, check_stream, durability};

/// Checks a configuration that is to replace `old`, and normalises it. The consumers are those of the stream.
///
/// Whether the new subjects overlap another stream's, and whether there is room, is the meta machine's question.
///
/// # Errors
/// What [`check_stream`] refuses, 10052 for what may not change, 10055, 10069 for consumers beyond new limits.
pub fn check_update<'a>(
    old: &StreamConfig,
    new: &StreamConfig,
    limits: &Limits,
    pedantic: bool,
    consumers: impl Iterator<Item = (&'a str, &'a ConsumerConfig)>,
) -> Result<StreamConfig, ApiError> {
    let mut config = check_stream(new, limits, pedantic)?;
    check_transition(old, &config)?;
    if config.sealed {
        seal(&mut config);
    }
    check_consumer_limits(old, &config, consumers)?;
    Ok(config)
}

/// Whether one config may become the other: asked before the log, and again when the update is applied, since another
/// update may have come first. Decides from the two configs alone.
///
/// # Errors
/// 10052 for what may not change, 10055.
pub fn check_transition(old: &StreamConfig, new: &StreamConfig) -> Result<(), ApiError> {
    if let Some(rule) = broken_rule(old, new) {
        return Err(ApiError::stream_invalid_config(rule));
    }
    if new.mirror.is_some() && new.mirror != old.mirror {
        return Err(ApiError::stream_mirror_not_updatable());
    }
    if durability(old) != durability(new) {
        return Err(ApiError::stream_invalid_config("stream configuration update can not change forebay.durability"));
    }
    Ok(())
}

/// The first rule that the change breaks, in nats-server's words and order.
fn broken_rule(old: &StreamConfig, new: &StreamConfig) -> Option<&'static str> {
    let workqueue = old.retention == Retention::WorkQueue || new.retention == Retention::WorkQueue;
    let rules = [
        (new.name != old.name, "stream configuration name must match original"),
        (new.storage != old.storage, "stream configuration update can not change storage type"),
        (
            new.retention != old.retention && workqueue,
            "stream configuration update can not change retention policy to/from workqueue",
        ),
        (old.sealed && !new.sealed, "stream configuration update can not unseal a sealed stream"),
        (old.deny_delete && !new.deny_delete, "stream configuration update can not cancel deny message deletes"),
        (old.deny_purge && !new.deny_purge, "stream configuration update can not cancel deny purge"),
        (old.allow_msg_ttl && !new.allow_msg_ttl, "message TTL status can not be disabled"),
        (
            old.allow_msg_counter != new.allow_msg_counter,
            "stream configuration update can not change message counter setting",
        ),
        (old.allow_msg_schedules && !new.allow_msg_schedules, "message schedules can not be disabled"),
        (old.persist_mode != new.persist_mode, "stream configuration update can not change persist mode"),
    ];
    rules.into_iter().find_map(|(broken, rule)| broken.then_some(rule))
}

/// A sealed stream never changes again by itself.
fn seal(config: &mut StreamConfig) {
    config.max_age = Nanos::ZERO;
    config.discard = Discard::New;
    config.deny_delete = true;
    config.deny_purge = true;
    config.allow_rollup_hdrs = false;
}

/// Limits may not become tighter than what consumers already have: asked before the log, and again when the update is
/// applied, since a consumer may have come first.
///
/// # Errors
/// 10069.
pub fn check_consumer_limits<'a>(
    old: &StreamConfig,
    new: &StreamConfig,
    consumers: impl Iterator<Item = (&'a str, &'a ConsumerConfig)>,
) -> Result<(), ApiError> {
    let (old, new) = (old.consumer_limits, new.consumer_limits);
    if old == new {
        return Ok(());
    }
    let beyond = |config: &ConsumerConfig| {
        (new.inactive_threshold > Nanos::ZERO && config.inactive_threshold > new.inactive_threshold)
            || (new.max_ack_pending > 0 && config.max_ack_pending > new.max_ack_pending)
    };
    let mut names: Vec<&str> = consumers.filter(|(_, config)| beyond(config)).map(|(name, _)| name).collect();
    if names.is_empty() {
        return Ok(());
    }
    names.sort_unstable();
    Err(ApiError::stream_update(format_args!("change to limits violates consumers: {}", names.join(", "))))
}

/// True if a create asks for what already is: the normalised configurations are equal, apart from the keys that the
/// server adds to metadata. Otherwise err 10058.
#[must_use]
pub fn is_same_stream(normalised: &StreamConfig, existing: &StreamConfig) -> bool {
    let mut normalised = normalised.clone();
    adopt_server_keys(&mut normalised.metadata, &existing.metadata);
    normalised == *existing
}

#[cfg(test)]
mod tests {
    use forebay_api::stream::{ConsumerLimits, Storage};

    use super::super::validate::DURABILITY_KEY;
    use super::*;

    fn stream() -> StreamConfig {
        check_stream(&StreamConfig { name: "S".into(), ..StreamConfig::default() }, &Limits::default(), false).unwrap()
    }

    fn update(old: &StreamConfig, new: &StreamConfig) -> Result<StreamConfig, ApiError> {
        check_update(old, new, &Limits::default(), false, std::iter::empty())
    }

    fn refusal(old: &StreamConfig, new: &StreamConfig) -> (u16, String) {
        let error = update(old, new).unwrap_err();
        (error.err_code, error.description.into_owned())
    }

    #[test]
    fn what_may_not_change_is_refused_in_nats_server_s_words() {
        let old = StreamConfig { deny_delete: true, deny_purge: true, allow_msg_ttl: true, ..stream() };
        let prefix = "stream configuration update can not ";
        for (new, text) in [
            (StreamConfig { name: "T".into(), ..old.clone() }, "stream configuration name must match original".into()),
            (StreamConfig { storage: Storage::Memory, ..old.clone() }, format!("{prefix}change storage type")),
            (
                StreamConfig { retention: Retention::WorkQueue, ..old.clone() },
                format!("{prefix}change retention policy to/from workqueue"),
            ),
            (StreamConfig { deny_delete: false, ..old.clone() }, format!("{prefix}cancel deny message deletes")),
            (StreamConfig { deny_purge: false, ..old.clone() }, format!("{prefix}cancel deny purge")),
            (StreamConfig { allow_msg_ttl: false, ..old.clone() }, "message TTL status can not be disabled".into()),
        ] {
            assert_eq!(refusal(&old, &new), (10052, text));
        }
        let sealed = StreamConfig { sealed: true, ..stream() };
        assert_eq!(refusal(&sealed, &stream()), (10052, format!("{prefix}unseal a sealed stream")));
    }

    #[test]
    fn what_acks_promise_may_not_change() {
        let with = |level: &str| StreamConfig { metadata: [(DURABILITY_KEY.into(), level.into())].into(), ..stream() };
        assert!(update(&stream(), &with("fsync")).is_ok(), "it is what was meant already");
        assert!(update(&with("fsync"), &stream()).is_ok());
        let limits = Limits { os_durability: true, ..Limits::default() };
        for (old, new) in [(stream(), with("os")), (with("os"), with("fsync")), (with("os"), stream())] {
            let error = check_update(&old, &new, &limits, false, std::iter::empty()).unwrap_err();
            let text = "stream configuration update can not change forebay.durability";
            assert_eq!((error.err_code, &*error.description), (10052, text));
        }
    }

    #[test]
    fn limits_subjects_and_interest_may_change() {
        let new = StreamConfig {
            max_msgs: 5,
            subjects: vec!["a".into(), "b".into()],
            retention: Retention::Interest,
            ..stream()
        };
        assert_eq!(update(&stream(), &new).unwrap(), new);
    }

    #[test]
    fn a_stream_that_is_sealed_keeps_everything() {
        let new = StreamConfig { sealed: true, max_age: Nanos::from_secs(200), allow_rollup_hdrs: true, ..stream() };
        let sealed = update(&stream(), &new).unwrap();
        assert_eq!((sealed.max_age, sealed.discard), (Nanos::ZERO, Discard::New));
        assert!(sealed.deny_delete && sealed.deny_purge && !sealed.allow_rollup_hdrs);
        let more = StreamConfig { max_msgs: 7, ..sealed.clone() };
        assert_eq!(update(&sealed, &more).unwrap().max_msgs, 7);
    }

    #[test]
    fn limits_below_what_consumers_have_are_refused() {
        let limits = ConsumerLimits { max_ack_pending: 5, ..ConsumerLimits::default() };
        let new = StreamConfig { consumer_limits: limits, ..stream() };
        let wide = ConsumerConfig { max_ack_pending: 10, ..ConsumerConfig::default() };
        let narrow = ConsumerConfig { max_ack_pending: 5, ..ConsumerConfig::default() };
        let consumers = [("b", &wide), ("c", &narrow), ("a", &wide)];
        let error = check_update(&stream(), &new, &Limits::default(), false, consumers.into_iter()).unwrap_err();
        assert_eq!((error.err_code, &*error.description), (10069, "change to limits violates consumers: a, b"));
    }

    #[test]
    fn a_create_is_the_same_whatever_the_server_added() {
        let mut existing = stream();
        forebay_api::level::stamp_stream(&mut existing);
        assert!(is_same_stream(&stream(), &existing));
        let mut shown = existing.clone();
        forebay_api::level::add_answer_keys(&mut shown.metadata, "x");
        assert!(is_same_stream(&shown, &existing));
        assert!(!is_same_stream(&StreamConfig { max_msgs: 1, ..stream() }, &existing));
    }
}
