//! Core NATS: publish, subscribe, request, queue groups, headers, sign-in.

use anyhow::{Context, Result, bail};
use async_nats::client::RequestErrorKind;
use async_nats::{ConnectOptions, HeaderMap};
use bytes::Bytes;
use forebay_client_stories::{PATIENCE, World, settled};
use forebay_conformance::setup::Setup;
use futures::StreamExt;
use tokio::time::timeout;

#[tokio::test]
async fn a_subscriber_gets_what_is_published() -> Result<()> {
    let world = World::core()?;
    let client = world.client().await?;
    let mut subscriber = client.subscribe("greet.*").await?;
    client.publish("other", "no".into()).await?;
    client.publish("greet.joe", "hello".into()).await?;
    let message = timeout(PATIENCE, subscriber.next()).await?.context("closed")?;
    assert_eq!((message.subject.as_str(), message.payload.as_ref()), ("greet.joe", &b"hello"[..]));
    Ok(())
}

#[tokio::test]
async fn a_request_is_answered() -> Result<()> {
    let world = World::core()?;
    let service = world.client().await?;
    let mut questions = service.subscribe("help").await?;
    settled(&service).await?;
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            if let Some(reply) = question.reply {
                let _ = service.publish(reply, question.payload).await;
            }
        }
    });
    let client = world.client().await?;
    for number in 0..50 {
        let answer = timeout(PATIENCE, client.request("help", number.to_string().into())).await??;
        assert_eq!(answer.payload, Bytes::from(number.to_string()));
    }
    Ok(())
}

#[tokio::test]
async fn a_request_that_nobody_hears_fails_at_once() -> Result<()> {
    let world = World::core()?;
    let client = world.client().await?;
    let Err(error) = timeout(PATIENCE, client.request("nobody", "".into())).await? else { bail!("answered") };
    assert_eq!(error.kind(), RequestErrorKind::NoResponders);
    Ok(())
}

#[tokio::test]
async fn headers_travel() -> Result<()> {
    let world = World::core()?;
    let client = world.client().await?;
    let mut subscriber = client.subscribe("with.headers").await?;
    let mut headers = HeaderMap::new();
    headers.insert("Colour", "blue");
    headers.append("Many", "1");
    headers.append("Many", "2");
    client.publish_with_headers("with.headers", headers.clone(), "body".into()).await?;
    let message = timeout(PATIENCE, subscriber.next()).await?.context("closed")?;
    assert_eq!(message.headers, Some(headers));
    Ok(())
}

#[tokio::test]
async fn a_queue_group_takes_each_message_once() -> Result<()> {
    const COUNT: usize = 1000;
    let world = World::core()?;
    let (sender, mut taken) = tokio::sync::mpsc::channel(COUNT * 2);
    for _ in 0..4 {
        let client = world.client().await?;
        let mut work = client.queue_subscribe("work", "workers".into()).await?;
        settled(&client).await?;
        let sender = sender.clone();
        tokio::spawn(async move {
            // The client lives as long as its subscription.
            let _client = client;
            while let Some(message) = work.next().await {
                let _ = sender.send(message.payload).await;
            }
        });
    }
    let publisher = world.client().await?;
    for number in 0..COUNT {
        publisher.publish("work", number.to_string().into()).await?;
    }
    publisher.flush().await?;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..COUNT {
        let payload = timeout(PATIENCE, taken.recv()).await?.context("closed")?;
        assert!(seen.insert(payload), "a message came twice");
    }
    Ok(())
}

#[tokio::test]
async fn order_is_kept_over_many_messages() -> Result<()> {
    // async-nats keeps 64 Ki messages for a slow reader and drops what comes then.
    const COUNT: u64 = 50_000;
    let world = World::core()?;
    let (publisher, client) = (world.client().await?, world.client().await?);
    let mut subscriber = client.subscribe("ordered").await?;
    settled(&client).await?;
    let publishing = tokio::spawn(async move {
        for number in 0..COUNT {
            publisher.publish("ordered", Bytes::copy_from_slice(&number.to_be_bytes())).await?;
        }
        publisher.flush().await?;
        anyhow::Ok(())
    });
    for number in 0..COUNT {
        let message = timeout(PATIENCE, subscriber.next()).await?.context("closed")?;
        assert_eq!(message.payload.as_ref(), number.to_be_bytes());
    }
    publishing.await?
}

#[tokio::test]
async fn a_subscription_ends_after_so_many() -> Result<()> {
    let world = World::core()?;
    let client = world.client().await?;
    let mut subscriber = client.subscribe("limited").await?;
    subscriber.unsubscribe_after(2).await?;
    for _ in 0..5 {
        client.publish("limited", "x".into()).await?;
    }
    client.flush().await?;
    let mut count = 0;
    while timeout(PATIENCE, subscriber.next()).await?.is_some() {
        count += 1;
    }
    assert_eq!(count, 2);
    Ok(())
}

#[tokio::test]
async fn a_large_message_arrives_whole() -> Result<()> {
    let world = World::core()?;
    let client = world.client().await?;
    let mut subscriber = client.subscribe("large").await?;
    let body: Bytes = (0..1_000_000u32).map(|number| number as u8).collect::<Vec<_>>().into();
    client.publish("large", body.clone()).await?;
    let message = timeout(PATIENCE, subscriber.next()).await?.context("closed")?;
    assert!(message.payload == body, "the payload changed");
    Ok(())
}

#[tokio::test]
async fn a_token_opens_the_door() -> Result<()> {
    let world = World::start(Setup::flags(&["--auth", "s3cret"]))?;
    let client = ConnectOptions::with_token("s3cret".into()).connect(world.url()?).await?;
    client.flush().await?;
    assert!(ConnectOptions::with_token("wrong".into()).connect(world.url()?).await.is_err());
    assert!(ConnectOptions::new().connect(world.url()?).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_user_and_a_password_open_the_door() -> Result<()> {
    let world = World::start(Setup::flags(&["--user", "ada", "--pass", "lovelace"]))?;
    let sign_in = |password: &str| ConnectOptions::with_user_and_password("ada".into(), password.into());
    sign_in("lovelace").connect(world.url()?).await?.flush().await?;
    assert!(sign_in("wrong").connect(world.url()?).await.is_err());
    Ok(())
}
