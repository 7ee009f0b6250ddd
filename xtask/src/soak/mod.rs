//! `cargo xtask soak NAME`: tests that take long, run by hand; their last results stand in docs/reliability.md.

mod crash;
mod dashboard;
mod plugins;
mod prometheus;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::checkout::Checkout;
use crate::process::{cargo, must_succeed};

#[derive(Args)]
pub(crate) struct Options {
    /// Which one; `list` names them.
    name: String,
    /// For `crash`: how many rounds.
    #[arg(long, default_value_t = 15)]
    rounds: u32,
    /// The server to test; by default the release build of this checkout.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where the stores go; by default a temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// For `reload`: how long events are replayed (60). For `hostile-plugins`: the length of a window (5).
    #[arg(long)]
    seconds: Option<u64>,
}

/// The server to test; the release build of this checkout if none is named.
fn server_program(checkout: &Checkout, options: &Options) -> Result<PathBuf> {
    if let Some(program) = &options.server {
        return Ok(std::path::absolute(program)?);
    }
    let mut build = cargo(&checkout.root);
    build.args(["build", "--release", "--package", "forebay", "--bin", "forebay"]);
    must_succeed(build)?;
    Ok(checkout.target.join("release").join("forebay"))
}

/// A long test.
struct Soak {
    name: &'static str,
    what: &'static str,
    run: fn(&Checkout, &Options) -> Result<bool>,
}

const SOAKS: &[Soak] = &[
    Soak { name: "crash", what: "kill -9 under load, restart, compare with the acks", run: crash::run },
    Soak {
        name: "dashboard",
        what: "a real Prometheus over the quick start has data for every panel",
        run: dashboard::run,
    },
    Soak {
        name: "reload",
        what: "a plugin and its config are replaced 20 times while events are replayed at full speed",
        run: plugins::reload,
    },
    Soak {
        name: "hostile-plugins",
        what: "plugins that loop, allocate and panic, as transforms and filters, under each policy",
        run: plugins::hostile,
    },
];

/// Runs the named one; whether it found nothing.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<bool> {
    if options.name == "list" {
        for soak in SOAKS {
            println!("{:<16} {}", soak.name, soak.what);
        }
        return Ok(true);
    }
    let Some(soak) = SOAKS.iter().find(|soak| soak.name == options.name) else {
        bail!("no soak is called {:?}; `cargo xtask soak list` names them", options.name);
    };
    (soak.run)(checkout, options)
}
