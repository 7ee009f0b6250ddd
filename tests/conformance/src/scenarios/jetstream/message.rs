//! Reading and deleting single messages.

use super::{with_messages, with_stream};
use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

const GET: &str = "$JS.API.STREAM.MSG.GET.S";
const DELETE: &str = "$JS.API.STREAM.MSG.DELETE.S";
const INFO: &str = "$JS.API.STREAM.INFO.S";
const DETAILS: &str = r#"{"deleted_details":true,"subjects_filter":">"}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/message_get", Setup::JETSTREAM, get());
    all.extend(topic("jetstream/message_delete", Setup::JETSTREAM, delete()));
    all.extend(topic("jetstream/direct_get", Setup::JETSTREAM, direct()));
    all
}

fn get() -> Vec<Scenario> {
    let asked = |name: &str, body: &str| with_messages(name, "", 3).request("foo.1", "again").request(GET, body);
    vec![
        asked("by_sequence", r#"{"seq":2}"#),
        asked("by_a_sequence_beyond_the_end", r#"{"seq":9}"#),
        asked("by_the_last_of_a_subject", r#"{"last_by_subj":"foo.1"}"#),
        asked("by_the_last_of_a_wildcard", r#"{"last_by_subj":"foo.*"}"#),
        asked("by_the_last_of_a_subject_without_messages", r#"{"last_by_subj":"foo.9"}"#),
        asked("by_the_next_of_a_subject", r#"{"seq":2,"next_by_subj":"foo.1"}"#),
        asked("by_the_next_of_a_wildcard", r#"{"seq":2,"next_by_subj":"foo.>"}"#),
        asked("by_the_next_without_a_sequence", r#"{"next_by_subj":"foo.3"}"#),
        asked("by_the_next_beyond_the_end", r#"{"seq":9,"next_by_subj":"foo.1"}"#),
        asked("by_nothing", "{}"),
        asked("with_an_empty_body", ""),
        asked("with_a_broken_body", "{"),
        asked("by_two_ways_at_once", r#"{"seq":1,"last_by_subj":"foo.1"}"#),
        scenario("of_no_stream").hello().request(GET, r#"{"seq":1}"#),
        with_stream("without_headers_on_demand", "")
            .request_with_headers("foo.a", "A: 1\r\n", "x")
            .request(GET, r#"{"seq":1,"no_hdr":true}"#),
    ]
}

fn delete() -> Vec<Scenario> {
    vec![
        with_messages("from_the_middle", "", 3)
            .request(DELETE, r#"{"seq":2}"#)
            .request(GET, r#"{"seq":2}"#)
            .request(INFO, DETAILS),
        with_messages("the_first", "", 3).request(DELETE, r#"{"seq":1}"#).request(INFO, DETAILS),
        with_messages("the_last", "", 3).request(DELETE, r#"{"seq":3}"#).request(INFO, DETAILS).request("foo.9", "x"),
        with_messages("all_of_them", "", 2)
            .request(DELETE, r#"{"seq":1}"#)
            .request(DELETE, r#"{"seq":2}"#)
            .request(INFO, DETAILS)
            .request("foo.9", "x"),
        with_messages("twice", "", 2).request(DELETE, r#"{"seq":1}"#).request(DELETE, r#"{"seq":1}"#),
        with_messages("beyond_the_end", "", 1).request(DELETE, r#"{"seq":7}"#),
        with_messages("without_erasing", "", 2).request(DELETE, r#"{"seq":1,"no_erase":true}"#).request(INFO, DETAILS),
        with_messages("denied", r#""deny_delete":true"#, 1).request(DELETE, r#"{"seq":1}"#),
        with_messages("with_an_empty_body", "", 1).request(DELETE, ""),
        with_messages("with_a_broken_body", "", 1).request(DELETE, "{"),
        scenario("of_no_stream").hello().request(DELETE, r#"{"seq":1}"#),
    ]
}

fn direct() -> Vec<Scenario> {
    let asked = |name: &str, body: &str| {
        with_messages(name, r#""allow_direct":true"#, 3)
            .request_with_headers("foo.1", "A: 1\r\n", "again")
            .request("$JS.API.DIRECT.GET.S", body)
    };
    vec![
        asked("by_sequence", r#"{"seq":2}"#),
        asked("keeps_headers", r#"{"seq":4}"#),
        asked("by_the_last_of_a_subject", r#"{"last_by_subj":"foo.1"}"#),
        asked("by_the_next_of_a_subject", r#"{"seq":2,"next_by_subj":"foo.1"}"#),
        asked("of_none", r#"{"seq":9}"#),
        asked("with_an_empty_body", ""),
        with_messages("by_the_subject_in_the_subject", r#""allow_direct":true"#, 2)
            .request("$JS.API.DIRECT.GET.S.foo.2", "")
            .request("$JS.API.DIRECT.GET.S.foo.9", ""),
        with_messages("that_is_not_allowed", "", 1).request("$JS.API.DIRECT.GET.S", r#"{"seq":1}"#),
    ]
}
