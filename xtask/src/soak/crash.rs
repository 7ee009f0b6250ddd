//! kill -9 under load: every acknowledged message must be there after the restart, under its sequence, unchanged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use forebay_conformance::clock::{Deadline, Stopwatch};
use forebay_conformance::connection::{Connection, Incoming};
use forebay_conformance::frame::{Frame, Message};
use forebay_conformance::server::{Dialect, Server, Target};
use forebay_conformance::setup::Setup;
use serde_json::Value;

use crate::checkout::Checkout;
use crate::process::{cargo, must_succeed};
use crate::soak::Options;

/// Rounds where the command does not say.
const ROUNDS: u32 = 15;
/// How many publishes wait for their ack at once.
const WINDOW: usize = 256;
/// How many reads wait for their answer at once.
const READ_WINDOW: usize = 128;
/// The shortest and the longest time under load; rounds go through the span in steps.
const LOAD_MS: std::ops::Range<u64> = 60..900;
/// A prime step through the span, so that rounds differ without randomness.
const LOAD_STEP_MS: u64 = 137;
/// An answer must come within this.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// How many older messages are read again each round.
const OLD_SAMPLES: usize = 2000;
/// How many broken messages a report names.
const SHOWN_MAX: usize = 5;
/// The stream under test.
const CREATE: &str = r#"{"name":"CRASH","subjects":["crash.>"],"storage":"file","num_replicas":1}"#;

/// What was acknowledged: sequence to payload number.
type Acked = BTreeMap<u64, u64>;

/// Runs the rounds; whether no acknowledged message was missing.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<bool> {
    let target = target(checkout, options)?;
    let temporary = tempfile::TempDir::new()?;
    let folder = options.folder.clone().unwrap_or_else(|| temporary.path().to_path_buf());
    let mut acked = Acked::new();
    let mut next = 1u64;
    let mut clean = true;
    let rounds = options.rounds.unwrap_or(ROUNDS);
    for round in 0..rounds {
        let span = LOAD_MS.end - LOAD_MS.start;
        let load = Duration::from_millis(LOAD_MS.start + u64::from(round) * LOAD_STEP_MS % span);
        let fresh = load_and_kill(&target, &folder, load, &mut next)?;
        let watch = Stopwatch::start();
        let server = Server::start(&target, Setup::JETSTREAM, &folder)?;
        let ready = watch.elapsed();
        let mut wanted = fresh.clone();
        let step = (acked.len() / OLD_SAMPLES).max(1);
        wanted.extend(acked.iter().step_by(step).map(|(seq, number)| (*seq, *number)));
        let broken = missing(server.address, &wanted)?;
        server.stop(false)?;
        println!(
            "round {:>3}: {:>6} acked in {load:?}, restart {ready:.0?}, {} read, {} wrong",
            round + 1,
            fresh.len(),
            wanted.len(),
            broken.len()
        );
        for line in broken.iter().take(SHOWN_MAX) {
            println!("    {line}");
        }
        clean &= broken.is_empty();
        acked.extend(fresh);
    }
    println!("crash: {rounds} rounds, {} acked messages, {}", acked.len(), verdict(clean));
    Ok(clean)
}

fn verdict(clean: bool) -> &'static str {
    if clean { "none missing" } else { "ACKED MESSAGES MISSING" }
}

fn target(checkout: &Checkout, options: &Options) -> Result<Target> {
    let program: PathBuf = match &options.server {
        Some(program) => program.clone(),
        None => {
            let mut build = cargo(&checkout.root);
            build.args(["build", "--release", "--package", "forebay", "--bin", "forebay"]);
            must_succeed(build)?;
            checkout.target.join("release").join("forebay")
        }
    };
    Ok(Target { label: "the server".into(), program, dialect: Dialect::Toml })
}

/// Publishes until the server dies under it; what was acknowledged.
fn load_and_kill(target: &Target, folder: &Path, load: Duration, next: &mut u64) -> Result<Acked> {
    let server = Server::start(target, Setup::JETSTREAM, folder)?;
    let address = server.address;
    let first = *next;
    let publisher = std::thread::spawn(move || publish_until_closed(address, first));
    std::thread::sleep(load);
    server.stop(true)?;
    let Ok(result) = publisher.join() else { bail!("the publisher died") };
    let (acked, last) = result?;
    *next = last;
    Ok(acked)
}

