//! Long tests of plugins in a running server, through real clients and the files that a person edits.
//!
//! `cargo xtask soak reload` and `cargo xtask soak hostile-plugins` build what they need and run this program. It ends
//! with a table of what was demanded and what was measured, and fails where one does not hold.

mod hostile;
mod monitor;
mod reload;
mod report;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plugins are replaced while messages are published.
    Reload {
        #[command(flatten)]
        place: Place,
        /// The program of `examples/replay`.
        #[arg(long)]
        replay: PathBuf,
        /// How long it publishes.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Plugins that loop, allocate and panic.
    Hostile {
        #[command(flatten)]
        place: Place,
        /// The compiled `plugins/testbed`.
        #[arg(long)]
        plugin: PathBuf,
        /// The length of a window in which rates are compared.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
}

/// What both need.
#[derive(Args)]
struct Place {
    /// The server's program.
    #[arg(long)]
    server: PathBuf,
    /// The repository, for its configuration, plugins and events.
    #[arg(long)]
    root: PathBuf,
    /// Where the stores go; by default a temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
}

impl Place {
    /// An empty folder that is gone when it is dropped.
    fn empty(&self) -> Result<tempfile::TempDir> {
        Ok(match &self.folder {
            Some(folder) => tempfile::TempDir::new_in(folder)?,
            None => tempfile::TempDir::new()?,
        })
    }
}

fn main() -> ExitCode {
    match carry_out(&Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(command: &Command) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = match command {
        Command::Reload { place, replay, seconds } => reload::run(&runtime, place, replay, *seconds)?,
        Command::Hostile { place, plugin, seconds } => hostile::run(&runtime, place, plugin, *seconds)?,
    };
    Ok(report.print())
}
