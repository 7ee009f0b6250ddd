//! Edits of a raw header block (`NATS/1.0 …\r\nName: value\r\n…\r\n\r\n`). Lines that nobody touches stay as they are,
//! byte for byte. Names are compared as NATS does: case counts (ADR-4).

/// The header that a stamping transform adds.
pub(crate) const STAMP: &[u8] = b"Forebay-Plugin";
/// What a stamp adds to a block at most: name, separators, plugin name, hash, generation, and a first line.
pub(crate) const STAMP_BYTES_MAX: usize = 160;
const FIRST_LINE: &[u8] = b"NATS/1.0";
const END: &[u8] = b"\r\n";

/// One edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderEdit<'a> {
    /// All lines of this name go; one with this value comes.
    Set(&'a [u8], &'a [u8]),
    /// All lines of this name go.
    Remove(&'a [u8]),
    /// A line comes.
    Add(&'a [u8], &'a [u8]),
}

/// True for bytes that may be a header's name.
pub(crate) fn is_name(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':')
}

/// True for bytes that may be a header's value.
pub(crate) fn is_value(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// True for names that only the server and its clients may use.
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    let starts = |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    starts(b"nats-") || starts(b"forebay-")
}

/// The block's lines without their ends: the first line, then the headers.
fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    block.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|l| !l.is_empty())
}

fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b':') {
        Some(at) => (line[..at].trim_ascii_end(), line[at + 1..].trim_ascii()),
        None => (line, b""),
    }
}

/// The first value of a header.
pub(crate) fn get<'a>(block: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    lines(block).skip(1).map(split).find(|(have, _)| *have == name).map(|(_, value)| value)
}

/// The block after the edits, in order; empty if no header and no status is left.
pub(crate) fn edit(block: &[u8], edits: &[HeaderEdit<'_>]) -> Vec<u8> {
    let mut old = lines(block);
    let first = old.next().unwrap_or(FIRST_LINE);
    let mut kept: Vec<&[u8]> = old.collect();
    let mut added: Vec<(&[u8], &[u8])> = Vec::new();
    for edit in edits {
        if let HeaderEdit::Set(name, _) | HeaderEdit::Remove(name) = edit {
            kept.retain(|line| split(line).0 != *name);
            added.retain(|(have, _)| have != name);
        }
        if let HeaderEdit::Set(name, value) | HeaderEdit::Add(name, value) = edit {
            added.push((name, value));
        }
    }
    if kept.is_empty() && added.is_empty() && first.trim_ascii() == FIRST_LINE {
        return Vec::new();
    }
    let bytes = first.len()
        + kept.iter().map(|line| line.len() + 2).sum::<usize>()
        + added.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
    let mut out = Vec::with_capacity(bytes + 2 * END.len());
    out.extend_from_slice(first);
    out.extend_from_slice(END);
    for line in kept {
        out.extend_from_slice(line);
        out.extend_from_slice(END);
    }
    for (name, value) in added {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(END);
    }
    out.extend_from_slice(END);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &[u8] = b"NATS/1.0\r\nA: 1\r\nB:2\r\nA: 3\r\n\r\n";

    #[test]
    fn untouched_lines_stay_byte_for_byte() {
        assert_eq!(edit(BLOCK, &[]), BLOCK);
        assert_eq!(edit(BLOCK, &[HeaderEdit::Add(b"C", b"4")]), b"NATS/1.0\r\nA: 1\r\nB:2\r\nA: 3\r\nC: 4\r\n\r\n");
    }

    #[test]
    fn set_and_remove_take_all_lines_of_a_name() {
        assert_eq!(edit(BLOCK, &[HeaderEdit::Set(b"A", b"x")]), b"NATS/1.0\r\nB:2\r\nA: x\r\n\r\n");
        assert_eq!(edit(BLOCK, &[HeaderEdit::Remove(b"A")]), b"NATS/1.0\r\nB:2\r\n\r\n");
        assert_eq!(edit(BLOCK, &[HeaderEdit::Remove(b"a")]), BLOCK, "case counts");
    }

    #[test]
    fn edits_follow_each_other() {
        let edits = [HeaderEdit::Add(b"N", b"1"), HeaderEdit::Set(b"N", b"2"), HeaderEdit::Add(b"N", b"3")];
        assert_eq!(edit(b"", &edits), b"NATS/1.0\r\nN: 2\r\nN: 3\r\n\r\n");
    }

    #[test]
    fn nothing_left_is_no_block_but_a_status_stays() {
        assert_eq!(edit(b"NATS/1.0\r\nA: 1\r\n\r\n", &[HeaderEdit::Remove(b"A")]), b"");
        assert_eq!(edit(b"NATS/1.0 503\r\nA: 1\r\n\r\n", &[HeaderEdit::Remove(b"A")]), b"NATS/1.0 503\r\n\r\n");
    }

    #[test]
    fn values_are_found() {
        assert_eq!(get(BLOCK, b"A"), Some(&b"1"[..]));
        assert_eq!(get(BLOCK, b"B"), Some(&b"2"[..]));
        assert_eq!(get(BLOCK, b"NATS/1.0"), None);
        assert_eq!(get(b"", b"A"), None);
    }

    #[test]
    fn reserved_names_are_known_in_any_case() {
        assert!(is_reserved(b"nAtS-x") && is_reserved(b"Forebay-Plugin"));
        assert!(!is_reserved(b"Nat") && !is_reserved(b"X-Nats-"));
    }
}
