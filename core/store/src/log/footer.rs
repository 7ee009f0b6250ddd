//! Footers: what `apply` made of each record of a sealed segment, so that recovery need not apply it again.
//!
//! A footer lies in a file `footer-<id>` beside its segment: segments are written to their end, and a recycled one
//! must not keep the footer of its former life. It is written once every shard with entries in the segment has
//! handed in its part.

use super::format::{FORMAT_VERSION, FormatError, put, u32_at, u64_at};
use super::segment::numbered;
use crate::error::StoreError;
use crate::storage::Storage;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"FBAYFTR\n";
const PREFIX: &str = "footer-";
const HEADER: usize = 32;
const ROW: usize = 40;
const MAX_FOOTER_BYTES: u64 = 1 << 30;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A message with this sequence.
    Seq(u64),
    /// Refused, with the caller's code.
    Refused(u16),
    /// Not a message.
    NotAMessage,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FooterRow {
    /// Offset in the segment.
    pub offset: u32,
    /// Unique id of the stream.
    pub uid: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Logical size of the message.
    pub size: u32,
    /// Index into the part's subjects.
    pub subject: u32,
    /// The time that apply gave it.
    pub time: i64,
}

/// What one shard made of its records in the segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FooterPart {
    /// The records in order.
    pub rows: Vec<FooterRow>,
    /// The subjects that the rows name.
    pub subjects: Vec<Box<[u8]>>,
    /// How the shard's state changed apart from bodies, in its own encoding.
    pub state_change: Vec<u8>,
}

/// A whole footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// The segment.
    pub segment: u32,
    /// Lsn of the segment's first entry, which tells its lives apart.
    pub first_lsn: u64,
    /// Parts by shard.
    pub parts: Vec<(u32, FooterPart)>,
}

fn file_name(segment: u32) -> String {
    format!("{PREFIX}{segment:08x}")
}

pub(crate) fn footer_of_name(name: &str) -> Option<u32> {
    numbered(name, PREFIX, 8).and_then(|n| u32::try_from(n).ok())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], FormatError> {
    let (len, behind) = rest.split_first_chunk::<4>().ok_or(FormatError::Short)?;
    let (bytes, behind) = behind.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or(FormatError::Short)?;
    *rest = behind;
    Ok(bytes)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, FormatError> {
    let (value, behind) = rest.split_first_chunk::<4>().ok_or(FormatError::Short)?;
    *rest = behind;
    Ok(u32::from_le_bytes(*value))
}

fn encode_row(row: &FooterRow) -> [u8; ROW] {
    let mut out = [0u8; ROW];
    let (kind, value) = match row.outcome {
        Outcome::Seq(seq) => (1u8, seq),
        Outcome::Refused(code) => (2, u64::from(code)),
        Outcome::NotAMessage => (3, 0),
    };
    put(&mut out, 0, &row.offset.to_le_bytes());
    put(&mut out, 4, &row.subject.to_le_bytes());
    put(&mut out, 8, &row.uid.to_le_bytes());
    put(&mut out, 16, &value.to_le_bytes());
    put(&mut out, 24, &row.time.to_le_bytes());
    put(&mut out, 32, &row.size.to_le_bytes());
    put(&mut out, 36, &[kind]);
    out
}

fn decode_row(row: &[u8]) -> Result<FooterRow, FormatError> {
    let value = u64_at(row, 16);
    let outcome = match row.get(36) {
        Some(1) => Outcome::Seq(value),
        Some(2) => Outcome::Refused(u16::try_from(value).map_err(|_| FormatError::Inconsistent("a refusal"))?),
        Some(3) => Outcome::NotAMessage,
        _ => return Err(FormatError::Unknown("outcome")),
    };
    Ok(FooterRow {
        offset: u32_at(row, 0),
        subject: u32_at(row, 4),
        uid: u64_at(row, 8),
        outcome,
        time: u64_at(row, 24).cast_signed(),
        size: u32_at(row, 32),
    })
}

impl Footer {
    /// The file's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0u8; HEADER];
        put(&mut out, 4, &MAGIC);
        put(&mut out, 12, &FORMAT_VERSION.to_le_bytes());
        put(&mut out, 16, &self.segment.to_le_bytes());
        put(&mut out, 20, &(self.parts.len() as u32).to_le_bytes());
        put(&mut out, 24, &self.first_lsn.to_le_bytes());
        for (shard, part) in &self.parts {
            out.extend_from_slice(&shard.to_le_bytes());
            out.extend_from_slice(&(part.subjects.len() as u32).to_le_bytes());
            for subject in &part.subjects {
                put_bytes(&mut out, subject);
            }
            put_bytes(&mut out, &part.state_change);
            out.extend_from_slice(&(part.rows.len() as u32).to_le_bytes());
            for row in &part.rows {
                out.extend_from_slice(&encode_row(row));
            }
        }
        let crc = crc32c::crc32c(&out[4..]);
        put(&mut out, 0, &crc.to_le_bytes());
        out
    }

    /// Reads a file's bytes, the checksum first.
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Footer, FormatError> {
        let (head, mut rest) = bytes.split_at_checked(HEADER).ok_or(FormatError::Short)?;
        if head.get(4..12) != Some(&MAGIC) {
            return Err(FormatError::Magic);
        }
        if crc32c::crc32c(bytes.get(4..).unwrap_or_default()) != u32_at(head, 0) {
            return Err(FormatError::Checksum);
        }
        if u32_at(head, 12) != FORMAT_VERSION {
            return Err(FormatError::Unknown("footer version"));
        }
        let mut parts = Vec::new();
        for _ in 0..u32_at(head, 20) {
            let shard = take_u32(&mut rest)?;
            parts.push((shard, decode_part(&mut rest)?));
        }
        if !rest.is_empty() {
            return Err(FormatError::Inconsistent("the footer's length"));
        }
        Ok(Footer { segment: u32_at(head, 16), first_lsn: u64_at(head, 24), parts })
    }
}

