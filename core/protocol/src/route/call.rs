//! Call and Answer: a question of one server to the other, with a number that its answer repeats.

use super::Frame;
use super::error::RouteError;
use super::frame::{Fields, HEADER_BYTES, Kind, header_bytes};

/// Bytes of a frame in front of what the caller says.
pub const HEAD_BYTES: usize = HEADER_BYTES + 8;

/// The head of a Call of `kind`, or of an Answer; the body follows it on the wire.
pub fn head(kind: Kind, number: u64, flags: u8, body: usize) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    let (header, id) = head.split_at_mut(HEADER_BYTES);
    header.copy_from_slice(&header_bytes(kind, flags, body + 8));
    id.copy_from_slice(&number.to_le_bytes());
    head
}

/// How an answer came about: its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// The body is the answer.
    Answered = 0,
    /// The other server says no; the body is its text.
    Refused = 1,
    /// The other server has too much to do.
    Busy = 2,
}

impl Outcome {
    /// The outcome with this number.
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Answered,
            2 => Self::Busy,
            _ => Self::Refused,
        }
    }
}

/// The number of a Call or an Answer, and what follows it.
///
/// # Errors
/// A body that is none.
pub fn decode<'a>(frame: &Frame<'a>) -> Result<(u64, &'a [u8]), RouteError> {
    let mut fields = Fields(frame.body);
    let number = fields.u64()?;
    Ok((number, fields.0))
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Decoded, decode as decode_frame};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_call_and_an_answer_have_their_golden_bytes() {
        assert_eq!(head(Kind::Call, 3, 7, 2), [10, 0, 0, 0, 9, 7, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        let busy = head(Kind::Answer, 3, Outcome::Busy as u8, 0);
        assert_eq!(busy, [8, 0, 0, 0, 10, 2, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn calls_go_there_and_back(number: u64, kind: u8, body: Vec<u8>) {
            let bytes = [&head(Kind::Call, number, kind, body.len())[..], &body].concat();
            let Ok(Decoded::Frame(frame, taken)) = decode_frame(&bytes, 1 << 20) else { panic!("a frame") };
            prop_assert_eq!((taken, frame.flags), (bytes.len(), kind));
            prop_assert_eq!(decode(&frame), Ok((number, &body[..])));
        }

        #[test]
        fn any_body_decodes_without_a_panic(body: Vec<u8>) {
            let _ = decode(&Frame { kind: Kind::Call, flags: 0, body: &body });
        }
    }
}
