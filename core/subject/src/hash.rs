//! A fast hash for short keys: subjects and tokens. Not for what an enemy may choose without bounds: the tables that
//! use it compare the whole key, and a flood of collisions costs only the flooder's own account time.

const FOLD: u64 = 0x9E37_79B9_7F4A_7C15;

#[inline(always)]
fn mix(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

/// Hashes `bytes` under `seed`; equal inputs give equal results on every machine.
#[inline]
pub fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(FOLD);
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        state = mix(state ^ u64::from_le_bytes(*chunk), 0xA076_1D64_78BD_642F);
    }
    if !rest.is_empty() {
        let tail = match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
            }
            _ => word(rest),
        };
        state = mix(state ^ tail, 0xE703_7ED1_A0B4_28DB);
    }
    mix(state ^ FOLD, 0x8EBC_6AF0_9C88_C6E3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_lengths_and_seeds_differ() {
        let text = b"abcdefghijklmnopqrstuvwxyz";
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..4 {
            for len in 0..text.len() {
                assert!(seen.insert(hash(seed, &text[..len])), "{seed} {len}");
            }
        }
    }
}
