//! Transforms that fail: what the publisher sees by each policy, what is counted, and how the breaker opens and closes.

use anyhow::Result;
use forebay_conformance::clock::Stopwatch;
use futures::StreamExt;
use serde_json::Value;

use super::world::{
    ANSWER_WAIT, BREAKER_FAILURES, BREAKER_PAUSE, KINDS, Kind, PLUGIN, SILENCE, TRANSFORM_POLICIES, World,
};
use crate::report::{Cases, Report};

const PAYLOAD: &str = "{\"a\":1}";

/// What was seen, by demand.
#[derive(Default)]
struct Seen {
    stored: Cases,
    answered: Cases,
    unanswered: Cases,
    opened: Cases,
    refused: Cases,
    closed: Cases,
}

/// Runs all kinds under all policies.
pub(super) async fn run(world: &World, report: &mut Report) -> Result<()> {
    let mut seen = Seen::default();
    let before = world.metrics()?;
    for policy in TRANSFORM_POLICIES {
        for kind in &KINDS {
            stored(world, policy, kind, &mut seen).await?;
            answered(world, policy, kind, &mut seen).await?;
            unanswered(world, policy, kind, &mut seen).await?;
            breaker(world, policy, kind, &mut seen).await?;
        }
    }
    report.cases("a stream's publisher gets reject's error, pass's ack, drop's ack", &seen.stored);
    report.cases("a requester gets reject's error, pass's answer, drop's silence", &seen.answered);
    report.cases("without a reply, reject is a permissions violation, and the connection lives", &seen.unanswered);
    let after = world.metrics()?;
    let count = |reason: &str| after.errors(PLUGIN, reason) - before.errors(PLUGIN, reason);
    // To a stream five, to no stream two; the refused ones are counted apart.
    let cases = (TRANSFORM_POLICIES.len() as u64) * (BREAKER_FAILURES + 2);
    let (timeout, memory, panic, breaker) = (count("timeout"), count("memory"), count("panic"), count("breaker"));
    report.row(
        format!("errors_total: timeout and memory {}, panic {cases}, breaker 9", 2 * cases),
        format!("timeout {timeout}, memory {memory}, panic {panic}, breaker {breaker}"),
        timeout + memory == 2 * cases && memory > 0 && panic == cases && breaker == 9,
    );
    report.cases("the fifth failure opens the breaker: metric, log", &seen.opened);
    report.cases("an open breaker: the policy decides, no call", &seen.refused);
    report.cases("after its pause one call probes, and closes it: metric, log", &seen.closed);
    probe_fails(world, report).await
}

/// The answer of a stream, judged by the policy.
async fn is_right(world: &World, policy: &str, texts: &[&str], answer: &Value, last: (u64, u64)) -> Result<bool> {
    let seq = answer.get("seq").and_then(Value::as_u64);
    let now = world.stream("T").await?;
    let of_stream = answer.get("stream").and_then(Value::as_str) == Some("T");
    let error = answer.get("error");
    Ok(of_stream
        && match policy {
            "reject" => now == last && seq == Some(0) && is_rejection(answer, texts),
            "drop" => {
                now == last && seq == Some(last.0) && error.is_none() && answer.get("dropped") == Some(&true.into())
            }
            _ => now == (last.0 + 1, last.1 + 1) && seq == Some(now.0) && error.is_none(),
        })
}

/// True for an error of the request that begins with the plugin's name and tells one of the texts.
fn is_rejection(answer: &Value, texts: &[&str]) -> bool {
    let of = |key: &str| answer.pointer(&format!("/error/{key}"));
    let text = of("description").and_then(Value::as_str).unwrap_or_default();
    let told = text.starts_with(&format!("plugin {PLUGIN}: ")) && texts.iter().any(|one| text.contains(one));
    told && of("code") == Some(&400.into()) && of("err_code") == Some(&10003.into())
}

async fn stored(world: &World, policy: &str, kind: &Kind, seen: &mut Seen) -> Result<()> {
    let subject = format!("t.{policy}.{0}.x.{0}", kind.name);
    let last = world.stream("T").await?;
    let answer = world.ask_json(&subject, PAYLOAD).await?;
    let mut holds = is_right(world, policy, kind.texts, &answer, last).await?;
    if policy == "pass" {
        // As it was published, under its subject, and unstamped: no version judged it.
        let get = world.client.request("$JS.API.STREAM.MSG.GET.T", format!("{{\"seq\":{}}}", last.0 + 1).into());
        let got: Value = serde_json::from_slice(&get.await?.payload)?;
        let of = |key: &str| got.pointer(&format!("/message/{key}")).and_then(Value::as_str);
        // {"a":1} in base64.
        holds &= of("subject") == Some(&subject) && of("data") == Some("eyJhIjoxfQ==") && of("hdrs").is_none();
    }
    seen.stored.case(&subject, holds, answer);
    Ok(())
}

