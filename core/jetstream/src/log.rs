//! The seam between the machines and whatever makes their commands durable: the local commit of R1, or raft.

use thiserror::Error;

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// Too much waits already; answer 10167, or stop reading the publisher.
    #[error("the shard's log is full for now")]
    Full,
    /// No space to write to; publishes are refused with 10047.
    #[error("the disk is full")]
    DiskFull,
    /// Another server leads this shard.
    #[error("not the leader")]
    NotLeader,
    /// The disk failed: final until restart.
    #[error("the log has failed")]
    Failed,
}

/// Takes a shard's records and hands them back, durable and in order, to whoever applies them.
pub trait ShardLog {
    /// What waits for the entry: handed back with it.
    type Attachment;

    /// Proposes records as one entry. They are applied in this order, all or none.
    ///
    /// # Errors
    /// The entry was not taken, and the attachment comes back.
    fn propose(
        &self,
        shard: u32,
        records: &[u8],
        count: u32,
        attachment: Self::Attachment,
    ) -> Result<(), (ProposeError, Self::Attachment)>;
}
