//! A shard in a checkpoint: all of it but the bodies, at one applied index.

use thiserror::Error;

use super::Shard;
use crate::codec::{CodecError, Reader, Write};
use crate::limits::CHECKPOINT_STREAMS_MAX;
use crate::stream::Stream;

/// The layout's version: a newer one is refused.
/// 2: consumers say what they gave up.
const VERSION: u8 = 2;
const OLDEST: u8 = 1;

/// Why a checkpoint does not restore.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Written by a newer server.
    #[error("checkpoint version {0} is newer than this server's")]
    Newer(u8),
    /// The bytes do not decode.
    #[error("checkpoint: {0}")]
    Damaged(#[from] CodecError),
}

impl Shard {
    /// Appends the shard's state.
    pub fn checkpoint(&self, out: &mut Vec<u8>) {
        out.put_byte(VERSION);
        out.put_u64(u64::from(self.id));
        out.put_u64(self.applied);
        out.put_u64(self.next_consumer);
        out.put_u64(self.streams.len() as u64);
        for stream in self.streams.values() {
            stream.encode(out);
        }
    }

    /// Reads what [`Shard::checkpoint`] wrote; later entries are applied next, then [`Shard::become_leader`].
    ///
    /// # Errors
    /// A newer version, or bytes that no writer makes.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let mut r = Reader::new(bytes);
        let version = r.byte()?;
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(RestoreError::Newer(version));
        }
        let mut shard = Self::new(r.u32()?);
        shard.applied = r.u64()?;
        shard.next_consumer = r.u64()?;
        let streams = r.u64()?;
        if streams > CHECKPOINT_STREAMS_MAX {
            return Err(CodecError::Range.into());
        }
        for _ in 0..streams {
            shard.insert(Stream::decode(&mut r)?);
        }
        r.finish()?;
        Ok(shard)
    }
}
