//! The conformance program: `run` compares, `self-check` proves determinism, `show` prints a transcript, `list` names.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use forebay_conformance::gaps::Gaps;
use forebay_conformance::player::play;
use forebay_conformance::runner::{Outcome, Pair, Report, run};
use forebay_conformance::scenario::Scenario;
use forebay_conformance::scenarios;
use forebay_conformance::server::{Dialect, Target};

#[derive(Parser)]
#[command(about = "The same scenario on nats-server and on Forebay, compared frame by frame")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare Forebay with nats-server.
    Run {
        #[command(flatten)]
        choice: Choice,
        /// Forebay's binary.
        #[arg(long, env = "FOREBAY_BIN")]
        ours: PathBuf,
        /// The list of known gaps.
        #[arg(long)]
        gaps: Option<PathBuf>,
    },
    /// Compare nats-server with itself: every scenario must be deterministic.
    SelfCheck {
        #[command(flatten)]
        choice: Choice,
    },
    /// Print the transcript of scenarios on one server.
    Show {
        #[command(flatten)]
        choice: Choice,
        /// Play on this Forebay binary instead of nats-server.
        #[arg(long)]
        ours: Option<PathBuf>,
    },
    /// Name the scenarios.
    List,
}

#[derive(Args)]
struct Choice {
    /// The real nats-server.
    #[arg(long, env = "NATS_SERVER_BIN", default_value = "nats-server")]
    real: PathBuf,
    /// Only scenarios whose name contains one of these.
    filter: Vec<String>,
    /// How many scenarios are played at once.
    #[arg(long, default_value_t = 4)]
    jobs: usize,
}

impl Choice {
    fn scenarios(&self) -> Result<Vec<Scenario>> {
        let wanted = |name: &str| self.filter.is_empty() || self.filter.iter().any(|part| name.contains(part.as_str()));
        let chosen: Vec<_> = scenarios::all().into_iter().filter(|scenario| wanted(&scenario.name)).collect();
        if chosen.is_empty() {
            bail!("no scenario matches {:?}", self.filter);
        }
        Ok(chosen)
    }

    fn real(&self) -> Target {
        Target { label: "nats-server".into(), program: self.real.clone(), dialect: Dialect::Conf }
    }
}

fn main() -> ExitCode {
    match carry_out(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn carry_out(command: Command) -> Result<bool> {
    match command {
        Command::List => {
            for scenario in scenarios::all() {
                println!("{}", scenario.name);
            }
            Ok(true)
        }
        Command::Show { choice, ours } => show(&choice, ours),
        Command::SelfCheck { choice } => {
            let again = Target { label: "nats-server again".into(), ..choice.real() };
            compare(&choice, again, &Gaps::default())
        }
        Command::Run { choice, ours, gaps } => {
            let names: Vec<String> = scenarios::all().into_iter().map(|scenario| scenario.name).collect();
            let gaps = Gaps::read(&gaps.unwrap_or_else(known_gaps), &names)?;
            compare(&choice, forebay(ours), &gaps)
        }
    }
}

/// The list beside this crate. Cargo tells where that is; started by hand, it is where the crate was compiled.
fn known_gaps() -> PathBuf {
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    told.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR"))).join("known_gaps.toml")
}

fn forebay(program: PathBuf) -> Target {
    Target { label: "forebay".into(), program, dialect: Dialect::Toml }
}

fn show(choice: &Choice, ours: Option<PathBuf>) -> Result<bool> {
    let target = ours.map_or_else(|| choice.real(), forebay);
    for scenario in choice.scenarios()? {
        println!("{} on {}", scenario.name, target.label);
        for line in play(&target, &scenario)?.lines() {
            println!("    {line}");
        }
    }
    Ok(true)
}

fn compare(choice: &Choice, got: Target, gaps: &Gaps) -> Result<bool> {
    let chosen = choice.scenarios()?;
    let total = chosen.len();
    let progress = |count: usize, name: &str, outcome: &Outcome, took: Duration| {
        let word = match outcome {
            Outcome::Passed => "ok",
            Outcome::PassedLate(_) => "ok at the second try",
            Outcome::KnownGap(_) => "known gap",
            Outcome::Skipped(_) => "skipped",
            Outcome::Failed(_) => "FAILED",
        };
        println!("[{count:>3}/{total}] {name} … {word} ({} ms)", took.as_millis());
    };
    let pair = Pair { expected: choice.real(), got };
    let report: Report = run(&pair, &chosen, gaps, choice.jobs, &progress);
    print!("{}", report.text());
    println!("conformance: {} passed, {} failed, {} skipped", report.passed(), report.failed(), report.skipped());
    Ok(report.failed() == 0)
}
