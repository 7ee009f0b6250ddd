//! From a fresh clone to a running platform: toolchain, plugins, server, and what to try next.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use forebay_conformance::clock::Stopwatch;

use crate::checkout::Checkout;
use crate::process::{cargo, command, must_succeed, succeeds};
use crate::{plugins, toolchain};

/// The configurations to start with, the best one first: what exists is started.
const CONFIGURATIONS: &[&str] = &["config/quickstart.toml", "config/jetstream.toml", "config/minimal.toml"];

/// What to do with it, once it runs.
const NEXT: &str = "\
Try next, in another terminal:
  nats pub faa.strikes '{\"state\":\"New York\",\"size\":\"Small\",\"operator\":\"ACME\",\"damage\":\"Minor\"}'
  nats stream get STRIKES 1                      the plugin `redact` made the subject and hashed the operator
  nats consumer add STRIKES damaged --pull --defaults && nats consumer next STRIKES damaged
                                                 the plugin `json-filter` lets only strikes with damage through
  curl -s localhost:8222/metrics | grep plugin   what the plugins did
  edit config/quickstart.toml                    hash = [\"operator\", \"airport\"] takes effect when you save
";

#[derive(Args)]
pub(crate) struct Options {
    /// Build everything, print the command, and stop.
    #[arg(long)]
    build_only: bool,
    /// What to hand to the server beside its configuration, after `--`.
    #[arg(last = true)]
    server: Vec<String>,
}

/// Builds and runs; returns when the server ends.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<bool> {
    let watch = Stopwatch::start();
    step(1, "the WebAssembly target");
    toolchain::ensure_targets(checkout)?;
    step(2, "the bundled plugins");
    plugins::build(checkout)?;
    let binary = checkout.target.join("release").join("forebay");
    let cold = if binary.is_file() { "" } else { " (a cold build takes several minutes)" };
    step(3, &format!("the server in release{cold}"));
    let mut build = cargo(&checkout.root);
    build.args(["build", "--release", "--package", "forebay", "--bin", "forebay"]);
    must_succeed(build)?;
    let config = configuration(checkout)?;
    println!("built in {:.0?}", watch.elapsed());
    let line = format!("{} -c {}", checkout.name(&binary), checkout.name(&config));
    if options.build_only {
        println!("run it with: {line}");
        return Ok(true);
    }
    println!("running: {line}   (Ctrl-C stops it)\n");
    if config.ends_with("config/quickstart.toml") {
        println!("{NEXT}");
    }
    serve(checkout, &binary, &config, &options.server)
}

fn step(number: u32, what: &str) {
    println!("[{number}/3] {what}");
}

fn configuration(checkout: &Checkout) -> Result<PathBuf> {
    let found = CONFIGURATIONS.iter().map(|name| checkout.path(name)).find(|path| path.is_file());
    found.with_context(|| format!("none of {} exists", CONFIGURATIONS.join(", ")))
}

fn serve(checkout: &Checkout, binary: &Path, config: &Path, more: &[String]) -> Result<bool> {
    if !binary.is_file() {
        bail!("{} was not built", binary.display());
    }
    let mut server = command(binary, &checkout.root);
    server.arg("-c").arg(config).args(more);
    succeeds(server)
}
