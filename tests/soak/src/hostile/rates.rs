//! What an open breaker costs others: their rate, in windows with the plugin and without it, in turn.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::Client;
use forebay_conformance::clock::Stopwatch;
use futures::StreamExt;

use super::world::{PLUGIN, TIMEOUT};
use crate::report::Report;
use crate::server::Server;

/// Windows of each kind.
const WINDOWS: usize = 7;
/// What is demanded of the median of their ratios.
const RATIO_MIN: f64 = 0.9;
/// Messages under way at most.
const UNDER_WAY: u64 = 4_096;
/// Bytes of a message.
const PAYLOAD: [u8; 128] = [b'x'; 128];
/// Between two messages to the plugin's subject.
const HOSTILE_EVERY: Duration = Duration::from_millis(1);

/// A server, with or without the plugin, and its clients.
struct Side {
    server: Server,
    publisher: Client,
    hostile: Client,
    received: Arc<AtomicU64>,
}

/// Compares.
pub(super) async fn run(
    program: &Path,
    plugin: &Path,
    folder: &Path,
    window: Duration,
    report: &mut Report,
) -> Result<()> {
    let bound = format!(
        "[plugins.{PLUGIN}]\nfile = \"{}\"\ntimeout = \"{}ms\"\n\
         [[transforms]]\nplugin = \"{PLUGIN}\"\nsubjects = [\"h.>\"]\non_error = \"drop\"\n",
        plugin.display(),
        TIMEOUT.as_millis()
    );
    let with = Side::start(program, &folder.join("with.toml"), &bound).await?;
    let without = Side::start(program, &folder.join("without.toml"), "").await?;
    with.open_breaker().await?;
    println!("{WINDOWS} windows of {window:?} with the plugin's breaker open, {WINDOWS} without the plugin, in turn");
    let (mut rates, mut ratios, mut always_open) = ([Vec::new(), Vec::new()], Vec::new(), true);
    for number in 0..WINDOWS {
        // Who begins changes, too: what comes second may find a warmer machine, or a busier one.
        let (a, b) = match number % 2 {
            0 => {
                let a = with.window(window).await?;
                (a, without.window(window).await?)
            }
            _ => {
                let b = without.window(window).await?;
                (with.window(window).await?, b)
            }
        };
        always_open &= with.server.metrics()?.of_plugin("breaker_open", PLUGIN) == 1;
        rates[0].push(a);
        rates[1].push(b);
        ratios.push(a / b);
    }
    let [with_rate, without_rate] = rates.map(median);
    let ratio = with_rate / without_rate;
    report.row(
        format!("other subjects' rate with the breaker open, at least {RATIO_MIN} of that without the plugin"),
        format!(
            "{ratio:.3} ({with_rate:.0}/s of {without_rate:.0}/s; pairs {:.3}, from {:.3} to {:.3})",
            median(ratios.clone()),
            ratios.iter().copied().fold(f64::MAX, f64::min),
            ratios.iter().copied().fold(0.0, f64::max)
        ),
        ratio >= RATIO_MIN,
    );
    report.row("the breaker was open in each window", always_open, always_open);
    Ok(())
}

impl Side {
    async fn start(program: &Path, config: &Path, more: &str) -> Result<Self> {
        let text = format!("listen = \"127.0.0.1:-1\"\n[http]\nlisten = \"127.0.0.1:-1\"\n{more}");
        std::fs::write(config, text)?;
        let server = Server::start(program, config)?;
        let connect = || async_nats::connect(server.url());
        let (publisher, hostile, subscriber) = (connect().await?, connect().await?, connect().await?);
        let received = Arc::new(AtomicU64::new(0));
        let mut messages = subscriber.subscribe("o.>").await?;
        subscriber.flush().await?;
        let count = Arc::clone(&received);
        tokio::spawn(async move {
            // The client lives as long as its subscription is read.
            let _subscriber = subscriber;
            while messages.next().await.is_some() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { server, publisher, hostile, received })
    }

    async fn open_breaker(&self) -> Result<()> {
        for _ in 0..100 {
            self.hostile.publish("h.x.loop", "{}".into()).await?;
            self.hostile.flush().await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.server.metrics()?.of_plugin("breaker_open", PLUGIN) == 1 {
                return Ok(());
            }
        }
        None.context("the breaker did not open")
    }

    /// Messages a second on other subjects, while the plugin's subject is published to.
    async fn window(&self, window: Duration) -> Result<f64> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, client) = (Arc::clone(&stop), self.hostile.clone());
        let hostile = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                client.publish("h.x.loop", "{}".into()).await?;
                tokio::time::sleep(HOSTILE_EVERY).await;
            }
            Ok::<(), anyhow::Error>(())
        });
        let first = self.received.load(Ordering::Relaxed);
        let (watch, mut sent) = (Stopwatch::start(), 0);
        while watch.elapsed() < window {
            if sent - (self.received.load(Ordering::Relaxed) - first) >= UNDER_WAY {
                tokio::task::yield_now().await;
                continue;
            }
            for _ in 0..64 {
                self.publisher.publish(format!("o.{}", sent % 16), PAYLOAD.as_slice().into()).await?;
                sent += 1;
            }
        }
        let took = watch.elapsed();
        let count = self.received.load(Ordering::Relaxed) - first;
        stop.store(true, Ordering::Relaxed);
        hostile.await??;
        // What is under way belongs to no window.
        while self.received.load(Ordering::Relaxed) - first < sent {
            self.publisher.flush().await?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(count as f64 / took.as_secs_f64())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
