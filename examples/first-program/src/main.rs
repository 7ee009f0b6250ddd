//! The first program with JetStream: a stream that keeps three days, a publisher, a subscriber that acks.
//!
//! Why: it shows that a program written for nats-server runs here unchanged. It prints the same on both:
//!
//! ```text
//! cargo run -p first-program            # only what is published from now on
//! cargo run -p first-program -- all     # what the stream already has, too
//! cargo run -p first-program -- last    # from the last message that the stream has
//! ```

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream::{self, consumer::AckPolicy, consumer::DeliverPolicy, consumer::push, stream};
use clap::{Parser, ValueEnum};
use futures::StreamExt;

const STREAM: &str = "GREETINGS";
const SUBJECT: &str = "greetings.hello";
const THREE_DAYS: Duration = Duration::from_secs(3 * 24 * 60 * 60);
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Parser)]
struct Options {
    /// Where the subscriber begins.
    #[arg(value_enum, default_value_t = Start::New)]
    start: Start,
    /// The server.
    #[arg(long, default_value = "nats://127.0.0.1:4222")]
    url: String,
    /// How many messages are published.
    #[arg(long, default_value_t = 3)]
    count: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Start {
    New,
    All,
    Last,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let client = async_nats::connect(&options.url).await.context("is a server running?")?;
    let jetstream = jetstream::new(client.clone());

    // Created on the first run, found on every later one.
    let config = stream::Config {
        name: STREAM.into(),
        subjects: vec!["greetings.>".into()],
        max_age: THREE_DAYS,
        ..Default::default()
    };
    let mut stream = jetstream.get_or_create_stream(config).await?;
    let had = stream.info().await?.state.clone();
    println!("the stream {STREAM} has {} messages", had.messages);

    let (deliver_policy, old) = match options.start {
        Start::New => (DeliverPolicy::New, 0),
        Start::All => (DeliverPolicy::All, had.messages),
        Start::Last => (DeliverPolicy::Last, had.messages.min(1)),
    };
    let config = push::Config {
        deliver_subject: client.new_inbox(),
        deliver_policy,
        ack_policy: AckPolicy::All,
        ..Default::default()
    };
    let mut messages = stream.create_consumer(config).await?.messages().await?;

    for number in 1..=options.count {
        let ack = jetstream.publish(SUBJECT, format!("hello {number}").into()).await?.await?;
        println!("published {number}: message {} of {}", ack.sequence, ack.stream);
    }

    for left in (0..old + options.count).rev() {
        let message = tokio::time::timeout(PATIENCE, messages.next()).await?.context("the subscription ended")??;
        let info = message.info().map_err(anyhow::Error::from_boxed)?;
        let text = String::from_utf8_lossy(&message.payload);
        println!("received message {} on {}: {text} ({left} to come)", info.stream_sequence, message.subject);
        // With ack-all, one ack takes everything before it along.
        if left == 0 {
            message.double_ack().await.map_err(anyhow::Error::from_boxed)?;
        }
    }
    println!("done");
    Ok(())
}
