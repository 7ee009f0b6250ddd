//! Pull requests: batches, waiting, expiry, statuses.

use super::{INFO, NEXT, pull_request as next, pulled, with_stream};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/pull", Setup::JETSTREAM, batches());
    all.extend(topic("jetstream/pull", Setup::JETSTREAM, statuses()));
    all.extend(topic("jetstream/pull_request", Setup::JETSTREAM, numbers()));
    all.extend(topic("jetstream/pull_request", Setup::JETSTREAM, times()));
    all
}

fn batches() -> Vec<Scenario> {
    vec![
        pulled("an_empty_request_is_for_one", "", 2, "").expect(1).quiet(),
        pulled("a_number_is_a_batch", "", 3, "2").expect(2).quiet(),
        pulled("a_batch_in_json", "", 3, r#"{"batch":2}"#).expect(2).quiet(),
        pulled("a_batch_larger_than_what_is_there_waits", "", 2, r#"{"batch":3,"expires":30000000000}"#)
            .expect(2)
            .on("a")
            .request("foo.9", "late")
            .on("p")
            .expect(1),
        pulled("a_request_before_the_message", "", 0, r#"{"expires":30000000000}"#)
            .sync()
            .on("a")
            .request("foo.1", "x")
            .on("p")
            .expect(1),
        pulled("requests_are_served_in_their_order", "", 0, r#"{"expires":30000000000}"#)
            .line("SUB in2 6")
            .raw(format!("PUB {NEXT} in2 23\r\n{{\"expires\":30000000000}}\r\n").as_bytes())
            .sync()
            .wait_ms(100)
            .on("a")
            .request("foo.1", "first")
            .on("p")
            .expect(1)
            .on("a")
            .request("foo.2", "second")
            .on("p")
            .expect(1),
        pulled("pending_in_the_reply_counts_down", "", 4, r#"{"batch":4}"#).expect(4),
        pulled("pending_counts_the_filter_only", r#""filter_subject":"foo.3""#, 4, r#"{"batch":4,"no_wait":true}"#)
            .expect(2),
        pulled("headers_come_along", "", 0, r#"{"expires":30000000000}"#)
            .on("a")
            .request_with_headers("foo.1", "A: 1\r\n", "x")
            .on("p")
            .expect(1),
        pulled("headers_only", r#""headers_only":true"#, 1, "").expect(1),
        pulled("max_bytes_ends_a_batch", "", 4, r#"{"batch":10,"max_bytes":150,"expires":30000000000}"#)
            .wait_ms(200)
            .sync(),
        pulled("two_clients_share", "", 4, r#"{"batch":2}"#)
            .expect(2)
            .on("q")
            .hello()
            .line("SUB in 6")
            .raw(&next(r#"{"batch":2}"#))
            .expect(2),
        pulled("a_waiting_request_is_counted", "", 0, r#"{"batch":2,"expires":30000000000}"#)
            .sync()
            .wait_ms(100)
            .on("a")
            .request(INFO, ""),
        pulled("what_is_delivered_is_counted", "", 3, r#"{"batch":2}"#).expect(2).on("a").request(INFO, ""),
        pulled("max_ack_pending_holds_back", r#""max_ack_pending":2"#, 4, r#"{"batch":4,"expires":30000000000}"#)
            .expect(2)
            .quiet()
            .publish("${p.reply.1}", "+ACK")
            .expect(1)
            .quiet(),
    ]
}

fn statuses() -> Vec<Scenario> {
    vec![
        pulled("no_wait_with_nothing_there", "", 0, r#"{"batch":5,"no_wait":true}"#).expect(1),
        pulled("no_wait_with_less_than_asked", "", 2, r#"{"batch":5,"no_wait":true}"#).expect(3),
        pulled("no_wait_and_expires_with_nothing_there", "", 0, r#"{"batch":5,"no_wait":true,"expires":300000000}"#)
            .expect(1),
        pulled("expires", "", 0, r#"{"batch":5,"expires":300000000}"#).expect(1),
        pulled("expires_with_part_of_the_batch", "", 2, r#"{"batch":5,"expires":300000000}"#).expect(3),
        pulled("heartbeats", "", 0, r#"{"batch":5,"expires":900000000,"idle_heartbeat":250000000}"#).expect(2),
        pulled("a_heartbeat_too_long_for_its_expiry", "", 0, r#"{"expires":100000000,"idle_heartbeat":90000000}"#)
            .expect(1),
        pulled("a_broken_request", "", 1, "{").expect(1),
        pulled("a_negative_batch", "", 1, r#"{"batch":-1}"#).wait_ms(200).sync(),
        pulled("a_word_for_a_batch", "", 1, "many").expect(1),
        pulled("more_than_max_batch", r#""max_batch":2"#, 3, r#"{"batch":3}"#).expect(1),
        pulled("longer_than_max_expires", r#""max_expires":1000000000"#, 0, r#"{"expires":2000000000}"#).expect(1),
        pulled("more_than_max_request_bytes", r#""max_bytes":100"#, 0, r#"{"batch":1,"max_bytes":200}"#).expect(1),
        pulled("a_message_larger_than_max_bytes", "", 1, r#"{"batch":1,"max_bytes":10,"expires":30000000000}"#)
            .expect(1),
        pulled("more_than_max_waiting", r#""max_waiting":1"#, 0, r#"{"expires":30000000000}"#)
            .sync()
            .wait_ms(100)
            .raw(&next(r#"{"expires":30000000000}"#))
            .expect(1),
        pulled("the_consumer_is_deleted_meanwhile", "", 0, r#"{"expires":30000000000}"#)
            .sync()
            .wait_ms(100)
            .on("a")
            .request("$JS.API.CONSUMER.DELETE.S.C", "")
            .on("p")
            .expect(1),
        pulled("the_stream_is_deleted_meanwhile", "", 0, r#"{"expires":30000000000}"#)
            .sync()
            .wait_ms(100)
            .on("a")
            .request("$JS.API.STREAM.DELETE.S", "")
            .on("p")
            .expect(1),
        with_stream("from_no_consumer", "").request(NEXT, ""),
        with_stream("from_a_push_consumer", "")
            .request(
                "$JS.API.CONSUMER.CREATE.S.C",
                r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","deliver_subject":"out"}}"#,
            )
            .request(NEXT, ""),
    ]
}

/// How many are asked for, and in which words; and fields that need a priority policy.
fn numbers() -> Vec<Scenario> {
    vec![
        pulled("a_batch_of_none_is_one", "", 2, r#"{"batch":0}"#).expect(1).quiet(),
        pulled("the_number_0_is_one", "", 2, "0").expect(1).quiet(),
        pulled("a_negative_number_is_one", "", 2, "-3").expect(1).quiet(),
        pulled("a_number_with_a_plus", "", 3, "+2").expect(2).quiet(),
        pulled("a_number_with_spaces", "", 3, " 2 ").expect(2).quiet(),
        pulled("a_fraction_is_one", "", 3, "2.5").expect(1).quiet(),
        pulled("a_batch_of_none_of_which_nothing_comes", "", 0, r#"{"batch":0,"expires":200000000}"#).expect(1),
        pulled("just_max_batch", r#""max_batch":2"#, 3, r#"{"batch":2}"#).expect(2),
        pulled("a_number_beyond_max_batch", r#""max_batch":2"#, 3, "3").expect(1),
        pulled("min_pending_without_overflow", "", 1, r#"{"min_pending":5}"#).expect(1),
        pulled("min_ack_pending_without_overflow", "", 1, r#"{"min_ack_pending":5}"#).expect(1),
        pulled("a_pin_without_pins", "", 1, r#"{"id":"x"}"#).expect(1),
        pulled("a_group_without_groups", "", 1, r#"{"group":"x"}"#).expect(1),
        pulled("a_priority_without_groups", "", 1, r#"{"priority":3}"#).expect(1),
        pulled("a_priority_beyond_9", "", 1, r#"{"priority":10}"#).expect(1),
        pulled("a_priority_below_0", "", 1, r#"{"priority":-1}"#).expect(1),
    ]
}

/// How long a request waits.
fn times() -> Vec<Scenario> {
    vec![
        pulled("a_negative_expiry_is_over", "", 0, r#"{"expires":-5}"#).expect(1).on("a").request(INFO, ""),
        pulled("a_negative_expiry_is_over_though_there_is_a_message", "", 1, r#"{"expires":-5}"#).expect(1),
        pulled("a_tiny_expiry", "", 0, r#"{"expires":1}"#).expect(1),
        pulled("a_negative_heartbeat_is_none", "", 1, r#"{"expires":1000000000,"idle_heartbeat":-5}"#).expect(1),
        pulled("a_heartbeat_needs_an_expiry", "", 1, r#"{"idle_heartbeat":100000000}"#).expect(1),
        pulled("max_expires_does_not_need_one", r#""max_expires":1000000000"#, 1, r#"{"batch":1}"#).expect(1),
        pulled("a_one_shot_is_over_when_it_has_what_is_there", "", 1, r#"{"batch":3,"no_wait":true}"#)
            .expect(2)
            .on("a")
            .request("foo.2", "x")
            .on("p")
            .quiet(),
        pulled("a_one_shot_with_an_expiry_too", "", 1, r#"{"batch":3,"no_wait":true,"expires":1000000000}"#).expect(2),
        pulled("a_one_shot_waits_for_its_first", "", 0, r#"{"batch":3,"no_wait":true,"expires":1000000000}"#)
            .sync()
            .wait_ms(50)
            .on("a")
            .request("foo.2", "x")
            .on("p")
            .expect(2),
        pulled(
            "a_message_puts_a_heartbeat_off",
            "",
            0,
            r#"{"batch":5,"expires":3000000000,"idle_heartbeat":400000000}"#,
        )
        .expect(1)
        .on("a")
        .request("foo.1", "x")
        .on("p")
        .expect(2),
        pulled("one_expires_and_the_next_is_served", "", 0, r#"{"batch":2,"expires":200000000}"#)
            .raw(&next(r#"{"batch":2,"expires":30000000000}"#))
            .wait_ms(400)
            .on("a")
            .request("foo.1", "x")
            .on("p")
            .expect(2)
            .on("a")
            .request("foo.2", "x")
            .on("p")
            .expect(1),
    ]
}
