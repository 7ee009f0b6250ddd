//! Who receives: wildcards, queue groups, echo.

use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

const NO_ECHO: &str = r#"{"verbose":false,"echo":false,"headers":true,"no_responders":true}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("core/wildcard", Setup::CORE, wildcards());
    all.extend(topic("core/queue", Setup::CORE, queues()));
    all.extend(topic("core/echo", Setup::CORE, echo()));
    all
}

/// Subscribes to a filter and publishes on many subjects.
fn matching(name: &str, filter: &str) -> Scenario {
    let subjects = [
        "foo",
        "foo.bar",
        "foo.bar.baz",
        "foo.bar.baz.qux",
        "bar",
        "bar.foo",
        "foo.foo",
        "fo",
        "foobar",
        "foo.*",
        "*.bar",
    ];
    let mut scenario = scenario(name).hello().line(&format!("SUB {filter} 1"));
    for subject in subjects {
        scenario = scenario.publish(subject, subject);
    }
    scenario.sync()
}

fn wildcards() -> Vec<Scenario> {
    vec![
        matching("a_star_is_one_token", "*"),
        matching("a_star_at_the_end", "foo.*"),
        matching("a_star_at_the_start", "*.bar"),
        matching("a_star_in_the_middle", "foo.*.baz"),
        matching("two_stars", "*.*"),
        matching("a_full_wildcard", ">"),
        matching("a_full_wildcard_needs_one_token_at_least", "foo.>"),
        matching("a_star_before_a_full_wildcard", "*.>"),
        matching("a_literal", "foo.bar"),
        scenario("overlapping_filters_each_receive")
            .hello()
            .line("SUB foo.* 1")
            .line("SUB foo.> 2")
            .line("SUB foo.bar 3")
            .line("SUB > 4")
            .line("SUB *.* 5")
            .publish("foo.bar", "x")
            .sync_unordered(),
        scenario("interest_changes_are_seen_at_once")
            .hello()
            .publish("foo.bar", "0")
            .line("SUB foo.* 1")
            .publish("foo.bar", "1")
            .publish("foo.bar", "2")
            .line("SUB foo.bar 2")
            .sync()
            .publish("foo.bar", "3")
            .sync_unordered()
            .line("UNSUB 1")
            .publish("foo.bar", "4")
            .line("UNSUB 2")
            .publish("foo.bar", "5")
            .sync(),
        scenario("interest_of_others_is_seen_at_once")
            .hello()
            .publish("foo.bar", "0")
            .publish("foo.bar", "1")
            .publish("foo.bar", "2")
            .sync()
            .on("b")
            .hello()
            .line("SUB foo.> 1")
            .sync()
            .on("a")
            .publish("foo.bar", "3")
            .sync()
            .on("b")
            .expect(1)
            .line("UNSUB 1")
            .sync()
            .on("a")
            .publish("foo.bar", "4")
            .sync()
            .on("b")
            .sync(),
    ]
}

fn queues() -> Vec<Scenario> {
    vec![
        scenario("one_member_receives")
            .equal_sids(&["1", "2", "3"])
            .hello()
            .line("SUB foo q 1")
            .line("SUB foo q 2")
            .line("SUB foo q 3")
            .publish("foo", "x")
            .publish("foo", "y")
            .sync(),
        scenario("each_group_receives")
            .hello()
            .line("SUB foo red 1")
            .line("SUB foo blue 2")
            .publish("foo", "x")
            .sync_unordered(),
        scenario("a_group_and_a_plain_subscription_both_receive")
            .equal_sids(&["2", "3"])
            .hello()
            .line("SUB foo 1")
            .line("SUB foo q 2")
            .line("SUB foo q 3")
            .publish("foo", "x")
            .sync_unordered(),
        scenario("one_name_on_two_filters_is_one_group")
            .equal_sids(&["1", "2"])
            .hello()
            .line("SUB foo.* q 1")
            .line("SUB foo.bar q 2")
            .publish("foo.bar", "x")
            .sync_unordered(),
        scenario("group_names_are_case_sensitive")
            .hello()
            .line("SUB foo q 1")
            .line("SUB foo Q 2")
            .publish("foo", "x")
            .sync_unordered(),
        scenario("a_member_that_leaves_takes_nothing")
            .hello()
            .line("SUB foo q 1")
            .line("SUB foo q 2")
            .line("UNSUB 1")
            .publish("foo", "x")
            .publish("foo", "y")
            .publish("foo", "z")
            .sync(),
        scenario("a_member_whose_connection_ends_takes_nothing")
            .hello()
            .line("SUB foo q 1")
            .sync()
            .on("b")
            .hello()
            .line("SUB foo q 1")
            .sync()
            .line("BROKEN")
            .until_closed()
            .on("a")
            .publish("foo", "x")
            .publish("foo", "y")
            .publish("foo", "z")
            .sync(),
        scenario("a_queue_name_may_hold_dots_and_wildcards").hello().line("SUB foo a.b.* 1").publish("foo", "x").sync(),
    ]
}

fn echo() -> Vec<Scenario> {
    vec![
        scenario("a_client_hears_itself").hello().line("SUB foo 1").publish("foo", "x").sync(),
        scenario("without_echo_it_does_not").hello_with(NO_ECHO).line("SUB foo 1").publish("foo", "x").sync(),
        scenario("without_echo_others_hear_it")
            .hello()
            .line("SUB foo 1")
            .sync()
            .on("b")
            .hello_with(NO_ECHO)
            .line("SUB foo 1")
            .publish("foo", "x")
            .sync()
            .on("a")
            .expect(1),
        scenario("without_echo_a_queue_chooses_another_client")
            .hello()
            .line("SUB foo q 1")
            .sync()
            .on("b")
            .hello_with(NO_ECHO)
            .line("SUB foo q 1")
            .publish("foo", "x")
            .publish("foo", "y")
            .publish("foo", "z")
            .sync()
            .on("a")
            .expect(3),
        scenario("without_echo_a_request_to_oneself")
            .hello_with(NO_ECHO)
            .line("SUB foo 1")
            .line("SUB inbox 2")
            .raw(b"PUB foo inbox 1\r\nx\r\n")
            .sync(),
    ]
}
