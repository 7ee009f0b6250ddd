//! Push consumers: delivery, queue groups, heartbeats, flow control.

use super::{INFO, consumer, with_messages, with_stream};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/push", Setup::JETSTREAM, push());
    all.extend(topic("jetstream/push", Setup::JETSTREAM, listeners()));
    all.extend(topic("jetstream/push", Setup::JETSTREAM, again()));
    all.extend(topic("jetstream/push_flow", Setup::JETSTREAM, flow()));
    all
}

/// A subscriber with this SUB line, so many messages, and a push consumer.
fn listened(name: &str, line: &str, count: usize, config: &str) -> Scenario {
    let scenario = with_messages(name, "", count).on("s").hello().line(line).sync().on("a");
    consumer(scenario, "C", &format!(r#""durable_name":"C",{config}"#))
}

/// Who wakes a push consumer: a subscription to exactly its deliver subject, in its group if it has one.
fn listeners() -> Vec<Scenario> {
    let plain = r#""deliver_subject":"out","ack_policy":"none""#;
    let group = r#""deliver_subject":"out","deliver_group":"g","ack_policy":"none""#;
    let asleep = |scenario: Scenario| scenario.on("s").quiet().on("a").request(INFO, "");
    vec![
        asleep(listened("who_listens_to_everything_wakes_nobody", "SUB * 9", 1, plain)),
        asleep(listened(
            "a_wildcard_wakes_nobody",
            "SUB out.* 9",
            1,
            r#""deliver_subject":"out.x","ack_policy":"none""#,
        )),
        asleep(listened("a_group_wakes_no_consumer_without_one", "SUB out g 9", 1, plain)),
        asleep(listened("another_group_wakes_nobody", "SUB out h 9", 1, group)),
        asleep(listened("a_plain_listener_wakes_no_consumer_with_a_group", "SUB out 9", 1, group)),
        listened("its_group_wakes_it", "SUB out g 9", 2, group).on("s").expect(2),
        consumer(
            with_messages("a_plain_listener_gets_what_a_group_woke", "", 2)
                .on("t")
                .hello()
                .line("SUB out 9")
                .sync()
                .on("s")
                .hello()
                .line("SUB out g 5")
                .sync()
                .on("a"),
            "C",
            &format!(r#""durable_name":"C",{group}"#),
        )
        .on("s")
        .expect(2)
        .on("t")
        .expect(2),
        consumer(with_messages("its_group_comes_later", "", 1), "C", &format!(r#""durable_name":"C",{group}"#))
            .on("s")
            .hello()
            .line("SUB out 4")
            .sync()
            .wait_ms(50)
            .line("SUB out g 5")
            .expect_unordered(2),
        listened("the_last_of_its_group_leaves", "SUB out g 5", 1, group)
            .on("s")
            .expect(1)
            .line("UNSUB 5")
            .sync()
            .wait_ms(100)
            .on("a")
            .request("foo.2", "x")
            .wait_ms(50)
            .request(INFO, ""),
    ]
}

fn again() -> Vec<Scenario> {
    let explicit = |more: &str| format!(r#""ack_policy":"explicit"{more}"#);
    let late = explicit(r#","ack_wait":300000000"#);
    vec![
        pushed("a_late_ack_brings_it_again", &late, 1).on("s").expect(2),
        pushed("a_nak_brings_it_again", &explicit(""), 2).on("s").expect(2).publish("${s.reply.1}", "-NAK").expect(1),
        pushed("not_more_often_than_max_deliver", &explicit(r#","ack_wait":300000000,"max_deliver":2"#), 1)
            .on("s")
            .expect(2)
            .wait_ms(500)
            .quiet()
            .on("a")
            .request(INFO, ""),
        pushed("ack_all", r#""ack_policy":"all""#, 3)
            .on("s")
            .expect(3)
            .publish("${s.reply.2}", "")
            .sync()
            .wait_ms(50)
            .on("a")
            .request(INFO, ""),
        pushed("a_new_listener_gets_what_is_late", &explicit(r#","ack_wait":500000000"#), 2)
            .on("s")
            .expect(2)
            .close()
            .wait_ms(800)
            .on("a")
            .request(INFO, "")
            .on("t")
            .hello()
            .line("SUB out 7")
            .expect(2),
        pushed("a_listener_that_comes_back_gets_what_is_new", &explicit(""), 1)
            .on("s")
            .expect(1)
            .line("UNSUB 5")
            .sync()
            .wait_ms(100)
            .on("a")
            .request("foo.2", "x")
            .on("s")
            .line("SUB out 6")
            .expect(1)
            .quiet(),
        pushed("headers_only_keeps_headers", r#""ack_policy":"none","headers_only":true"#, 0)
            .request_with_headers("foo.1", "A: 1\r\n", "body")
            .on("s")
            .expect(1),
    ]
}

/// Heartbeats, and windows that close: a message of 600 kB takes more than half of the first window.
fn flow() -> Vec<Scenario> {
    let big = "x".repeat(600_000);
    let filled = |name: &str, heartbeat: &str| {
        let scenario = (1..=5).fold(with_stream(name, ""), |made, number| made.request(&format!("foo.{number}"), &big));
        let config = format!(
            r#""durable_name":"C","deliver_subject":"out","ack_policy":"none","flow_control":true,"idle_heartbeat":{heartbeat}"#
        );
        consumer(scenario.on("s").hello().line("SUB out 5").sync().on("a"), "C", &config).on("s")
    };
    let beating = |name: &str, more: &str, count| {
        pushed(name, &format!(r#""ack_policy":"explicit","idle_heartbeat":300000000{more}"#), count).on("s")
    };
    vec![
        filled("a_question_without_an_answer_stops_it", "400000000").expect(6),
        filled("an_answer_lets_it_go_on", "5000000000").expect(3).publish("${s.reply.3}", "").expect(4).quiet(),
        filled("a_wrong_answer_does_not", "5000000000").expect(3).publish("$JS.FC.S.C.none", "").quiet(),
        beating("heartbeats_tell_positions", r#","filter_subject":"foo.1""#, 3).expect(2),
        beating("heartbeats_without_messages", "", 0).expect(1),
        beating("heartbeats_of_a_new_one", r#","deliver_policy":"new""#, 3).expect(1),
        beating("heartbeats_of_one_that_is_held_back", r#","max_ack_pending":1"#, 3).expect(2),
    ]
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
