//! Variable length integers and length-prefixed bytes: the alphabet of commands and checkpoints.

use thiserror::Error;

/// Bytes that do not say what they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes end inside a value.
    #[error("the value is cut off")]
    Short,
    /// A number needs more than 64 bits.
    #[error("the number is too long")]
    Overlong,
    /// A value that no writer makes.
    #[error("the value is out of range")]
    Range,
    /// Text that is not UTF-8.
    #[error("the text is not UTF-8")]
    Text,
    /// Something follows the last value.
    #[error("bytes follow the last value")]
    Trailing,
}

/// Writes values to the end of a buffer.
pub(crate) trait Write {
    /// LEB128.
    fn put_u64(&mut self, value: u64);
    /// ZigZag, then LEB128.
    fn put_i64(&mut self, value: i64);
    /// One byte.
    fn put_byte(&mut self, value: u8);
    /// Length, then bytes.
    fn put_bytes(&mut self, value: &[u8]);
}

impl Write for Vec<u8> {
    fn put_u64(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    fn put_i64(&mut self, value: i64) {
        self.put_u64(((value << 1) ^ (value >> 63)) as u64);
    }

    fn put_byte(&mut self, value: u8) {
        self.push(value);
    }

    fn put_bytes(&mut self, value: &[u8]) {
        self.put_u64(value.len() as u64);
        self.extend_from_slice(value);
    }
}

/// Reads values from the front of a slice; never panics, whatever the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, CodecError> {
        let (first, rest) = self.rest.split_first().ok_or(CodecError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(CodecError::Overlong);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(CodecError::Overlong)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, CodecError> {
        u32::try_from(self.u64()?).map_err(|_| CodecError::Range)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, CodecError> {
        let value = self.u64()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn bool(&mut self) -> Result<bool, CodecError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodecError::Range),
        }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(CodecError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let len = usize::try_from(self.u64()?).map_err(|_| CodecError::Range)?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CodecError::Text)
    }

    /// A count of things that take at least one byte each: bounded by what is left, so that nothing is allocated for
    /// a length that lies.
    pub(crate) fn count(&mut self) -> Result<usize, CodecError> {
        let count = self.u64()?;
        if count > self.rest.len() as u64 {
            return Err(CodecError::Short);
        }
        Ok(count as usize)
    }

    pub(crate) fn finish(self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CodecError::Trailing) }
    }
}

/// Writes rising sequences as runs: how many runs, then for each the gap to the run before and its length.
pub(crate) fn put_runs(out: &mut Vec<u8>, runs: &[(u64, u64)]) {
    out.put_u64(runs.len() as u64);
    let mut before = 0;
    for (first, last) in runs {
        debug_assert!(*first > before || before == 0, "runs rise");
        out.put_u64(first.wrapping_sub(before));
        out.put_u64(last.wrapping_sub(*first));
        before = *last;
    }
}

/// Reads what [`put_runs`] wrote; runs that do not rise are refused.
pub(crate) fn runs(reader: &mut Reader<'_>) -> Result<Vec<(u64, u64)>, CodecError> {
    let count = reader.count()?;
    let mut runs = Vec::with_capacity(count);
    let mut before = 0u64;
    for at in 0..count {
        let gap = reader.u64()?;
        if at > 0 && gap == 0 {
            return Err(CodecError::Range);
        }
        let first = before.checked_add(gap).ok_or(CodecError::Range)?;
        let last = first.checked_add(reader.u64()?).ok_or(CodecError::Range)?;
        runs.push((first, last));
        before = last;
    }
    Ok(runs)
}

/// Adds a sequence to rising runs; out of order ones are put where they belong.
pub(crate) fn push_run(runs: &mut Vec<(u64, u64)>, seq: u64) {
    match runs.last_mut() {
        Some((_, last)) if *last + 1 == seq => *last = seq,
        Some((_, last)) if *last < seq => runs.push((seq, seq)),
        None => runs.push((seq, seq)),
        Some(_) => insert_run(runs, seq),
    }
}

fn insert_run(runs: &mut Vec<(u64, u64)>, seq: u64) {
    let at = runs.partition_point(|(_, last)| *last < seq);
    if runs.get(at).is_some_and(|(first, _)| *first <= seq) {
        return;
    }
    let joins_left = at > 0 && runs.get(at - 1).is_some_and(|(_, last)| *last + 1 == seq);
    let joins_right = runs.get(at).is_some_and(|(first, _)| seq + 1 == *first);
    match (joins_left, joins_right) {
        (true, true) => {
            let (_, last) = runs.remove(at);
            if let Some(run) = runs.get_mut(at - 1) {
                run.1 = last;
            }
        }
        (true, false) => {
            if let Some(run) = runs.get_mut(at - 1) {
                run.1 = seq;
            }
        }
        (false, true) => {
            if let Some(run) = runs.get_mut(at) {
                run.0 = seq;
            }
        }
        (false, false) => runs.insert(at, (seq, seq)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(a: u64, b: i64, bytes: Vec<u8>) {
            let mut out = Vec::new();
            out.put_u64(a);
            out.put_i64(b);
            out.put_bytes(&bytes);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.u64(), Ok(a));
            prop_assert_eq!(reader.i64(), Ok(b));
            prop_assert_eq!(reader.bytes(), Ok(&bytes[..]));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn runs_hold_the_sequences_pushed_in_any_order(seqs: Vec<u16>) {
            let mut made = Vec::new();
            for seq in &seqs {
                push_run(&mut made, u64::from(*seq) + 1);
            }
            let want: std::collections::BTreeSet<u64> = seqs.iter().map(|seq| u64::from(*seq) + 1).collect();
            let have: Vec<u64> = made.iter().flat_map(|(first, last)| *first..=*last).collect();
            prop_assert_eq!(have, want.into_iter().collect::<Vec<_>>());
            let mut out = Vec::new();
            put_runs(&mut out, &made);
            prop_assert_eq!(runs(&mut Reader::new(&out)), Ok(made));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            let _ = (reader.u64(), reader.bytes().map(<[u8]>::len), runs(&mut reader), reader.text());
        }
    }
}
