//! One sentence per rule of a consumer.

use forebay_api::consumer::DeliverPolicy;
use forebay_api::stream::Retention;
use forebay_api::time::Time;

use super::*;
use crate::consumer::Candidates;
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
pub(super) fn an_unacked_message_comes_again_with_its_count_logged_first() {
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
pub(super) fn backoff_sets_each_wait_and_max_deliver_ends_it() {
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
    assert!(bench.out.advisories.is_empty() && bench.info("C").num_ack_pending == 1, "nobody asked since");
    assert!(bench.fetch("C", 1).is_empty());
    let gave_up = crate::effect::Advisory::MaxDeliveries { key: bench.key("C"), stream_seq: 1, deliveries: 3 };
    assert_eq!(bench.out.advisories, [gave_up]);
    let info = bench.info("C");
    assert_eq!((info.num_ack_pending, info.num_redelivered, info.ack_floor.stream_seq), (0, 1, 0));
    bench.crash();
    bench.advance(60 * SECOND);
    assert!(bench.fetch("C", 1).is_empty());
    assert_eq!((bench.info("C").num_redelivered, bench.seqs().len()), (1, 2));
}

#[test]
fn max_deliver_one_gives_up_as_soon_as_the_ack_is_late() {
    let mut bench = five(&["a.1", "a.2"]);
    bench.consume("C", ConsumerConfig { max_deliver: 1, ..Bench::pull("C") }).unwrap();
    let got = bench.fetch("C", 2);
    assert_eq!(got.iter().map(|delivery| delivery.pending).collect::<Vec<_>>(), [1, 0], "what is reserved is to come");
    bench.ack("C", &got[1], AckVerb::Nak { delay: 0 });
    bench.settle();
    assert_eq!(bench.info("C").num_ack_pending, 2, "a NAK waits for somebody to ask");
    bench.advance(30 * SECOND);
    assert_eq!(bench.info("C").num_ack_pending, 1);
    assert!(bench.fetch("C", 1).is_empty());
    let info = bench.info("C");
    assert_eq!((info.num_ack_pending, info.num_redelivered, info.ack_floor.stream_seq), (0, 0, 0));
}

#[test]
pub(super) fn a_raised_max_deliver_brings_back_what_nobody_has_asked_for_since() {
    let mut bench = five(&["a.1"]);
    bench.consume("C", ConsumerConfig { max_deliver: 2, ..Bench::pull("C") }).unwrap();
    bench.fetch("C", 1);
    bench.advance(30 * SECOND);
    bench.fetch("C", 1);
    bench.advance(30 * SECOND);
    bench.consume("C", ConsumerConfig { max_deliver: 3, ..Bench::pull("C") }).unwrap();
    let got = bench.fetch("C", 1);
    assert_eq!(got.iter().map(|delivery| delivery.deliveries).collect::<Vec<_>>(), [3]);
    bench.crash();
    bench.advance(30 * SECOND);
    assert!(bench.fetch("C", 1).is_empty(), "its third count was logged before it was sent");
}

#[test]
pub(super) fn a_late_ack_removes_what_was_given_up_from_a_work_queue() {
    let mut bench = Bench::new(StreamConfig { retention: Retention::WorkQueue, ..Bench::of("S", &["a.>"]) });
    bench.consume("C", ConsumerConfig { max_deliver: 1, ..Bench::pull("C") }).unwrap();
    bench.publish("a.1");
    bench.publish("a.2");
    let got = bench.fetch("C", 2);
    bench.advance(30 * SECOND);
    assert_eq!(bench.seqs(), [1, 2]);
    bench.crash();
    assert_eq!(bench.ack("C", &got[0], AckVerb::Ack), AckDone::Logged);
    bench.settle();
    assert_eq!(bench.seqs(), [2]);
    bench.crash();
    assert_eq!((bench.seqs(), bench.fetch("C", 9).len()), (vec![2], 0));
}

#[test]
pub(super) fn what_one_consumer_gave_up_stays_when_the_others_have_acked_it() {
    let mut bench = Bench::new(StreamConfig { retention: Retention::Interest, ..Bench::of("S", &["a.>"]) });
    bench.consume("C", ConsumerConfig { max_deliver: 1, ..Bench::pull("C") }).unwrap();
    bench.consume("D", Bench::pull("D")).unwrap();
    bench.publish("a.1");
    let given_up = bench.fetch("C", 1);
    bench.advance(30 * SECOND);
    let got = bench.fetch("D", 1);
    bench.ack("D", &got[0], AckVerb::Ack);
    bench.settle();
    bench.take_checkpoint();
    bench.crash();
    assert_eq!(bench.seqs(), [1]);
    bench.ack("C", &given_up[0], AckVerb::Term { reason: "".into() });
    bench.settle();
    assert_eq!(bench.seqs(), [0u64; 0]);
}

#[test]
pub(super) fn a_durable_without_acks_goes_on_where_it_was() {
    let mut bench = five(&["a.1", "a.2", "a.3", "a.4"]);
    let config = |name: &str| ConsumerConfig { ack_policy: AckPolicy::None, max_ack_pending: 0, ..Bench::pull(name) };
    bench.consume("C", config("C")).unwrap();
    bench.consume("M", ConsumerConfig { mem_storage: true, ..config("M") }).unwrap();
    bench.consume("E", ConsumerConfig { durable: "".into(), ..config("E") }).unwrap();
    for name in ["C", "M", "E"] {
        assert_eq!(seqs(&bench.fetch(name, 2)), [1, 2]);
    }
    let logged = bench.log.len();
    bench.settle();
    assert_eq!(bench.log.len(), logged, "nothing new is said twice");
    bench.crash();
    let info = bench.info("C");
    assert_eq!((info.delivered.consumer_seq, info.ack_floor.stream_seq, info.num_pending), (2, 2, 2));
    assert_eq!(seqs(&bench.fetch("C", 9)), [3, 4]);
    assert_eq!(seqs(&bench.fetch("M", 1)), [1], "in memory");
    assert_eq!(seqs(&bench.fetch("E", 1)), [1], "ephemeral");
}

#[test]
pub(super) fn a_durable_without_acks_begins_again_at_the_last_mark_that_was_logged() {
    let mut bench = five(&["a.1", "a.2", "a.3"]);
    bench.consume("C", ConsumerConfig { ack_policy: AckPolicy::None, max_ack_pending: 0, ..Bench::pull("C") }).unwrap();
    bench.fetch("C", 1);
    bench.ask("C", &PullRequest { batch: 1, no_wait: true, ..PullRequest::default() });
    assert_eq!(seqs(&bench.deliver("C")), [2]);
    bench.crash();
    assert_eq!(seqs(&bench.fetch("C", 9)), [2, 3]);
}

#[test]
fn one_that_is_worked_on_keeps_its_consumer_until_its_ack_is_late() {
    let mut bench = five(&["a.1"]);
    bench.consume("C", ConsumerConfig { inactive_threshold: Nanos(5 * SECOND), ..Bench::pull("C") }).unwrap();
    let got = bench.fetch("C", 1);
    bench.advance(29 * SECOND);
    assert!(bench.shard.consumer_of(UID, "C").is_some());
    bench.ack("C", &got[0], AckVerb::Ack);
    bench.advance(5 * SECOND - 1);
    assert!(bench.shard.consumer_of(UID, "C").is_some());
    bench.advance(1);
    bench.advance(1);
    assert!(bench.shard.consumer_of(UID, "C").is_none());
}

#[test]
fn an_unused_consumer_with_a_waiting_request_is_asked_about() {
    let mut bench = five(&[]);
    bench.consume("C", ConsumerConfig { inactive_threshold: Nanos(5 * SECOND), ..Bench::pull("C") }).unwrap();
    bench.ask("C", &PullRequest { batch: 1, ..PullRequest::default() });
    bench.advance(5 * SECOND);
    let key = bench.key("C");
    assert_eq!(bench.out.unsure, [key]);
    bench.shard.drop_waiting(key, b"reply");
    bench.advance(1);
    assert!(bench.shard.consumer_of(UID, "C").is_none());
}

#[test]
fn room_that_an_update_or_a_removal_makes_wakes_who_waits() {
    let mut bench = five(&["a.1", "a.2", "a.3"]);
    bench.consume("C", ConsumerConfig { max_ack_pending: 1, ..Bench::pull("C") }).unwrap();
    bench.ask("C", &PullRequest { batch: 3, expires: Nanos(SECOND), ..PullRequest::default() });
    assert_eq!(seqs(&bench.deliver("C")), [1]);
    bench.consume("C", ConsumerConfig { max_ack_pending: 2, ..Bench::pull("C") }).unwrap();
    assert_eq!(bench.fx.wake, [bench.key("C")]);
    assert_eq!(seqs(&bench.deliver("C")), [2]);
    bench.stream_command(&StreamCommand::DeleteMessage { seq: 1, erase: false }).unwrap();
    assert_eq!(bench.fx.wake, [bench.key("C")]);
    assert_eq!(seqs(&bench.deliver("C")), [3]);
}

#[test]
fn a_new_deliver_subject_gets_what_the_old_one_did_not_acknowledge() {
    let mut bench = five(&["a.1", "a.2"]);
    let config = |to: &str| ConsumerConfig { deliver_subject: to.into(), max_waiting: 0, ..Bench::pull("C") };
    bench.consume("C", config("to")).unwrap();
    let key = bench.key("C");
    bench.shard.set_push_interest(key, bench.now, true, &mut bench.out);
    assert_eq!(bench.deliver("C").len(), 2);
    bench.consume("C", config("elsewhere")).unwrap();
    bench.settle();
    bench.shard.set_push_interest(key, bench.now, true, &mut bench.out);
    let again = bench.deliver("C");
    assert_eq!(
        again.iter().map(|d| (d.seq, d.deliveries, &*d.to)).collect::<Vec<_>>(),
        [(1, 2, &b"elsewhere"[..]), (2, 2, b"elsewhere")]
    );
}

#[test]
pub(super) fn a_stream_that_begins_to_wait_for_acks_removes_what_has_them() {
    let mut bench = five(&["a.1", "a.2", "a.3"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let config = ConsumerConfig { ack_policy: AckPolicy::None, max_ack_pending: 0, ..Bench::pull("N") };
    bench.consume("N", ConsumerConfig { mem_storage: true, ..config }).unwrap();
    let got = bench.fetch("C", 2);
    bench.fetch("N", 3);
    got.iter().for_each(|delivery| assert_eq!(bench.ack("C", delivery, AckVerb::Ack), AckDone::Logged));
    bench.settle();
    let config = StreamConfig { retention: Retention::Interest, ..Bench::of("S", &["a.>"]) };
    let update = StreamCommand::Update { config: forebay_api::json::to_vec(&config), revision: 2 };
    bench.stream_command(&update).unwrap();
    assert_eq!(bench.seqs(), [1, 2, 3], "where the one without acks is was never logged");
    bench.publish("a.4");
    bench.fetch("N", 1);
    assert_eq!(bench.seqs(), [3, 4], "from now on it is");
}

#[test]
pub(super) fn with_max_deliver_one_the_delivery_is_logged_first() {
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
pub(super) fn acks_move_the_floor_as_in_nats_server() {
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
pub(super) fn ack_all_acks_what_came_before() {
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
pub(super) fn a_work_queue_removes_what_is_acked() {
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
pub(super) fn an_interest_stream_waits_for_all_who_are_interested() {
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
pub(super) fn what_the_old_leader_delivered_may_still_be_acked() {
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
fn a_new_consumer_takes_no_acks_for_an_older_one_of_its_name() {
    let mut bench = five(&["a.1"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let got = bench.fetch("C", 1);
    let mut body = Vec::new();
    let delete = ConsumerCommand::Delete { consumer: bench.key("C").consumer };
    delete.encode(&mut body);
    bench.command(delete.number(), body).unwrap();
    bench.consume("C", Bench::pull("C")).unwrap();
    assert_eq!(bench.ack("C", &got[0], AckVerb::Ack), AckDone::Ignored);
    assert_eq!(seqs(&bench.fetch("C", 1)), [1]);
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
fn a_content_filter_moves_on_over_what_it_does_not_let_through() {
    let mut bench = five(&["a.1", "a.2", "a.3", "a.4", "a.5"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let (key, limit) = (bench.key("C"), BatchLimit { messages: 64, bytes: 1 << 20 });
    let (mut c, mut b) = (Candidates::default(), Batch::default());
    bench.ask("C", &PullRequest { batch: 1, expires: Nanos(SECOND), ..PullRequest::default() });
    assert_eq!(bench.shard.candidates(key, bench.now, limit, &mut c, &mut b), BatchEnd::More);
    assert_eq!(c.items.iter().map(|item| item.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    // The 2nd and the 4th pass; only one is asked for.
    let end = bench.shard.commit(key, bench.now, &c, &[0b01010], 5, &mut b);
    assert_eq!((end, seqs(&b.deliveries), b.deliveries[0].pending), (BatchEnd::Idle, vec![2], 1));
    let info = bench.info("C");
    assert_eq!((info.num_pending, info.num_ack_pending, info.ack_floor.stream_seq), (2, 1, 1));
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
    let (key, limit) = (bench.key("C"), BatchLimit { messages: 64, bytes: 1 << 20 });
    let (mut c, mut b) = (Candidates::default(), Batch::default());
    bench.ask("C", &PullRequest { batch: 1, expires: Nanos(SECOND), ..PullRequest::default() });
    bench.shard.candidates(key, bench.now, limit, &mut c, &mut b);
    bench.consume("C", ConsumerConfig { description: "new".into(), ..Bench::pull("C") }).unwrap();
    bench.shard.commit(key, bench.now, &c, &[0], 1, &mut b);
    assert_eq!((bench.info("C").num_pending, b.deliveries.len()), (1, 0));
}

#[test]
fn a_pause_and_an_update_that_were_asked_for_together_both_hold() {
    let mut bench = five(&["a.1"]);
    bench.consume("C", Bench::pull("C")).unwrap();
    let until = bench.now + 10 * SECOND;
    let mut body = Vec::new();
    let pause = ConsumerCommand::Pause { consumer: bench.key("C").consumer, until: Some(until) };
    bench.consume("C", ConsumerConfig { max_ack_pending: 7, ..Bench::pull("C") }).unwrap();
    pause.encode(&mut body);
    bench.command(pause.number(), body).unwrap();
    // This one does not know of the pause.
    bench.consume("C", ConsumerConfig { max_ack_pending: 8, ..Bench::pull("C") }).unwrap();
    bench.crash();
    let config = bench.info("C").config.expect("a config");
    assert_eq!((config.max_ack_pending, config.pause_until), (8, Some(Time::from_unix_ns(until))));
}

#[test]
fn a_consumer_is_held_against_the_stream_of_its_turn() {
    let mut bench = five(&[]);
    let limits = forebay_api::stream::ConsumerLimits { max_ack_pending: 5, ..Default::default() };
    let narrow = StreamConfig { consumer_limits: limits, ..Bench::of("S", &["a.>", "out"]) };
    let update = StreamCommand::Update { config: forebay_api::json::to_vec(&narrow), revision: 2 };
    bench.stream_command(&update).unwrap();
    assert_eq!(bench.consume("C", Bench::pull("C")).unwrap_err().err_code, 10121);
    let few = ConsumerConfig { max_ack_pending: 5, ..Bench::pull("C") };
    bench.consume("C", few.clone()).unwrap();
    let many = ConsumerConfig { max_ack_pending: 6, ..few.clone() };
    assert_eq!(bench.consume("C", many).unwrap_err().err_code, 10121);
    let cycle = ConsumerConfig { deliver_subject: "out".into(), max_waiting: 0, durable: "P".into(), ..few };
    assert_eq!(bench.consume("P", cycle).unwrap_err().err_code, 10081);
}

#[test]
pub(super) fn an_update_is_refused_for_a_consumer_that_came_first() {
    let mut bench = five(&[]);
    bench.consume("C", ConsumerConfig { max_ack_pending: 10, ..Bench::pull("C") }).unwrap();
    let update = |limit: i64, revision: u64| {
        let limits = forebay_api::stream::ConsumerLimits { max_ack_pending: limit, ..Default::default() };
        let config = StreamConfig { consumer_limits: limits, ..Bench::of("S", &["a.>"]) };
        StreamCommand::Update { config: forebay_api::json::to_vec(&config), revision }
    };
    assert_eq!(bench.stream_command(&update(5, 2)).unwrap_err().err_code, 10069);
    let at = |bench: &Bench| {
        let (_, config, revision) = bench.shard.streams().next().expect("a stream");
        (config.consumer_limits.max_ack_pending, revision)
    };
    assert_eq!(at(&bench), (0, 2), "the shard knows which update it refused");
    bench.crash();
    assert_eq!(at(&bench), (0, 2));
    bench.stream_command(&update(10, 3)).unwrap();
    assert_eq!(at(&bench), (10, 3));
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
