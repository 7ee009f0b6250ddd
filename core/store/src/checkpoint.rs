//! Checkpoint files: what is not a body becomes permanent here, so that the log before it can be collected.
//!
//! `checkpoint-<lsn>` holds one opaque blob per shard. It is written aside, synced, renamed, and the folder is synced;
//! the two newest are kept.

use crate::error::StoreError;
use crate::limits::{KEPT_CHECKPOINTS, MAX_CHECKPOINT_BYTES};
use crate::log::format::{FORMAT_VERSION, FormatError, put, u32_at, u64_at};
use crate::log::segment::numbered;
use crate::storage::{FileInfo, Storage};
use parking_lot::Mutex;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"FBAYCKP\n";
const PREFIX: &str = "checkpoint-";
/// How a damaged checkpoint is called after it was moved aside.
const DAMAGED_PREFIX: &str = "damaged-";
const HEADER: usize = 40;
const ROW: usize = 32;

/// What one shard had become at some lsn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardCheckpoint {
    /// The shard.
    pub shard: u32,
    /// Every entry of the shard up to this lsn is in the blob. For an idle shard: the lane's last applied lsn.
    pub lsn: u64,
    /// Index of the last entry of the shard that is in the blob.
    pub index: u64,
    /// The shard's own encoding.
    pub blob: Vec<u8>,
}

/// All shards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// The lowest of the shards' lsns: the log is needed from here on.
    pub lsn: u64,
    /// The shards, sorted by number.
    pub shards: Vec<ShardCheckpoint>,
}

impl Checkpoint {
    /// Sorts the shards and finds the common lsn.
    ///
    /// # Errors
    /// `Invalid` if there is no shard, or one twice.
    pub fn new(mut shards: Vec<ShardCheckpoint>) -> Result<Checkpoint, StoreError> {
        shards.sort_by_key(|s| s.shard);
        if shards.windows(2).any(|w| w.first().map(|s| s.shard) == w.last().map(|s| s.shard)) {
            return Err(StoreError::Invalid("a checkpoint has a shard twice"));
        }
        let lsn = shards.iter().map(|s| s.lsn).min().ok_or(StoreError::Invalid("a checkpoint has no shards"))?;
        Ok(Checkpoint { lsn, shards })
    }

    /// The file's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let blobs: usize = self.shards.iter().map(|s| s.blob.len()).sum();
        let mut out = Vec::with_capacity(HEADER + self.shards.len() * ROW + blobs);
        out.resize(HEADER, 0);
        put(&mut out, 4, &MAGIC);
        put(&mut out, 12, &FORMAT_VERSION.to_le_bytes());
        put(&mut out, 16, &self.lsn.to_le_bytes());
        put(&mut out, 24, &(self.shards.len() as u64).to_le_bytes());
        for shard in &self.shards {
            let mut row = [0u8; ROW];
            put(&mut row, 0, &shard.shard.to_le_bytes());
            put(&mut row, 8, &shard.lsn.to_le_bytes());
            put(&mut row, 16, &shard.index.to_le_bytes());
            put(&mut row, 24, &(shard.blob.len() as u64).to_le_bytes());
            out.extend_from_slice(&row);
        }
        for shard in &self.shards {
            out.extend_from_slice(&shard.blob);
        }
        let len = out.len() as u64;
        put(&mut out, 32, &len.to_le_bytes());
        let crc = crc32c::crc32c(&out[4..]);
        put(&mut out, 0, &crc.to_le_bytes());
        out
    }

    /// Reads a file's bytes, the checksum first.
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Checkpoint, FormatError> {
        let head = bytes.get(..HEADER).ok_or(FormatError::Short)?;
        if head.get(4..12) != Some(&MAGIC) {
            return Err(FormatError::Magic);
        }
        if u64_at(head, 32) != bytes.len() as u64 {
            return Err(FormatError::Short);
        }
        if crc32c::crc32c(bytes.get(4..).unwrap_or_default()) != u32_at(head, 0) {
            return Err(FormatError::Checksum);
        }
        if u32_at(head, 12) != FORMAT_VERSION {
            return Err(FormatError::Unknown("checkpoint version"));
        }
        let count = usize::try_from(u64_at(head, 24)).map_err(|_| FormatError::Inconsistent("the number of shards"))?;
        let rows = bytes.get(HEADER..).unwrap_or_default();
        let rows_len = count.checked_mul(ROW).ok_or(FormatError::Inconsistent("the number of shards"))?;
        let (rows, mut rest) = rows.split_at_checked(rows_len).ok_or(FormatError::Short)?;
        let mut shards = Vec::with_capacity(count);
        for row in rows.chunks_exact(ROW) {
            let len = usize::try_from(u64_at(row, 24)).map_err(|_| FormatError::Short)?;
            let (blob, behind) = rest.split_at_checked(len).ok_or(FormatError::Short)?;
            rest = behind;
            shards.push(ShardCheckpoint {
                shard: u32_at(row, 0),
                lsn: u64_at(row, 8),
                index: u64_at(row, 16),
                blob: blob.to_vec(),
            });
        }
        Ok(Checkpoint { lsn: u64_at(head, 16), shards })
    }
}

