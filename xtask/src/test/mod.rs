//! `cargo xtask test`: sets up what is missing, then every check and test, with time and outcome of each stage.
//!
//! It ends with the line `N passed, N failed, N skipped` and exits with an error if anything failed.

mod deny;
mod examples;
mod stages;
mod tally;

use anyhow::{Result, bail};
use clap::Args;
use forebay_conformance::clock::Stopwatch;

use crate::checkout::Checkout;
use crate::test::stages::{STAGES, Stage, Workshop};
use crate::test::tally::Tally;

/// Features under which the workspace's tests are built: always the same ones, so that nothing is built twice.
pub(crate) const TEST_FEATURES: &str = "forebay-store/test-util,forebay-cluster/test-util";
/// The story crate needs a running binary, so it has a stage of its own.
pub(crate) const STORIES: &str = "forebay-client-stories";
/// What is tested together.
pub(crate) const SELECTION: &[&str] = &["--workspace", "--exclude", STORIES];

#[derive(Args)]
pub(crate) struct Options {
    /// Only these stages (see `--list`); may be given more than once, or with commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// All but these stages.
    #[arg(long, value_delimiter = ',')]
    skip: Vec<String>,
    /// Name the stages and stop.
    #[arg(long)]
    list: bool,
}

impl Options {
    fn chosen(&self) -> Result<Vec<&'static Stage>> {
        for name in self.only.iter().chain(&self.skip) {
            if !STAGES.iter().any(|stage| stage.name == name) {
                let names: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
                bail!("no stage is called {name:?}; there are {}", names.join(", "));
            }
        }
        let named = |names: &[String], stage: &Stage| names.iter().any(|name| name == stage.name);
        let wanted = |stage: &&Stage| (self.only.is_empty() || named(&self.only, stage)) && !named(&self.skip, stage);
        Ok(STAGES.iter().filter(wanted).collect())
    }
}

/// One finished stage.
struct Done {
    name: &'static str,
    tally: Tally,
    seconds: u64,
}

/// Runs the chosen stages; whether nothing failed.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<bool> {
    if options.list {
        for stage in STAGES {
            println!("{:<12} {}", stage.name, stage.what);
        }
        return Ok(true);
    }
    let chosen = options.chosen()?;
    println!(
        "{} stages; on a fresh clone the builds take several minutes, and they say what they are at",
        chosen.len()
    );
    let mut workshop = Workshop::new(checkout.clone());
    let mut finished = Vec::new();
    for (index, stage) in chosen.iter().enumerate() {
        println!("\n[{}/{}] {}: {}", index + 1, chosen.len(), stage.name, stage.what);
        let watch = Stopwatch::start();
        let tally = (stage.run)(&mut workshop).unwrap_or_else(|error| Tally::broken(format!("{error:#}")));
        let seconds = watch.elapsed().as_secs();
        println!("[{}/{}] {}: {} in {seconds} s", index + 1, chosen.len(), stage.name, tally.line());
        finished.push(Done { name: stage.name, tally, seconds });
    }
    Ok(report(&finished))
}

fn report(finished: &[Done]) -> bool {
    let mut total = Tally::default();
    println!("\nstage        outcome");
    for done in finished {
        println!("{:<12} {} ({} s)", done.name, done.tally.line(), done.seconds);
        total.add(&done.tally);
    }
    for note in &total.notes {
        println!("note: {note}");
    }
    // The next line's form is read by others: numbers and words exactly so, alone on a line, last.
    println!("\n{}", total.line());
    total.failed == 0
}
