//! JetStream: streams, publishing, reading, consumers.

mod ack;
mod ack_answer;
mod consumer;
mod consumer_start;
mod consumer_update;
mod floor;
mod held_back;
mod inactive;
mod max_bytes;
mod max_deliver;
mod message;
mod ordered;
mod pause;
mod publish;
mod pull;
mod push;
mod redelivery;
mod removal;
mod restart;
mod retention;
mod stream;
mod stream_limits;
mod stream_update;
mod waiting;

use crate::scenario::Scenario;

/// Where pull requests for consumer `C` go.
const NEXT: &str = "$JS.API.CONSUMER.MSG.NEXT.S.C";
/// Where consumer `C` is asked about.
const INFO: &str = "$JS.API.CONSUMER.INFO.S.C";
/// Where consumer `C` is made and changed.
const CREATE: &str = "$JS.API.CONSUMER.CREATE.S.C";
/// Where stream `S` is asked about, and what to ask so that it names what is deleted.
const STREAM_INFO: &str = "$JS.API.STREAM.INFO.S";
const DETAILS: &str = r#"{"deleted_details":true}"#;
/// Where stream `S` is changed.
const STREAM_UPDATE: &str = "$JS.API.STREAM.UPDATE.S";

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
        ack_answer::scenarios(),
        consumer_start::scenarios(),
        consumer_update::scenarios(),
        floor::scenarios(),
        held_back::scenarios(),
        inactive::scenarios(),
        max_bytes::scenarios(),
        max_deliver::scenarios(),
        pause::scenarios(),
        removal::scenarios(),
        retention::scenarios(),
        waiting::scenarios(),
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

/// A pull request for `C` whose messages go to `in`.
fn pull_request(request: &str) -> Vec<u8> {
    format!("PUB {NEXT} in {}\r\n{request}\r\n", request.len()).into_bytes()
}

/// Messages, a durable pull consumer `C` with explicit acks, and a pull request on a connection `p` of its own.
fn pulled(name: &str, config: &str, count: usize, request: &str) -> Scenario {
    asked(pull_consumer(with_messages(name, "", count), config), request)
}

/// A pull request on a connection `p` of its own.
fn asked(scenario: Scenario, request: &str) -> Scenario {
    scenario.on("p").hello().line("SUB in 5").raw(&pull_request(request))
}

/// So many messages, all fetched on connection `p`, none acknowledged; `stream` and `config` are further fields.
fn fetched(name: &str, stream: &str, config: &str, count: usize) -> Scenario {
    let comma = if config.is_empty() { "" } else { "," };
    fetched_under(name, stream, &format!(r#""ack_policy":"explicit"{comma}{config}"#), count)
}

/// The same with another ack policy, which is in `config`.
fn fetched_under(name: &str, stream: &str, config: &str, count: usize) -> Scenario {
    let made = consumer(with_messages(name, stream, count), "C", &format!(r#""durable_name":"C",{config}"#));
    asked(made, &count.to_string()).expect(count)
}

/// What the consumer's info says a moment later.
fn told(scenario: Scenario) -> Scenario {
    scenario.sync().wait_ms(120).on("a").request(INFO, "")
}

/// The body that makes or changes the durable pull consumer `C` with explicit acks.
fn durable(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"stream_name":"S","config":{{"name":"C","durable_name":"C","ack_policy":"explicit"{comma}{more}}}}}"#)
}
