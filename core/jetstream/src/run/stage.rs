//! What one thread gathers for one shard during a turn.

use crate::command::number::PUBLISH;
use crate::run::waiter::Waiters;
use forebay_broker::Inbound;
use forebay_store::{FormatError, RecordBatch, RecordFields};

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

    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }
}
