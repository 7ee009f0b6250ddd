//! What a stream drops or refuses when it is full.

use super::{with_messages, with_stream};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const INFO: &str = "$JS.API.STREAM.INFO.S";
const DETAILS: &str = r#"{"subjects_filter":">","deleted_details":true}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    topic(
        "jetstream/limits",
        Setup::JETSTREAM,
        vec![
            with_messages("max_msgs_drops_the_oldest", r#""max_msgs":3"#, 5).request(INFO, DETAILS),
            with_messages("max_msgs_with_discard_new_refuses", r#""max_msgs":2,"discard":"new""#, 3)
                .request(INFO, DETAILS),
            with_messages("max_bytes_drops_the_oldest", r#""max_bytes":130"#, 5).request(INFO, DETAILS),
            with_messages("max_bytes_with_discard_new_refuses", r#""max_bytes":100,"discard":"new""#, 4)
                .request(INFO, DETAILS),
            with_stream("max_msgs_per_subject_drops_the_oldest_of_it", r#""max_msgs_per_subject":2"#)
                .request("foo.a", "1")
                .request("foo.b", "2")
                .request("foo.a", "3")
                .request("foo.a", "4")
                .request("foo.b", "5")
                .request(INFO, DETAILS),
            with_stream(
                "max_msgs_per_subject_with_discard_new_refuses",
                r#""max_msgs_per_subject":1,"discard":"new","discard_new_per_subject":true"#,
            )
            .request("foo.a", "1")
            .request("foo.a", "2")
            .request("foo.b", "3")
            .request(INFO, DETAILS),
            with_stream("max_msg_size_refuses", r#""max_msg_size":5"#)
                .request("foo.a", "12345")
                .request("foo.a", "123456")
                .request_with_headers("foo.a", "A: 1\r\n", "1"),
            with_stream("max_age_drops", r#""max_age":400000000,"duplicate_window":100000000"#)
                .request("foo.a", "1")
                .request("foo.b", "2")
                .wait_ms(1500)
                .request(INFO, DETAILS)
                .request("foo.c", "3"),
            with_stream("one_message_larger_than_max_bytes", r#""max_bytes":50"#)
                .request("foo.a", &"x".repeat(100))
                .request(INFO, ""),
            with_messages("max_consumers_refuses", r#""max_consumers":1"#, 0)
                .request(
                    "$JS.API.CONSUMER.CREATE.S.A",
                    r#"{"stream_name":"S","config":{"name":"A","durable_name":"A"}}"#,
                )
                .request(
                    "$JS.API.CONSUMER.CREATE.S.B",
                    r#"{"stream_name":"S","config":{"name":"B","durable_name":"B"}}"#,
                ),
            with_messages("interest_without_consumers_keeps_nothing", r#""retention":"interest""#, 2)
                .request(INFO, DETAILS),
            with_messages("memory_storage_counts_its_own_size", r#""storage":"memory""#, 2).request(INFO, DETAILS),
            with_stream("headers_count_towards_bytes", "")
                .request_with_headers("foo.a", "A: 1\r\n", "x")
                .request(INFO, DETAILS),
        ],
    )
}
