//! A server under test: a program started on a free loopback port in a folder of its own, stopped at the end.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::clock::Deadline;
use crate::limits::{LOG_LINES_MAX, START_WAIT, STOP_WAIT};
use crate::setup::Setup;

/// How often a stopping server is asked whether it has gone.
const EXIT_POLL: Duration = Duration::from_millis(5);

/// Which configuration language a program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// nats-server's own.
    Conf,
    /// Forebay's.
    Toml,
}

/// A program that can be started as a server.
#[derive(Clone, Debug)]
pub struct Target {
    /// How reports name it.
    pub label: String,
    /// The program.
    pub program: PathBuf,
    /// Its configuration language.
    pub dialect: Dialect,
}

/// A running server.
pub struct Server {
    child: Child,
    /// Where clients connect.
    pub address: SocketAddr,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Starts `target` in `folder` and waits until it says that it is ready.
    pub fn start(target: &Target, setup: Setup, folder: &Path) -> Result<Self> {
        let mut command = command(target, setup, folder)?;
        let mut child = command.spawn().with_context(|| format!("starting {}", target.program.display()))?;
        let stderr = child.stderr.take().context("no stderr")?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let ready = follow(stderr, Arc::clone(&log));
        match wait_until_ready(&ready) {
            Ok(address) => Ok(Self { child, address, log }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = log.lock().map(|log| Vec::from(log.clone()).join("\n")).unwrap_or_default();
                Err(error.context(format!("{} did not start; its log:\n{log}", target.label)))
            }
        }
    }

    /// Ends the server: in peace by SIGTERM, or at once.
    pub fn stop(mut self, kill: bool) -> Result<()> {
        if kill {
            self.child.kill()?;
            self.child.wait()?;
            return Ok(());
        }
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().context("sending SIGTERM")?;
        let deadline = Deadline::after(STOP_WAIT);
        while self.child.try_wait()?.is_none() {
            if deadline.left().is_none() {
                self.child.kill()?;
                self.child.wait()?;
                bail!("did not exit within {STOP_WAIT:?} of SIGTERM");
            }
            std::thread::sleep(EXIT_POLL);
        }
        Ok(())
    }

    /// The last lines of the server's log.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().map(|log| log.iter().cloned().collect()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(target: &Target, setup: Setup, folder: &Path) -> Result<Command> {
    let mut command = Command::new(&target.program);
    command.args(["-a", "127.0.0.1", "-p", "-1"]);
    if setup.jetstream {
        command.arg("-js").arg("-sd").arg(folder.join("store"));
    }
    let (file, text) = match target.dialect {
        Dialect::Conf => ("server.conf", setup.conf),
        Dialect::Toml => ("server.toml", setup.toml),
    };
    if !text.is_empty() {
        let path = folder.join(file);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        command.arg("-c").arg(path);
    }
    command.args(setup.flags);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    Ok(command)
}

/// Reads the log for as long as the server lives, so that it never blocks on it, and hands on the lines until ready.
fn follow(stderr: ChildStderr, log: Arc<Mutex<VecDeque<String>>>) -> Receiver<String> {
    let (sender, receiver) = sync_channel(LOG_LINES_MAX);
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Ok(mut log) = log.lock() {
                if log.len() == LOG_LINES_MAX {
                    log.pop_front();
                }
                log.push_back(line.clone());
            }
            // The receiver is gone once the server is ready; the log is still read.
            let _ = sender.try_send(line);
        }
    });
    receiver
}

fn wait_until_ready(lines: &Receiver<String>) -> Result<SocketAddr> {
    let deadline = Deadline::after(START_WAIT);
    let mut address = None;
    loop {
        let Some(left) = deadline.left() else { bail!("not ready within {START_WAIT:?}") };
        match lines.recv_timeout(left) {
            Ok(line) => {
                if let Some((_, text)) = line.split_once("Listening for client connections on ") {
                    address = Some(text.trim().parse().with_context(|| format!("address in {line:?}"))?);
                }
                if line.contains("Server is ready") {
                    return address.context("ready without a client address in the log");
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("exited"),
        }
    }
}
