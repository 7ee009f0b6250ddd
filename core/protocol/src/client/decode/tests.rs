//! Decoding against hand-written bytes, and in pieces of every size.

use super::*;
use proptest::prelude::*;

const LIMITS: DecodeLimits = DecodeLimits { control_line_max: 4096, payload_max: 1024, headers: true };

fn one(bytes: &[u8]) -> ClientOp<'_> {
    match decode(bytes, &LIMITS) {
        Ok(Decoded::Op(op, taken)) => {
            assert_eq!(taken, bytes.len());
            op
        }
        other => panic!("{other:?}"),
    }
}

fn message(bytes: &[u8]) -> Publish<'_> {
    match one(bytes) {
        ClientOp::Publish(publish) => publish,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_publish_keeps_its_tail() {
    let publish = message(b"PUB a.b 2\r\nhi\r\n");
    assert_eq!((publish.subject, publish.reply, publish.payload), (&b"a.b"[..], &b""[..], &b"hi"[..]));
    assert_eq!(publish.frame_tail, Some(&b"2\r\nhi\r\n"[..]));
    let publish = message(b"PUB a r.1 002\r\nhi\r\n");
    assert_eq!((publish.reply, publish.frame_tail), (&b"r.1"[..], Some(&b"r.1 002\r\nhi\r\n"[..])));
    let publish = message(b"HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    assert_eq!((publish.headers, publish.payload), (&b"NATS/1.0\r\n\r\n"[..], &b"hi"[..]));
    assert_eq!(publish.frame_tail, Some(&b"r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"[..]));
    assert_eq!(publish.sizes, (&b"12"[..], &b"14"[..]));
}

#[test]
fn odd_white_space_is_understood_and_not_copied() {
    for bytes in [&b"PUB\ta\t2\nhi\r\n"[..], b"pub  a  2\r\nhi\r\n", b"PUB a 2 \r\nhi\r\n", b"PUB a\t2\r\nhi\r\n"] {
        let publish = message(bytes);
        assert_eq!((publish.subject, publish.reply, publish.payload), (&b"a"[..], &b""[..], &b"hi"[..]), "{bytes:?}");
        assert_eq!(publish.frame_tail, None, "{bytes:?}");
        assert_eq!(publish.sizes.1, b"2");
    }
    assert_eq!(message(b"PUB a 2\nhi\r\n").frame_tail, None);
    assert_eq!(message(b"PUB a  r  2\r\nhi\r\n").reply, b"r");
}

#[test]
fn a_header_block_of_no_bytes_is_none() {
    let publish = message(b"HPUB a 0 2\r\nhi\r\n");
    assert_eq!((publish.has_headers, publish.frame_tail, publish.sizes.1), (false, None, &b"2"[..]));
}

#[test]
fn the_other_verbs_are_known_in_any_case() {
    assert_eq!(one(b"PING\r\n"), ClientOp::Ping);
    assert_eq!(one(b"ping foo\n"), ClientOp::Ping);
    assert_eq!(one(b"PONG\r\n"), ClientOp::Pong);
    assert_eq!(one(b"sub a q 1\r\n"), ClientOp::Subscribe { subject: b"a", queue: Some(b"q"), sid: b"1" });
    assert_eq!(one(b"UNSUB 1\r\n"), ClientOp::Unsubscribe { sid: b"1", max: None });
    assert_eq!(one(b"UNSUB 1 5\r\n"), ClientOp::Unsubscribe { sid: b"1", max: Some(5) });
    assert_eq!(one(b"UNSUB 1 x\r\n"), ClientOp::Unsubscribe { sid: b"1", max: None });
    assert_eq!(one(b"CONNECT {}\r\n"), ClientOp::Connect(b"{}"));
    assert_eq!(one(b"+OK\r\n"), ClientOp::Ignored);
    assert_eq!(one(b"INFO {}\r\n"), ClientOp::Ignored);
    assert_eq!(one(b"-ERR 'x'\r\n"), ClientOp::Error);
    assert_eq!(one(b"CONNECT\r\n"), ClientOp::Connect(b""));
}

#[test]
fn what_is_wrong_is_told_apart() {
    let fails = |bytes: &[u8]| decode(bytes, &LIMITS).expect_err("refused");
    for bytes in [&b"FOO\r\n"[..], b"F", b"PUBX", b"PUB\r\n", b"RS+ a\r\n", b"UNSUB\r\n", b"\r\n"] {
        assert_eq!(fails(bytes), ProtocolError::UnknownOperation, "{bytes:?}");
    }
    assert_eq!(fails(b"PUB a 2\r\nhix"), ProtocolError::UnknownOperation);
    assert_eq!(fails(b"PUB a 2\r\nhi\rx"), ProtocolError::UnknownOperation);
    assert_eq!(fails(b"PUB a 1025\r\n"), ProtocolError::Payload);
    for bytes in [&b"PUB a\r\n"[..], b"PUB a -1\r\n", b"PUB a b c d\r\n", b"SUB a\r\n", b"SUB a b c d\r\n", b"PUB \r\n"]
    {
        assert!(matches!(fails(bytes), ProtocolError::Arguments(_)), "{bytes:?}");
    }
    assert!(matches!(fails(b"HPUB a 5 2\r\n"), ProtocolError::Arguments(_)));
    assert!(matches!(fails(b"PUB a 0000000002\r\n"), ProtocolError::Arguments(_)));
    let long = [b"PUB ".as_ref(), &[b'a'; 5000]].concat();
    assert_eq!(fails(&long), ProtocolError::ControlLine);
    let no_headers = DecodeLimits { headers: false, ..LIMITS };
    assert!(matches!(decode(b"HPUB a 1 2\r\n", &no_headers), Err(ProtocolError::Arguments(_))));
}

proptest! {
    #[test]
    fn any_bytes_decode_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, &LIMITS);
    }

    #[test]
    fn near_misses_decode_without_a_panic(bytes in "(PUB|HPUB|SUB|UNSUB|CONNECT|ping) [ab .\t0-9\r\n]{0,30}") {
        let _ = decode(bytes.as_bytes(), &LIMITS);
    }

    #[test]
    fn a_prefix_is_partial_and_never_another_operation(cut in 0usize..44) {
        let bytes = b"HPUB a.b reply 12 16\r\nNATS/1.0\r\n\r\nabcd\r\n";
        let cut = cut.min(bytes.len() - 1);
        match decode(&bytes[..cut], &LIMITS) {
            Ok(Decoded::Partial(need)) => prop_assert!(need > cut && need <= bytes.len()),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
