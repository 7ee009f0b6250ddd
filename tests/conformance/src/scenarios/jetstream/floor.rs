//! The ack floor, and the positions that CONSUMER.INFO shows.

use super::{INFO, asked, consumer, fetched, fetched_under, pull_consumer, pull_request as next, told, with_messages};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const WAITS: &str = r#"{"batch":3,"expires":30000000000}"#;
const TWO_FILTERS: &str = r#""filter_subjects":["foo.2","foo.4"]"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/floor", Setup::JETSTREAM, acked());
    all.extend(topic("jetstream/floor", Setup::JETSTREAM, filtered()));
    all.extend(topic("jetstream/floor", Setup::JETSTREAM, ack_all()));
    all
}

/// Acknowledges these deliveries in this order.
fn acks(scenario: Scenario, numbers: &[u32]) -> Scenario {
    numbers.iter().fold(scenario, |scenario, number| scenario.publish(&format!("${{p.reply.{number}}}"), "").sync())
}

fn acked() -> Vec<Scenario> {
    let nakked = |name: &str| {
        fetched(name, "", "", 3).publish("${p.reply.2}", "-NAK").sync().wait_ms(50).raw(&next("1")).expect(1)
    };
    vec![
        told(acks(fetched("from_the_end", "", "", 5), &[5, 4, 2, 1])),
        told(acks(fetched("holes_close_from_the_middle", "", "", 5), &[2, 4, 1])),
        told(acks(nakked("a_redelivery_counts"), &[1, 3])),
        told(acks(nakked("a_redelivery_that_is_acked"), &[1, 3, 4])),
        told(
            acks(fetched("new_messages_after_all_is_acked", "", "", 3), &[1, 2, 3])
                .on("a")
                .request("foo.4", "x")
                .on("p"),
        ),
        told(acks(
            acks(fetched("more_is_fetched_between", "", "", 3), &[1, 3])
                .on("a")
                .request("foo.4", "x")
                .request("foo.5", "x")
                .wait_ms(50)
                .on("p")
                .raw(&next("2"))
                .expect(2),
            &[2],
        )),
        fetched("before_any_ack", "", "", 3).on("a").request(INFO, ""),
        pull_consumer(with_messages("before_any_delivery", "", 3), "").request(INFO, ""),
        pull_consumer(with_messages("of_new_before_any_delivery", "", 3), r#""deliver_policy":"new""#)
            .request(INFO, ""),
        told(fetched_under("without_acks", "", r#""ack_policy":"none""#, 3)),
    ]
}

fn filtered() -> Vec<Scenario> {
    let made = |name: &str, request: &str| asked(pull_consumer(with_messages(name, "", 6), TWO_FILTERS), request);
    vec![
        told(acks(made("of_a_filter_with_one_acked", "2").expect(2), &[1])),
        told(acks(made("of_a_filter_with_all_acked", "2").expect(2), &[1, 2])),
        told(acks(made("of_a_filter_at_the_end", WAITS).expect(2), &[1, 2])),
        told(acks(made("of_a_filter_with_a_hole", WAITS).expect(2), &[2])),
        pull_consumer(with_messages("of_a_filter_before_any_delivery", "", 3), r#""filter_subject":"foo.3""#)
            .request(INFO, ""),
        told(
            asked(
                pull_consumer(with_messages("of_a_filter_that_finds_nothing", "", 3), r#""filter_subject":"foo.9""#),
                r#"{"no_wait":true}"#,
            )
            .expect(1),
        ),
        told(asked(
            pull_consumer(with_messages("of_a_filter_that_waits", "", 3), r#""filter_subject":"foo.9""#),
            WAITS,
        )),
        told(
            asked(
                consumer(
                    with_messages("of_a_filter_without_acks", "", 5),
                    "C",
                    &format!(r#""durable_name":"C","ack_policy":"none",{TWO_FILTERS}"#),
                ),
                WAITS,
            )
            .expect(2),
        ),
    ]
}

fn ack_all() -> Vec<Scenario> {
    let all = |name: &str, count| fetched_under(name, "", r#""ack_policy":"all""#, count);
    let nakked = |name: &str| all(name, 3).publish("${p.reply.1}", "-NAK").sync().wait_ms(50).raw(&next("1")).expect(1);
    vec![
        told(acks(all("ack_all_with_a_gap", 5), &[3, 2])),
        told(all("ack_all_and_a_term", 3).publish("${p.reply.2}", "+TERM")),
        told(acks(nakked("ack_all_after_a_redelivery"), &[3])),
        told(acks(nakked("ack_all_of_the_redelivery"), &[4])),
        told(acks(
            asked(
                consumer(
                    with_messages("ack_all_of_a_filter", "", 5),
                    "C",
                    &format!(r#""durable_name":"C","ack_policy":"all",{TWO_FILTERS}"#),
                ),
                "2",
            )
            .expect(2),
            &[2],
        )),
    ]
}
