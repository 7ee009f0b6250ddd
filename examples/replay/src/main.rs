//! Publishes a file of events line by line, each with its PubAck awaited, and says what became of them.
//!
//! Why: real events show more than made-up ones. Each message carries `Replay-Id: <loop>-<line>`, so that whoever
//! reads the stream can tell which events arrived, and how often; it has no Msg-Id, so nothing is hidden by the
//! duplicate window. `cargo run --release -p replay -- --help` names the options.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_nats::HeaderMap;
use async_nats::jetstream::{self, context::PublishAckFuture};
use clap::Parser;
use futures::stream::{FuturesUnordered, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};

#[derive(Parser)]
struct Options {
    /// The events, one a line.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/strikes.jsonl"))]
    file: PathBuf,
    /// Where they are published.
    #[arg(long, default_value = "faa.strikes")]
    subject: String,
    /// The server.
    #[arg(long, default_value = "nats://127.0.0.1:4222")]
    url: String,
    /// Events a second; without it, as fast as acks come.
    #[arg(long)]
    rate: Option<f64>,
    /// Begin again at the end of the file.
    #[arg(long = "loop")]
    again: bool,
    /// Stop after this time, such as 60s or 5m.
    #[arg(long = "for", value_parser = duration)]
    limit: Option<Duration>,
    /// How many publishes wait for their ack at once.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    window: u32,
}

#[derive(Default)]
struct Outcome {
    published: u64,
    acked: u64,
    refused: u64,
    first_refusal: Option<String>,
    waits: Vec<Duration>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let text = std::fs::read_to_string(&options.file).with_context(|| format!("reading {}", options.file.display()))?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        bail!("{} has no events", options.file.display());
    }
    if options.again && options.limit.is_none() {
        println!("looping until Ctrl-C; give --for to end by itself");
    }
    let client = async_nats::connect(&options.url).await.context("is a server running?")?;
    let bar = bar(&options, lines.len() as u64)?;
    let started = now();
    let outcome = replay(&options, &lines, &client, &bar, started).await?;
    bar.finish_and_clear();
    report(&options, &outcome, started.elapsed())
}

async fn replay(
    options: &Options,
    lines: &[&str],
    client: &async_nats::Client,
    bar: &ProgressBar,
    started: Instant,
) -> Result<Outcome> {
    let jetstream = jetstream::new(client.clone());
    let mut outcome = Outcome::default();
    let mut waiting = FuturesUnordered::new();
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    let rounds = if options.again { u64::MAX } else { 1 };
    'all: for round in 1..=rounds {
        for (index, line) in lines.iter().enumerate() {
            if options.limit.is_some_and(|limit| started.elapsed() >= limit) {
                break 'all;
            }
            let due =
                options.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(outcome.published as f64 / rate));
            // Acks are taken while the next event is not due, or while the window is full.
            loop {
                let left = due.saturating_sub(started.elapsed());
                let is_full = waiting.len() >= options.window as usize;
                if left.is_zero() && !is_full {
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(left), if !is_full => {}
                    Some(done) = waiting.next() => count(&mut outcome, done, bar),
                    _ = &mut stop => break 'all,
                }
            }
            let mut headers = HeaderMap::new();
            headers.insert("Replay-Id", format!("{round}-{}", index + 1));
            let sent = now();
            let ack = jetstream.publish_with_headers(options.subject.clone(), headers, line.to_string().into()).await?;
            outcome.published += 1;
            waiting.push(acknowledged(ack, sent));
        }
    }
    while let Some(done) = waiting.next().await {
        count(&mut outcome, done, bar);
    }
    Ok(outcome)
}

type Done = (Result<(), String>, Duration);

async fn acknowledged(ack: PublishAckFuture, sent: Instant) -> Done {
    let result = ack.await.map(|_| ()).map_err(|error| error.to_string());
    (result, sent.elapsed())
}

fn count(outcome: &mut Outcome, (result, wait): Done, bar: &ProgressBar) {
    bar.inc(1);
    match result {
        Ok(()) => {
            outcome.acked += 1;
            outcome.waits.push(wait);
        }
        Err(error) => {
            outcome.refused += 1;
            outcome.first_refusal.get_or_insert(error);
        }
    }
}

fn report(options: &Options, outcome: &Outcome, took: Duration) -> Result<()> {
    let rate = outcome.acked as f64 / took.as_secs_f64().max(0.001);
    println!("published {} events on {} in {:.1} s", outcome.published, options.subject, took.as_secs_f64());
    println!("acked {} ({rate:.0}/s), refused {}", outcome.acked, outcome.refused);
    let mut waits = outcome.waits.clone();
    waits.sort_unstable();
    if let (Some(middle), Some(late)) = (waits.get(waits.len() / 2), waits.get(waits.len() * 99 / 100)) {
        println!("ack after {middle:.1?} (p50), {late:.1?} (p99)");
    }
    match &outcome.first_refusal {
        Some(refusal) => bail!("{} events were not stored; the first: {refusal}", outcome.refused),
        None => Ok(()),
    }
}

fn bar(options: &Options, lines: u64) -> Result<ProgressBar> {
    let bar = if options.again { ProgressBar::new_spinner() } else { ProgressBar::new(lines) };
    let template = "{wide_bar} {pos} acked, {per_sec}, {elapsed}";
    let endless = "{spinner} {pos} acked, {per_sec}, {elapsed}";
    bar.set_style(ProgressStyle::with_template(if options.again { endless } else { template })?);
    Ok(bar)
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    let number: f64 = number.parse().map_err(|_| format!("{text:?} does not begin with a number"))?;
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit: ms, s, m, h")),
    };
    Ok(Duration::from_secs_f64(number * scale))
}

// A program that measures how long acks take has to look at the clock.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
