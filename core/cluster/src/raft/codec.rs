//! The bytes of the requests between peers, and of raft's own records. Little endian; every length is checked before
//! anything is allocated, and the records of an entry are verified before it is believed.
//!
//! ```text
//! append    group u32 · vote · previous log id? · leader's commit log id? · count u32 · entries
//! entry     term u64 · index u64 · time i64 · records u32 · crc u32 · bytes u32 · the records
//! vote req. group u32 · vote · last log id? · transfer u8
//! transfer  group u32 · the leader's vote · node u64 · last log id?
//! answers   0 · vote · granted u8 · last log id? | 0 · outcome u8 · what it needs | error u8
//! vote      term u64 · node u64 · committed u8        log id?    0 | 1 · term u64 · index u64
//! ```

use super::entry::{LogEntry, LogId, MembershipOf, Types, VoteOf, log_id, term_of};
use super::record::{own_records, payload_of_batch};
use crate::batch::Batch;
use crate::limits;
use crate::machine::{GroupId, Member, NodeId};
use bytes::{BufMut, Bytes};
use forebay_store::Location;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{EntryPayload, Membership};
use std::collections::{BTreeMap, BTreeSet};

/// Why bytes of a peer or of the lane are not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not understood")]
pub(crate) struct WireError(pub(crate) &'static str);

/// An answer that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Declined {
    #[error("the peer does not have this group")]
    NoSuchGroup,
    #[error("the peer's group has stopped")]
    Stopped,
    #[error("the peer did not understand the request")]
    NotUnderstood,
    #[error("the peer's answer is not understood")]
    Answer,
}

const OK: u8 = 0;

impl Declined {
    pub(crate) fn encode(self) -> Bytes {
        let byte = match self {
            Declined::NoSuchGroup => 1,
            Declined::Stopped => 2,
            Declined::NotUnderstood | Declined::Answer => 3,
        };
        Bytes::copy_from_slice(&[byte])
    }

    fn of(byte: u8) -> Declined {
        match byte {
            1 => Declined::NoSuchGroup,
            2 => Declined::Stopped,
            3 => Declined::NotUnderstood,
            _ => Declined::Answer,
        }
    }
}

impl From<WireError> for Declined {
    fn from(_: WireError) -> Self {
        Declined::Answer
    }
}

/// Reads numbers from a slice.
pub(crate) struct Read<'a>(&'a [u8]);

impl<'a> Read<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Read<'a> {
        Read(bytes)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(WireError("what ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.take(N)?.first_chunk().copied().ok_or(WireError("what ends too early"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn flag(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError("a flag")),
        }
    }

    /// A count that is at most `most`.
    fn count(&mut self, most: usize, what: &'static str) -> Result<usize, WireError> {
        let count = self.u32()? as usize;
        if count > most { Err(WireError(what)) } else { Ok(count) }
    }

    fn text(&mut self) -> Result<String, WireError> {
        let len = self.count(limits::MAX_NAME_BYTES, "the length of a name")?;
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| WireError("a name"))?;
        Ok(text.to_owned())
    }

    pub(crate) fn vote(&mut self) -> Result<VoteOf, WireError> {
        let (term, node) = (self.u64()?, self.u64()?);
        Ok(if self.flag()? { VoteOf::new_committed(term, node) } else { VoteOf::new(term, node) })
    }

    fn log_id(&mut self) -> Result<Option<LogId>, WireError> {
        Ok(if self.flag()? { Some(log_id(self.u64()?, self.u64()?)) } else { None })
    }

    pub(crate) fn membership(&mut self) -> Result<MembershipOf, WireError> {
        let configs = self.count(limits::MAX_CONFIGS, "the number of configurations")?;
        let mut voters = Vec::with_capacity(configs);
        for _ in 0..configs {
            let count = self.count(limits::MAX_MEMBERS, "the number of voters")?;
            let mut config = BTreeSet::new();
            for _ in 0..count {
                config.insert(self.u64()?);
            }
            voters.push(config);
        }
        let count = self.count(limits::MAX_MEMBERS, "the number of members")?;
        let mut nodes = BTreeMap::new();
        for _ in 0..count {
            let id = self.u64()?;
            let name = self.text()?;
            nodes.insert(id, Member { name, address: self.text()? });
        }
        Membership::new(voters, nodes).map_err(|_| WireError("a membership"))
    }

    pub(crate) fn end(&self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError("what follows the end")) }
    }
}

