//! The sublist against a list that tries every filter.

use super::*;
use crate::filter_matches;
use proptest::prelude::*;
use std::sync::Arc;

type Row = (Vec<u8>, Option<Vec<u8>>, u32);

fn found(list: &Sublist<u32>, subject: &[u8]) -> Vec<(Option<Vec<u8>>, u32)> {
    let mut all = Vec::new();
    list.matches(subject, |matched| {
        all.extend(matched.plain().iter().map(|id| (None, *id)));
        for group in matched.queues() {
            all.extend(group.members.iter().map(|id| (Some(group.name.to_vec()), *id)));
        }
    });
    all.sort();
    all
}

fn naive(rows: &[Row], subject: &[u8]) -> Vec<(Option<Vec<u8>>, u32)> {
    let mut all: Vec<_> = rows
        .iter()
        .filter(|(filter, _, _)| !has_empty_token(subject) && filter_matches(filter, subject))
        .map(|(_, queue, id)| (queue.clone(), *id))
        .collect();
    all.sort();
    all
}

#[test]
fn long_tokens_and_wildcards_match() {
    let mut list = Sublist::new();
    list.insert(b"a.this-token-is-longer-than-fifteen-bytes.c", None, 1);
    list.insert(b"a.*.c", None, 2);
    list.insert(b"a.>", Some(b"q"), 3);
    list.insert(b">", None, 4);
    let subject = b"a.this-token-is-longer-than-fifteen-bytes.c";
    assert_eq!(found(&list, subject), [(None, 1), (None, 2), (None, 4), (Some(b"q".to_vec()), 3)]);
    assert_eq!(found(&list, b"a"), [(None, 4)]);
    assert!(list.has_match(b"b"));
}

#[test]
fn an_emptied_list_keeps_only_its_root() {
    let mut list = Sublist::new();
    let filters = ["a.b.c", "a.*", "a.>", "x.y.z.long-long-long-long-token"];
    for (id, filter) in filters.iter().enumerate() {
        list.insert(filter.as_bytes(), None, id);
    }
    for (id, filter) in filters.iter().enumerate() {
        assert!(list.remove(filter.as_bytes(), None, &id));
        assert!(!list.remove(filter.as_bytes(), None, &id));
    }
    assert!(list.is_empty());
    assert_eq!(list.nodes.len() - list.free.len(), 1);
}

#[test]
fn what_any_last_token_matches_is_known() {
    let below = |list: &Sublist<u32>, prefix: &[u8]| {
        let mut all = Vec::new();
        let uniform = list.matches_below(prefix, |matched| all.extend_from_slice(matched.plain()));
        all.sort();
        uniform.then_some(all)
    };
    let mut list = Sublist::new();
    list.insert(b"_INBOX.x.*", None, 1);
    list.insert(b"_INBOX.>", None, 2);
    assert_eq!(below(&list, b"_INBOX.x"), Some(vec![1, 2]));
    assert_eq!(below(&list, b"_INBOX.y"), Some(vec![2]));
    list.insert(b"_INBOX.*.done", None, 3);
    assert_eq!(below(&list, b"_INBOX.x"), None);
    list.remove(b"_INBOX.*.done", None, &3);
    list.insert(b"_INBOX.x.y.z", None, 4);
    assert_eq!(below(&list, b"_INBOX.x"), None);
}

#[test]
fn a_node_is_a_cache_line_for_an_arc() {
    assert_eq!(size_of::<Node<Arc<[u8; 3]>>>(), 64);
}

fn filter() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![3 => Just("a"), 3 => Just("b"), 2 => Just("*"), 1 => Just("a-token-of-twenty-byte")];
    (prop::collection::vec(token, 1..5), prop::bool::weighted(0.25)).prop_map(|(mut tokens, full)| {
        if full {
            tokens.push(">");
        }
        tokens.join(".").into_bytes()
    })
}

fn literal() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![Just("a"), Just("b"), Just("a-token-of-twenty-byte"), Just("")];
    prop::collection::vec(token, 1..6).prop_map(|tokens| tokens.join(".").into_bytes())
}

proptest! {
    #[test]
    fn it_agrees_with_a_naive_list(
        rows in prop::collection::vec((filter(), prop::option::of(prop_oneof![Just(b"q".to_vec()), Just(b"r".to_vec())])), 0..40),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        subjects in prop::collection::vec(literal(), 1..20),
    ) {
        let mut rows: Vec<Row> = rows.into_iter().enumerate().map(|(id, (f, q))| (f, q, id as u32)).collect();
        let mut list = Sublist::new();
        for (filter, queue, id) in &rows {
            list.insert(filter, queue.as_deref(), *id);
        }
        for index in removed {
            if rows.is_empty() { break; }
            let (filter, queue, id) = rows.swap_remove(index.index(rows.len()));
            prop_assert!(list.remove(&filter, queue.as_deref(), &id));
        }
        prop_assert_eq!(list.len(), rows.len());
        for subject in subjects {
            prop_assert_eq!(found(&list, &subject), naive(&rows, &subject));
        }
    }
}
