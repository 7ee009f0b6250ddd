//! What is delivered again, when, and how often.

use super::{INFO, pull_consumer, with_messages};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    topic("jetstream/redelivery", Setup::JETSTREAM, redelivered())
}

fn waiting(name: &str, config: &str, count: usize, batch: usize) -> Scenario {
    let request = format!(r#"{{"batch":{batch},"expires":30000000000}}"#);
    pull_consumer(with_messages(name, "", count), config)
        .on("p")
        .hello()
        .line("SUB in 5")
        .raw(format!("PUB $JS.API.CONSUMER.MSG.NEXT.S.C in {}\r\n{request}\r\n", request.len()).as_bytes())
}

fn redelivered() -> Vec<Scenario> {
    vec![
        waiting("after_ack_wait", r#""ack_wait":400000000"#, 1, 2).expect(2).on("a").request(INFO, ""),
        waiting("it_comes_before_new_messages", r#""ack_wait":400000000"#, 1, 1)
            .expect(1)
            .wait_ms(700)
            .on("a")
            .request("foo.9", "new")
            .wait_ms(100)
            .on("p")
            .raw(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C in 1\r\n2\r\n")
            .expect(2),
        waiting("not_more_often_than_max_deliver", r#""ack_wait":300000000,"max_deliver":2"#, 1, 5)
            .expect(2)
            .wait_ms(700)
            .quiet()
            .on("a")
            .request(INFO, ""),
        waiting("max_deliver_of_one", r#""ack_wait":300000000,"max_deliver":1"#, 1, 5).expect(1).wait_ms(600).quiet(),
        waiting("progress_puts_it_off", r#""ack_wait":600000000"#, 1, 2)
            .expect(1)
            .wait_ms(350)
            .publish("${p.reply.1}", "+WPI")
            .wait_ms(300)
            .quiet()
            .expect(1),
        waiting("a_backoff_is_kept", r#""backoff":[200000000,400000000],"max_deliver":3"#, 1, 5).expect(3),
        waiting("an_acked_message_never_comes_again", r#""ack_wait":300000000"#, 1, 5)
            .expect(1)
            .publish("${p.reply.1}", "+ACK")
            .sync()
            .wait_ms(700)
            .quiet(),
        waiting("a_terminated_message_never_comes_again", r#""ack_wait":300000000"#, 1, 5)
            .expect(1)
            .publish("${p.reply.1}", "+TERM")
            .sync()
            .wait_ms(700)
            .quiet(),
    ]
}
