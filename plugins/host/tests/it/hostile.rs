//! Guests that loop, allocate, recurse, lie: each call fails by its policy, in its time, and the next one is served.

use std::sync::Arc;
use std::time::Duration;

use forebay_broker::hooks::{FilterHook, FilterVerdict, TransformHook, TransformVerdict};
use forebay_plugin_host::limits::{TICK, TIMEOUT_DEFAULT};
use forebay_plugin_host::{ErrorReason, FilterPolicy, Host, HostConfig, PluginSet, TransformBinding, TransformPolicy};

use crate::fixture::{Fixture, filter, message, thread_cpu, transform};
use crate::guest::{Text, both, compiled, filtering, transforming};

const LOOP: &str = "(loop $l (br $l)) unreachable";

/// Calls once under each transform policy; the reason must be the one told.
fn fails(wasm: &[u8], want: ErrorReason, text: &str) {
    let message = message("a.b", b"payload");
    for policy in [TransformPolicy::Reject, TransformPolicy::Pass, TransformPolicy::Drop] {
        let fixture = Fixture::with(wasm, transform(policy));
        let mut thread = fixture.host.thread();
        match (policy, thread.transform(0, &message)) {
            (TransformPolicy::Pass, TransformVerdict::Pass) | (TransformPolicy::Drop, TransformVerdict::Drop) => {}
            (TransformPolicy::Reject, TransformVerdict::Reject(reason)) => {
                assert!(reason.starts_with("plugin p: ") && reason.contains(text), "{reason}");
            }
            (policy, verdict) => panic!("{policy:?} made {verdict:?}"),
        }
        let counts = fixture.counts();
        let errors: Vec<_> = counts.errors().filter(|(_, count)| *count > 0).collect();
        assert_eq!(errors, [(want, 1)]);
        assert_eq!(counts.calls_of("transform", "error"), 1);
    }
}

#[test]
fn a_guest_that_loops_is_stopped() {
    fails(&both(LOOP), ErrorReason::Timeout, "used up its 5ms of CPU time");
}

#[test]
fn a_call_takes_at_most_its_timeout_of_cpu_and_two_ticks() {
    let fixture = Fixture::with(&both(LOOP), transform(TransformPolicy::Pass));
    let mut thread = fixture.host.thread();
    let mut took: Vec<Duration> = (0..7)
        .map(|_| {
            fixture.pass_time(Duration::from_secs(60));
            let before = thread_cpu();
            thread.transform(0, &message("a", b""));
            assert!(TransformHook::take_limit_hit(&mut thread));
            thread_cpu() - before
        })
        .collect();
    took.sort();
    // The least disturbed one, since a loaded machine may starve the ticker and share the caches; a new instance after
    // each trap costs a little, too. A call that had no limit would not return at all.
    let most = TIMEOUT_DEFAULT + 2 * TICK + Duration::from_micros(500);
    assert!(took[0] >= TIMEOUT_DEFAULT && took[0] <= most, "{took:?}");
}

#[test]
fn one_message_meets_the_limit_of_a_plugin_once_whatever_became_of_it() {
    let fixture = Fixture::new();
    let mut set = PluginSet {
        plugins: vec![fixture.plugin("p", &both(LOOP)), fixture.plugin("first", &compiled("testbed"))],
        ..PluginSet::default()
    };
    set.transforms.push(TransformBinding::new("first", &[">"]));
    set.transforms.push(TransformBinding { on_error: TransformPolicy::Pass, ..TransformBinding::new("p", &[">"]) });
    fixture.host.apply(&set).unwrap();
    let mut thread = fixture.host.thread();
    for round in 1..=2 {
        // The first plugin makes two messages of it, the second one loops on each.
        let TransformVerdict::Replace(emits) = thread.transform_all(&[0, 1], &message("x.twice", b"")) else {
            panic!("both pass")
        };
        assert_eq!(emits.len(), 2);
        let counts = fixture.counts();
        assert_eq!((counts.errors_of(ErrorReason::Timeout), counts.errors_of(ErrorReason::Breaker)), (round, round));
        assert!(TransformHook::take_limit_hit(&mut thread));
    }
}

