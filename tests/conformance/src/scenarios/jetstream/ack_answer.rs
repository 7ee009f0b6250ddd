//! Acks that ask for an answer, NAKs in all their forms, and acks that mean nothing.

use super::{fetched, fetched_under, pull_request as next, told, with_messages};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const OF_NOTHING: &str = "$JS.ACK.S.C.1.77.77.1700000000000000000.0";
const ONE_MORE: &str = r#"{"no_wait":true}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/ack_answer", Setup::JETSTREAM, answers());
    all.extend(topic("jetstream/ack_answer", Setup::JETSTREAM, naks()));
    all.extend(topic("jetstream/ack_answer", Setup::JETSTREAM, forms()));
    all
}

/// Asks for an answer that may not come: after a moment everything is there that will be.
fn asked_in_vain(scenario: Scenario, subject: &str, body: &str) -> Scenario {
    let ask = format!("PUB {subject} out {}\r\n{body}\r\n", body.len());
    scenario.line("SUB out 7").raw(ask.as_bytes()).wait_ms(150).sync()
}

fn answers() -> Vec<Scenario> {
    let one = |name: &str| fetched(name, "", "", 1);
    let silent = |name: &str| fetched_under(name, "", r#""ack_policy":"none""#, 1);
    let of_silent = "$JS.ACK.S.C.1.1.1.1700000000000000000.0";
    vec![
        fetched("twice", "", "", 2).request("${p.reply.1}", "").request("${p.reply.1}", ""),
        fetched_under("of_what_ack_all_has_settled", "", r#""ack_policy":"all""#, 5)
            .request("${p.reply.3}", "")
            .request("${p.reply.2}", ""),
        one("a_nak_is_answered").request("${p.reply.1}", "-NAK"),
        one("progress_is_answered").request("${p.reply.1}", "+WPI"),
        one("nonsense_is_answered").request("${p.reply.1}", "+NOPE"),
        one("term_twice").request("${p.reply.1}", "+TERM").request("${p.reply.1}", "+TERM"),
        one("a_nak_of_nothing_is_answered").request(OF_NOTHING, "-NAK"),
        asked_in_vain(one("an_ack_of_nothing_is_not"), OF_NOTHING, ""),
        asked_in_vain(one("a_term_of_nothing_is_not"), OF_NOTHING, "+TERM"),
        asked_in_vain(
            one("an_ack_of_what_is_not_delivered_is_not").on("a").request("foo.2", "x").on("p"),
            "$JS.ACK.S.C.1.2.2.1700000000000000000.0",
            "",
        ),
        asked_in_vain(silent("nobody_listens_for_acks_without_a_policy"), of_silent, ""),
        asked_in_vain(silent("nobody_listens_for_naks_without_a_policy"), of_silent, "-NAK"),
        asked_in_vain(silent("nobody_listens_for_next_without_a_policy"), of_silent, "+NXT"),
        told(
            fetched("a_consumer_made_again_ignores_what_was_for_the_old_one", "", "", 2)
                .on("a")
                .request("$JS.API.CONSUMER.DELETE.S.C", "")
                .request("$JS.API.CONSUMER.CREATE.S.C", &super::durable(""))
                .on("p")
                .publish("${p.reply.1}", ""),
        ),
    ]
}

fn naks() -> Vec<Scenario> {
    let then = |scenario: Scenario, body: &str, request: &str| {
        scenario.publish("${p.reply.1}", body).sync().wait_ms(50).raw(&next(request))
    };
    let nak = |name: &str, body: &str| fetched(name, "", "", 2).publish("${p.reply.1}", body).sync().wait_ms(80);
    vec![
        told(nak("a_nak_with_words_is_a_nak", "-NAK garbage").raw(&next("1")).expect(1)),
        told(nak("a_nak_with_a_negative_delay", r#"-NAK {"delay":-5}"#).raw(&next("1")).expect(1)),
        told(nak("a_nak_with_no_delay", r#"-NAK {"delay":0}"#).raw(&next("1")).expect(1)),
        told(nak("a_nak_with_a_duration", "-NAK300ms").raw(&next("1")).quiet().expect(1)),
        told(then(nak("a_nak_twice", "-NAK"), "-NAK", "3").expect(1).quiet()),
        told(then(nak("a_nak_takes_a_delay_back", r#"-NAK {"delay":5000000000}"#), "-NAK", "3").expect(1).quiet()),
        told(then(nak("a_delay_takes_a_nak_back", "-NAK"), r#"-NAK {"delay":600000000}"#, "3").quiet().expect(1)),
        told(then(nak("progress_does_not_take_a_nak_back", "-NAK"), "+WPI", "3").expect(1)),
        told(then(nak("an_ack_takes_a_nak_back", "-NAK"), "", r#"{"batch":3,"no_wait":true}"#).expect(1)),
        told(
            fetched("naks_are_served_in_their_order", "", "", 3)
                .publish("${p.reply.3}", "-NAK")
                .publish("${p.reply.1}", "-NAK")
                .sync()
                .wait_ms(50)
                .raw(&next("2"))
                .expect(2),
        ),
        told(
            fetched("before_new_messages", "", "", 2)
                .on("a")
                .request("foo.3", "x")
                .on("p")
                .publish("${p.reply.2}", "-NAK")
                .sync()
                .wait_ms(50)
                .raw(&next("2"))
                .expect(2),
        ),
        told(
            fetched_under("a_nak_under_ack_all", "", r#""ack_policy":"all""#, 3)
                .publish("${p.reply.1}", "-NAK")
                .sync()
                .wait_ms(50)
                .publish("${p.reply.3}", "")
                .sync()
                .wait_ms(50)
                .raw(&next(ONE_MORE))
                .expect(1),
        ),
        told(nak("an_ack_of_the_first_delivery", "-NAK").raw(&next("1")).expect(1).publish("${p.reply.1}", "")),
        told(nak("an_ack_of_the_second_delivery", "-NAK").raw(&next("1")).expect(1).publish("${p.reply.3}", "")),
    ]
}

fn forms() -> Vec<Scenario> {
    let two = |name: &str| fetched(name, "", "", 2);
    vec![
        told(two("an_ack_with_headers").raw(b"HPUB ${p.reply.1} 18 22\r\nNATS/1.0\r\nA: 1\r\n\r\n+ACK\r\n")),
        told(two("an_empty_ack_with_headers").raw(b"HPUB ${p.reply.1} 18 18\r\nNATS/1.0\r\nA: 1\r\n\r\n\r\n")),
        told(two("a_term_is_known_by_its_beginning").publish("${p.reply.1}", "+TERMINATE")),
        told(two("an_ack_is_not").publish("${p.reply.1}", "+ACK ")),
        told(
            two("next_with_a_number")
                .raw(b"PUB ${p.reply.1} in 6\r\n+NXT 2\r\n")
                .on("a")
                .request("foo.8", "x")
                .request("foo.9", "x")
                .on("p")
                .expect(2),
        ),
        told(two("next_without_waiting").raw(b"PUB ${p.reply.1} in 21\r\n+NXT {\"no_wait\":true}\r\n").expect(1)),
        told(two("next_with_a_broken_request").raw(b"PUB ${p.reply.1} in 6\r\n+NXT {\r\n").expect(1)),
        told(two("next_without_a_reply").publish("${p.reply.1}", "+NXT")),
        told(
            fetched("an_ack_after_its_time", "", r#""ack_wait":300000000"#, 1)
                .wait_ms(550)
                .publish("${p.reply.1}", "")
                .sync()
                .wait_ms(50)
                .raw(&next(ONE_MORE))
                .expect(1),
        ),
        with_messages("an_ack_to_no_consumer", "", 1).request("$JS.ACK.S.C.1.1.1.1700000000000000000.0", ""),
    ]
}
