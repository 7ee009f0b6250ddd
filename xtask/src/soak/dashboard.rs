//! Asks a real Prometheus every query of the dashboards, over a server that is running (the quick start, say).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::checkout::Checkout;
use crate::soak::Options;

/// How long Prometheus scrapes before it is asked: a rate needs two samples within its window.
const SCRAPE_FOR: Duration = Duration::from_secs(12);
/// How long Prometheus may take to answer at first.
const START_TRIES: u32 = 100;
/// The pause between tries.
const START_PAUSE: Duration = Duration::from_millis(100);
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

/// Runs Prometheus for a while and asks; whether every panel has data.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<bool> {
    let folder = tempfile::TempDir::new()?;
    let prometheus = Prometheus::start(folder.path(), options.metrics)?;
    println!("scraping {} for {SCRAPE_FOR:?}", options.metrics);
    std::thread::sleep(SCRAPE_FOR);
    let (mut asked, mut empty) = (0, 0);
    for path in checkout.files("dashboards", ".json")? {
        let board: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        for (title, query) in queries(&board) {
            asked += 1;
            if let Err(error) = prometheus.ask(&query) {
                empty += 1;
                println!("{}: \"{title}\": {error:#}\n    {query}", checkout.name(&path));
            }
        }
    }
    println!("dashboard: {asked} queries, {empty} without data");
    Ok(empty == 0 && asked > 0)
}

/// The queries of a board with their panels' titles, variables filled in.
fn queries(board: &Value) -> Vec<(String, String)> {
    let panels = board.get("panels").and_then(Value::as_array).into_iter().flatten();
    let mut all = Vec::new();
    for panel in panels {
        let title = panel.get("title").and_then(Value::as_str).unwrap_or_default();
        for target in panel.get("targets").and_then(Value::as_array).into_iter().flatten() {
            let query = target.get("expr").and_then(Value::as_str).unwrap_or_default();
            let filled = VARIABLES.iter().fold(query.to_string(), |text, (name, value)| text.replace(name, value));
            all.push((title.to_string(), filled));
        }
    }
    all
}

/// Debian's Prometheus, or any on the PATH, on a port of its own.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    fn start(folder: &Path, target: SocketAddr) -> Result<Self> {
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: forebay\n  static_configs:\n  - targets: ['{target}']\n"
        );
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config)?;
        // The port is free a moment before Prometheus takes it, which is good enough on a loopback of one's own.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting prometheus (Debian's package will do)")?;
        let prometheus = Self { child, address };
        for _ in 0..START_TRIES {
            if prometheus.get("/-/ready").is_ok_and(|text| text.starts_with("HTTP/1.1 200")) {
                return Ok(prometheus);
            }
            std::thread::sleep(START_PAUSE);
        }
        bail!("prometheus is not ready")
    }

    /// Fails where a query is broken or has no data.
    fn ask(&self, query: &str) -> Result<()> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("/api/v1/query?query={encoded}"))?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let value: Value = serde_json::from_str(body).with_context(|| format!("an answer that says {body:?}"))?;
        if let Some(error) = value.get("error").and_then(Value::as_str) {
            bail!("{error}");
        }
        match value.pointer("/data/result").and_then(Value::as_array) {
            Some(series) if !series.is_empty() => Ok(()),
            _ => bail!("no data"),
        }
    }

    /// HTTP/1.0, so that the answer ends where the connection does and comes in one piece.
    fn get(&self, path: &str) -> Result<String> {
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(socket, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer.replacen("HTTP/1.0", "HTTP/1.1", 1))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_dashboard_has_queries_without_open_variables() {
        let board = include_str!("../../../dashboards/overview.json");
        let all = queries(&serde_json::from_str(board).expect("valid JSON"));
        assert!(all.len() > 30, "{} queries", all.len());
        assert!(all.iter().all(|(title, query)| !query.contains('$') && !title.is_empty()));
    }
}