#[test]
#[allow(clippy::disallowed_methods)]
fn an_instance_that_takes_long_to_start_ends_the_turn() {
    // Some 50 million turns: longer than a call may take, shorter than a start may.
    let slow = "(local $i i32) (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50000000))))
        (i32.const 0)";
    let wasm = Text { configure: Some(slow.into()), transform: "unreachable".into(), ..Text::default() }.wasm();
    let real = std::time::Instant::now();
    let host = Host::new(HostConfig::default(), Arc::new(move || real.elapsed().as_nanos() as u64));
    let fixture = Fixture::new();
    let mut set = PluginSet { plugins: vec![fixture.plugin("p", &wasm)], ..PluginSet::default() };
    transform(TransformPolicy::Pass)(&mut set);
    host.apply(&set).unwrap();
    let mut thread = host.thread();
    for _ in 0..3 {
        assert_eq!(thread.transform(0, &message("a", b"")), TransformVerdict::Pass);
        assert!(TransformHook::take_limit_hit(&mut thread));
    }
}

#[test]
fn a_guest_that_allocates_without_end_is_stopped() {
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    fails(&both(grow), ErrorReason::Memory, "more than its 16384 KiB of memory");
    let stubborn = "(loop $l (drop (memory.grow (i32.const 1))) (br $l)) unreachable";
    fails(&both(stubborn), ErrorReason::Timeout, "CPU time");
}

#[test]
fn a_guest_that_recurses_without_end_is_stopped() {
    let more = "(func $down (param i64) (result i64) (i64.add (call $down (local.get 0)) (i64.const 1)))";
    let wasm = Text { transform: "(call $down (i64.const 1))".into(), more: more.into(), ..Text::default() }.wasm();
    fails(&wasm, ErrorReason::Stack, "stack");
}

#[test]
fn a_guest_that_reaches_out_of_its_memory_is_stopped() {
    fails(&both("(i64.load (i32.const -16))"), ErrorReason::OutOfBounds, "outside of its memory");
    let table = Text {
        transform: "(call_indirect (result i64) (i32.const 77))".into(),
        more: "(table 1 funcref)".into(),
        ..Text::default()
    };
    fails(&table.wasm(), ErrorReason::OutOfBounds, "outside");
}

#[test]
fn a_panic_tells_its_text_and_a_bare_trap_its_name() {
    let panic = Text {
        transform: "(call $fail (i32.const 9000) (i32.const 4)) unreachable".into(),
        more: r#"(data (i32.const 9000) "why\n")"#.into(),
        ..Text::default()
    };
    fails(&panic.wasm(), ErrorReason::Panic, "plugin p: why ");
    fails(&both("unreachable"), ErrorReason::Trap, "unreachable");
    fails(&both("(i64.div_u (i64.const 1) (i64.const 0))"), ErrorReason::Trap, "divide by zero");
}

#[test]
fn answers_that_mean_nothing_are_refused() {
    let record = |address: u64, len: u64| transforming(&format!("(i64.const {})", (address << 32 | len) as i64));
    fails(&transforming("(i64.const 4)"), ErrorReason::Result, "means nothing");
    for (address, len) in [(0xffff_ffff, 0xffff_ffff), (262_144, 1), (262_140, 8), (1, 0xffff_fff0), (8, 1 << 30)] {
        fails(&record(address, len), ErrorReason::Result, "outside of its memory");
    }
    for len in [0, 1, 3, 8] {
        // Zeroes at 100000: a count of no messages, but other lengths do not add up.
        fails(&record(100_000, len), ErrorReason::Result, "lengths do not add up");
    }
}

#[test]
fn a_lying_mailbox_is_refused_before_anything_is_written() {
    for (body, want) in [
        ("i32.const -8", "mailbox is not in its memory"),
        ("i32.const 262000", "mailbox is not in its memory"),
        ("i32.const 0", "no room"),
        (LOOP, "CPU time"),
    ] {
        let refused = Fixture::new().apply(&Text { buf: body.into(), ..Text::default() }.wasm(), |_| {});
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(want), "{body}: {error}");
    }
    // Sound at the start, a lie for the first large message.
    let later = "(if (result i32) (i32.gt_u (local.get $n) (i32.const 65536)) (then i32.const -64) (else i32.const 8))";
    let wasm = Text { buf: later.into(), ..Text::default() }.wasm();
    let fixture = Fixture::with(&wasm, transform(TransformPolicy::Reject));
    let mut thread = fixture.host.thread();
    let large = vec![b'x'; 100_000];
    let verdict = thread.transform(0, &message("a", &large));
    assert!(matches!(&verdict, TransformVerdict::Reject(why) if why.contains("mailbox")), "{verdict:?}");
    assert_eq!(thread.transform(0, &message("a", b"small")), TransformVerdict::Pass);
}

