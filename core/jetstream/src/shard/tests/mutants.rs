//! The models find the defects that they are there for.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use super::{consumer_model, stream_model};
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