/// The checkpoints on disk.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    storage: Arc<dyn Storage>,
    /// Lsns of the kept ones, oldest first. Only those whose bytes were verified or written by this process.
    kept: Mutex<Vec<u64>>,
}

fn file_name(lsn: u64) -> String {
    format!("{PREFIX}{lsn:016x}")
}

pub(crate) fn checkpoint_of_name(name: &str) -> Option<u64> {
    numbered(name, PREFIX, 16)
}

impl Checkpoints {
    /// Finds the newest good checkpoint. Damaged ones are moved aside; their names are returned.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        files: &[FileInfo],
    ) -> std::io::Result<(Checkpoints, Option<Checkpoint>, Vec<String>)> {
        let mut lsns: Vec<u64> = files.iter().filter_map(|f| checkpoint_of_name(&f.name)).collect();
        lsns.sort_unstable();
        let mut damaged = Vec::new();
        let mut newest = None;
        let mut kept = Vec::new();
        for lsn in lsns.into_iter().rev() {
            let name = file_name(lsn);
            let bytes = storage.read_file(&name, MAX_CHECKPOINT_BYTES)?;
            match Checkpoint::decode(&bytes) {
                Ok(checkpoint) if checkpoint.lsn == lsn => {
                    kept.insert(0, lsn);
                    newest.get_or_insert(checkpoint);
                }
                other => {
                    tracing::error!(file = name, error = ?other.err(), "a checkpoint is damaged; it is moved aside");
                    storage.rename(&name, &format!("{DAMAGED_PREFIX}{name}"))?;
                    storage.sync_names()?;
                    damaged.push(name);
                }
            }
        }
        Ok((Checkpoints { storage, kept: Mutex::new(kept) }, newest, damaged))
    }

    /// Writes a checkpoint and then removes all but the newest two.
    pub(crate) fn write(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let lsn = checkpoint.lsn;
        let mut kept = self.kept.lock();
        if kept.last().is_some_and(|newest| *newest > lsn) {
            return Err(StoreError::Invalid("a checkpoint is older than the newest one"));
        }
        let name = file_name(lsn);
        self.storage.write_file(&name, &checkpoint.encode()).map_err(StoreError::io(format!("writing {name}")))?;
        if kept.last() != Some(&lsn) {
            kept.push(lsn);
        }
        while kept.len() > KEPT_CHECKPOINTS {
            let old = file_name(kept.remove(0));
            self.storage.remove(&old).map_err(StoreError::io(format!("removing {old}")))?;
        }
        Ok(())
    }

    /// The lsn up to which every kept checkpoint reaches; 0 while there are fewer than two.
    pub(crate) fn covered(&self) -> u64 {
        let kept = self.kept.lock();
        if kept.len() < KEPT_CHECKPOINTS { 0 } else { kept.first().copied().unwrap_or(0) }
    }

    pub(crate) fn kept(&self) -> Vec<u64> {
        self.kept.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Checkpoint {
        let shard = |shard, lsn| ShardCheckpoint { shard, lsn, index: lsn / 2, blob: vec![shard as u8; 3] };
        Checkpoint::new(vec![shard(7, 90), shard(2, 80)]).unwrap()
    }

    #[test]
    fn a_checkpoint_begins_with_these_bytes() {
        let bytes = sample().encode();
        let hex: String = bytes[4..HEADER].iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "46424159434b500a0100000050000000000000000200000000000000".to_owned() + "6e00000000000000");
    }

    #[test]
    fn every_flipped_bit_of_a_checkpoint_is_noticed() {
        let bytes = sample().encode();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_shard_may_not_be_there_twice() {
        let shard = ShardCheckpoint { shard: 1, lsn: 1, index: 1, blob: vec![] };
        assert!(Checkpoint::new(vec![shard.clone(), shard]).is_err());
        assert!(Checkpoint::new(vec![]).is_err());
    }

    proptest! {
        #[test]
        fn checkpoints_survive_the_round_trip(
            shards in proptest::collection::btree_map(any::<u32>(), (any::<u64>(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..50)), 1..6)
        ) {
            let shards = shards.into_iter().map(|(shard, (lsn, index, blob))| ShardCheckpoint { shard, lsn, index, blob }).collect();
            let checkpoint = Checkpoint::new(shards).unwrap();
            prop_assert_eq!(Checkpoint::decode(&checkpoint.encode()), Ok(checkpoint));
        }
    }
}
