//! Reading a shard: infos, lists, messages' places, metrics, and what of the log is still alive.

use std::sync::Arc;

use forebay_api::consumer::{ConsumerConfig, ConsumerInfo};
use forebay_api::stream::StreamConfig;
use forebay_store::Location;

use super::Shard;
use super::name::NameRef;
use crate::account::StreamUsage;
use crate::consumer::ConsumerFacts;
use crate::id::{ConsumerKey, ConsumerUid, StreamUid};
use crate::metrics::MetricRows;
use crate::stream::{Found, InfoRequest, Stream, StreamFacts, StreamInfoPage};

/// A consumer in a list.
#[derive(Clone, Debug)]
pub struct ConsumerEntry {
    /// What it is.
    pub facts: Arc<ConsumerFacts>,
    /// How it is configured.
    pub config: Arc<ConsumerConfig>,
}

impl Shard {
    /// The stream with this name.
    #[must_use]
    pub fn stream_uid(&self, account: &str, name: &str) -> Option<StreamUid> {
        self.by_name.get(&NameRef { account, name }).copied()
    }

    /// The consumer with this name.
    #[must_use]
    pub fn consumer_key(&self, account: &str, stream: &str, consumer: &str) -> Option<ConsumerKey> {
        self.consumer_of(self.stream_uid(account, stream)?, consumer)
    }

    /// The consumer of a stream with this name.
    #[must_use]
    pub fn consumer_of(&self, stream: StreamUid, consumer: &str) -> Option<ConsumerKey> {
        let uid = self.stream(stream)?.by_name.get(consumer).copied()?;
        Some(ConsumerKey { stream, consumer: ConsumerUid(uid) })
    }

    /// All streams, with the revision of their config.
    pub fn streams(&self) -> impl Iterator<Item = (&Arc<StreamFacts>, &Arc<StreamConfig>, u64)> {
        self.streams.values().map(|stream| (&stream.facts, &stream.config, stream.revision))
    }

    /// A stream's facts.
    #[must_use]
    pub fn stream_facts(&self, uid: StreamUid) -> Option<&Arc<StreamFacts>> {
        self.stream(uid).map(|stream| &stream.facts)
    }

    /// A stream's config.
    #[must_use]
    pub fn stream_config(&self, uid: StreamUid) -> Option<&Arc<StreamConfig>> {
        self.stream(uid).map(|stream| &stream.config)
    }

    /// A stream's last sequence, for acks of messages that a plugin dropped.
    #[must_use]
    pub fn last_seq(&self, uid: StreamUid) -> Option<u64> {
        self.stream(uid).map(|stream| stream.index.last_seq())
    }

    /// STREAM.INFO.
    #[must_use]
    pub fn stream_info(&self, uid: StreamUid, now: i64, request: &InfoRequest) -> Option<StreamInfoPage> {
        self.stream(uid).map(|stream| stream.info(now, request))
    }

    /// CONSUMER.INFO.
    #[must_use]
    pub fn consumer_info(&self, key: ConsumerKey, now: i64) -> Option<ConsumerInfo> {
        self.consumer(key).map(|consumer| consumer.info(now))
    }

    /// A consumer's facts and config.
    #[must_use]
    pub fn consumer_entry(&self, key: ConsumerKey) -> Option<ConsumerEntry> {
        let consumer = self.consumer(key)?;
        Some(ConsumerEntry { facts: Arc::clone(&consumer.facts), config: Arc::clone(&consumer.config) })
    }

    /// A stream's consumers by name.
    #[must_use]
    pub fn consumers(&self, uid: StreamUid) -> Vec<ConsumerEntry> {
        let Some(stream) = self.stream(uid) else { return Vec::new() };
        let entry = |consumer: &crate::consumer::Consumer| ConsumerEntry {
            facts: Arc::clone(&consumer.facts),
            config: Arc::clone(&consumer.config),
        };
        let mut entries: Vec<_> = stream.consumers.values().map(entry).collect();
        entries.sort_unstable_by(|a, b| a.facts.name.cmp(&b.facts.name));
        entries
    }

    /// The message with this sequence.
    #[must_use]
    pub fn get_seq(&self, uid: StreamUid, seq: u64) -> Option<Found> {
        self.stream(uid)?.get_seq(seq)
    }

    /// The last message of the subjects that a filter names.
    #[must_use]
    pub fn get_last(&self, uid: StreamUid, filter: &[u8]) -> Option<Found> {
        self.stream(uid)?.get_last(filter)
    }

    /// The first message from a sequence on whose subject the filter names; an empty filter names all.
    #[must_use]
    pub fn get_next(&self, uid: StreamUid, from: u64, filter: &[u8]) -> Option<Found> {
        self.stream(uid)?.get_next(from, filter)
    }

