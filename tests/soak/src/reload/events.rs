//! The events that are replayed, as each version of the plugin has to make them, and the stream read back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, Message};
use futures::StreamExt;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::reload::steps::Version;

/// How many of a version's hash digits a field gets.
const HASH_BYTES: usize = 16;
/// How many messages are asked for at once.
const BATCH: usize = 10_000;
/// The next message must come within this.
const MESSAGE_WAIT: Duration = Duration::from_secs(10);
/// How many wrong messages are told.
const TOLD_MAX: usize = 5;

/// An event as it must be in the stream.
struct Event {
    subject: String,
    /// With `operator` hashed.
    payload: Vec<u8>,
    /// With `airport` hashed as well.
    payload_airport: Vec<u8>,
}

/// All events of the file.
pub(super) struct Events(Vec<Event>);

impl Events {
    /// Reads them, and does to each what the plugin has to do.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let events = text.lines().filter(|line| !line.is_empty()).map(|line| {
            let event: Value = serde_json::from_str(line)?;
            let token = |field: &str| token(event.get(field).and_then(Value::as_str).unwrap_or_default());
            let operator = hashed(line, "operator")?;
            Ok(Event {
                subject: format!("strikes.{}.{}", token("state"), token("size")),
                payload_airport: hashed(&operator, "airport")?.into_bytes(),
                payload: operator.into_bytes(),
            })
        });
        Ok(Self(events.collect::<Result<_>>()?))
    }

    /// The number of an id, in the order in which they are sent.
    fn number(&self, id: &str) -> Option<usize> {
        let (round, line) = id.split_once('-')?;
        let (round, line): (usize, usize) = (round.parse().ok()?, line.parse().ok()?);
        (round > 0 && line > 0 && line <= self.0.len()).then(|| (round - 1) * self.0.len() + line - 1)
    }
}

/// The text with the string of one field replaced by its hash.
fn hashed(line: &str, field: &str) -> Result<String> {
    let key = format!("\"{field}\":");
    let at = line.find(&key).with_context(|| format!("no {field} in {line}"))? + key.len();
    let mut values = serde_json::Deserializer::from_str(&line[at..]).into_iter::<String>();
    let Some(Ok(value)) = values.next() else { bail!("{field} is no string in {line}") };
    let hash: String =
        Sha256::digest(value.as_bytes()).iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}\"{hash}\"{}", &line[..at], &line[at + values.byte_offset()..]))
}

/// A value as a token of a subject.
fn token(text: &str) -> String {
    let fit = |c: char| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    text.to_lowercase().chars().map(fit).collect()
}

/// What was in the stream.
#[derive(Default)]
pub(super) struct Stored {
    /// How often each event was there, in the order in which they were sent.
    times: Vec<u8>,
    pub(super) messages: u64,
    /// Without exactly one stamp, or not as any version makes it.
    pub(super) untransformed: u64,
    /// Not as the version makes it that its stamp names.
    pub(super) mixed: u64,
    /// Messages by generation.
    pub(super) by_version: BTreeMap<usize, u64>,
}

impl Stored {
    /// Reads the stream from its begin, as many messages as it says it has.
    pub(super) async fn read(url: &str, events: &Events, versions: &[Version]) -> Result<Self> {
        let jetstream = jetstream::new(async_nats::connect(url).await?);
        let mut stream = jetstream.get_stream("STRIKES").await?;
        let count = stream.info().await?.state.messages;
        let config = pull::Config { ack_policy: AckPolicy::None, ..Default::default() };
        let consumer = stream.create_consumer(config).await?;
        let mut messages = consumer.stream().max_messages_per_batch(BATCH).messages().await?;
        let mut stored = Self::default();
        while stored.messages < count {
            let next = tokio::time::timeout(MESSAGE_WAIT, messages.next()).await;
            let message = next.with_context(|| format!("{} of {count} messages came", stored.messages))?;
            stored.take(&message.context("the consumer ended")??, events, versions);
        }
        Ok(stored)
    }

    fn take(&mut self, message: &Message, events: &Events, versions: &[Version]) {
        self.messages += 1;
        let header = |name: &str| {
            let values: Vec<_> =
                message.headers.iter().flat_map(|headers| headers.get_all(name)).map(|value| value.as_str()).collect();
            if let [only] = values[..] { Some(only.to_string()) } else { None }
        };
        let number = header("Replay-Id").and_then(|id| events.number(&id));
        let generation = header("Forebay-Plugin").and_then(|stamp| generation(&stamp, versions));
        let (Some(number), Some(generation)) = (number, generation) else {
            self.untransformed += 1;
            return self.tell(message);
        };
        if self.times.len() <= number {
            self.times.resize(number + 1, 0);
        }
        self.times[number] = self.times[number].saturating_add(1);
        *self.by_version.entry(generation).or_default() += 1;
        let event = &events.0[number % events.0.len()];
        let wanted = if versions[generation - 1].airport { &event.payload_airport } else { &event.payload };
        if message.subject.as_str() == event.subject && message.payload == *wanted {
            return;
        }
        self.tell(message);
        if message.payload == event.payload || message.payload == event.payload_airport {
            self.mixed += 1;
        } else {
            self.untransformed += 1;
        }
    }

    fn tell(&self, message: &Message) {
        if self.untransformed + self.mixed <= TOLD_MAX as u64 {
            println!("  wrong: {} {:?} {:?}", message.subject, message.headers, message.payload);
        }
    }

    /// Of the first `sent` events, how many are not there, and how many are there more than once. What was not sent and
    /// is there counts as doubled.
    pub(super) fn lost_and_doubled(&self, sent: usize) -> (usize, usize) {
        let lost = (0..sent).filter(|at| self.times.get(*at).is_none_or(|times| *times == 0)).count();
        let doubled = self.times.iter().enumerate().filter(|(at, times)| **times > 1 || (*at >= sent && **times > 0));
        (lost, doubled.count())
    }
}

/// The generation that a stamp names, if it is one of ours with the file that it had.
fn generation(stamp: &str, versions: &[Version]) -> Option<usize> {
    let (sha8, number) = stamp.strip_prefix("redact@")?.split_once('/')?;
    let number: usize = number.parse().ok()?;
    let version = versions.get(number.checked_sub(1)?)?;
    (version.sha8 == sha8).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_hashed_in_its_place() {
        // printf MILITARY | sha256sum
        let line = hashed(r#"{"a":1,"operator":"MILITARY","b":"x"}"#, "operator").expect("a field");
        assert_eq!(line, r#"{"a":1,"operator":"ee146ea5db06e8a9f1e0a6ba9b726bea","b":"x"}"#);
        assert!(!line.contains("MILITARY"));
        assert_eq!(token("New York-1"), "new_york-1");
    }

    #[test]
    fn a_stamp_names_a_version_only_with_its_file() {
        let versions = [Version { sha8: "0123abcd".into(), airport: false }];
        assert_eq!(generation("redact@0123abcd/1", &versions), Some(1));
        assert_eq!(generation("redact@0123abce/1", &versions), None);
        assert_eq!(generation("redact@0123abcd/2", &versions), None);
        assert_eq!(generation("redact@0123abcd/0", &versions), None);
    }
}
