//! JetStream: streams, publishing, reading, consumers.

mod ack;
mod consumer;
mod message;
mod ordered;
mod publish;
mod pull;
mod push;
mod redelivery;
mod restart;
mod stream;
mod stream_limits;
mod stream_update;

use crate::scenario::Scenario;

/// Every JetStream scenario.
pub fn all() -> Vec<Scenario> {
    let topics = [
        stream::scenarios(),
        stream_update::scenarios(),
        stream_limits::scenarios(),
        publish::scenarios(),
        message::scenarios(),
        consumer::scenarios(),
        pull::scenarios(),
        push::scenarios(),
        ack::scenarios(),
        redelivery::scenarios(),
        ordered::scenarios(),
        restart::scenarios(),
    ];
    topics.into_iter().flatten().collect()
}

/// A client, and a stream `S` on `foo.>` made from these further fields of its configuration.
fn with_stream(name: &str, more: &str) -> Scenario {
    let comma = if more.is_empty() { "" } else { "," };
    let config = format!(r#"{{"name":"S","subjects":["foo.>"]{comma}{more}}}"#);
    crate::scenario::scenario(name).hello().request("$JS.API.STREAM.CREATE.S", &config)
}

/// A client, a stream `S` on `foo.>` and so many messages on `foo.1`, `foo.2` and so on.
fn with_messages(name: &str, more: &str, count: usize) -> Scenario {
    let mut scenario = with_stream(name, more);
    for number in 1..=count {
        scenario = scenario.request(&format!("foo.{number}"), &format!("body {number}"));
    }
    scenario
}

/// Makes a consumer by the way that current clients take.
fn consumer(scenario: Scenario, name: &str, config: &str) -> Scenario {
    let body = format!(r#"{{"stream_name":"S","config":{{"name":"{name}",{config}}}}}"#);
    scenario.request(&format!("$JS.API.CONSUMER.CREATE.S.{name}"), &body)
}

/// Makes a durable pull consumer `C` with explicit acks.
fn pull_consumer(scenario: Scenario, more: &str) -> Scenario {
    let comma = if more.is_empty() { "" } else { "," };
    consumer(scenario, "C", &format!(r#""durable_name":"C","ack_policy":"explicit"{comma}{more}"#))
}