fn decode_part(rest: &mut &[u8]) -> Result<FooterPart, FormatError> {
    let mut part = FooterPart::default();
    for _ in 0..take_u32(rest)? {
        part.subjects.push(take_bytes(rest)?.into());
    }
    part.state_change = take_bytes(rest)?.to_vec();
    let rows = (take_u32(rest)? as usize).checked_mul(ROW).ok_or(FormatError::Short)?;
    let (rows, behind) = rest.split_at_checked(rows).ok_or(FormatError::Short)?;
    *rest = behind;
    for row in rows.chunks_exact(ROW) {
        let row = decode_row(row)?;
        if row.subject as usize >= part.subjects.len() && matches!(row.outcome, Outcome::Seq(_)) {
            return Err(FormatError::Inconsistent("a row's subject"));
        }
        part.rows.push(row);
    }
    Ok(part)
}

/// Footers in the making, and those on disk.
#[derive(Debug)]
pub struct Footers {
    storage: Arc<dyn Storage>,
    parts: Mutex<BTreeMap<u32, Vec<(u32, FooterPart)>>>,
}

impl Footers {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Footers {
        Footers { storage, parts: Mutex::default() }
    }

    /// Keeps a part until [`Footers::write_complete`] finds all of them.
    pub(crate) fn add(&self, segment: u32, shard: u32, part: FooterPart) {
        let mut parts = self.parts.lock();
        let list = parts.entry(segment).or_default();
        list.retain(|(other, _)| *other != shard);
        list.push((shard, part));
    }

    /// Writes the footer of a sealed segment if all of its shards gave their part. Blocking.
    pub(crate) fn write_complete(&self, segment: u32, first_lsn: u64, shards: &[u32]) -> Result<bool, StoreError> {
        let mut parts = {
            let mut all = self.parts.lock();
            let complete = all.get(&segment).is_some_and(|p| shards.iter().all(|s| p.iter().any(|(o, _)| o == s)));
            if !complete {
                return Ok(false);
            }
            all.remove(&segment).unwrap_or_default()
        };
        parts.sort_by_key(|(shard, _)| *shard);
        let footer = Footer { segment, first_lsn, parts };
        let name = file_name(segment);
        self.storage.write_file(&name, &footer.encode()).map_err(StoreError::io(format!("writing {name}")))?;
        Ok(true)
    }

    /// The segments that have parts waiting.
    pub(crate) fn waiting(&self) -> Vec<u32> {
        self.parts.lock().keys().copied().collect()
    }

    /// Reads the footer of a segment that began with `first_lsn`; `None` if there is none of this life.
    pub(crate) fn read(&self, segment: u32, first_lsn: u64) -> Result<Option<Footer>, StoreError> {
        let name = file_name(segment);
        let bytes = match self.storage.read_file(&name, MAX_FOOTER_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(format!("reading {name}"))(error)),
        };
        let footer = Footer::decode(&bytes).map_err(|source| StoreError::Damaged { what: name, source })?;
        Ok((footer.segment == segment && footer.first_lsn == first_lsn).then_some(footer))
    }

    /// Takes the footer of a freed segment away.
    pub(crate) fn remove(&self, segment: u32) -> io::Result<()> {
        self.parts.lock().remove(&segment);
        match self.storage.remove(&file_name(segment)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Footer {
        let row = FooterRow { offset: 4168, uid: 9, outcome: Outcome::Seq(3), size: 40, subject: 0, time: -5 };
        let refused = FooterRow { outcome: Outcome::Refused(10071), offset: 4300, ..row };
        let part = FooterPart {
            rows: vec![row, refused],
            subjects: vec![b"a.b".as_slice().into()],
            state_change: vec![1, 2, 3],
        };
        Footer { segment: 5, first_lsn: 77, parts: vec![(2, part), (4, FooterPart::default())] }
    }

    #[test]
    fn a_footer_has_these_bytes() {
        let bytes = sample().encode();
        let hex: String = bytes[4..88].iter().map(|b| format!("{b:02x}")).collect();
        let expected = concat!(
            "464241594654520a0100000005000000020000004d00000000000000",
            "020000000100000003000000612e620300000001020302000000",
            "481000000000000009000000000000000300000000000000fbff"
        );
        assert_eq!(hex[..expected.len()], *expected);
        assert_eq!(Footer::decode(&bytes), Ok(sample()));
    }

    #[test]
    fn every_flipped_bit_and_cut_of_a_footer_is_noticed() {
        let bytes = sample().encode();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::decode(&bad).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(Footer::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    prop_compose! {
        fn any_row()(offset: u32, uid: u64, seq: u64, code: u16, kind in 0..3, size: u32, time: i64) -> FooterRow {
            let outcome = match kind { 0 => Outcome::Seq(seq), 1 => Outcome::Refused(code), _ => Outcome::NotAMessage };
            FooterRow { offset, uid, outcome, size, subject: 0, time }
        }
    }

    proptest! {
        #[test]
        fn footers_survive_the_round_trip(
            segment: u32, first_lsn: u64, rows in proptest::collection::vec(any_row(), 0..20),
            change in proptest::collection::vec(any::<u8>(), 0..20), shard: u32,
        ) {
            let part = FooterPart { rows, subjects: vec![b"s".as_slice().into()], state_change: change };
            let footer = Footer { segment, first_lsn, parts: vec![(shard, part)] };
            prop_assert_eq!(Footer::decode(&footer.encode()), Ok(footer));
        }
    }
}
