//! From a fresh clone to a running platform: toolchain, plugins, server, and what to try next.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use forebay_conformance::clock::Stopwatch;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::checkout::Checkout;
use crate::process::{cargo, command, must_succeed};
use crate::server::{Ports, Server};
use crate::{plugins, toolchain};

/// What is started.
pub(crate) const CONFIGURATION: &str = "config/quickstart.toml";
/// The URL that clients try first.
const USUAL_URL: &str = "nats://127.0.0.1:4222";

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
    println!("built in {:.0?}", watch.elapsed());
    let line = format!("{} -c {CONFIGURATION}", checkout.name(&binary));
    if options.build_only {
        println!("run it with: {line}");
        return Ok(true);
    }
    println!("running: {line}\n");
    serve(checkout, &binary, &options.server)
}

fn step(number: u32, what: &str) {
    println!("[{number}/3] {what}");
}

fn serve(checkout: &Checkout, binary: &Path, more: &[String]) -> Result<bool> {
    let path = checkout.path(CONFIGURATION);
    let config = Config::read(&path)?;
    let folder = tempfile::TempDir::new()?;
    let mut start = command(binary, &checkout.root);
    start.arg("-c").arg(&path).args(more);
    let mut server = Server::start(start, folder.path())?;
    hand_on_signals(server.pid()?)?;
    if let Some(ports) = server.ready()? {
        println!("{}", config.facts(&ports));
        println!("{}", next(&ports));
    }
    server.wait()
}

/// What asks us to end asks the server, and we end when it has.
fn hand_on_signals(server: Pid) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let signal = if signal == SIGINT { Signal::INT } else { Signal::TERM };
            // It may have ended by itself.
            let _ = kill_process(server, signal);
        }
    });
    Ok(())
}

/// What of the configuration is told.
#[derive(Deserialize)]
struct Config {
    jetstream: Store,
    streams: Vec<Stream>,
    plugins: BTreeMap<String, Plugin>,
    transforms: Vec<Transform>,
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
struct Store {
    store_dir: String,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    subjects: Vec<String>,
}

#[derive(Deserialize)]
struct Plugin {
    file: String,
}

#[derive(Deserialize)]
struct Transform {
    plugin: String,
    subjects: Vec<String>,
}

#[derive(Deserialize)]
struct Filter {
    plugin: String,
    stream: String,
    consumer: String,
}

impl Config {
    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("in {}", path.display()))
    }

    fn facts(&self, ports: &Ports) -> String {
        let file = |plugin: &str| beside(self.plugins.get(plugin).map_or("", |plugin| &plugin.file));
        let mut lines = vec![
            format!("\nForebay runs, as {CONFIGURATION} says:"),
            format!("  clients     {}", ports.client()),
            format!("  monitoring  {0}/metrics  {0}/varz  {0}/healthz", ports.monitoring()),
            format!("  store       {}, each message synced before its ack", beside(&self.jetstream.store_dir)),
        ];
        for stream in &self.streams {
            lines.push(format!("  stream      {} keeps {}", stream.name, stream.subjects.join(", ")));
        }
        for Transform { plugin, subjects } in &self.transforms {
            lines.push(format!(
                "  plugin      {plugin} ({}) rewrites messages to {}",
                file(plugin),
                subjects.join(", ")
            ));
        }
        for Filter { plugin, stream, consumer } in &self.filters {
            lines
                .push(format!("  plugin      {plugin} ({}) filters the consumer {consumer} of {stream}", file(plugin)));
        }
        lines.join("\n")
    }
}

/// A path of the configuration as it is from the checkout's root.
fn beside(path: &str) -> String {
    match path.strip_prefix("../") {
        Some(outside) => outside.to_owned(),
        None => Path::new(CONFIGURATION).with_file_name(path).display().to_string(),
    }
}

/// What to do with it, once it runs.
fn next(ports: &Ports) -> String {
    let url = ports.client();
    let example = if url == USUAL_URL { String::new() } else { format!(" -- --url {url}") };
    let nats = if url == USUAL_URL { String::new() } else { format!(" -s {url}") };
    format!(
        "
Try next, in another terminal:
  cargo run --release -p replay{example}
      publishes 4,000 real events to faa.strikes (the first run builds it); `redact` hashes the operator and makes the
      subject strikes.STATE.SIZE
  cargo run --release -p read-stream{example}
      reads the stream through the consumer `damaged`; `json-filter` lets 426 of them through
  curl -s {}/metrics | grep forebay_plugin_calls
      what the plugins did
  nats{nats} sub 'strikes.>'
      what arrives from now on, if you have the nats CLI; any NATS client works
Then edit {CONFIGURATION}, say hash = [\"operator\", \"airport\"]: saved is in effect. Ctrl-C stops the server.
",
        ports.monitoring()
    )
}
