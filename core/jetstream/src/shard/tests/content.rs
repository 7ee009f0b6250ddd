//! One sentence per rule of a consumer whose messages a content filter judges.

use forebay_api::consumer::PendingCount;
use forebay_api::stream::{Retention, Storage};

use super::*;
use crate::consumer::Candidates;

/// What a delivery task asks for at once.
const LIMIT: BatchLimit = BatchLimit { messages: 64, bytes: 1 << 20 };

fn of(config: StreamConfig, subjects: &[&str]) -> Bench {
    let mut bench = Bench::new(config);
    for subject in subjects {
        bench.publish(subject);
    }
    bench
}

fn five(subjects: &[&str]) -> Bench {
    of(Bench::of("S", &["a.>"]), subjects)
}

/// A consumer with a filter that does not let `a.no` through, as the delivery task drives it: what it delivers.
fn judge(bench: &mut Bench, name: &str) -> Vec<Delivery> {
    let (key, mut c, mut got) = (bench.key(name), Candidates::default(), Vec::new());
    for _ in 0..100 {
        let mut b = Batch::default();
        let mut end = bench.shard.candidates(key, bench.now, LIMIT, &mut c, &mut b);
        if !c.items.is_empty() && b.deliveries.is_empty() {
            let keep = c.items.iter().enumerate().fold(0, |keep, (at, item)| {
                let subject = &bench.log[item.location.offset as usize].subject;
                keep | u64::from(subject != b"a.no") << at
            });
            end = bench.shard.commit(key, bench.now, &c, &[keep], c.items.len(), &mut b);
        }
        got.append(&mut b.deliveries);
        if end == BatchEnd::Idle {
            bench.settle();
            return got;
        }
    }
    panic!("a delivery that does not end");
}

fn ask(bench: &mut Bench, name: &str, batch: i64) -> Vec<Delivery> {
    bench.ask(name, &PullRequest { batch, expires: Nanos(SECOND), ..PullRequest::default() });
    let got = judge(bench, name);
    bench.advance(SECOND);
    got
}

fn retained(retention: Retention, storage: Storage) -> StreamConfig {
    StreamConfig { retention, storage, ..Bench::of("S", &["a.>"]) }
}

