//! Plays a scenario against a server and writes down what came back.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::clock::Deadline;
use crate::connection::{Connection, Incoming};
use crate::frame::Frame;
use crate::limits::{DRIBBLE_PAUSE, FRAME_WAIT, FRAME_WAIT_AFTER_TIMEOUT};
use crate::mask;
use crate::scenario::{Act, Scenario, Step, hpub};
use crate::server::{Server, Target};
use crate::transcript::{Captured, Transcript, describe};

/// The subscription id that answers to requests come to.
const INBOX_SID: &str = "900";

/// Plays `scenario` on a fresh server of `target`.
pub fn play(target: &Target, scenario: &Scenario) -> Result<Transcript> {
    let folder = TempDir::new()?;
    let server = Server::start(target, scenario.setup, folder.path())?;
    let mut player = Player {
        target,
        scenario,
        folder,
        server: Some(server),
        connections: BTreeMap::new(),
        captured: Captured::new(),
        transcript: Transcript::default(),
        patience: FRAME_WAIT,
    };
    for (index, step) in scenario.steps.iter().enumerate() {
        player.step(index, step).with_context(|| format!("step {index} on {}: {:?}", step.on, step.act))?;
    }
    Ok(player.finish())
}

/// A connection and what has been seen on it.
struct Line {
    connection: Connection,
    /// Reply subjects in the order they came, for `${conn.reply.N}`.
    replies: Vec<String>,
    /// The body of the last answer to a request.
    answer: Vec<u8>,
    requests: u32,
    has_inbox: bool,
}

struct Player<'a> {
    target: &'a Target,
    scenario: &'a Scenario,
    server: Option<Server>,
    connections: BTreeMap<&'static str, Line>,
    captured: Captured,
    transcript: Transcript,
    patience: Duration,
    /// Dropped after the server, which would go on filling it.
    folder: TempDir,
}

/// Why reading ended.
#[derive(PartialEq, Eq)]
enum Ended {
    Satisfied,
    Otherwise,
}

