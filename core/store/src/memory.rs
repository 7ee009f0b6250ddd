//! Bodies of memory streams: encoded records by sequence, read like those of the log.

use crate::limits::INDEX_CHUNK;
use crate::record_buf::RecordBuf;
use bytes::Bytes;
use std::collections::VecDeque;

#[derive(Debug)]
struct Chunk {
    number: u64,
    live: u32,
    bodies: Box<[Option<Bytes>]>,
}

/// The bodies of one memory stream.
#[derive(Debug, Default)]
pub struct MemoryBodies {
    chunks: VecDeque<Chunk>,
    bytes: u64,
}

impl MemoryBodies {
    /// Without bodies.
    #[must_use]
    pub fn new() -> MemoryBodies {
        MemoryBodies::default()
    }

    /// Keeps an encoded record. A record at the same sequence is replaced.
    pub fn push(&mut self, seq: u64, record: Bytes) {
        let number = seq / INDEX_CHUNK;
        let at = match self.position(number) {
            Ok(at) => at,
            Err(at) => {
                let bodies = vec![None; INDEX_CHUNK as usize].into_boxed_slice();
                self.chunks.insert(at, Chunk { number, live: 0, bodies });
                at
            }
        };
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let Some(place) = chunk.bodies.get_mut((seq % INDEX_CHUNK) as usize) else { return };
        self.bytes += record.len() as u64;
        match place.replace(record) {
            None => chunk.live += 1,
            Some(old) => self.bytes -= old.len() as u64,
        }
    }

    /// The record of a message.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<RecordBuf> {
        let at = self.position(seq / INDEX_CHUNK).ok()?;
        let body = self.chunks.get(at)?.bodies.get((seq % INDEX_CHUNK) as usize)?.as_ref()?;
        RecordBuf::trusted(body.clone()).ok()
    }

    /// Gives a body's memory back, as soon as nobody reads it.
    pub fn remove(&mut self, seq: u64) -> bool {
        let Ok(at) = self.position(seq / INDEX_CHUNK) else { return false };
        let Some(chunk) = self.chunks.get_mut(at) else { return false };
        let Some(body) = chunk.bodies.get_mut((seq % INDEX_CHUNK) as usize).and_then(Option::take) else {
            return false;
        };
        self.bytes -= body.len() as u64;
        chunk.live -= 1;
        if chunk.live == 0 {
            self.chunks.remove(at);
        }
        true
    }

    /// Bytes of encoded records.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn position(&self, number: u64) -> Result<usize, usize> {
        let Some(front) = self.chunks.front() else { return Err(0) };
        let guess = usize::try_from(number.saturating_sub(front.number)).unwrap_or(usize::MAX);
        if self.chunks.get(guess).is_some_and(|c| c.number == number) {
            return Ok(guess);
        }
        self.chunks.binary_search_by_key(&number, |c| c.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::{RecordFields, encode_record};

    fn record(payload: &[u8]) -> Bytes {
        let mut out = Vec::new();
        encode_record(&mut out, &RecordFields { subject: b"s", payload, ..RecordFields::default() }).unwrap();
        out.into()
    }

    #[test]
    fn bodies_are_there_until_they_are_removed() {
        let mut bodies = MemoryBodies::new();
        for seq in [5u64, 1_000, 3_000_000, 1_024] {
            bodies.push(seq, record(&seq.to_le_bytes()));
        }
        let held = bodies.get(1_024).unwrap();
        assert_eq!(bodies.bytes(), 4 * held.as_bytes().len() as u64);
        assert!(bodies.remove(1_024));
        assert!(!bodies.remove(1_024));
        assert!(bodies.get(1_024).is_none());
        assert_eq!(held.record().payload, 1_024u64.to_le_bytes());
        assert_eq!(bodies.get(3_000_000).unwrap().record().payload, 3_000_000u64.to_le_bytes());
        for seq in [5, 1_000, 3_000_000] {
            assert!(bodies.remove(seq));
        }
        assert_eq!((bodies.bytes(), bodies.chunks.len()), (0, 0));
    }

    #[test]
    fn a_body_at_the_same_sequence_is_replaced() {
        let mut bodies = MemoryBodies::new();
        bodies.push(1, record(b"one"));
        bodies.push(1, record(b"two!"));
        assert_eq!(bodies.bytes(), record(b"two!").len() as u64);
        assert_eq!(bodies.get(1).unwrap().record().payload, b"two!");
    }
}
