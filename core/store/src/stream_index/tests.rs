//! The index against a plain map, under random changes.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const SUBJECTS: [&str; 5] = ["a.1", "a.2", "b.1", "b.c.d", "x"];

fn at(seq: u64) -> Location {
    Location { segment: 1 + (seq / 50) as u32, offset: (seq * 3) as u32 }
}

#[derive(Debug, Clone)]
enum Change {
    Push { gap: u64, subject: usize, size: u32 },
    Remove(prop::sample::Index),
    RemoveFirst(usize),
    Skip(u64),
    Purge,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (prop_oneof![9 => Just(1u64), 1 => 1u64..3000], 0usize..SUBJECTS.len(), 1u32..100)
            .prop_map(|(gap, subject, size)| Change::Push { gap, subject, size }),
        4 => any::<prop::sample::Index>().prop_map(Change::Remove),
        2 => (1usize..4).prop_map(Change::RemoveFirst),
        1 => (1u64..2000).prop_map(Change::Skip),
        1 => Just(Change::Purge),
    ]
}

#[derive(Default)]
struct Model {
    messages: BTreeMap<u64, (usize, u32, i64)>,
    last: u64,
}

fn check(index: &StreamIndex, model: &Model) {
    let first = model.messages.keys().next().copied().unwrap_or(model.last + 1);
    assert_eq!((index.first_seq(), index.last_seq()), (first, model.last));
    assert_eq!(index.count(), model.messages.len() as u64);
    assert_eq!(index.bytes(), model.messages.values().map(|(_, size, _)| u64::from(*size)).sum::<u64>());
    let all: Vec<u64> = index.iter_from(0).map(|(s, _)| s).collect();
    assert_eq!(all, model.messages.keys().copied().collect::<Vec<_>>());
    let deleted: u64 = index.deleted().map(|r| r.end() - r.start() + 1).sum();
    assert_eq!(deleted, index.num_deleted());
    assert_eq!(deleted, model.last + 1 - first - model.messages.len() as u64);
    for (n, subject) in SUBJECTS.iter().enumerate() {
        let seqs: Vec<u64> = model.messages.iter().filter(|(_, m)| m.0 == n).map(|(s, _)| *s).collect();
        let state = index.subject_of(subject.as_bytes());
        let found = state.map(|s| (s.first, s.last, s.count));
        assert_eq!(found, seqs.first().map(|f| (*f, *seqs.last().unwrap(), seqs.len() as u64)), "{subject}");
        for pair in seqs.windows(2) {
            assert_eq!(index.next_in_subject(pair[0]), Some(pair[1]));
            assert_eq!(index.prev_in_subject(pair[1]), Some(pair[0]));
        }
        assert_eq!(index.last_by_subject(subject.as_bytes()).map(|(s, _)| s), seqs.last().copied());
        assert_eq!(index.first_by_subject(subject.as_bytes()).map(|(s, _)| s), seqs.first().copied());
    }
    assert_eq!(index.num_subjects(), index.subjects_matching(b">").count());
}

