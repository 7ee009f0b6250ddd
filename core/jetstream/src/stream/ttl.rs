//! When messages with a TTL of their own end, and which never do (ADR-43).
//!
//! The leader asks what is due and proposes its removal; apply removes. Entries of messages that are gone stay until
//! their time comes, and are then ignored.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use crate::codec::{CodecError, Reader, Write, push_run};
use crate::mutant;

/// The TTLs of one stream.
#[derive(Debug, Default)]
pub(crate) struct Ttls {
    due: BinaryHeap<Reverse<(i64, u64)>>,
    never: BTreeSet<u64>,
}

impl Ttls {
    pub(crate) fn insert(&mut self, seq: u64, at: i64) {
        self.due.push(Reverse((at, seq)));
    }

    pub(crate) fn insert_never(&mut self, seq: u64) {
        self.never.insert(seq);
    }

    /// True if the message outlives `max_age`.
    pub(crate) fn is_exempt(&self, seq: u64) -> bool {
        !self.never.is_empty() && self.never.contains(&seq)
    }

    pub(crate) fn has_exempt(&self) -> bool {
        !self.never.is_empty()
    }

    pub(crate) fn removed(&mut self, seq: u64) {
        if !self.never.is_empty() {
            self.never.remove(&seq);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<i64> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out what is due, up to `most`, as rising runs of sequences for which `alive` says yes.
    pub(crate) fn take_due(&mut self, now: i64, most: usize, alive: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
        let mut seqs = Vec::new();
        while let Some(Reverse((at, seq))) = self.due.peek().copied() {
            if at > now || seqs.len() >= most {
                break;
            }
            self.due.pop();
            if alive(seq) {
                seqs.push(seq);
            }
        }
        seqs.sort_unstable();
        let mut runs = Vec::new();
        seqs.into_iter().for_each(|seq| push_run(&mut runs, seq));
        runs
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut due: Vec<(i64, u64)> = self.due.iter().map(|Reverse(entry)| *entry).collect();
        due.sort_unstable();
        out.put_u64(due.len() as u64);
        for (at, seq) in due {
            out.put_i64(at);
            out.put_u64(seq);
        }
        if mutant::active(mutant::TTLS_NOT_IN_CHECKPOINT) {
            return out.put_u64(0);
        }
        out.put_u64(self.never.len() as u64);
        self.never.iter().for_each(|seq| out.put_u64(*seq));
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut ttls = Self::default();
        for _ in 0..r.count()? {
            ttls.due.push(Reverse((r.i64()?, r.u64()?)));
        }
        for _ in 0..r.count()? {
            ttls.never.insert(r.u64()?);
        }
        Ok(ttls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_as_runs_and_the_dead_are_left_out() {
        let mut ttls = Ttls::default();
        for seq in [3, 1, 2, 5] {
            ttls.insert(seq, 10);
        }
        ttls.insert(9, 11);
        ttls.insert_never(4);
        let mut out = Vec::new();
        ttls.encode(&mut out);
        assert_eq!(out, [5, 20, 1, 20, 2, 20, 3, 20, 5, 22, 9, 1, 4]);
        let mut ttls = Ttls::decode(&mut Reader::new(&out)).unwrap();
        assert_eq!(ttls.poll_timeout(), Some(10));
        assert_eq!(ttls.take_due(10, 100, |seq| seq != 2), [(1, 1), (3, 3), (5, 5)]);
        assert_eq!(ttls.poll_timeout(), Some(11));
        assert!(ttls.is_exempt(4) && !ttls.is_exempt(5));
    }
}
