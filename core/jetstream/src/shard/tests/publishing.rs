//! One sentence per rule of a publish.

use forebay_api::stream::{Discard, Retention, Storage};

use super::*;

fn stored(seq: u64) -> PublishOutcome {
    PublishOutcome::Stored { seq }
}

fn code(outcome: PublishOutcome) -> (u16, String) {
    match outcome {
        PublishOutcome::Refused(error) => (error.err_code, error.description.into_owned()),
        other => panic!("{other:?}"),
    }
}

#[test]
pub(super) fn a_repeated_id_is_a_duplicate_within_the_window_and_after_a_crash() {
    let mut bench = Bench::new(Bench::of("S", &["a.>"]));
    assert_eq!(bench.publish_with("a.b", "Nats-Msg-Id: 1", b""), stored(1));
    assert_eq!(bench.publish_with("a.b", "Nats-Msg-Id: 1", b""), PublishOutcome::Duplicate { seq: 1 });
    bench.take_checkpoint();
    bench.crash();
    bench.now += 120 * SECOND;
    assert_eq!(bench.publish_with("a.b", "Nats-Msg-Id: 1", b""), PublishOutcome::Duplicate { seq: 1 });
    bench.now += 1;
    assert_eq!(bench.publish_with("a.b", "Nats-Msg-Id: 1", b""), stored(2));
}

#[test]
pub(super) fn a_retry_with_an_expectation_is_a_duplicate_and_not_an_error() {
    let mut bench = Bench::new(Bench::of("S", &["a.>"]));
    let headers = "Nats-Msg-Id: 1\r\nNats-Expected-Last-Sequence: 0";
    assert_eq!(bench.publish_with("a.b", headers, b""), stored(1));
    assert_eq!(bench.publish_with("a.b", headers, b""), PublishOutcome::Duplicate { seq: 1 });
}

#[test]
fn expectations_are_nats_servers() {
    let mut bench = Bench::new(Bench::of("S", &["a.>"]));
    bench.publish("a.b");
    bench.publish("a.c");
    for (headers, want) in [
        ("Nats-Expected-Stream: T", (10060, "expected stream does not match")),
        ("Nats-Expected-Last-Sequence: 1", (10071, "wrong last sequence: 2")),
        ("Nats-Expected-Last-Subject-Sequence: 2", (10071, "wrong last sequence: 1")),
        (
            "Nats-Expected-Last-Subject-Sequence: 1\r\nNats-Expected-Last-Subject-Sequence-Subject: a.*",
            (10071, "wrong last sequence: 2"),
        ),
        (
            "Nats-Expected-Last-Subject-Sequence-Subject: a.*",
            (10193, "missing sequence for expected last sequence per subject"),
        ),
        ("Nats-Expected-Last-Msg-Id: q", (10070, "wrong last msg ID: ")),
        ("Nats-Rollup: sub", (10111, "rollup not permitted")),
        ("Nats-TTL: 1m", (10166, "per-message TTL is disabled")),
    ] {
        let (code, text) = code(bench.publish_with("a.b", headers, b""));
        assert_eq!((code, text.as_str()), want, "{headers}");
    }
    let headers = "Nats-Expected-Stream: S\r\nNats-Expected-Last-Sequence: 2\r\nNats-Expected-Last-Subject-Sequence: 1";
    assert_eq!(bench.publish_with("a.b", headers, b""), stored(3));
    assert_eq!(bench.publish_with("a.new", "Nats-Expected-Last-Subject-Sequence: 0", b""), stored(4));
}

#[test]
fn old_messages_make_room() {
    let config = StreamConfig { max_msgs: 3, ..Bench::of("S", &["a.>"]) };
    let mut bench = Bench::new(config);
    (0..5).for_each(|_| assert!(bench.publish("a.b") > 0));
    assert_eq!(bench.seqs(), [3, 4, 5]);
    let config = StreamConfig { max_msgs_per_subject: 1, ..Bench::of("S", &["a.>"]) };
    let mut bench = Bench::new(config);
    ["a.1", "a.2", "a.1"].iter().for_each(|subject| assert!(bench.publish(subject) > 0));
    assert_eq!(bench.seqs(), [2, 3]);
    // 30 and the subject and the payload: 34 each.
    let config = StreamConfig { max_bytes: 68, ..Bench::of("S", &["a.>"]) };
    let mut bench = Bench::new(config);
    (0..3).for_each(|_| assert!(bench.publish("a.b") > 0));
    assert_eq!((bench.seqs(), bench.state().bytes), (vec![2, 3], 68));
}

