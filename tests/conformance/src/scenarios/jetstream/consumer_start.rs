//! Where a consumer begins: on empty and purged streams, with filters, and with lists of last messages.

use super::{INFO, asked, consumer, pull_consumer, told, with_messages};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const TEN: &str = r#"{"batch":10,"no_wait":true}"#;
const LAST_OF_EACH: &str = r#""deliver_policy":"last_per_subject","filter_subject":"foo.>""#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/consumer_start", Setup::JETSTREAM, starts());
    all.extend(topic("jetstream/consumer_start", Setup::JETSTREAM, lists()));
    all.extend(topic("jetstream/consumer_start", Setup::JETSTREAM, purged()));
    all
}

/// A consumer without acks on a stream with so many messages, one message more, and everything fetched.
fn started(name: &str, stream: &str, count: usize, config: &str) -> Scenario {
    let made = consumer(
        with_messages(name, stream, count),
        "C",
        &format!(r#""durable_name":"C","ack_policy":"none",{config}"#),
    );
    told(asked(made.request(INFO, "").request("foo.1", "later"), TEN).wait_ms(120))
}

fn starts() -> Vec<Scenario> {
    let first = r#""first_seq":100"#;
    vec![
        started("last_on_an_empty_stream", "", 0, r#""deliver_policy":"last""#),
        started("new_on_an_empty_stream", "", 0, r#""deliver_policy":"new""#),
        started("all_on_an_empty_stream", "", 0, r#""deliver_policy":"all""#),
        started("a_sequence_on_an_empty_stream", "", 0, r#""deliver_policy":"by_start_sequence","opt_start_seq":5"#),
        started("last_per_subject_on_an_empty_stream", "", 0, LAST_OF_EACH),
        started("last_of_several_filters", "", 4, r#""deliver_policy":"last","filter_subjects":["foo.2","foo.3"]"#),
        started("last_without_a_match", "", 3, r#""deliver_policy":"last","filter_subject":"foo.9""#),
        started(
            "last_per_subject_without_a_match",
            "",
            3,
            r#""deliver_policy":"last_per_subject","filter_subject":"foo.9""#,
        ),
        started(
            "last_per_subject_of_several_filters",
            "",
            4,
            r#""deliver_policy":"last_per_subject","filter_subjects":["foo.2","foo.4","foo.9"]"#,
        ),
        started("last_per_subject_where_each_has_one", r#""max_msgs_per_subject":1"#, 4, LAST_OF_EACH),
        started("the_sequence_after_the_last", "", 3, r#""deliver_policy":"by_start_sequence","opt_start_seq":4"#),
        started("a_sequence_far_beyond", "", 3, r#""deliver_policy":"by_start_sequence","opt_start_seq":40"#),
        started(
            "a_sequence_and_a_filter",
            "",
            4,
            r#""deliver_policy":"by_start_sequence","opt_start_seq":2,"filter_subject":"foo.3""#,
        ),
        started("a_stream_that_begins_later", first, 2, r#""deliver_policy":"all""#),
        started("a_sequence_before_the_first", first, 2, r#""deliver_policy":"by_start_sequence","opt_start_seq":2"#),
        started("an_empty_stream_that_begins_later", first, 0, r#""deliver_policy":"all""#),
        started("new_on_an_empty_stream_that_begins_later", first, 0, r#""deliver_policy":"new""#),
        started(
            "a_time_to_come_and_a_filter",
            "",
            3,
            r#""deliver_policy":"by_start_time","opt_start_time":"2101-01-01T00:00:00Z","filter_subject":"foo.1""#,
        ),
        started("a_filter_outside_the_stream", "", 3, r#""filter_subject":"bar""#),
    ]
}

fn lists() -> Vec<Scenario> {
    let made = |name: &str| {
        pull_consumer(with_messages(name, "", 3).request("foo.1", "1b").request("foo.2", "2b"), LAST_OF_EACH)
    };
    vec![
        told(
            asked(
                made("new_messages_follow_the_list").request("foo.3", "3b").request("foo.1", "1c").request(INFO, ""),
                TEN,
            )
            .expect(6),
        ),
        told(
            asked(made("acks_of_the_list"), "2")
                .expect(2)
                .publish("${p.reply.1}", "")
                .sync()
                .wait_ms(50)
                .on("a")
                .request(INFO, "")
                .on("p")
                .publish("${p.reply.2}", ""),
        ),
    ]
}

fn purged() -> Vec<Scenario> {
    let purged = |name: &str, config: &str| {
        let made = with_messages(name, "", 5).request("$JS.API.STREAM.PURGE.S", r#"{"seq":4}"#);
        let config = format!(r#""durable_name":"C","ack_policy":"none",{config}"#);
        asked(consumer(made, "C", &config).request(INFO, ""), TEN).wait_ms(120).sync()
    };
    vec![
        purged("all_of_a_purged_stream", r#""deliver_policy":"all""#),
        purged("a_purged_sequence", r#""deliver_policy":"by_start_sequence","opt_start_seq":2"#),
        purged("a_time_before_a_purge", r#""deliver_policy":"by_start_time","opt_start_time":"2001-01-01T00:00:00Z""#),
    ]
}
