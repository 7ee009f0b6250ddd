//! `+OK` in verbose mode, and what pedantic mode checks.

use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

const VERBOSE: &str = r#"{"verbose":true,"pedantic":false,"headers":true}"#;
const PEDANTIC: &str = r#"{"verbose":false,"pedantic":true}"#;
const BOTH: &str = r#"{"verbose":true,"pedantic":true}"#;

// tidy: long — a list of scenarios, no logic
pub(super) fn scenarios() -> Vec<Scenario> {
    topic(
        "core/verbose",
        Setup::CORE,
        vec![
            scenario("connect_is_acknowledged").open().line(&format!("CONNECT {VERBOSE}")).expect(1).quiet(),
            scenario("sub_and_unsub_are_acknowledged")
                .hello_with(VERBOSE)
                .line("SUB foo 1")
                .expect(1)
                .line("UNSUB 1")
                .expect(1)
                .quiet(),
            scenario("pub_is_acknowledged_before_the_delivery_to_oneself")
                .hello_with(VERBOSE)
                .line("SUB foo 1")
                .expect(1)
                .publish("foo", "hi")
                .expect(2)
                .quiet(),
            scenario("hpub_is_acknowledged").hello_with(VERBOSE).publish_with_headers("foo", "A: 1\r\n", "x").expect(1),
            scenario("ping_is_not_acknowledged").hello_with(VERBOSE).line("PING").expect(1).quiet(),
            scenario("a_duplicate_sid_is_acknowledged")
                .hello_with(VERBOSE)
                .line("SUB foo 1")
                .line("SUB bar 1")
                .expect(2)
                .quiet(),
            scenario("unsub_of_an_unknown_sid_is_acknowledged").hello_with(VERBOSE).line("UNSUB 77").expect(1).quiet(),
            scenario("an_invalid_sub_is_not_acknowledged").hello_with(VERBOSE).line("SUB foo..bar 1").expect(1).quiet(),
            scenario("each_of_a_batch_is_acknowledged")
                .hello_with(VERBOSE)
                .raw(b"SUB a 1\r\nSUB b 2\r\nPUB c 0\r\n\r\nUNSUB 1\r\n")
                .expect(4)
                .quiet(),
            scenario("pedantic_refuses_to_publish_to_a_wildcard")
                .hello_with(PEDANTIC)
                .publish("foo.*", "x")
                .expect(1)
                .sync(),
            scenario("pedantic_refuses_to_publish_to_a_full_wildcard")
                .hello_with(PEDANTIC)
                .publish("foo.>", "x")
                .expect(1)
                .sync(),
            scenario("pedantic_refuses_to_publish_to_an_empty_token")
                .hello_with(PEDANTIC)
                .publish("foo..bar", "x")
                .expect(1)
                .sync(),
            scenario("pedantic_still_delivers_the_message")
                .hello_with(PEDANTIC)
                .line("SUB > 1")
                .publish("foo.*", "x")
                .sync(),
            scenario("pedantic_says_nothing_of_a_valid_subject").hello_with(PEDANTIC).publish("foo.bar", "x").sync(),
            scenario("pedantic_says_nothing_of_a_wildcard_in_a_reply")
                .hello_with(PEDANTIC)
                .raw(b"PUB foo bar.* 1\r\nx\r\n")
                .sync(),
            scenario("verbose_and_pedantic_say_both").hello_with(BOTH).publish("foo.*", "x").expect(2).quiet(),
            scenario("without_pedantic_a_wildcard_may_be_published")
                .hello()
                .line("SUB foo.* 1")
                .line("SUB foo.bar 2")
                .publish("foo.*", "x")
                .sync(),
        ],
    )
}
