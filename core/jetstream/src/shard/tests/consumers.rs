//! One sentence per rule of a consumer.

use forebay_api::consumer::DeliverPolicy;
use forebay_api::stream::Retention;
use forebay_api::time::Time;

use super::*;
use crate::consumer::status::StatusKind;

fn five(subjects: &[&str]) -> Bench {
    let mut bench = Bench::new(Bench::of("S", &["a.>"]));
    for subject in subjects {
        bench.publish(subject);
        bench.now += SECOND;
    }
    bench
}

#[test]
fn a_consumer_begins_where_its_policy_says() {
    let all = ["a.1", "a.2", "a.1", "a.3", "a.2"];
    let start = 1_000 * SECOND;
    for (policy, filter, seq, time, want) in [
        (DeliverPolicy::All, "", 0, None, vec![1, 2, 3, 4, 5]),
        (DeliverPolicy::All, "a.2", 0, None, vec![2, 5]),
        (DeliverPolicy::Last, "", 0, None, vec![5]),
        (DeliverPolicy::Last, "a.1", 0, None, vec![3]),
        (DeliverPolicy::New, "", 0, None, vec![]),
        (DeliverPolicy::ByStartSequence, "", 4, None, vec![4, 5]),
        (DeliverPolicy::ByStartSequence, "", 9, None, vec![]),
        (DeliverPolicy::ByStartTime, "", 0, Some(start + 2 * SECOND), vec![3, 4, 5]),
        (DeliverPolicy::ByStartTime, "a.1", 0, Some(start + SECOND), vec![3]),
        (DeliverPolicy::LastPerSubject, "a.>", 0, None, vec![3, 4, 5]),
        (DeliverPolicy::LastPerSubject, "a.1", 0, None, vec![3]),
    ] {
        let mut bench = five(&all);
        let config = ConsumerConfig {
            deliver_policy: policy,
            filter_subject: filter.into(),
            opt_start_seq: seq,
            opt_start_time: time.map(Time::from_unix_ns),
            ..Bench::pull("C")
        };
        let info = bench.consume("C", config).unwrap();
        assert_eq!(info.num_pending, want.len() as u64, "{policy:?} {filter}");
        let got = bench.fetch("C", 10);
        assert_eq!(seqs(&got), want, "{policy:?} {filter}");
        let pending: Vec<u64> = got.iter().map(|delivery| delivery.pending).collect();
        assert_eq!(pending, (0..want.len() as u64).rev().collect::<Vec<_>>());
    }
}

#[test]
fn several_filters_are_one_order() {
    let mut bench = five(&["a.1", "a.2", "a.3", "a.1"]);
    let config = ConsumerConfig { filter_subjects: vec!["a.1".into(), "a.3".into()], ..Bench::pull("C") };
    assert_eq!(bench.consume("C", config).unwrap().num_pending, 3);
    assert_eq!(seqs(&bench.fetch("C", 10)), [1, 3, 4]);
}

