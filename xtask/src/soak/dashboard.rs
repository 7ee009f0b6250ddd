//! The quick start under a real Prometheus: every query of the dashboards has to yield data.
//!
//! It runs on free ports and a store of its own: the quick start's configuration, `examples/replay` and
//! `examples/read-stream` for something to see, Prometheus, then a question for each panel and each variable, as
//! Grafana asks them.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use forebay_conformance::clock::Stopwatch;
use serde_json::Value;

use crate::checkout::Checkout;
use crate::plugins;
use crate::process::{cargo, command, must_succeed};
use crate::quickstart::CONFIGURATION;
use crate::server::{Ports, Server};
use crate::soak::prometheus::{Prometheus, get};
use crate::soak::{Options, server_program};

/// How long there is load while Prometheus scrapes: a rate needs two samples within its window.
const LOAD_FOR: Duration = Duration::from_secs(12);
/// Events a second meanwhile.
const RATE: &str = "500";
/// What stands for the dashboard's variables.
const VARIABLES: &[(&str, &str)] = &[
    ("$__rate_interval", "10s"),
    ("$job", ".*"),
    ("$instance", ".*"),
    ("$account", ".*"),
    ("$stream", ".*"),
    ("$consumer", ".*"),
    ("$plugin", ".*"),
];

/// Runs everything; whether every panel and every variable has data.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<bool> {
    let program = server_program(checkout, options)?;
    plugins::build(checkout)?;
    let mut build = cargo(&checkout.root);
    build.args(["build", "--package", "replay", "--package", "read-stream"]);
    must_succeed(build)?;
    let folder = tempfile::TempDir::new()?;
    let mut server = Server::start(quick_start(checkout, &program, folder.path())?, folder.path())?;
    let ports = server.ready()?.context("the server ended")?;
    let monitoring: SocketAddr = ports.monitoring().trim_start_matches("http://").parse()?;
    let prometheus = Prometheus::start(folder.path(), monitoring)?;
    println!("{RATE} events a second for {LOAD_FOR:?}, scraped each second");
    load(checkout, &ports)?;
    let clean = lint(&get(monitoring, "/metrics")?)? & ask_all(checkout, &prometheus)?;
    server.stop()?;
    Ok(clean)
}

/// The quick start's own files in `folder`, on free ports. Its log is of no use here.
fn quick_start(checkout: &Checkout, program: &Path, folder: &Path) -> Result<Command> {
    let original = checkout.path(CONFIGURATION);
    let text = std::fs::read_to_string(&original)?;
    let config = folder.join(CONFIGURATION);
    let plugins = config.with_file_name("plugins");
    std::fs::create_dir_all(&plugins)?;
    for file in checkout.files("config/plugins", ".wasm")? {
        std::fs::copy(&file, plugins.join(file.file_name().context("a file without a name")?))?;
    }
    std::fs::write(&config, text.replace(":4222", ":-1").replace(":8222", ":-1"))?;
    let mut start = command(program, folder);
    start.arg("-c").arg(&config).arg("-l").arg(folder.join("log"));
    Ok(start)
}

/// Publishes, and reads again and again what the filtered consumer lets through.
fn load(checkout: &Checkout, ports: &Ports) -> Result<()> {
    let example = |name: &str| {
        let mut example = command(checkout.target.join("debug").join(name), &checkout.root);
        example.args(["--url", ports.client()]).stdout(Stdio::null());
        example
    };
    let seconds = format!("{}s", LOAD_FOR.as_secs());
    let mut replay = example("replay").args(["--loop", "--for", &seconds, "--rate", RATE]).spawn()?;
    let watch = Stopwatch::start();
    while watch.elapsed() < LOAD_FOR {
        must_succeed(example("read-stream"))?;
    }
    if !replay.wait()?.success() {
        bail!("replay failed");
    }
    Ok(())
}

/// Prometheus' own tool reads the page.
fn lint(page: &str) -> Result<bool> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .spawn()
        .context("starting promtool, which comes with Prometheus")?;
    promtool.stdin.take().context("no stdin")?.write_all(page.as_bytes())?;
    let clean = promtool.wait()?.success();
    println!(
        "promtool check metrics: {} lines, {}",
        page.lines().count(),
        if clean { "nothing to say" } else { "see above" }
    );
    Ok(clean)
}

fn ask_all(checkout: &Checkout, prometheus: &Prometheus) -> Result<bool> {
    let (mut asked, mut empty) = (0, 0);
    for path in checkout.files("dashboards", ".json")? {
        let board: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        println!("\n{}: series", checkout.name(&path));
        for question in questions(&board) {
            asked += 1;
            let told = match question.ask(prometheus) {
                Ok(0) => "NOTHING".to_owned(),
                Ok(count) => count.to_string(),
                Err(error) => format!("{error:#}"),
            };
            let is_good = told.parse::<usize>().is_ok();
            println!("{told:>8}  {}", question.title);
            if !is_good {
                empty += 1;
                println!("          {}", question.query);
            }
        }
    }
    println!("\ndashboard: {asked} queries, {empty} without data");
    Ok(empty == 0 && asked > 0)
}

/// A query, variables filled in, and where it stands.
struct Question {
    title: String,
    query: String,
    /// The label whose values a variable offers; `None` for a panel's query.
    label: Option<String>,
}

impl Question {
    fn ask(&self, prometheus: &Prometheus) -> Result<usize> {
        match &self.label {
            Some(label) => prometheus.label_values(&self.query, label),
            None => prometheus.series(&self.query),
        }
    }
}

fn questions(board: &Value) -> Vec<Question> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |pointer: &str| board.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let mut all = Vec::new();
    for variable in list("/templating/list").filter(|variable| variable["type"] == "query") {
        let definition = text(variable, "definition");
        let inner = definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (selector, label) = inner.and_then(|inner| inner.rsplit_once(',')).unwrap_or((&definition, ""));
        let title = format!("variable {}", text(variable, "name"));
        all.push(Question { title, query: filled(selector), label: Some(label.trim().to_owned()) });
    }
    for panel in list("/panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = format!("{}: {}", text(panel, "title"), text(target, "legendFormat"));
            all.push(Question { title, query: filled(&text(target, "expr")), label: None });
        }
    }
    all
}

fn filled(query: &str) -> String {
    VARIABLES.iter().fold(query.to_owned(), |text, (name, value)| text.replace(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_dashboard_has_queries_without_open_variables() {
        let board = include_str!("../../../dashboards/overview.json");
        let all = questions(&serde_json::from_str(board).expect("valid JSON"));
        assert!(all.len() > 50, "{} queries", all.len());
        assert!(all.iter().all(|one| !one.query.contains('$') && !one.query.is_empty() && !one.title.is_empty()));
        let labels: Vec<_> = all.iter().filter_map(|one| one.label.as_deref()).collect();
        assert_eq!(labels, ["job", "instance", "account", "stream", "consumer", "plugin"]);
    }
}
