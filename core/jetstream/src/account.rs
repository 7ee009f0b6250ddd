//! What an account uses and has reserved, and whether a stream still fits: admission, before the log.
//!
//! Limits are [`AccountLimits`]: -1 is none. Apply never looks here (DESIGN §4.3): a leader may refuse by these numbers, a replica must not decide by them.

pub use forebay_api::account::AccountLimits;
use forebay_api::error::ApiError;
use forebay_api::stream::{Storage, StreamConfig};

use crate::shard::Shard;

/// What the configs of streams reserve by `max_bytes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// In memory.
    pub memory: u64,
    /// In files.
    pub storage: u64,
    /// How many streams.
    pub streams: u64,
}

impl Reservation {
    /// What these configs reserve together.
    pub fn of<'a>(configs: impl Iterator<Item = &'a StreamConfig>) -> Self {
        configs.fold(Self::default(), |mut sum, config| {
            let bytes = config.max_bytes.max(0).unsigned_abs();
            match config.storage {
                Storage::File => sum.storage = sum.storage.saturating_add(bytes),
                Storage::Memory => sum.memory = sum.memory.saturating_add(bytes),
            }
            sum.streams += 1;
            sum
        })
    }

    /// Whether one more stream fits (nats-server `checkAllLimits`, `checkBytesLimits`).
    ///
    /// # Errors
    /// 10027, 10113, 10122, 10028 or 10047.
    pub fn admit(&self, config: &StreamConfig, limits: &AccountLimits) -> Result<(), ApiError> {
        let over = |most: i64, have: u64| u64::try_from(most).is_ok_and(|most| have > most);
        if over(limits.max_streams, self.streams + 1) {
            return Err(ApiError::maximum_streams_limit());
        }
        if limits.max_bytes_required && config.max_bytes <= 0 {
            return Err(ApiError::stream_max_bytes_required());
        }
        let bytes = config.max_bytes.max(0).unsigned_abs();
        let (most_each, most, reserved, full) = match config.storage {
            Storage::File => (
                limits.storage_max_stream_bytes,
                limits.max_storage,
                self.storage,
                ApiError::storage_resources_exceeded as fn() -> ApiError,
            ),
            Storage::Memory => (
                limits.memory_max_stream_bytes,
                limits.max_memory,
                self.memory,
                ApiError::memory_resources_exceeded as fn() -> ApiError,
            ),
        };
        // nats-server: 0 is no limit either.
        if most_each > 0 && over(most_each, bytes) {
            return Err(ApiError::stream_max_stream_bytes_exceeded());
        }
        if over(most, reserved.saturating_add(bytes)) {
            return Err(full());
        }
        Ok(())
    }
}

/// What is in the streams of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Logical bytes of memory streams.
    pub memory: u64,
    /// Logical bytes of file streams.
    pub storage: u64,
    /// How many streams.
    pub streams: u64,
    /// How many consumers.
    pub consumers: u64,
}

impl Usage {
    /// Adds what a shard holds of an account; of all accounts if none is named.
    pub fn add(&mut self, shard: &Shard, account: Option<&str>) {
        for row in shard.usage(account) {
            match row.storage_kind {
                Storage::File => self.storage += row.bytes,
                Storage::Memory => self.memory += row.bytes,
            }
            self.streams += 1;
            self.consumers += row.consumers;
        }
    }
}

/// One stream's part of [`Usage`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamUsage {
    pub(crate) storage_kind: Storage,
    pub(crate) bytes: u64,
    pub(crate) consumers: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_bytes_reserves() {
        let config = |max_bytes| StreamConfig { max_bytes, ..StreamConfig::default() };
        let limits = AccountLimits { max_storage: 100, max_streams: 3, ..AccountLimits::default() };
        let have = Reservation::of([config(60), config(-1)].iter());
        assert_eq!(have, Reservation { memory: 0, storage: 60, streams: 2 });
        assert_eq!(have.admit(&config(40), &limits), Ok(()));
        assert_eq!(have.admit(&config(41), &limits), Err(ApiError::storage_resources_exceeded()));
        let full = Reservation { streams: 3, ..have };
        assert_eq!(full.admit(&config(-1), &limits), Err(ApiError::maximum_streams_limit()));
    }
}
