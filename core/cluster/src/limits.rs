//! The named bounds of the cluster, and the relations between them that the rest of the crate relies on.

use std::time::Duration;

/// Shards whose log raft writes have this bit in the lane; the rest of the number is the group.
pub const RAFT_BIT: u32 = 1 << 31;

/// Records in one raft entry, unless a single proposal has more.
pub const ENTRY_MESSAGES: u32 = 256;
/// Bytes of records in one raft entry, unless a single proposal has more.
pub const ENTRY_BYTES: usize = 1 << 20;
/// Raft entries of one group on their way at the same time. Measured: 2 and 4 are as good as each other
/// (`reference/raft-storage.md` §2.3).
pub const ENTRIES_IN_FLIGHT: usize = 2;

/// Proposals that may wait for their entry.
pub const QUEUE_PROPOSALS: usize = 8192;
/// Bytes of records that may wait for their entry.
pub const QUEUE_BYTES: usize = 16 << 20;
/// The longest proposal: with its header it has to fit into one frame of the append lane.
pub const MAX_PROPOSAL_BYTES: usize = MAX_APPEND_FRAME - (64 << 10);

/// What the lane adds to an entry's records, at most.
pub const ENTRY_SLACK_BYTES: usize = 4096;

/// The longest frame of the control lane.
pub const MAX_CONTROL_FRAME: usize = 64 << 10;
/// The longest frame of the append lane.
pub const MAX_APPEND_FRAME: usize = 8 << 20;
/// Bytes of records in one append request, unless a single entry has more.
pub const APPEND_BYTES: usize = 2 << 20;
/// Entries in one append request.
pub const APPEND_ENTRIES: u64 = 256;
/// Append requests to one peer that may wait for their answer.
pub const APPENDS_IN_FLIGHT: usize = 8;

/// Members of one group.
pub const MAX_MEMBERS: usize = 256;
/// Configurations in one membership: two during a joint change; openraft allows more and never makes them.
pub const MAX_CONFIGS: usize = 8;
/// The longest name or address of a member in bytes.
pub const MAX_NAME_BYTES: usize = 1024;

/// Bytes of recent entries that a group keeps in memory. What is not applied or not yet durable stays beyond it.
pub const TAIL_CACHE_BYTES: usize = 16 << 20;
/// Entries that one call of the machine gets at most.
pub const APPLY_ENTRIES: usize = 256;
/// How long an append waits before it asks a full lane again.
pub const LANE_RETRY: Duration = Duration::from_millis(2);

/// How often a leader shows that it is there.
pub const HEARTBEAT: Duration = Duration::from_millis(250);
/// Within this time after an append no heartbeat is sent.
pub const HEARTBEAT_MIN: Duration = Duration::from_millis(120);
/// openraft's follower waits for the leader's lease and then for a random time of `ELECTION_MIN..LEASE`, so that an
/// election begins 1.45 to 2 s after the last heartbeat.
pub const LEASE: Duration = Duration::from_millis(1000);
/// See [`LEASE`].
pub const ELECTION_MIN: Duration = Duration::from_millis(450);
/// How long an append request waits for its answer: the other side syncs in it.
pub const APPEND_TIMEOUT: Duration = Duration::from_millis(1000);

const _: () = assert!(ENTRY_BYTES <= MAX_PROPOSAL_BYTES && APPEND_BYTES <= MAX_PROPOSAL_BYTES);
const _: () = assert!(MAX_PROPOSAL_BYTES < MAX_APPEND_FRAME && ENTRY_BYTES <= QUEUE_BYTES);
const _: () = assert!(HEARTBEAT.as_millis() + HEARTBEAT_MIN.as_millis() + 60 < ELECTION_MIN.as_millis());
const _: () = assert!(ELECTION_MIN.as_millis() < LEASE.as_millis());
