//! The crash test over more seeds than `cargo test` has time for: power cuts at any call of a faulty disk.
//!
//! `cargo run --release -p forebay-store --features test-util --example power_cuts -- FIRST_SEED SEEDS [LIVES]`
//!
//! It names every seed that fails, and fails if there is one. `cargo xtask soak power` runs it.

use forebay_store::conformance::crash::{CrashStats, run_seed};
use std::process::ExitCode;

/// How often the power goes in one seed, at least.
const LIVES: u32 = 12;
/// A line for so many seeds.
const PROGRESS: u64 = 100;

fn main() -> ExitCode {
    let numbers: Result<Vec<u64>, _> = std::env::args().skip(1).map(|arg| arg.parse()).collect();
    let (first, seeds, lives) = match numbers.as_deref() {
        Ok([first, seeds]) => (*first, *seeds, LIVES),
        Ok([first, seeds, lives]) => (*first, *seeds, u32::try_from(*lives).unwrap_or(LIVES)),
        _ => {
            eprintln!("usage: power_cuts FIRST_SEED SEEDS [LIVES]");
            return ExitCode::from(2);
        }
    };
    let (mut sum, mut failed) = (CrashStats::default(), 0u64);
    for (number, seed) in (1..=seeds).zip(first..) {
        match run_seed(seed, lives) {
            Ok(stats) => add(&mut sum, &stats),
            Err(error) => {
                println!("FAILED {error}");
                failed += 1;
            }
        }
        if number % PROGRESS == 0 {
            println!("{number} of {seeds} seeds, {failed} failed, {} power cuts", sum.cuts);
        }
    }
    println!("{sum:?}");
    println!("power: {seeds} seeds from {first}, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn add(sum: &mut CrashStats, stats: &CrashStats) {
    sum.cuts += stats.cuts;
    sum.cuts_while_opening += stats.cuts_while_opening;
    sum.durable += stats.durable;
    sum.freed += stats.freed;
    sum.checkpoints += stats.checkpoints;
    sum.unreported += stats.unreported;
    sum.torn += stats.torn;
    sum.write_errors += stats.write_errors;
}
