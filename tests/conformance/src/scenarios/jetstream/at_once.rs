//! Requests that come together: the second is held against what the first has made, though both were sent before either
//! was answered.

use super::{CREATE, INFO, STREAM_INFO, STREAM_UPDATE, durable, pull_consumer, with_messages, with_stream};
use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/at_once", Setup::JETSTREAM, streams());
    all.extend(topic("jetstream/at_once", Setup::JETSTREAM, consumers()));
    all
}

/// Sends both requests in one write, and reads both answers.
fn together(scenario: Scenario, first: (&str, &str), second: (&str, &str)) -> Scenario {
    let ask = |(subject, body): (&str, &str), reply| format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len());
    let both = ask(first, "first") + &ask(second, "second");
    scenario.line("SUB first 7").line("SUB second 8").sync().raw(both.as_bytes()).expect_unordered(2)
}

fn streams() -> Vec<Scenario> {
    const MAKE_S: &str = "$JS.API.STREAM.CREATE.S";
    let updates = |name: &str, first: &str, second: &str| {
        let config = |more: &str| format!(r#"{{"name":"S","subjects":["foo.>"]{more}}}"#);
        let (first, second) = (config(first), config(second));
        together(with_stream(name, ""), (STREAM_UPDATE, &first), (STREAM_UPDATE, &second)).request(STREAM_INFO, "")
    };
    let fresh = |name: &str| scenario(name).hello();
    vec![
        updates("deny_delete_is_not_taken_back", r#","deny_delete":true"#, r#","max_msgs":5"#),
        updates("deny_purge_is_not_taken_back", r#","deny_purge":true"#, r#","max_msgs":5"#),
        updates("a_sealed_stream_stays_sealed", r#","sealed":true"#, r#","max_msgs":5"#),
        updates("message_ttls_stay", r#","allow_msg_ttl":true"#, r#","max_msgs":5"#),
        updates("the_later_update_counts", r#","max_msgs":7"#, r#","max_msgs":5"#),
        together(
            fresh("a_name_is_given_once"),
            (MAKE_S, r#"{"name":"S","subjects":["foo"]}"#),
            (MAKE_S, r#"{"name":"S","subjects":["bar"]}"#),
        ),
        together(
            fresh("the_same_stream_twice"),
            (MAKE_S, r#"{"name":"S","subjects":["foo"]}"#),
            (MAKE_S, r#"{"name":"S","subjects":["foo"]}"#),
        ),
        together(
            fresh("subjects_are_given_once"),
            (MAKE_S, r#"{"name":"S","subjects":["foo.*"]}"#),
            ("$JS.API.STREAM.CREATE.T", r#"{"name":"T","subjects":["foo.bar"]}"#),
        ),
        together(
            with_stream("an_update_takes_no_subject_of_a_new_stream", ""),
            ("$JS.API.STREAM.CREATE.T", r#"{"name":"T","subjects":["bar.>"]}"#),
            (STREAM_UPDATE, r#"{"name":"S","subjects":["foo.>","bar.x"]}"#),
        ),
        together(
            with_stream("an_update_of_a_deleted_stream", ""),
            ("$JS.API.STREAM.DELETE.S", ""),
            (STREAM_UPDATE, r#"{"name":"S","subjects":["foo.>"],"max_msgs":5}"#),
        ),
        together(
            with_messages("a_purge_of_a_stream_that_denies_it", "", 2),
            (STREAM_UPDATE, r#"{"name":"S","subjects":["foo.>"],"deny_purge":true}"#),
            ("$JS.API.STREAM.PURGE.S", ""),
        ),
    ]
}

fn consumers() -> Vec<Scenario> {
    const FAR: &str = r#"{"pause_until":"2101-01-01T00:00:00Z"}"#;
    let made = |name: &str| pull_consumer(with_messages(name, "", 1), "");
    let create = |more: &str| durable(more).replace(r#""config""#, r#""action":"create","config""#);
    vec![
        together(
            made("a_pause_and_an_update"),
            ("$JS.API.CONSUMER.PAUSE.S.C", FAR),
            (CREATE, &durable(r#""max_ack_pending":7"#)),
        )
        .request(INFO, ""),
        together(
            made("an_update_and_a_pause"),
            (CREATE, &durable(r#""max_ack_pending":7"#)),
            ("$JS.API.CONSUMER.PAUSE.S.C", FAR),
        )
        .request(INFO, ""),
        together(
            with_stream("a_name_is_given_to_one_consumer", ""),
            (CREATE, &create("")),
            (CREATE, &create(r#""max_ack_pending":7"#)),
        ),
        together(
            with_stream("the_last_place_is_given_once", r#""max_consumers":1"#),
            (CREATE, &durable("")),
            ("$JS.API.CONSUMER.CREATE.S.D", r#"{"stream_name":"S","config":{"name":"D","durable_name":"D"}}"#),
        ),
        together(
            with_stream("a_work_queue_gives_a_subject_to_one", r#""retention":"workqueue""#),
            (CREATE, &durable(r#""filter_subject":"foo.1""#)),
            (
                "$JS.API.CONSUMER.CREATE.S.D",
                r#"{"stream_name":"S","config":{"name":"D","durable_name":"D","ack_policy":"explicit","filter_subject":"foo.*"}}"#,
            ),
        ),
        together(
            with_stream("new_limits_of_the_stream", ""),
            (STREAM_UPDATE, r#"{"name":"S","subjects":["foo.>"],"consumer_limits":{"max_ack_pending":5}}"#),
            (CREATE, &durable(r#""max_ack_pending":6"#)),
        ),
        together(
            made("an_update_of_a_deleted_consumer"),
            ("$JS.API.CONSUMER.DELETE.S.C", ""),
            ("$JS.API.CONSUMER.PAUSE.S.C", FAR),
        ),
    ]
}
