//! Bytes from a server, cut into frames: one control line, with its payload where it has one.

use crate::limits::FRAME_BYTES_MAX;

/// One thing that a server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `INFO {json}`; the JSON text.
    Info(String),
    /// `MSG` or `HMSG`.
    Message(Message),
    /// Any other control line without its line end: `PING`, `PONG`, `+OK`, `-ERR '…'`.
    Line(String),
}

/// A delivered message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The subject as delivered.
    pub subject: String,
    /// The subscription's id.
    pub sid: String,
    /// The reply subject, where there is one.
    pub reply: Option<String>,
    /// The header block with its closing empty line; `None` for `MSG`.
    pub headers: Option<Vec<u8>>,
    /// The payload without its line end.
    pub payload: Vec<u8>,
}

/// What the start of a buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut {
    /// A whole frame, and how many bytes it took.
    Whole(Frame, usize),
    /// More bytes are needed.
    Partial,
    /// Bytes that no frame can begin with; the reason.
    Broken(String),
}

/// Cuts the first frame off `buffer`.
pub fn cut(buffer: &[u8]) -> Cut {
    let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") else {
        return if buffer.len() > FRAME_BYTES_MAX { Cut::Broken("line without end".into()) } else { Cut::Partial };
    };
    let line = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let after_line = end + 2;
    let verb = line.split(' ').next().unwrap_or_default();
    match verb {
        "MSG" | "HMSG" => cut_message(&line, verb == "HMSG", buffer, after_line),
        "INFO" => Cut::Whole(Frame::Info(line[4..].trim().to_string()), after_line),
        _ => Cut::Whole(Frame::Line(line), after_line),
    }
}

fn cut_message(line: &str, has_headers: bool, buffer: &[u8], after_line: usize) -> Cut {
    let broken = || Cut::Broken(format!("bad message line {line:?}"));
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    let sizes = if has_headers { 2 } else { 1 };
    let Some(names) = words.len().checked_sub(sizes) else { return broken() };
    if !(2..=3).contains(&names) {
        return broken();
    }
    let mut numbers = Vec::new();
    for word in &words[names..] {
        match word.parse::<usize>() {
            Ok(number) if number <= FRAME_BYTES_MAX => numbers.push(number),
            _ => return broken(),
        }
    }
    let (header_bytes, total) = if has_headers { (numbers[0], numbers[1]) } else { (0, numbers[0]) };
    if header_bytes > total {
        return broken();
    }
    let end = after_line + total;
    if buffer.len() < end + 2 {
        return Cut::Partial;
    }
    if &buffer[end..end + 2] != b"\r\n" {
        return Cut::Broken(format!("payload of {line:?} is not followed by a line end"));
    }
    let message = Message {
        subject: words[0].to_string(),
        sid: words[1].to_string(),
        reply: (names == 3).then(|| words[2].to_string()),
        headers: has_headers.then(|| buffer[after_line..after_line + header_bytes].to_vec()),
        payload: buffer[after_line + header_bytes..end].to_vec(),
    };
    Cut::Whole(Frame::Message(message), end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_with_its_line_end() {
        assert_eq!(cut(b"PONG\r\nMSG"), Cut::Whole(Frame::Line("PONG".into()), 6));
    }

    #[test]
    fn a_message_waits_for_its_payload() {
        assert_eq!(cut(b"MSG a 1 2\r\nh"), Cut::Partial);
        let Cut::Whole(Frame::Message(message), used) = cut(b"MSG a 1 r 2\r\nhi\r\n+OK\r\n") else { panic!("not cut") };
        assert_eq!((message.reply.as_deref(), message.payload.as_slice(), used), (Some("r"), &b"hi"[..], 17));
    }

    #[test]
    fn headers_and_payload_are_kept_apart() {
        let bytes = b"HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";
        let Cut::Whole(Frame::Message(message), used) = cut(bytes) else { panic!("not cut") };
        assert_eq!(message.headers.as_deref(), Some(&b"NATS/1.0\r\n\r\n"[..]));
        assert_eq!((message.payload.as_slice(), used), (&b"hi"[..], bytes.len()));
    }

    #[test]
    fn a_message_line_with_garbage_is_broken() {
        assert!(matches!(cut(b"MSG a\r\n"), Cut::Broken(_)));
        assert!(matches!(cut(b"HMSG a 1 9 2\r\n"), Cut::Broken(_)));
        assert!(matches!(cut(b"MSG a 1 2\r\nhixx"), Cut::Broken(_)));
    }
}
