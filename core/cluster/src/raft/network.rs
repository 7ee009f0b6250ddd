//! Requests to the other nodes of a group, over [`crate::transport::PeerTransport`].
//!
//! Entries are pipelined: several requests are on their way, and their answers are taken in the order in which they
//! were sent, as openraft wants it.

use super::codec::{
    Declined, decode_appended, decode_transferred, decode_voted, encode_append, encode_transfer, encode_vote,
};
use super::entry::{LogId, Types, VoteOf};
use crate::limits::{APPEND_TIMEOUT, APPENDS_IN_FLIGHT};
use crate::machine::{GroupId, Member, NodeId};
use crate::transport::{Calls, Lane, TransportError, kind};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

type Answer<T> = Result<T, RPCError<Types>>;

/// Makes clients.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) calls: Arc<dyn Calls>,
    pub(crate) group: GroupId,
}

/// Reaches one node.
#[derive(Clone)]
pub(crate) struct Client {
    network: Network,
    to: NodeId,
    lane: Lane,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: NodeId, _: &Member) -> Client {
        Client { network: self.clone(), to: target, lane: Lane::Append }
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, _: &Member) -> Client {
        Client { network: self.clone(), to: target, lane: Lane::Control }
    }
}

fn broken(error: impl ToString) -> RPCError<Types> {
    RPCError::Network(NetworkError::from_string(error))
}

fn lost(error: &TransportError) -> RPCError<Types> {
    match error {
        TransportError::Unreachable => RPCError::Unreachable(Unreachable::new(error)),
        TransportError::Timeout | TransportError::Failed(_) => RPCError::Network(NetworkError::new(error)),
    }
}

fn declined(declined: Declined) -> RPCError<Types> {
    match declined {
        // It is not there yet, or not any more: no use in asking at once again.
        Declined::NoSuchGroup | Declined::Stopped => RPCError::Unreachable(Unreachable::new(&declined)),
        Declined::NotUnderstood | Declined::Answer => broken(declined),
    }
}

impl Client {
    async fn call(&self, lane: Lane, kind: u8, body: Bytes, timeout: Duration) -> Answer<Bytes> {
        self.network.calls.call(self.to, lane, kind, body, timeout).await.map_err(|error| lost(&error))
    }

    async fn append(
        &self,
        request: AppendEntriesRequest<Types>,
        timeout: Duration,
    ) -> Answer<AppendEntriesResponse<Types>> {
        let body = encode_append(self.network.group, &request).map_err(broken)?;
        let answer = self.call(self.lane, kind::APPEND, body, timeout).await?;
        decode_appended(&answer).map_err(declined)
    }

    async fn append_in_stream(
        self,
        request: AppendEntriesRequest<Types>,
        timeout: Duration,
    ) -> Answer<StreamAppendResult<Types>> {
        let prev: Option<LogId> = request.prev_log_id;
        let last = request.entries.last().map(openraft::entry::RaftEntry::log_id).or(prev);
        let response = self.append(request, timeout).await?;
        if prev.is_none() && matches!(response, AppendEntriesResponse::Conflict) {
            // Nothing conflicts with the beginning of the log, and openraft takes it for granted.
            return Err(broken("the peer says that the beginning of the log conflicts"));
        }
        Ok(response.into_stream_result(prev, last))
    }

    fn timeout(&self, option: &RPCOption) -> Duration {
        match self.lane {
            Lane::Control => option.soft_ttl(),
            // The other side writes to its disk before it answers.
            Lane::Append | Lane::Bulk => option.soft_ttl().max(APPEND_TIMEOUT),
        }
    }
}

impl RaftNetworkV2<Types> for Client {
    type SnapshotData = ();

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Answer<AppendEntriesResponse<Types>> {
        let timeout = self.timeout(&option);
        self.append(request, timeout).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Answer<BoxStream<'s, Answer<StreamAppendResult<Types>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let (client, timeout) = (self.clone(), self.timeout(&option));
        let answers =
            input.map(move |request| client.clone().append_in_stream(request, timeout)).buffered(APPENDS_IN_FLIGHT);
        Box::pin(async move { Ok(Box::pin(answers) as BoxStream<'s, _>) })
    }

    async fn vote(&mut self, request: VoteRequest<Types>, option: RPCOption) -> Answer<VoteResponse<Types>> {
        let body = encode_vote(self.network.group, &request);
        let answer = self.call(Lane::Control, kind::VOTE, body, option.soft_ttl()).await?;
        decode_voted(&answer).map_err(declined)
    }

    async fn pre_vote(&mut self, request: VoteRequest<Types>, option: RPCOption) -> Answer<VoteResponse<Types>> {
        let body = encode_vote(self.network.group, &request);
        let answer = self.call(Lane::Control, kind::PRE_VOTE, body, option.soft_ttl()).await?;
        decode_voted(&answer).map_err(declined)
    }

    async fn full_snapshot(
        &mut self,
        _: VoteOf,
        _: SnapshotOf<Types, ()>,
        _: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(StreamingError::Unreachable(Unreachable::from_string("there are no snapshots")))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Answer<TransferLeaderResponse<Types>> {
        let body = encode_transfer(self.network.group, &request);
        let answer = self.call(Lane::Control, kind::TRANSFER, body, option.soft_ttl()).await?;
        decode_transferred(&answer).map_err(declined)
    }

    fn backoff(&self) -> Option<Backoff> {
        None
    }
}
