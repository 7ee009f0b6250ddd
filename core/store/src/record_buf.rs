//! One record, wherever it lies: in a recent group, in a chunk that was read from disk, or in a memory stream.

use crate::log::format::FormatError;
use crate::log::group::Group;
use crate::log::record::RecordRef;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// A record and a share in the memory that holds it. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct RecordBuf(Place);

#[derive(Debug, Clone)]
enum Place {
    Group(Arc<Group>, Range<usize>),
    Bytes(Bytes),
}

/// What a record that cannot be parsed is read as. It does not happen: constructors parse the record first.
const NOTHING: RecordRef<'static> = RecordRef {
    number: 0,
    flags: 0,
    uid: 0,
    time: 0,
    seq: None,
    subject: &[],
    headers: &[],
    payload: &[],
    len: 0,
    crc: 0,
};

impl RecordBuf {
    /// The record that starts at `start` of a group.
    pub(crate) fn in_group(group: Arc<Group>, start: usize) -> Option<RecordBuf> {
        let len = RecordRef::parse_trusted(group.bytes(start..group.len())).ok()?.len;
        Some(RecordBuf(Place::Group(group, start..start + len)))
    }

    /// The record at the start of bytes that came from a disk or a peer: its checksum is verified here.
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn verified(bytes: Bytes) -> Result<RecordBuf, FormatError> {
        let len = RecordRef::decode(&bytes)?.len;
        Ok(RecordBuf(Place::Bytes(bytes.slice(..len))))
    }

    /// The record at the start of bytes that never left this process.
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn trusted(bytes: Bytes) -> Result<RecordBuf, FormatError> {
        let len = RecordRef::parse_trusted(&bytes)?.len;
        Ok(RecordBuf(Place::Bytes(bytes.slice(..len))))
    }

    /// The whole record as it is encoded.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Place::Group(group, range) => group.bytes(range.clone()),
            Place::Bytes(bytes) => bytes,
        }
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> RecordRef<'_> {
        RecordRef::parse_trusted(self.as_bytes()).unwrap_or(NOTHING)
    }
}
