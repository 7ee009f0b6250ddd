//! Records as a guest would write them, well and badly.

use proptest::prelude::*;

use super::*;

const LIMITS: OutputLimits = OutputLimits { payload_bytes_max: 64 };
const ORIGINAL: MessageRef<'static> = MessageRef {
    subject: b"a.b",
    reply: b"r",
    headers: b"NATS/1.0\r\nNats-Msg-Id: 7\r\nX: 1\r\n\r\n",
    payload: b"{}",
    sequence: 0,
    time_ns: 0,
};

fn bytes(out: &mut Vec<u8>, part: Option<&[u8]>) {
    out.extend(part.map_or(UNCHANGED, |part| part.len() as u32).to_le_bytes());
    out.extend(part.unwrap_or_default());
}

/// Subject, payload, header edits.
type Told<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [(u32, &'a str, &'a str)]);

fn record(emits: &[Told<'_>]) -> Vec<u8> {
    let mut out = (emits.len() as u32).to_le_bytes().to_vec();
    for (subject, payload, edits) in emits {
        bytes(&mut out, *subject);
        bytes(&mut out, *payload);
        out.extend((edits.len() as u32).to_le_bytes());
        for (kind, name, value) in *edits {
            out.extend(kind.to_le_bytes());
            bytes(&mut out, Some(name.as_bytes()));
            bytes(&mut out, Some(value.as_bytes()));
        }
    }
    out
}

fn decode(record: &[u8]) -> Result<Vec<Emit>, ResultError> {
    decode_record(record, &ORIGINAL, None, LIMITS)
}

#[test]
fn codes_and_records_are_told_apart() {
    assert_eq!(decode_answer(0), Ok(Answer::Pass));
    assert_eq!(decode_answer(3), Ok(Answer::Failed));
    assert_eq!(decode_answer(4), Err(ResultError::Code(4)));
    assert_eq!(decode_answer(-1), Ok(Answer::Record { address: u32::MAX, len: u32::MAX }));
    assert_eq!(decode_answer((8 << 32) | 5), Ok(Answer::Record { address: 8, len: 5 }));
}

#[test]
fn a_mask_covers_its_messages() {
    assert_eq!([mask(0), mask(1), mask(63), mask(64)], [0, 1, u64::MAX >> 1, u64::MAX]);
}

#[test]
fn parts_are_kept_or_replaced() {
    let emits = decode(&record(&[(Some(b"x.y"), None, &[]), (None, Some(b"p"), &[(0, "X", "2")])])).unwrap();
    assert_eq!(emits[0], Emit { subject: Some(b"x.y".to_vec()), ..Emit::default() });
    assert_eq!(emits[1].payload.as_deref(), Some(&b"p"[..]));
    assert_eq!(emits[1].headers.as_deref(), Some(&b"NATS/1.0\r\nNats-Msg-Id: 7\r\nX: 2\r\n\r\n"[..]));
}

#[test]
fn no_message_at_all_is_an_empty_list() {
    assert_eq!(decode(&record(&[])), Ok(Vec::new()));
}

#[test]
fn the_stamp_is_added_to_each_emit() {
    let emits = decode_record(&record(&[(None, None, &[]), (None, None, &[])]), &ORIGINAL, Some(b"p@1/2"), LIMITS);
    for emit in emits.unwrap() {
        assert!(emit.headers.unwrap().ends_with(b"X: 1\r\nForebay-Plugin: p@1/2\r\n\r\n"));
    }
}

#[test]
fn subjects_that_nobody_may_publish_to_are_refused() {
    for bad in [&b""[..], b"a..b", b"a.*", b">", b"a b", b"a\x01", b"a.\xff", b"a\r\nPUB x"] {
        assert!(matches!(decode(&record(&[(Some(bad), None, &[])])), Err(ResultError::Subject(_))), "{bad:?}");
    }
    let long = vec![b'a'; SUBJECT_BYTES_MAX + 1];
    assert!(matches!(decode(&record(&[(Some(&long), None, &[])])), Err(ResultError::Subject(_))));
}

#[test]
fn headers_of_the_server_and_unsound_ones_are_refused() {
    for name in ["Nats-Msg-Id", "nats-rollup", "NATS-Expected-Stream", "Forebay-Plugin", "forebay-dlq-x"] {
        for kind in 0..3 {
            let refused = decode(&record(&[(None, None, &[(kind, name, "v")])]));
            assert!(matches!(refused, Err(ResultError::ReservedHeader(_))), "{name}");
        }
    }
    for (name, value) in [("", "v"), ("a b", "v"), ("a:b", "v"), ("a", "v\r\nNats-Msg-Id: 1"), ("a\n", "v")] {
        let refused = decode(&record(&[(None, None, &[(0, name, value)])]));
        assert!(matches!(refused, Err(ResultError::Header(_))), "{name:?}");
    }
    assert_eq!(decode(&record(&[(None, None, &[(9, "a", "v")])])), Err(ResultError::Edit(9)));
}

#[test]
fn limits_hold() {
    let too_large = vec![b'x'; 65];
    assert!(matches!(decode(&record(&[(None, Some(&too_large), &[])])), Err(ResultError::TooMany { count: 65, .. })));
    assert!(matches!(decode(&17_u32.to_le_bytes()), Err(ResultError::TooMany { count: 17, .. })));
    let edits = vec![(0, "a", "b"); 65];
    assert!(matches!(decode(&record(&[(None, None, &edits)])), Err(ResultError::TooMany { count: 65, .. })));
    let fat = "v".repeat(60_000);
    assert!(matches!(
        decode(&record(&[(None, None, &[(0, "a", &fat), (0, "b", &fat)])])),
        Err(ResultError::TooMany { what: "bytes of headers", .. })
    ));
}

#[test]
fn a_record_that_ends_early_or_late_is_refused() {
    let good = record(&[(Some(b"x.y"), Some(b"p"), &[(0, "X", "2")])]);
    for end in 0..good.len() {
        assert_eq!(decode(&good[..end]), Err(ResultError::Lengths), "{end}");
    }
    assert_eq!(decode(&[&good[..], b"\0"].concat()), Err(ResultError::Lengths));
}

fn lawful(emit: &Emit) -> bool {
    let subject = emit.subject.as_deref().is_none_or(|subject| check_subject(subject).is_ok());
    let payload = emit.payload.as_ref().is_none_or(|payload| payload.len() <= LIMITS.payload_bytes_max);
    let headers = emit
        .headers
        .as_ref()
        .is_none_or(|block| block.is_empty() || (block.starts_with(b"NATS/1.0") && block.ends_with(b"\r\n\r\n")));
    subject && payload && headers
}

proptest! {
    #[test]
    fn any_record_is_refused_or_lawful(bytes: Vec<u8>) {
        if let Ok(emits) = decode(&bytes) {
            prop_assert!(emits.iter().all(lawful));
        }
    }

    #[test]
    fn a_damaged_record_is_refused_or_lawful(at in 0_usize..80, byte: u8) {
        let mut record = record(&[
            (Some(b"x.y"), Some(b"p"), &[(0, "X", "2"), (1, "Y", "")]),
            (None, None, &[(2, "Z", "zz")]),
        ]);
        if let Some(place) = record.get_mut(at) {
            *place = byte;
        }
        if let Ok(emits) = decode(&record) {
            prop_assert!(emits.iter().all(lawful));
        }
    }

    #[test]
    fn any_answer_is_answered(answer: i64) {
        let _ = decode_answer(answer);
    }
}
