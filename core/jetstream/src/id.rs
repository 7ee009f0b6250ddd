//! Who is meant: identities of streams and consumers, and positions of consumers.

/// A stream's identity, given by the meta machine and never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamUid(pub u64);

/// A consumer's identity inside its shard: the shard counts them, and never uses one again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerUid(pub u64);

/// What routes acks, wakes and delivery tasks to a consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerKey {
    /// The stream that the consumer reads.
    pub stream: StreamUid,
    /// The consumer.
    pub consumer: ConsumerUid,
}

/// How far a consumer is, in its own count and in its stream's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The consumer sequence: how many deliveries were made, redeliveries included.
    pub cseq: u64,
    /// The stream sequence.
    pub sseq: u64,
}

impl Position {
    /// The same, with a stream sequence of at most `sseq`.
    #[must_use]
    pub(crate) fn min_sseq(self, sseq: u64) -> Self {
        Self { sseq: self.sseq.min(sseq), ..self }
    }

    /// The later of both in each count. Positions only grow, so this is what two reports of the same consumer mean.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { cseq: self.cseq.max(other.cseq), sseq: self.sseq.max(other.sseq) }
    }
}

/// A waiter's number for "nobody waits".
pub const NO_WAITER: u32 = u32::MAX;

/// The shard number under which the meta machine's commands stand in the log. Streams live in shards from 1.
pub const META_SHARD: u32 = 0;
