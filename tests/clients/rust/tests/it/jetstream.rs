//! JetStream: publish with acks, consumers, acks, redelivery, durability.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull, push};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{AckKind, Context, context::PublishErrorKind};
use forebay_client_stories::{PATIENCE, World};
use futures::{StreamExt, TryStreamExt};
use tokio::time::timeout;

/// How long a story waits to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(400);

async fn stream(context: &Context, config: Config) -> Result<Stream> {
    Ok(context.create_stream(Config { name: "S".into(), subjects: vec!["foo.>".into()], ..config }).await?)
}

async fn publish(context: &Context, count: usize) -> Result<()> {
    for number in 1..=count {
        let ack = context.publish(format!("foo.{number}"), number.to_string().into()).await?.await?;
        assert_eq!((ack.stream.as_str(), ack.sequence), ("S", number as u64));
    }
    Ok(())
}

async fn durable(stream: &Stream, config: pull::Config) -> Result<PullConsumer> {
    Ok(stream.create_consumer(pull::Config { durable_name: Some("D".into()), ..config }).await?)
}

#[tokio::test]
async fn what_is_published_is_consumed_in_order() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let stream = stream(&context, Config::default()).await?;
    publish(&context, 25).await?;
    let mut consumer = durable(&stream, pull::Config::default()).await?;
    let mut messages = consumer.messages().await?;
    for number in 1..=25u64 {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        let info = message.info().map_err(anyhow::Error::from_boxed)?;
        assert_eq!((info.stream_sequence, info.pending, info.delivered), (number, 25 - number, 1));
        message.double_ack().await.map_err(anyhow::Error::from_boxed)?;
    }
    let info = consumer.info().await?;
    assert_eq!((info.num_pending, info.num_ack_pending, info.ack_floor.stream_sequence), (0, 0, 25));
    Ok(())
}

#[tokio::test]
async fn many_publishes_in_flight_are_all_acked() -> Result<()> {
    const COUNT: usize = 5000;
    let world = World::jetstream()?;
    let context = world.context().await?;
    let mut stream = stream(&context, Config::default()).await?;
    let mut acks = Vec::with_capacity(COUNT);
    for number in 0..COUNT {
        acks.push(context.publish("foo.x", number.to_string().into()).await?);
    }
    for (index, ack) in acks.into_iter().enumerate() {
        assert_eq!(ack.await?.sequence, index as u64 + 1);
    }
    assert_eq!(stream.info().await?.state.messages, COUNT as u64);
    Ok(())
}

#[tokio::test]
async fn a_push_consumer_delivers() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let stream = stream(&context, Config::default()).await?;
    publish(&context, 3).await?;
    let config = push::Config {
        deliver_subject: "out".into(),
        durable_name: Some("P".into()),
        ack_policy: AckPolicy::Explicit,
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await?;
    let mut messages = consumer.messages().await?;
    for number in 1..=3 {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        assert_eq!(message.payload.as_ref(), number.to_string().as_bytes());
        message.ack().await.map_err(anyhow::Error::from_boxed)?;
    }
    Ok(())
}

#[tokio::test]
async fn ordered_consumers_read_everything() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let stream = stream(&context, Config::default()).await?;
    publish(&context, 300).await?;
    let pushed = push::OrderedConfig { deliver_subject: "ordered".into(), ..Default::default() };
    let mut messages = stream.create_consumer(pushed).await?.messages().await?;
    for number in 1..=300 {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        assert_eq!(message.payload.as_ref(), number.to_string().as_bytes());
    }
    let mut messages = stream.create_consumer(pull::OrderedConfig::default()).await?.messages().await?;
    for number in 1..=300 {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        assert_eq!(message.payload.as_ref(), number.to_string().as_bytes());
    }
    Ok(())
}

#[tokio::test]
async fn fetch_takes_what_is_there_and_returns() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let stream = stream(&context, Config::default()).await?;
    publish(&context, 4).await?;
    let consumer = durable(&stream, pull::Config::default()).await?;
    let fetched: Vec<_> =
        timeout(PATIENCE, consumer.fetch().max_messages(10).messages().await?.try_collect::<Vec<_>>())
            .await?
            .map_err(anyhow::Error::from_boxed)?;
    assert_eq!(fetched.len(), 4);
    Ok(())
}

#[tokio::test]
async fn a_batch_waits_for_its_expiry() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let stream = stream(&context, Config::default()).await?;
    publish(&context, 2).await?;
    let consumer = durable(&stream, pull::Config::default()).await?;
    let batch = consumer.batch().max_messages(10).expires(Duration::from_millis(500)).messages().await?;
    let got = timeout(PATIENCE, batch.try_collect::<Vec<_>>()).await?.map_err(anyhow::Error::from_boxed)?;
    assert_eq!(got.len(), 2);
    Ok(())
}

#[tokio::test]
async fn ids_are_told_apart() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let mut stream = stream(&context, Config::default()).await?;
    for (id, duplicate) in [("one", false), ("two", false), ("one", true)] {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let ack = context.publish_with_headers("foo.x", headers, "x".into()).await?.await?;
        assert_eq!(ack.duplicate, duplicate, "{id}");
    }
    assert_eq!(stream.info().await?.state.messages, 2);
    Ok(())
}

#[tokio::test]
async fn a_wrong_expectation_is_refused() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    stream(&context, Config::default()).await?;
    publish(&context, 2).await?;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Sequence", "1");
    let Err(error) = context.publish_with_headers("foo.x", headers, "x".into()).await?.await else { bail!("taken") };
    assert_eq!(error.kind(), PublishErrorKind::WrongLastSequence);
    Ok(())
}

