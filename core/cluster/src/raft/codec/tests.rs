//! Round trips, golden bytes, and bytes that nobody wrote.

use super::*;
use crate::raft::entry::{Payload, Proposal, Slot};
use forebay_store::{RecordBatch, RecordFields};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::sync::Arc;

fn votes() -> impl Strategy<Value = VoteOf> {
    (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(term, node, committed)| {
        if committed { VoteOf::new_committed(term, node) } else { VoteOf::new(term, node) }
    })
}

fn log_ids() -> impl Strategy<Value = Option<LogId>> {
    proptest::option::of((any::<u64>(), any::<u64>()).prop_map(|(term, index)| log_id(term, index)))
}

fn memberships() -> impl Strategy<Value = MembershipOf> {
    let nodes = btree_map(0u64..50, ("[a-z]{0,9}", "[a-z:0-9]{0,9}"), 1..6);
    (nodes, vec(vec(any::<prop::sample::Index>(), 1..4), 1..3)).prop_map(|(nodes, configs)| {
        let ids: Vec<u64> = nodes.keys().copied().collect();
        let pick = |config: Vec<prop::sample::Index>| config.iter().map(|at| *at.get(&ids)).collect();
        let nodes: BTreeMap<_, _> =
            nodes.into_iter().map(|(id, (name, address))| (id, Member { name, address })).collect();
        Membership::new(configs.into_iter().map(pick).collect(), nodes).unwrap()
    })
}

fn batches() -> impl Strategy<Value = Payload> {
    (vec(vec(any::<u8>(), 0..40), 1..5), any::<i64>()).prop_map(|(payloads, time)| {
        let mut staged = RecordBatch::new();
        for payload in &payloads {
            staged.push(&RecordFields { number: 7, subject: b"a.b", payload, ..RecordFields::default() }).unwrap();
        }
        let batch = Arc::new(Batch::of(&staged, time));
        EntryPayload::Normal(Proposal { batch, slot: Slot::default() })
    })
}

fn requests() -> impl Strategy<Value = AppendEntriesRequest<Types>> {
    let payload = prop_oneof![
        3 => batches(),
        1 => Just(EntryPayload::Blank),
        1 => memberships().prop_map(EntryPayload::Membership),
    ];
    let entry = (any::<u64>(), any::<u64>(), payload)
        .prop_map(|(term, index, payload)| LogEntry::of(term, index, payload, Location::NONE));
    (votes(), log_ids(), log_ids(), vec(entry, 0..5)).prop_map(|(vote, prev_log_id, leader_commit, entries)| {
        AppendEntriesRequest { vote, prev_log_id, entries, leader_commit }
    })
}

fn described(request: &AppendEntriesRequest<Types>) -> String {
    format!("{request:?}")
}

proptest! {
    #[test]
    fn requests_survive_the_round_trip(request in requests()) {
        let bytes = encode_append(GroupId(3), &request).unwrap();
        prop_assert_eq!(group_of(&bytes), Ok(GroupId(3)));
        prop_assert_eq!(described(&decode_append(&bytes).unwrap()), described(&request));
        for cut in 0..bytes.len() {
            prop_assert!(decode_append(&bytes.slice(..cut)).is_err());
        }
    }

    #[test]
    fn votes_and_answers_survive_the_round_trip(
        vote in votes(), id in log_ids(), other in log_ids(), flag: bool, node: u64, group: u32
    ) {
        let mut request = VoteRequest::<Types>::new(vote, id);
        request.leadership_transfer = flag;
        prop_assert_eq!(decode_vote(&encode_vote(GroupId(group), &request)), Ok(request));
        let response = VoteResponse::<Types>::new(vote, id, flag);
        prop_assert_eq!(decode_voted(&encode_voted(&response)), Ok(response));
        let transfer = TransferLeaderRequest::<Types>::new(vote, node, id);
        prop_assert_eq!(decode_transfer(&encode_transfer(GroupId(group), &transfer)), Ok(transfer));
        for response in [
            Ok(()),
            Err(TransferLeaderError::VoteChanged { expected: vote, actual: vote }),
            Err(TransferLeaderError::LogNotFlushed { expected: id, actual: other }),
        ] {
            prop_assert_eq!(decode_transferred(&encode_transferred(&response)), Ok(response));
        }
        for response in [
            AppendEntriesResponse::Success,
            AppendEntriesResponse::PartialSuccess(id),
            AppendEntriesResponse::Conflict,
            AppendEntriesResponse::HigherVote(vote),
        ] {
            prop_assert_eq!(decode_appended(&encode_appended(&response)), Ok(response));
        }
    }

    #[test]
    fn memberships_survive_the_round_trip(membership in memberships()) {
        let mut bytes = Vec::new();
        bytes.membership(&membership);
        prop_assert_eq!(Read::new(&bytes).membership(), Ok(membership));
    }

    #[test]
    fn bytes_that_nobody_wrote_do_no_harm(bytes in vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = (decode_append(&bytes).is_ok(), decode_vote(&bytes).is_ok(), decode_transfer(&bytes).is_ok());
        let _ = (decode_appended(&bytes).is_ok(), decode_voted(&bytes).is_ok(), decode_transferred(&bytes).is_ok());
        let _ = (Read::new(&bytes).membership().is_ok(), Read::new(&bytes).vote().is_ok());
    }

    #[test]
    fn a_flipped_bit_in_an_entry_is_noticed(request in requests(), at in any::<prop::sample::Index>(), bit in 0..8u32) {
        prop_assume!(request.entries.iter().any(|entry| matches!(entry.payload, EntryPayload::Normal(_))));
        let good = encode_append(GroupId(3), &request).unwrap();
        let mut bad = good.to_vec();
        let at = at.index(bad.len());
        bad[at] ^= 1 << bit;
        if let Ok(request_read) = decode_append(&Bytes::from(bad)) {
            // Outside the records numbers carry no checksum: the connection's own covers them. Records do.
            let records = |request: &AppendEntriesRequest<Types>| {
                let batch = |entry: &LogEntry| match &entry.payload {
                    EntryPayload::Normal(proposal) => Some(proposal.batch.records.clone()),
                    _ => None,
                };
                request.entries.iter().filter_map(batch).collect::<Vec<_>>()
            };
            prop_assert_eq!(records(&request_read), records(&request));
        }
    }
}

#[test]
fn requests_begin_with_these_bytes() {
    let request = AppendEntriesRequest::<Types> {
        vote: VoteOf::new_committed(2, 0xABCD),
        prev_log_id: Some(log_id(1, 9)),
        entries: vec![LogEntry::of(2, 10, EntryPayload::Blank, Location::NONE)],
        leader_commit: None,
    };
    let bytes = encode_append(GroupId(5), &request).unwrap();
    let hex: String = bytes.iter().take(61).map(|byte| format!("{byte:02x}")).collect();
    let expected = "05000000\
        0200000000000000cdab00000000000001\
        0101000000000000000900000000000000\
        00\
        01000000\
        0200000000000000\
        0a00000000000000\
        0000";
    assert_eq!(hex, expected);
    assert_eq!(Declined::NoSuchGroup.encode(), Bytes::from_static(&[1]));
    assert_eq!(decode_voted(&[1]), Err(Declined::NoSuchGroup));
}