#[test]
fn a_full_stream_refuses_the_new_in_nats_servers_words() {
    let full = |config: StreamConfig| {
        let mut bench = Bench::new(StreamConfig { discard: Discard::New, ..config });
        bench.publish("a.b");
        bench
    };
    let base = || Bench::of("S", &["a.>"]);
    let mut bench = full(StreamConfig { max_msgs: 1, ..base() });
    assert_eq!(code(bench.publish_with("a.c", "", b"x")), (10077, "maximum messages exceeded".into()));
    let mut bench = full(StreamConfig { max_bytes: 40, ..base() });
    assert_eq!(code(bench.publish_with("a.c", "", b"x")), (10077, "maximum bytes exceeded".into()));
    let mut bench = full(StreamConfig { max_msgs_per_subject: 1, discard_new_per_subject: true, ..base() });
    let (code, text) = code(bench.publish_with("a.b", "", b"x"));
    assert_eq!((code, text.as_str()), (10077, "maximum messages per subject exceeded"));
    // A full stream takes a message that replaces one of its own subject: KV with history 1 and a size.
    let mut bench = full(StreamConfig { max_msgs: 1, max_msgs_per_subject: 1, ..base() });
    assert_eq!(bench.publish_with("a.b", "", b"x"), stored(2));
    assert_eq!(bench.seqs(), [2]);
}

#[test]
fn a_rollup_replaces_its_subject_or_all() {
    let mut bench = Bench::new(StreamConfig { allow_rollup_hdrs: true, ..Bench::of("S", &["a.>"]) });
    ["a.1", "a.2", "a.1"].iter().for_each(|subject| assert!(bench.publish(subject) > 0));
    assert_eq!(bench.publish_with("a.1", "Nats-Rollup: sub", b""), stored(4));
    assert_eq!(bench.seqs(), [2, 4]);
    assert_eq!(bench.publish_with("a.9", "Nats-Rollup: all", b""), stored(5));
    assert_eq!(bench.seqs(), [5]);
    assert_eq!(code(bench.publish_with("a.1", "Nats-Rollup: x", b"")).1, "rollup value invalid: \"x\"");
}

#[test]
pub(super) fn age_and_ttl_are_proposed_by_the_leader() {
    let config = StreamConfig { max_age: Nanos(10 * SECOND), allow_msg_ttl: true, ..Bench::of("S", &["a.>"]) };
    let mut bench = Bench::new(config);
    bench.publish("a.b");
    bench.publish_with("a.b", "Nats-TTL: never", b"");
    bench.advance(5 * SECOND);
    bench.publish("a.b");
    bench.publish_with("a.b", "Nats-TTL: 1s", b"");
    assert_eq!(bench.seqs(), [1, 2, 3, 4]);
    bench.advance(SECOND);
    assert_eq!(bench.seqs(), [1, 2, 3]);
    bench.advance(4 * SECOND);
    assert_eq!(bench.seqs(), [2, 3]);
    bench.take_checkpoint();
    bench.crash();
    bench.advance(60 * SECOND);
    assert_eq!(bench.seqs(), [2]);
    assert_eq!(bench.shard.poll_timeout().filter(|at| *at <= bench.now), None);
}

#[test]
fn times_never_go_back() {
    let mut bench = Bench::new(Bench::of("S", &["a"]));
    bench.publish("a");
    let first = bench.now;
    bench.now -= 5 * SECOND;
    bench.publish("a");
    assert_eq!(bench.shard.get_seq(UID, 2).map(|found| found.time), Some(first));
}

#[test]
fn a_sealed_stream_takes_nothing() {
    let mut bench = Bench::new(StreamConfig { sealed: true, ..Bench::of("S", &["a"]) });
    assert_eq!(code(bench.publish_with("a", "", b"")).0, 10109);
}

#[test]
fn purges_go_by_filter_sequence_and_keep() {
    let purge = |filter: &str, below, keep| {
        let mut bench = Bench::new(Bench::of("S", &["a.>"]));
        ["a.1", "a.2", "a.1", "a.2", "a.1"].iter().for_each(|subject| assert!(bench.publish(subject) > 0));
        let purged = bench.stream_command(&StreamCommand::Purge { filter: filter.into(), below, keep });
        let Ok(ApiOk::Purged(count)) = purged else { panic!("{purged:?}") };
        assert_eq!(count as usize, 5 - bench.seqs().len());
        (bench.seqs(), bench.state().first_seq)
    };
    assert_eq!(purge("", 0, 0), (vec![], 6));
    assert_eq!(purge("", 4, 0), (vec![4, 5], 4));
    assert_eq!(purge("", 9, 0), (vec![], 9));
    assert_eq!(purge("", 0, 2), (vec![4, 5], 4));
    assert_eq!(purge("a.1", 0, 0), (vec![2, 4], 2));
    assert_eq!(purge("a.1", 3, 0), (vec![2, 3, 4, 5], 2));
    assert_eq!(purge("a.*", 0, 1), (vec![5], 5));
}

#[test]
fn a_message_that_is_not_there_can_not_be_deleted() {
    let mut bench = Bench::new(Bench::of("S", &["a"]));
    bench.publish("a");
    bench.publish("a");
    let delete = StreamCommand::DeleteMessage { seq: 1, erase: true };
    assert!(bench.stream_command(&delete).is_ok());
    assert_eq!(bench.fx.released.len(), 1);
    assert_eq!(bench.stream_command(&delete).unwrap_err().description, "no message found");
    let beyond = StreamCommand::DeleteMessage { seq: 9, erase: true };
    assert_eq!(bench.stream_command(&beyond).unwrap_err().description, "stream store EOF");
    assert_eq!(bench.seqs(), [2]);
}

