//! Power cuts at any call: the store's crash test (`core/store/src/conformance/crash.rs`) over many more seeds than
//! `cargo test` runs.

use anyhow::Result;

use crate::checkout::Checkout;
use crate::process::{cargo, succeeds};
use crate::soak::Options;

/// Seeds in one soak.
const SEEDS: u32 = 600;
/// The first seed: above those that `cargo test` runs.
const FIRST_SEED: u32 = 1_000;

/// Runs the seeds; whether none of them lost, invented or reordered anything.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<bool> {
    let mut example = cargo(&checkout.root);
    example.args(["run", "--quiet", "--release", "--package", "forebay-store", "--features", "test-util"]);
    example.args(["--example", "power_cuts", "--"]);
    example.args([FIRST_SEED, options.rounds.unwrap_or(SEEDS)].map(|number| number.to_string()));
    succeeds(example)
}
