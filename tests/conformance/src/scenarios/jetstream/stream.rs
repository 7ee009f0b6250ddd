//! Streams: create, info, names, list, delete, and what is refused.

use super::with_stream;
use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/stream", Setup::JETSTREAM, create());
    all.extend(topic("jetstream/stream", Setup::JETSTREAM, refused()));
    all.extend(topic("jetstream/stream", Setup::JETSTREAM, names()));
    all.extend(topic("jetstream/api", Setup::JETSTREAM, api()));
    all
}

fn create_with(name: &str, config: &str) -> Scenario {
    scenario(name).hello().request("$JS.API.STREAM.CREATE.S", config)
}

/// A request that is neither answered nor nobody's.
fn unanswered(name: &str, subject: &str) -> Scenario {
    scenario(name).hello().line("SUB in 5").raw(format!("PUB {subject} in 0\r\n\r\n").as_bytes()).sync().quiet()
}

fn create() -> Vec<Scenario> {
    vec![
        with_stream("create_fills_in_defaults", ""),
        create_with("a_stream_without_subjects_takes_its_name", r#"{"name":"S"}"#),
        with_stream("memory_storage", r#""storage":"memory""#),
        with_stream(
            "every_limit_set",
            r#""max_msgs":10,"max_bytes":100000,"max_age":60000000000,"max_msgs_per_subject":2,"max_msg_size":1000,"max_consumers":3,"discard":"new","duplicate_window":1000000000,"description":"all of it""#,
        ),
        with_stream("max_age_below_the_window_lowers_the_window", r#""max_age":1000000000"#),
        with_stream("zero_and_negative_limits_become_minus_one", r#""max_msgs":0,"max_bytes":-5,"max_consumers":0"#),
        with_stream("metadata_is_kept", r#""metadata":{"owner":"ada"}"#),
        with_stream("interest_retention", r#""retention":"interest""#),
        with_stream("work_queue_retention", r#""retention":"workqueue""#),
        with_stream("first_seq", r#""first_seq":100"#).request("foo.1", "x").request("$JS.API.STREAM.INFO.S", ""),
        with_stream("creating_it_again_is_fine", "")
            .request("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["foo.>"]}"#),
        with_stream("creating_it_again_with_defaults_spelled_out_is_fine", "").request(
            "$JS.API.STREAM.CREATE.S",
            r#"{"name":"S","subjects":["foo.>"],"retention":"limits","max_msgs":-1,"storage":"file","num_replicas":1,"discard":"old"}"#,
        ),
        with_stream("creating_it_otherwise_is_refused", "")
            .request("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["foo.>"],"max_msgs":5}"#),
        with_stream("info_of_an_empty_stream", "").request("$JS.API.STREAM.INFO.S", ""),
        with_stream("info_with_subjects", "")
            .request("foo.a", "1")
            .request("foo.b", "2")
            .request("foo.a", "3")
            .request("$JS.API.STREAM.INFO.S", r#"{"subjects_filter":">"}"#)
            .request("$JS.API.STREAM.INFO.S", r#"{"subjects_filter":"foo.a"}"#)
            .request("$JS.API.STREAM.INFO.S", r#"{"subjects_filter":"bar"}"#),
        with_stream("info_with_deleted_details", "")
            .request("foo.a", "1")
            .request("foo.b", "2")
            .request("foo.c", "3")
            .request("$JS.API.STREAM.MSG.DELETE.S", r#"{"seq":2}"#)
            .request("$JS.API.STREAM.INFO.S", r#"{"deleted_details":true}"#)
            .request("$JS.API.STREAM.INFO.S", ""),
        with_stream("delete", "")
            .request("$JS.API.STREAM.DELETE.S", "")
            .request("$JS.API.STREAM.INFO.S", "")
            .request("foo.a", "x"),
        with_stream("delete_and_create_again_begins_at_one", "")
            .request("foo.a", "x")
            .request("$JS.API.STREAM.DELETE.S", "")
            .wait_ms(200)
            .request("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["foo.>"]}"#)
            .request("foo.a", "x"),
    ]
}

// tidy: long — a list of scenarios, no logic
fn refused() -> Vec<Scenario> {
    vec![
        scenario("info_of_no_stream").hello().request("$JS.API.STREAM.INFO.NONE", ""),
        scenario("delete_of_no_stream").hello().request("$JS.API.STREAM.DELETE.NONE", ""),
        scenario("purge_of_no_stream").hello().request("$JS.API.STREAM.PURGE.NONE", ""),
        scenario("update_of_no_stream").hello().request("$JS.API.STREAM.UPDATE.NONE", r#"{"name":"NONE"}"#),
        create_with("the_name_in_the_subject_must_be_that_in_the_body", r#"{"name":"T"}"#),
        create_with("a_body_that_is_no_json", "{"),
        create_with("an_empty_body", ""),
        create_with("an_unknown_field", r#"{"name":"S","shoe_size":43}"#),
        create_with("a_field_of_the_wrong_type", r#"{"name":"S","max_msgs":"ten"}"#),
        create_with("an_unknown_retention", r#"{"name":"S","retention":"forever"}"#),
        create_with("an_unknown_storage", r#"{"name":"S","storage":"tape"}"#),
        create_with("a_name_with_a_space", r#"{"name":"S T"}"#),
        scenario("a_name_with_a_dot_in_the_body").hello().request("$JS.API.STREAM.CREATE.S", r#"{"name":"S.T"}"#),
        create_with("no_name", r#"{"subjects":["foo"]}"#),
        create_with("a_subject_twice", r#"{"name":"S","subjects":["foo","foo"]}"#),
        create_with("subjects_that_overlap_each_other", r#"{"name":"S","subjects":["foo.*","foo.bar"]}"#),
        create_with("an_invalid_subject", r#"{"name":"S","subjects":["foo..bar"]}"#),
        create_with("a_subject_with_a_space", r#"{"name":"S","subjects":["foo bar"]}"#),
        create_with("a_subject_of_the_api", r#"{"name":"S","subjects":["$JS.API.>"]}"#),
        create_with("a_subject_of_the_system", r#"{"name":"S","subjects":["$SYS.>"]}"#),
        create_with("every_subject", r#"{"name":"S","subjects":[">"]}"#),
        create_with("more_than_one_replica_on_one_server", r#"{"name":"S","num_replicas":3}"#),
        create_with("more_than_five_replicas", r#"{"name":"S","num_replicas":7}"#),
        create_with("a_negative_replica_count", r#"{"name":"S","num_replicas":-1}"#),
        create_with("a_window_above_max_age", r#"{"name":"S","max_age":1000000000,"duplicate_window":2000000000}"#),
        create_with("a_negative_window", r#"{"name":"S","duplicate_window":-1}"#),
        create_with("a_window_that_is_too_short", r#"{"name":"S","duplicate_window":1000}"#),
        create_with("a_max_age_that_is_too_short", r#"{"name":"S","max_age":1000}"#),
        create_with("discard_new_per_subject_without_its_limits", r#"{"name":"S","discard_new_per_subject":true}"#),
        create_with(
            "a_description_that_is_too_long",
            &format!(r#"{{"name":"S","description":"{}"}}"#, "x".repeat(5000)),
        ),
        create_with("a_name_that_is_too_long", &format!(r#"{{"name":"{}"}}"#, "x".repeat(300))),
        create_with("sealed_at_creation", r#"{"name":"S","sealed":true}"#),
        create_with("deny_purge_with_rollups", r#"{"name":"S","deny_purge":true,"allow_rollup_hdrs":true}"#),
        create_with("pedantic_refuses_what_it_would_fix", r#"{"name":"S","max_age":1000000000,"pedantic":true}"#),
        with_stream("subjects_of_another_stream", "")
            .request("$JS.API.STREAM.CREATE.T", r#"{"name":"T","subjects":["foo.bar"]}"#),
        with_stream("delete_with_a_body", "").request("$JS.API.STREAM.DELETE.S", r#"{"x":1}"#),
    ]
}

fn names() -> Vec<Scenario> {
    let three = |name: &str| {
        scenario(name)
            .hello()
            .request("$JS.API.STREAM.CREATE.C", r#"{"name":"C","subjects":["c.>"]}"#)
            .request("$JS.API.STREAM.CREATE.A", r#"{"name":"A","subjects":["a.>"]}"#)
            .request("$JS.API.STREAM.CREATE.B", r#"{"name":"B","subjects":["b.*"]}"#)
    };
    vec![
        scenario("names_of_nothing").hello().request("$JS.API.STREAM.NAMES", ""),
        scenario("list_of_nothing").hello().request("$JS.API.STREAM.LIST", ""),
        three("names_are_sorted").request("$JS.API.STREAM.NAMES", ""),
        three("names_from_an_offset").request("$JS.API.STREAM.NAMES", r#"{"offset":1}"#),
        three("names_from_an_offset_beyond_the_end").request("$JS.API.STREAM.NAMES", r#"{"offset":10}"#),
        three("names_by_subject").request("$JS.API.STREAM.NAMES", r#"{"subject":"b.1"}"#),
        three("names_by_a_wildcard").request("$JS.API.STREAM.NAMES", r#"{"subject":"*.1"}"#),
        three("names_by_a_subject_of_none").request("$JS.API.STREAM.NAMES", r#"{"subject":"z"}"#),
        three("names_with_a_broken_body").request("$JS.API.STREAM.NAMES", "{"),
        three("list_is_sorted").request("$JS.API.STREAM.LIST", ""),
        three("list_by_subject").request("$JS.API.STREAM.LIST", r#"{"subject":"c.x"}"#),
    ]
}

fn api() -> Vec<Scenario> {
    vec![
        scenario("account_info_of_nothing").hello().request("$JS.API.INFO", ""),
        with_stream("account_info_counts", "")
            .request("foo.a", "0123456789")
            .request(
                "$JS.API.CONSUMER.CREATE.S.C",
                r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","ack_policy":"explicit"}}"#,
            )
            .request("$JS.API.INFO", ""),
        unanswered("an_api_subject_that_does_not_exist", "$JS.API.NONSENSE"),
        unanswered("a_stream_subject_with_too_few_tokens", "$JS.API.STREAM.INFO"),
        unanswered("a_stream_subject_with_too_many_tokens", "$JS.API.STREAM.INFO.A.B"),
        scenario("jetstream_in_the_info").with_info_fields().open(),
        scenario("a_request_without_a_reply_is_carried_out")
            .hello()
            .raw(b"PUB $JS.API.STREAM.CREATE.S 12\r\n{\"name\":\"S\"}\r\n")
            .sync()
            .wait_ms(300)
            .request("$JS.API.STREAM.NAMES", ""),
    ]
}
