//! Reads a stream through a durable consumer until nothing is left, and acks what it gets.
//!
//! Why: a consumer remembers how far it came. Run it twice: the second time there is nothing to read. If a plugin
//! filters the consumer, as `damaged` in the quick start, only what it lets through arrives.

use anyhow::{Context, Result};
use async_nats::jetstream::{self, consumer::pull};
use clap::Parser;
use futures::StreamExt;

/// How many messages are asked for at once.
const BATCH: usize = 200;

#[derive(Parser)]
struct Options {
    /// The stream.
    #[arg(default_value = "STRIKES")]
    stream: String,
    /// The consumer, which is made on the first run.
    #[arg(default_value = "damaged")]
    consumer: String,
    /// The server.
    #[arg(long, default_value = "nats://127.0.0.1:4222")]
    url: String,
    /// How many messages are shown; the rest is counted.
    #[arg(long, default_value_t = 3)]
    show: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { stream, consumer, url, show } = Options::parse();
    let client = async_nats::connect(&url).await.context("is a server running?")?;
    let stream = jetstream::new(client).get_stream(&stream).await?;
    let config = pull::Config { durable_name: Some(consumer.clone()), ..Default::default() };
    let mut consumer = stream.get_or_create_consumer(&consumer, config).await?;

    let mut count = 0;
    // The number of messages to come is exact or at least 1, so that nobody stops too early.
    while consumer.info().await?.num_pending > 0 {
        let mut batch = consumer.fetch().max_messages(BATCH).messages().await?;
        while let Some(message) = batch.next().await {
            let message = message.map_err(anyhow::Error::from_boxed)?;
            count += 1;
            if count <= show {
                println!("{}: {}", message.subject, String::from_utf8_lossy(&message.payload));
            }
            message.ack().await.map_err(anyhow::Error::from_boxed)?;
        }
    }
    let info = consumer.info().await?;
    println!("{count} messages read, {} to come, {} not acked", info.num_pending, info.num_ack_pending);
    Ok(())
}