#[test]
fn a_message_beyond_the_guests_memory_goes_by_the_policy() {
    let grow = "(if (result i32) (i32.gt_u (local.get $n) (i32.const 65536)) (then i32.const 0) (else i32.const 8))";
    let fixture =
        Fixture::with(&Text { buf: grow.into(), ..Text::default() }.wasm(), transform(TransformPolicy::Reject));
    let large = vec![b'x'; 100_000];
    let mut thread = fixture.host.thread();
    for _ in 0..10 {
        let verdict = thread.transform(0, &message("a", &large));
        assert!(matches!(&verdict, TransformVerdict::Reject(why) if why.contains("no room")), "{verdict:?}");
    }
    assert_eq!(fixture.breakers_open(), 0, "a large message is no misbehaviour");
}

#[test]
fn a_flood_of_log_lines_and_lying_texts_hurts_nobody() {
    let flood = "(local $i i32)
        (call $fail (i32.const -1) (i32.const -1))
        (call $log (i32.const 99) (i32.const -4) (i32.const 2147483647))
        (call $count (i32.const -4) (i32.const -1) (i64.const 1))
        (call $count (i32.const 0) (i32.const 0) (i64.const 1))
        (loop $l
            (call $log (i32.const 4) (i32.const 0) (i32.const 5000))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3000))))
        (i64.const 0)";
    let fixture = Fixture::with(&transforming(flood), |set| {
        set.plugins[0].timeout = Duration::from_secs(5);
        transform(TransformPolicy::Reject)(set);
    });
    assert_eq!(fixture.host.thread().transform(0, &message("a", b"")), TransformVerdict::Pass);
    assert_eq!(fixture.counts().log_dropped, 2001);
    assert!(fixture.counts().user.is_empty());
}

#[test]
fn undecided_messages_that_do_not_exist_are_ignored() {
    let lie = "(call $undecided (i32.const 64) (i32.const 0) (i32.const 0))
        (call $undecided (i32.const -1) (i32.const 0) (i32.const 0))
        (call $undecided (i32.const 40) (i32.const 0) (i32.const 0)) (i64.const -1)";
    let fixture = Fixture::with(&filtering(lie), filter(FilterPolicy::Skip));
    let messages = [message("a", b""); 3];
    assert_eq!(fixture.host.thread().filter(0, &messages), FilterVerdict::Deliver(7));
}

#[test]
fn a_guest_that_loops_while_it_starts_or_is_configured_is_not_loaded() {
    let start = Text { more: "(func $s (loop $l (br $l))) (start $s)".into(), ..Text::default() }.wasm();
    let init = Text { more: format!("(func (export \"_initialize\") {LOOP})"), ..Text::default() }.wasm();
    let configure = Text { configure: Some(LOOP.into()), ..Text::default() }.wasm();
    for wasm in [start, init, configure] {
        let error = Fixture::new().apply(&wasm, |_| {}).unwrap_err().to_string();
        assert!(error.contains("used up its 250ms of CPU time"), "{error}");
    }
}

#[test]
fn a_memory_or_table_larger_than_allowed_is_not_loaded() {
    let fat = Text { more: "(table 10001 funcref)".into(), ..Text::default() }.wasm();
    assert!(Fixture::new().apply(&fat, |_| {}).is_err());
    let text = String::from_utf8(
        br#"(module (memory (export "memory") 300)
        (func (export "forebay_buf") (param i32) (result i32) i32.const 8)
        (func (export "forebay_filter") (param i32) (result i64) i64.const 8)
        (@custom "forebay.plugin" "{\"abi\":\"forebay/1\",\"kind\":\"filter\"}"))"#
            .to_vec(),
    );
    let error = Fixture::new().apply(&wat::parse_str(text.unwrap()).unwrap(), |_| {}).unwrap_err().to_string();
    assert!(error.contains("more than its 16384 KiB of memory"), "{error}");
}

