//! Push consumers: delivery, queue groups, heartbeats, flow control.

use super::{consumer, with_messages, with_stream};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const INFO: &str = "$JS.API.CONSUMER.INFO.S.C";

pub(super) fn scenarios() -> Vec<Scenario> {
    topic("jetstream/push", Setup::JETSTREAM, push())
}

/// A subscriber that waits on `out`, messages, and a push consumer to it.
fn pushed(name: &str, config: &str, count: usize) -> Scenario {
    let scenario = with_messages(name, "", count).on("s").hello().line("SUB out 5").sync().on("a");
    consumer(scenario, "C", &format!(r#""durable_name":"C","deliver_subject":"out",{config}"#))
}

// tidy: long — a list of scenarios, no logic
fn push() -> Vec<Scenario> {
    vec![
        pushed("what_is_there_is_delivered", r#""ack_policy":"none""#, 3).on("s").expect(3),
        pushed("what_comes_is_delivered", r#""ack_policy":"none","deliver_policy":"new""#, 2)
            .request("foo.9", "new")
            .on("s")
            .expect(1)
            .quiet(),
        pushed("with_explicit_acks", r#""ack_policy":"explicit""#, 2)
            .on("s")
            .expect(2)
            .publish("${s.reply.1}", "+ACK")
            .sync()
            .wait_ms(100)
            .on("a")
            .request(INFO, ""),
        pushed("max_ack_pending_holds_back", r#""ack_policy":"explicit","max_ack_pending":1"#, 3)
            .on("s")
            .expect(1)
            .quiet()
            .publish("${s.reply.1}", "")
            .expect(1)
            .quiet(),
        pushed("a_filter", r#""ack_policy":"none","filter_subject":"foo.2""#, 3).on("s").expect(1).quiet(),
        pushed("two_filters", r#""ack_policy":"none","filter_subjects":["foo.1","foo.3"]"#, 4).on("s").expect(2).quiet(),
        pushed("headers_only", r#""ack_policy":"none","headers_only":true"#, 1).on("s").expect(1),
        pushed("a_bound_consumer_says_so", r#""ack_policy":"none""#, 0).request(INFO, ""),
        consumer(
            with_messages("it_waits_for_a_subscriber", "", 2),
            "C",
            r#""durable_name":"C","deliver_subject":"out","ack_policy":"none""#,
        )
        .request(INFO, "")
        .on("s")
        .hello()
        .line("SUB out 5")
        .expect(2),
        consumer(
            with_messages("a_deliver_group", "", 2).on("s").hello().line("SUB out workers 5").sync().on("a"),
            "C",
            r#""durable_name":"C","deliver_subject":"out","deliver_group":"workers","ack_policy":"none""#,
        )
        .on("s")
        .expect(2),
        pushed("heartbeats", r#""ack_policy":"none","idle_heartbeat":300000000"#, 1).on("s").expect(2),
        pushed("flow_control", r#""ack_policy":"none","flow_control":true,"idle_heartbeat":10000000000"#, 2).on("s").expect(2),
        pushed("the_consumer_is_deleted", r#""ack_policy":"none""#, 1)
            .on("s")
            .expect(1)
            .on("a")
            .request("$JS.API.CONSUMER.DELETE.S.C", "")
            .request("foo.9", "late")
            .on("s")
            .quiet(),
        with_stream("a_subscriber_that_leaves_stops_it", "")
            .on("s")
            .hello()
            .line("SUB out 5")
            .sync()
            .on("a")
            .request(
                "$JS.API.CONSUMER.CREATE.S.C",
                r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","deliver_subject":"out","ack_policy":"explicit"}}"#,
            )
            .request("foo.1", "1")
            .on("s")
            .expect(1)
            .line("UNSUB 5")
            .sync()
            .wait_ms(300)
            .on("a")
            .request("foo.2", "2")
            .wait_ms(100)
            .request(INFO, ""),
    ]
}
