//! Consumers that are paused: what waits, what ends, and what is told.

use super::{
    CREATE, INFO, asked, durable, fetched, pull_consumer, pull_request as next, pulled, told, with_messages,
    with_stream,
};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const PAUSE: &str = "$JS.API.CONSUMER.PAUSE.S.C";
const FAR: &str = r#"{"pause_until":"2101-01-01T00:00:00Z"}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/pause", Setup::JETSTREAM, config());
    all.extend(topic("jetstream/pause", Setup::JETSTREAM, requests()));
    all
}

fn one(name: &str) -> Scenario {
    pull_consumer(with_messages(name, "", 1), "")
}

fn config() -> Vec<Scenario> {
    vec![
        one("info_tells_it").request(PAUSE, FAR).request(INFO, ""),
        one("a_pause_until_the_past").request(PAUSE, r#"{"pause_until":"2001-01-01T00:00:00Z"}"#).request(INFO, ""),
        one("a_pause_in_another_zone")
            .request(PAUSE, r#"{"pause_until":"2101-01-01T02:00:00+02:00"}"#)
            .request(INFO, ""),
        one("a_pause_until_nonsense").request(PAUSE, r#"{"pause_until":"soon"}"#),
        with_stream("of_no_consumer", "").request(PAUSE, FAR),
        one("an_update_keeps_it")
            .request(PAUSE, FAR)
            .request(CREATE, &durable(r#""description":"x""#))
            .request(INFO, ""),
        one("an_update_does_not_set_it")
            .request(CREATE, &durable(r#""pause_until":"2101-01-01T00:00:00Z""#))
            .request(INFO, ""),
        pull_consumer(with_messages("created_paused", "", 1), r#""pause_until":"2101-01-01T00:00:00Z""#)
            .request(INFO, ""),
        pull_consumer(
            with_messages("created_with_a_pause_that_is_over", "", 1),
            r#""pause_until":"2001-01-01T00:00:00Z""#,
        )
        .request(INFO, ""),
    ]
}

fn requests() -> Vec<Scenario> {
    let paused = |name: &str, request: &str| asked(one(name).request(PAUSE, FAR), request);
    vec![
        asked(one("delivery_goes_on_after_it").request(PAUSE, FAR).request(PAUSE, "").request(INFO, ""), "1").expect(1),
        paused("a_request_waits", r#"{"expires":30000000000}"#).quiet().on("a").request(INFO, ""),
        paused("a_request_expires", r#"{"expires":300000000}"#).expect(1),
        told(paused("a_one_shot_ends_though_there_are_messages", r#"{"no_wait":true}"#).expect(1)),
        asked(
            pull_consumer(with_messages("a_one_shot_ends_where_there_are_none", "", 0), "").request(PAUSE, FAR),
            r#"{"no_wait":true}"#,
        )
        .expect(1),
        paused("a_one_shot_with_an_expiry_waits_for_it", r#"{"no_wait":true,"expires":300000000}"#).expect(1),
        paused("heartbeats_go_on", r#"{"expires":2000000000,"idle_heartbeat":300000000}"#).expect(2),
        pulled("a_request_that_waits_already", "", 0, r#"{"expires":30000000000}"#)
            .sync()
            .wait_ms(50)
            .on("a")
            .request(PAUSE, FAR)
            .request("foo.1", "x")
            .on("p")
            .quiet()
            .on("a")
            .request(INFO, ""),
        told(
            fetched("what_is_late_does_not_come_again", "", r#""ack_wait":300000000"#, 1)
                .on("a")
                .request(PAUSE, FAR)
                .on("p")
                .raw(&next(r#"{"expires":30000000000}"#))
                .wait_ms(500)
                .quiet(),
        ),
    ]
}
