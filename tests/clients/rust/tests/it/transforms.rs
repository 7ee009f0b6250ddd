//! What a publisher and its subscribers see of a plugin that rewrites, rejects, drops or fails. The last token of a
//! subject says what `plugins/testbed` does.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{Context, context::PublishErrorKind};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, Subscriber};
use forebay_client_stories::{LOOK_AGAIN, PATIENCE, World, settled};
use futures::StreamExt;
use tokio::sync::mpsc::channel;
use tokio::time::timeout;

use crate::guest;

/// How long a story waits to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(400);

/// Everything below `t.` goes through the plugin.
fn world(more: &str) -> Result<World> {
    World::with_plugins(&guest::config(&format!("[[transforms]]\nplugin = \"t\"\nsubjects = [\"t.>\"]\n{more}")))
}

async fn stream(context: &Context) -> Result<Stream> {
    let subjects = ["t.>", "renamed", "copy"].map(String::from).to_vec();
    Ok(context.create_stream(Config { name: "S".into(), subjects, ..Default::default() }).await?)
}

/// The next message that is no answer to somebody else.
async fn next(subscriber: &mut Subscriber) -> Result<Message> {
    loop {
        let message = timeout(PATIENCE, subscriber.next()).await?.context("closed")?;
        if !message.subject.starts_with("_INBOX.") {
            return Ok(message);
        }
    }
}

async fn all(client: &Client) -> Result<Subscriber> {
    let subscriber = client.subscribe(">").await?;
    settled(client).await?;
    Ok(subscriber)
}

fn with_id(id: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    headers
}

#[tokio::test]
async fn a_message_that_passes_is_as_it_was() -> Result<()> {
    let world = world("")?;
    let (client, publisher) = (world.client().await?, world.client().await?);
    let mut subscriber = client.subscribe("t.*").await?;
    settled(&client).await?;
    let mut headers = HeaderMap::new();
    headers.insert("A", "1");
    publisher.publish_with_reply_and_headers("t.x", "back", headers.clone(), "hello".into()).await?;
    let message = next(&mut subscriber).await?;
    assert_eq!((message.subject.as_str(), message.payload.as_ref()), ("t.x", &b"hello"[..]));
    assert_eq!((message.reply.as_deref(), message.headers), (Some("back"), Some(headers)));
    Ok(())
}

#[tokio::test]
async fn a_rewritten_message_is_seen_under_its_new_subject_only() -> Result<()> {
    let world = world("")?;
    let (client, publisher) = (world.client().await?, world.client().await?);
    let mut old = client.subscribe("t.>").await?;
    let mut new = client.subscribe("renamed").await?;
    settled(&client).await?;
    for number in 0..3 {
        publisher.publish("t.rename", number.to_string().into()).await?;
        let message = next(&mut new).await?;
        assert_eq!(message.payload.as_ref(), number.to_string().as_bytes());
    }
    publisher.publish("t.x", "end".into()).await?;
    assert_eq!(next(&mut old).await?.subject.as_str(), "t.x");
    Ok(())
}

#[tokio::test]
async fn a_rewritten_request_is_answered_by_whoever_has_the_new_subject() -> Result<()> {
    let world = world("")?;
    let (service, client) = (world.client().await?, world.client().await?);
    let mut questions = service.subscribe("renamed").await?;
    settled(&service).await?;
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            if let Some(reply) = question.reply {
                let _ = service.publish(reply, question.payload).await;
            }
        }
    });
    let answer = timeout(PATIENCE, client.request("t.rename", "42".into())).await??;
    assert_eq!(answer.payload.as_ref(), b"42");
    Ok(())
}