fn publish_until_closed(address: SocketAddr, first: u64) -> Result<(Acked, u64)> {
    let mut connection = Connection::open(address)?;
    connection.send(b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB ack.* 1\r\n");
    let create = format!("PUB $JS.API.STREAM.CREATE.CRASH ack.0 {}\r\n{CREATE}\r\n", CREATE.len());
    connection.send(create.as_bytes());
    // Publishes that overtake the stream's creation would find nobody listening.
    while !matches!(
        connection.next(Deadline::after(ANSWER_WAIT)),
        Incoming::Frame(Frame::Message(_)) | Incoming::TimedOut
    ) {}
    let mut acked = Acked::new();
    let (mut next, mut open) = (first, 0usize);
    loop {
        let mut burst = String::new();
        while open < WINDOW {
            let body = next.to_string();
            burst.push_str(&format!("PUB crash.{} ack.{next} {}\r\n{body}\r\n", next % 7, body.len()));
            (next, open) = (next + 1, open + 1);
        }
        connection.send(burst.as_bytes());
        match connection.next(Deadline::after(ANSWER_WAIT)) {
            Incoming::Frame(Frame::Message(message)) => {
                let number = number_of(&message)?;
                if number != 0 {
                    open -= 1;
                    acked.insert(sequence_of(&message)?, number);
                }
            }
            Incoming::Frame(Frame::Line(line)) if line == "PING" => connection.send(b"PONG\r\n"),
            Incoming::Frame(Frame::Line(line)) if line.starts_with("-ERR") => bail!("the server says {line}"),
            Incoming::Frame(_) => {}
            // A frame that the kill cut in two was not an ack.
            Incoming::Closed | Incoming::Broken(_) => return Ok((acked, next)),
            Incoming::TimedOut => bail!("no ack within {ANSWER_WAIT:?}"),
        }
    }
}

fn number_of(message: &Message) -> Result<u64> {
    let token = message.subject.rsplit('.').next().unwrap_or_default();
    token.parse().with_context(|| format!("the inbox {}", message.subject))
}

fn sequence_of(ack: &Message) -> Result<u64> {
    let text = String::from_utf8_lossy(&ack.payload);
    let value: Value = serde_json::from_str(&text).with_context(|| format!("an ack that says {text:?}"))?;
    if value.get("error").is_some() {
        bail!("a publish was refused: {text}");
    }
    value.get("seq").and_then(Value::as_u64).with_context(|| format!("an ack without a sequence: {text}"))
}

/// Reads messages by sequence and says which are not what was acknowledged.
fn missing(address: SocketAddr, wanted: &Acked) -> Result<Vec<String>> {
    let mut connection = Connection::open(address)?;
    connection.send(b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB get.* 1\r\n");
    let mut broken = Vec::new();
    let mut questions = wanted.keys();
    let mut open = 0usize;
    loop {
        let mut burst = String::new();
        while open < READ_WINDOW
            && let Some(seq) = questions.next()
        {
            let body = format!("{{\"seq\":{seq}}}");
            burst.push_str(&format!("PUB $JS.API.STREAM.MSG.GET.CRASH get.{seq} {}\r\n{body}\r\n", body.len()));
            open += 1;
        }
        if open == 0 {
            return Ok(broken);
        }
        connection.send(burst.as_bytes());
        match connection.next(Deadline::after(ANSWER_WAIT)) {
            Incoming::Frame(Frame::Message(message)) => {
                open -= 1;
                let seq = number_of(&message)?;
                if let Some(what) = wrong(&message, wanted.get(&seq).copied()) {
                    broken.push(format!("sequence {seq}: {what}"));
                }
            }
            Incoming::Frame(Frame::Line(line)) if line == "PING" => connection.send(b"PONG\r\n"),
            Incoming::Frame(_) => {}
            other => bail!("reading back: {other:?}"),
        }
    }
}

fn wrong(answer: &Message, number: Option<u64>) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.payload).into_owned();
    let value = serde_json::from_str::<Value>(&text).unwrap_or_default();
    let data = value.pointer("/message/data").and_then(Value::as_str);
    let expected = number.map(|number| base64(number.to_string().as_bytes()));
    (data.is_none() || data != expected.as_deref()).then_some(text)
}

/// Base64 with padding, for the few digits that a payload holds.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize];
            out.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_pads() {
        assert_eq!(
            [base64(b"1"), base64(b"12"), base64(b"123"), base64(b"1234")],
            ["MQ==", "MTI=", "MTIz", "MTIzNA=="]
        );
    }
}
