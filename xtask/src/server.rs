//! A server that was started here: found ready by its ports file, and stopped as a person would.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

/// How often to look whether it is ready.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// What the ports file says: where the server can be reached.
#[derive(Deserialize)]
pub(crate) struct Ports {
    #[serde(rename = "nats")]
    clients: Vec<String>,
    #[serde(default)]
    monitoring: Vec<String>,
}

impl Ports {
    /// The URL for clients.
    pub(crate) fn client(&self) -> &str {
        self.clients.first().map_or("", String::as_str)
    }

    /// The URL of the monitoring endpoints; empty if there are none.
    pub(crate) fn monitoring(&self) -> &str {
        self.monitoring.first().map_or("", String::as_str)
    }
}

/// The server; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    path: std::path::PathBuf,
}

impl Server {
    /// Starts it; its ports file goes into `folder`.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Result<Self> {
        command.arg("--ports_file_dir").arg(folder);
        let child = command.spawn().context("starting the server")?;
        let path = folder.join(format!("forebay_{}.ports", child.id()));
        Ok(Self { child, path })
    }

    pub(crate) fn pid(&self) -> Result<Pid> {
        Pid::from_raw(i32::try_from(self.child.id())?).context("a process without an id")
    }

    /// Where it can be reached, once it is ready; nothing if it ended before, and has said why.
    pub(crate) fn ready(&mut self) -> Result<Option<Ports>> {
        while self.child.try_wait()?.is_none() {
            if let Ok(text) = std::fs::read_to_string(&self.path) {
                return Ok(Some(serde_json::from_str(&text).context("in the ports file")?));
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        Ok(None)
    }

    /// Waits until it ends; whether it ended well.
    pub(crate) fn wait(&mut self) -> Result<bool> {
        Ok(self.child.wait()?.success())
    }

    /// Stops it.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill_process(self.pid()?, Signal::TERM)?;
        if !self.wait()? {
            bail!("the server did not stop well");
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