    /// The first message not older than a time whose subject the filter names; an empty filter names all.
    #[must_use]
    pub fn get_by_time(&self, uid: StreamUid, time: i64, filter: &[u8]) -> Option<Found> {
        self.stream(uid)?.get_by_time(time, filter)
    }

    /// The last message of each subject that one of the filters names, not above `up_to`; `None` if more than `most`.
    #[must_use]
    pub fn get_last_each(&self, uid: StreamUid, filters: &[&[u8]], up_to: u64, most: usize) -> Option<Vec<Found>> {
        self.stream(uid)?.get_last_each(filters, up_to, most)
    }

    /// Messages from a sequence on that a filter names (`Nats-Num-Pending` of a batched direct get).
    #[must_use]
    pub fn count_from(&self, uid: StreamUid, from: u64, filter: &[u8]) -> u64 {
        let Some(stream) = self.stream(uid) else { return 0 };
        let filter = (!filter.is_empty() && filter != b">").then_some(filter);
        stream.index.count_from(from, &mut forebay_store::Matcher::new(filter))
    }

    /// What each stream of an account holds.
    pub(crate) fn usage(&self, account: Option<&str>) -> impl Iterator<Item = StreamUsage> {
        let wanted = move |stream: &&Stream| account.is_none_or(|account| *stream.facts.account == *account);
        self.streams.values().filter(wanted).map(|stream| StreamUsage {
            storage_kind: stream.config.storage,
            bytes: stream.index.bytes(),
            consumers: stream.consumers.len() as u64,
        })
    }

    /// How many messages the streams hold.
    pub(crate) fn message_count(&self) -> u64 {
        self.streams.values().map(|stream| stream.index.count()).sum()
    }

    /// Which streams there are.
    pub(crate) fn stream_uids(&self) -> Vec<StreamUid> {
        self.streams.values().map(Stream::uid).collect()
    }

    /// Appends the rows of these streams and of their consumers, until there are `most` more; how many streams are done.
    pub(crate) fn metrics(&self, uids: &[StreamUid], most: usize, rows: &mut MetricRows) -> usize {
        let full = rows.count() + most;
        for (done, uid) in uids.iter().enumerate() {
            if rows.count() >= full {
                return done;
            }
            // One that went meanwhile is left out.
            if let Some(stream) = self.stream(*uid) {
                stream.metrics(rows);
            }
        }
        uids.len()
    }

    /// Tells every body that is a message, for the store's account after a restart.
    pub fn for_each_body(&self, mut each: impl FnMut(Location, u32)) {
        for stream in self.streams.values().filter(|stream| stream.bodies.is_none()) {
            let mut from = 0;
            while let Some((seq, meta)) = stream.index.next_from(from) {
                each(meta.location, meta.size);
                from = seq + 1;
            }
        }
    }

    /// For the collector: which of these records are still the bodies of messages, and of which. Appends one answer
    /// for each.
    pub fn live(&self, records: &[(Location, u64)], seqs: &mut Vec<Option<u64>>) {
        let start = seqs.len();
        seqs.resize(start + records.len(), None);
        let Some(answers) = seqs.get_mut(start..) else { return };
        let mut by_stream: Vec<(u64, Location, usize)> =
            records.iter().enumerate().map(|(at, (location, uid))| (*uid, *location, at)).collect();
        by_stream.sort_unstable();
        for group in by_stream.chunk_by(|a, b| a.0 == b.0) {
            let Some(stream) = group.first().and_then(|first| self.streams.get(&first.0)) else { continue };
            stream.live(group, answers);
        }
    }
}

impl Stream {
    /// `wanted` rises by location.
    fn live(&self, wanted: &[(u64, Location, usize)], answers: &mut [Option<u64>]) {
        let mut answer = |seq: u64, location: Location| {
            if let Ok(at) = wanted.binary_search_by_key(&location, |want| want.1)
                && let Some(slot) = wanted.get(at).and_then(|want| answers.get_mut(want.2))
            {
                *slot = Some(seq);
            }
        };
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return };
        // As long as nothing was moved, places rise with sequences: then only a part needs to be looked at.
        let mut from = if self.relocated { 0 } else { self.first_at(first.1) };
        while let Some((seq, meta)) = self.index.next_from(from) {
            if !self.relocated && meta.location > last.1 {
                break;
            }
            answer(seq, meta.location);
            from = seq + 1;
        }
    }

    /// The first sequence whose place is not below `location`, if places rise.
    fn first_at(&self, location: Location) -> u64 {
        let (mut low, mut high) = (self.index.first_seq(), self.index.last_seq() + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.index.next_from(middle) {
                Some((seq, meta)) if meta.location < location => low = seq + 1,
                _ => high = middle,
            }
        }
        low
    }
}