async fn answered(world: &World, policy: &str, kind: &Kind, seen: &mut Seen) -> Result<()> {
    let subject = format!("c.{policy}.{0}.x.{0}", kind.name);
    let mut asked = world.client.subscribe(subject.clone()).await?;
    world.settle().await?;
    let client = world.client.clone();
    let responder = tokio::spawn(async move {
        let message = asked.next().await?;
        client.publish(message.reply?, message.payload).await.ok()
    });
    let wait = if policy == "drop" { SILENCE } else { ANSWER_WAIT };
    let answer = world.ask(&subject, PAYLOAD, wait).await;
    let holds = match (policy, &answer) {
        ("drop", None) => true,
        ("pass", Some(answer)) => answer == PAYLOAD,
        ("reject", Some(answer)) => {
            serde_json::from_slice(answer).is_ok_and(|answer| is_rejection(&answer, kind.texts))
        }
        _ => false,
    };
    responder.abort();
    seen.answered.case(&subject, holds, format!("{answer:?}"));
    Ok(())
}

async fn unanswered(world: &World, policy: &str, kind: &Kind, seen: &mut Seen) -> Result<()> {
    let subject = format!("c.{policy}.{0}.x.{0}", kind.name);
    let mut heard = world.client.subscribe(subject.clone()).await?;
    world.settle().await?;
    world.take_errors();
    world.client.publish(subject.clone(), PAYLOAD.into()).await?;
    world.settle().await?;
    let arrived = tokio::time::timeout(SILENCE, heard.next()).await.is_ok();
    let errors = world.take_errors();
    let violation = format!("permissions violation for publish to \"{subject}\"");
    let told = errors.len() == 1 && errors[0].to_lowercase().contains(&violation);
    let holds = if policy == "reject" { told } else { errors.is_empty() };
    seen.unanswered.case(&subject, holds && arrived == (policy == "pass"), format!("{errors:?}, arrived: {arrived}"));
    Ok(())
}

/// Four more failures open the breaker; then no call is made; after its pause a good message closes it.
async fn breaker(world: &World, policy: &str, kind: &Kind, seen: &mut Seen) -> Result<()> {
    let bad = format!("t.{policy}.{0}.x.{0}", kind.name);
    let from = world.server.logged();
    let closed = world.open()?;
    for _ in 1..BREAKER_FAILURES {
        world.ask_json(&bad, PAYLOAD).await?;
    }
    let open = world.open()?;
    let line = world.server.wait_for(from, "breaker open", ANSWER_WAIT).unwrap_or_default();
    let holds = closed == 0 && open == 1 && line.contains("[WRN]") && line.contains(PLUGIN);
    seen.opened.case(&bad, holds, format!("{closed}, then {open} open, log {line:?}"));

    let (calls, last) = (world.metrics()?.of_plugin("invocations_total", PLUGIN), world.stream("T").await?);
    let watch = Stopwatch::start();
    let answer = world.ask_json(&bad, PAYLOAD).await?;
    let took = watch.elapsed();
    let calls = world.metrics()?.of_plugin("invocations_total", PLUGIN) - calls;
    let right = is_right(world, policy, &["failed too often"], &answer, last).await?;
    seen.refused.case(&bad, right && calls == 0, format!("{answer}, {calls} calls, in {took:?}"));

    tokio::time::sleep(BREAKER_PAUSE).await;
    let good = format!("t.{policy}.{}.x.ok", kind.name);
    let answer = world.ask_json(&good, PAYLOAD).await?;
    let line = world.server.wait_for(from, "breaker closed", ANSWER_WAIT).unwrap_or_default();
    let open = world.open()?;
    let holds = open == 0 && answer.get("error").is_none() && line.contains("[INF]");
    seen.closed.case(&good, holds, format!("{answer}, {open} open, log {line:?}"));
    Ok(())
}

/// A probe that fails doubles the pause.
async fn probe_fails(world: &World, report: &mut Report) -> Result<()> {
    let (bad, good) = ("t.reject.panic.x.panic", "t.reject.panic.x.ok");
    for _ in 0..BREAKER_FAILURES {
        world.ask_json(bad, PAYLOAD).await?;
    }
    let mut steps = Vec::new();
    // After one pause the probe; after another one the second is not over; after one more it is.
    for (wait, subject) in [(1, bad), (1, good), (1, good)] {
        tokio::time::sleep(BREAKER_PAUSE * wait).await;
        let answer = world.ask_json(subject, PAYLOAD).await?;
        steps.push(match answer.pointer("/error/description").and_then(Value::as_str) {
            Some(text) if text.contains("as it was told") => "called",
            Some(text) if text.contains("too often") => "not called",
            Some(_) => "another error",
            None => "stored",
        });
    }
    let open = world.open()?;
    let holds = steps == ["called", "not called", "stored"] && open == 0;
    report.row("a probe that fails: called, for 2 s not called, stored", steps.join(", "), holds);
    Ok(())
}
