//! Messages that were delivered as often as they may be: what gives them up, what is shown, and late acks.

use super::{CREATE, DETAILS, STREAM_INFO, durable, fetched, fetched_under, pull_request as next, pulled, told};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const ONE: &str = r#""max_deliver":1,"ack_wait":300000000"#;
const TWO: &str = r#""max_deliver":2,"ack_wait":300000000"#;
const NOW: &str = r#"{"no_wait":true}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/max_deliver", Setup::JETSTREAM, naks());
    all.extend(topic("jetstream/max_deliver", Setup::JETSTREAM, late()));
    all.extend(topic("jetstream/max_deliver", Setup::JETSTREAM, late_acks()));
    all.extend(topic("jetstream/max_deliver", Setup::JETSTREAM, ack_all()));
    all.extend(topic("jetstream/max_deliver", Setup::JETSTREAM, only_once()));
    all
}

fn naks() -> Vec<Scenario> {
    let nakked =
        |name: &str| fetched(name, "", r#""max_deliver":1"#, 2).publish("${p.reply.1}", "-NAK").sync().wait_ms(50);
    vec![
        told(nakked("a_nak_waits_for_a_request")),
        told(nakked("a_request_makes_a_nak_final").raw(&next(r#"{"expires":30000000000}"#)).quiet()),
        told(nakked("a_one_shot_makes_a_nak_final").raw(&next(NOW)).expect(1)),
        told(
            nakked("the_other_is_acked_then")
                .raw(&next(r#"{"expires":30000000000}"#))
                .quiet()
                .publish("${p.reply.2}", ""),
        ),
        told(nakked("it_is_acked_before_a_request").publish("${p.reply.1}", "")),
        told(
            fetched("a_nak_of_the_second_delivery", "", r#""max_deliver":2"#, 2)
                .publish("${p.reply.1}", "-NAK")
                .sync()
                .wait_ms(50)
                .raw(&next("1"))
                .expect(1)
                .publish("${p.reply.3}", "-NAK")
                .sync()
                .wait_ms(50)
                .raw(&next(r#"{"expires":30000000000}"#))
                .quiet(),
        ),
        told(
            fetched("a_nak_with_a_delay", "", r#""max_deliver":1"#, 1)
                .publish("${p.reply.1}", r#"-NAK {"delay":200000000}"#)
                .wait_ms(500)
                .raw(&next(NOW))
                .expect(1),
        ),
    ]
}

/// Two messages, each delivered twice and late again.
fn twice(name: &str) -> Scenario {
    fetched(name, "", TWO, 2).wait_ms(500).raw(&next("2")).expect(2).wait_ms(600)
}

fn late() -> Vec<Scenario> {
    let kept = |name: &str, late: &str, kept: &str| {
        let progress = |scenario: Scenario| scenario.publish(kept, "+WPI").wait_ms(500);
        let config = r#""max_deliver":1,"ack_wait":800000000"#;
        progress(progress(fetched(name, "", config, 2))).publish(kept, "").sync().publish(late, "+WPI")
    };
    vec![
        told(fetched("all_after_one_delivery", "", ONE, 2).wait_ms(600)),
        told(twice("all_after_two_deliveries")),
        told(
            twice("a_new_message_after_them")
                .on("a")
                .request("foo.3", "x")
                .wait_ms(50)
                .on("p")
                .raw(&next("1"))
                .expect(1),
        ),
        told(
            twice("a_new_message_after_them_is_acked")
                .on("a")
                .request("foo.3", "x")
                .wait_ms(50)
                .on("p")
                .raw(&next("1"))
                .expect(1)
                .publish("${p.reply.5}", ""),
        ),
        told(kept("the_first_while_the_second_is_worked_on", "${p.reply.1}", "${p.reply.2}")),
        told(kept("the_second_while_the_first_is_worked_on", "${p.reply.2}", "${p.reply.1}")),
        told(
            fetched("one_of_two_after_two_deliveries", "", TWO, 2)
                .wait_ms(500)
                .raw(&next("2"))
                .expect(2)
                .publish("${p.reply.4}", "")
                .wait_ms(600),
        ),
        told(
            fetched("after_a_backoff", "", r#""max_deliver":3,"backoff":[200000000,300000000]"#, 1)
                .raw(&next("5"))
                .expect(2)
                .wait_ms(600),
        ),
        told(
            fetched("a_raised_limit_brings_nothing_back", "", ONE, 1)
                .wait_ms(600)
                .on("a")
                .request(CREATE, &durable(r#""max_deliver":5,"ack_wait":300000000"#))
                .on("p")
                .raw(&next(NOW))
                .expect(1),
        ),
    ]
}

fn late_acks() -> Vec<Scenario> {
    let queue = |name: &str| fetched(name, r#""retention":"workqueue""#, ONE, 2).wait_ms(600);
    let final_twice = |name: &str| twice(name).raw(&next(NOW)).expect(1);
    vec![
        told(final_twice("an_ack_of_the_first").publish("${p.reply.1}", "")),
        told(final_twice("acks_of_both").publish("${p.reply.1}", "").publish("${p.reply.2}", "")),
        fetched("an_ack_is_answered", "", ONE, 1).wait_ms(600).request("${p.reply.1}", ""),
        told(final_twice("a_term").publish("${p.reply.1}", "+TERM")),
        told(final_twice("a_deletion").on("a").request("$JS.API.STREAM.MSG.DELETE.S", r#"{"seq":1}"#).on("p")),
        told(
            final_twice("a_purge")
                .publish("${p.reply.1}", "")
                .sync()
                .on("a")
                .request("$JS.API.STREAM.PURGE.S", "")
                .on("p"),
        ),
        told(queue("a_work_queue_keeps_them")).request(STREAM_INFO, DETAILS),
        told(queue("a_work_queue_lets_them_go").publish("${p.reply.1}", "")).request(STREAM_INFO, DETAILS),
        told(
            fetched("a_nak_keeps_it_in_a_work_queue", r#""retention":"workqueue""#, r#""max_deliver":1"#, 2)
                .publish("${p.reply.1}", "-NAK")
                .sync()
                .wait_ms(50)
                .raw(&next(NOW))
                .expect(1),
        )
        .request(STREAM_INFO, DETAILS),
    ]
}

fn ack_all() -> Vec<Scenario> {
    let all = |name: &str, more: &str| fetched_under(name, "", &format!(r#""ack_policy":"all",{more}"#), 3);
    vec![
        told(all("ack_all_after_one_delivery", ONE).wait_ms(600)),
        told(all("ack_all_and_a_late_ack", ONE).wait_ms(600).publish("${p.reply.2}", "")),
        told(
            all("ack_all_and_a_new_message", TWO)
                .wait_ms(500)
                .raw(&next("3"))
                .expect(3)
                .wait_ms(600)
                .on("a")
                .request("foo.4", "x")
                .wait_ms(50)
                .on("p")
                .raw(&next("1"))
                .expect(1)
                .publish("${p.reply.7}", ""),
        ),
    ]
}

fn only_once() -> Vec<Scenario> {
    let once = |name: &str, count, request: &str| pulled(name, r#""max_deliver":1"#, count, request);
    vec![
        told(once("pending_counts_what_is_to_come", 4, r#"{"batch":3,"expires":30000000000}"#).expect(3)),
        told(once("a_one_shot_gets_what_is_there", 2, r#"{"batch":5,"no_wait":true}"#).expect(3)),
        told(once("two_requests", 3, r#"{"batch":1}"#).raw(&next(r#"{"batch":2}"#)).expect(3)),
        told(once("a_request_that_gets_a_part", 1, r#"{"batch":2,"expires":300000000}"#).expect(2)),
        told(
            once("all_is_acked", 2, r#"{"batch":2}"#).expect(2).publish("${p.reply.1}", "").publish("${p.reply.2}", ""),
        ),
    ]
}
