//! `max_ack_pending`: what holds delivery back, and what lets it go on.

use super::{CREATE, durable, fetched_under, pull_request as next, pulled, told};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const FOUR: &str = r#"{"batch":4,"expires":30000000000}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/held_back", Setup::JETSTREAM, requests());
    all.extend(topic("jetstream/held_back", Setup::JETSTREAM, freed()));
    all
}

fn requests() -> Vec<Scenario> {
    let two = r#""max_ack_pending":2"#;
    vec![
        told(pulled("one_shots_wait_too", two, 4, r#"{"batch":4,"no_wait":true}"#).expect(2).quiet()),
        told(pulled("requests_expire", two, 4, r#"{"batch":4,"expires":400000000}"#).expect(3)),
        told(pulled("one_shots_expire", two, 4, r#"{"batch":4,"no_wait":true,"expires":400000000}"#).expect(3)),
        told(
            pulled("a_second_request_waits", two, 4, r#"{"batch":2}"#)
                .expect(2)
                .raw(&next(r#"{"batch":2,"no_wait":true}"#))
                .quiet(),
        ),
        told(pulled("redeliveries_go_on", r#""max_ack_pending":1,"ack_wait":300000000"#, 3, FOUR).expect(3)),
    ]
}

fn freed() -> Vec<Scenario> {
    let one = |name: &str| pulled(name, r#""max_ack_pending":1"#, 4, FOUR).expect(1);
    vec![
        told(
            one("a_raised_limit_lets_go")
                .on("a")
                .request(CREATE, &durable(r#""max_ack_pending":3"#))
                .on("p")
                .expect(2)
                .quiet(),
        ),
        told(
            pulled("a_lowered_limit_holds", r#""max_ack_pending":4"#, 5, FOUR)
                .expect(4)
                .on("a")
                .request(CREATE, &durable(r#""max_ack_pending":2"#))
                .on("p")
                .raw(&next("1"))
                .publish("${p.reply.1}", "")
                .publish("${p.reply.2}", "")
                .sync()
                .quiet()
                .publish("${p.reply.3}", "")
                .expect(1),
        ),
        told(one("a_term_lets_go").publish("${p.reply.1}", "+TERM").expect(1).quiet()),
        told(one("a_nak_does_not").publish("${p.reply.1}", "-NAK").expect(1).quiet()),
        told(
            one("a_deletion_lets_go")
                .on("a")
                .request("$JS.API.STREAM.MSG.DELETE.S", r#"{"seq":1}"#)
                .on("p")
                .expect(1)
                .quiet(),
        ),
        told(
            pulled(
                "giving_up_lets_go",
                r#""max_ack_pending":1,"ack_wait":300000000,"max_deliver":1"#,
                4,
                r#"{"batch":2}"#,
            )
            .expect(2),
        ),
        told(
            fetched_under("ack_all_lets_go", "", r#""ack_policy":"all","max_ack_pending":3"#, 3)
                .on("a")
                .request("foo.4", "x")
                .request("foo.5", "x")
                .wait_ms(50)
                .on("p")
                .raw(&next("2"))
                .quiet()
                .publish("${p.reply.3}", "")
                .expect(2),
        ),
        told(
            pulled("with_max_deliver_one", r#""max_deliver":1,"max_ack_pending":2"#, 4, FOUR)
                .expect(2)
                .quiet()
                .publish("${p.reply.1}", "")
                .expect(1),
        ),
    ]
}