impl Player<'_> {
    fn step(&mut self, index: usize, step: &Step) -> Result<()> {
        match &step.act {
            Act::Open => self.open(index, step.on)?,
            Act::Send(bytes) => {
                let bytes = self.fill_in(bytes)?;
                self.line(step.on)?.connection.send(&bytes);
            }
            Act::Dribble(bytes) => {
                let line = self.line(step.on)?;
                for byte in bytes {
                    line.connection.send(&[*byte]);
                    std::thread::sleep(DRIBBLE_PAUSE);
                }
            }
            Act::Sync => self.sync(index, step.on, false)?,
            Act::SyncUnordered => self.sync(index, step.on, true)?,
            Act::Expect(count) => self.expect(index, step.on, *count)?,
            Act::ExpectUnordered(count) => {
                let from = self.transcript.entries.len();
                self.expect(index, step.on, *count)?;
                self.sort_from(from);
            }
            Act::Quiet(wait) => self.quiet(index, step.on, *wait)?,
            Act::UntilClosed => self.until_closed(index, step.on)?,
            Act::FinishSending => self.line(step.on)?.connection.finish_sending(),
            Act::Close => {
                self.connections.remove(step.on);
            }
            Act::Request { subject, headers, body } => {
                self.request(index, step.on, subject, headers.as_deref(), body)?;
            }
            Act::Capture { pointer, name } => self.capture(step.on, pointer, name)?,
            Act::Wait(wait) => std::thread::sleep(*wait),
            Act::Restart { kill } => self.restart(index, *kill)?,
        }
        Ok(())
    }

    fn line(&mut self, on: &'static str) -> Result<&mut Line> {
        self.connections.get_mut(on).with_context(|| format!("connection {on} is not open"))
    }

    fn open(&mut self, index: usize, on: &'static str) -> Result<()> {
        let server = self.server.as_ref().context("the server is down")?;
        let connection = Connection::open(server.address)?;
        let line = Line { connection, replies: Vec::new(), answer: Vec::new(), requests: 0, has_inbox: false };
        self.connections.insert(on, line);
        self.read_until(index, on, |_| true)?;
        Ok(())
    }

    fn sync(&mut self, index: usize, on: &'static str, unordered: bool) -> Result<()> {
        let from = self.transcript.entries.len();
        self.line(on)?.connection.send(b"PING\r\n");
        self.read_until(index, on, |frame| *frame == Frame::Line("PONG".into()))?;
        if unordered {
            self.sort_from(from);
        }
        Ok(())
    }

    fn expect(&mut self, index: usize, on: &'static str, count: usize) -> Result<()> {
        for _ in 0..count {
            if self.read_until(index, on, |_| true)? == Ended::Otherwise {
                break;
            }
        }
        Ok(())
    }

    fn quiet(&mut self, index: usize, on: &'static str, wait: Duration) -> Result<()> {
        let deadline = Deadline::after(wait);
        loop {
            match self.line(on)?.connection.next(deadline) {
                Incoming::Frame(frame) => self.take(index, on, frame)?,
                Incoming::TimedOut => return Ok(()),
                Incoming::Closed => {
                    self.transcript.note(on, index, "(closed by the server)");
                    return Ok(());
                }
                Incoming::Broken(reason) => bail!(reason),
            }
        }
    }

    fn until_closed(&mut self, index: usize, on: &'static str) -> Result<()> {
        let deadline = Deadline::after(self.patience);
        loop {
            match self.line(on)?.connection.next(deadline) {
                Incoming::Frame(frame) => self.take(index, on, frame)?,
                Incoming::Closed => {
                    self.transcript.note(on, index, "(closed by the server)");
                    return Ok(());
                }
                Incoming::TimedOut => {
                    self.transcript.note(on, index, "(still open)");
                    self.patience = FRAME_WAIT_AFTER_TIMEOUT;
                    return Ok(());
                }
                Incoming::Broken(reason) => {
                    self.transcript.note(on, index, format!("(broken: {reason})"));
                    return Ok(());
                }
            }
        }
    }

    fn request(
        &mut self,
        index: usize,
        on: &'static str,
        subject: &str,
        headers: Option<&str>,
        body: &str,
    ) -> Result<()> {
        let subject = String::from_utf8(self.fill_in(subject.as_bytes())?)?;
        let body = String::from_utf8(self.fill_in(body.as_bytes())?)?;
        let line = self.line(on)?;
        line.requests += 1;
        let inbox = format!("_INBOX.{on}.{}", line.requests);
        let mut frame = String::new();
        if !line.has_inbox {
            line.has_inbox = true;
            frame.push_str(&format!("SUB _INBOX.{on}.* {INBOX_SID}\r\n"));
        }
        match headers {
            Some(headers) => frame.push_str(&hpub(&format!("{subject} {inbox}"), headers, &body)),
            None => frame.push_str(&format!("PUB {subject} {inbox} {}\r\n{body}\r\n", body.len())),
        }
        line.connection.send(frame.as_bytes());
        self.read_until(index, on, |frame| matches!(frame, Frame::Message(message) if message.subject == inbox))?;
        Ok(())
    }

    /// Reads and writes down frames up to one that `is_last` says yes to.
    fn read_until(&mut self, index: usize, on: &'static str, is_last: impl Fn(&Frame) -> bool) -> Result<Ended> {
        let deadline = Deadline::after(self.patience);
        loop {
            match self.line(on)?.connection.next(deadline) {
                // A server's own PING comes when it likes; answering it is all that a scenario does about it.
                Incoming::Frame(Frame::Line(line)) if line == "PING" => self.line(on)?.connection.send(b"PONG\r\n"),
                Incoming::Frame(frame) => {
                    let done = is_last(&frame);
                    self.take(index, on, frame)?;
                    if done {
                        return Ok(Ended::Satisfied);
                    }
                }
                Incoming::Closed => {
                    self.transcript.note(on, index, "(closed by the server)");
                    return Ok(Ended::Otherwise);
                }
                Incoming::TimedOut => {
                    self.transcript.note(on, index, "(nothing more came)");
                    self.patience = FRAME_WAIT_AFTER_TIMEOUT;
                    return Ok(Ended::Otherwise);
                }
                Incoming::Broken(reason) => {
                    self.transcript.note(on, index, format!("(broken: {reason})"));
                    return Ok(Ended::Otherwise);
                }
            }
        }
    }

    fn take(&mut self, index: usize, on: &'static str, frame: Frame) -> Result<()> {
        if frame == Frame::Line("PING".into()) {
            self.line(on)?.connection.send(b"PONG\r\n");
            return Ok(());
        }
        let lines = describe(&frame, &self.captured, self.scenario.equal_sids, self.scenario.info_fields);
        if let Frame::Message(message) = frame {
            let line = self.line(on)?;
            if message.sid == INBOX_SID {
                line.answer = message.payload;
            } else if let Some(reply) = message.reply {
                line.replies.push(reply);
            }
        }
        self.transcript.entries.push(crate::transcript::Entry { on: on.into(), step: index, lines });
        Ok(())
    }

    fn sort_from(&mut self, from: usize) {
        if let Some(entries) = self.transcript.entries.get_mut(from..) {
            entries.sort_by(|left, right| left.lines.cmp(&right.lines));
        }
    }

    fn capture(&mut self, on: &'static str, pointer: &str, name: &str) -> Result<()> {
        let answer: Value = serde_json::from_slice(&self.line(on)?.answer).context("the last answer is no JSON")?;
        let value = answer.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer}"))?;
        self.captured.insert(value.to_string(), name.to_string());
        // The answer that holds the value, and what came before it, is written down already.
        for line in self.transcript.entries.iter_mut().flat_map(|entry| &mut entry.lines) {
            *line = mask::captured(line, &self.captured);
        }
        Ok(())
    }

    /// Fills in `${name}` of captures and `${conn.reply.N}` (the N-th reply subject seen on a connection, from 1).
    fn fill_in(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(bytes.to_vec()) };
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}').context("a variable without its end")?;
            out.push_str(before);
            out.push_str(&self.variable(name)?);
            rest = tail;
        }
        out.push_str(rest);
        Ok(out.into_bytes())
    }

    fn variable(&self, name: &str) -> Result<String> {
        if let Some((on, number)) = name.split_once(".reply.") {
            let line = self.connections.get(on).with_context(|| format!("connection {on} is not open"))?;
            let number: usize = number.parse()?;
            let reply = number.checked_sub(1).and_then(|index| line.replies.get(index));
            return reply.cloned().with_context(|| format!("no reply subject {number} on {on}"));
        }
        let found = self.captured.iter().find(|(_, known)| *known == name);
        found.map(|(value, _)| value.clone()).with_context(|| format!("{name} was not captured"))
    }

    fn restart(&mut self, index: usize, kill: bool) -> Result<()> {
        if !kill {
            self.connections.clear();
        }
        if let Some(server) = self.server.take() {
            server.stop(kill)?;
        }
        self.connections.clear();
        self.server = Some(Server::start(self.target, self.scenario.setup, self.folder.path())?);
        self.transcript.note("-", index, "(restarted)");
        Ok(())
    }

    fn finish(self) -> Transcript {
        self.transcript
    }
}
