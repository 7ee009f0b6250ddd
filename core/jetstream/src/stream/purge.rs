//! Removing by request: STREAM.PURGE and STREAM.MSG.DELETE.

use forebay_api::error::ApiError;
use forebay_store::Matcher;

use super::Stream;
use crate::effect::Effects;

impl Stream {
    /// Removes many; says how many.
    pub(crate) fn apply_purge(
        &mut self,
        filter: &[u8],
        below: u64,
        keep: u64,
        fx: &mut Effects,
    ) -> Result<u64, ApiError> {
        if self.rules.sealed {
            return Err(ApiError::stream_sealed());
        }
        if self.rules.deny_purge {
            return Err(ApiError::stream_purge_failed("stream purge not permitted"));
        }
        let purged = if filter.is_empty() || filter == b">" {
            self.purge_all(below, keep, fx)
        } else {
            self.purge_matching(filter, below, keep, fx)
        };
        let first = self.index.first_seq();
        self.consumers.values_mut().for_each(|consumer| consumer.handle_purged(first));
        Ok(purged)
    }

    fn purge_matching(&mut self, filter: &[u8], below: u64, keep: u64, fx: &mut Effects) -> u64 {
        let mut matcher = Matcher::new([filter]);
        let matching = self.index.count_from(self.index.first_seq(), &mut matcher);
        let mut left = matching.saturating_sub(keep);
        let (mut from, mut purged) = (self.index.first_seq(), 0);
        while left > 0
            && let Some((seq, _)) = self.index.next_matching(from, &mut matcher)
        {
            if below > 0 && seq >= below {
                break;
            }
            self.remove(seq, fx);
            (from, left, purged) = (seq + 1, left - 1, purged + 1);
        }
        purged
    }

    /// Removes one.
    pub(crate) fn apply_delete_message(&mut self, seq: u64, fx: &mut Effects) -> Result<(), ApiError> {
        if self.rules.sealed {
            return Err(ApiError::stream_sealed());
        }
        if self.rules.deny_delete {
            return Err(ApiError::stream_msg_delete_failed("message delete not permitted"));
        }
        if self.remove(seq, fx) {
            return Ok(());
        }
        // The words of nats-server's two stores, asked of 2.15.1.
        Err(if self.rules.memory {
            ApiError::sequence_not_found(seq)
        } else if seq > self.index.last_seq() {
            ApiError::stream_msg_delete_failed("stream store EOF")
        } else if seq < self.index.first_seq() {
            ApiError::stream_msg_delete_failed("no message found")
        } else {
            ApiError::sequence_not_found(seq)
        })
    }

    /// Removes everything below a sequence; says how many.
    pub(super) fn purge_below(&mut self, seq: u64, fx: &mut Effects) -> u64 {
        let mut purged = 0;
        while self.index.count() > 0 {
            let first = self.index.first_seq();
            if first >= seq || !self.remove(first, fx) {
                break;
            }
            purged += 1;
        }
        purged
    }

    fn purge_all(&mut self, below: u64, keep: u64, fx: &mut Effects) -> u64 {
        if below > 0 {
            let purged = self.purge_below(below, fx);
            // Beyond the end, a purge also says where the next message begins (nats-server `Compact`).
            if below > self.index.last_seq() + 1 {
                self.index.skip_to(below - 1);
            }
            return purged;
        }
        let mut purged = 0;
        while self.index.count() > keep {
            let first = self.index.first_seq();
            if !self.remove(first, fx) {
                break;
            }
            purged += 1;
        }
        purged
    }
}
