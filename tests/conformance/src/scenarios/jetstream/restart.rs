//! What a restart keeps, after a stop in peace and after a kill.

use super::{INFO, asked, fetched, fetched_under, pull_consumer, pull_request, with_messages};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const DETAILS: &str = r#"{"deleted_details":true,"subjects_filter":">"}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/restart", Setup::JETSTREAM, streams());
    all.extend(topic("jetstream/restart", Setup::JETSTREAM, consumers()));
    all
}

fn streams() -> Vec<Scenario> {
    vec![
        after(with_messages("messages_are_kept", "", 3).restart()),
        after(with_messages("messages_outlive_a_kill", "", 3).kill_and_restart()),
        after(
            with_messages("deletions_are_kept", "", 5)
                .request("$JS.API.STREAM.MSG.DELETE.S", r#"{"seq":2}"#)
                .request("$JS.API.STREAM.PURGE.S", r#"{"filter":"foo.4"}"#)
                .restart(),
        ),
        with_messages("ids_are_kept", "", 0)
            .request_with_headers("foo.1", "Nats-Msg-Id: one\r\n", "1")
            .restart()
            .hello()
            .request_with_headers("foo.1", "Nats-Msg-Id: one\r\n", "2"),
        with_messages("memory_streams_are_gone", r#""storage":"memory""#, 2)
            .restart()
            .hello()
            .request("$JS.API.STREAM.NAMES", ""),
        with_messages("a_deleted_stream_stays_deleted", "", 2)
            .request("$JS.API.STREAM.DELETE.S", "")
            .restart()
            .hello()
            .request("$JS.API.STREAM.NAMES", ""),
    ]
}

fn consumers() -> Vec<Scenario> {
    vec![
        pull_consumer(with_messages("acks_are_kept", "", 3), "")
            .on("p")
            .hello()
            .line("SUB in 5")
            .raw(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C in 1\r\n2\r\n")
            .expect(2)
            .request("${p.reply.1}", "+ACK")
            .request("${p.reply.2}", "+ACK")
            .restart()
            .on("a")
            .hello()
            .line("SUB in 5")
            .raw(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C in 1\r\n1\r\n")
            .expect(1),
        again(fetched_under("a_durable_without_acks_goes_on", "", r#""ack_policy":"none""#, 3)),
        again(
            fetched("a_redelivery_is_remembered", "", "", 2)
                .publish("${p.reply.1}", "-NAK")
                .sync()
                .wait_ms(50)
                .raw(&pull_request("1"))
                .expect(1),
        ),
        again(
            fetched("what_was_acked_of_a_filter_is_remembered", "", r#""filter_subjects":["foo.1","foo.2"]"#, 2)
                .publish("${p.reply.1}", "")
                .sync(),
        ),
        again(
            asked(
                pull_consumer(
                    with_messages("a_list_of_last_messages_is_remembered", "", 3).request("foo.1", "1b"),
                    r#""deliver_policy":"last_per_subject","filter_subject":"foo.>""#,
                ),
                "1",
            )
            .expect(1)
            .publish("${p.reply.1}", "")
            .sync(),
        ),
        again(
            pull_consumer(with_messages("a_start_is_remembered", "", 3), r#""deliver_policy":"new""#).on("p").hello(),
        ),
    ]
}

/// One message more, a restart, what the consumer is then, and what it delivers.
fn again(scenario: Scenario) -> Scenario {
    let more = scenario.on("a").request("foo.4", "x").wait_ms(50).restart().on("a").hello();
    more.request(INFO, "").line("SUB in 5").raw(&pull_request(r#"{"batch":10,"no_wait":true}"#)).wait_ms(200).sync()
}

/// What a client finds after the restart.
fn after(scenario: Scenario) -> Scenario {
    scenario
        .hello()
        .request("$JS.API.STREAM.INFO.S", DETAILS)
        .request("$JS.API.STREAM.MSG.GET.S", r#"{"seq":3}"#)
        .request("foo.9", "after")
}
