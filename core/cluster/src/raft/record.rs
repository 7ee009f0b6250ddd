//! How raft's own facts stand in the lane.
//!
//! | fact | entry kind | header | records |
//! |---|---|---|---|
//! | a batch | `Entry` | index, term | the batch's own, unchanged |
//! | blank entry of a new leader | `Entry` | index, term | one, number [`BLANK`], empty |
//! | membership | `Entry` | index, term | one, number [`MEMBERSHIP`]: `codec` has its bytes |
//! | vote | `Vote` | term | one, number [`VOTE`]: term u64, node u64, committed u8 |
//! | committed index | `Committed` | index, term | none |
//! | entries from an index on are void | `Truncate` | index | none |
//! | entries up to an index are not needed | `Purge` | index, term | none |
//!
//! Numbers of commands end far below: jetstream's tables go to 999.

use super::codec::{Read, WireError, Write};
use super::entry::{LogEntry, Payload, Proposal, Slot, VoteOf};
use crate::batch::Batch;
use forebay_store::{FormatError, Location, RecordBatch, RecordFields, Records, TailEntry};
use openraft::EntryPayload;
use std::sync::Arc;

/// The entry with which a leader begins its term.
pub(crate) const BLANK: u16 = 0xF000;
/// Who belongs to the group.
pub(crate) const MEMBERSHIP: u16 = 0xF001;
/// A vote.
pub(crate) const VOTE: u16 = 0xF002;
/// Numbers from here on are raft's.
const FIRST_OF_RAFT: u16 = 0xF000;

fn one(number: u16, payload: &[u8]) -> Result<RecordBatch, FormatError> {
    let mut batch = RecordBatch::new();
    batch.push(&RecordFields { number, payload, ..RecordFields::default() })?;
    Ok(batch)
}

/// The records of raft's own entries; `None` for a batch, whose records are its own.
pub(crate) fn own_records(payload: &Payload) -> Result<Option<Batch>, FormatError> {
    let staged = match payload {
        EntryPayload::Normal(_) => return Ok(None),
        EntryPayload::Blank => one(BLANK, &[])?,
        EntryPayload::Membership(membership) => {
            let mut out = Vec::new();
            out.membership(membership);
            one(MEMBERSHIP, &out)?
        }
    };
    Ok(Some(Batch::of(&staged, 0)))
}

/// The records of a vote.
pub(crate) fn vote_records(vote: &VoteOf) -> Result<Batch, FormatError> {
    let mut out = Vec::new();
    out.vote(vote);
    Ok(Batch::of(&one(VOTE, &out)?, 0))
}

/// The vote in a lane entry of that kind.
pub(crate) fn vote_of(entry: &TailEntry) -> Result<VoteOf, WireError> {
    let (number, payload) = first(entry.records()).ok_or(WireError("a vote without record"))?;
    if number != VOTE {
        return Err(WireError("a vote's record number"));
    }
    let mut read = Read::new(&payload);
    let vote = read.vote()?;
    read.end()?;
    Ok(vote)
}

/// The raft entry in a lane entry, whose records the store has verified.
pub(crate) fn entry_of(entry: TailEntry) -> Result<LogEntry, WireError> {
    let payload = payload_of(&entry)?;
    Ok(LogEntry::of(entry.term, entry.index, payload, entry.first_record))
}

fn payload_of(entry: &TailEntry) -> Result<Payload, WireError> {
    let batch =
        Batch { records: entry.bytes().clone(), count: entry.count, records_crc: entry.records_crc, time: entry.time };
    payload_of_batch(batch)
}

/// What a verified batch is to raft.
pub(crate) fn payload_of_batch(batch: Batch) -> Result<Payload, WireError> {
    let (number, body) = first(batch.trusted(Location::NONE)).ok_or(WireError("an entry without records"))?;
    match number {
        BLANK => Ok(EntryPayload::Blank),
        MEMBERSHIP => {
            let mut read = Read::new(&body);
            let membership = read.membership()?;
            read.end()?;
            Ok(EntryPayload::Membership(membership))
        }
        number if number >= FIRST_OF_RAFT => Err(WireError("a record number of raft's range")),
        _ => Ok(EntryPayload::Normal(Proposal { batch: Arc::new(batch), slot: Slot::default() })),
    }
}

/// Number and payload of the first record; the payload is copied only where it is raft's own.
fn first(mut records: Records<'_>) -> Option<(u16, Vec<u8>)> {
    let (_, record) = records.next()?.ok()?;
    let payload = if record.number >= FIRST_OF_RAFT { record.payload.to_vec() } else { Vec::new() };
    Some((record.number, payload))
}
