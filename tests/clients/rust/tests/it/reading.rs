//! Looking at streams and single messages, changing and removing them.

use anyhow::Result;
use async_nats::HeaderMap;
use async_nats::jetstream::stream::Config;
use async_nats::jetstream::{Context, stream::Stream};
use forebay_client_stories::World;
use futures::TryStreamExt;

async fn filled(context: &Context, config: Config) -> Result<Stream> {
    let config = Config { name: "S".into(), subjects: vec!["foo.>".into()], ..config };
    let stream = context.create_stream(config).await?;
    for (subject, body) in [("foo.a", "1"), ("foo.b", "2"), ("foo.a", "3")] {
        let mut headers = HeaderMap::new();
        headers.insert("Body", body);
        context.publish_with_headers(subject, headers, body.into()).await?.await?;
    }
    Ok(stream)
}

#[tokio::test]
async fn messages_are_read_by_sequence_and_by_subject() -> Result<()> {
    let world = World::jetstream()?;
    let stream = filled(&world.context().await?, Config::default()).await?;
    let second = stream.get_raw_message(2).await?;
    assert_eq!((second.subject.as_str(), second.payload.as_ref()), ("foo.b", &b"2"[..]));
    let last = stream.get_last_raw_message_by_subject("foo.a").await?;
    assert_eq!((last.sequence, last.headers.get("Body").map(|value| value.as_str())), (3, Some("3")));
    assert!(stream.get_raw_message(9).await.is_err());
    Ok(())
}

#[tokio::test]
async fn messages_are_read_directly() -> Result<()> {
    let world = World::jetstream()?;
    let stream = filled(&world.context().await?, Config { allow_direct: true, ..Default::default() }).await?;
    assert_eq!(stream.direct_get(1).await?.payload.as_ref(), b"1");
    let last = stream.direct_get_last_for_subject("foo.a").await?;
    assert_eq!((last.sequence, last.payload.as_ref()), (3, &b"3"[..]));
    assert!(stream.direct_get(9).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_deleted_message_is_gone() -> Result<()> {
    let world = World::jetstream()?;
    let mut stream = filled(&world.context().await?, Config::default()).await?;
    assert!(stream.delete_message(2).await?);
    assert!(stream.get_raw_message(2).await.is_err());
    let state = &stream.info().await?.state;
    assert_eq!((state.messages, state.first_sequence, state.last_sequence), (2, 1, 3));
    Ok(())
}

#[tokio::test]
async fn a_purge_takes_what_it_is_told() -> Result<()> {
    let world = World::jetstream()?;
    let mut stream = filled(&world.context().await?, Config::default()).await?;
    assert_eq!(stream.purge().filter("foo.a").await?.purged, 2);
    assert_eq!(stream.purge().await?.purged, 1);
    let state = &stream.info().await?.state;
    assert_eq!((state.messages, state.first_sequence, state.last_sequence), (0, 4, 3));
    Ok(())
}

#[tokio::test]
async fn streams_are_listed_changed_and_deleted() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    for name in ["TWO", "ONE"] {
        let config = Config { name: name.into(), subjects: vec![format!("{name}.>")], ..Default::default() };
        context.create_stream(config).await?;
    }
    let mut names = context.stream_names().try_collect::<Vec<_>>().await?;
    names.sort();
    assert_eq!(names, ["ONE", "TWO"]);
    let config = Config { name: "ONE".into(), subjects: vec!["ONE.>".into()], max_messages: 7, ..Default::default() };
    assert_eq!(context.update_stream(&config).await?.config.max_messages, 7);
    assert_eq!(context.stream_by_subject("TWO.x").await?, "TWO");
    context.delete_stream("ONE").await?;
    assert!(context.get_stream("ONE").await.is_err());
    Ok(())
}

#[tokio::test]
async fn get_or_create_makes_a_stream_once() -> Result<()> {
    let world = World::jetstream()?;
    let context = world.context().await?;
    let config = Config { name: "S".into(), subjects: vec!["foo.>".into()], ..Default::default() };
    for _ in 0..2 {
        assert_eq!(context.get_or_create_stream(config.clone()).await?.cached_info().config.name, "S");
    }
    assert_eq!(context.query_account().await?.streams, 1);
    Ok(())
}
