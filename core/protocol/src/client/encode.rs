//! What the server sends to a client.

use crate::error::Violation;
use crate::info::ServerInfo;

/// The answer to a PING.
pub const PONG: &[u8] = b"PONG\r\n";
/// The server's own PING.
pub const PING: &[u8] = b"PING\r\n";
/// What a verbose client gets for each accepted operation.
pub const OK: &[u8] = b"+OK\r\n";
/// Ends a control line and a payload.
pub const CRLF: &[u8] = b"\r\n";

/// `INFO {json} \r\n`, with nats-server's space before the line's end.
pub fn info(out: &mut Vec<u8>, info: &ServerInfo) {
    out.extend_from_slice(b"INFO ");
    if let Ok(json) = serde_json::to_vec(info) {
        out.extend_from_slice(&json);
    }
    out.extend_from_slice(b" \r\n");
}

/// `-ERR 'text'\r\n`.
pub fn error(out: &mut Vec<u8>, violation: &Violation) {
    out.extend_from_slice(b"-ERR '");
    out.extend_from_slice(&violation.text());
    out.extend_from_slice(b"'\r\n");
}

/// Appends a number in decimal digits.
#[inline]
pub fn number(out: &mut Vec<u8>, mut value: usize) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_quoted() {
        let mut out = Vec::new();
        error(&mut out, &Violation::SubscribePermission(b"foo".to_vec(), Some(b"_sys_".to_vec())));
        assert_eq!(out, b"-ERR 'Permissions Violation for Subscription to \"foo\" using queue \"_sys_\"'\r\n");
    }

    #[test]
    fn numbers_have_no_leading_zeros() {
        for value in [0, 7, 10, 4096, usize::MAX] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(out, value.to_string().into_bytes());
        }
    }
}
