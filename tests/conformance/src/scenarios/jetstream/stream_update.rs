//! What an update may change and what it may not; purge.

use super::{with_messages, with_stream};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/stream_update", Setup::JETSTREAM, update());
    all.extend(topic("jetstream/purge", Setup::JETSTREAM, purge()));
    all
}

fn updated(name: &str, before: &str, after: &str) -> Scenario {
    with_stream(name, before)
        .request("$JS.API.STREAM.UPDATE.S", &format!(r#"{{"name":"S",{after}}}"#))
        .request("$JS.API.STREAM.INFO.S", "")
}

fn update() -> Vec<Scenario> {
    vec![
        updated("limits_may_change", "", r#""subjects":["foo.>"],"max_msgs":5,"max_bytes":1000,"max_age":60000000000"#),
        updated("subjects_may_change", "", r#""subjects":["bar","foo.*"]"#),
        updated("no_subjects_means_its_name", "", r#""max_msgs":5"#),
        updated("the_description_may_change", "", r#""subjects":["foo.>"],"description":"new""#),
        updated("storage_may_not_change", "", r#""subjects":["foo.>"],"storage":"memory""#),
        updated("retention_to_work_queue_may_not_change", "", r#""subjects":["foo.>"],"retention":"workqueue""#),
        updated("retention_to_interest_may_change", "", r#""subjects":["foo.>"],"retention":"interest""#),
        updated("max_consumers_may_not_change", "", r#""subjects":["foo.>"],"max_consumers":5"#),
        updated("deny_delete_may_not_be_taken_back", r#""deny_delete":true"#, r#""subjects":["foo.>"]"#),
        updated("deny_purge_may_not_be_taken_back", r#""deny_purge":true"#, r#""subjects":["foo.>"]"#),
        updated("replicas_may_not_grow_on_one_server", "", r#""subjects":["foo.>"],"num_replicas":3"#),
        updated("discard_may_change", "", r#""subjects":["foo.>"],"discard":"new""#),
        updated("rollups_may_be_allowed", "", r#""subjects":["foo.>"],"allow_rollup_hdrs":true"#),
        with_stream("the_name_may_not_change", "").request("$JS.API.STREAM.UPDATE.S", r#"{"name":"T"}"#),
        with_messages("a_lower_limit_takes_the_oldest", "", 5)
            .request("$JS.API.STREAM.UPDATE.S", r#"{"name":"S","subjects":["foo.>"],"max_msgs":2}"#)
            .request("$JS.API.STREAM.INFO.S", ""),
        with_messages("subjects_taken_away_keep_their_messages", "", 2)
            .request("$JS.API.STREAM.UPDATE.S", r#"{"name":"S","subjects":["bar"]}"#)
            .request("foo.1", "x")
            .request("bar", "y")
            .request("$JS.API.STREAM.INFO.S", r#"{"subjects_filter":">"}"#),
        with_messages("sealed", "", 1)
            .request("$JS.API.STREAM.UPDATE.S", r#"{"name":"S","subjects":["foo.>"],"sealed":true}"#)
            .request("foo.1", "x")
            .request("$JS.API.STREAM.PURGE.S", "")
            .request("$JS.API.STREAM.MSG.DELETE.S", r#"{"seq":1}"#),
    ]
}

fn purge() -> Vec<Scenario> {
    let purged = |name: &str, body: &str| {
        with_messages(name, "", 6)
            .request("foo.1", "again")
            .request("$JS.API.STREAM.PURGE.S", body)
            .request("$JS.API.STREAM.INFO.S", r#"{"subjects_filter":">","deleted_details":true}"#)
            .request("foo.9", "after")
    };
    vec![
        purged("everything", ""),
        purged("everything_with_an_empty_object", "{}"),
        purged("by_subject", r#"{"filter":"foo.1"}"#),
        purged("by_wildcard", r#"{"filter":"foo.*"}"#),
        purged("by_a_subject_of_none", r#"{"filter":"bar"}"#),
        purged("up_to_a_sequence", r#"{"seq":4}"#),
        purged("up_to_a_sequence_beyond_the_end", r#"{"seq":100}"#),
        purged("keep", r#"{"keep":2}"#),
        purged("keep_by_subject", r#"{"filter":"foo.1","keep":1}"#),
        purged("up_to_a_sequence_by_subject", r#"{"filter":"foo.1","seq":3}"#),
        purged("keep_and_seq_together", r#"{"keep":1,"seq":3}"#),
        purged("a_broken_body", r#"{"keep":"#),
        with_messages("denied", r#""deny_purge":true"#, 2).request("$JS.API.STREAM.PURGE.S", ""),
        with_stream("of_an_empty_stream", "").request("$JS.API.STREAM.PURGE.S", ""),
    ]
}