#[test]
fn functions_of_another_type_are_not_loaded() {
    let wasm = wat::parse_str(
        r#"(module (memory (export "memory") 1)
        (func (export "forebay_buf") (param i64) (result i32) i32.const 8)
        (func (export "forebay_filter") (param i32) (result i64) i64.const 8)
        (@custom "forebay.plugin" "{\"abi\":\"forebay/1\",\"kind\":\"filter\"}"))"#,
    );
    let error = Fixture::new().apply(&wasm.unwrap(), |_| {}).unwrap_err().to_string();
    assert!(error.contains("\"forebay_buf\" has another type"), "{error}");
}

#[test]
fn a_poisonous_message_of_a_batch_is_the_only_one_that_the_policy_decides() {
    // Traps on any message whose payload begins with `!`; the payload's place is computed from the descriptors.
    let poison = "(local $i i32) (local $at i32)
        (local.set $at (i32.add (i32.const 1024) (i32.mul (local.get $n) (i32.const 32))))
        (loop $l
            (local.set $at (i32.add (local.get $at) (i32.load (i32.add (i32.const 1024) (i32.mul (local.get $i) (i32.const 32))))))
            (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 33)) (then unreachable))
            (local.set $at (i32.add (local.get $at) (i32.load offset=12 (i32.add (i32.const 1024) (i32.mul (local.get $i) (i32.const 32))))))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
        (i64.const 0)";
    let mut messages = [message("a", b"fine"); 64];
    messages[17] = message("a", b"!");
    for (policy, bits) in [(FilterPolicy::Deliver, 1 << 17), (FilterPolicy::Skip, 0)] {
        let fixture = Fixture::with(&filtering(poison), filter(policy));
        let mut thread = fixture.host.thread();
        let outcome = thread.filter_batch(0, &messages);
        assert_eq!((outcome.judged, outcome.verdict), (64, FilterVerdict::Deliver(bits)));
        let counts = fixture.counts();
        assert_eq!((counts.calls_of("filter", "skip"), counts.calls_of("filter", "error")), (63, 1));
        assert_eq!(counts.errors_of(ErrorReason::Trap), 2, "the batch, and the message alone");
    }
    let fixture = Fixture::with(&filtering(poison), filter(FilterPolicy::Pause));
    let mut thread = fixture.host.thread();
    let outcome = thread.filter_batch(0, &messages);
    assert_eq!((outcome.judged, outcome.verdict), (17, FilterVerdict::Deliver(0)));
    let outcome = thread.filter_batch(0, &messages[17..]);
    assert_eq!((outcome.judged, outcome.verdict), (0, FilterVerdict::Pause));
}

#[test]
fn a_batch_that_times_out_ends_the_turn_and_is_then_judged_one_by_one() {
    let fixture = Fixture::with(&filtering(LOOP), filter(FilterPolicy::Deliver));
    let mut thread = fixture.host.thread();
    let messages = [message("a", b""); 64];
    let outcome = thread.filter_batch(0, &messages);
    assert_eq!((outcome.judged, outcome.verdict), (0, FilterVerdict::Deliver(0)));
    assert!(FilterHook::take_limit_hit(&mut thread));
    for turn in 0..4 {
        let outcome = thread.filter_batch(0, &messages);
        assert_eq!((outcome.judged, outcome.verdict), (1, FilterVerdict::Deliver(1)), "turn {turn}");
        assert!(FilterHook::take_limit_hit(&mut thread));
    }
    // The fifth failure opened the breaker: now the policy decides about all at once.
    let outcome = thread.filter_batch(0, &messages);
    assert_eq!((outcome.judged, outcome.verdict), (64, FilterVerdict::Deliver(u64::MAX)));
    assert!(!FilterHook::take_limit_hit(&mut thread));
    assert_eq!(fixture.breakers_open(), 1);
}

