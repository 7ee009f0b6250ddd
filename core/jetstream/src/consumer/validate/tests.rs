//! The rules give what nats-server 2.15.1 was heard to give for the same requests.

use std::collections::BTreeMap;

use forebay_api::account::AccountLimits;
use forebay_api::stream::ConsumerLimits;
use serde::Deserialize;

use super::*;

/// Captured from nats-server; metadata without the server's own keys.
#[derive(Deserialize)]
struct Golden {
    streams: BTreeMap<String, StreamConfig>,
    cases: Vec<Case>,
}

/// A request and its outcome.
#[derive(Deserialize)]
struct Case {
    stream: String,
    request: ConsumerConfig,
    #[serde(default)]
    pedantic: bool,
    config: Option<ConsumerConfig>,
    error: Option<ApiError>,
}

fn stream() -> StreamConfig {
    StreamConfig { name: "S".into(), subjects: vec!["s.>".into()], num_replicas: 1, ..StreamConfig::default() }
}

fn explicit(filter: &str) -> ConsumerConfig {
    ConsumerConfig { ack_policy: AckPolicy::Explicit, filter_subject: filter.into(), ..ConsumerConfig::default() }
}

fn check(config: &ConsumerConfig) -> Result<ConsumerConfig, ApiError> {
    check_consumer(config, &stream(), &Limits::default(), false)
}

#[test]
fn requests_are_judged_as_nats_server_judges_them() {
    let golden: Golden = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert!(golden.cases.len() > 100);
    for mut case in golden.cases {
        // The requests named a durable in their subject, which is where its name comes from.
        if case.request.is_durable() {
            case.request.name.clone_from(&case.request.durable);
        }
        let stream = &golden.streams[&case.stream];
        let limits = Limits::default();
        let outcome = check_consumer(&case.request, stream, &limits, case.pedantic).and_then(|config| {
            check_new_consumer(&config, stream, &limits, std::iter::empty())?;
            Ok(config)
        });
        let expected = match (case.config, case.error) {
            (Some(mut config), _) => {
                // Two consumers of one name were asked for: the subject's name counts.
                config.name.clone_from(&case.request.name);
                Ok(config)
            }
            (None, error) => Err(error.unwrap()),
        };
        assert_eq!(outcome, expected, "{:?} pedantic {}", case.request, case.pedantic);
    }
}

#[test]
fn what_was_completed_stays_as_it_is() {
    let once = check(&explicit("s.a")).unwrap();
    assert_eq!(check(&once), Ok(once.clone()));
    assert_eq!((once.max_ack_pending, once.max_waiting, once.max_deliver), (1000, 512, -1));
    assert_eq!((once.ack_wait, once.inactive_threshold), (Nanos::from_secs(30), Nanos::from_secs(5)));
}

#[test]
fn texts_have_their_longest() {
    let long = ConsumerConfig { description: "d".repeat(4097), ..explicit("") };
    assert_eq!(check(&long).unwrap_err(), ApiError::consumer_description_too_long(4096));
    let long = ConsumerConfig { durable: "d".repeat(256), ..explicit("") };
    assert_eq!(check(&long).unwrap_err(), ApiError::consumer_name_too_long(255));
    let metadata = [("k".to_owned(), "v".repeat(METADATA_BYTES_MAX))].into();
    let text = check(&ConsumerConfig { metadata, ..explicit("") }).unwrap_err().description;
    assert_eq!(text, "consumer metadata exceeds maximum size of 128KB");
}

#[test]
fn what_is_not_built_is_refused_in_words() {
    let groups = vec!["g".to_owned()];
    for (config, feature) in [
        (
            ConsumerConfig { priority_policy: PriorityPolicy::Overflow, priority_groups: groups, ..explicit("") },
            "priority groups",
        ),
        (ConsumerConfig { replay_policy: ReplayPolicy::Original, ..explicit("") }, "replay at the original speed"),
        (ConsumerConfig { rate_limit: 1, deliver_subject: "d".into(), ..explicit("") }, "rate limits"),
        (ConsumerConfig { sample_freq: "30%".into(), ..explicit("") }, "ack sampling"),
        (ConsumerConfig { direct: true, deliver_subject: "d".into(), ..explicit("") }, "direct consumers"),
    ] {
        let error = check(&config).unwrap_err();
        assert_eq!(
            (error.err_code, &*error.description),
            (10012, &*format!("{feature} not supported by this server yet"))
        );
    }
}

