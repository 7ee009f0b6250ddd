//! Message: what a client published, on its way to another server's subscribers. One for each server, however many
//! subscribers it has there.
//!
//! Behind the addresses stands the tail as subscribers get it, `[reply ]sizes\r\nheaders payload\r\n`: it is copied
//! from the publisher's frame and into the subscribers' frames as it is.

use super::Frame;
use super::error::RouteError;
use super::frame::{Fields, HEADER_BYTES, Kind};
use crate::limits::SIZE_DIGITS_MAX;

const HEADERS: u8 = 1;
const REPLY: u8 = 2;
const PLAIN: u8 = 4;

/// Where a message goes: what is the same for every message to one subject and server.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The account.
    pub account: &'a [u8],
    /// The subject that subscribers see.
    pub subject: &'a [u8],
    /// The subject that decides who gets it, where that is another one; else empty.
    pub to: &'a [u8],
    /// Subscribers without a queue group get it.
    pub plain: bool,
}

/// Appends a frame. `queues` are the groups of which the other server has been chosen to serve one member each.
#[inline]
pub fn encode<'q>(
    out: &mut Vec<u8>,
    address: &Address<'_>,
    queues: impl ExactSizeIterator<Item = &'q [u8]> + Clone,
    (has_headers, has_reply): (bool, bool),
    tail: &[u8],
) {
    let flags = if has_headers { HEADERS } else { 0 }
        | if has_reply { REPLY } else { 0 }
        | if address.plain { PLAIN } else { 0 };
    let named = queues.clone().map(|queue| 2 + queue.len()).sum::<usize>();
    let addresses = 8 + address.account.len() + address.subject.len() + address.to.len() + named;
    let length = (addresses + tail.len()) as u32;
    out.reserve(HEADER_BYTES + length as usize);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[Kind::Message as u8, flags, 0, 0]);
    for number in [address.account.len(), address.subject.len(), address.to.len(), queues.len()] {
        out.extend_from_slice(&(number as u16).to_le_bytes());
    }
    for part in [address.account, address.subject, address.to] {
        out.extend_from_slice(part);
    }
    for queue in queues {
        out.extend_from_slice(&(queue.len() as u16).to_le_bytes());
        out.extend_from_slice(queue);
    }
    out.extend_from_slice(tail);
}

/// The queue groups of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues<'a> {
    count: u16,
    /// Checked when the message was decoded.
    bytes: &'a [u8],
}

impl<'a> Queues<'a> {
    /// Their names.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut fields = Fields(self.bytes);
        (0..self.count).map_while(move |_| fields.text().ok())
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A message as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The account.
    pub account: &'a [u8],
    /// The subject that subscribers see.
    pub subject: &'a [u8],
    /// The subject that decides who gets it.
    pub to: &'a [u8],
    /// Subscribers without a queue group get it.
    pub plain: bool,
    /// The groups of which one member each gets it.
    pub queues: Queues<'a>,
    /// The reply subject; empty if there is none.
    pub reply: &'a [u8],
    /// The raw header block; empty if there is none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// There is a header block.
    pub has_headers: bool,
    /// `[reply ]sizes\r\nheaders payload\r\n`.
    pub tail: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the frame, its tail included: what is copied to subscribers is what a client could have sent.
    ///
    /// # Errors
    /// A body that is none.
    #[inline]
    pub fn decode(frame: &Frame<'a>) -> Result<Self, RouteError> {
        let mut fields = Fields(frame.body);
        let [account, subject, to] = [fields.u16()?, fields.u16()?, fields.u16()?].map(usize::from);
        let count = fields.u16()?;
        let (account, subject, to) = (fields.bytes(account)?, fields.bytes(subject)?, fields.bytes(to)?);
        let before = fields.0;
        for _ in 0..count {
            fields.text()?;
        }
        let tail = fields.0;
        let queues = Queues { count, bytes: before.get(..before.len() - tail.len()).unwrap_or_default() };
        let has_headers = frame.flags & HEADERS != 0;
        let parts = tail_parts(tail, has_headers, frame.flags & REPLY != 0)
            .ok_or(RouteError::Body("a message whose sizes do not fit it"))?;
        let to = if to.is_empty() { subject } else { to };
        if account.is_empty() || !is_word(subject) || !is_word(to) {
            return Err(RouteError::Body("a message without an address"));
        }
        let [reply, headers, payload] = parts;
        let plain = frame.flags & PLAIN != 0;
        Ok(Self { account, subject, to, plain, queues, reply, headers, payload, has_headers, tail })
    }
}

/// A subject goes into the lines that subscribers get: nothing in it may end a word.
fn is_word(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| *byte > b' ')
}

/// Reply, headers and payload of a tail whose line says what follows it.
fn tail_parts(tail: &[u8], has_headers: bool, has_reply: bool) -> Option<[&[u8]; 3]> {
    let end = memchr::memchr(b'\r', tail)?;
    let (mut line, rest) = (tail.get(..end)?, tail.get(end + 2..)?);
    let mut reply: &[u8] = b"";
    if has_reply {
        let at = memchr::memchr(b' ', line)?;
        (reply, line) = (line.get(..at)?, line.get(at + 1..)?);
        if !is_word(reply) {
            return None;
        }
    }
    let mut headers = 0;
    if has_headers {
        let at = memchr::memchr(b' ', line)?;
        headers = size(line.get(..at)?)?;
        line = line.get(at + 1..)?;
    }
    let total = size(line)?;
    if tail.get(end + 1) != Some(&b'\n') || rest.len() != total + 2 || !rest.ends_with(b"\r\n") || headers > total {
        return None;
    }
    Some([reply, rest.get(..headers)?, rest.get(headers..total)?])
}

