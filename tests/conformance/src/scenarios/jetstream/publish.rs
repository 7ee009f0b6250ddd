//! Publishing: acks, duplicates, expectations, rollups.

use super::{with_messages, with_stream};
use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

const INFO: &str = "$JS.API.STREAM.INFO.S";

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/publish", Setup::JETSTREAM, acks());
    all.extend(topic("jetstream/expect", Setup::JETSTREAM, expectations()));
    all.extend(topic("jetstream/rollup", Setup::JETSTREAM, rollups()));
    all
}

fn acks() -> Vec<Scenario> {
    vec![
        with_messages("acks_count_up", "", 3),
        with_stream("without_a_reply_there_is_no_ack_but_a_message", "").publish("foo.a", "x").sync().request(INFO, ""),
        scenario("to_no_stream_is_503").hello().request("foo.a", "x"),
        with_stream("no_ack_stays_silent", r#""no_ack":true"#)
            .line("SUB in.* 7")
            .raw(b"PUB foo.a in.1 1\r\nx\r\n")
            .sync()
            .quiet()
            .request(INFO, ""),
        with_stream("an_empty_message", "").request("foo.a", "").request("$JS.API.STREAM.MSG.GET.S", r#"{"seq":1}"#),
        with_stream("a_subscriber_hears_it_too", "")
            .on("b")
            .hello()
            .line("SUB foo.* 1")
            .sync()
            .on("a")
            .request("foo.a", "x")
            .on("b")
            .expect(1),
        with_stream("a_duplicate_id_is_told", "")
            .request_with_headers("foo.a", "Nats-Msg-Id: one\r\n", "1")
            .request_with_headers("foo.b", "Nats-Msg-Id: one\r\n", "2")
            .request_with_headers("foo.a", "Nats-Msg-Id: two\r\n", "3")
            .request(INFO, ""),
        with_stream("header_names_are_case_sensitive", "")
            .request_with_headers("foo.a", "nats-msg-id: one\r\n", "1")
            .request_with_headers("foo.a", "nats-msg-id: one\r\n", "2"),
        with_stream("an_id_may_come_again_after_the_window", r#""duplicate_window":200000000"#)
            .request_with_headers("foo.a", "Nats-Msg-Id: one\r\n", "1")
            .wait_ms(900)
            .request_with_headers("foo.a", "Nats-Msg-Id: one\r\n", "2"),
        with_stream("a_window_of_zero_means_the_default", r#""duplicate_window":0"#)
            .request_with_headers("foo.a", "Nats-Msg-Id: one\r\n", "1")
            .request_with_headers("foo.a", "Nats-Msg-Id: one\r\n", "2"),
        with_stream("an_id_outlives_a_purge", "")
            .request_with_headers("foo.a", "Nats-Msg-Id: one\r\n", "1")
            .request("$JS.API.STREAM.PURGE.S", "")
            .request_with_headers("foo.a", "Nats-Msg-Id: one\r\n", "2"),
        with_stream("headers_are_stored", "")
            .request_with_headers("foo.a", "A: 1\r\nB: two\r\n", "x")
            .request("$JS.API.STREAM.MSG.GET.S", r#"{"seq":1}"#),
        with_stream("headers_above_64k_are_refused", "").request_with_headers(
            "foo.a",
            &format!("A: {}\r\n", "x".repeat(66_000)),
            "x",
        ),
        with_stream("a_ttl_where_it_is_not_allowed", "").request_with_headers("foo.a", "Nats-TTL: 1h\r\n", "x"),
        with_stream("two_streams_count_for_themselves", "")
            .request("$JS.API.STREAM.CREATE.T", r#"{"name":"T","subjects":["bar"]}"#)
            .request("foo.a", "1")
            .request("bar", "2")
            .request("foo.a", "3")
            .request("bar", "4"),
    ]
}

fn expectations() -> Vec<Scenario> {
    let expecting = |name: &str, header: &str| {
        with_messages(name, "", 2).request_with_headers("foo.1", &format!("{header}\r\n"), "x")
    };
    vec![
        expecting("the_right_stream", "Nats-Expected-Stream: S"),
        expecting("a_wrong_stream", "Nats-Expected-Stream: T"),
        expecting("the_right_last_sequence", "Nats-Expected-Last-Sequence: 2"),
        expecting("a_wrong_last_sequence", "Nats-Expected-Last-Sequence: 1"),
        expecting("a_last_sequence_of_zero", "Nats-Expected-Last-Sequence: 0"),
        expecting("a_last_sequence_that_is_no_number", "Nats-Expected-Last-Sequence: two"),
        expecting("the_right_last_subject_sequence", "Nats-Expected-Last-Subject-Sequence: 1"),
        expecting("a_wrong_last_subject_sequence", "Nats-Expected-Last-Subject-Sequence: 2"),
        expecting("a_last_subject_sequence_of_zero", "Nats-Expected-Last-Subject-Sequence: 0"),
        expecting("a_wrong_last_id", "Nats-Expected-Last-Msg-Id: zero"),
        with_stream("a_new_subject_expects_zero", "")
            .request_with_headers("foo.a", "Nats-Expected-Last-Subject-Sequence: 0\r\n", "1")
            .request_with_headers("foo.a", "Nats-Expected-Last-Subject-Sequence: 0\r\n", "2"),
        with_stream("the_right_last_id", "")
            .request_with_headers("foo.a", "Nats-Msg-Id: one\r\n", "1")
            .request_with_headers("foo.a", "Nats-Msg-Id: two\r\nNats-Expected-Last-Msg-Id: one\r\n", "2"),
        with_messages("a_last_subject_sequence_by_filter", "", 3)
            .request_with_headers(
                "foo.1",
                "Nats-Expected-Last-Subject-Sequence: 3\r\nNats-Expected-Last-Subject-Sequence-Subject: foo.*\r\n",
                "x",
            )
            .request_with_headers(
                "foo.1",
                "Nats-Expected-Last-Subject-Sequence: 3\r\nNats-Expected-Last-Subject-Sequence-Subject: foo.*\r\n",
                "y",
            ),
        expecting("a_filter_alone_is_refused", "Nats-Expected-Last-Subject-Sequence-Subject: foo.*"),
        with_stream("a_refused_message_leaves_its_id_free", "")
            .request_with_headers("foo.a", "Nats-Msg-Id: one\r\nNats-Expected-Last-Sequence: 9\r\n", "1")
            .request_with_headers("foo.a", "Nats-Msg-Id: one\r\n", "2"),
    ]
}

fn rollups() -> Vec<Scenario> {
    let rolled = |name: &str, header: &str| {
        with_messages(name, r#""allow_rollup_hdrs":true"#, 3)
            .request_with_headers("foo.1", header, "rolled")
            .request(INFO, r#"{"subjects_filter":">","deleted_details":true}"#)
    };
    vec![
        rolled("of_a_subject", "Nats-Rollup: sub\r\n"),
        rolled("of_everything", "Nats-Rollup: all\r\n"),
        rolled("in_capitals", "Nats-Rollup: SUB\r\n"),
        rolled("of_nonsense", "Nats-Rollup: some\r\n"),
        with_messages("that_is_not_allowed", "", 1).request_with_headers("foo.1", "Nats-Rollup: sub\r\n", "x"),
    ]
}
