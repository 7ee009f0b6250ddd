//! Publishes a file of events line by line, each with its PubAck awaited, and says what became of them.
//!
//! Why: real events show more than made-up ones. Each message carries `Replay-Id: <loop>-<line>`, so that whoever
//! reads the stream can tell which events arrived, and how often; it has no Msg-Id, so nothing is hidden by the
//! duplicate window.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context, context::PublishAckFuture};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use tokio::sync::mpsc;

/// How many publishes wait for their ack at once.
const WINDOW: usize = 256;

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
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Begin again at the end of the file, until Ctrl-C or the time is over.
    #[arg(long = "loop")]
    again: bool,
    /// Stop after this time, such as 60s or 5m.
    #[arg(long = "for")]
    time: Option<SignedDuration>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let text = std::fs::read_to_string(&options.file).with_context(|| format!("reading {}", options.file.display()))?;
    let jetstream = jetstream::new(async_nats::connect(&options.url).await.context("is a server running?")?);
    let bar = if options.again { ProgressBar::no_length() } else { ProgressBar::new(text.lines().count() as u64) };
    bar.set_style(ProgressStyle::with_template("{wide_bar} {pos} acked, {per_sec}, {elapsed}")?);

    let (owed, mut acks) = mpsc::channel(WINDOW);
    let publishing = async {
        tokio::select! {
            ended = publish(&options, &text, &jetstream, owed) => ended,
            () = tokio::time::sleep(options.time.map_or(Duration::MAX, SignedDuration::unsigned_abs)) => Ok(()),
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    };
    let mut refused = Vec::new();
    let counting = async {
        while let Some(ack) = acks.recv().await {
            match ack.await {
                Ok(_) => bar.inc(1),
                Err(error) => refused.push(error.to_string()),
            }
        }
    };
    let (published, ()) = tokio::join!(publishing, counting);
    let (count, subject) = (bar.position(), &options.subject);
    bar.finish_and_clear();

    println!("{count} acked on {subject}, {} refused, in {:.1?}", refused.len(), bar.elapsed());
    refused.first().map_or(published, |first| bail!("the first refusal: {first}"))
}

/// Publishes the lines. `owed` gets each ack that is still to come, and has room for as many as may be under way.
async fn publish(
    options: &Options,
    text: &str,
    jetstream: &Context,
    owed: mpsc::Sender<PublishAckFuture>,
) -> Result<()> {
    let mut due = options.rate.map(|rate| tokio::time::interval(Duration::from_secs(1) / rate));
    for round in 1..=if options.again { u64::MAX } else { 1 } {
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(due) = &mut due {
                due.tick().await;
            }
            let place = owed.reserve().await?;
            let mut headers = HeaderMap::new();
            headers.insert("Replay-Id", format!("{round}-{number}"));
            let subject = options.subject.clone();
            place.send(jetstream.publish_with_headers(subject, headers, line.to_owned().into()).await?);
        }
    }
    Ok(())
}
