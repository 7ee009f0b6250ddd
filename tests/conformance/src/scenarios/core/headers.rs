//! HPUB and HMSG.

use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

const WITHOUT_HEADERS: &str = r#"{"verbose":false,"protocol":1}"#;

// tidy: long — a list of scenarios, no logic
pub(super) fn scenarios() -> Vec<Scenario> {
    topic(
        "core/headers",
        Setup::CORE,
        vec![
            scenario("headers_are_handed_on")
                .hello()
                .line("SUB foo 1")
                .publish_with_headers("foo", "A: 1\r\nB: 2\r\n", "body")
                .sync(),
            scenario("with_a_reply")
                .hello()
                .line("SUB foo 1")
                .publish_with_headers("foo bar", "A: 1\r\n", "body")
                .sync(),
            scenario("without_a_body").hello().line("SUB foo 1").publish_with_headers("foo", "A: 1\r\n", "").sync(),
            scenario("without_a_field").hello().line("SUB foo 1").publish_with_headers("foo", "", "body").sync(),
            scenario("repeated_fields_and_letters_are_kept")
                .hello()
                .line("SUB foo 1")
                .publish_with_headers("foo", "x-a: 1\r\nX-A:2\r\nx-a:  3 \r\n", "body")
                .sync(),
            scenario("a_status_line_is_handed_on")
                .hello()
                .line("SUB foo 1")
                .raw(b"HPUB foo 29 29\r\nNATS/1.0 404 No Messages\r\n\r\n\r\n\r\n")
                .quiet(),
            scenario("a_client_without_headers_gets_the_body_only")
                .hello_with(WITHOUT_HEADERS)
                .line("SUB foo 1")
                .sync()
                .on("b")
                .hello()
                .publish_with_headers("foo bar", "A: 1\r\n", "body")
                .publish_with_headers("foo", "A: 1\r\n", "")
                .sync()
                .on("a")
                .expect(2),
            scenario("hpub_without_headers_in_connect_closes")
                .hello_with(WITHOUT_HEADERS)
                .publish_with_headers("foo", "A: 1\r\n", "x")
                .until_closed(),
            scenario("hpub_before_connect_closes").open().publish_with_headers("foo", "A: 1\r\n", "x").until_closed(),
            scenario("no_arguments_close").hello().line("HPUB").until_closed(),
            scenario("one_size_closes").hello().line("HPUB foo 12").until_closed(),
            scenario("too_many_arguments_close").hello().line("HPUB foo bar baz 12 12").until_closed(),
            scenario("headers_longer_than_the_whole_close")
                .hello()
                .raw(b"HPUB foo 22 12\r\nNATS/1.0\r\n\r\n\r\n")
                .until_closed(),
            scenario("a_negative_header_size_closes").hello().line("HPUB foo -1 12").until_closed(),
            scenario("a_header_size_that_is_no_number_closes").hello().line("HPUB foo x 12").until_closed(),
            scenario("a_negative_whole_size_closes").hello().line("HPUB foo 12 -1").until_closed(),
            scenario("a_block_without_its_first_line_is_handed_on")
                .hello()
                .line("SUB foo 1")
                .raw(b"HPUB foo 8 10\r\nA: 1\r\n\r\nhi\r\n")
                .quiet(),
            scenario("a_header_size_of_zero").hello().line("SUB foo 1").raw(b"HPUB foo 0 2\r\nhi\r\n").quiet(),
            scenario("tabs_and_small_letters")
                .hello()
                .line("SUB foo 1")
                .raw(b"hpub\tfoo\t12\t14\r\nNATS/1.0\r\n\r\nhi\r\n")
                .sync(),
            scenario("leading_zeros")
                .hello()
                .line("SUB foo 1")
                .raw(b"HPUB foo 0012 014\r\nNATS/1.0\r\n\r\nhi\r\n")
                .sync(),
            scenario("a_large_block")
                .hello()
                .line("SUB foo 1")
                .publish_with_headers("foo", &format!("A: {}\r\n", "x".repeat(70_000)), "body")
                .sync(),
        ],
    )
}
