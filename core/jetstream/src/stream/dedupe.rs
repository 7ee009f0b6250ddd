//! Which `Nats-Msg-Id`s were seen within the duplicate window.
//!
//! An id is kept as 128 bits of XXH3, seeded with the stream's uid so that replicas agree: whoever can make two ids
//! collide may as well publish the same id twice. Time is the messages' own, so a replay forgets at the same places.

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::codec::{CodecError, Reader, Write};
use crate::mutant;

/// The ids of one stream.
#[derive(Debug, Default)]
pub(crate) struct Dedupe {
    seed: u64,
    seen: HashMap<Key, u64, BuildHasherDefault<Taken>>,
    /// By rising time.
    order: VecDeque<(i64, Key)>,
}

/// 128 bits of XXH3, in halves so that an entry takes no room for alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    high: u64,
    low: u64,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.low);
    }
}

/// The keys are hashes already: the table takes a half as it is.
#[derive(Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "only keys are hashed");
    }

    fn write_u64(&mut self, half: u64) {
        self.0 = half;
    }
}

impl Dedupe {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Forgets what is older than the window, then says which sequence had this id.
    pub(crate) fn find(&mut self, id: &[u8], now: i64, window: i64) -> Option<u64> {
        self.forget(now.saturating_sub(window));
        self.seen.get(&self.key(id)).copied()
    }

    pub(crate) fn insert(&mut self, id: &[u8], seq: u64, time: i64) {
        if mutant::active(mutant::DEDUPE_WINDOW_NOT_KEPT) {
            return;
        }
        let key = self.key(id);
        if self.seen.insert(key, seq).is_none() {
            self.order.push_back((time, key));
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        if mutant::active(mutant::IDS_NOT_IN_CHECKPOINT) {
            return out.put_u64(0);
        }
        out.put_u64(self.order.len() as u64);
        let mut before = 0;
        for (time, key) in &self.order {
            out.put_i64(time - before);
            before = *time;
            out.extend_from_slice(&key.low.to_le_bytes());
            out.extend_from_slice(&key.high.to_le_bytes());
            out.put_u64(self.seen.get(key).copied().unwrap_or(0));
        }
    }

    pub(crate) fn decode(seed: u64, r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut dedupe = Self::new(seed);
        let mut before = 0i64;
        for _ in 0..r.count()? {
            before = before.checked_add(r.i64()?).ok_or(CodecError::Range)?;
            let key = Key { low: half(r)?, high: half(r)? };
            if dedupe.seen.insert(key, r.u64()?).is_none() {
                dedupe.order.push_back((before, key));
            }
        }
        Ok(dedupe)
    }

    fn key(&self, id: &[u8]) -> Key {
        let hash = xxh3_128_with_seed(id, self.seed);
        Key { high: (hash >> 64) as u64, low: hash as u64 }
    }

    /// An id is remembered for the whole window: one of exactly its age is still a duplicate.
    fn forget(&mut self, before: i64) {
        while let Some((_, key)) = self.order.pop_front_if(|(time, _)| *time < before) {
            self.seen.remove(&key);
        }
        // After a burst the tables would keep their largest size for ever.
        if self.seen.capacity() > 1024 && self.seen.len() < self.seen.capacity() / 8 {
            self.seen.shrink_to(self.seen.len() * 2);
            self.order.shrink_to(self.seen.len() * 2);
        }
    }
}

fn half(r: &mut Reader<'_>) -> Result<u64, CodecError> {
    r.take(8)?.first_chunk().copied().map(u64::from_le_bytes).ok_or(CodecError::Short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_counts_for_the_window_and_not_longer() {
        let mut dedupe = Dedupe::new(1);
        dedupe.insert(b"a", 7, 100);
        assert_eq!(dedupe.find(b"a", 150, 50), Some(7));
        assert_eq!(dedupe.find(b"b", 150, 50), None);
        assert_eq!(dedupe.find(b"a", 151, 50), None);
    }

    #[test]
    fn a_checkpoint_keeps_the_window() {
        let mut dedupe = Dedupe::new(9);
        dedupe.insert(b"a", 1, 100);
        dedupe.insert(b"b", 2, 90_000_000_000);
        let mut out = Vec::new();
        dedupe.encode(&mut out);
        assert_eq!(out[..3], [2, 0xc8, 1]);
        let mut back = Dedupe::decode(9, &mut Reader::new(&out)).unwrap();
        assert_eq!(back.find(b"a", 200, 100), Some(1));
        assert_eq!(back.find(b"b", 90_000_000_001, 100), Some(2));
        assert_eq!(back.find(b"a", 90_000_000_001, 100), None);
    }
}