#[tokio::test]
async fn a_rejected_message_gets_the_reason_where_somebody_waits_for_it() -> Result<()> {
    let world = world("")?;
    let context = world.context().await?;
    let mut stream = stream(&context).await?;
    let error = context.publish("t.reject", "x".into()).await?.await.err().context("it was acked")?;
    assert_eq!(error.kind(), PublishErrorKind::Other);
    assert!(error.to_string().contains("rejected on demand"), "{error}");
    let answer = timeout(PATIENCE, world.client().await?.request("t.reject", "x".into())).await??;
    let answer = String::from_utf8(answer.payload.to_vec())?;
    assert!(answer.contains(r#""description":"rejected on demand""#), "{answer}");
    assert_eq!(stream.info().await?.state.messages, 0);
    Ok(())
}

#[tokio::test]
async fn a_rejected_message_without_a_reply_is_a_violation_that_the_client_survives() -> Result<()> {
    let world = world("")?;
    let (sender, mut events) = channel(64);
    let told = move |event| {
        let sender = sender.clone();
        async move {
            let _ = sender.send(event).await;
        }
    };
    let client = ConnectOptions::new().event_callback(told).connect(world.url()?).await?;
    let mut subscriber = all(&client).await?;
    client.publish("t.reject", "x".into()).await?;
    client.publish("t.x", "still here".into()).await?;
    while next(&mut subscriber).await?.payload.as_ref() != b"still here" {}
    loop {
        match timeout(PATIENCE, events.recv()).await?.context("closed")? {
            Event::ServerError(error) => {
                let text = error.to_string().to_lowercase();
                assert!(text.contains(r#"permissions violation for publish to "t.reject""#), "{text}");
                break;
            }
            Event::Connected => {}
            other => bail!("{other}"),
        }
    }
    assert_eq!(client.connection_state(), async_nats::connection::State::Connected);
    Ok(())
}

#[tokio::test]
async fn a_dropped_message_is_acked_by_the_stream_that_would_have_had_it() -> Result<()> {
    let world = world("")?;
    let context = world.context().await?;
    let mut stream = stream(&context).await?;
    assert_eq!(context.publish("t.x", "1".into()).await?.await?.sequence, 1);
    let ack = context.publish("t.drop", "2".into()).await?.await?;
    assert_eq!((ack.stream.as_str(), ack.sequence, ack.duplicate), ("S", 1, false));
    let raw = timeout(PATIENCE, world.client().await?.request("t.drop", "3".into())).await??;
    let raw = String::from_utf8(raw.payload.to_vec())?;
    assert!(raw.contains(r#""dropped":true"#), "{raw}");
    assert_eq!(stream.info().await?.state.messages, 1);
    Ok(())
}

#[tokio::test]
async fn a_dropped_message_that_no_stream_wants_is_silence() -> Result<()> {
    let world = world("")?;
    let (client, publisher) = (world.client().await?, world.client().await?);
    assert!(timeout(SILENCE, publisher.request("t.drop", "x".into())).await.is_err(), "nobody listens, nobody says so");
    let mut subscriber = all(&client).await?;
    assert!(timeout(SILENCE, publisher.request("t.drop", "x".into())).await.is_err());
    publisher.publish("t.x", "end".into()).await?;
    assert_eq!(next(&mut subscriber).await?.subject.as_str(), "t.x");
    Ok(())
}

#[tokio::test]
async fn one_message_becomes_two_and_the_second_has_an_id_of_its_own() -> Result<()> {
    let world = world("")?;
    let context = world.context().await?;
    let mut stream = stream(&context).await?;
    for round in 0..3 {
        let ack = context.publish_with_headers("t.twice", with_id("m"), "one".into()).await?.await?;
        assert_eq!((ack.sequence, ack.duplicate), (1, round > 0), "round {round}");
    }
    assert_eq!(stream.info().await?.state.messages, 2);
    let (first, second) = (stream.get_raw_message(1).await?, stream.get_raw_message(2).await?);
    assert_eq!((first.subject.as_str(), first.payload.as_ref()), ("t.twice", &b"one"[..]));
    assert_eq!((second.subject.as_str(), second.payload.as_ref()), ("copy", &b"copied"[..]));
    let id = |headers: &HeaderMap| headers.get("Nats-Msg-Id").map(|id| id.as_str().to_owned());
    assert_eq!((id(&first.headers).as_deref(), id(&second.headers).as_deref()), (Some("m"), Some("m/2")));
    Ok(())
}

#[tokio::test]
async fn an_id_is_kept_through_a_rewrite_so_a_retry_is_a_duplicate() -> Result<()> {
    let world = world("")?;
    let context = world.context().await?;
    let mut stream = stream(&context).await?;
    let mut acks = Vec::new();
    for _ in 0..20 {
        for id in ["a", "b"] {
            acks.push(context.publish_with_headers("t.rename", with_id(id), id.into()).await?);
        }
    }
    let mut duplicates = 0;
    for (number, ack) in acks.into_iter().enumerate() {
        let ack = ack.await?;
        assert_eq!(ack.sequence, number as u64 % 2 + 1);
        duplicates += usize::from(ack.duplicate);
    }
    assert_eq!((duplicates, stream.info().await?.state.messages), (38, 2));
    assert_eq!(stream.get_raw_message(2).await?.subject.as_str(), "renamed");
    Ok(())
}

#[tokio::test]
async fn what_is_stored_survives_a_kill_as_the_plugin_made_it_and_is_not_transformed_again() -> Result<()> {
    let mut world = world("stamp = true")?;
    let context = world.context().await?;
    let _ = stream(&context).await?;
    for number in 0..100 {
        let ack = context.publish_with_headers("t.twice", with_id(&number.to_string()), "x".into()).await?.await?;
        assert_eq!(ack.sequence, 2 * number + 1);
    }
    world.kill_and_restart()?;
    let stream = world.context().await?.get_stream("S").await?;
    for sequence in 1..=200 {
        let message = stream.get_raw_message(sequence).await?;
        assert_eq!(message.subject.as_str(), if sequence % 2 == 1 { "t.twice" } else { "copy" });
        assert_eq!(message.headers.get_all("Forebay-Plugin").count(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_stamp_says_which_plugin_let_a_message_through() -> Result<()> {
    let world = world("stamp = true")?;
    let (client, publisher) = (world.client().await?, world.client().await?);
    let mut subscriber = all(&client).await?;
    for (subject, stamped) in [("t.x", true), ("t.rename", true), ("other", false)] {
        publisher.publish(subject, "x".into()).await?;
        let message = next(&mut subscriber).await?;
        let stamp = message.headers.as_ref().and_then(|headers| headers.get("Forebay-Plugin"));
        assert_eq!(stamp.is_some(), stamped, "{subject}");
        let Some((name, rest)) = stamp.and_then(|stamp| stamp.as_str().split_once('@')) else { continue };
        assert_eq!((name, rest.len(), &rest[8..]), ("t", 10, "/1"), "{rest}");
    }
    Ok(())
}

#[tokio::test]
async fn on_error_decides_about_what_the_plugin_fails_on() -> Result<()> {
    for (on_error, arrives) in [("reject", false), ("pass", true), ("drop", false)] {
        let world = world(&format!("on_error = \"{on_error}\""))?;
        let (client, publisher) = (world.client().await?, world.client().await?);
        let mut subscriber = all(&client).await?;
        for subject in ["t.fail", "t.panic", "t.subject", "t.x"] {
            publisher.publish(subject, subject.into()).await?;
        }
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| last != "t.x") {
            seen.push(next(&mut subscriber).await?.subject.to_string());
        }
        let all = ["t.fail", "t.panic", "t.subject", "t.x"];
        assert_eq!(seen, if arrives { &all[..] } else { &all[3..] }, "{on_error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_fails_too_often_is_not_asked_for_a_while_and_then_again() -> Result<()> {
    let world = world("")?;
    let client = world.client().await?;
    let mut subscriber = all(&client).await?;
    let ask = |subject: &'static str| timeout(PATIENCE, client.request(subject, "x".into()));
    for _ in 0..5 {
        let answer = ask("t.panic").await??.payload;
        assert!(String::from_utf8(answer.to_vec())?.contains("as it was told"));
    }
    assert_eq!(world.metric("forebay_plugin_breaker_open{plugin=\"t\"}")?, 1.0);
    let answer = ask("t.x").await??.payload;
    let answer = String::from_utf8(answer.to_vec())?;
    assert!(answer.contains("plugin t: it failed too often and is not called for a while"), "{answer}");
    // Other subjects have nothing to do with it.
    client.publish("other", "x".into()).await?;
    while next(&mut subscriber).await?.subject.as_str() != "other" {}
    // After the first pause of a second one call probes, and its success closes the breaker.
    let mut passed = false;
    for _ in 0..PATIENCE.as_millis() / LOOK_AGAIN.as_millis() {
        client.publish_with_reply("t.x", "nobody", "again".into()).await?;
        let mut message = next(&mut subscriber).await?;
        while !["t.x", "nobody"].contains(&message.subject.as_str()) {
            message = next(&mut subscriber).await?;
        }
        passed = message.subject.as_str() == "t.x";
        if passed {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    assert!(passed, "the breaker never closed");
    assert_eq!(world.metric("forebay_plugin_breaker_open{plugin=\"t\"}")?, 0.0);
    assert_eq!(world.metric("forebay_plugin_errors_total{plugin=\"t\",reason=\"panic\"}")?, 5.0);
    Ok(())
}
