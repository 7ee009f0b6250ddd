//! Ping and Pong: a number there, the same number back.

use super::Frame;
use super::error::RouteError;
use super::frame::{Fields, Kind, begin, finish};

/// Appends a Ping, or the Pong to one.
pub fn encode(out: &mut Vec<u8>, kind: Kind, number: u64) {
    let start = begin(out, kind, 0);
    out.extend_from_slice(&number.to_le_bytes());
    finish(out, start);
}

/// Reads either.
///
/// # Errors
/// A body of another length.
pub fn decode(frame: &Frame<'_>) -> Result<u64, RouteError> {
    let mut fields = Fields(frame.body);
    let number = fields.u64()?;
    fields.end()?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ping_and_a_pong_have_their_golden_bytes() {
        let mut out = Vec::new();
        encode(&mut out, Kind::Ping, 258);
        encode(&mut out, Kind::Pong, 1);
        assert_eq!(
            out,
            [8, 0, 0, 0, 4, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
        );
    }

    proptest! {
        #[test]
        fn numbers_go_there_and_back(number: u64) {
            let mut out = Vec::new();
            encode(&mut out, Kind::Ping, number);
            prop_assert_eq!(decode(&Frame { kind: Kind::Ping, flags: 0, body: &out[8..] }), Ok(number));
        }

        #[test]
        fn any_body_decodes_without_a_panic(body: Vec<u8>) {
            let _ = decode(&Frame { kind: Kind::Ping, flags: 0, body: &body });
        }
    }
}
