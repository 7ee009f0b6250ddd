//! Filters that fail: what a consumer delivers by each policy.

use std::time::Duration;

use anyhow::Result;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, stream::Stream};
use futures::StreamExt;

use super::world::{BREAKER_FAILURES, FILTER_POLICIES, KINDS, Kind, PLUGIN, World, configuration};
use crate::report::{Cases, Report};

/// How long a fetch waits for more.
const FETCH_WAIT: Duration = Duration::from_millis(1_500);
/// A reload must have taken effect within this.
const RELOAD_WAIT: Duration = Duration::from_secs(10);
/// What each consumer's part of the stream holds: good and bad ones.
const ORDERS: [bool; 4] = [true, false, true, true];

/// Runs all kinds under all policies.
pub(super) async fn run(world: &World, report: &mut Report) -> Result<()> {
    let jetstream = jetstream::new(world.client.clone());
    let stream = jetstream.get_stream("F").await?;
    let before = world.metrics()?;
    let (mut delivered, mut resumed, mut opened) = (Cases::default(), Cases::default(), Cases::default());
    let mut paused = Vec::new();
    for policy in FILTER_POLICIES {
        for kind in &KINDS {
            let consumer = part(&jetstream, &stream, policy, kind).await?;
            let got = fetch(&consumer).await?;
            let left = consumer.get_info().await?;
            let left = (left.num_pending, left.num_ack_pending, left.ack_floor.stream_sequence);
            // With `pause` what stands before the bad message is delivered, and nothing behind it.
            let wanted = match policy {
                "deliver" => "ok bad ok ok",
                "skip" => "ok ok ok",
                _ => "ok",
            };
            let all = if policy == "pause" { left.0 >= 1 } else { left.0 == 0 };
            let case = format!("{policy} {}", kind.name);
            delivered.case(&case, got == wanted && all && left.1 == 0, format!("{got:?}, left {left:?}"));
            if policy == "pause" {
                paused.push((case, consumer));
            } else {
                breaker(world, &jetstream, &consumer, policy, kind, &mut opened).await?;
            }
        }
    }
    report.cases("a consumer delivers what its policy says, and goes on", &delivered);
    report.cases("a filter's breaker opens, and the policy decides", &opened);
    let counted: u64 = ["timeout", "memory", "panic"]
        .iter()
        .map(|reason| world.metrics().map(|now| now.errors(PLUGIN, reason) - before.errors(PLUGIN, reason)))
        .sum::<Result<u64>>()?;
    report.row("failed calls of filters are counted", counted, counted >= 2 * 9);
    let from = world.server.logged();
    std::fs::write(&world.config, configuration(&world.plugin, "deliver"))?;
    let reloaded = world.server.wait_for(from, "Plugins bound anew", RELOAD_WAIT).is_some();
    for (case, consumer) in paused {
        let got = fetch(&consumer).await?;
        let pending = consumer.get_info().await?.num_pending;
        resumed.case(case, reloaded && got == "bad ok ok" && pending == 0, format!("{got:?}, pending {pending}"));
    }
    report.cases("a paused consumer goes on when a reload says `deliver`", &resumed);
    Ok(())
}

/// Fills a consumer's part of the stream, and makes it.
async fn part(jetstream: &jetstream::Context, stream: &Stream, policy: &str, kind: &Kind) -> Result<PullConsumer> {
    for (number, is_good) in ORDERS.into_iter().enumerate() {
        publish(jetstream, policy, kind, number, is_good).await?;
    }
    let config = pull::Config {
        durable_name: Some(format!("{policy}_{}", kind.name)),
        filter_subject: format!("f.{policy}.{}.>", kind.name),
        ..Default::default()
    };
    Ok(stream.create_consumer(config).await?)
}

async fn publish(
    jetstream: &jetstream::Context,
    policy: &str,
    kind: &Kind,
    number: usize,
    is_good: bool,
) -> Result<()> {
    let order = if is_good { "ok" } else { kind.name };
    let subject = format!("f.{policy}.{}.{number}.{order}", kind.name);
    jetstream.publish(subject, if is_good { "ok" } else { "bad" }.into()).await?.await?;
    Ok(())
}

/// What a consumer hands out until it has nothing more, acked.
async fn fetch(consumer: &PullConsumer) -> Result<String> {
    let mut messages = consumer.batch().max_messages(100).expires(FETCH_WAIT).messages().await?;
    let mut got = Vec::new();
    while let Some(message) = messages.next().await {
        let message = message.map_err(|error| anyhow::anyhow!("{error}"))?;
        message.double_ack().await.map_err(|error| anyhow::anyhow!("{error}"))?;
        got.push(String::from_utf8_lossy(&message.payload).into_owned());
    }
    Ok(got.join(" "))
}

/// More bad messages than a breaker takes.
async fn breaker(
    world: &World,
    jetstream: &jetstream::Context,
    consumer: &PullConsumer,
    policy: &str,
    kind: &Kind,
    opened: &mut Cases,
) -> Result<()> {
    let count = 2 * BREAKER_FAILURES as usize;
    // Who skips needs nobody who asks.
    let before = (world.open()?, world.metrics()?.errors(PLUGIN, "breaker"));
    for number in 0..count {
        publish(jetstream, policy, kind, 100 + number, false).await?;
    }
    let got = fetch(consumer).await?;
    let after = (world.open()?, world.metrics()?.errors(PLUGIN, "breaker"));
    let pending = consumer.get_info().await?.num_pending;
    let wanted = if policy == "deliver" { vec!["bad"; count].join(" ") } else { String::new() };
    let holds = after.0 == before.0 + 1 && after.1 > before.1 && got == wanted && pending == 0;
    let seen = format!("open {before:?} then {after:?}, {got:?}, pending {pending}");
    opened.case(format!("{policy} {}", kind.name), holds, seen);
    Ok(())
}
