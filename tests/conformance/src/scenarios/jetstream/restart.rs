//! What a restart keeps, after a stop in peace and after a kill.

use super::{pull_consumer, with_messages};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const DETAILS: &str = r#"{"deleted_details":true,"subjects_filter":">"}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    topic(
        "jetstream/restart",
        Setup::JETSTREAM,
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
            with_messages("memory_streams_are_gone", r#""storage":"memory""#, 2)
                .restart()
                .hello()
                .request("$JS.API.STREAM.NAMES", ""),
            with_messages("a_deleted_stream_stays_deleted", "", 2)
                .request("$JS.API.STREAM.DELETE.S", "")
                .restart()
                .hello()
                .request("$JS.API.STREAM.NAMES", ""),
        ],
    )
}

/// What a client finds after the restart.
fn after(scenario: Scenario) -> Scenario {
    scenario
        .hello()
        .request("$JS.API.STREAM.INFO.S", DETAILS)
        .request("$JS.API.STREAM.MSG.GET.S", r#"{"seq":3}"#)
        .request("foo.9", "after")
}
