//! What a guest's answers mean. Nothing in them is believed: each pointer, length, count and name is checked here.
//!
//! A filter answers a bitmap. A transform answers 0 (pass), 1 (drop), 2 (reject; the reason came by `forebay.fail`),
//! 3 (it cannot judge this message; the reason likewise) or `address << 32 | length` of a *record*:
//! a count of emits, and for each a subject, a payload, and a list of header edits. Numbers are `u32`, little-endian;
//! bytes are a length and then themselves; the length `u32::MAX` keeps what the original has.

use forebay_broker::hooks::{Emit, FILTER_BATCH_MAX, MessageRef};
use forebay_subject::is_valid_literal;

use crate::headers::{self, HeaderEdit};
use crate::limits::{
    EMITS_PER_CALL_MAX, HEADER_BLOCK_BYTES_MAX, HEADER_EDITS_MAX, HEADER_NAME_BYTES_MAX, SUBJECT_BYTES_MAX,
};

/// What a length of "unchanged" is.
const UNCHANGED: u32 = u32::MAX;

/// A transform's answer, before its record is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Unchanged.
    Pass,
    /// Swallowed.
    Drop,
    /// Rejected; the reason came by `fail`.
    Reject,
    /// Not judged; the reason came by `fail`.
    Failed,
    /// A record of `len` bytes at `address` in the guest's memory.
    Record {
        /// Where it begins.
        address: u32,
        /// Its length.
        len: u32,
    },
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// The number means nothing.
    #[error("answered {0}, which means nothing")]
    Code(u64),
    /// The record is not in its memory.
    #[error("answered a record outside of its memory")]
    OutOfMemory,
    /// The record ends too early, or too late.
    #[error("answered a record whose lengths do not add up")]
    Lengths,
    /// More of something than there may be.
    #[error("answered {count} {what}, and at most {max} are allowed")]
    TooMany {
        /// How many.
        count: u64,
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// The subject cannot be published to.
    #[error("made the subject \"{0}\", which is not valid")]
    Subject(String),
    /// The header's name or value cannot be one.
    #[error("made the header \"{0}\", which is not valid")]
    Header(String),
    /// The header is the server's.
    #[error("touched the header \"{0}\"; Nats-* and Forebay-* are the server's")]
    ReservedHeader(String),
    /// A header edit of an unknown kind.
    #[error("answered a header edit of the unknown kind {0}")]
    Edit(u32),
}

/// Reads a transform's answer.
pub fn decode_answer(answer: i64) -> Result<Answer, ResultError> {
    let bits = answer as u64;
    match (bits >> 32, bits as u32) {
        (0, 0) => Ok(Answer::Pass),
        (0, 1) => Ok(Answer::Drop),
        (0, 2) => Ok(Answer::Reject),
        (0, 3) => Ok(Answer::Failed),
        (0, _) => Err(ResultError::Code(bits)),
        (address, len) => Ok(Answer::Record { address: address as u32, len }),
    }
}

/// The bits of a filter's answer that mean one of `count` messages.
#[inline]
pub fn mask(count: usize) -> u64 {
    if count >= FILTER_BATCH_MAX { u64::MAX } else { (1 << count) - 1 }
}

/// Bounds that the server's configuration sets.
#[derive(Clone, Copy, Debug)]
pub struct OutputLimits {
    /// Largest payload that a plugin may make (`max_payload`).
    pub payload_bytes_max: usize,
}

impl OutputLimits {
    /// Largest record that could be valid; what is longer is refused before it is copied.
    pub fn record_bytes_max(&self) -> usize {
        EMITS_PER_CALL_MAX * (self.payload_bytes_max + SUBJECT_BYTES_MAX + HEADER_BLOCK_BYTES_MAX + 1024)
    }
}

