//! Answers about consumers, captured from nats-server 2.15.1, are read and written again to the same bytes.

use super::request::{ConsumerAction, CreateRequest, Described, ListPage, NamesPage};
use super::{AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy};
use crate::json::{UnknownFields, decode};
use crate::response::{Paged, Response};
use crate::routes::Endpoint;

/// A captured answer, by the name of its file in `testdata`.
macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../testdata/", $name, ".json")).trim_end()
    };
}

fn text<T: serde::Serialize + Default>(endpoint: Endpoint, body: T) -> String {
    String::from_utf8(Response::ok(endpoint.route().response, body).to_json()).unwrap()
}

#[test]
fn created_consumers_are_described_as_nats_server_describes_them() {
    for golden in [golden!("consumer_create_plain"), golden!("consumer_create_push"), golden!("consumer_create_full")] {
        let info: ConsumerInfo = serde_json::from_str(golden).unwrap();
        assert_eq!(text(Endpoint::ConsumerCreateNamed, Described { info: Some(info) }), golden);
    }
}

#[test]
fn every_field_of_a_configuration_survives() {
    let info: ConsumerInfo = serde_json::from_str(golden!("consumer_create_full")).unwrap();
    let config = info.config.unwrap();
    assert_eq!(config.deliver_policy, DeliverPolicy::ByStartTime);
    assert_eq!(config.ack_policy, AckPolicy::All);
    assert_eq!(config.opt_start_time.unwrap().to_string(), "2024-01-02T03:04:05.6+01:00");
    assert_eq!(config.filters().collect::<Vec<_>>(), ["s.a", "s.b"]);
    let again: ConsumerConfig = serde_json::from_slice(&crate::json::to_vec(&config)).unwrap();
    assert_eq!(again, config);
}

#[test]
fn lists_and_names_are_nats_server_s() {
    let golden = golden!("consumer_list");
    let value: serde_json::Value = serde_json::from_str(golden).unwrap();
    let consumers = serde_json::from_value(value["consumers"].clone()).unwrap();
    let page = Paged { total: 3, offset: 0, limit: 256 };
    assert_eq!(text(Endpoint::ConsumerList, ListPage { page, consumers, ..ListPage::default() }), golden);
    let page = Paged { limit: 1024, ..page };
    let consumers = ["C", "D", "jqaNRpYQ"].map(String::from).to_vec();
    assert_eq!(text(Endpoint::ConsumerNames, NamesPage { page, consumers }), golden!("consumer_names"));
    let page = Paged { total: 0, ..page };
    assert_eq!(text(Endpoint::ConsumerNames, NamesPage { page, consumers: vec![] }), golden!("consumer_names_none"));
}

#[test]
fn a_create_request_says_whether_the_consumer_may_exist() {
    let parse = |body: &str| decode::<CreateRequest>(body.as_bytes(), UnknownFields::Refused).unwrap();
    assert_eq!(parse(r#"{"stream_name":"S","config":{}}"#).action, ConsumerAction::CreateOrUpdate);
    assert_eq!(parse(r#"{"stream_name":"S","config":{},"action":"create"}"#).action, ConsumerAction::Create);
    assert_eq!(parse(r#"{"action":"update","config":{"deliver_policy":"undefined"}}"#).action, ConsumerAction::Update);
    assert_eq!(parse(r#"{"action":""}"#).action, ConsumerAction::CreateOrUpdate);
}
