//! A server under test: started on a configuration, its log followed, its memory and CPU time read from the system.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use forebay_conformance::clock::Deadline;

use crate::monitor::{Metrics, is_healthy};

/// It must be ready within this.
const START_WAIT: Duration = Duration::from_secs(30);
/// It must end within this of SIGTERM.
const STOP_WAIT: Duration = Duration::from_secs(20);
/// How often something is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where its metrics are.
    pub(crate) monitor: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

/// A thread's times since it was started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadTimes {
    /// CPU time.
    pub(crate) ran: Duration,
    /// For a CPU, while it had something to do.
    pub(crate) waited: Duration,
}

impl Server {
    /// Starts `program` on a configuration that takes free ports, and waits until it is ready.
    pub(crate) fn start(program: &Path, config: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let stderr = child.stderr.take().context("no stderr")?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Ok(mut lines) = lines.lock() {
                    lines.push(line);
                }
            }
        });
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, address: unknown, monitor: unknown, log };
        if server.wait_for(0, "Server is ready", START_WAIT).is_none() {
            bail!("it did not start; its log:\n{}", server.lines_from(0).join("\n"));
        }
        server.address = server.address_after("Listening for client connections on ")?;
        server.monitor = server.address_after("Starting http monitor on ")?;
        Ok(server)
    }

    fn address_after(&self, text: &str) -> Result<SocketAddr> {
        let line = self.wait_for(0, text, Duration::ZERO).with_context(|| format!("no line with {text:?}"))?;
        let (_, address) = line.split_once(text).context("the line was there")?;
        address.trim().parse().with_context(|| format!("the address in {line:?}"))
    }

    /// Where clients connect, as they want it.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// How many lines it has logged.
    pub(crate) fn logged(&self) -> usize {
        self.log.lock().map_or(0, |log| log.len())
    }

    /// The lines from a number on.
    pub(crate) fn lines_from(&self, from: usize) -> Vec<String> {
        self.log.lock().map_or_else(|_| Vec::new(), |log| log.iter().skip(from).cloned().collect())
    }

    /// The first line from a number on that has a text, once it comes.
    pub(crate) fn wait_for(&self, from: usize, text: &str, wait: Duration) -> Option<String> {
        let deadline = Deadline::after(wait);
        loop {
            let found = self.lines_from(from).into_iter().find(|line| line.contains(text));
            if found.is_some() || deadline.left().is_none() {
                return found;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Its metrics now.
    pub(crate) fn metrics(&self) -> Result<Metrics> {
        Metrics::of(self.monitor)
    }

    /// True if it calls itself healthy.
    pub(crate) fn is_healthy(&self) -> bool {
        is_healthy(self.monitor)
    }

    /// Resident memory in MiB: now, and the most it ever was.
    pub(crate) fn memory_mib(&self) -> Result<(u64, u64)> {
        let status = std::fs::read_to_string(self.proc("status"))?;
        let of = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        let (now, most) = (of("VmRSS:"), of("VmHWM:"));
        Ok((now.context("no VmRSS")? >> 10, most.context("no VmHWM")? >> 10))
    }

    /// What the thread with this name has used, and waited for. The system adds it up when the thread stops running.
    pub(crate) fn thread_times(&self, name: &str) -> Result<ThreadTimes> {
        for task in std::fs::read_dir(self.proc("task"))? {
            let task = task?.path();
            if std::fs::read_to_string(task.join("comm"))?.trim() == name {
                let stat = std::fs::read_to_string(task.join("schedstat"))?;
                let mut numbers = stat.split(' ').map_while(|ns| ns.trim().parse().ok()).map(Duration::from_nanos);
                let (ran, waited) = (numbers.next(), numbers.next());
                return Ok(ThreadTimes { ran: ran.context("no time")?, waited: waited.context("no wait")? });
            }
        }
        bail!("it has no thread {name}")
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }

    /// Ends it by SIGTERM; its exit code.
    pub(crate) fn stop(mut self) -> Result<Option<i32>> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().context("sending SIGTERM")?;
        let deadline = Deadline::after(STOP_WAIT);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            if deadline.left().is_none() {
                bail!("it did not end within {STOP_WAIT:?} of SIGTERM");
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
