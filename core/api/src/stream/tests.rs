//! Answers about streams, captured from nats-server 2.15.1, are read and written again to the same bytes.

use super::request::{Created, InfoPage, ListPage, MessageFound, NamesPage, Purged, StoredMessage};
use super::{StreamConfig, StreamInfo};
use crate::error::ApiError;
use crate::response::{Paged, Response, Success};
use crate::routes::Endpoint;
use crate::time::Time;

/// A captured answer, by the name of its file in `testdata`.
macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../testdata/", $name, ".json")).trim_end()
    };
}

fn text<T: serde::Serialize + Default>(endpoint: Endpoint, body: T) -> String {
    String::from_utf8(Response::ok(endpoint.route().response, body).to_json()).unwrap()
}

fn info(golden: &str) -> StreamInfo {
    serde_json::from_str(golden).unwrap()
}

#[test]
fn created_streams_are_described_as_nats_server_describes_them() {
    for golden in [
        golden!("stream_create_plain"),
        golden!("stream_create_full"),
        golden!("stream_create_sources"),
        golden!("stream_create_mirror"),
        golden!("stream_create_counter"),
        golden!("stream_create_schedules"),
    ] {
        let created = Created { info: Some(info(golden)), did_create: true };
        assert_eq!(text(Endpoint::StreamCreate, created), golden);
    }
}

#[test]
fn every_field_of_a_configuration_survives() {
    let config = info(golden!("stream_create_full")).config;
    assert_eq!(config.max_msg_size, 500);
    assert_eq!(config.subject_delete_marker_ttl, crate::Nanos::from_secs(1));
    assert!(config.discard_new_per_subject && config.deny_delete && config.allow_batched);
    assert_eq!(config.consumer_limits.max_ack_pending, 50);
    let again: StreamConfig = serde_json::from_slice(&crate::json::to_vec(&config)).unwrap();
    assert_eq!(again, config);
}

#[test]
fn stream_info_has_its_page_before_the_stream() {
    let golden = golden!("stream_info_subjects");
    let page = Paged { total: 2, offset: 0, limit: 100_000 };
    assert_eq!(text(Endpoint::StreamInfo, InfoPage { page, info: Some(info(golden)) }), golden);
    let golden = golden!("stream_info_deleted");
    let page = InfoPage { page: Paged::default(), info: Some(info(golden)) };
    assert_eq!(page.info.as_ref().unwrap().state.deleted, [2]);
    assert_eq!(text(Endpoint::StreamInfo, page), golden);
}

#[test]
fn names_of_nothing_are_null_and_a_list_of_nothing_is_empty() {
    let page = Paged { total: 0, offset: 0, limit: 1024 };
    assert_eq!(text(Endpoint::StreamNames, NamesPage { page, streams: vec![] }), golden!("stream_names_none"));
    let page = Paged { limit: 256, ..page };
    assert_eq!(text(Endpoint::StreamList, ListPage { page, ..ListPage::default() }), golden!("stream_list_none"));
    let page = Paged { total: 6, offset: 3, limit: 1024 };
    let streams = ["S", "SC", "SO"].map(String::from).to_vec();
    assert_eq!(text(Endpoint::StreamNames, NamesPage { page, streams }), golden!("stream_names"));
}

#[test]
fn a_list_has_streams_without_the_server_s_version() {
    let golden = golden!("stream_list");
    let value: serde_json::Value = serde_json::from_str(golden).unwrap();
    let streams = serde_json::from_value(value["streams"].clone()).unwrap();
    let page = Paged { total: 1, offset: 0, limit: 256 };
    assert_eq!(text(Endpoint::StreamList, ListPage { page, streams, ..ListPage::default() }), golden);
}

#[test]
fn a_message_is_given_in_base64() {
    let message = StoredMessage {
        subject: "s.b".into(),
        seq: 4,
        headers: b"NATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n".to_vec(),
        data: b"x".to_vec(),
        time: Time::parse("2026-11-22T18:11:54.90271461Z").unwrap(),
    };
    assert_eq!(text(Endpoint::MessageGet, MessageFound { message: Some(message) }), golden!("message_get"));
}

#[test]
fn small_answers_are_nats_server_s() {
    let kind = "io.nats.jetstream.api.v1.";
    assert_eq!(
        text(Endpoint::StreamPurge, Purged { success: true, purged: 2 }),
        format!(r#"{{"type":"{kind}stream_purge_response","success":true,"purged":2}}"#)
    );
    assert_eq!(
        text(Endpoint::StreamDelete, Success::DONE),
        format!(r#"{{"type":"{kind}stream_delete_response","success":true}}"#)
    );
    let error = r#"{"code":400,"err_code":10003,"description":"bad request"}"#;
    let failed = Response::<Purged>::failed(Endpoint::StreamPurge.route().response, ApiError::bad_request());
    assert_eq!(
        String::from_utf8(failed.to_json()).unwrap(),
        format!(r#"{{"type":"{kind}stream_purge_response","error":{error},"purged":0}}"#)
    );
    let failed = Response::<Created>::failed(Endpoint::StreamCreate.route().response, ApiError::bad_request());
    assert_eq!(
        String::from_utf8(failed.to_json()).unwrap(),
        format!(r#"{{"type":"{kind}stream_create_response","error":{error}}}"#)
    );
}
