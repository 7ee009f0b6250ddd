//! A rolling digest of what a stream took in: replicas compare it at the same applied index.
//!
//! Gathered only where there is somebody to compare with (replicated streams), since it reads every payload.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::codec::{CodecError, Reader, Write};
use crate::mutant;

/// XXH3 over sequence, time, subject, headers and payload of each message, chained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    value: u64,
    messages: u64,
}

impl Digest {
    /// The digest so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value
    }

    /// Adds a message.
    pub(crate) fn add(&mut self, seq: u64, time: i64, subject: &[u8], headers: &[u8], payload: &[u8]) {
        let mut hash = Xxh3::new();
        hash.update(&self.value.to_le_bytes());
        hash.update(&seq.to_le_bytes());
        hash.update(&time.to_le_bytes());
        // Lengths, so that a byte cannot move from one part to the next unseen.
        for part in [subject, headers, payload] {
            if mutant::active(mutant::DIGEST_WITHOUT_BORDERS) {
                hash.update(part);
                continue;
            }
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(&xxh3_64(part).to_le_bytes());
        }
        self.value = hash.digest();
        self.messages += 1;
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.messages);
        out.extend_from_slice(&self.value.to_le_bytes());
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let messages = r.u64()?;
        let value = r.take(8)?.first_chunk().copied().ok_or(CodecError::Short)?;
        Ok(Self { messages, value: u64::from_le_bytes(value) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "mutants")]
    #[test]
    fn mutants_are_found() {
        assert!(mutant::is_found_by(mutant::DIGEST_WITHOUT_BORDERS, order_and_the_borders_of_parts_count));
    }

    #[test]
    fn order_and_the_borders_of_parts_count() {
        let of = |messages: &[(u64, &[u8], &[u8])]| {
            let mut digest = Digest::default();
            messages.iter().for_each(|(seq, subject, payload)| digest.add(*seq, 0, subject, b"", payload));
            digest
        };
        let one = of(&[(1, b"a", b"bc"), (2, b"a", b"d")]);
        assert_eq!(one, of(&[(1, b"a", b"bc"), (2, b"a", b"d")]));
        assert_ne!(one, of(&[(1, b"a", b"d"), (2, b"a", b"bc")]));
        assert_ne!(of(&[(1, b"a", b"bc")]), of(&[(1, b"ab", b"c")]));
        let mut out = Vec::new();
        one.encode(&mut out);
        assert_eq!(out.len(), 9);
        assert_eq!(Digest::decode(&mut Reader::new(&out)), Ok(one));
    }
}
