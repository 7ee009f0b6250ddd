//! The byte layout of a record: one message or one command inside an entry.
//!
//! A hot record never carries a sequence, because `apply` assigns it; the collector stamps it into cold ones.

use super::format::{FormatError, Location, put, u16_at, u32_at, u64_at};
use crate::limits::MAX_RECORD_BYTES;

/// Length of a hot record's header.
pub const RECORD_HEADER: usize = 36;

/// Length of a cold record's header, which ends with the sequence.
pub const COLD_RECORD_HEADER: usize = RECORD_HEADER + 8;

/// Set on records that the collector has moved: the header carries the sequence.
pub const FLAG_COLD: u16 = 0x8000;

/// The flags that belong to whoever submits the record.
pub const FLAGS_OF_CALLER: u16 = 0x00FF;

/// What goes into a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordFields<'a> {
    /// Number of the command (`jetstream/command.rs` has the table).
    pub number: u16,
    /// Only [`FLAGS_OF_CALLER`] are kept.
    pub flags: u16,
    /// Unique id of the stream.
    pub uid: u64,
    /// The leader's time in nanoseconds since 1970.
    pub time: i64,
    /// Subject of a message; empty for commands.
    pub subject: &'a [u8],
    /// Header block of a message.
    pub headers: &'a [u8],
    /// Payload of a message, or a command's bytes.
    pub payload: &'a [u8],
    /// Sequence, for cold records only.
    pub seq: Option<u64>,
}

impl RecordFields<'_> {
    /// The record's length in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let header = if self.seq.is_some() { COLD_RECORD_HEADER } else { RECORD_HEADER };
        header + self.subject.len() + self.headers.len() + self.payload.len()
    }
}

/// Appends a record to `out` in one pass and returns its checksum. Allocates only if `out` has to grow.
///
/// # Errors
/// `TooLarge`; `out` is then unchanged.
pub fn encode_record(out: &mut Vec<u8>, fields: &RecordFields<'_>) -> Result<u32, FormatError> {
    let len = fields.encoded_len();
    let (Ok(subject_len), true) = (u16::try_from(fields.subject.len()), len <= MAX_RECORD_BYTES) else {
        return Err(FormatError::TooLarge { bytes: len });
    };
    let cold = if fields.seq.is_some() { FLAG_COLD } else { 0 };
    let start = out.len();
    out.reserve(len);
    let mut header = [0u8; COLD_RECORD_HEADER];
    put(&mut header, 4, &(len as u32).to_le_bytes());
    put(&mut header, 8, &fields.number.to_le_bytes());
    put(&mut header, 10, &((fields.flags & FLAGS_OF_CALLER) | cold).to_le_bytes());
    put(&mut header, 12, &fields.uid.to_le_bytes());
    put(&mut header, 20, &fields.time.to_le_bytes());
    put(&mut header, 28, &subject_len.to_le_bytes());
    put(&mut header, 32, &(fields.headers.len() as u32).to_le_bytes());
    match fields.seq {
        None => out.extend_from_slice(&header[..RECORD_HEADER]),
        Some(seq) => {
            put(&mut header, RECORD_HEADER, &seq.to_le_bytes());
            out.extend_from_slice(&header);
        }
    }
    out.extend_from_slice(fields.subject);
    out.extend_from_slice(fields.headers);
    out.extend_from_slice(fields.payload);
    let crc = crc32c::crc32c(&out[start + 4..]);
    put(out, start, &crc.to_le_bytes());
    Ok(crc)
}

/// One record, borrowed from where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Number of the command.
    pub number: u16,
    /// The caller's flags.
    pub flags: u16,
    /// Unique id of the stream.
    pub uid: u64,
    /// The leader's time in nanoseconds since 1970.
    pub time: i64,
    /// Sequence; only cold records have one.
    pub seq: Option<u64>,
    /// Subject of a message.
    pub subject: &'a [u8],
    /// Header block of a message.
    pub headers: &'a [u8],
    /// Payload of a message, or a command's bytes.
    pub payload: &'a [u8],
    /// Length of the whole record in bytes.
    pub len: usize,
    /// The record's checksum.
    pub crc: u32,
}

