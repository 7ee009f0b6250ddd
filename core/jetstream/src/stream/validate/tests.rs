//! The rules give what nats-server 2.15.1 was heard to give for the same requests.

use serde::Deserialize;

use super::*;

/// A request and its outcome, captured from nats-server; metadata without the server's own keys.
#[derive(Deserialize)]
struct Case {
    request: Request,
    config: Option<StreamConfig>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    pedantic: bool,
    #[serde(flatten)]
    config: serde_json::Value,
}

fn named(name: &str) -> StreamConfig {
    StreamConfig { name: name.into(), ..StreamConfig::default() }
}

fn refusal(config: &StreamConfig) -> String {
    check_stream(config, &Limits::default(), false).unwrap_err().description.into_owned()
}

#[test]
fn requests_are_judged_as_nats_server_judges_them() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert!(cases.len() > 50);
    for case in cases {
        let config: StreamConfig = serde_json::from_value(case.request.config.clone()).unwrap();
        let outcome = check_create_request(&config.name, &config)
            .and_then(|()| check_stream(&config, &Limits::default(), case.request.pedantic));
        let expected = match (case.config, case.error) {
            (Some(config), _) => Ok(config),
            (None, error) => Err(error.unwrap()),
        };
        assert_eq!(outcome, expected, "{} pedantic {}", case.request.config, case.request.pedantic);
    }
}

#[test]
fn what_was_normalised_stays_as_it_is() {
    let once = check_stream(&named("S"), &Limits::default(), false).unwrap();
    assert_eq!(check_stream(&once, &Limits::default(), true), Ok(once.clone()));
    assert_eq!(once.subjects, ["S"]);
    assert_eq!((once.max_msgs, once.max_msg_size, once.num_replicas), (-1, -1, 1));
}

#[test]
fn texts_have_their_longest() {
    assert_eq!(refusal(&named(&"x".repeat(256))), "stream name is too long, maximum allowed is 255");
    assert_eq!(
        refusal(&StreamConfig { description: "d".repeat(4097), ..named("S") }),
        "stream description is too long, maximum allowed is 4096"
    );
    let metadata = Metadata::from([("k".to_owned(), "v".repeat(METADATA_BYTES_MAX))]);
    assert_eq!(
        refusal(&StreamConfig { metadata, ..named("S") }),
        "stream metadata exceeds maximum size of 131072 bytes"
    );
    assert!(refusal(&named("a.b")).starts_with("stream name is required"));
    assert_eq!(check_create_request("T", &named("S")).unwrap_err().err_code, 10056);
    assert_eq!(check_create_request("a/b", &named("a/b")).unwrap_err().err_code, 10128);
}

#[test]
fn what_is_not_built_is_refused_in_words() {
    let source = forebay_api::stream::StreamSource { name: "o".into(), ..Default::default() };
    for (config, feature) in [
        (StreamConfig { mirror: Some(source.clone()), ..named("S") }, "mirrors"),
        (StreamConfig { sources: vec![source], ..named("S") }, "sources"),
        (StreamConfig { compression: Compression::S2, ..named("S") }, "compression"),
        (StreamConfig { allow_atomic: true, ..named("S") }, "atomic batches"),
        (StreamConfig { allow_msg_counter: true, ..named("S") }, "message counters"),
        (StreamConfig { persist_mode: PersistMode::Async, ..named("S") }, "the persist mode async"),
    ] {
        assert_eq!(refusal(&config), format!("{feature} not supported by this server yet"));
    }
}

#[test]
fn server_and_account_have_the_last_word() {
    let limits = Limits { duplicate_window: Nanos::from_secs(60), ..Limits::default() };
    let config = check_stream(&named("S"), &limits, false).unwrap();
    assert_eq!(config.duplicate_window, Nanos::from_secs(60));
    assert_eq!(check_stream(&named("S"), &limits, true).unwrap_err().err_code, 10157);
    let wide = StreamConfig { duplicate_window: Nanos::from_secs(90), ..named("S") };
    let text = check_stream(&wide, &limits, false).unwrap_err().description;
    assert_eq!(text, "duplicates window can not be larger then server limit of 1m0s");

    let account = AccountLimits { max_bytes_required: true, storage_max_stream_bytes: 100, ..AccountLimits::default() };
    let limits = Limits { account, ..Limits::default() };
    assert_eq!(check_stream(&named("S"), &limits, false).unwrap_err().err_code, 10113);
    let large = StreamConfig { max_bytes: 101, ..named("S") };
    assert_eq!(check_stream(&large, &limits, false).unwrap_err().err_code, 10122);
    let memory = StreamConfig { storage: Storage::Memory, ..large };
    assert!(check_stream(&memory, &limits, false).is_ok());
}

#[test]
fn a_stream_may_choose_a_durability_that_the_server_has() {
    let choose = |value: &str, os_durability| {
        let metadata = Metadata::from([(DURABILITY_KEY.to_owned(), value.to_owned())]);
        let limits = Limits { os_durability, ..Limits::default() };
        check_stream(&StreamConfig { metadata, ..named("S") }, &limits, false)
    };
    assert!(choose("fsync", false).is_ok());
    assert!(choose("os", true).is_ok());
    assert_eq!(choose("os", false).unwrap_err().err_code, 10052);
    assert!(choose("never", true).unwrap_err().description.ends_with("not \"never\""));
    let metadata = Metadata::from([(DURABILITY_KEY.to_owned(), "fsync".to_owned())]);
    let memory = StreamConfig { metadata, storage: Storage::Memory, ..named("S") };
    assert_eq!(check_stream(&memory, &Limits::default(), false).unwrap_err().err_code, 10052);
}

#[test]
fn streams_overlap_when_any_of_their_subjects_do() {
    let stream = |subject: &str| StreamConfig { subjects: vec!["x".into(), subject.into()], ..StreamConfig::default() };
    let other = |subject: &str| StreamConfig { subjects: vec![subject.into()], ..StreamConfig::default() };
    assert!(subjects_overlap(&stream("a.*"), &other("a.>")));
    assert!(!subjects_overlap(&stream("a.*"), &other("b.>")));
}
