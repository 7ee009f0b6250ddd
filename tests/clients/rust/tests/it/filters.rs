//! What a consumer gets whose messages a plugin filters. `plugins/testbed` skips what ends in `skip`.

use anyhow::{Context as _, Result};
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull, push};
use async_nats::jetstream::context::CreateStreamErrorKind;
use async_nats::jetstream::stream::{Config, RetentionPolicy, Stream};
use async_nats::jetstream::{self, Context};
use forebay_client_stories::{LOOK_AGAIN, PATIENCE, World};
use futures::{StreamExt, TryStreamExt};
use tokio::time::timeout;

use crate::guest;

/// The consumer `f` of the stream `S` has a filter.
fn filtered(more: &str) -> String {
    guest::config(&format!("[[filters]]\nplugin = \"t\"\nstream = \"S\"\nconsumer = \"f\"\n{more}"))
}

async fn stream(context: &Context, retention: RetentionPolicy) -> Result<Stream> {
    let config = Config { name: "S".into(), subjects: vec!["s.>".into()], retention, ..Default::default() };
    Ok(context.create_stream(config).await?)
}

/// Publishes `count` messages of which every tenth, from the first on, is let through.
async fn publish(context: &Context, count: usize) -> Result<()> {
    let mut acks = Vec::new();
    for number in 0..count {
        let subject = if number % 10 == 0 { format!("s.{number}.keep") } else { format!("s.{number}.skip") };
        acks.push(context.publish(subject, number.to_string().into()).await?);
    }
    for ack in acks {
        ack.await?;
    }
    Ok(())
}

async fn consumer(stream: &Stream, name: &str) -> Result<PullConsumer> {
    Ok(stream.create_consumer(pull::Config { durable_name: Some(name.into()), ..Default::default() }).await?)
}

/// What CONSUMER.INFO says: `num_pending`, and what kind of number that is.
async fn pending(world: &World, name: &str) -> Result<(u64, Option<String>)> {
    let answer = world.client().await?.request(format!("$JS.API.CONSUMER.INFO.S.{name}"), "".into()).await?;
    let text = String::from_utf8(answer.payload.to_vec())?;
    let value = |key: &str| Some(text.split_once(&format!("\"{key}\":"))?.1.split([',', '}']).next()?.to_owned());
    let kind = value("forebay_num_pending").map(|kind| kind.trim_matches('"').to_owned());
    Ok((value("num_pending").context("no num_pending")?.parse()?, kind))
}

