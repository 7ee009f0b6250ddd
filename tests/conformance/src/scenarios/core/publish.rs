//! PUB: its grammar and its errors.

use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

// tidy: long — a list of scenarios, no logic
pub(super) fn scenarios() -> Vec<Scenario> {
    topic(
        "core/publish",
        Setup::CORE,
        vec![
            scenario("an_empty_payload").hello().line("SUB foo 1").publish("foo", "").sync(),
            scenario("a_reply_is_handed_on").hello().line("SUB foo 1").raw(b"PUB foo bar 2\r\nhi\r\n").sync(),
            scenario("leading_zeros_in_the_size").hello().line("SUB foo 1").raw(b"PUB foo 002\r\nhi\r\n").sync(),
            scenario("a_negative_size_closes").hello().line("PUB foo -1").until_closed(),
            scenario("a_plus_sign_in_the_size_closes").hello().raw(b"PUB foo +2\r\nhi\r\n").until_closed(),
            scenario("letters_in_the_size_close").hello().line("PUB foo 2x").until_closed(),
            scenario("a_huge_size_closes").hello().line("PUB foo 99999999999999999999").until_closed(),
            scenario("a_size_above_31_bits_closes").hello().line("PUB foo 4294967296").until_closed(),
            scenario("no_arguments_close").hello().line("PUB").until_closed(),
            scenario("only_a_subject_closes").hello().line("PUB foo").until_closed(),
            scenario("too_many_arguments_close").hello().line("PUB foo bar baz 0").until_closed(),
            scenario("nobody_listens").hello().publish("foo", "x").sync(),
            scenario("subjects_are_case_sensitive").hello().line("SUB foo 1").publish("FOO", "x").sync(),
            scenario("a_subject_with_a_trailing_dot").hello().line("SUB > 1").publish("foo.", "x").sync(),
            scenario("a_subject_with_a_leading_dot").hello().line("SUB > 1").publish(".foo", "x").sync(),
            scenario("a_subject_with_an_empty_token").hello().line("SUB > 1").publish("foo..bar", "x").sync(),
            scenario("a_subject_that_is_a_dot").hello().line("SUB > 1").publish(".", "x").sync(),
            scenario("a_subject_that_is_a_star")
                .hello()
                .line("SUB > 1")
                .line("SUB * 2")
                .publish("*", "x")
                .sync_unordered(),
            scenario("a_subject_that_is_a_full_wildcard")
                .hello()
                .line("SUB > 1")
                .line("SUB foo 2")
                .publish(">", "x")
                .sync(),
            scenario("stars_within_a_token_are_letters")
                .hello()
                .line("SUB foo* 1")
                .publish("foo*", "x")
                .publish("foobar", "y")
                .sync(),
            scenario("a_subject_in_utf8").hello().line("SUB grüße.* 1").publish("grüße.日本", "x").sync(),
            scenario("a_reply_that_is_a_wildcard").hello().line("SUB foo 1").raw(b"PUB foo bar.> 1\r\nx\r\n").sync(),
            scenario("a_reply_in_a_reserved_space_is_refused")
                .hello()
                .line("SUB foo 1")
                .raw(b"PUB foo $JS.ACK.a.b 1\r\nx\r\n")
                .raw(b"PUB foo _R_.x 1\r\ny\r\n")
                .raw(b"PUB foo _GR_.x.y 1\r\nz\r\n")
                .sync(),
            scenario("a_hundred_tokens")
                .hello()
                .line(&format!("SUB {}* 1", "a.".repeat(99)))
                .publish(&format!("{}b", "a.".repeat(99)), "x")
                .sync(),
            scenario("order_is_kept")
                .hello()
                .on("b")
                .hello()
                .line("SUB foo.* 1")
                .sync()
                .on("a")
                .publish("foo.1", "1")
                .publish("foo.2", "2")
                .publish("foo.3", "3")
                .publish("foo.4", "4")
                .sync()
                .on("b")
                .expect(4),
            scenario("an_internal_subject_is_just_a_subject")
                .hello()
                .line("SUB $NRG.x 1")
                .line("SUB $FOO.> 2")
                .publish("$FOO.bar", "x")
                .sync(),
        ],
    )
}
