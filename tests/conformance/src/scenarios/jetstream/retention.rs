//! Interest streams and work queues: which messages go when, and what an update of the retention does.

use super::{
    CREATE, DETAILS, INFO, STREAM_INFO, STREAM_UPDATE, asked, consumer, durable, fetched, fetched_under, pull_consumer,
    pull_request as next, with_messages, with_stream,
};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const MAKE_D: &str = "$JS.API.CONSUMER.CREATE.S.D";
const TO_INTEREST: &str = r#"{"name":"S","subjects":["foo.>"],"retention":"interest"}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/retention", Setup::JETSTREAM, interest());
    all.extend(topic("jetstream/retention", Setup::JETSTREAM, policies()));
    all.extend(topic("jetstream/retention", Setup::JETSTREAM, work_queue()));
    all.extend(topic("jetstream/retention", Setup::JETSTREAM, changed()));
    all
}

/// What the stream holds a moment later.
fn held(scenario: Scenario) -> Scenario {
    scenario.wait_ms(120).on("a").request(STREAM_INFO, DETAILS)
}

fn make_d(more: &str) -> String {
    format!(r#"{{"stream_name":"S","config":{{"name":"D","durable_name":"D","ack_policy":"explicit",{more}}}}}"#)
}

/// An interest stream with two messages, `C` on all of it and `D` on the first.
fn two(name: &str) -> Scenario {
    pull_consumer(with_stream(name, r#""retention":"interest""#), r#""max_deliver":1,"ack_wait":300000000"#)
        .request(MAKE_D, &make_d(r#""filter_subject":"foo.1""#))
        .request("foo.1", "1")
        .request("foo.2", "2")
}

/// Asks for a message of `D` on a connection of its own, and acknowledges it.
fn acked_by_d(scenario: Scenario) -> Scenario {
    scenario
        .on("d")
        .hello()
        .line("SUB ind 6")
        .raw(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.D ind 1\r\n1\r\n")
        .expect(1)
        .request("${d.reply.1}", "")
}

fn interest() -> Vec<Scenario> {
    let got = |name: &str| asked(two(name), "2").expect(2);
    let both = |scenario: Scenario| scenario.publish("${p.reply.1}", "").publish("${p.reply.2}", "").sync();
    vec![
        held(both(got("acked_by_one"))),
        held(got("given_up_by_one").wait_ms(600)).request(INFO, ""),
        held(both(got("given_up_and_acked_late").wait_ms(600))).request(INFO, ""),
        held(acked_by_d(got("given_up_by_one_and_acked_by_the_other").wait_ms(600))).request(INFO, ""),
        held(got("terminated").publish("${p.reply.2}", "+TERM").sync()),
        held(
            got("a_consumer_goes")
                .publish("${p.reply.1}", "")
                .sync()
                .wait_ms(50)
                .on("a")
                .request("$JS.API.CONSUMER.DELETE.S.D", ""),
        ),
        held(
            two("all_consumers_go")
                .request("$JS.API.CONSUMER.DELETE.S.D", "")
                .request("$JS.API.CONSUMER.DELETE.S.C", "")
                .wait_ms(50)
                .request("foo.3", "x"),
        ),
        held(both(
            asked(two("a_filter_moves_on").request(MAKE_D, &make_d(r#""filter_subject":"foo.9""#)), "2").expect(2),
        )),
        pull_consumer(with_stream("nobody_wants_it", r#""retention":"interest""#), r#""filter_subject":"foo.9""#)
            .request("foo.1", "a")
            .request(STREAM_INFO, DETAILS)
            .request("foo.9", "b")
            .request(STREAM_INFO, DETAILS),
    ]
}

fn policies() -> Vec<Scenario> {
    let of = |name: &str, policy: &str| {
        let config = format!(r#""durable_name":"C","ack_policy":"{policy}""#);
        let made = consumer(with_stream(name, r#""retention":"interest""#), "C", &config);
        made.request("foo.1", "1").request("foo.2", "2").request("foo.3", "3")
    };
    vec![
        held(asked(of("interest_without_acks", "none"), "1").expect(1)),
        held(asked(of("interest_with_ack_all", "all"), "3").expect(3).publish("${p.reply.2}", "").sync()),
        held(
            asked(
                of("who_comes_later_wants_what_comes_later", "explicit")
                    .request(MAKE_D, &make_d(r#""deliver_policy":"new""#)),
                "1",
            )
            .expect(1)
            .publish("${p.reply.1}", "")
            .sync(),
        ),
    ]
}

fn work_queue() -> Vec<Scenario> {
    let queue = |name: &str| fetched(name, r#""retention":"workqueue""#, "", 3);
    let filtered = |name: &str| {
        pull_consumer(with_stream(name, r#""retention":"workqueue""#), r#""filter_subject":"foo.1""#)
            .request("foo.1", "a")
            .request("foo.2", "b")
            .request("foo.1", "c")
    };
    vec![
        held(
            queue("all_acked")
                .publish("${p.reply.1}", "")
                .publish("${p.reply.2}", "")
                .publish("${p.reply.3}", "")
                .sync(),
        )
        .request(INFO, ""),
        held(queue("acked_out_of_order").publish("${p.reply.3}", "").publish("${p.reply.2}", "").sync())
            .request(INFO, ""),
        held(
            queue("its_consumer_goes")
                .publish("${p.reply.3}", "")
                .sync()
                .wait_ms(100)
                .on("a")
                .request("$JS.API.CONSUMER.DELETE.S.C", ""),
        )
        .request(CREATE, &durable(""))
        .on("p")
        .raw(&next(r#"{"batch":5,"no_wait":true}"#))
        .expect(3),
        held(
            asked(filtered("what_is_acked_of_a_filter").request(INFO, ""), "2")
                .expect(2)
                .publish("${p.reply.1}", "")
                .sync(),
        )
        .request(INFO, ""),
        asked(
            pull_consumer(with_stream("a_full_queue", r#""retention":"workqueue","max_msgs":2,"discard":"new""#), "")
                .request("foo.1", "a")
                .request("foo.2", "b")
                .request("foo.1", "c"),
            "1",
        )
        .expect(1)
        .request("${p.reply.1}", "+ACK")
        .on("a")
        .request("foo.1", "d"),
    ]
}

fn changed() -> Vec<Scenario> {
    vec![
        held(
            fetched("limits_to_interest", "", "", 3)
                .publish("${p.reply.1}", "")
                .publish("${p.reply.2}", "")
                .sync()
                .wait_ms(50)
                .on("a")
                .request(STREAM_UPDATE, TO_INTEREST)
                .wait_ms(100)
                .request(STREAM_INFO, DETAILS)
                .on("p")
                .publish("${p.reply.3}", "")
                .sync(),
        ),
        held(
            fetched_under("limits_to_interest_without_acks", "", r#""ack_policy":"none""#, 2)
                .wait_ms(50)
                .on("a")
                .request(STREAM_UPDATE, TO_INTEREST),
        ),
        held(with_messages("limits_to_interest_without_consumers", "", 3).request(STREAM_UPDATE, TO_INTEREST)),
        held(
            asked(
                pull_consumer(with_stream("interest_to_limits", r#""retention":"interest""#), "")
                    .request("foo.1", "x")
                    .request(STREAM_UPDATE, r#"{"name":"S","subjects":["foo.>"],"retention":"limits"}"#),
                "1",
            )
            .expect(1)
            .publish("${p.reply.1}", "")
            .sync(),
        ),
    ]
}