async fn until_pending(world: &World, name: &str, wanted: (u64, &str)) -> Result<()> {
    let mut seen = (0, None);
    for _ in 0..PATIENCE.as_millis() / LOOK_AGAIN.as_millis() {
        seen = pending(world, name).await?;
        if (seen.0, seen.1.as_deref()) == (wanted.0, Some(wanted.1)) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    anyhow::bail!("{name} has {seen:?}, not {wanted:?}")
}

fn kept(count: usize) -> Vec<String> {
    (0..count).step_by(10).map(|number| number.to_string()).collect()
}

fn text(message: &jetstream::Message) -> String {
    String::from_utf8_lossy(&message.payload).into_owned()
}

/// Fetches, and acks, until nothing is pending, as programs do that drain a consumer.
async fn drain(consumer: &mut PullConsumer) -> Result<Vec<String>> {
    let mut got = Vec::new();
    while consumer.info().await?.num_pending > 0 {
        let batch: Vec<_> = consumer
            .fetch()
            .max_messages(7)
            .messages()
            .await?
            .try_collect()
            .await
            .map_err(anyhow::Error::from_boxed)?;
        for message in batch {
            message.ack().await.map_err(anyhow::Error::from_boxed)?;
            got.push(text(&message));
        }
    }
    Ok(got)
}

#[tokio::test]
async fn a_pull_consumer_drains_to_zero_and_gets_only_what_is_let_through() -> Result<()> {
    let world = World::with_plugins(&filtered(""))?;
    let context = world.context().await?;
    let stream = stream(&context, RetentionPolicy::Limits).await?;
    publish(&context, 1000).await?;
    let (mut with, mut without) = (consumer(&stream, "f").await?, consumer(&stream, "all").await?);
    assert_eq!(timeout(PATIENCE, drain(&mut with)).await??, kept(1000));
    assert_eq!(pending(&world, "f").await?, (0, Some("exact".into())));
    assert_eq!(drain(&mut without).await?.len(), 1000);
    assert_eq!(pending(&world, "all").await?, (0, None), "no filter, no extra field");
    let row = "forebay_consumer_filtered_total{account=\"$G\",stream=\"S\",consumer=\"f\"}";
    assert_eq!(world.metric(row)?, 900.0);
    let info = with.info().await?;
    assert_eq!((info.num_ack_pending, info.delivered.consumer_sequence), (0, 100));
    Ok(())
}

#[tokio::test]
async fn num_pending_is_a_bound_until_everything_was_judged() -> Result<()> {
    let world = World::with_plugins(&filtered(""))?;
    let context = world.context().await?;
    let stream = stream(&context, RetentionPolicy::Limits).await?;
    publish(&context, 1000).await?;
    let created = world
        .client()
        .await?
        .request(
            "$JS.API.CONSUMER.CREATE.S.f",
            r#"{"stream_name":"S","config":{"name":"f","durable_name":"f"}}"#.into(),
        )
        .await?;
    let created = String::from_utf8(created.payload.to_vec())?;
    assert!(
        created.contains(r#""num_pending":1000,"#) && created.contains(r#""forebay_num_pending":"bound""#),
        "{created}"
    );
    // Of the first 64 messages 7 are let through, and the first of them waits for somebody.
    until_pending(&world, "f", (1000 - 64 + 7, "bound")).await?;
    let consumer: PullConsumer = stream.get_consumer("f").await.map_err(anyhow::Error::from_boxed)?;
    let mut messages = consumer.messages().await?;
    let mut last = u64::MAX;
    for number in kept(1000) {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        let left = message.info().map_err(anyhow::Error::from_boxed)?.pending;
        assert_eq!(text(&message), number);
        assert!(left < last, "{left} after {last}");
        last = left;
        message.ack().await.map_err(anyhow::Error::from_boxed)?;
    }
    // Nobody has to ask for what is left: it is judged ahead of demand.
    until_pending(&world, "f", (0, "exact")).await
}

#[tokio::test]
async fn a_push_consumer_gets_only_what_is_let_through() -> Result<()> {
    let world = World::with_plugins(&filtered(""))?;
    let context = world.context().await?;
    let stream = stream(&context, RetentionPolicy::Limits).await?;
    publish(&context, 300).await?;
    let config = push::Config {
        deliver_subject: "out".into(),
        durable_name: Some("f".into()),
        ack_policy: AckPolicy::Explicit,
        ..Default::default()
    };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    publish(&context, 300).await?;
    for number in kept(300).into_iter().chain(kept(300)) {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        assert_eq!(text(&message), number);
        message.ack().await.map_err(anyhow::Error::from_boxed)?;
    }
    until_pending(&world, "f", (0, "exact")).await
}

#[tokio::test]
async fn an_ordered_consumer_of_that_name_stays_in_order_over_what_is_skipped() -> Result<()> {
    let world = World::with_plugins(&filtered(""))?;
    let context = world.context().await?;
    let stream = stream(&context, RetentionPolicy::Limits).await?;
    publish(&context, 300).await?;
    let config = push::OrderedConfig { deliver_subject: "out".into(), name: Some("f".into()), ..Default::default() };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    for number in kept(300) {
        assert_eq!(text(&timeout(PATIENCE, messages.next()).await?.context("ended")??), number);
    }
    drop(messages);
    let _ = stream.delete_consumer("f").await;
    let config = pull::OrderedConfig { name: Some("f".into()), ..Default::default() };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    for number in kept(300) {
        assert_eq!(text(&timeout(PATIENCE, messages.next()).await?.context("ended")??), number);
    }
    Ok(())
}

#[tokio::test]
async fn on_error_decides_about_what_the_filter_cannot_judge() -> Result<()> {
    let world = World::with_plugins(&filtered("on_error = \"skip\""))?;
    let context = world.context().await?;
    let stream = stream(&context, RetentionPolicy::Limits).await?;
    let mut with = consumer(&stream, "f").await?;
    let publish = async |subjects: &[&'static str]| {
        for subject in subjects {
            context.publish(*subject, (*subject).into()).await?.await?;
        }
        anyhow::Ok(())
    };
    publish(&["s.undecided", "s.1", "s.panic", "s.2", "s.skip"]).await?;
    assert_eq!(drain(&mut with).await?, ["s.1", "s.2"]);
    world.reconfigure(&filtered("on_error = \"deliver\""), "Plugin filters a consumer").await?;
    publish(&["s.undecided", "s.3", "s.skip"]).await?;
    assert_eq!(drain(&mut with).await?, ["s.undecided", "s.3"]);
    // With `pause` the consumer waits at the message, and goes on when it is told what to do with it.
    world.reconfigure(&filtered("on_error = \"pause\""), "Plugin filters a consumer").await?;
    publish(&["s.4", "s.undecided", "s.5"]).await?;
    let mut messages = with.messages().await?;
    let mut next = async || {
        let message = timeout(PATIENCE, messages.next()).await?.context("ended")??;
        message.ack().await.map_err(anyhow::Error::from_boxed)?;
        anyhow::Ok(text(&message))
    };
    assert_eq!(next().await?, "s.4");
    until_pending(&world, "f", (2, "bound")).await?;
    world.reconfigure(&filtered("on_error = \"skip\""), "Plugin filters a consumer").await?;
    assert_eq!(next().await?, "s.5");
    until_pending(&world, "f", (0, "exact")).await
}

#[tokio::test]
async fn an_interest_stream_takes_a_skip_for_an_ack() -> Result<()> {
    let world = World::with_plugins(&filtered(""))?;
    let context = world.context().await?;
    let mut stream = stream(&context, RetentionPolicy::Interest).await?;
    let (mut with, mut without) = (consumer(&stream, "f").await?, consumer(&stream, "all").await?);
    publish(&context, 100).await?;
    assert_eq!(drain(&mut with).await?, kept(100));
    assert_eq!(stream.info().await?.state.messages, 100, "the other one has had none");
    assert_eq!(drain(&mut without).await?.len(), 100);
    let empty = async {
        while stream.info().await?.state.messages > 0 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, empty).await?
}

#[tokio::test]
async fn a_work_queue_with_a_filter_is_refused_unless_a_skip_acks() -> Result<()> {
    let world = World::with_plugins(&filtered(""))?;
    let context = world.context().await?;
    let error = stream(&context, RetentionPolicy::WorkQueue).await.err().context("it was made")?;
    let error = error.downcast::<jetstream::context::CreateStreamError>()?;
    let CreateStreamErrorKind::JetStream(refused) = error.kind() else { anyhow::bail!("{error}") };
    assert_eq!(refused.error_code().0, 10052);
    assert!(refused.to_string().contains("needs skip_acks = true on a work queue"), "{refused}");
    // Told so, it is taken, and what is skipped is gone.
    world.reconfigure(&filtered("skip_acks = true"), "Plugin filters a consumer").await?;
    let mut stream = stream(&context, RetentionPolicy::WorkQueue).await?;
    publish(&context, 100).await?;
    let mut with = consumer(&stream, "f").await?;
    assert_eq!(drain(&mut with).await?, kept(100));
    let empty = async {
        while stream.info().await?.state.messages > 0 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, empty).await??;
    // While it is there, the row cannot be taken back.
    world.reconfigure(&filtered(""), "The plugins are refused, the old ones go on").await?;
    assert_eq!(world.told("is a work queue, so what the filter of consumer")?, 1);
    publish(&context, 20).await?;
    assert_eq!(drain(&mut with).await?, kept(20));
    assert_eq!(world.metric("forebay_plugin_reloads_total{plugin=\"t\",result=\"failed\"}")?, 1.0);
    Ok(())
}

#[tokio::test]
async fn a_server_does_not_start_with_a_filter_that_would_eat_a_work_queue() -> Result<()> {
    let mut world = World::with_plugins("")?;
    let context = world.context().await?;
    let queue = stream(&context, RetentionPolicy::WorkQueue).await?;
    let _ = consumer(&queue, "f").await?;
    publish(&context, 20).await?;
    let refused = world.restart_with_plugins(&filtered("")).err().context("it started")?;
    assert!(format!("{refused:#}").contains("Can't load the plugins: the stream \"S\" is a work queue"), "{refused:#}");
    world.restart_with_plugins(&filtered("skip_acks = true"))?;
    let stream = world.context().await?.get_stream("S").await?;
    let mut with: PullConsumer = stream.get_consumer("f").await.map_err(anyhow::Error::from_boxed)?;
    assert_eq!(drain(&mut with).await?, kept(20));
    Ok(())
}
