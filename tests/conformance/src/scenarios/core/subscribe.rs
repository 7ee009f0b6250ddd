//! SUB and UNSUB: their grammar, their errors, and how many messages they let through.

use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("core/subscribe", Setup::CORE, sub());
    all.extend(topic("core/unsubscribe", Setup::CORE, unsub()));
    all
}

fn sub() -> Vec<Scenario> {
    vec![
        scenario("two_subscriptions_of_one_client_both_receive")
            .hello()
            .line("SUB foo 1")
            .line("SUB foo 2")
            .publish("foo", "x")
            .sync_unordered(),
        scenario("a_sid_may_be_a_word").hello().line("SUB foo abc-1").publish("foo", "x").sync(),
        scenario("a_duplicate_sid_keeps_the_first_subject")
            .hello()
            .line("SUB foo 1")
            .line("SUB bar 1")
            .publish("foo", "x")
            .publish("bar", "y")
            .sync(),
        scenario("no_arguments_close").hello().line("SUB").until_closed(),
        scenario("only_a_subject_closes").hello().line("SUB foo").until_closed(),
        scenario("too_many_arguments_close").hello().line("SUB foo bar baz 1").until_closed(),
        scenario("an_empty_token_is_an_invalid_subject").hello().line("SUB foo..bar 1").expect(1).sync(),
        scenario("a_leading_dot_is_an_invalid_subject").hello().line("SUB .foo 1").expect(1).sync(),
        scenario("a_trailing_dot_is_an_invalid_subject").hello().line("SUB foo. 1").expect(1).sync(),
        scenario("a_full_wildcard_in_the_middle_is_an_invalid_subject")
            .hello()
            .line("SUB foo.>.bar 1")
            .expect(1)
            .sync(),
        scenario("an_invalid_sub_leaves_the_sid_free")
            .hello()
            .line("SUB foo..bar 1")
            .line("SUB foo 1")
            .publish("foo", "x")
            .sync(),
        scenario("wildcards_within_a_token_are_letters")
            .hello()
            .line("SUB foo.b*r 1")
            .line("SUB foo>bar 2")
            .publish("foo.b*r", "x")
            .publish("foo.bar", "y")
            .publish("foo>bar", "z")
            .sync(),
        scenario("an_empty_token_with_pedantic")
            .hello_with(r#"{"verbose":false,"pedantic":true}"#)
            .line("SUB foo..bar 1")
            .expect(1)
            .sync(),
        scenario("a_queue_that_is_reserved").hello().line("SUB foo _sys_ 1").quiet(),
    ]
}

// tidy: long — a list of scenarios, no logic
fn unsub() -> Vec<Scenario> {
    vec![
        scenario("nothing_arrives_afterwards").hello().line("SUB foo 1").line("UNSUB 1").publish("foo", "x").sync(),
        scenario("an_unknown_sid_is_ignored").hello().line("UNSUB 5").sync(),
        scenario("no_arguments_close").hello().line("UNSUB").until_closed(),
        scenario("too_many_arguments_close").hello().line("UNSUB 1 2 3").until_closed(),
        scenario("a_max_that_is_no_number").hello().line("SUB foo 1").line("UNSUB 1 x").publish("foo", "y").quiet(),
        scenario("a_max_of_zero_removes_at_once")
            .hello()
            .line("SUB foo 1")
            .line("UNSUB 1 0")
            .publish("foo", "x")
            .sync(),
        scenario("a_negative_max").hello().line("SUB foo 1").line("UNSUB 1 -1").publish("foo", "y").quiet(),
        scenario("max_lets_so_many_through")
            .hello()
            .line("SUB foo 1")
            .line("UNSUB 1 2")
            .publish("foo", "1")
            .publish("foo", "2")
            .publish("foo", "3")
            .sync(),
        scenario("max_counts_from_the_sub")
            .hello()
            .line("SUB foo 1")
            .publish("foo", "1")
            .publish("foo", "2")
            .sync()
            .line("UNSUB 1 3")
            .publish("foo", "3")
            .publish("foo", "4")
            .sync(),
        scenario("a_max_already_reached_removes_at_once")
            .hello()
            .line("SUB foo 1")
            .publish("foo", "1")
            .publish("foo", "2")
            .sync()
            .line("UNSUB 1 2")
            .publish("foo", "3")
            .sync(),
        scenario("max_may_be_raised")
            .hello()
            .line("SUB foo 1")
            .line("UNSUB 1 1")
            .line("UNSUB 1 2")
            .publish("foo", "1")
            .publish("foo", "2")
            .publish("foo", "3")
            .sync(),
        scenario("after_max_the_sid_is_free_again")
            .hello()
            .line("SUB foo 1")
            .line("UNSUB 1 1")
            .publish("foo", "1")
            .sync()
            .line("SUB bar 1")
            .publish("bar", "2")
            .sync(),
        scenario("max_holds_across_connections")
            .hello()
            .line("SUB foo 1")
            .line("UNSUB 1 2")
            .sync()
            .on("b")
            .hello()
            .publish("foo", "1")
            .publish("foo", "2")
            .publish("foo", "3")
            .sync()
            .on("a")
            .expect(2)
            .sync(),
        scenario("max_of_a_queue_member")
            .hello()
            .line("SUB foo q 1")
            .line("UNSUB 1 1")
            .publish("foo", "1")
            .publish("foo", "2")
            .sync(),
        scenario("a_sid_of_another_client_is_not_touched")
            .hello()
            .line("SUB foo 1")
            .sync()
            .on("b")
            .hello()
            .line("UNSUB 1")
            .publish("foo", "x")
            .sync()
            .on("a")
            .expect(1),
    ]
}
