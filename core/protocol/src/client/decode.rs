//! Decodes one operation of a client from the front of a buffer (nats-server `parser.go`).

mod plain;

use crate::error::ProtocolError;
use crate::limits::SIZE_DIGITS_MAX;
use crate::op::{ClientOp, Publish};
use plain::PlainLine;

/// What decoding is allowed to accept.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Longest control line without its verb, in bytes.
    pub control_line_max: usize,
    /// Largest payload, headers included, in bytes.
    pub payload_max: usize,
    /// True once CONNECT said that the client speaks headers.
    pub headers: bool,
}

/// One step of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// An operation, and how many bytes it took.
    Op(ClientOp<'a>, usize),
    /// The buffer holds the beginning of an operation; with at least this many bytes in total it may be whole.
    Partial(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Connect,
    Pub,
    Hpub,
    Sub,
    Unsub,
    Ping,
    Pong,
    Ok,
    Err,
    Info,
}

/// Verbs by their text in upper case, and whether white space must follow.
const VERBS: [(&[u8], Verb, bool); 10] = [
    (b"PUB", Verb::Pub, true),
    (b"HPUB", Verb::Hpub, true),
    (b"PING", Verb::Ping, false),
    (b"PONG", Verb::Pong, false),
    (b"SUB", Verb::Sub, true),
    (b"UNSUB", Verb::Unsub, true),
    (b"CONNECT", Verb::Connect, false),
    (b"INFO", Verb::Info, true),
    (b"+OK", Verb::Ok, false),
    (b"-ERR", Verb::Err, true),
];

/// Decodes the first operation in `bytes`.
///
/// # Errors
/// Those of [`ProtocolError`]; the connection cannot go on after one.
#[inline]
pub fn decode<'a>(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Decoded<'a>, ProtocolError> {
    // Nearly every operation is a PUB or HPUB in its plain form.
    if let [b'P', b'U', b'B', b' ', rest @ ..] = bytes {
        return publish(bytes, rest, 4, false, limits);
    }
    if let [b'H', b'P', b'U', b'B', b' ', rest @ ..] = bytes {
        return publish(bytes, rest, 5, true, limits);
    }
    other(bytes, limits)
}

/// Finds the verb, whatever its case; `None` while the bytes could still become one.
fn verb(bytes: &[u8]) -> Result<Option<(Verb, usize)>, ProtocolError> {
    for (text, verb, needs_space) in VERBS {
        let have = bytes.len().min(text.len());
        if !bytes[..have].eq_ignore_ascii_case(&text[..have]) {
            continue;
        }
        if have < text.len() {
            return Ok(None);
        }
        return match bytes.get(text.len()) {
            None => Ok(None),
            Some(b' ' | b'\t') => Ok(Some((verb, text.len()))),
            Some(_) if !needs_space => Ok(Some((verb, text.len()))),
            Some(_) => Err(ProtocolError::UnknownOperation),
        };
    }
    Err(ProtocolError::UnknownOperation)
}

#[inline(never)]
fn other<'a>(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Decoded<'a>, ProtocolError> {
    if bytes.is_empty() {
        return Ok(Decoded::Partial(1));
    }
    let Some((verb, verb_len)) = verb(bytes)? else { return Ok(Decoded::Partial(bytes.len() + 1)) };
    let rest = &bytes[verb_len..];
    if matches!(verb, Verb::Pub | Verb::Hpub) {
        return publish(bytes, rest, verb_len, verb == Verb::Hpub, limits);
    }
    let Some((line, consumed)) = control_line(rest, limits.control_line_max)? else {
        return Ok(Decoded::Partial(bytes.len() + 1));
    };
    let op = match verb {
        Verb::Connect => ClientOp::Connect(line),
        Verb::Sub => subscribe(line)?,
        Verb::Unsub => unsubscribe(line)?,
        Verb::Ping => ClientOp::Ping,
        Verb::Pong => ClientOp::Pong,
        Verb::Err => ClientOp::Error,
        _ => ClientOp::Ignored,
    };
    Ok(Decoded::Op(op, verb_len + consumed))
}

/// The arguments up to the line feed, without leading white space and the carriage return, and the bytes taken.
#[inline]
fn control_line(rest: &[u8], max: usize) -> Result<Option<(&[u8], usize)>, ProtocolError> {
    let skip = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let args = &rest[skip..];
    let Some(end) = memchr::memchr(b'\n', args) else {
        return if args.len() > max { Err(ProtocolError::ControlLine) } else { Ok(None) };
    };
    let line = match args[..end].split_last() {
        Some((b'\r', line)) => line,
        _ => &args[..end],
    };
    if line.len() > max {
        return Err(ProtocolError::ControlLine);
    }
    Ok(Some((line, skip + end + 1)))
}

fn subscribe(line: &[u8]) -> Result<ClientOp<'_>, ProtocolError> {
    let mut args = arguments(line);
    match (args.next(), args.next(), args.next(), args.next()) {
        (Some(subject), Some(sid), None, _) => Ok(ClientOp::Subscribe { subject, queue: None, sid }),
        (Some(subject), Some(queue), Some(sid), None) => Ok(ClientOp::Subscribe { subject, queue: Some(queue), sid }),
        _ => Err(ProtocolError::Arguments("SUB takes a subject, perhaps a queue, and a sid")),
    }
}