impl<'a> RecordRef<'a> {
    /// Reads the record at the start of `bytes`, its checksum first.
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn decode(bytes: &'a [u8]) -> Result<RecordRef<'a>, FormatError> {
        let len = record_len(bytes)?;
        let body = bytes.get(4..len).ok_or(FormatError::Short)?;
        if crc32c::crc32c(body) != u32_at(bytes, 0) {
            return Err(FormatError::Checksum);
        }
        RecordRef::parse_trusted(bytes)
    }

    /// Reads the record at the start of `bytes` without its checksum: for bytes that never left this process.
    /// Lengths are checked all the same.
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn parse_trusted(bytes: &'a [u8]) -> Result<RecordRef<'a>, FormatError> {
        let len = record_len(bytes)?;
        let record = bytes.get(..len).ok_or(FormatError::Short)?;
        let flags = u16_at(record, 10);
        if flags & !(FLAG_COLD | FLAGS_OF_CALLER) != 0 || u16_at(record, 30) != 0 {
            return Err(FormatError::Unknown("record flags"));
        }
        let (header, seq) = if flags & FLAG_COLD == 0 {
            (RECORD_HEADER, None)
        } else {
            (COLD_RECORD_HEADER, Some(u64_at(record, RECORD_HEADER)))
        };
        let rest = record.get(header..).ok_or(FormatError::Inconsistent("the record's length"))?;
        let (subject, rest) = rest
            .split_at_checked(usize::from(u16_at(record, 28)))
            .ok_or(FormatError::Inconsistent("the subject's length"))?;
        let (headers, payload) = rest
            .split_at_checked(u32_at(record, 32) as usize)
            .ok_or(FormatError::Inconsistent("the headers' length"))?;
        Ok(RecordRef {
            number: u16_at(record, 8),
            flags: flags & FLAGS_OF_CALLER,
            uid: u64_at(record, 12),
            time: u64_at(record, 20).cast_signed(),
            seq,
            subject,
            headers,
            payload,
            len,
            crc: u32_at(record, 0),
        })
    }

    /// The same record as fields, with another sequence.
    #[must_use]
    pub fn fields(&self, seq: Option<u64>) -> RecordFields<'a> {
        RecordFields {
            number: self.number,
            flags: self.flags,
            uid: self.uid,
            time: self.time,
            subject: self.subject,
            headers: self.headers,
            payload: self.payload,
            seq,
        }
    }
}

/// What the record at the start of `bytes` says of its length. The checksum has not been looked at yet: the value
/// only bounds what to read.
pub(crate) fn record_len(bytes: &[u8]) -> Result<usize, FormatError> {
    if bytes.len() < RECORD_HEADER {
        return Err(FormatError::Short);
    }
    let len = u32_at(bytes, 4) as usize;
    if !(RECORD_HEADER..=MAX_RECORD_BYTES).contains(&len) {
        return Err(FormatError::Inconsistent("the record's length"));
    }
    Ok(len)
}

/// The records of one entry, with the places where they lie.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: Location,
    left: u32,
    verify: bool,
}

impl<'a> Records<'a> {
    /// Records whose checksums are checked. `bytes` starts with the first record, which lies at `first`.
    #[must_use]
    pub fn new(bytes: &'a [u8], first: Location, count: u32) -> Records<'a> {
        Records { bytes, at: first, left: count, verify: true }
    }

    /// Records that never left this process, or whose entry has been verified.
    #[must_use]
    pub fn trusted(bytes: &'a [u8], first: Location, count: u32) -> Records<'a> {
        Records { bytes, at: first, left: count, verify: false }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(Location, RecordRef<'a>), FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let read = if self.verify { RecordRef::decode(self.bytes) } else { RecordRef::parse_trusted(self.bytes) };
        match read {
            Ok(record) => {
                let at = self.at;
                self.bytes = self.bytes.get(record.len..).unwrap_or_default();
                self.at = at.plus(record.len);
                Some(Ok((at, record)))
            }
            Err(error) => {
                self.left = 0;
                Some(Err(error))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize))
    }
}

/// Checks all records of an entry: their checksums, their number, and the entry's checksum over the checksums.
pub(crate) fn verify_records(bytes: &[u8], count: u32, records_crc: u32) -> Result<(), FormatError> {
    let mut rest = bytes;
    let mut crc = 0;
    for _ in 0..count {
        let record = RecordRef::decode(rest)?;
        crc = crc32c::crc32c_append(crc, &record.crc.to_le_bytes());
        rest = rest.get(record.len..).unwrap_or_default();
    }
    if !rest.is_empty() {
        return Err(FormatError::Inconsistent("the number of records"));
    }
    if crc == records_crc { Ok(()) } else { Err(FormatError::Checksum) }
}

/// Records that wait to be submitted as one entry: the stage of one thread for one shard.
#[derive(Debug, Default)]
pub struct RecordBatch {
    bytes: Vec<u8>,
    count: u32,
    crc: u32,
}

impl RecordBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> RecordBatch {
        RecordBatch::default()
    }

    /// Appends a record.
    ///
    /// # Errors
    /// `TooLarge`; the batch is then unchanged.
    pub fn push(&mut self, fields: &RecordFields<'_>) -> Result<(), FormatError> {
        let crc = encode_record(&mut self.bytes, fields)?;
        self.crc = crc32c::crc32c_append(self.crc, &crc.to_le_bytes());
        self.count += 1;
        Ok(())
    }

    /// Number of records.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records, one behind the other.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// CRC32C over the records' checksums.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
        self.crc = 0;
    }

    /// Gives memory above `bytes` back, after an unusually large batch.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.bytes.shrink_to(bytes);
    }
}

#[cfg(test)]
mod tests;
