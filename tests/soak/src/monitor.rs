//! What a server says over HTTP: its health, its metrics.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// An answer must come within this.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// The body of an answer, and its status.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut socket = TcpStream::connect_timeout(&address, ANSWER_WAIT)?;
    socket.set_read_timeout(Some(ANSWER_WAIT))?;
    write!(socket, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer without a status")?;
    Ok((status, body.to_string()))
}

/// True if the server calls itself healthy.
pub(crate) fn is_healthy(address: SocketAddr) -> bool {
    get(address, "/healthz").is_ok_and(|(status, body)| status == 200 && body.contains("\"ok\""))
}

/// All metrics at one moment: `name{labels}` to value.
pub(crate) struct Metrics(HashMap<String, f64>);

impl Metrics {
    /// Asks for them.
    pub(crate) fn of(address: SocketAddr) -> Result<Self> {
        let (_, body) = get(address, "/metrics")?;
        let rows = body.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_string(), value.parse().ok()?))
        });
        Ok(Self(rows.collect()))
    }

    /// One value; 0 where there is none.
    pub(crate) fn value(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default() as u64
    }

    /// `forebay_plugin_errors_total` of one reason.
    pub(crate) fn errors(&self, plugin: &str, reason: &str) -> u64 {
        self.value(&format!("forebay_plugin_errors_total{{plugin=\"{plugin}\",reason=\"{reason}\"}}"))
    }

    /// `forebay_plugin_errors_total` of all reasons.
    pub(crate) fn all_errors(&self, plugin: &str) -> u64 {
        let prefix = format!("forebay_plugin_errors_total{{plugin=\"{plugin}\",");
        self.0.iter().filter(|(name, _)| name.starts_with(&prefix)).map(|(_, value)| *value as u64).sum()
    }

    /// `forebay_plugin_reloads_total` of one result.
    pub(crate) fn reloads(&self, plugin: &str, result: &str) -> u64 {
        self.value(&format!("forebay_plugin_reloads_total{{plugin=\"{plugin}\",result=\"{result}\"}}"))
    }

    /// A counter or gauge that has no label but the plugin.
    pub(crate) fn of_plugin(&self, name: &str, plugin: &str) -> u64 {
        self.value(&format!("forebay_plugin_{name}{{plugin=\"{plugin}\"}}"))
    }
}