#[test]
fn a_content_filter_moves_on_over_what_it_does_not_let_through() {
    let mut bench = five(&["a.1", "a.2", "a.3", "a.4", "a.5"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let (key, limit) = (bench.key("C"), LIMIT);
    let (mut c, mut b) = (Candidates::default(), Batch::default());
    bench.ask("C", &PullRequest { batch: 1, expires: Nanos(SECOND), ..PullRequest::default() });
    assert_eq!(bench.shard.candidates(key, bench.now, limit, &mut c, &mut b), BatchEnd::More);
    assert_eq!(c.items.iter().map(|item| item.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    // The 2nd and the 4th pass; only one is asked for.
    let end = bench.shard.commit(key, bench.now, &c, &[0b01010], 5, &mut b);
    assert_eq!((end, seqs(&b.deliveries), b.deliveries[0].pending), (BatchEnd::Idle, vec![2], 1));
    let info = bench.info("C");
    assert_eq!((info.num_pending, info.num_ack_pending, info.ack_floor.stream_seq), (1, 1, 1));
    assert_eq!(bench.shard.candidates(key, bench.now, limit, &mut c, &mut b), BatchEnd::Idle, "nobody asks");
    bench.settle();
    bench.crash();
    bench.ask("C", &PullRequest { batch: 9, expires: Nanos(SECOND), ..PullRequest::default() });
    b.clear();
    assert_eq!(bench.shard.candidates(key, bench.now, limit, &mut c, &mut b), BatchEnd::More);
    assert_eq!(c.items.iter().map(|item| item.seq).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(bench.shard.commit(key, bench.now, &c, &[1], 2, &mut b), BatchEnd::More);
    assert_eq!((seqs(&b.deliveries), b.deliveries[0].pending), (vec![4], 0));
    assert_eq!(bench.info("C").num_pending, 0);
    // What was skipped never comes back, what was not acked does, and is not judged again.
    bench.settle();
    bench.crash();
    bench.advance(30 * SECOND);
    bench.ask("C", &PullRequest { batch: 9, expires: Nanos(SECOND), ..PullRequest::default() });
    b.clear();
    bench.shard.candidates(key, bench.now, limit, &mut c, &mut b);
    assert_eq!((seqs(&b.deliveries), c.items.len()), (vec![2, 4], 0));
}

#[test]
fn a_stale_verdict_does_nothing() {
    let mut bench = five(&["a.1"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let (key, limit) = (bench.key("C"), LIMIT);
    let (mut c, mut b) = (Candidates::default(), Batch::default());
    bench.ask("C", &PullRequest { batch: 1, expires: Nanos(SECOND), ..PullRequest::default() });
    bench.shard.candidates(key, bench.now, limit, &mut c, &mut b);
    bench.consume("C", ConsumerConfig { description: "new".into(), ..Bench::pull("C") }).unwrap();
    bench.shard.commit(key, bench.now, &c, &[0], 1, &mut b);
    assert_eq!((bench.info("C").num_pending, b.deliveries.len()), (1, 0));
}

#[test]
fn on_an_interest_stream_a_skip_is_that_consumers_ack_and_nobody_elses() {
    for storage in [Storage::File, Storage::Memory] {
        let mut bench = Bench::new(retained(Retention::Interest, storage));
        bench.consume("C", Bench::pull("C")).unwrap();
        bench.consume("D", Bench::pull("D")).unwrap();
        for subject in ["a.no", "a.1", "a.no"] {
            bench.publish(subject);
        }
        let got = ask(&mut bench, "C", 5);
        assert_eq!(seqs(&got), [2]);
        assert_eq!(bench.seqs(), [1, 2, 3], "D has not had them");
        for delivery in bench.fetch("D", 5) {
            bench.ack("D", &delivery, AckVerb::Ack);
        }
        bench.settle();
        assert_eq!(bench.seqs(), [2], "{storage:?}: what C skipped and D acked is gone");
        bench.ack("C", &got[0], AckVerb::Ack);
        bench.settle();
        assert_eq!(bench.seqs(), [0u64; 0]);
    }
}

#[test]
fn a_skip_that_acked_is_known_after_a_crash() {
    let mut bench = Bench::new(retained(Retention::Interest, Storage::File));
    bench.consume("C", Bench::pull("C")).unwrap();
    for subject in ["a.no", "a.1", "a.no"] {
        bench.publish(subject);
    }
    assert_eq!(seqs(&ask(&mut bench, "C", 5)), [2]);
    assert_eq!(bench.seqs(), [2]);
    bench.crash();
    assert_eq!(bench.seqs(), [2]);
    bench.advance(30 * SECOND);
    assert_eq!(seqs(&ask(&mut bench, "C", 5)), [2], "delivered, not acked: it comes again");
}

#[test]
fn without_acks_a_skip_lets_an_interest_stream_go_too() {
    let mut bench = Bench::new(retained(Retention::Interest, Storage::File));
    bench.consume("C", ConsumerConfig { ack_policy: AckPolicy::None, ..Bench::pull("C") }).unwrap();
    for subject in ["a.no", "a.1", "a.no"] {
        bench.publish(subject);
    }
    assert_eq!(seqs(&ask(&mut bench, "C", 5)), [2]);
    assert_eq!(bench.seqs(), [0u64; 0]);
}

#[test]
fn on_a_work_queue_a_skip_removes_the_message() {
    for storage in [Storage::File, Storage::Memory] {
        let mut bench = of(retained(Retention::WorkQueue, storage), &["a.no", "a.1", "a.no"]);
        bench.consume("C", Bench::pull("C")).unwrap();
        assert_eq!(seqs(&ask(&mut bench, "C", 5)), [2]);
        assert_eq!(bench.seqs(), [2]);
    }
}

#[test]
fn num_pending_says_whether_it_is_exact() {
    let mut bench = five(&["a.no", "a.1", "a.no", "a.no", "a.2", "a.no"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let told = |bench: &Bench| {
        let info = bench.info("C");
        (info.num_pending, info.forebay_num_pending)
    };
    assert_eq!(told(&bench), (6, None), "nobody judges it");
    let key = bench.key("C");
    bench.shard.set_content_filter(key, true, &mut bench.out);
    assert_eq!(bench.out.wake, [key]);
    assert_eq!(told(&bench), (6, Some(PendingCount::Bound)));
    assert!(judge(&mut bench, "C").is_empty(), "nobody asks, and it judges ahead");
    assert_eq!(told(&bench), (2, Some(PendingCount::Exact)));
    bench.publish("a.no");
    assert_eq!(told(&bench), (3, Some(PendingCount::Bound)), "it waits for somebody, and looks no further");
    let got = ask(&mut bench, "C", 1);
    assert_eq!((seqs(&got), got[0].pending), (vec![2], 2));
    assert_eq!(told(&bench), (2, Some(PendingCount::Bound)));
    let got = ask(&mut bench, "C", 9);
    assert_eq!((seqs(&got), got[0].pending), (vec![5], 1), "at least 1 as long as something is not judged");
    assert_eq!(told(&bench), (0, Some(PendingCount::Exact)));
    bench.out.clear();
    bench.shard.set_content_filter(key, false, &mut bench.out);
    assert_eq!(told(&bench), (0, None));
}

#[test]
fn no_message_is_judged_twice_because_nobody_asked_for_it() {
    let mut bench = five(&["a.1", "a.no", "a.2", "a.3", "a.no"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let (key, mut judged) = (bench.key("C"), 0);
    for want in [vec![1], vec![3], vec![4], vec![]] {
        bench.ask("C", &PullRequest { batch: 1, expires: Nanos(SECOND), ..PullRequest::default() });
        let (mut c, mut b, mut got) = (Candidates::default(), Batch::default(), Vec::new());
        while bench.shard.candidates(key, bench.now, LIMIT, &mut c, &mut b) == BatchEnd::More {
            judged += c.items.len();
            if !c.items.is_empty() {
                bench.shard.commit(key, bench.now, &c, &[0b01101], c.items.len(), &mut b);
            }
            got.append(&mut b.deliveries);
        }
        got.append(&mut b.deliveries);
        assert_eq!(seqs(&got), want);
        bench.advance(SECOND);
    }
    assert_eq!(judged, 5);
    assert_eq!(bench.info("C").ack_floor.stream_seq, 0);
}

#[test]
fn verdicts_of_before_a_reload_do_not_count() {
    let mut bench = five(&["a.1", "a.2"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let key = bench.key("C");
    bench.shard.set_content_filter(key, true, &mut bench.out);
    judge(&mut bench, "C");
    assert_eq!(bench.info("C").forebay_num_pending, Some(PendingCount::Exact));
    bench.shard.set_content_filter(key, true, &mut bench.out);
    assert_eq!(bench.info("C").forebay_num_pending, Some(PendingCount::Bound));
    let (mut c, mut b) = (Candidates::default(), Batch::default());
    bench.shard.candidates(key, bench.now, LIMIT, &mut c, &mut b);
    assert_eq!(c.items.len(), 2, "both are judged again");
}

#[test]
fn a_message_that_waited_and_is_removed_lets_the_filter_go_on() {
    let mut bench = five(&["a.1", "a.no", "a.2", "a.no"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let key = bench.key("C");
    bench.shard.set_content_filter(key, true, &mut bench.out);
    judge(&mut bench, "C");
    bench.publish("a.no");
    let remove = |bench: &mut Bench, seq| {
        bench.stream_command(&StreamCommand::DeleteMessage { seq, erase: false }).unwrap();
        bench.fx.wake.clone()
    };
    assert!(remove(&mut bench, 3).is_empty(), "another one waits before it");
    assert_eq!(bench.info("C").num_pending, 2);
    assert_eq!(remove(&mut bench, 1), [key]);
    assert_eq!(bench.info("C").forebay_num_pending, Some(PendingCount::Bound));
    judge(&mut bench, "C");
    let info = bench.info("C");
    assert_eq!((info.num_pending, info.forebay_num_pending), (0, Some(PendingCount::Exact)));
    assert_eq!(info.delivered.stream_seq, 5);
}