#[tokio::test]
async fn an_unacked_message_comes_again() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let stream = stream(&context, Config::default()).await?;
    publish(&context, 1).await?;
    let config = pull::Config { ack_wait: Duration::from_millis(400), max_deliver: 2, ..Default::default() };
    let mut messages = durable(&stream, config).await?.messages().await?;
    for delivered in 1..=2 {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        assert_eq!(message.info().map_err(anyhow::Error::from_boxed)?.delivered, delivered);
    }
    assert!(timeout(Duration::from_secs(1), messages.next()).await.is_err(), "more often than max_deliver");
    Ok(())
}

#[tokio::test]
async fn a_nak_brings_it_back_and_a_term_does_not() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let stream = stream(&context, Config::default()).await?;
    publish(&context, 2).await?;
    let mut messages = durable(&stream, pull::Config::default()).await?.messages().await?;
    for kind in [AckKind::Nak(None), AckKind::Term] {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        message.ack_with(kind).await.map_err(anyhow::Error::from_boxed)?;
    }
    let again = timeout(PATIENCE, messages.next()).await?.context("ended")??;
    assert_eq!(again.payload.as_ref(), b"1");
    again.ack().await.map_err(anyhow::Error::from_boxed)?;
    assert!(timeout(SILENCE, messages.next()).await.is_err());
    Ok(())
}

#[tokio::test]
async fn max_ack_pending_holds_back() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let stream = stream(&context, Config::default()).await?;
    publish(&context, 5).await?;
    let config = pull::Config { max_ack_pending: 2, ..Default::default() };
    let mut messages = durable(&stream, config).await?.messages().await?;
    let first = timeout(PATIENCE, messages.next()).await?.context("ended")??;
    let _second = timeout(PATIENCE, messages.next()).await?.context("ended")??;
    assert!(timeout(SILENCE, messages.next()).await.is_err(), "more than max_ack_pending");
    first.ack().await.map_err(anyhow::Error::from_boxed)?;
    timeout(PATIENCE, messages.next()).await?.context("ended")??;
    Ok(())
}

#[tokio::test]
async fn a_filter_shows_its_messages_only() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let stream = stream(&context, Config::default()).await?;
    publish(&context, 9).await?;
    let config = pull::Config { filter_subjects: vec!["foo.3".into(), "foo.7".into()], ..Default::default() };
    let mut consumer = durable(&stream, config).await?;
    assert_eq!(consumer.info().await?.num_pending, 2);
    let mut messages = consumer.messages().await?;
    for subject in ["foo.3", "foo.7"] {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        assert_eq!(message.subject.as_str(), subject);
    }
    Ok(())
}

#[tokio::test]
async fn a_consumer_begins_where_it_is_told() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let stream = stream(&context, Config::default()).await?;
    publish(&context, 5).await?;
    let starts = [
        (DeliverPolicy::All, vec![1, 2, 3, 4, 5]),
        (DeliverPolicy::Last, vec![5]),
        (DeliverPolicy::New, vec![]),
        (DeliverPolicy::ByStartSequence { start_sequence: 4 }, vec![4, 5]),
    ];
    for (deliver_policy, expected) in starts {
        let config = pull::Config { deliver_policy, ack_policy: AckPolicy::None, ..Default::default() };
        let consumer: PullConsumer = stream.create_consumer(config).await?;
        let batch = consumer.fetch().max_messages(10).messages().await?;
        let got = timeout(PATIENCE, batch.try_collect::<Vec<_>>()).await?.map_err(anyhow::Error::from_boxed)?;
        let sequences: Vec<u64> =
            got.iter().filter_map(|message| message.info().ok()).map(|i| i.stream_sequence).collect();
        assert_eq!(sequences, expected, "{deliver_policy:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_full_stream_drops_or_refuses() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let mut dropping = stream(&context, Config { max_messages: 2, ..Default::default() }).await?;
    publish(&context, 3).await?;
    assert_eq!(dropping.info().await?.state.first_sequence, 2);
    let config = Config {
        name: "R".into(),
        subjects: vec!["bar".into()],
        max_messages: 1,
        discard: DiscardPolicy::New,
        storage: StorageType::Memory,
        ..Default::default()
    };
    context.create_stream(config).await?;
    context.publish("bar", "1".into()).await?.await?;
    assert!(context.publish("bar", "2".into()).await?.await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_work_queue_forgets_what_is_acked() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let mut stream = stream(&context, Config { retention: RetentionPolicy::WorkQueue, ..Default::default() }).await?;
    publish(&context, 3).await?;
    let mut messages = durable(&stream, pull::Config::default()).await?.messages().await?;
    for _ in 0..3 {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        message.double_ack().await.map_err(anyhow::Error::from_boxed)?;
    }
    // The message goes a moment after the ack, on nats-server too.
    timeout(PATIENCE, async {
        while stream.info().await?.state.messages > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    })
    .await?
}

#[tokio::test]
async fn what_is_acked_outlives_a_kill() -> Result<()> {
    const COUNT: usize = 500;
    let mut world = World::jetstream()?;
    let context = world.context().await?;
    stream(&context, Config::default()).await?;
    publish(&context, COUNT).await?;
    world.kill_and_restart()?;
    let context = world.context().await?;
    let mut stream = context.get_stream("S").await?;
    assert_eq!(stream.info().await?.state.messages, COUNT as u64);
    for number in [1, COUNT as u64 / 2, COUNT as u64] {
        let message = stream.get_raw_message(number).await?;
        assert_eq!(message.payload.as_ref(), number.to_string().as_bytes());
    }
    Ok(())
}
