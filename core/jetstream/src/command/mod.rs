//! The numbered commands that change a shard: what stands in the log, and nothing else may change a machine.
//!
//! Numbers are append-only: a number keeps its meaning and its bytes for ever, a new meaning gets a new number, and
//! a number that this build does not know is refused (a newer server wrote it). Streams use 1 to 99, consumers 101 to
//! 199, the meta machine 201 to 299.

mod consumer;
mod stream;

pub use consumer::{ConsumerAction, ConsumerCommand, Progress, SettleReason};
pub use stream::StreamCommand;
use thiserror::Error;

pub use crate::codec::CodecError;

/// The command numbers, as they stand in record headers.
pub mod number {
    /// A message for a stream: the record's subject, headers and payload are the message itself.
    pub const PUBLISH: u16 = 1;
    /// [`StreamCommand::Create`](super::StreamCommand::Create).
    pub const STREAM_CREATE: u16 = 2;
    /// [`StreamCommand::Update`](super::StreamCommand::Update).
    pub const STREAM_UPDATE: u16 = 3;
    /// [`StreamCommand::Delete`](super::StreamCommand::Delete).
    pub const STREAM_DELETE: u16 = 4;
    /// [`StreamCommand::Purge`](super::StreamCommand::Purge).
    pub const STREAM_PURGE: u16 = 5;
    /// [`StreamCommand::DeleteMessage`](super::StreamCommand::DeleteMessage).
    pub const MESSAGE_DELETE: u16 = 6;
    /// [`StreamCommand::Expire`](super::StreamCommand::Expire).
    pub const EXPIRE: u16 = 7;
    /// [`StreamCommand::Skip`](super::StreamCommand::Skip).
    pub const SKIP: u16 = 8;
    /// [`StreamCommand::ExpireMessages`](super::StreamCommand::ExpireMessages).
    pub const EXPIRE_MESSAGES: u16 = 9;
    /// [`ConsumerCommand::Create`](super::ConsumerCommand::Create).
    pub const CONSUMER_CREATE: u16 = 101;
    /// [`ConsumerCommand::Delete`](super::ConsumerCommand::Delete).
    pub const CONSUMER_DELETE: u16 = 103;
    /// [`ConsumerCommand::Delivered`](super::ConsumerCommand::Delivered).
    pub const DELIVERED: u16 = 104;
    /// [`ConsumerCommand::Acks`](super::ConsumerCommand::Acks).
    pub const ACKS: u16 = 105;
    /// [`ConsumerCommand::Settled`](super::ConsumerCommand::Settled).
    pub const SETTLED: u16 = 106;
    /// [`ConsumerCommand::Pause`](super::ConsumerCommand::Pause).
    pub const CONSUMER_PAUSE: u16 = 107;
    /// [`MetaCommand::Create`](crate::meta::MetaCommand::Create).
    pub const META_CREATE: u16 = 201;
    /// [`MetaCommand::Update`](crate::meta::MetaCommand::Update).
    pub const META_UPDATE: u16 = 202;
    /// [`MetaCommand::Delete`](crate::meta::MetaCommand::Delete).
    pub const META_DELETE: u16 = 203;
    /// [`MetaCommand::Forget`](crate::meta::MetaCommand::Forget).
    pub const META_FORGET: u16 = 204;
    /// [`MetaCommand::ForgetMemory`](crate::meta::MetaCommand::ForgetMemory).
    pub const META_FORGET_MEMORY: u16 = 205;
    /// [`MetaCommand::Settle`](crate::meta::MetaCommand::Settle).
    pub const META_SETTLE: u16 = 206;
}

/// Why a record is no command that this build can apply.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such number here: written by a newer server, or damage.
    #[error("unknown command number {0}")]
    UnknownNumber(u16),
    /// The body does not decode.
    #[error("command {number}: {source}")]
    Body {
        /// The command's number.
        number: u16,
        /// What is wrong with its bytes.
        source: CodecError,
    },
}

pub(crate) fn body<T>(number: u16, read: Result<T, CodecError>) -> Result<T, CommandError> {
    read.map_err(|source| CommandError::Body { number, source })
}