#[test]
fn a_breaker_opens_and_lets_a_probe_through_after_its_pause() {
    let fixture = Fixture::with(&both("unreachable"), transform(TransformPolicy::Pass));
    let (mut one, mut two) = (fixture.host.thread(), fixture.host.thread());
    let calls = |fixture: &Fixture| fixture.counts().invocations;
    for _ in 0..10 {
        assert_eq!(one.transform(0, &message("a", b"")), TransformVerdict::Pass);
        assert_eq!(two.transform(0, &message("a", b"")), TransformVerdict::Pass);
    }
    assert_eq!((calls(&fixture), fixture.breakers_open()), (5, 1), "both threads share the breaker");
    fixture.pass_time(Duration::from_millis(1001));
    (0..3).for_each(|_| drop(one.transform(0, &message("a", b""))));
    assert_eq!(calls(&fixture), 6, "one probe");
    assert_eq!(fixture.counts().errors_of(ErrorReason::Breaker), 15 + 2);
    // A new generation starts with a closed breaker.
    fixture.apply(&both("(i64.const 1)"), transform(TransformPolicy::Pass)).unwrap();
    assert_eq!(fixture.breakers_open(), 0);
    one.refresh();
    assert_eq!(one.transform(0, &message("a", b"")), TransformVerdict::Drop);
}

#[test]
fn rust_guests_misbehave_no_better() {
    let wasm = compiled("testbed");
    for (subject, reason, text) in [
        ("x.loop", ErrorReason::Timeout, "CPU time"),
        ("x.hog", ErrorReason::Memory, "of memory"),
        ("x.recurse", ErrorReason::Stack, "stack"),
        ("x.panic", ErrorReason::Panic, "as it was told"),
        ("x.index", ErrorReason::Panic, "index out of bounds"),
        ("x.reserved", ErrorReason::Result, "Nats-Msg-Id"),
        ("x.subject", ErrorReason::Result, "a..b"),
        ("x.fail", ErrorReason::Failed, "cannot judge"),
    ] {
        let fixture = Fixture::with(&wasm, |set| {
            // Touching 16 MiB takes longer than 5 ms where the machine is busy.
            set.plugins[0].timeout = Duration::from_millis(if subject == "x.hog" { 2_000 } else { 5 });
            transform(TransformPolicy::Reject)(set);
        });
        let mut thread = fixture.host.thread();
        let verdict = thread.transform(0, &message(subject, b"{}"));
        assert!(matches!(&verdict, TransformVerdict::Reject(why) if why.contains(text)), "{subject}: {verdict:?}");
        assert_eq!(fixture.counts().errors_of(reason), 1, "{subject}");
        assert_eq!(thread.transform(0, &message("x.pass", b"{}")), TransformVerdict::Pass, "{subject}");
    }
}

#[test]
fn a_leaking_guest_is_replaced_before_it_hits_its_limit() {
    let fixture = Fixture::with(&compiled("testbed"), transform(TransformPolicy::Reject));
    let mut thread = fixture.host.thread();
    for _ in 0..200 {
        assert_eq!(thread.transform(0, &message("x.leak", b"{}")), TransformVerdict::Pass);
    }
    let counts = fixture.counts();
    assert_eq!(counts.calls_of("transform", "pass"), 200);
    assert!(counts.instantiations > 5, "200 MiB were leaked in instances of 16: {}", counts.instantiations);
}

#[test]
fn a_rust_guest_survives_a_message_that_it_has_no_room_for() {
    let fixture = Fixture::with(&compiled("testbed"), transform(TransformPolicy::Reject));
    let mut thread = fixture.host.thread();
    let huge = vec![b'x'; 20 << 20];
    let large = vec![b'x'; 1 << 20];
    for _ in 0..3 {
        let verdict = thread.transform(0, &message("x.rename", &huge));
        assert!(matches!(&verdict, TransformVerdict::Reject(why) if why.contains("no room")), "{verdict:?}");
        for payload in [&b"small"[..], &large] {
            let verdict = thread.transform(0, &message("x.rename", payload));
            assert!(matches!(&verdict, TransformVerdict::Replace(emits) if emits.len() == 1), "{verdict:?}");
        }
    }
    assert_eq!(fixture.counts().errors_of(ErrorReason::Oversize), 3);
}
