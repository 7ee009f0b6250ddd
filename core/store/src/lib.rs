//! What is kept, and what "kept" means.
//!
//! # What
//! One log per disk ([`log`]) to which all shards append through the commit lane; the log is the message store. Around
//! it: checkpoints, footers, recovery and collection; the in-memory index of a stream ([`StreamIndex`]); bodies of
//! memory streams ([`MemoryBodies`]); small facts on sled ([`meta_store`]).
//!
//! # Boundary
//! Only `storage` touches files of the log, only `run` has threads, and nothing here knows tokio, a clock or
//! randomness: times and ids are arguments. Callers give entries of encoded records and an attachment each, and hear
//! through [`OnDurable`] when a power cut cannot take them any more.
//!
//! # Invariants
//! - An entry is reported as durable only after the write that holds it came back from `O_DSYNC` or `fdatasync`.
//! - One write is in flight at a time; entries are on disk in the order of their lsn, without gaps.
//! - Nothing that was read is used before its checksum matched.
//! - Below the durable position nothing is ever cut: damage is listed and left in place.
//! - A segment is reused only when both kept checkpoints reach beyond everything that was in it.
//! - Segment ids are never used twice, so that a location means one record or none.
//! - The locks here (the lane's buffer, the hot tail, the segment table, caches) are leaves: no two are held at once.
//!
//! # Not here (and where instead)
//! What records mean, sequences, limits, dedupe: `jetstream`. Which shard a stream is in, raft: `cluster`. Subjects'
//! rules: `subject`. The option rows: `server/options`.

pub mod checkpoint;
pub mod config;
pub mod error;
pub mod limits;
pub mod log;
pub mod memory;
pub mod meta;
pub mod meta_store;
pub mod mutant;
mod open;
pub mod reader;
mod record_buf;
pub mod run;
pub mod sequence_index;
pub mod storage;
pub mod store;
pub mod stream_index;
pub mod subject_index;
pub mod timer_wheel;

#[cfg(any(test, feature = "test-util"))]
pub mod conformance;

pub use checkpoint::{Checkpoint, ShardCheckpoint};
pub use config::{Config, Durability};
pub use error::{OpenError, StoreError};
pub use log::collect::{CollectStep, Collector, Liveness};
pub use log::footer::{Footer, FooterPart, FooterRow, Outcome};
pub use log::format::{EntryKind, FormatError, Location, STORE_SHARD};
pub use log::group::{Group, HotTail};
pub use log::lane::{Lane, LaneFailure, LaneStats, OnDurable, Step};
pub use log::live::LiveBytes;
pub use log::record::{RecordBatch, RecordFields, RecordRef, Records, encode_record};
pub use log::recover::RecoveryStats;
pub use log::submit::{DurableEntry, Index, LaneHandle, NewEntry, Placed, Refused, SubmitError};
pub use log::tail::{Damage, Tail, TailEntry, TailItem};
pub use memory::MemoryBodies;
pub use meta_store::{MemoryMeta, MetaError, MetaOp, MetaStore};
pub use reader::{ReadError, Reader};
pub use record_buf::RecordBuf;
pub use run::lane_thread::LaneThread;
pub use run::meta_thread::SledMeta;
pub use run::prepare_thread::PrepareThread;
pub use run::reader::{Busy, ColdReads};
pub use storage::disk::Disk;
pub use storage::memory::MemoryStorage;
pub use storage::{Storage, StorageFile};
pub use store::{Opened, Recovered, SegmentInfo, Store, foreign_streams};
pub use stream_index::{IndexError, Matcher, MessageMeta, NewMessage, Rebuilt, StreamIndex, StreamIndexBuilder};
pub use subject_index::SubjectState;
pub use timer_wheel::TimerWheel;
