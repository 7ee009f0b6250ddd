//! Pull requests that wait: how many there are, and what becomes of those whose owner is gone.

use super::{INFO, NEXT, pull_request as next, pulled};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const LONG: &str = r#"{"expires":30000000000}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/waiting", Setup::JETSTREAM, counted());
    all.extend(topic("jetstream/waiting", Setup::JETSTREAM, left()));
    all
}

/// A long request with another reply subject.
fn next_to(reply: &str) -> Vec<u8> {
    format!("PUB {NEXT} {reply} {}\r\n{LONG}\r\n", LONG.len()).into_bytes()
}

fn counted() -> Vec<Scenario> {
    vec![
        pulled("one_that_expired_does_not_count", "", 0, r#"{"expires":300000000}"#)
            .expect(1)
            .on("a")
            .request(INFO, ""),
        pulled("one_that_got_a_part_counts", "", 1, r#"{"batch":3,"expires":30000000000}"#)
            .expect(1)
            .on("a")
            .request(INFO, ""),
        pulled("one_that_got_all_does_not", "", 1, r#"{"batch":1,"expires":30000000000}"#)
            .expect(1)
            .on("a")
            .request(INFO, ""),
        pulled("each_counts", "", 0, LONG)
            .raw(&next(LONG))
            .raw(&next(r#"{"expires":300000000}"#))
            .sync()
            .wait_ms(50)
            .on("a")
            .request(INFO, "")
            .wait_ms(500)
            .request(INFO, ""),
        pulled("room_comes_back_when_one_expires", r#""max_waiting":1"#, 0, r#"{"expires":300000000}"#)
            .expect(1)
            .raw(&next(r#"{"expires":300000000}"#))
            .expect(1)
            .on("a")
            .request(INFO, ""),
        pulled("one_with_a_heartbeat_is_left_out_in_silence", r#""max_waiting":1"#, 0, LONG)
            .sync()
            .raw(&next(r#"{"expires":3000000000,"idle_heartbeat":500000000}"#))
            .sync()
            .quiet()
            .on("a")
            .request(INFO, ""),
    ]
}

fn left() -> Vec<Scenario> {
    vec![
        pulled("one_whose_owner_listens_no_more", "", 0, LONG)
            .line("UNSUB 5")
            .sync()
            .wait_ms(100)
            .on("a")
            .request(INFO, ""),
        pulled("one_whose_owner_is_gone", "", 0, LONG).sync().close().wait_ms(200).on("a").request(INFO, ""),
        pulled("it_takes_no_room", r#""max_waiting":1"#, 0, LONG)
            .line("UNSUB 5")
            .sync()
            .wait_ms(1200)
            .line("SUB in2 6")
            .raw(&next_to("in2"))
            .sync()
            .wait_ms(100)
            .on("a")
            .request(INFO, ""),
        pulled("no_message_is_spent_on_it", "", 0, LONG)
            .line("UNSUB 5")
            .sync()
            .wait_ms(100)
            .on("a")
            .request("foo.1", "x")
            .wait_ms(100)
            .request(INFO, "")
            .on("p")
            .line("SUB in3 7")
            .raw(&next_to("in3"))
            .expect(1),
        pulled("the_next_is_served_instead", "", 0, LONG)
            .on("q")
            .hello()
            .line("SUB in2 6")
            .raw(&next_to("in2"))
            .sync()
            .wait_ms(50)
            .on("p")
            .line("UNSUB 5")
            .sync()
            .wait_ms(50)
            .on("a")
            .request("foo.1", "x")
            .on("q")
            .expect(1),
    ]
}
