//! `cargo xtask NAME`: the one toolbox. Starts the platform, runs every check and test, measures the disk.

mod checkout;
mod codegen;
mod disk;
mod plugins;
mod process;
mod python;
mod quickstart;
mod server;
mod soak;
mod test;
mod tidy;
mod toolchain;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::checkout::Checkout;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Forebay's toolbox", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build what is missing and run the server with its bundled plugins on loopback.
    Quickstart(quickstart::Options),
    /// Build the bundled plugins to WebAssembly.
    Plugins,
    /// Set up what is missing and run every check and test.
    Test(test::Options),
    /// Check sizes, edges, names and documents against the house rules.
    Tidy,
    /// Write the generated sources and reference pages from their tables.
    Codegen {
        /// Change nothing; fail where something is stale.
        #[arg(long)]
        check: bool,
    },
    /// Measure synced 4 KiB writes: the floor under every acknowledged publish.
    Disk(disk::Options),
    /// Long tests, run by hand before an issue is called resolved.
    Soak(soak::Options),
}

fn main() -> ExitCode {
    match carry_out(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(command: Command) -> Result<bool> {
    let checkout = Checkout::find()?;
    match command {
        Command::Quickstart(options) => quickstart::run(&checkout, &options),
        Command::Plugins => plugins::build(&checkout).map(|_| true),
        Command::Test(options) => test::run(&checkout, &options),
        Command::Tidy => tidy::run(&checkout),
        Command::Codegen { check } => codegen::run(&checkout, check),
        Command::Disk(options) => disk::run(&options).map(|()| true),
        Command::Soak(options) => soak::run(&checkout, &options),
    }
}
