//! How messages reach the guest: `n` descriptors of 32 bytes, then the bytes they tell the lengths of, in order.
//!
//! A descriptor is four lengths (`u32`: subject, reply, headers, payload), the stream sequence (`u64`) and the time
//! (`i64`, nanoseconds), all little-endian. A part that the function does not need has length 0.

use forebay_broker::hooks::{FILTER_BATCH_MAX, MessageRef};

use super::section::Needs;
use crate::limits::FRAME_BYTES_MAX;

/// Size of a descriptor.
pub const DESCRIPTOR_BYTES: usize = 32;

/// The parts of a message that `needs` asks for.
#[inline]
fn parts<'a>(needs: Needs, message: &MessageRef<'a>) -> [&'a [u8]; 4] {
    let part = |wanted, bytes: &'a [u8]| if needs.has(wanted) { bytes } else { &[] };
    [
        part(Needs::SUBJECT, message.subject),
        part(Needs::REPLY, message.reply),
        part(Needs::HEADERS, message.headers),
        part(Needs::PAYLOAD, message.payload),
    ]
}

/// Bytes that one message takes in a frame.
#[inline]
pub fn message_bytes(needs: Needs, message: &MessageRef<'_>) -> usize {
    let mut bytes = DESCRIPTOR_BYTES;
    for part in parts(needs, message) {
        bytes = bytes.saturating_add(part.len());
    }
    bytes
}

/// Bytes of the frame of these messages; `None` if it would pass [`FRAME_BYTES_MAX`].
#[inline]
pub fn frame_bytes(needs: Needs, messages: &[MessageRef<'_>]) -> Option<usize> {
    let mut bytes = 0_usize;
    for message in messages {
        bytes = bytes.saturating_add(message_bytes(needs, message));
    }
    (bytes <= FRAME_BYTES_MAX).then_some(bytes)
}

/// How many messages from the first on fit into a frame of `bytes_max`, at least one, at most
/// [`FILTER_BATCH_MAX`].
#[inline]
pub fn batch_len(needs: Needs, messages: &[MessageRef<'_>], bytes_max: usize) -> usize {
    let mut bytes = 0_usize;
    for (at, message) in messages.iter().take(FILTER_BATCH_MAX).enumerate() {
        bytes = bytes.saturating_add(message_bytes(needs, message));
        if bytes > bytes_max && at > 0 {
            return at;
        }
    }
    messages.len().min(FILTER_BATCH_MAX)
}

/// Writes the frame into `out`, which has the size that [`frame_bytes`] told. `None` if it has not.
#[inline]
pub fn write(needs: Needs, messages: &[MessageRef<'_>], out: &mut [u8]) -> Option<()> {
    let (mut descriptors, mut bytes) = out.split_at_mut_checked(messages.len() * DESCRIPTOR_BYTES)?;
    for message in messages {
        let (descriptor, rest) = descriptors.split_at_mut_checked(DESCRIPTOR_BYTES)?;
        descriptors = rest;
        let (lengths, position) = descriptor.split_at_mut_checked(16)?;
        for (part, length) in parts(needs, message).into_iter().zip(lengths.as_chunks_mut::<4>().0) {
            *length = u32::try_from(part.len()).ok()?.to_le_bytes();
            let (here, rest) = bytes.split_at_mut_checked(part.len())?;
            here.copy_from_slice(part);
            bytes = rest;
        }
        let (sequence, time) = position.split_at_mut_checked(8)?;
        sequence.copy_from_slice(&message.sequence.to_le_bytes());
        time.copy_from_slice(&message.time_ns.to_le_bytes());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message<'a>(subject: &'a [u8], payload: &'a [u8]) -> MessageRef<'a> {
        MessageRef { subject, reply: b"r", headers: b"NATS/1.0\r\n\r\n", payload, sequence: 7, time_ns: -2 }
    }

    #[test]
    fn golden_bytes_of_a_frame() {
        let messages = [message(b"ab", b"xyz")];
        let needs = Needs::SUBJECT.with(Needs::PAYLOAD);
        let mut out = vec![0; frame_bytes(needs, &messages).unwrap()];
        write(needs, &messages, &mut out).unwrap();
        let want = [
            &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 254][..],
            &[255, 255, 255, 255, 255, 255, 255],
            b"abxyz",
        ]
        .concat();
        assert_eq!(out, want);
    }

    #[test]
    fn a_batch_is_cut_by_bytes_and_by_count_but_never_empty() {
        let big = vec![0; 1000];
        let one = message(b"a", &big);
        let many = vec![one; 100];
        assert_eq!(batch_len(Needs::PAYLOAD, &many, 3 * 1032), 3);
        assert_eq!(batch_len(Needs::PAYLOAD, &many, 10), 1);
        assert_eq!(batch_len(Needs::SUBJECT, &many, 1 << 20), 64);
        assert_eq!(batch_len(Needs::SUBJECT, &[], 10), 0);
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused() {
        let big = vec![0; FRAME_BYTES_MAX];
        assert_eq!(frame_bytes(Needs::PAYLOAD, &[message(b"a", &big)]), None);
        assert_eq!(frame_bytes(Needs::SUBJECT, &[message(b"a", &big)]), Some(33));
    }

    /// What a guest does with a frame, written once more and plainly.
    fn read(frame: &[u8], count: usize) -> Vec<[Vec<u8>; 4]> {
        let mut at = count * DESCRIPTOR_BYTES;
        let mut messages = Vec::new();
        for descriptor in frame[..at].chunks(DESCRIPTOR_BYTES) {
            let mut parts = [const { Vec::new() }; 4];
            for (part, length) in parts.iter_mut().zip(descriptor.chunks(4)) {
                let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
                *part = frame[at..at + length].to_vec();
                at += length;
            }
            messages.push(parts);
        }
        assert_eq!(at, frame.len());
        messages
    }

    proptest! {
        #[test]
        fn a_guest_reads_what_was_written(
            parts in proptest::collection::vec(any::<[Vec<u8>; 4]>(), 0..5),
        ) {
            let messages: Vec<_> = parts
                .iter()
                .map(|[subject, reply, headers, payload]| MessageRef {
                    subject, reply, headers, payload, sequence: 1, time_ns: 2,
                })
                .collect();
            let mut out = vec![0; frame_bytes(Needs::ALL, &messages).unwrap()];
            write(Needs::ALL, &messages, &mut out).unwrap();
            prop_assert_eq!(read(&out, messages.len()), parts);
        }

        #[test]
        fn a_slice_of_the_wrong_size_is_not_written_beyond(size in 0_usize..64) {
            let mut out = vec![0; size];
            let fits = size >= 38;
            prop_assert_eq!(write(Needs::ALL, &[message(b"abcdef", b"")], &mut out).is_some(), fits && size >= 32 + 6 + 1 + 12);
        }
    }
}