/// Writes what [`Read`] reads.
pub(crate) trait Write: BufMut {
    fn vote(&mut self, vote: &VoteOf) {
        self.put_u64_le(vote.leader_id.term);
        self.put_u64_le(vote.leader_id.voted_for);
        self.put_u8(u8::from(vote.committed));
    }

    fn log_id(&mut self, id: Option<&LogId>) {
        self.put_u8(u8::from(id.is_some()));
        if let Some(id) = id {
            self.put_u64_le(term_of(id));
            self.put_u64_le(id.index());
        }
    }

    fn text(&mut self, text: &str) {
        self.put_u32_le(text.len() as u32);
        self.put_slice(text.as_bytes());
    }

    fn membership(&mut self, membership: &MembershipOf) {
        let configs = membership.get_joint_config();
        self.put_u32_le(configs.len() as u32);
        for config in configs {
            self.put_u32_le(config.len() as u32);
            for id in config {
                self.put_u64_le(*id);
            }
        }
        self.put_u32_le(membership.nodes().count() as u32);
        for (id, member) in membership.nodes() {
            self.put_u64_le(*id);
            self.text(&member.name);
            self.text(&member.address);
        }
    }
}

impl<B: BufMut> Write for B {}

/// The group that a request is for; it comes first in all of them.
pub(crate) fn group_of(body: &[u8]) -> Result<GroupId, WireError> {
    Ok(GroupId(Read::new(body).u32()?))
}

pub(crate) fn encode_append(group: GroupId, request: &AppendEntriesRequest<Types>) -> Result<Bytes, WireError> {
    let size: usize = request.entries.iter().map(LogEntry::bytes).sum();
    let mut out = Vec::with_capacity(128 + size);
    out.put_u32_le(group.0);
    out.vote(&request.vote);
    out.log_id(request.prev_log_id.as_ref());
    out.log_id(request.leader_commit.as_ref());
    out.put_u32_le(request.entries.len() as u32);
    for entry in &request.entries {
        let own = own_records(&entry.payload).map_err(|_| WireError("an entry of raft"))?;
        let batch = match (&own, &entry.payload) {
            (Some(own), _) => own,
            (None, EntryPayload::Normal(proposal)) => &proposal.batch,
            (None, _) => return Err(WireError("an entry of raft")),
        };
        out.put_u64_le(entry.term());
        out.put_u64_le(entry.log_index());
        out.put_i64_le(batch.time);
        out.put_u32_le(batch.count);
        out.put_u32_le(batch.records_crc);
        out.put_u32_le(batch.records.len() as u32);
        out.put_slice(&batch.records);
    }
    Ok(out.into())
}

pub(crate) fn decode_append(body: &Bytes) -> Result<AppendEntriesRequest<Types>, WireError> {
    let mut read = Read::new(body);
    read.u32()?;
    let (vote, prev_log_id, leader_commit) = (read.vote()?, read.log_id()?, read.log_id()?);
    let count = read.count(limits::APPEND_ENTRIES as usize, "the number of entries")?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let (term, index) = (read.u64()?, read.u64()?);
        let time = read.u64()?.cast_signed();
        let (count, records_crc) = (read.u32()?, read.u32()?);
        let len = read.u32()? as usize;
        let records = body.slice_ref(read.take(len)?);
        let batch = Batch { records, count, records_crc, time };
        batch.verify().map_err(|_| WireError("a record"))?;
        entries.push(LogEntry::of(term, index, payload_of_batch(batch)?, Location::NONE));
    }
    read.end()?;
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

