//! What can go wrong with a store as a whole. Parts have their own errors beside them.

use crate::log::format::FormatError;
use std::io;

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the store is used by another server")]
    Locked,
    /// Made by a newer version.
    #[error("the store has format version {found}, this server knows versions up to {known}; use a newer server")]
    Newer {
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// There are segments, but not the file that says what they are.
    #[error("the store has segments but its file FORMAT is missing or unreadable; restore it from a backup")]
    NoFormat,
    /// A durability level that this version does not have.
    #[error("the durability level \"os\" is not built yet; use \"fsync\"")]
    OsLevel,
    /// A configured bound that cannot work.
    #[error("the store's configuration is invalid: {0}")]
    Config(&'static str),
    /// A segment changed between two reads.
    #[error("segment {segment} changed while it was read, at entry {lsn}")]
    Changed {
        /// The segment.
        segment: u32,
        /// The entry.
        lsn: u64,
    },
    /// The file system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
        move |source| OpenError::Io { what: what.into(), source }
    }
}

/// Why an operation on an open store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is damaged.
    #[error("{what} is damaged: {source}")]
    Damaged {
        /// Which.
        what: String,
        /// How.
        source: FormatError,
    },
    /// The caller's parts contradict each other.
    #[error("{0}")]
    Invalid(&'static str),
    /// The lane did not take an entry.
    #[error(transparent)]
    Submit(#[from] crate::log::submit::SubmitError),
}

impl StoreError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError::Io { what: what.into(), source }
    }
}
