//! The verbs of an ack, and what they do to the consumer and to the stream.

use super::{STREAM_INFO, consumer, told, with_messages};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    topic("jetstream/ack", Setup::JETSTREAM, acks())
}

/// Three messages, all fetched on connection `p`, none acknowledged.
fn fetched(name: &str, stream: &str, config: &str) -> Scenario {
    super::fetched(name, stream, config, 3)
}

// tidy: long — a list of scenarios, no logic
fn acks() -> Vec<Scenario> {
    vec![
        told(fetched("an_empty_body_is_an_ack", "", "").publish("${p.reply.1}", "")),
        told(fetched("ack", "", "").publish("${p.reply.1}", "+ACK")),
        told(fetched("ok", "", "").publish("${p.reply.1}", "+OK")),
        told(fetched("an_ack_out_of_order_leaves_the_floor", "", "").publish("${p.reply.2}", "+ACK")),
        told(
            fetched("a_gap_that_closes_moves_the_floor", "", "")
                .publish("${p.reply.2}", "")
                .publish("${p.reply.1}", ""),
        ),
        told(
            fetched("all_acked", "", "")
                .publish("${p.reply.1}", "")
                .publish("${p.reply.2}", "")
                .publish("${p.reply.3}", ""),
        ),
        told(fetched("an_ack_twice", "", "").publish("${p.reply.1}", "").publish("${p.reply.1}", "")),
        fetched("an_ack_with_a_reply_is_answered", "", "").request("${p.reply.1}", "+ACK"),
        told(fetched("progress_changes_nothing_to_see", "", "").publish("${p.reply.1}", "+WPI")),
        told(fetched("term", "", "").publish("${p.reply.1}", "+TERM")),
        told(fetched("term_with_a_reason", "", "").publish("${p.reply.1}", "+TERM broken input")),
        told(fetched("nonsense_is_ignored", "", "").publish("${p.reply.1}", "+NONSENSE")),
        told(
            fetched("nak_delivers_again", "", "")
                .publish("${p.reply.2}", "-NAK")
                .raw(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C in 0\r\n\r\n")
                .expect(1),
        ),
        told(
            fetched("nak_with_a_delay", "", "")
                .publish("${p.reply.2}", r#"-NAK {"delay": 300000000}"#)
                .raw(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C in 25\r\n{\"expires\": 30000000000 }\r\n")
                .quiet()
                .expect(1),
        ),
        told(
            fetched("next_acks_and_asks", "", "")
                .on("a")
                .request("foo.4", "body 4")
                .wait_ms(100)
                .on("p")
                .raw(b"PUB ${p.reply.1} in 4\r\n+NXT\r\n")
                .expect(1),
        ),
        told(
            fetched("next_with_a_request", "", "")
                .on("a")
                .request("foo.4", "body 4")
                .request("foo.5", "body 5")
                .wait_ms(100)
                .on("p")
                .raw(b"PUB ${p.reply.1} in 16\r\n+NXT {\"batch\":2}\r\n")
                .expect(2),
        ),
        told(
            consumer(
                with_messages("ack_all_acks_everything_before", "", 3),
                "C",
                r#""durable_name":"C","ack_policy":"all""#,
            )
            .on("p")
            .hello()
            .line("SUB in 5")
            .raw(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C in 1\r\n3\r\n")
            .expect(3)
            .publish("${p.reply.2}", "+ACK"),
        ),
        fetched("a_work_queue_forgets_what_is_acked", r#""retention":"workqueue""#, "")
            .publish("${p.reply.2}", "+ACK")
            .sync()
            .wait_ms(150)
            .on("a")
            .request(STREAM_INFO, r#"{"deleted_details":true}"#),
        told(
            fetched("an_ack_of_an_unknown_sequence", "", "")
                .publish("$JS.ACK.S.C.1.77.77.1700000000000000000.0", "+ACK"),
        ),
        told(fetched("an_ack_of_another_consumer", "", "").publish("$JS.ACK.S.D.1.1.1.1700000000000000000.0", "+ACK")),
    ]
}
