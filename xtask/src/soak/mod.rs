//! `cargo xtask soak NAME`: tests that take long, run by hand; their last results stand in docs/reliability.md.

mod crash;
mod dashboard;
mod power;

use anyhow::{Result, bail};
use clap::Args;

use crate::checkout::Checkout;

#[derive(Args)]
pub(crate) struct Options {
    /// Which one; `list` names them.
    name: String,
    /// How many rounds (`power`: seeds); each test has its own number by default.
    #[arg(long)]
    rounds: Option<u32>,
    /// The server to test; by default the release build of this checkout.
    #[arg(long)]
    server: Option<std::path::PathBuf>,
    /// Where the stores go; by default a temporary folder.
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
    /// For `dashboard`: where the running server's monitoring port is.
    #[arg(long, default_value = "127.0.0.1:8222")]
    metrics: std::net::SocketAddr,
}

/// A long test.
struct Soak {
    name: &'static str,
    what: &'static str,
    run: fn(&Checkout, &Options) -> Result<bool>,
}

const SOAKS: &[Soak] = &[
    Soak { name: "crash", what: "kill -9 under load, restart, compare with the acks", run: crash::run },
    Soak { name: "power", what: "power cuts at any call of a faulty disk, over many seeds", run: power::run },
    Soak {
        name: "dashboard",
        what: "a real Prometheus asks a running server every panel's query",
        run: dashboard::run,
    },
];

/// Runs the named one; whether it found nothing.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<bool> {
    if options.name == "list" {
        for soak in SOAKS {
            println!("{:<10} {}", soak.name, soak.what);
        }
        return Ok(true);
    }
    let Some(soak) = SOAKS.iter().find(|soak| soak.name == options.name) else {
        bail!("no soak is called {:?}; `cargo xtask soak list` names them", options.name);
    };
    (soak.run)(checkout, options)
}
