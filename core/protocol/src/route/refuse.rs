//! Refuse: why a connection is not wanted, as a number for the program and a text for the log.

use super::Frame;
use super::error::RouteError;
use super::frame::{Fields, Kind, begin, finish};
use crate::limits::ROUTE_REFUSAL_MAX;

/// Why a connection is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Something that has no number of its own.
    Other = 0,
    /// The two are connected already.
    Duplicate = 1,
    /// It is itself.
    Itself = 2,
    /// Another cluster's name or id.
    Cluster = 3,
    /// The proof is wrong.
    Secret = 4,
    /// No common version.
    Version = 5,
    /// Another server has this name.
    Name = 6,
    /// The server stops.
    Shutdown = 7,
    /// The lane is not served here.
    Lane = 8,
}

impl Reason {
    /// The reason with this number; a number of later versions is [`Reason::Other`].
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Duplicate,
            2 => Self::Itself,
            3 => Self::Cluster,
            4 => Self::Secret,
            5 => Self::Version,
            6 => Self::Name,
            7 => Self::Shutdown,
            8 => Self::Lane,
            _ => Self::Other,
        }
    }
}

/// Appends the frame.
pub fn encode(out: &mut Vec<u8>, reason: Reason, text: &str) {
    let start = begin(out, Kind::Refuse, 0);
    out.push(reason as u8);
    let text = text.as_bytes();
    out.extend_from_slice(text.get(..text.len().min(ROUTE_REFUSAL_MAX)).unwrap_or_default());
    finish(out, start);
}

/// Reads the frame. What is no text in it is replaced.
///
/// # Errors
/// An empty body, or a text over the limit.
pub fn decode(frame: &Frame<'_>) -> Result<(Reason, String), RouteError> {
    let mut fields = Fields(frame.body);
    let reason = Reason::from_number(fields.u8()?);
    if fields.0.len() > ROUTE_REFUSAL_MAX {
        return Err(RouteError::TooLong { length: fields.0.len(), most: ROUTE_REFUSAL_MAX });
    }
    // It is shown in a log: nothing in it may end the line.
    let text = String::from_utf8_lossy(fields.0).replace(|c: char| c.is_control(), " ");
    Ok((reason, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_refusal_has_its_golden_bytes() {
        let mut out = Vec::new();
        encode(&mut out, Reason::Secret, "no");
        assert_eq!(out, [3, 0, 0, 0, 3, 0, 0, 0, 4, b'n', b'o']);
    }

    proptest! {
        #[test]
        fn refusals_go_there_and_back(number in 0u8..9, text in "[a-z ]{0,200}") {
            let mut out = Vec::new();
            encode(&mut out, Reason::from_number(number), &text);
            let frame = Frame { kind: Kind::Refuse, flags: 0, body: &out[8..] };
            prop_assert_eq!(decode(&frame), Ok((Reason::from_number(number), text)));
        }

        #[test]
        fn any_body_decodes_without_a_panic(body: Vec<u8>) {
            let _ = decode(&Frame { kind: Kind::Refuse, flags: 0, body: &body });
        }
    }
}
