//! What one thread gathers for one shard during a turn.

use crate::command::number::PUBLISH;
use crate::run::waiter::Waiters;
use forebay_broker::Inbound;
use forebay_broker::limits::EMITS_BYTES_MAX;
use forebay_store::limits::MAX_ENTRY_BYTES;
use forebay_store::{FormatError, RecordBatch, RecordFields};

/// A stage of this many bytes goes to the lane before the turn ends. What plugins made of one message is not parted
/// there: it may bring a stage above this by all that the broker lets them make.
const STAGE_BYTES: usize = 512 << 10;

/// Publishes that gather, and who waits for them.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) batch: RecordBatch,
    pub(super) waiters: Waiters,
}

impl Stage {
    /// Adds a publish.
    ///
    /// # Errors
    /// The message does not fit into a record.
    #[inline]
    pub(super) fn push(
        &mut self,
        uid: u64,
        time: i64,
        account: usize,
        reply: &[u8],
        message: &Inbound<'_>,
    ) -> Result<(), FormatError> {
        self.batch.push(&RecordFields {
            number: PUBLISH,
            flags: 0,
            uid,
            time,
            subject: message.subject,
            headers: message.headers,
            payload: message.payload,
            seq: None,
        })?;
        self.waiters.push_publish(account, reply);
        Ok(())
    }

    /// True if it is to go to the lane now.
    pub(super) fn is_full(&self) -> bool {
        self.batch.len() >= STAGE_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }
}

const _: () = assert!(STAGE_BYTES + EMITS_BYTES_MAX + (64 << 10) <= MAX_ENTRY_BYTES, "one entry takes it all");
