//! A batch of encoded records, and how several that wait become one raft entry.

use crate::limits::ENTRY_MESSAGES;
use crate::machine::Attached;
use bytes::Bytes;
use forebay_store::{FormatError, Location, RecordBatch, Records};

/// The records of one entry, as they lie in the lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Encoded records, one behind the other.
    pub records: Bytes,
    /// Their number.
    pub count: u32,
    /// CRC32C over their checksums.
    pub records_crc: u32,
    /// The proposer's time in nanoseconds since 1970.
    pub time: i64,
}

/// Length of a record's checksum, which is what the checksum over the records is made from.
const CRC_BYTES: usize = 4;

impl Batch {
    /// A copy of what a thread has staged.
    #[must_use]
    pub fn of(staged: &RecordBatch, time: i64) -> Batch {
        Batch {
            records: Bytes::copy_from_slice(staged.bytes()),
            count: staged.count(),
            records_crc: staged.crc(),
            time,
        }
    }

    /// Checks every record of a batch that came over the network.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<(), FormatError> {
        let (mut len, mut crc) = (0usize, 0u32);
        for record in self.records(Location::NONE) {
            let (_, record) = record?;
            len = len.saturating_add(record.len);
            crc = crc32c::crc32c_append(crc, &record.crc.to_le_bytes());
        }
        if len != self.records.len() {
            return Err(FormatError::Inconsistent("the number of records"));
        }
        if crc == self.records_crc { Ok(()) } else { Err(FormatError::Checksum) }
    }

    fn records(&self, first: Location) -> Records<'_> {
        Records::new(&self.records, first, self.count)
    }

    /// The records, which have been verified when they came.
    #[must_use]
    pub fn trusted(&self, first: Location) -> Records<'_> {
        Records::trusted(&self.records, first, self.count)
    }
}

/// What waits for the next raft entry.
#[derive(Debug)]
pub(crate) struct Gather<A> {
    /// Bytes of one entry, unless one batch alone has more.
    most: usize,
    waiting: Vec<(Batch, A)>,
    bytes: usize,
    count: u32,
}

impl<A> Gather<A> {
    pub(crate) fn new(most: usize) -> Gather<A> {
        Gather { most, waiting: Vec::new(), bytes: 0, count: 0 }
    }

    /// Whether one more batch of this size still belongs to the entry.
    pub(crate) fn fits(&self, batch: &Batch) -> bool {
        self.waiting.is_empty()
            || (self.bytes + batch.records.len() <= self.most
                && self.count.saturating_add(batch.count) <= ENTRY_MESSAGES)
    }

    pub(crate) fn push(&mut self, batch: Batch, attachment: A) {
        self.bytes += batch.records.len();
        self.count = self.count.saturating_add(batch.count);
        self.waiting.push((batch, attachment));
    }

    /// The entry, with who waits for which of its records. Empties the gatherer.
    pub(crate) fn take(&mut self) -> Option<(Batch, Vec<Attached<A>>)> {
        let waiting = std::mem::take(&mut self.waiting);
        let (bytes, alone) = (std::mem::take(&mut self.bytes), waiting.len() == 1);
        self.count = 0;
        let mut whole = Batch { records: Bytes::new(), count: 0, records_crc: 0, time: i64::MIN };
        let mut records = if alone { Vec::new() } else { Vec::with_capacity(bytes) };
        let mut attached = Vec::with_capacity(waiting.len());
        for (batch, attachment) in waiting {
            attached.push(Attached { first: whole.count, count: batch.count, attachment });
            whole.records_crc =
                crc32c::crc32c_combine(whole.records_crc, batch.records_crc, CRC_BYTES * batch.count as usize);
            whole.count = whole.count.saturating_add(batch.count);
            whole.time = whole.time.max(batch.time);
            if alone {
                whole.records = batch.records;
            } else {
                records.extend_from_slice(&batch.records);
            }
        }
        if !alone {
            whole.records = records.into();
        }
        (!attached.is_empty()).then_some((whole, attached))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ENTRY_BYTES;
    use forebay_store::RecordFields;

    fn batch(payloads: &[&[u8]], time: i64) -> Batch {
        let mut staged = RecordBatch::new();
        for payload in payloads {
            staged.push(&RecordFields { number: 1, payload, ..RecordFields::default() }).unwrap();
        }
        Batch::of(&staged, time)
    }

    #[test]
    fn what_is_gathered_has_the_checksum_of_all_its_records() {
        let mut gather = Gather::new(ENTRY_BYTES);
        gather.push(batch(&[b"a", b"bb"], 5), 'x');
        gather.push(batch(&[b"ccc"], 3), 'y');
        let (whole, attached) = gather.take().unwrap();
        assert_eq!(whole.verify(), Ok(()));
        assert_eq!(whole, batch(&[b"a", b"bb", b"ccc"], 5));
        let parts: Vec<_> = attached.iter().map(|a| (a.first, a.count, a.attachment)).collect();
        assert_eq!(parts, [(0, 2, 'x'), (2, 1, 'y')]);
        assert!(gather.take().is_none());
    }

    #[test]
    fn a_batch_with_a_flipped_bit_is_refused() {
        let good = batch(&[b"hello"], 0);
        for bit in 0..good.records.len() * 8 {
            let mut bytes = good.records.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Batch { records: bytes.into(), ..good.clone() }.verify().is_err(), "bit {bit}");
        }
        assert!(Batch { count: 2, ..good.clone() }.verify().is_err());
        assert!(Batch { records_crc: 1, ..good }.verify().is_err());
    }

    #[test]
    fn an_entry_ends_where_its_limits_are_reached() {
        let mut gather = Gather::new(ENTRY_BYTES);
        let big = Batch { records: vec![0; ENTRY_BYTES].into(), ..batch(&[], 0) };
        assert!(gather.fits(&big), "a batch alone always fits");
        gather.push(big, ());
        assert!(!gather.fits(&batch(&[b"a"], 0)));
        gather.take();
        gather.push(Batch { count: ENTRY_MESSAGES, ..batch(&[], 0) }, ());
        assert!(!gather.fits(&batch(&[b"a"], 0)));
    }
}
