//! A consumer in a checkpoint: its config and its replicated state.

use std::sync::Arc;

use forebay_api::consumer::ConsumerConfig;
use forebay_api::stream::StreamConfig;

use super::replicated::Replicated;
use super::start::LastList;
use super::{Consumer, ConsumerFacts, Filters, Rules};
use crate::codec::{CodecError, Reader, Write, put_runs, runs};
use crate::id::{ConsumerKey, ConsumerUid, Position};
use crate::stream::StreamFacts;

/// Which of the parts that are not always there follow. Shards of version 1 have no others than the first.
const HAS_LAST_LIST: u8 = 1;
/// See [`HAS_LAST_LIST`].
const HAS_SPENT: u8 = 2;

impl Consumer {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.facts.key.consumer.0);
        out.put_bytes(self.facts.name.as_bytes());
        out.put_i64(self.created);
        out.put_bytes(&forebay_api::json::to_vec(&*self.config));
        self.state.encode(out);
    }

    /// Reads what [`Consumer::encode`] wrote. Fails on bytes that no writer makes.
    pub(crate) fn decode(r: &mut Reader<'_>, stream: &StreamFacts, of: &StreamConfig) -> Result<Self, CodecError> {
        let key = ConsumerKey { stream: stream.uid, consumer: ConsumerUid(r.u64()?) };
        let name = r.text()?;
        let created = r.i64()?;
        let config: ConsumerConfig = serde_json::from_slice(r.bytes()?).map_err(|_| CodecError::Text)?;
        let state = Replicated::decode(r)?;
        let facts = Arc::new(ConsumerFacts::new(key, stream, name, &config));
        let (rules, filters) = (Rules::new(&config, of), Filters::new(&config));
        Ok(Self { facts, config: Arc::new(config), created, rules, filters, state, lead: None })
    }
}

impl Replicated {
    fn encode(&self, out: &mut Vec<u8>) {
        for position in [self.delivered, self.floor] {
            out.put_u64(position.cseq);
            out.put_u64(position.sseq);
        }
        let settled: Vec<(u64, u64)> = self.settled.iter().collect();
        put_runs(out, &settled);
        out.put_u64(self.counts.len() as u64);
        for (seq, count) in &self.counts {
            out.put_u64(*seq);
            out.put_u64(u64::from(*count));
        }
        let spent: Vec<(u64, u64)> = self.spent.iter().collect();
        let parts = if spent.is_empty() { 0 } else { HAS_SPENT };
        match &self.last_list {
            None => out.put_byte(parts),
            Some(list) => {
                out.put_byte(parts | HAS_LAST_LIST);
                out.put_u64(list.resume);
                out.put_u64(list.seqs.len() as u64);
                list.seqs.iter().fold(0, |before, seq| {
                    out.put_u64(seq - before);
                    *seq
                });
            }
        }
        if !spent.is_empty() {
            put_runs(out, &spent);
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let delivered = Position { cseq: r.u64()?, sseq: r.u64()? };
        let floor = Position { cseq: r.u64()?, sseq: r.u64()? };
        let mut state = Self { delivered, floor, ..Self::default() };
        for (first, last) in runs(r)? {
            state.settled.insert(first, last);
        }
        for _ in 0..r.count()? {
            state.counts.insert(r.u64()?, r.u32()?);
        }
        let parts = r.byte()?;
        if parts & !(HAS_LAST_LIST | HAS_SPENT) != 0 {
            return Err(CodecError::Range);
        }
        if parts & HAS_LAST_LIST != 0 {
            let resume = r.u64()?;
            let count = r.count()?;
            let (mut seqs, mut before) = (Vec::with_capacity(count), 0u64);
            for _ in 0..count {
                before = before.checked_add(r.u64()?).ok_or(CodecError::Range)?;
                seqs.push(before);
            }
            state.last_list = Some(LastList { seqs, resume });
        }
        if parts & HAS_SPENT != 0 {
            for (first, last) in runs(r)? {
                state.spent.insert(first, last);
            }
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> Replicated {
        let mut state = Replicated {
            delivered: Position { cseq: 7, sseq: 300 },
            floor: Position { cseq: 1, sseq: 2 },
            last_list: Some(LastList { seqs: vec![3, 9], resume: 10 }),
            ..Replicated::default()
        };
        state.settled.insert(5, 6);
        state.counts.insert(4, 2);
        state
    }

    #[test]
    fn golden_bytes_never_change() {
        let mut spent = state();
        spent.spent.insert(5, 5);
        for (state, want) in [
            (state(), &[7, 0xac, 2, 1, 2, 1, 5, 1, 1, 4, 2, 1, 10, 2, 3, 6][..]),
            (spent, &[7, 0xac, 2, 1, 2, 1, 5, 1, 1, 4, 2, 3, 10, 2, 3, 6, 1, 5, 0]),
            (Replicated::default(), &[0, 0, 0, 0, 0, 0, 0]),
        ] {
            let mut out = Vec::new();
            state.encode(&mut out);
            assert_eq!(out, want);
            assert_eq!(Replicated::decode(&mut Reader::new(&out)), Ok(state));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes: Vec<u8>) {
            let _ = Replicated::decode(&mut Reader::new(&bytes));
        }
    }
}
