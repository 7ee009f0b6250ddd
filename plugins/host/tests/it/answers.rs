//! Any answer that a guest can give, through a real instance: refused or lawful, never more.

use forebay_broker::hooks::{Emit, FilterHook, FilterVerdict, MessageRef, TransformHook, TransformVerdict};
use forebay_plugin_host::{FilterPolicy, TransformPolicy};
use proptest::prelude::*;

use crate::fixture::{Fixture, filter, message, transform};
use crate::guest::{Text, filtering, transforming};

/// Answers with the first 8 bytes of the payload as the number; the rest of the payload is what a record may lie in.
/// The frame of a message without other parts has its payload at 1024 + 32.
const PAYLOAD_IS_THE_ANSWER: &str = "(i64.load (i32.const 1056))";
const PAYLOAD_AT: u64 = 1056;

fn lawful(emit: &Emit) -> bool {
    let subject = emit.subject.as_deref().is_none_or(forebay_subject::is_valid_literal);
    let headers = emit.headers.as_deref().is_none_or(|block| block.is_empty() || block.ends_with(b"\r\n\r\n"));
    subject && headers && emit.payload.as_ref().is_none_or(|payload| payload.len() <= 1 << 20)
}

fn check(payload: &[u8]) {
    thread_local! {
        static FIXTURE: Fixture = Fixture::with(&transforming(PAYLOAD_IS_THE_ANSWER), transform(TransformPolicy::Drop));
    }
    FIXTURE.with(|fixture| {
        fixture.pass_time(std::time::Duration::from_secs(600));
        let message = MessageRef { payload, ..MessageRef::default() };
        match fixture.host.thread().transform_all(&[0], &message) {
            TransformVerdict::Replace(emits) => assert!(!emits.is_empty() && emits.iter().all(lawful)),
            TransformVerdict::Pass | TransformVerdict::Drop | TransformVerdict::Reject(_) => {}
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_number_is_answered(answer: i64, rest: Vec<u8>) {
        check(&[&answer.to_le_bytes()[..], &rest].concat());
    }

    #[test]
    fn any_record_is_refused_or_lawful(len in 0_u64..100, record: Vec<u8>) {
        let answer = (PAYLOAD_AT + 8) << 32 | len;
        check(&[&answer.to_le_bytes()[..], &record].concat());
    }

    #[test]
    fn a_record_of_small_numbers_is_refused_or_lawful(record in proptest::collection::vec(0_u32..5, 0..20)) {
        let record: Vec<u8> = record.iter().flat_map(|number| number.to_le_bytes()).collect();
        let answer = (PAYLOAD_AT + 8) << 32 | record.len() as u64;
        check(&[&answer.to_le_bytes()[..], &record].concat());
    }
}

#[test]
fn bits_beyond_the_batch_are_ignored() {
    let fixture = Fixture::with(&filtering("(i64.const -1)"), filter(FilterPolicy::Skip));
    let mut thread = fixture.host.thread();
    assert_eq!(thread.filter(0, &[message("a", b""); 5]), FilterVerdict::Deliver(31));
    assert_eq!(thread.filter(0, &[]), FilterVerdict::Deliver(0));
    assert_eq!(thread.filter_batch(0, &[message("a", b""); 100]).judged, 64);
}

#[test]
fn undecided_messages_go_by_the_policy_each() {
    // Delivers all, but is undecided about the second and the fourth.
    let body = "(call $undecided (i32.const 1) (i32.const 0) (i32.const 0))
        (call $undecided (i32.const 3) (i32.const 0) (i32.const 0)) (i64.const 0x15)";
    let messages = [message("a", b""); 5];
    for (policy, judged, verdict) in [
        (FilterPolicy::Deliver, 5, FilterVerdict::Deliver(0b11111)),
        (FilterPolicy::Skip, 5, FilterVerdict::Deliver(0b10101)),
        (FilterPolicy::Pause, 1, FilterVerdict::Deliver(1)),
    ] {
        let fixture = Fixture::with(&filtering(body), filter(policy));
        let outcome = fixture.host.thread().filter_batch(0, &messages);
        assert_eq!((outcome.judged, outcome.verdict), (judged, verdict), "{policy:?}");
        assert_eq!(fixture.breakers_open(), 0);
    }
}

#[test]
fn several_emits_are_numbered_and_the_first_keeps_its_expectations() {
    // Two unchanged messages: a count, then twice "subject as it was, payload as it was, no edits".
    let record = r#"(data (i32.const 9000) "\02\00\00\00\ff\ff\ff\ff\ff\ff\ff\ff\00\00\00\00\ff\ff\ff\ff\ff\ff\ff\ff\00\00\00\00")"#;
    let answer = 9000_u64 << 32 | 28;
    let wasm = Text { transform: format!("(i64.const {answer})"), more: record.into(), ..Text::default() }.wasm();
    let fixture = Fixture::with(&wasm, transform(TransformPolicy::Reject));
    let headers = b"NATS/1.0\r\nNats-Msg-Id: id\r\nNats-Expected-Last-Sequence: 4\r\nX: 1\r\n\r\n";
    let message = MessageRef { headers, ..message("a", b"p") };
    let TransformVerdict::Replace(emits) = fixture.host.thread().transform_all(&[0], &message) else {
        panic!("replaced")
    };
    assert_eq!(emits[0], Emit::default());
    assert_eq!(emits[1].headers.as_deref(), Some(&b"NATS/1.0\r\nX: 1\r\nNats-Msg-Id: id/2\r\n\r\n"[..]));
}
