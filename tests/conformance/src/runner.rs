//! Runs scenarios on two servers, a few at a time, and says how it went.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::clock::Stopwatch;
use crate::compare::difference;
use crate::gaps::Gaps;
use crate::player::play;
use crate::scenario::Scenario;
use crate::server::Target;

/// How one scenario went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both servers did the same.
    Passed,
    /// They did the same at the second try only: nats-server has races of its own, and so may we.
    PassedLate(String),
    /// They differ, and the list of gaps says so; the reason.
    KnownGap(String),
    /// Its topic is not built yet; the reason.
    Skipped(String),
    /// They differ, or something went wrong; what.
    Failed(String),
}

/// What is compared with what.
pub struct Pair {
    /// The server that is right by definition.
    pub expected: Target,
    /// The server under test.
    pub got: Target,
}

/// All outcomes, by scenario.
#[derive(Debug, Default)]
pub struct Report {
    /// The outcomes in the order of the scenarios.
    pub outcomes: Vec<(String, Outcome)>,
}

impl Report {
    fn count(&self, wanted: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|(_, outcome)| wanted(outcome)).count()
    }

    /// Scenarios in which both servers did the same.
    pub fn passed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Passed | Outcome::PassedLate(_)))
    }

    /// Scenarios that failed.
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// Scenarios not played, or known to differ.
    pub fn skipped(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::KnownGap(_) | Outcome::Skipped(_)))
    }

    /// The failures and the known gaps, in words.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (name, outcome) in &self.outcomes {
            let _ = match outcome {
                Outcome::Passed | Outcome::Skipped(_) => Ok(()),
                Outcome::PassedLate(what) => writeln!(out, "\nonly at the second try: {name}\n{what}"),
                Outcome::KnownGap(reason) => writeln!(out, "known gap {name}: {reason}"),
                Outcome::Failed(what) => writeln!(out, "\nFAILED {name}\n{what}"),
            };
        }
        out
    }
}

/// Runs `scenarios` with `jobs` threads; `progress` is told each outcome as it comes.
pub fn run(
    pair: &Pair,
    scenarios: &[Scenario],
    gaps: &Gaps,
    jobs: usize,
    progress: &(dyn Fn(usize, &str, &Outcome, std::time::Duration) + Sync),
) -> Report {
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let outcomes = Mutex::new(vec![None; scenarios.len()]);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some((index, scenario)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| scenarios.get(i).map(|s| (i, s)))
                {
                    let watch = Stopwatch::start();
                    let outcome = judge(pair, scenario, gaps);
                    let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                    progress(count, &scenario.name, &outcome, watch.elapsed());
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes[index] = Some(outcome);
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_default();
    let lost = || Outcome::Failed("its thread died".into());
    let named =
        scenarios.iter().zip(outcomes).map(|(scenario, outcome)| (scenario.name.clone(), outcome.unwrap_or_else(lost)));
    Report { outcomes: named.collect() }
}

fn judge(pair: &Pair, scenario: &Scenario, gaps: &Gaps) -> Outcome {
    if let Some(reason) = gaps.unbuilt(&scenario.name) {
        return Outcome::Skipped(reason.to_string());
    }
    let verdict = compare_once(pair, scenario);
    match (verdict, gaps.reason(&scenario.name)) {
        (Ok(()), None) => Outcome::Passed,
        (Err(what), None) if compare_once(pair, scenario).is_ok() => Outcome::PassedLate(what),
        (Ok(()), Some(reason)) => {
            Outcome::Failed(format!("    it passes now, so its row in known_gaps.toml has to go (\"{reason}\")"))
        }
        (Err(_), Some(reason)) => Outcome::KnownGap(reason.to_string()),
        (Err(what), None) => Outcome::Failed(what),
    }
}

fn compare_once(pair: &Pair, scenario: &Scenario) -> Result<(), String> {
    let expected = play(&pair.expected, scenario).map_err(|error| format!("    {}: {error:#}", pair.expected.label))?;
    let got = play(&pair.got, scenario).map_err(|error| format!("    {}: {error:#}", pair.got.label))?;
    match difference(&expected, &got, &pair.expected.label, &pair.got.label) {
        None => Ok(()),
        Some(text) => Err(text),
    }
}
