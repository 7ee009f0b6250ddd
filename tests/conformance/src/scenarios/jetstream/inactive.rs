//! Consumers that go when nobody uses them. nats-server adds up to a second to the threshold of pull consumers.

use super::{CREATE, INFO, consumer, durable, pull_consumer, pull_request as next, pulled, with_messages};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const THRESHOLD: &str = r#""inactive_threshold":300000000"#;
/// Longer than the threshold with everything that nats-server adds.
const GONE_MS: u64 = 1800;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/inactive", Setup::JETSTREAM, pull());
    all.extend(topic("jetstream/inactive", Setup::JETSTREAM, push()));
    all
}

/// Whether it is there is all that counts.
fn after(scenario: Scenario, milliseconds: u64) -> Scenario {
    scenario.wait_ms(milliseconds).on("a").request(INFO, "")
}

fn pull() -> Vec<Scenario> {
    let waiting = r#"{"expires":30000000000}"#;
    let slow = |wait: &str| format!(r#"{THRESHOLD},"ack_wait":{wait}"#);
    vec![
        after(pull_consumer(with_messages("a_durable_goes", "", 1), THRESHOLD), GONE_MS),
        after(pulled("one_whose_message_is_worked_on_stays", &slow("4000000000"), 1, "1").expect(1), GONE_MS),
        after(
            pulled("one_whose_ack_is_late_goes", &format!(r#"{},"max_deliver":1"#, slow("500000000")), 1, "1")
                .expect(1),
            2600,
        ),
        after(
            pulled("one_whose_work_is_done_goes", &slow("20000000000"), 1, "1").expect(1).publish("${p.reply.1}", ""),
            GONE_MS,
        ),
        after(pulled("one_with_a_waiting_request_stays", THRESHOLD, 0, waiting), GONE_MS),
        after(pulled("one_whose_client_left_goes", THRESHOLD, 0, waiting).sync().wait_ms(50).close(), 2600),
        after(
            pull_consumer(with_messages("one_that_is_only_asked_about_goes", "", 1), THRESHOLD)
                .wait_ms(200)
                .request(INFO, ""),
            GONE_MS,
        ),
        after(
            consumer(
                with_messages("an_ephemeral_goes", "", 1),
                "C",
                &format!(r#""ack_policy":"explicit",{THRESHOLD}"#),
            ),
            GONE_MS,
        ),
        after(
            pull_consumer(with_messages("a_raised_threshold_keeps_it", "", 1), THRESHOLD)
                .request(CREATE, &durable(r#""inactive_threshold":6000000000"#)),
            GONE_MS,
        ),
        after(
            pull_consumer(with_messages("a_lowered_threshold_ends_it", "", 1), r#""inactive_threshold":6000000000"#)
                .request(CREATE, &durable(THRESHOLD)),
            GONE_MS,
        ),
        pull_consumer(with_messages("a_durable_named_without_its_durable_name_stays", "", 1), "")
            .request(CREATE, r#"{"stream_name":"S","config":{"name":"C","ack_policy":"explicit"}}"#)
            .request(INFO, ""),
        after(
            pulled(
                "progress_keeps_it",
                r#""inactive_threshold":1500000000,"ack_wait":500000000,"max_deliver":1"#,
                1,
                "1",
            )
            .expect(1)
            .wait_ms(300)
            .publish("${p.reply.1}", "+WPI")
            .wait_ms(300)
            .raw(&next(r#"{"no_wait":true}"#))
            .expect(1),
            1200,
        ),
    ]
}

fn push() -> Vec<Scenario> {
    let config = format!(r#""deliver_subject":"out","ack_policy":"none",{THRESHOLD}"#);
    let bound = |name: &str| with_messages(name, "", 1).on("s").hello().line("SUB out 5").sync().on("a");
    let durable = format!(r#""durable_name":"C",{config}"#);
    vec![
        after(consumer(with_messages("a_push_durable_without_a_listener_goes", "", 1), "C", &durable), 900),
        after(consumer(bound("a_push_durable_with_a_listener_stays"), "C", &durable).on("s").expect(1), 900),
        after(
            consumer(bound("a_push_ephemeral_goes_with_its_listener"), "C", &config)
                .on("s")
                .expect(1)
                .line("UNSUB 5")
                .sync(),
            900,
        ),
    ]
}
