//! Buffers whose address fits direct I/O.

use crate::limits::BLOCK;

/// A zeroed buffer that starts at a multiple of the block size. It never grows, so that its address stays.
///
/// The alignment comes from a longer allocation and an offset, which needs no `unsafe`.
#[derive(Debug)]
pub(crate) struct AlignedBuf {
    raw: Box<[u8]>,
    start: usize,
    len: usize,
}

impl AlignedBuf {
    pub(crate) fn new(len: usize) -> AlignedBuf {
        let raw = vec![0u8; len + BLOCK].into_boxed_slice();
        let start = raw.as_ptr().align_offset(BLOCK);
        // `align_offset` may answer "impossible" in theory; the kernel would then refuse the write, nothing worse.
        let start = if start <= BLOCK { start } else { 0 };
        AlignedBuf { raw, start, len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.raw.get(self.start..self.start + self.len).unwrap_or_default()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.raw.get_mut(self.start..self.start + self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_start_at_block_boundaries() {
        for len in [1, BLOCK, 3 * BLOCK + 5] {
            let mut buf = AlignedBuf::new(len);
            assert_eq!(buf.bytes().as_ptr().align_offset(BLOCK), 0);
            assert_eq!((buf.len(), buf.bytes().len(), buf.bytes_mut().len()), (len, len, len));
        }
    }
}