#[test]
fn server_and_account_bound_what_may_be_unacked() {
    let account = AccountLimits { max_ack_pending: 300, ..AccountLimits::default() };
    let limits = Limits { account, max_ack_pending: 400, max_request_batch: 20, ..Limits::default() };
    let config = check_consumer(&explicit(""), &stream(), &limits, false).unwrap();
    assert_eq!((config.max_ack_pending, config.max_batch), (300, 20));
    let wide = ConsumerConfig { max_ack_pending: 350, ..explicit("") };
    assert_eq!(
        check_consumer(&wide, &stream(), &limits, false).unwrap_err(),
        ApiError::consumer_max_pending_ack_excess(300)
    );
    let large = ConsumerConfig { max_batch: 21, ..explicit("") };
    assert_eq!(
        check_consumer(&large, &stream(), &limits, false).unwrap_err(),
        ApiError::consumer_max_request_batch_exceeded(20)
    );
    let bounded = ConsumerLimits { max_ack_pending: 50, ..ConsumerLimits::default() };
    let stream = StreamConfig { consumer_limits: bounded, ..stream() };
    assert_eq!(check_consumer(&explicit(""), &stream, &limits, false).unwrap().max_ack_pending, 50);
}

#[test]
fn a_work_queue_has_one_consumer_for_each_message() {
    let queue = StreamConfig { retention: Retention::WorkQueue, ..stream() };
    let (limits, a) = (Limits::default(), explicit("s.a"));
    let others = [("a", &a)];
    let new = |config: &ConsumerConfig| check_new_consumer(config, &queue, &limits, others.into_iter());
    assert_eq!(new(&explicit("s.b")), Ok(()));
    assert_eq!(new(&explicit("s.*")).unwrap_err().err_code, 10100);
    assert_eq!(new(&explicit("")).unwrap_err().err_code, 10099);
    assert_eq!(check_unique_filters(&explicit("s.*"), "a", others.into_iter()), Ok(()));
    assert_eq!(check_unique_filters(&explicit("s.*"), "b", others.into_iter()).unwrap_err().err_code, 10100);
    assert_eq!(check_unique_filters(&explicit(""), "b", others.into_iter()).unwrap_err().err_code, 10100);
}

#[test]
fn a_stream_has_as_many_consumers_as_it_may() {
    let config = explicit("");
    let others = [("a", &config), ("b", &config)];
    let count = |most, of_account| {
        let account = AccountLimits { max_consumers: of_account, ..AccountLimits::default() };
        let limits = Limits { account, ..Limits::default() };
        let stream = StreamConfig { max_consumers: most, ..stream() };
        check_new_consumer(&config, &stream, &limits, others.into_iter()).is_ok()
    };
    assert!(count(-1, -1) && count(3, -1) && count(-1, 3));
    assert!(!count(2, -1) && !count(5, 2) && !count(-1, 2));
}

#[test]
fn what_may_not_change_is_refused_in_nats_server_s_words() {
    let old = check(&explicit("s.a")).unwrap();
    for (new, text) in [
        (ConsumerConfig { deliver_policy: DeliverPolicy::New, ..old.clone() }, "deliver policy can not be updated"),
        (ConsumerConfig { ack_policy: AckPolicy::All, ..old.clone() }, "ack policy can not be updated"),
        (ConsumerConfig { mem_storage: true, ..old.clone() }, "storage type can not be updated"),
        (ConsumerConfig { opt_start_seq: 1, ..old.clone() }, "start sequence can not be updated"),
        (ConsumerConfig { max_waiting: 1, ..old.clone() }, "max waiting can not be updated"),
        (ConsumerConfig { deliver_subject: "d".into(), ..old.clone() }, "can not update pull consumer to push based"),
    ] {
        let error = check_consumer_update(&old, &new, false).unwrap_err();
        assert_eq!((error.err_code, &*error.description), (10012, text));
    }
    let new = ConsumerConfig {
        filter_subject: "s.b".into(),
        max_deliver: 4,
        ack_wait: Nanos::from_secs(1),
        max_ack_pending: 1,
        description: "d".into(),
        ..old.clone()
    };
    assert_eq!(check_consumer_update(&old, &new, false), Ok(()));
}

#[test]
fn a_push_consumer_moves_only_when_nobody_listens() {
    let old = check(&ConsumerConfig { deliver_subject: "d".into(), ..explicit("") }).unwrap();
    let new = ConsumerConfig { deliver_subject: "e".into(), ..old.clone() };
    assert_eq!(check_consumer_update(&old, &new, false), Ok(()));
    assert_eq!(check_consumer_update(&old, &new, true).unwrap_err().err_code, 10013);
    assert_eq!(check_consumer_update(&old, &old, true), Ok(()));
}

#[test]
fn a_create_is_the_same_whatever_the_server_added() {
    let complete = check(&explicit("s.a")).unwrap();
    let mut existing = complete.clone();
    forebay_api::level::stamp_consumer(&mut existing);
    assert!(is_same_consumer(&complete, &existing));
    assert!(!is_same_consumer(&ConsumerConfig { max_deliver: 3, ..complete }, &existing));
}
