//! The limits of a server and of a connection.

use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

const SMALL_PAYLOAD: Setup = Setup::configured("max_payload: 16\n", "[limits]\nmax_payload = 16\n");
const TWO_CONNECTIONS: Setup = Setup::configured("max_connections: 2\n", "[limits]\nmax_connections = 2\n");
const TWO_SUBSCRIPTIONS: Setup = Setup::configured("max_subscriptions: 2\n", "[limits]\nmax_subscriptions = 2\n");
const SHORT_LINE: Setup = Setup::configured("max_control_line: 128\n", "[limits]\nmax_control_line = 128\n");
const THREE_TOKENS: Setup = Setup::configured("max_sub_tokens: 3\n", "[limits]\nmax_sub_tokens = 3\n");

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("core/limits", Setup::CORE, payload());
    all.extend(topic("core/limits", Setup::CORE, counts()));
    all
}

fn payload() -> Vec<Scenario> {
    vec![
        scenario("info_tells_max_payload").with_info_fields().with(SMALL_PAYLOAD).hello(),
        scenario("a_payload_at_the_limit_passes")
            .with(SMALL_PAYLOAD)
            .hello()
            .line("SUB foo 1")
            .publish("foo", "0123456789abcdef")
            .sync(),
        scenario("a_payload_above_the_limit_closes").with(SMALL_PAYLOAD).hello().line("PUB foo 17").until_closed(),
        scenario("headers_count_towards_max_payload").with(SMALL_PAYLOAD).hello().line("HPUB foo 12 17").until_closed(),
        scenario("the_default_limit_is_a_mebibyte").hello().line("PUB foo 1048577").until_closed(),
        scenario("a_line_above_4096_closes").hello().line(&format!("SUB {} 1", "x".repeat(4100))).until_closed(),
        scenario("a_line_of_4000_passes")
            .hello()
            .line(&format!("SUB {} 1", "x".repeat(4000)))
            .publish(&"x".repeat(4000), "y")
            .sync(),
        scenario("a_line_without_end_closes")
            .hello()
            .raw("PUB ".as_bytes())
            .raw("x".repeat(5000).as_bytes())
            .until_closed(),
        scenario("max_control_line_can_be_set")
            .with(SHORT_LINE)
            .hello_with(r#"{"verbose":false}"#)
            .line(&format!("SUB {} 1", "x".repeat(130)))
            .until_closed(),
        scenario("a_line_within_a_set_limit_passes")
            .with(SHORT_LINE)
            .hello_with(r#"{"verbose":false}"#)
            .line(&format!("SUB {} 1", "x".repeat(100)))
            .sync(),
    ]
}

fn counts() -> Vec<Scenario> {
    vec![
        scenario("one_connection_too_many_is_refused")
            .with(TWO_CONNECTIONS)
            .hello()
            .on("b")
            .hello()
            .on("c")
            .open()
            .until_closed(),
        scenario("a_connection_that_ends_makes_room")
            .with(TWO_CONNECTIONS)
            .hello()
            .on("b")
            .hello()
            .line("BROKEN")
            .until_closed()
            .wait_ms(100)
            .on("c")
            .hello(),
        scenario("one_subscription_too_many_is_refused_and_stays_open")
            .with(TWO_SUBSCRIPTIONS)
            .hello()
            .line("SUB foo 1")
            .line("SUB bar 2")
            .line("SUB baz 3")
            .sync()
            .publish("baz", "x")
            .publish("bar", "y")
            .sync(),
        scenario("a_subscription_that_ends_makes_room")
            .with(TWO_SUBSCRIPTIONS)
            .hello()
            .line("SUB foo 1")
            .line("SUB bar 2")
            .line("UNSUB 1")
            .line("SUB baz 3")
            .publish("baz", "x")
            .sync(),
        scenario("the_limit_is_for_each_connection")
            .with(TWO_SUBSCRIPTIONS)
            .hello()
            .line("SUB foo 1")
            .line("SUB bar 2")
            .sync()
            .on("b")
            .hello()
            .line("SUB foo 1")
            .line("SUB bar 2")
            .sync(),
        scenario("too_many_tokens_are_refused")
            .with(THREE_TOKENS)
            .hello()
            .line("SUB a.b.c 1")
            .line("SUB a.b.c.d 2")
            .sync(),
    ]
}