fn size(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > SIZE_DIGITS_MAX {
        return None;
    }
    digits
        .iter()
        .try_fold(0usize, |value, digit| digit.is_ascii_digit().then(|| value * 10 + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tail(reply: &str, headers: Option<&[u8]>, payload: &[u8]) -> Vec<u8> {
        let mut tail = Vec::new();
        if !reply.is_empty() {
            tail.extend_from_slice(format!("{reply} ").as_bytes());
        }
        if let Some(headers) = headers {
            tail.extend_from_slice(format!("{} ", headers.len()).as_bytes());
        }
        let headers = headers.unwrap_or_default();
        tail.extend_from_slice(format!("{}\r\n", headers.len() + payload.len()).as_bytes());
        [&tail, headers, payload, b"\r\n"].concat()
    }

    fn frame(out: &[u8]) -> Frame<'_> {
        Frame { kind: Kind::Message, flags: out[5], body: &out[8..] }
    }

    #[test]
    fn a_message_has_its_golden_bytes() {
        let mut out = Vec::new();
        let address = Address { account: b"$G", subject: b"a", to: b"", plain: true };
        let tail = tail("r", None, b"hi");
        encode(&mut out, &address, [&b"q"[..]].into_iter(), (false, true), &tail);
        let body = [2, 0, 1, 0, 0, 0, 1, 0, b'$', b'G', b'a', 1, 0, b'q'];
        assert_eq!(out, [&[23, 0, 0, 0, 8, 6, 0, 0][..], &body, b"r 2\r\nhi\r\n"].concat());
    }

    #[test]
    fn a_tail_that_lies_about_its_sizes_is_refused() {
        let address = Address { account: b"$G", subject: b"a", to: b"", plain: true };
        for (tail, has_headers, has_reply) in [
            (&b"3\r\nhi\r\n"[..], false, false),
            (b"2\r\nhi", false, false),
            (b"2\rxhi\r\n", false, false),
            (b"2\r\nhixx", false, false),
            (b"3 2\r\nhi\r\n", true, false),
            (b"2\r\nhi\r\n", true, false),
            (b"2\r\nhi\r\n", false, true),
            (b" 2\r\nhi\r\n", false, true),
            (b"9999999999\r\nhi\r\n", false, false),
            (b"\r\n\r\n", false, false),
            (b"", false, false),
        ] {
            let mut out = Vec::new();
            encode(&mut out, &address, std::iter::empty(), (has_headers, has_reply), tail);
            assert!(Message::decode(&frame(&out)).is_err(), "{tail:?}");
        }
    }

    #[test]
    fn an_address_that_would_break_a_line_is_refused() {
        for (account, subject, to) in
            [(&b""[..], &b"a"[..], &b""[..]), (b"A", b"", b""), (b"A", b"a b", b""), (b"A", b"a", b"\r\n")]
        {
            let mut out = Vec::new();
            let address = Address { account, subject, to, plain: true };
            encode(&mut out, &address, std::iter::empty(), (false, false), b"0\r\n\r\n");
            assert!(Message::decode(&frame(&out)).is_err(), "{address:?}");
        }
    }

    proptest! {
        #[test]
        fn messages_go_there_and_back(
            account in "[a-z]{1,9}", subject in "[a-z.]{1,30}", to in "[a-z.]{0,30}", plain: bool,
            queues in proptest::collection::vec("[a-z]{0,9}", 0..4),
            reply in "[a-z.]{0,9}", headers: Option<Vec<u8>>, payload: Vec<u8>,
        ) {
            let tail = tail(&reply, headers.as_deref(), &payload);
            let address = Address { account: account.as_bytes(), subject: subject.as_bytes(), to: to.as_bytes(), plain };
            let mut out = Vec::new();
            let names: Vec<&[u8]> = queues.iter().map(|queue| queue.as_bytes()).collect();
            encode(&mut out, &address, names.iter().copied(), (headers.is_some(), !reply.is_empty()), &tail);
            let message = Message::decode(&frame(&out)).expect("a message");
            prop_assert_eq!(message.account, account.as_bytes());
            prop_assert_eq!(message.subject, subject.as_bytes());
            prop_assert_eq!(message.to, if to.is_empty() { subject.as_bytes() } else { to.as_bytes() });
            prop_assert_eq!(message.plain, plain);
            prop_assert_eq!(message.queues.iter().collect::<Vec<_>>(), names);
            prop_assert_eq!(message.reply, reply.as_bytes());
            prop_assert_eq!(message.headers, headers.as_deref().unwrap_or_default());
            prop_assert_eq!((message.payload, message.tail), (&payload[..], &tail[..]));
        }

        #[test]
        fn any_body_decodes_without_a_panic(body: Vec<u8>, flags: u8) {
            let _ = Message::decode(&Frame { kind: Kind::Message, flags, body: &body });
        }
    }
}
