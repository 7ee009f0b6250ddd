//! Debian's Prometheus, or any on the PATH, on a port of its own: scrapes one server and answers queries.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How often Prometheus may be asked whether it is ready, and how far apart.
const START_TRIES: u32 = 100;
/// See [`START_TRIES`].
const START_PAUSE: Duration = Duration::from_millis(100);
/// An answer comes within this.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// Prometheus, running; dropping it ends it.
pub(super) struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts it over `target`, with its files in `folder`.
    pub(super) fn start(folder: &Path, target: SocketAddr) -> Result<Self> {
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: forebay\n  static_configs:\n  - targets: ['{target}']\n"
        );
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config)?;
        // The port is free a moment before Prometheus takes it, which is good enough on a loopback of one's own.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting prometheus: `apt-get install prometheus`")?;
        let prometheus = Self { child, address };
        for _ in 0..START_TRIES {
            if get(prometheus.address, "/-/ready").is_ok() {
                return Ok(prometheus);
            }
            std::thread::sleep(START_PAUSE);
        }
        bail!("prometheus is not ready")
    }

    /// The series that a query yields, without those that have no number to show.
    pub(super) fn series(&self, query: &str) -> Result<usize> {
        let data = self.ask(&format!("/api/v1/query?query={}", encoded(query)))?;
        let series = data.get("result").and_then(Value::as_array).context("no result")?;
        let number = |one: &&Value| one.pointer("/value/1").and_then(Value::as_str).is_some_and(|value| value != "NaN");
        Ok(series.iter().filter(number).count())
    }

    /// The values of a label among the series that a selector names, as Grafana asks for them.
    pub(super) fn label_values(&self, selector: &str, label: &str) -> Result<usize> {
        let data = self.ask(&format!("/api/v1/label/{label}/values?match[]={}", encoded(selector)))?;
        Ok(data.as_array().context("no list")?.len())
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let body = get(self.address, path)?;
        let mut answer: Value = serde_json::from_str(&body).with_context(|| format!("an answer that says {body:?}"))?;
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            bail!("{error}");
        }
        Ok(answer.get_mut("data").context("an answer without data")?.take())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The body that a GET yields. HTTP/1.0, so that the answer ends where the connection does and comes in one piece.
pub(super) fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(ANSWER_WAIT))?;
    write!(socket, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    // Prometheus says what is wrong with a query in the body.
    if status == "200" || body.starts_with('{') { Ok(body.to_owned()) } else { bail!("{path}: status {status}") }
}
