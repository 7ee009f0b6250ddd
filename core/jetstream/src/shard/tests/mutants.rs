//! The tests of this folder find the defects that they are there for.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use super::{consumer_model, consumers, publishing, stream_model};
use crate::mutant;

/// Runs up to `cases` cases under a defect; true if one of them fails.
fn is_found<S: Strategy>(
    name: &'static str,
    cases: usize,
    strategy: S,
    run: impl Fn(S::Value) -> TestCaseResult,
) -> bool {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    mutant::choose(Some(name));
    let found = (0..cases).any(|_| match strategy.new_tree(&mut runner) {
        Ok(tree) => run(tree.current()).is_err(),
        Err(_) => false,
    });
    mutant::choose(None);
    found
}

#[test]
fn a_forgotten_window_is_found() {
    let run = |(limits, ops): (_, Vec<_>)| stream_model::run(&limits, &ops);
    assert!(is_found(mutant::DEDUPE_WINDOW_NOT_KEPT, 200, stream_model::case(), run));
}

#[test]
fn acks_that_are_not_logged_are_found() {
    let run = |(config, ops): (_, Vec<_>)| consumer_model::run(&config, &ops);
    assert!(is_found(mutant::ACKS_NOT_LOGGED, 300, consumer_model::case(), run));
}

#[test]
fn a_nak_that_settles_is_found() {
    let run = |(config, ops): (_, Vec<_>)| consumer_model::run(&config, &ops);
    assert!(is_found(mutant::NAK_SETTLES, 300, consumer_model::case(), run));
}

#[test]
fn a_count_that_is_sent_before_it_is_durable_is_found() {
    let run = |(config, ops): (_, Vec<_>)| consumer_model::run(&config, &ops);
    assert!(is_found(mutant::SENT_BEFORE_ITS_COUNT, 600, consumer_model::case(), run));
}

/// Sentences about durability and message ids, with a defect each that makes them untrue.
const SENTENCES: &[(&str, fn())] = &[
    (mutant::DEDUPE_WINDOW_NOT_KEPT, publishing::a_repeated_id_is_a_duplicate_within_the_window_and_after_a_crash),
    (mutant::DEDUPE_WINDOW_NOT_KEPT, publishing::a_retry_with_an_expectation_is_a_duplicate_and_not_an_error),
    (mutant::IDS_NOT_IN_CHECKPOINT, publishing::a_repeated_id_is_a_duplicate_within_the_window_and_after_a_crash),
    (mutant::TTLS_NOT_IN_CHECKPOINT, publishing::age_and_ttl_are_proposed_by_the_leader),
    (mutant::MOVED_BODY_NOT_NOTED, publishing::a_moved_body_is_found_at_its_new_place),
    (mutant::ACKS_NOT_LOGGED, consumers::acks_move_the_floor_as_in_nats_server),
    (mutant::ACKS_NOT_LOGGED, consumers::ack_all_acks_what_came_before),
    (mutant::ACKS_NOT_LOGGED, consumers::a_work_queue_removes_what_is_acked),
    (mutant::ACKS_NOT_LOGGED, consumers::an_interest_stream_waits_for_all_who_are_interested),
    (mutant::ACKS_NOT_LOGGED, consumers::a_late_ack_removes_what_was_given_up_from_a_work_queue),
    (mutant::ACKS_NOT_LOGGED, consumers::a_stream_that_begins_to_wait_for_acks_removes_what_has_them),
    (mutant::SENT_BEFORE_ITS_COUNT, consumers::an_unacked_message_comes_again_with_its_count_logged_first),
    (mutant::SENT_BEFORE_ITS_COUNT, consumers::a_raised_max_deliver_brings_back_what_nobody_has_asked_for_since),
    (mutant::FIRST_SENT_UNLOGGED, consumers::with_max_deliver_one_the_delivery_is_logged_first),
    (mutant::POSITION_NOT_LOGGED, consumers::a_durable_without_acks_goes_on_where_it_was),
    (mutant::POSITION_NOT_LOGGED, consumers::a_durable_without_acks_begins_again_at_the_last_mark_that_was_logged),
    (mutant::GIVEN_UP_NOT_LOGGED, consumers::backoff_sets_each_wait_and_max_deliver_ends_it),
    (mutant::GIVEN_UP_AS_ACKED, consumers::what_one_consumer_gave_up_stays_when_the_others_have_acked_it),
    (mutant::UPDATE_NOT_CHECKED, consumers::an_update_is_refused_for_a_consumer_that_came_first),
    (mutant::AHEAD_ACKS_REFUSED, consumers::what_the_old_leader_delivered_may_still_be_acked),
];

#[test]
fn each_sentence_is_untrue_under_its_defect() {
    for (number, (name, sentence)) in SENTENCES.iter().enumerate() {
        assert!(mutant::is_found_by(name, *sentence), "the sentence {number} does not find {name:?}");
    }
}
