//! A `forebay` process and what it says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Longer than any of these steps takes on a machine that does ten other things.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_forebay");

/// A process that is expected to end by itself.
pub(crate) fn run(line: &str) -> Output {
    run_as(Path::new(BINARY), line)
}

pub(crate) fn run_as(binary: &Path, line: &str) -> Output {
    Command::new(binary).args(words(line)).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Splits at spaces; `␣` stands for a space inside a word.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(|word| word.replace('␣', " ")).collect()
}

/// A running server.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Process {
    /// Starts one and waits until it is ready.
    pub(crate) fn start(line: &str) -> Process {
        let mut process = Process::spawn(Path::new(BINARY), line);
        process.line_with("Server is ready");
        process
    }

    pub(crate) fn spawn(binary: &Path, line: &str) -> Process {
        let mut child = Command::new(binary)
            .args(words(line))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = sync_channel(10_000);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Process { child, lines, seen: Vec::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line, old or new, that holds a text.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        if let Some(line) = self.seen.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with {text:?} in {:#?}", self.seen)
                }
            }
        }
    }

    /// What is logged up to now, without the times.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.seen
            .iter()
            .map(|line| line.split_once(" [").map_or(line.clone(), |(_, rest)| format!("[{rest}")))
            .collect()
    }

    /// The port at the end of `Listening for client connections on HOST:PORT`.
    pub(crate) fn client_port(&mut self) -> u16 {
        port_of(&self.line_with("Listening for client connections on "))
    }

    pub(crate) fn monitor_port(&mut self) -> u16 {
        port_of(&self.line_with("Starting http monitor on "))
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// The exit code after a signal; `None` where a signal killed it.
    pub(crate) fn stop(mut self, signal: &str) -> (Option<i32>, Vec<String>) {
        self.signal(signal);
        let code = self.child.wait().unwrap().code();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(2)) {
            self.seen.push(line);
        }
        (code, self.texts())
    }

    pub(crate) fn get(&mut self, path: &str) -> (u16, String, String) {
        get(self.monitor_port(), path)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port_of(line: &str) -> u16 {
    line.rsplit(':').next().unwrap().parse().unwrap()
}

/// Status, headers and body of one GET.
pub(crate) fn get(port: u16, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}
