//! The only real randomness in the program: the operating system's.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The length of a nuid, which NATS uses for inboxes, message ids and consumer names.
const NUID_CHARS: usize = 22;

/// Whether there is randomness at all; asked once at start, so that nobody else needs to.
///
/// # Errors
/// What the operating system says.
pub fn check() -> io::Result<()> {
    try_fill(&mut [0; 8])
}

/// Fills a buffer.
///
/// The operating system cannot refuse once [`check`] has passed (getrandom(2)). If it did, going on
/// with guessable ids would be worse than ending, so the process ends.
pub fn fill(buffer: &mut [u8]) {
    if let Err(error) = try_fill(buffer) {
        tracing::error!(target: crate::log::FATAL, error = %error, "No randomness");
        std::process::abort();
    }
}

fn try_fill(buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A random number.
pub fn u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A random text of letters and digits.
pub fn base62(chars: usize) -> String {
    let mut text = String::with_capacity(chars);
    let mut bytes = [0; 64];
    while text.len() < chars {
        fill(&mut bytes);
        // 248 is the greatest multiple of 62 in a byte: what is above would favour some letters.
        let letters = bytes.iter().filter(|byte| **byte < 248).filter_map(|byte| BASE62.get(usize::from(byte % 62)));
        text.extend(letters.take(chars - text.len()).map(|letter| char::from(*letter)));
    }
    text
}

/// An id in the form of NATS' nuid.
pub fn nuid() -> String {
    base62(NUID_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_form_and_differ() {
        let (one, two) = (nuid(), nuid());
        assert!(one.len() == 22 && one.chars().all(|c| c.is_ascii_alphanumeric()), "{one}");
        assert_ne!(one, two);
        assert_ne!(u64(), u64());
    }
}