pub(crate) fn encode_appended(response: &AppendEntriesResponse<Types>) -> Bytes {
    let mut out = vec![OK];
    match response {
        AppendEntriesResponse::Success => out.put_u8(0),
        AppendEntriesResponse::PartialSuccess(id) => {
            out.put_u8(1);
            out.log_id(id.as_ref());
        }
        AppendEntriesResponse::Conflict => out.put_u8(2),
        AppendEntriesResponse::HigherVote(vote) => {
            out.put_u8(3);
            out.vote(vote);
        }
    }
    out.into()
}

pub(crate) fn decode_appended(body: &[u8]) -> Result<AppendEntriesResponse<Types>, Declined> {
    let mut read = answer(body)?;
    let response = match read.u8()? {
        0 => AppendEntriesResponse::Success,
        1 => AppendEntriesResponse::PartialSuccess(read.log_id()?),
        2 => AppendEntriesResponse::Conflict,
        3 => AppendEntriesResponse::HigherVote(read.vote()?),
        _ => return Err(Declined::Answer),
    };
    read.end()?;
    Ok(response)
}

pub(crate) fn encode_vote(group: GroupId, request: &VoteRequest<Types>) -> Bytes {
    let mut out = Vec::with_capacity(64);
    out.put_u32_le(group.0);
    out.vote(&request.vote);
    out.log_id(request.last_log_id.as_ref());
    out.put_u8(u8::from(request.leadership_transfer));
    out.into()
}

pub(crate) fn decode_vote(body: &[u8]) -> Result<VoteRequest<Types>, WireError> {
    let mut read = Read::new(body);
    read.u32()?;
    let mut request = VoteRequest::new(read.vote()?, read.log_id()?);
    request.leadership_transfer = read.flag()?;
    read.end()?;
    Ok(request)
}

pub(crate) fn encode_voted(response: &VoteResponse<Types>) -> Bytes {
    let mut out = vec![OK];
    out.vote(&response.vote);
    out.put_u8(u8::from(response.vote_granted));
    out.log_id(response.last_log_id.as_ref());
    out.into()
}

pub(crate) fn decode_voted(body: &[u8]) -> Result<VoteResponse<Types>, Declined> {
    let mut read = answer(body)?;
    let (vote, granted) = (read.vote()?, read.flag()?);
    let last = read.log_id()?;
    read.end()?;
    Ok(VoteResponse::new(vote, last, granted))
}

pub(crate) fn encode_transfer(group: GroupId, request: &TransferLeaderRequest<Types>) -> Bytes {
    let mut out = Vec::with_capacity(64);
    out.put_u32_le(group.0);
    out.vote(request.from_leader());
    out.put_u64_le(*request.to_node_id());
    out.log_id(request.last_log_id());
    out.into()
}

pub(crate) fn decode_transfer(body: &[u8]) -> Result<TransferLeaderRequest<Types>, WireError> {
    let mut read = Read::new(body);
    read.u32()?;
    let (vote, to): (VoteOf, NodeId) = (read.vote()?, read.u64()?);
    let last = read.log_id()?;
    read.end()?;
    Ok(TransferLeaderRequest::new(vote, to, last))
}

pub(crate) fn encode_transferred(response: &TransferLeaderResponse<Types>) -> Bytes {
    let mut out = vec![OK];
    match response {
        Ok(()) => out.put_u8(0),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            out.put_u8(1);
            out.vote(expected);
            out.vote(actual);
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            out.put_u8(2);
            out.log_id(expected.as_ref());
            out.log_id(actual.as_ref());
        }
    }
    out.into()
}

pub(crate) fn decode_transferred(body: &[u8]) -> Result<TransferLeaderResponse<Types>, Declined> {
    let mut read = answer(body)?;
    let response = match read.u8()? {
        0 => Ok(()),
        1 => Err(TransferLeaderError::VoteChanged { expected: read.vote()?, actual: read.vote()? }),
        2 => Err(TransferLeaderError::LogNotFlushed { expected: read.log_id()?, actual: read.log_id()? }),
        _ => return Err(Declined::Answer),
    };
    read.end()?;
    Ok(response)
}

fn answer(body: &[u8]) -> Result<Read<'_>, Declined> {
    let mut read = Read::new(body);
    match read.u8()? {
        OK => Ok(read),
        byte => Err(Declined::of(byte)),
    }
}

#[cfg(test)]
mod tests;
