//! How bytes become words: line ends, blanks, letters, pieces, and words that nobody knows.

use crate::scenario::{CONNECT, Scenario, scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("core/framing", Setup::CORE, shapes());
    all.extend(topic("core/framing", Setup::CORE, errors()));
    all
}

fn shapes() -> Vec<Scenario> {
    vec![
        scenario("verbs_are_not_case_sensitive")
            .hello()
            .raw(b"sub foo 1\r\npub foo 1\r\nx\r\nSuB bar 2\r\nPuB bar 1\r\ny\r\nunsub 1\r\n")
            .sync(),
        scenario("a_bare_newline_ends_a_line").hello().raw(b"SUB foo 1\nPUB foo 1\nx\r\n").sync(),
        scenario("tabs_separate_arguments").hello().raw(b"SUB\tfoo\t1\r\nPUB\tfoo\t1\r\nx\r\n").sync(),
        scenario("many_blanks_separate_arguments").hello().raw(b"SUB   foo    1  \r\nPUB  foo \t 1 \r\nx\r\n").sync(),
        scenario("blanks_before_the_line_end_are_ignored").hello().raw(b"SUB foo 1   \r\nPING   \r\n").sync(),
        scenario("byte_by_byte").open().dribble(&format!("{CONNECT}\r\nSUB foo 1\r\nPUB foo 5\r\nhello\r\n")).sync(),
        scenario("byte_by_byte_with_headers")
            .hello()
            .dribble("SUB foo 1\r\nHPUB foo bar 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n")
            .sync(),
        scenario("a_payload_in_two_pieces")
            .hello()
            .line("SUB foo 1")
            .raw(b"PUB foo 10\r\n01234")
            .wait_ms(50)
            .raw(b"56789\r\n")
            .sync(),
        scenario("a_line_end_in_two_pieces")
            .hello()
            .line("SUB foo 1")
            .raw(b"PUB foo 2\r\nhi\r")
            .wait_ms(50)
            .raw(b"\n")
            .sync(),
        scenario("many_words_in_one_piece")
            .hello()
            .raw(b"SUB foo 1\r\nPUB foo 1\r\na\r\nPUB foo 1\r\nb\r\nPUB foo 1\r\nc\r\nUNSUB 1\r\nPUB foo 1\r\nd\r\n")
            .sync(),
        scenario("payloads_may_hold_line_ends").hello().line("SUB foo 1").publish("foo", "a\r\nPUB b 0\r\n").sync(),
        scenario("payloads_may_hold_any_byte")
            .hello()
            .line("SUB foo 1")
            .raw(b"PUB foo 6\r\n\x00\x01\xfe\xff\r\n\r\n")
            .sync(),
        scenario("an_empty_line_is_skipped_or_refused").open().raw(b"\r\n").quiet(),
        scenario("a_large_payload_arrives_whole")
            .hello()
            .line("SUB foo 1")
            .publish("foo", &"0123456789abcdef".repeat(16 * 1024))
            .sync(),
    ]
}

fn errors() -> Vec<Scenario> {
    vec![
        scenario("an_unknown_verb_closes").hello().line("HELLO world").until_closed(),
        scenario("an_unknown_verb_before_connect_closes").open().line("GET / HTTP/1.1").until_closed(),
        scenario("a_verb_cut_short_closes").hello().line("PU foo 1").until_closed(),
        scenario("a_verb_grown_longer_closes").hello().line("PUBB foo 0").until_closed(),
        scenario("a_verb_without_a_blank_closes").hello().line("SUBfoo 1").until_closed(),
        scenario("a_route_verb_closes").hello().line("RS+ $G foo").until_closed(),
        scenario("a_route_message_closes").hello().line("RMSG $G foo 0\r\n").until_closed(),
        scenario("a_leaf_verb_closes").hello().line("LS+ foo").until_closed(),
        scenario("an_account_verb_closes").hello().line("A+ X").until_closed(),
        scenario("msg_from_a_client_closes").hello().line("MSG foo 1 0\r\n").until_closed(),
        scenario("a_payload_longer_than_said_closes").hello().raw(b"PUB foo 2\r\nhello\r\n").until_closed(),
        scenario("a_payload_shorter_than_said_swallows_what_follows")
            .hello()
            .line("SUB foo 1")
            .raw(b"PUB foo 9\r\nhi\r\nPING\r\n\r\n")
            .sync(),
        scenario("a_payload_without_its_line_end_closes").hello().raw(b"PUB foo 2\r\nhiPING\r\n").until_closed(),
        scenario("a_payload_ended_by_a_bare_newline_closes").hello().raw(b"PUB foo 2\r\nhi\nPING\r\n").until_closed(),
        scenario("what_came_before_the_broken_word_counts")
            .hello()
            .on("b")
            .hello()
            .line("SUB foo 1")
            .sync()
            .on("a")
            .raw(b"PUB foo 1\r\nx\r\nBROKEN\r\n")
            .until_closed()
            .on("b")
            .expect(1),
        scenario("binary_noise_closes").open().raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").until_closed(),
    ]
}
