//! `max_bytes` of a pull request: what counts, to the byte.

use super::{asked, consumer, pull_consumer, pull_request as next, pulled, told, with_messages, with_stream};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

/// Of the first of three messages on `foo.1` with the body `body 1`: 5 for the subject, 43 for the ack's subject, 6 for
/// the body.
const FIRST_BYTES: usize = 54;
/// The same with a header block of 18 bytes, as the only message.
const WITH_HEADERS_BYTES: usize = FIRST_BYTES + 18;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/max_bytes", Setup::JETSTREAM, exact());
    all.extend(topic("jetstream/max_bytes", Setup::JETSTREAM, kinds()));
    all.extend(topic("jetstream/max_bytes", Setup::JETSTREAM, requests()));
    all
}

fn ten(bytes: usize) -> String {
    format!(r#"{{"batch":10,"max_bytes":{bytes},"expires":30000000000}}"#)
}

/// After a moment everything is there that will be.
fn settled(scenario: Scenario) -> Scenario {
    told(scenario.wait_ms(100))
}

/// One byte less than a message needs, just as many, and one more: in a file and in memory, without headers and with.
fn exact() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (storage, stream) in [("file", ""), ("memory", r#""storage":"memory""#)] {
        for (how, more) in [("too_few", 0), ("as_many", 1), ("one_more", 2)] {
            let plain = with_messages(&format!("{storage}_{how}"), stream, 3);
            all.push(settled(asked(pull_consumer(plain, ""), &ten(FIRST_BYTES + more - 1))));
            let headers = with_stream(&format!("{storage}_headers_{how}"), stream)
                .request_with_headers("foo.1", "A: 1\r\n", "body 1");
            all.push(settled(asked(pull_consumer(headers, ""), &ten(WITH_HEADERS_BYTES + more - 1))));
        }
    }
    all
}

fn kinds() -> Vec<Scenario> {
    let empty = with_stream("empty_bodies", "").request("foo.1", "").request("foo.2", "");
    let mixed = with_stream("with_and_without_headers", "")
        .request_with_headers("foo.1", "A: 1\r\n", "body")
        .request("foo.2", "y");
    vec![
        settled(asked(pull_consumer(empty, ""), &ten(100))),
        settled(asked(pull_consumer(mixed, ""), &ten(100))),
        settled(asked(pull_consumer(with_messages("headers_only", "", 3), r#""headers_only":true"#), &ten(150))),
        settled(asked(
            pull_consumer(
                with_messages("headers_only_in_memory", r#""storage":"memory""#, 3),
                r#""headers_only":true"#,
            ),
            &ten(150),
        )),
        settled(
            asked(
                pull_consumer(with_stream("a_redelivery", "").request("foo.1", "body"), r#""ack_wait":300000000"#),
                "1",
            )
            .expect(1)
            .wait_ms(500)
            .raw(&next(&ten(100))),
        ),
        settled(asked(
            consumer(with_messages("without_acks", "", 3), "C", r#""durable_name":"C","ack_policy":"none""#),
            &ten(120),
        )),
    ]
}

fn requests() -> Vec<Scenario> {
    vec![
        settled(pulled(
            "bytes_and_messages_end_together",
            "",
            3,
            r#"{"batch":2,"max_bytes":108,"expires":30000000000}"#,
        )),
        settled(pulled("without_waiting", "", 3, r#"{"batch":3,"max_bytes":101,"no_wait":true}"#)),
        settled(two_requests()),
        pulled("the_batch_is_full_and_bytes_are_left", "", 2, r#"{"batch":2,"max_bytes":100000,"expires":1000000000}"#)
            .expect(3),
        pulled("a_batch_of_one_and_bytes_are_left", "", 2, r#"{"batch":1,"max_bytes":100000,"expires":1000000000}"#)
            .expect(2),
        pulled("a_negative_number_is_no_limit", "", 1, r#"{"max_bytes":-5}"#).expect(1),
    ]
}

/// Both wait before the first message comes, so that it is known who is served when.
fn two_requests() -> Scenario {
    let waiting = pulled("two_requests", "", 0, &ten(120)).raw(&next(&ten(120))).sync().wait_ms(50).on("a");
    (1..=4).fold(waiting, |scenario, number| scenario.request(&format!("foo.{number}"), "body").wait_ms(50)).on("p")
}
