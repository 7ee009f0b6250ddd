//! Proof: 32 bytes that only who knows the shared secret can make.

use super::Frame;
use super::error::RouteError;
use super::frame::{Fields, Kind, begin, finish};

/// Bytes of a proof.
pub const PROOF_BYTES: usize = 32;

/// Appends the frame.
pub fn encode(out: &mut Vec<u8>, proof: &[u8; PROOF_BYTES]) {
    let start = begin(out, Kind::Proof, 0);
    out.extend_from_slice(proof);
    finish(out, start);
}

/// Reads the frame.
///
/// # Errors
/// A body of another length.
pub fn decode(frame: &Frame<'_>) -> Result<[u8; PROOF_BYTES], RouteError> {
    let mut fields = Fields(frame.body);
    let proof = fields.chunk()?;
    fields.end()?;
    Ok(proof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_proof_has_its_golden_bytes() {
        let mut out = Vec::new();
        encode(&mut out, &[7; PROOF_BYTES]);
        assert_eq!(out, [&[32, 0, 0, 0, 2, 0, 0, 0][..], &[7; 32]].concat());
    }

    proptest! {
        #[test]
        fn proofs_go_there_and_back(proof: [u8; PROOF_BYTES]) {
            let mut out = Vec::new();
            encode(&mut out, &proof);
            prop_assert_eq!(decode(&Frame { kind: Kind::Proof, flags: 0, body: &out[8..] }), Ok(proof));
        }

        #[test]
        fn any_body_decodes_without_a_panic(body: Vec<u8>) {
            let _ = decode(&Frame { kind: Kind::Proof, flags: 0, body: &body });
        }
    }
}