#[test]
fn an_unacked_message_comes_again_with_its_count_logged_first() {
    let mut bench = five(&["a.1"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    assert_eq!(bench.fetch("C", 1)[0].deliveries, 1);
    bench.ask("C", &PullRequest { batch: 1, expires: Nanos(600 * SECOND), ..PullRequest::default() });
    bench.now += 30 * SECOND;
    bench.shard.handle_timeout(bench.now, &mut bench.out);
    assert!(bench.deliver("C").is_empty(), "not before the count is durable");
    bench.settle();
    assert_eq!(bench.fx.wake, [bench.key("C")]);
    let again = bench.deliver("C");
    assert_eq!((again[0].seq, again[0].cseq, again[0].deliveries), (1, 2, 2));
    assert_eq!((bench.info("C").num_redelivered, bench.info("C").num_ack_pending), (1, 1));
    bench.crash();
    bench.advance(30 * SECOND);
    assert_eq!(bench.fetch("C", 1)[0].deliveries, 3);
}

#[test]
fn a_nak_comes_at_once_or_after_its_delay_and_progress_puts_it_off() {
    let mut bench = five(&["a.1", "a.2"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let got = bench.fetch("C", 2);
    bench.ack("C", &got[0], AckVerb::Nak { delay: 0 });
    bench.settle();
    assert_eq!(seqs(&bench.fetch("C", 5)), [1]);
    bench.ack("C", &got[1], AckVerb::Nak { delay: 5 * SECOND });
    bench.advance(4 * SECOND);
    assert!(bench.fetch("C", 5).is_empty());
    bench.advance(SECOND);
    assert_eq!(seqs(&bench.fetch("C", 5)), [2]);
    bench.advance(20 * SECOND);
    bench.ack("C", &got[0], AckVerb::InProgress);
    bench.ack("C", &got[1], AckVerb::InProgress);
    bench.advance(29 * SECOND);
    assert!(bench.fetch("C", 5).is_empty());
    bench.advance(SECOND);
    assert_eq!(bench.fetch("C", 5).len(), 2);
}

#[test]
fn backoff_sets_each_wait_and_max_deliver_ends_it() {
    let mut bench = five(&["a.1", "a.2"]);
    let config = ConsumerConfig { backoff: vec![Nanos(SECOND), Nanos(5 * SECOND)], max_deliver: 3, ..Bench::pull("C") };
    bench.consume("C", config).unwrap();
    let got = bench.fetch("C", 2);
    bench.ack("C", &got[1], AckVerb::Ack);
    for wait in [1, 5] {
        bench.advance(wait * SECOND - 1);
        assert!(bench.fetch("C", 1).is_empty());
        bench.advance(1);
        assert_eq!(seqs(&bench.fetch("C", 1)), [1]);
    }
    bench.out.clear();
    bench.advance(5 * SECOND);
    let gave_up = crate::effect::Advisory::MaxDeliveries { key: bench.key("C"), stream_seq: 1, deliveries: 3 };
    assert_eq!(bench.out.advisories, [gave_up]);
    assert!(bench.fetch("C", 1).is_empty());
    let info = bench.info("C");
    assert_eq!((info.num_ack_pending, info.ack_floor.stream_seq, bench.seqs().len()), (0, 2, 2));
    bench.crash();
    bench.advance(60 * SECOND);
    assert!(bench.fetch("C", 1).is_empty());
}

#[test]
fn with_max_deliver_one_the_delivery_is_logged_first() {
    let mut bench = five(&["a.1", "a.2", "a.3"]);
    bench.consume("C", ConsumerConfig { max_deliver: 1, ..Bench::pull("C") }).unwrap();
    bench.ask("C", &PullRequest { batch: 2, expires: Nanos(SECOND), ..PullRequest::default() });
    assert!(bench.deliver("C").is_empty());
    bench.settle();
    let got = bench.deliver("C");
    assert_eq!(got.iter().map(|d| (d.seq, d.cseq, d.deliveries)).collect::<Vec<_>>(), [(1, 1, 1), (2, 2, 1)]);
    bench.crash();
    bench.advance(60 * SECOND);
    assert_eq!(seqs(&bench.fetch("C", 9)), [3]);
}

#[test]
fn acks_move_the_floor_as_in_nats_server() {
    let mut bench = five(&["a.1", "a.2", "a.3", "a.4"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let got = bench.fetch("C", 4);
    let floor = |bench: &Bench| {
        let at = bench.info("C").ack_floor;
        (at.consumer_seq, at.stream_seq)
    };
    bench.ack("C", &got[2], AckVerb::Ack);
    assert_eq!(floor(&bench), (0, 0));
    bench.ack("C", &got[0], AckVerb::Ack);
    assert_eq!(floor(&bench), (1, 1));
    assert_eq!(bench.ack("C", &got[1], AckVerb::Ack), AckDone::Logged);
    assert_eq!(bench.ack("C", &got[1], AckVerb::Ack), AckDone::Now);
    assert_eq!(floor(&bench), (3, 3));
    bench.ack("C", &got[3], AckVerb::Term { reason: "bad".into() });
    assert_eq!(floor(&bench), (4, 4));
    bench.settle();
    bench.crash();
    assert_eq!((floor(&bench), bench.info("C").num_ack_pending), ((4, 4), 0));
}

#[test]
fn ack_all_acks_what_came_before() {
    let mut bench = five(&["a.1", "a.2", "a.3"]);
    bench.consume("C", ConsumerConfig { ack_policy: AckPolicy::All, ..Bench::pull("C") }).unwrap();
    let got = bench.fetch("C", 3);
    bench.ack("C", &got[1], AckVerb::Ack);
    assert_eq!((bench.info("C").num_ack_pending, bench.info("C").ack_floor.stream_seq), (1, 2));
    bench.settle();
    bench.crash();
    bench.advance(30 * SECOND);
    assert_eq!(seqs(&bench.fetch("C", 9)), [3]);
}

#[test]
fn max_ack_pending_holds_delivery_until_an_ack() {
    let mut bench = five(&["a.1", "a.2", "a.3"]);
    bench.consume("C", ConsumerConfig { max_ack_pending: 2, ..Bench::pull("C") }).unwrap();
    bench.ask("C", &PullRequest { batch: 3, expires: Nanos(SECOND), ..PullRequest::default() });
    let got = bench.deliver("C");
    assert_eq!(seqs(&got), [1, 2]);
    bench.out.clear();
    bench.ack("C", &got[0], AckVerb::Ack);
    assert_eq!(bench.out.wake, [bench.key("C")]);
    assert_eq!(seqs(&bench.deliver("C")), [3]);
}

#[test]
fn a_store_wakes_who_waits_once() {
    let mut bench = five(&[]);
    bench.consume("C", ConsumerConfig { filter_subject: "a.1".into(), ..Bench::pull("C") }).unwrap();
    bench.publish("a.1");
    assert!(bench.fx.wake.is_empty(), "nobody asked");
    bench.fetch("C", 1);
    bench.ask("C", &PullRequest { batch: 9, expires: Nanos(SECOND), ..PullRequest::default() });
    bench.publish("a.2");
    assert!(bench.fx.wake.is_empty(), "not its subject");
    bench.publish("a.1");
    assert_eq!(bench.fx.wake.len(), 1);
    bench.publish("a.1");
    assert!(bench.fx.wake.is_empty(), "told already");
    assert_eq!(bench.deliver("C").len(), 2);
    bench.publish("a.1");
    assert_eq!(bench.fx.wake.len(), 1);
}

#[test]
fn removals_are_not_pending_any_more() {
    let mut bench = five(&["a.1", "a.2", "a.1", "a.2"]);
    bench.consume("C", ConsumerConfig { filter_subject: "a.1".into(), ..Bench::pull("C") }).unwrap();
    bench.stream_command(&StreamCommand::DeleteMessage { seq: 2, erase: false }).unwrap();
    assert_eq!(bench.info("C").num_pending, 2);
    let got = bench.fetch("C", 1);
    bench.stream_command(&StreamCommand::Purge { filter: vec![], below: 0, keep: 0 }).unwrap();
    let info = bench.info("C");
    assert_eq!((info.num_pending, info.num_ack_pending), (0, 0));
    assert_eq!(bench.ack("C", &got[0], AckVerb::Ack), AckDone::Now);
    bench.publish("a.1");
    assert_eq!(seqs(&bench.fetch("C", 5)), [5]);
}

#[test]
fn a_work_queue_removes_what_is_acked() {
    let mut bench = Bench::new(StreamConfig { retention: Retention::WorkQueue, ..Bench::of("S", &["a.>"]) });
    bench.consume("C", ConsumerConfig { filter_subject: "a.1".into(), ..Bench::pull("C") }).unwrap();
    let clash = ConsumerConfig { filter_subject: "a.*".into(), ..Bench::pull("D") };
    assert_eq!(bench.consume("D", clash).unwrap_err().err_code, 10100);
    assert_eq!(bench.consume("D", Bench::pull("D")).unwrap_err().err_code, 10099);
    for subject in ["a.1", "a.2", "a.1"] {
        bench.publish(subject);
    }
    let got = bench.fetch("C", 5);
    assert_eq!(seqs(&got), [1, 3]);
    bench.ack("C", &got[1], AckVerb::Ack);
    assert_eq!(bench.seqs(), [1, 2, 3], "only what is logged counts");
    bench.settle();
    assert_eq!(bench.seqs(), [1, 2]);
    bench.crash();
    assert_eq!(bench.seqs(), [1, 2]);
}

#[test]
fn an_interest_stream_waits_for_all_who_are_interested() {
    let mut bench = Bench::new(StreamConfig { retention: Retention::Interest, ..Bench::of("S", &["a.>"]) });
    bench.consume("C", Bench::pull("C")).unwrap();
    bench.consume("D", ConsumerConfig { filter_subject: "a.1".into(), ..Bench::pull("D") }).unwrap();
    bench.publish("a.1");
    bench.publish("a.2");
    bench.publish("a.1");
    for delivery in bench.fetch("C", 5) {
        bench.ack("C", &delivery, AckVerb::Ack);
    }
    bench.settle();
    assert_eq!(bench.seqs(), [1, 3]);
    let got = bench.fetch("D", 1);
    bench.ack("D", &got[0], AckVerb::Ack);
    bench.settle();
    assert_eq!(bench.seqs(), [3]);
    let mut body = Vec::new();
    let delete = ConsumerCommand::Delete { consumer: bench.key("D").consumer };
    delete.encode(&mut body);
    bench.command(delete.number(), body).unwrap();
    assert_eq!(bench.seqs(), [0u64; 0]);
}

#[test]
fn a_push_consumer_delivers_while_somebody_listens() {
    let mut bench = five(&["a.1", "a.2"]);
    let config = ConsumerConfig {
        deliver_subject: "to".into(),
        ack_policy: AckPolicy::None,
        flow_control: true,
        idle_heartbeat: Nanos(5 * SECOND),
        mem_storage: true,
        inactive_threshold: Nanos(60 * SECOND),
        ..ConsumerConfig::default()
    };
    bench.consume("C", config).unwrap();
    let key = bench.key("C");
    assert!(bench.deliver("C").is_empty());
    bench.shard.set_push_interest(key, bench.now, true, &mut bench.out);
    assert_eq!(bench.out.wake, [key]);
    let got = bench.deliver("C");
    assert_eq!((seqs(&got), &*got[0].to), (vec![1, 2], &b"to"[..]));
    assert_eq!(bench.info("C").ack_floor.stream_seq, 2);
    bench.out.clear();
    bench.advance(5 * SECOND);
    let last = crate::id::Position { cseq: 2, sseq: 2 };
    assert_eq!(bench.out.statuses[0].kind, StatusKind::IdleHeartbeat { last, stalled: None });
    bench.shard.set_push_interest(key, bench.now, false, &mut bench.out);
    bench.advance(59 * SECOND);
    assert!(bench.shard.consumer_of(UID, "C").is_some());
    bench.advance(SECOND);
    assert!(bench.shard.consumer_of(UID, "C").is_none(), "nobody used it for a minute");
}

#[test]
fn an_unused_pull_consumer_goes_and_a_used_one_stays() {
    let mut bench = five(&[]);
    bench.consume("C", ConsumerConfig { inactive_threshold: Nanos(5 * SECOND), ..Bench::pull("C") }).unwrap();
    bench.advance(4 * SECOND);
    bench.ask("C", &PullRequest { batch: 1, expires: Nanos(30 * SECOND), ..PullRequest::default() });
    bench.advance(20 * SECOND);
    bench.advance(10 * SECOND);
    assert_eq!(bench.out.statuses.len(), 1);
    bench.advance(4 * SECOND);
    assert!(bench.shard.consumer_of(UID, "C").is_some());
    bench.advance(SECOND);
    assert!(bench.shard.consumer_of(UID, "C").is_none());
}

#[test]
fn what_the_old_leader_delivered_may_still_be_acked() {
    let mut bench = five(&["a.1", "a.2", "a.3"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    bench.ask("C", &PullRequest { batch: 2, no_wait: true, ..PullRequest::default() });
    let got = bench.deliver("C");
    bench.crash();
    assert_eq!(bench.info("C").num_pending, 3, "the log knows of no delivery");
    assert_eq!(bench.ack("C", &got[1], AckVerb::Ack), AckDone::Logged);
    bench.settle();
    assert_eq!(seqs(&bench.fetch("C", 9)), [1, 3]);
    bench.crash();
    bench.advance(30 * SECOND);
    assert_eq!(seqs(&bench.fetch("C", 9)), [1, 3]);
}

#[test]
fn creating_again_is_no_error_and_changing_is_an_update() {
    let mut bench = five(&["a.1", "a.2"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    bench.consume_as("C", Bench::pull("C"), ConsumerAction::Create).unwrap();
    let changed = ConsumerConfig { filter_subject: "a.2".into(), ..Bench::pull("C") };
    assert_eq!(bench.consume_as("C", changed.clone(), ConsumerAction::Create).unwrap_err().err_code, 10148);
    assert_eq!(bench.consume_as("C", changed, ConsumerAction::Update).unwrap().num_pending, 1);
    assert_eq!(bench.consume_as("D", Bench::pull("D"), ConsumerAction::Update).unwrap_err().err_code, 10149);
    let policy = ConsumerConfig { ack_policy: AckPolicy::None, ..Bench::pull("C") };
    assert_eq!(bench.consume("C", policy).unwrap_err().err_code, 10012);
}

#[test]
fn a_paused_consumer_delivers_when_the_pause_ends() {
    let mut bench = five(&["a.1"]);
    let until = Time::from_unix_ns(bench.now + 10 * SECOND);
    bench.consume("C", ConsumerConfig { pause_until: Some(until), ..Bench::pull("C") }).unwrap();
    bench.ask("C", &PullRequest { batch: 1, expires: Nanos(60 * SECOND), ..PullRequest::default() });
    assert!(bench.deliver("C").is_empty() && bench.info("C").paused);
    bench.out.clear();
    bench.advance(10 * SECOND);
    assert_eq!(bench.out.wake, [bench.key("C")]);
    assert_eq!(bench.deliver("C").len(), 1);
}
