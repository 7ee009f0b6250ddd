//! Frames in, records out: the bytes of `forebay/1` as a guest reads and writes them.

use crate::action::{Action, Emit, HeaderEdit};
use crate::message::Message;
use crate::verdict::Verdict;

/// Size of a message's descriptor in a frame.
const DESCRIPTOR_BYTES: usize = 32;
/// The length that says "as it was".
const UNCHANGED: u32 = u32::MAX;

/// The messages of a frame, in order.
struct Frame<'a> {
    descriptors: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    fn new(mailbox: &'a [u8], count: usize) -> Option<Self> {
        let (descriptors, bytes) = mailbox.split_at_checked(count.checked_mul(DESCRIPTOR_BYTES)?)?;
        Some(Self { descriptors, bytes })
    }

    fn take(&mut self, len: u32) -> Option<&'a [u8]> {
        let (part, rest) = self.bytes.split_at_checked(len as usize)?;
        self.bytes = rest;
        Some(part)
    }

    /// The next message; `Err` if its subject or reply is not UTF-8, `None` at the end or if the frame is broken.
    fn next(&mut self) -> Option<Result<Message<'a>, &'static str>> {
        let (descriptor, rest) = self.descriptors.split_first_chunk::<DESCRIPTOR_BYTES>()?;
        self.descriptors = rest;
        let mut numbers = descriptor.chunks_exact(4).map(|n| u32::from_le_bytes([n[0], n[1], n[2], n[3]]));
        let mut part = || self.take(numbers.next()?);
        let (subject, reply, headers, payload) = (part()?, part()?, part()?, part()?);
        let mut long = || Some(u64::from(numbers.next()?) | u64::from(numbers.next()?) << 32);
        let (sequence, time_ns) = (long()?, long()? as i64);
        let (Ok(subject), Ok(reply)) = (str::from_utf8(subject), str::from_utf8(reply)) else {
            return Some(Err("the subject or reply is not UTF-8"));
        };
        Some(Ok(Message { subject, reply, headers, payload, sequence, time_ns }))
    }
}

/// Judges the messages of a frame: the bitmap of those to deliver, and the undecided by `undecided`.
pub(super) fn filter_frame(
    mailbox: &[u8],
    count: usize,
    judge: impl Fn(&Message<'_>) -> Verdict,
    mut undecided: impl FnMut(u32, &str),
) -> Option<u64> {
    let mut frame = Frame::new(mailbox, count)?;
    let mut bits = 0;
    for at in 0..count {
        match frame.next()? {
            Ok(message) => match judge(&message) {
                Verdict::Deliver => bits |= 1 << at,
                Verdict::Skip => {}
                Verdict::Undecided(why) => undecided(at as u32, &why),
            },
            Err(why) => undecided(at as u32, why),
        }
    }
    Some(bits)
}

/// Writes an action's record.
fn write_record(out: &mut Vec<u8>, emits: &[Emit]) {
    out.clear();
    number(out, emits.len());
    for Emit { subject, payload, headers } in emits {
        changed(out, subject.as_deref().map(str::as_bytes));
        changed(out, payload.as_deref());
        number(out, headers.len());
        for edit in headers {
            let (kind, name, value) = match edit {
                HeaderEdit::Set(name, value) => (0, name, value.as_str()),
                HeaderEdit::Remove(name) => (1, name, ""),
                HeaderEdit::Add(name, value) => (2, name, value.as_str()),
            };
            number(out, kind);
            changed(out, Some(name.as_bytes()));
            changed(out, Some(value.as_bytes()));
        }
    }
}

fn number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&(number as u32).to_le_bytes());
}

fn changed(out: &mut Vec<u8>, part: Option<&[u8]>) {
    match part {
        None => out.extend_from_slice(&UNCHANGED.to_le_bytes()),
        Some(part) => {
            number(out, part.len());
            out.extend_from_slice(part);
        }
    }
}

/// The answer to a message that a transform judged: the number, and the text that goes with it.
pub(super) fn transform_frame<'o>(
    mailbox: &[u8],
    judge: impl Fn(&Message<'_>) -> Action,
    out: &'o mut Vec<u8>,
) -> Option<(Answer<'o>, Option<String>)> {
    let action = match Frame::new(mailbox, 1)?.next()? {
        Ok(message) => judge(&message),
        Err(why) => Action::Fail(why.into()),
    };
    Some(match action {
        Action::Pass => (Answer::Code(0), None),
        Action::Drop => (Answer::Code(1), None),
        Action::Reject(why) => (Answer::Code(2), Some(why)),
        Action::Fail(why) => (Answer::Code(3), Some(why)),
        Action::Replace(emits) => {
            write_record(out, &emits);
            (Answer::Record(out), None)
        }
    })
}

/// What a transform answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    Code(i64),
    Record(&'a [u8]),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(messages: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (subject, payload) in messages {
            for len in [subject.len(), 0, 0, payload.len()] {
                number(&mut out, len);
            }
            out.extend_from_slice(&7_u64.to_le_bytes());
            out.extend_from_slice(&(-5_i64).to_le_bytes());
        }
        for (subject, payload) in messages {
            out.extend_from_slice(subject);
            out.extend_from_slice(payload);
        }
        out
    }

    #[test]
    fn a_frame_is_read_message_by_message() {
        let mailbox = frame(&[(b"a.b", b"1"), (b"\xff", b"2"), (b"c", b"")]);
        let mut undecided = Vec::new();
        let judge = |message: &Message<'_>| {
            assert_eq!((message.sequence(), message.time_ns()), (Some(7), -5));
            if message.payload() == b"1" { Verdict::Deliver } else { Verdict::Undecided("c".into()) }
        };
        let bits = filter_frame(&mailbox, 3, judge, |at, why| undecided.push((at, why.to_string())));
        assert_eq!(bits, Some(1));
        assert_eq!(undecided, [(1, "the subject or reply is not UTF-8".into()), (2, "c".into())]);
    }

    #[test]
    fn a_short_frame_is_not_read_beyond() {
        let mailbox = frame(&[(b"a.b", b"1")]);
        for len in 0..mailbox.len() {
            assert_eq!(filter_frame(&mailbox[..len], 1, |_| Verdict::Deliver, |_, _| {}), None);
        }
    }

    #[test]
    fn a_transforms_answer_is_a_code_or_a_record() {
        let mailbox = frame(&[(b"a", b"1")]);
        let mut out = vec![9; 3];
        let mut answer = |action: Action| {
            let (answer, text) = transform_frame(&mailbox, |_| action.clone(), &mut out).unwrap();
            let code = if let Answer::Code(code) = answer { code } else { -1 };
            (code, text)
        };
        assert_eq!(answer(Action::Pass), (0, None));
        assert_eq!(answer(Action::Drop), (1, None));
        assert_eq!(answer(Action::reject("no")), (2, Some("no".into())));
        assert_eq!(answer(Action::fail("what")), (3, Some("what".into())));
        assert_eq!(answer(Action::subject("x").header("A", "1")), (-1, None));
        let want = b"\x01\0\0\0\x01\0\0\0x\xff\xff\xff\xff\x01\0\0\0\0\0\0\0\x01\0\0\0A\x01\0\0\x001";
        assert_eq!(out, want);
    }
}