fn unsubscribe(line: &[u8]) -> Result<ClientOp<'_>, ProtocolError> {
    let mut args = arguments(line);
    match (args.next(), args.next(), args.next()) {
        (Some(sid), None, _) => Ok(ClientOp::Unsubscribe { sid, max: None }),
        (Some(sid), Some(max), None) => Ok(ClientOp::Unsubscribe { sid, max: size(max).map(|max| max as u64) }),
        _ => Err(ProtocolError::Arguments("UNSUB takes a sid and perhaps a maximum")),
    }
}

fn arguments(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).filter(|argument| !argument.is_empty())
}

/// A size: at most nine digits and nothing else (nats-server `parseSize`).
#[inline]
fn size(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > SIZE_DIGITS_MAX {
        return None;
    }
    let mut value = 0usize;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + usize::from(digit);
    }
    Some(value)
}

/// The line of a publish, told apart.
struct PublishLine<'a> {
    subject: &'a [u8],
    reply: &'a [u8],
    header_digits: &'a [u8],
    size_digits: &'a [u8],
    /// Where in the line what follows the subject begins, if the line is in its plain form.
    tail_at: Option<usize>,
    /// The bytes of the line, with its end.
    consumed: usize,
}

#[inline]
fn publish<'a>(
    bytes: &'a [u8],
    rest: &'a [u8],
    verb_len: usize,
    has_headers: bool,
    limits: &DecodeLimits,
) -> Result<Decoded<'a>, ProtocolError> {
    let line = match plain_line(rest, has_headers, limits) {
        Some(line) => line,
        None => match any_line(rest, has_headers, limits)? {
            Some(line) => line,
            None => return Ok(Decoded::Partial(bytes.len() + 1)),
        },
    };
    let head_len = verb_len + line.consumed;
    let total = size(line.size_digits).ok_or(ProtocolError::Arguments("bad or missing size"))?;
    let header_len = if has_headers {
        let header_len = size(line.header_digits).ok_or(ProtocolError::Arguments("bad or missing header size"))?;
        if header_len > total {
            return Err(ProtocolError::Arguments("header size larger than total size"));
        }
        header_len
    } else {
        0
    };
    if total > limits.payload_max {
        return Err(ProtocolError::Payload);
    }
    let end = head_len + total + 2;
    let Some(body) = bytes.get(head_len..end) else {
        return unfinished_body(&bytes[head_len..], total, end);
    };
    let Some((message, b"\r\n")) = body.split_at_checked(total) else { return Err(ProtocolError::UnknownOperation) };
    let (headers, payload) = message.split_at(header_len);
    // A header block of no bytes is none: subscribers get a plain message.
    let is_none = has_headers && header_len == 0;
    let frame_tail = match line.tail_at {
        Some(at) if !is_none => bytes.get(verb_len + at..end),
        _ => None,
    };
    let publish = Publish {
        subject: line.subject,
        reply: line.reply,
        headers,
        payload,
        has_headers: header_len != 0,
        frame_tail,
        sizes: (line.header_digits, line.size_digits),
    };
    Ok(Decoded::Op(ClientOp::Publish(publish), end))
}

/// A payload that is not whole yet: what has come of its end must be CRLF.
#[cold]
fn unfinished_body(have: &[u8], total: usize, end: usize) -> Result<Decoded<'static>, ProtocolError> {
    match have.get(total) {
        None | Some(b'\r') => Ok(Decoded::Partial(end)),
        Some(_) => Err(ProtocolError::UnknownOperation),
    }
}

/// A line as clients write it.
#[inline]
fn plain_line<'a>(rest: &'a [u8], has_headers: bool, limits: &DecodeLimits) -> Option<PublishLine<'a>> {
    let line = PlainLine::find(rest)?;
    if line.len() > limits.control_line_max || (has_headers && !limits.headers) {
        return None;
    }
    let [subject, reply, header_digits, size_digits] = line.words(rest, has_headers)?;
    let (tail_at, consumed) = (Some(line.tail_at()), line.len() + 2);
    Some(PublishLine { subject, reply, header_digits, size_digits, tail_at, consumed })
}

/// A line in any form that is allowed, or why it is not; `None` while it is not whole.
#[cold]
fn any_line<'a>(
    rest: &'a [u8],
    has_headers: bool,
    limits: &DecodeLimits,
) -> Result<Option<PublishLine<'a>>, ProtocolError> {
    let Some((line, consumed)) = control_line(rest, limits.control_line_max)? else { return Ok(None) };
    if has_headers && !limits.headers {
        return Err(ProtocolError::Arguments("message headers not supported"));
    }
    let mut found: [&[u8]; 4] = [b""; 4];
    let mut count = 0;
    for argument in arguments(line) {
        let Some(place) = found.get_mut(count) else { return Err(ProtocolError::Arguments("too many arguments")) };
        *place = argument;
        count += 1;
    }
    let [subject, b, c, d] = found;
    let (reply, header_digits, size_digits) = match (has_headers, count) {
        (false, 2) => (&b""[..], &b""[..], b),
        (false, 3) => (b, &b""[..], c),
        (true, 3) => (&b""[..], b, c),
        (true, 4) => (b, c, d),
        _ => return Err(ProtocolError::Arguments("PUB takes a subject, perhaps a reply, and a size")),
    };
    Ok(Some(PublishLine { subject, reply, header_digits, size_digits, tail_at: None, consumed }))
}

#[cfg(test)]
mod tests;