/// Takes numbers and bytes off the front of a record.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn u32(&mut self) -> Result<u32, ResultError> {
        let (number, rest) = self.0.split_first_chunk::<4>().ok_or(ResultError::Lengths)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*number))
    }

    fn bytes_of(&mut self, len: u32) -> Result<&'a [u8], ResultError> {
        let (bytes, rest) = self.0.split_at_checked(len as usize).ok_or(ResultError::Lengths)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn bytes(&mut self) -> Result<&'a [u8], ResultError> {
        let len = self.u32()?;
        self.bytes_of(len)
    }

    fn changed(&mut self) -> Result<Option<&'a [u8]>, ResultError> {
        match self.u32()? {
            UNCHANGED => Ok(None),
            len => self.bytes_of(len).map(Some),
        }
    }

    fn count(&mut self, what: &'static str, max: usize) -> Result<u32, ResultError> {
        let count = self.u32()?;
        if count as usize > max {
            return Err(ResultError::TooMany { count: count.into(), what, max });
        }
        Ok(count)
    }
}

/// Reads a record and makes emits of it. `stamp` is set as `Forebay-Plugin` on each. An empty list is a drop.
pub fn decode_record(
    record: &[u8],
    original: &MessageRef<'_>,
    stamp: Option<&[u8]>,
    limits: OutputLimits,
) -> Result<Vec<Emit>, ResultError> {
    let mut reader = Reader(record);
    let count = reader.count("messages", EMITS_PER_CALL_MAX)?;
    let mut emits = Vec::with_capacity(count as usize);
    for _ in 0..count {
        emits.push(decode_emit(&mut reader, original, stamp, limits)?);
    }
    if reader.0.is_empty() { Ok(emits) } else { Err(ResultError::Lengths) }
}

fn decode_emit(
    reader: &mut Reader<'_>,
    original: &MessageRef<'_>,
    stamp: Option<&[u8]>,
    limits: OutputLimits,
) -> Result<Emit, ResultError> {
    let subject = reader.changed()?;
    if let Some(subject) = subject {
        check_subject(subject)?;
    }
    let payload = reader.changed()?;
    if let Some(payload) = payload.filter(|payload| payload.len() > limits.payload_bytes_max) {
        let what = "bytes of payload";
        return Err(ResultError::TooMany { count: payload.len() as u64, what, max: limits.payload_bytes_max });
    }
    let mut edits = Vec::new();
    for _ in 0..reader.count("header edits", HEADER_EDITS_MAX)? {
        edits.push(decode_edit(reader)?);
    }
    if let Some(stamp) = stamp {
        edits.push(HeaderEdit::Add(headers::STAMP, stamp));
    }
    let headers = (!edits.is_empty()).then(|| headers::edit(original.headers, &edits));
    if let Some(block) = headers.as_ref().filter(|block| block.len() > HEADER_BLOCK_BYTES_MAX) {
        // A block that the client sent and that only was stamped may be as large as the client made it.
        if block.len() > original.headers.len() + headers::STAMP_BYTES_MAX {
            let what = "bytes of headers";
            return Err(ResultError::TooMany { count: block.len() as u64, what, max: HEADER_BLOCK_BYTES_MAX });
        }
    }
    Ok(Emit { subject: subject.map(<[u8]>::to_vec), headers, payload: payload.map(<[u8]>::to_vec) })
}

/// A subject may be published to as any client may: no wildcards, no empty tokens, nothing unprintable.
fn check_subject(subject: &[u8]) -> Result<(), ResultError> {
    let sound = subject.len() <= SUBJECT_BYTES_MAX
        && is_valid_literal(subject)
        && !subject.iter().any(u8::is_ascii_control)
        && std::str::from_utf8(subject).is_ok();
    if sound { Ok(()) } else { Err(ResultError::Subject(shown(subject))) }
}

fn decode_edit<'a>(reader: &mut Reader<'a>) -> Result<HeaderEdit<'a>, ResultError> {
    let kind = reader.u32()?;
    let name = reader.bytes()?;
    let value = reader.bytes()?;
    if name.is_empty() || name.len() > HEADER_NAME_BYTES_MAX || !headers::is_name(name) || !headers::is_value(value) {
        return Err(ResultError::Header(shown(name)));
    }
    if headers::is_reserved(name) {
        return Err(ResultError::ReservedHeader(shown(name)));
    }
    match kind {
        0 => Ok(HeaderEdit::Set(name, value)),
        1 => Ok(HeaderEdit::Remove(name)),
        2 => Ok(HeaderEdit::Add(name, value)),
        _ => Err(ResultError::Edit(kind)),
    }
}

/// The start of a guest's bytes, safe to show.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(64)]).escape_debug().to_string()
}

#[cfg(test)]
mod tests;