#[test]
fn without_interest_a_message_is_acked_and_not_kept() {
    let mut bench = Bench::new(StreamConfig { retention: Retention::Interest, ..Bench::of("S", &["a.>"]) });
    assert_eq!(bench.publish_with("a.b", "", b""), PublishOutcome::NotStored { seq: 1 });
    let config = ConsumerConfig { filter_subject: "a.b".into(), ..Bench::pull("C") };
    bench.consume("C", config).unwrap();
    assert_eq!(bench.publish_with("a.c", "", b""), PublishOutcome::NotStored { seq: 2 });
    assert_eq!(bench.publish_with("a.b", "", b""), stored(3));
    assert_eq!(bench.seqs(), [3]);
}

#[test]
fn memory_streams_have_their_bodies_here_and_come_back_empty() {
    let mut bench = Bench::new(StreamConfig { storage: Storage::Memory, ..Bench::of("S", &["a"]) });
    bench.consume("C", Bench::pull("C")).unwrap();
    bench.publish_with("a", "", b"payload");
    let found = bench.shard.get_seq(UID, 1).and_then(|found| found.body).expect("a body");
    assert_eq!((found.record().payload, found.record().seq), (&b"payload"[..], Some(1)));
    let got = bench.fetch("C", 5);
    assert_eq!(got[0].body.as_ref().map(|body| body.record().payload.to_vec()), Some(b"payload".to_vec()));
    assert!(bench.fx.retained.is_empty());
    bench.take_checkpoint();
    bench.crash();
    assert_eq!((bench.state().messages, bench.state().last_seq), (0, 0));
    assert_eq!(bench.publish("a"), 1);
    assert_eq!(seqs(&bench.fetch("C", 5)), [1]);
}

#[test]
fn deleting_a_stream_releases_everything_and_ends_its_consumers() {
    let mut bench = Bench::new(Bench::of("S", &["a"]));
    bench.consume("C", Bench::pull("C")).unwrap();
    bench.ask("C", &PullRequest { batch: 5, expires: Nanos(SECOND), ..PullRequest::default() });
    bench.publish("a");
    assert!(bench.stream_command(&StreamCommand::Delete).is_ok());
    assert_eq!((bench.fx.released.len(), bench.fx.statuses.len(), bench.fx.lifecycle.len()), (1, 1, 2));
    bench.log(Logged { number: 1, time: 0, subject: b"a".to_vec(), headers: vec![], payload: vec![] });
    assert_eq!(bench.fx.orphans, [7]);
}

#[test]
fn an_unknown_command_stops_the_shard() {
    let mut bench = Bench::new(Bench::of("S", &["a"]));
    bench.log.push(Logged { number: 150, time: 0, subject: vec![], headers: vec![], payload: vec![] });
    bench.apply_at(bench.log.len() - 1, NO_WAITER);
    assert_eq!(bench.fx.damaged.len(), 1);
}

#[test]
pub(super) fn a_moved_body_is_found_at_its_new_place() {
    let mut bench = Bench::new(Bench::of("S", &["a"]));
    (0..4).for_each(|_| assert!(bench.publish("a") > 0));
    let place = |bench: &Bench, seq| bench.shard.get_seq(UID, seq).map(|found| found.location).unwrap();
    let (old, new) = (place(&bench, 2), Location { segment: 9, offset: 64 });
    let ask = |bench: &Bench, at: &[Location]| {
        let mut seqs = Vec::new();
        bench.shard.live(&at.iter().map(|at| (*at, UID.0)).collect::<Vec<_>>(), &mut seqs);
        seqs
    };
    assert_eq!(ask(&bench, &[old, place(&bench, 4), new]), [Some(2), Some(4), None]);
    let mut fx = Effects::default();
    assert!(bench.shard.apply_relocated(UID, 2, new, &mut fx));
    assert_eq!((fx.released[0].location, fx.retained[0].location), (old, new));
    assert_eq!(ask(&bench, &[new, old, place(&bench, 3)]), [Some(2), None, Some(3)]);
    assert!(!bench.shard.apply_relocated(UID, 99, new, &mut fx));
}

#[test]
fn info_pages_subjects_and_lists_what_is_deleted() {
    let mut bench = Bench::new(Bench::of("S", &["a.>"]));
    ["a.1", "a.2", "a.1"].iter().for_each(|subject| assert!(bench.publish(subject) > 0));
    bench.stream_command(&StreamCommand::DeleteMessage { seq: 2, erase: false }).unwrap();
    let request = crate::stream::InfoRequest { deleted_details: true, subjects_filter: b"a.>".to_vec(), offset: 0 };
    let page = bench.shard.stream_info(UID, bench.now, &request).unwrap();
    assert_eq!((page.total, page.info.state.deleted, page.info.state.num_deleted), (1, vec![2], 1));
    assert_eq!(page.info.state.subjects.into_iter().collect::<Vec<_>>(), [("a.1".to_owned(), 2)]);
}
