//! Header blocks: `NATS/1.0[ code[ text]]\r\n` and `Name: value\r\n` lines up to an empty one.
//!
//! Names keep their case and are compared with it; the first match wins (nats-server `client.go` getHeader).

/// How every block begins.
pub const VERSION: &[u8] = b"NATS/1.0";
/// An empty block.
pub const EMPTY: &[u8] = b"NATS/1.0\r\n\r\n";

/// The lines of a block as (name, value), without the status line. Lines without a colon are passed over.
pub fn lines(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = match memchr::memchr(b'\n', block) {
        Some(at) => &block[at + 1..],
        None => &[],
    };
    std::iter::from_fn(move || {
        loop {
            let end = memchr::memchr(b'\n', rest)?;
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            rest = &rest[end + 1..];
            if line.is_empty() {
                return None;
            }
            if let Some(colon) = memchr::memchr(b':', line) {
                return Some((&line[..colon], trim(&line[colon + 1..])));
            }
        }
    })
}

fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

/// The value of the first line with this name.
pub fn get<'a>(block: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    lines(block).find(|(have, _)| *have == name).map(|(_, value)| value)
}

/// Appends the block that tells a requester that nobody answers to `subject`.
pub fn no_responders(out: &mut Vec<u8>, subject: &[u8]) {
    out.extend_from_slice(b"NATS/1.0 503\r\nNats-Subject: ");
    out.extend_from_slice(subject);
    out.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_wins_and_case_matters() {
        let block = b"NATS/1.0\r\nA: 1\r\na:2\r\nA:3\r\nnonsense\r\n\r\nB: 4\r\n";
        assert_eq!(get(block, b"A"), Some(&b"1"[..]));
        assert_eq!(get(block, b"a"), Some(&b"2"[..]));
        assert_eq!(get(block, b"B"), None);
        assert_eq!(lines(block).count(), 3);
    }
}
