//! Messages that go while a consumer waits for their acks, or before it gets them.

use super::{INFO, STREAM_UPDATE, asked, fetched, pull_consumer, pull_request as next, told, with_messages};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const PURGE: &str = "$JS.API.STREAM.PURGE.S";
const DELETE: &str = "$JS.API.STREAM.MSG.DELETE.S";
const THREE: &str = r#"{"batch":3,"no_wait":true}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/removal", Setup::JETSTREAM, purged());
    all.extend(topic("jetstream/removal", Setup::JETSTREAM, deleted()));
    all.extend(topic("jetstream/removal", Setup::JETSTREAM, pushed_out()));
    all
}

/// Something is asked of the stream, and then the consumer is looked at.
fn then(scenario: Scenario, subject: &str, body: &str) -> Scenario {
    told(scenario.on("a").request(subject, body).on("p"))
}

fn purged() -> Vec<Scenario> {
    let all = |name: &str, count| fetched(name, "", "", count);
    let fresh = |name: &str, config: &str| pull_consumer(with_messages(name, "", 3), config);
    vec![
        then(all("a_purge_with_all_pending", 3), PURGE, ""),
        then(all("a_purge_with_some_acked", 3).publish("${p.reply.2}", "").sync(), PURGE, ""),
        then(all("a_purge_up_to", 4), PURGE, r#"{"seq":3}"#),
        then(all("a_purge_that_keeps_one", 4), PURGE, r#"{"keep":1}"#),
        then(all("a_purge_of_the_first_subject", 4), PURGE, r#"{"filter":"foo.1"}"#),
        then(all("a_purge_of_a_subject_up_to", 4), PURGE, r#"{"filter":"foo.1","seq":3}"#),
        told(
            all("new_messages_after_a_purge", 3)
                .on("a")
                .request(PURGE, "")
                .request("foo.9", "x")
                .wait_ms(50)
                .on("p")
                .raw(&next("1"))
                .expect(1),
        ),
        told(all("an_ack_after_a_purge", 3).on("a").request(PURGE, "").on("p").publish("${p.reply.1}", "")),
        then(fetched("a_purge_of_the_filter", "", r#""filter_subject":"foo.*""#, 3), PURGE, r#"{"filter":"foo.>"}"#),
        fresh("a_purge_before_any_delivery", "").request(PURGE, "").request(INFO, ""),
        fresh("a_purge_of_a_subject_before_any_delivery", "").request(PURGE, r#"{"filter":"foo.1"}"#).request(INFO, ""),
        fresh("a_purge_beyond_the_end", "")
            .request(PURGE, r#"{"seq":10}"#)
            .request(INFO, "")
            .request("foo.1", "x")
            .request(INFO, ""),
        asked(
            fresh("a_purge_of_one_of_two_filters", r#""filter_subjects":["foo.2","foo.3"]"#)
                .request(PURGE, r#"{"filter":"foo.2"}"#),
            THREE,
        )
        .expect(2),
        told(
            all("a_purge_of_what_stands_in_line_again", 3)
                .publish("${p.reply.1}", "-NAK")
                .sync()
                .wait_ms(50)
                .on("a")
                .request(PURGE, r#"{"seq":3}"#)
                .on("p")
                .raw(&next(THREE))
                .expect(1),
        ),
    ]
}

fn deleted() -> Vec<Scenario> {
    let all = |name: &str, count| fetched(name, "", "", count);
    let nakked = |name: &str| all(name, 2).publish("${p.reply.1}", "-NAK").sync().wait_ms(50);
    vec![
        then(all("the_first_pending_message", 3), DELETE, r#"{"seq":1}"#),
        then(all("a_pending_message_in_the_middle", 3), DELETE, r#"{"seq":2}"#),
        then(all("the_last_pending_message", 3), DELETE, r#"{"seq":3}"#),
        then(all("every_pending_message", 2).on("a").request(DELETE, r#"{"seq":1}"#), DELETE, r#"{"seq":2}"#),
        then(nakked("a_message_that_was_delivered_again").raw(&next("1")).expect(1), DELETE, r#"{"seq":1}"#),
        told(
            nakked("a_message_that_stands_in_line_again")
                .on("a")
                .request(DELETE, r#"{"seq":1}"#)
                .on("p")
                .raw(&next(THREE))
                .expect(1),
        ),
        asked(
            pull_consumer(with_messages("a_message_before_its_delivery", "", 3), "")
                .request(DELETE, r#"{"seq":2}"#)
                .request(INFO, ""),
            THREE,
        )
        .expect(3),
        told(
            asked(
                pull_consumer(with_messages("the_last_message_before_its_delivery", "", 3), "")
                    .request(DELETE, r#"{"seq":3}"#)
                    .request(INFO, ""),
                THREE,
            )
            .expect(3),
        ),
    ]
}

fn pushed_out() -> Vec<Scenario> {
    let of = |name: &str, stream: &str, count| fetched(name, stream, "", count);
    vec![
        then(of("by_max_msgs", r#""max_msgs":3"#, 3).on("a").request("foo.4", "x"), "foo.5", "x"),
        told(
            of("by_max_msgs_before_their_delivery", r#""max_msgs":2"#, 2)
                .on("a")
                .request("foo.4", "x")
                .request("foo.5", "x")
                .request("foo.6", "x")
                .wait_ms(50)
                .on("p")
                .raw(&next(r#"{"batch":5,"no_wait":true}"#))
                .expect(3),
        ),
        then(of("by_a_newer_one_of_their_subject", r#""max_msgs_per_subject":1"#, 3), "foo.2", "x"),
        then(
            of("by_an_update_of_the_stream", "", 4),
            STREAM_UPDATE,
            r#"{"name":"S","subjects":["foo.>"],"max_msgs":2}"#,
        ),
        told(of("by_their_age", r#""max_age":600000000"#, 2).wait_ms(1100)),
        told(
            of("by_a_rollup", r#""allow_rollup_hdrs":true"#, 3)
                .on("a")
                .request_with_headers("foo.2", "Nats-Rollup: all\r\n", "x")
                .on("p"),
        ),
    ]
}