fn check_filters(index: &StreamIndex, model: &Model, matchers: &mut [(Vec<&'static str>, Matcher)], from: u64) {
    let takes = |filters: &[&str], n: usize| {
        filters.is_empty() || filters.iter().any(|f| filter_matches(f.as_bytes(), SUBJECTS[n].as_bytes()))
    };
    for (filters, matcher) in matchers {
        let seqs: Vec<u64> = model.messages.iter().filter(|(_, m)| takes(filters, m.0)).map(|(s, _)| *s).collect();
        let next = seqs.iter().find(|s| **s >= from).copied();
        assert_eq!(index.next_matching(from, matcher).map(|(s, _)| s), next, "{filters:?} from {from}");
        let prev = seqs.iter().rev().find(|s| **s <= from).copied();
        assert_eq!(index.prev_matching(from, matcher).map(|(s, _)| s), prev);
        assert_eq!(index.count_from(from, matcher), seqs.iter().filter(|s| **s >= from).count() as u64);
    }
    let time = from.cast_signed() * 10;
    let expected = model.messages.iter().find(|(_, m)| m.2 >= time).map_or(model.last + 1, |(s, _)| *s);
    assert_eq!(index.seq_at_time(time), expected);
    assert_eq!(index.next_from(from).map(|(s, _)| s), model.messages.range(from..).next().map(|(s, _)| *s));
    assert_eq!(index.prev_from(from).map(|(s, _)| s), model.messages.range(..=from).next_back().map(|(s, _)| *s));
}

fn all_matchers() -> Vec<(Vec<&'static str>, Matcher)> {
    [vec![], vec!["a.1"], vec!["a.*"], vec!["b.>", "x"], vec!["nothing"], vec!["*"]]
        .into_iter()
        .map(|filters| (filters.clone(), Matcher::new(filters.iter().map(|f| f.as_bytes()))))
        .collect()
}

/// Every second size has headers.
fn has_headers(size: u32) -> bool {
    size % 2 == 1
}

fn message(seq: u64, subject: usize, size: u32, time: i64) -> NewMessage<'static> {
    let subject = SUBJECTS[subject].as_bytes();
    NewMessage { seq, location: at(seq), time, size, has_headers: has_headers(size), subject }
}

fn apply(index: &mut StreamIndex, model: &mut Model, change: Change) {
    let remove = |index: &mut StreamIndex, model: &mut Model, seq: u64| {
        let (subject, size, time) = model.messages.remove(&seq).unwrap();
        assert_eq!(index.subject(index.get(seq).unwrap().subject_id).unwrap().name[..], *SUBJECTS[subject].as_bytes());
        let meta = index.remove(seq).unwrap();
        assert_eq!((meta.size, meta.time, meta.location), (size, time, at(seq)));
        assert_eq!(meta.has_headers, has_headers(size));
        assert_eq!(index.remove(seq), None);
    };
    match change {
        Change::Push { gap, subject, size } => {
            let seq = model.last + gap;
            let time = seq.cast_signed() * 10;
            index.push(&message(seq, subject, size, time)).unwrap();
            assert_eq!(index.push(&message(seq, subject, size, time)), Err(IndexError::OutOfOrder));
            model.messages.insert(seq, (subject, size, time));
            model.last = seq;
        }
        Change::Remove(choice) if !model.messages.is_empty() => {
            let seq = *model.messages.keys().nth(choice.index(model.messages.len())).unwrap();
            remove(index, model, seq);
        }
        Change::Remove(_) => {}
        Change::RemoveFirst(n) => {
            for seq in model.messages.keys().take(n).copied().collect::<Vec<_>>() {
                remove(index, model, seq);
            }
        }
        Change::Skip(n) => {
            model.last += n;
            index.skip_to(model.last);
            index.skip_to(model.last - 1);
        }
        Change::Purge => {
            for seq in model.messages.keys().copied().collect::<Vec<_>>() {
                remove(index, model, seq);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_index_agrees_with_a_plain_map(changes in proptest::collection::vec(change(), 1..120), from in 0u64..6000) {
        let mut index = StreamIndex::new(1);
        let mut model = Model::default();
        let mut matchers = all_matchers();
        for (n, change) in changes.into_iter().enumerate() {
            apply(&mut index, &mut model, change);
            if n % 8 == 0 {
                check(&index, &model);
            }
            check_filters(&index, &model, &mut matchers, from % (model.last + 2));
        }
        check(&index, &model);
        let mut bytes = Vec::new();
        index.encode(&mut bytes);
        bytes.push(7);
        let (decoded, len) = StreamIndex::decode(&bytes).unwrap();
        prop_assert_eq!(len, bytes.len() - 1);
        prop_assert_eq!(decoded.last_time(), index.last_time());
        check(&decoded, &model);
        for (seq, meta) in index.iter_from(0) {
            let other = decoded.get(seq).unwrap();
            prop_assert_eq!((other.location, other.time, other.size), (meta.location, meta.time, meta.size));
            prop_assert_eq!(other.has_headers, meta.has_headers);
        }
    }

    #[test]
    fn an_index_is_rebuilt_from_rows_in_any_order(
        changes in proptest::collection::vec(change(), 1..120), rotate in 0usize..100, dropped in any::<prop::sample::Index>(),
    ) {
        let mut index = StreamIndex::new(1);
        let mut model = Model::default();
        // Every row that ever was, as footers have them.
        let mut rows = Vec::new();
        for change in changes {
            apply(&mut index, &mut model, change);
            if let Some((seq, (subject, size, time))) = model.messages.last_key_value() {
                rows.push((*seq, *subject, *size, *time));
            }
        }
        rows.dedup();
        let middle = rotate.min(rows.len());
        rows.rotate_left(middle);
        let mut presence = Vec::new();
        index.encode_presence(&mut presence);
        presence.push(9);
        let build = |rows: &[(u64, usize, u32, i64)]| {
            let mut builder = StreamIndexBuilder::new();
            for (seq, subject, size, time) in rows {
                let location = Location { segment: 1, offset: 1 };
                builder.add(&NewMessage { location, ..message(*seq, *subject, *size, *time) }).unwrap();
            }
            for (seq, subject, size, time) in rows {
                builder.add(&message(*seq, *subject, *size, *time)).unwrap();
            }
            builder.finish(&presence).unwrap()
        };
        let rebuilt = build(&rows);
        prop_assert_eq!((rebuilt.missing.len(), rebuilt.used), (0, presence.len() - 1));
        check(&rebuilt.index, &model);
        prop_assert!(rebuilt.index.iter_from(0).all(|(seq, meta)| meta.location == at(seq)));
        if !model.messages.is_empty() {
            let lost = *model.messages.keys().nth(dropped.index(model.messages.len())).unwrap();
            rows.retain(|r| r.0 != lost);
            prop_assert_eq!(build(&rows).missing, vec![lost..=lost]);
        }
    }

    #[test]
    fn random_bytes_never_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = StreamIndex::decode(&bytes);
        let _ = StreamIndexBuilder::new().finish(&bytes);
    }
}

#[test]
fn a_location_can_be_replaced() {
    let mut index = StreamIndex::new(100);
    assert_eq!((index.first_seq(), index.last_seq()), (100, 99));
    index.push(&NewMessage { location: at(1), ..message(100, 0, 5, 7) }).unwrap();
    assert_eq!(index.set_location(100, at(2)), Some(at(1)));
    assert_eq!(index.get(100).unwrap().location, at(2));
    assert_eq!(index.set_location(101, at(2)), None);
    assert_eq!((index.first_time(), index.last_time()), (Some(7), Some(7)));
    index.remove(100);
    assert_eq!((index.first_time(), index.last_time()), (None, Some(7)));
    assert_eq!((index.first_seq(), index.last_seq()), (101, 100));
}

#[test]
fn neighbours_further_away_than_a_link_reaches_are_found() {
    let mut index = StreamIndex::new(1);
    let far = u64::from(u32::MAX) + 10;
    for (seq, subject, time) in [(1, &b"a"[..], 1), (2, b"b", 2), (far, b"a", 3), (far + 1, b"b", 4)] {
        index.push(&NewMessage { subject, ..message(seq, 0, 1, time) }).unwrap();
    }
    assert_eq!(index.next_in_subject(1), Some(far));
    assert_eq!(index.prev_in_subject(far + 1), Some(2));
    index.remove(1);
    assert_eq!(index.subject_of(b"a").unwrap().first, far);
    index.remove(far + 1);
    assert_eq!(index.subject_of(b"b").unwrap().last, 2);
}

#[test]
fn golden_bytes_never_change_and_those_of_the_first_version_are_read() {
    let mut index = StreamIndex::new(1);
    let location = Location { segment: 1, offset: 3 };
    for (seq, has_headers) in [(1, false), (2, true)] {
        index.push(&NewMessage { seq, location, time: 5, size: 7, has_headers, subject: b"a" }).unwrap();
    }
    let mut bytes = Vec::new();
    index.encode(&mut bytes);
    assert_eq!(bytes, [2, 1, 2, 1, 10, 1, 1, b'a', 2, 1, 0, 7, 10, 2, 6, 1, 0, 0x87, 0x80, 0x80, 0x80, 0x10, 0, 0, 0]);
    let first_version = [1, 1, 2, 1, 10, 1, 1, b'a', 2, 1, 0, 7, 10, 2, 6, 1, 0, 7, 0, 0, 0];
    let (old, len) = StreamIndex::decode(&first_version).unwrap();
    assert_eq!(len, first_version.len());
    let headers: Vec<_> = old.iter_from(0).map(|(seq, meta)| (seq, meta.size, meta.has_headers)).collect();
    assert_eq!(headers, [(1, 7, false), (2, 7, false)]);
}
