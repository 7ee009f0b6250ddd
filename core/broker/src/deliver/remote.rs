//! Messages to subscribers at other servers: one frame for each server, with the queue groups it is to serve.

use super::Outgoing;
use crate::account::Account;
use crate::match_cache::{RemoteGroup, RemoteMatch};
use crate::thread_state::ThreadState;
use forebay_protocol::limits::{ROUTE_MESSAGE_ROOM, ROUTE_WORD_MAX};
use forebay_protocol::route::message::{self, Address};
use smallvec::SmallVec;
use std::sync::Arc;

impl ThreadState {
    /// Stages one frame for each server that has subscribers without a group, or was chosen for a group that nobody
    /// here has served. `to` decides who gets it there, under `subject`.
    pub(super) fn stage_remote(
        &mut self,
        account: &Arc<Account>,
        to: &[u8],
        subject: &[u8],
        remote: &RemoteMatch,
        served: &[&[u8]],
        message: &Outgoing<'_>,
    ) -> bool {
        let mut chosen: SmallVec<[(usize, &[u8]); 4]> = SmallVec::new();
        for group in &remote.groups {
            if !served.contains(&&*group.name) {
                chosen.push((self.choose_route(group), &group.name));
            }
        }
        let mut any = false;
        for (place, route) in remote.routes.iter().enumerate() {
            let queues: SmallVec<[&[u8]; 4]> =
                chosen.iter().filter(|(at, _)| *at == place).map(|(_, name)| *name).collect();
            if route.plain || !queues.is_empty() {
                let to = if *to == *subject { b"" } else { to };
                let address = Address { account: account.name.as_bytes(), subject, to, plain: route.plain };
                any |= self.stage_frame(route.target, &address, &queues, message);
            }
        }
        any
    }

    /// Stages a frame for one server's subscribers without a group.
    pub(super) fn stage_plain_frame(
        &mut self,
        account: &Arc<Account>,
        to: &[u8],
        subject: &[u8],
        target: u32,
        message: &Outgoing<'_>,
    ) -> bool {
        let to = if *to == *subject { b"" } else { to };
        let address = Address { account: account.name.as_bytes(), subject, to, plain: true };
        self.stage_frame(target, &address, &[], message)
    }

    fn stage_frame(&mut self, target: u32, address: &Address<'_>, queues: &[&[u8]], message: &Outgoing<'_>) -> bool {
        let bytes = message.headers.len() + message.payload.len();
        let Some(route) = self.staging.targets.get(target as usize) else { return false };
        let words = [address.subject, address.to, message.reply];
        let named: usize = queues.iter().map(|queue| 2 + queue.len()).sum();
        let fits =
            words.iter().all(|word| word.len() <= ROUTE_WORD_MAX) && named <= ROUTE_MESSAGE_ROOM - 4 * ROUTE_WORD_MAX;
        if bytes > route.outbound.message_max || !fits {
            let (id, most) = (route.outbound.id, route.outbound.message_max);
            if route.outbound.count_too_long() {
                tracing::warn!(route = id, bytes, most, "Messages longer than the other server takes do not go there");
            }
            return false;
        }
        let buffer = self.staging.message_buffer(target, bytes);
        let parts = (message.has_headers, !message.reply.is_empty());
        message::encode(buffer, address, queues.iter().copied(), parts, message.tail);
        true
    }

    /// One of the servers with members of a group, by how many they have.
    fn choose_route(&mut self, group: &RemoteGroup) -> usize {
        let total = group.members.iter().map(|(_, weight)| *weight as usize).sum();
        let mut left = self.choose(total);
        for (route, weight) in &group.members {
            match left.checked_sub(*weight as usize) {
                Some(rest) => left = rest,
                None => return *route,
            }
        }
        group.members.first().map_or(usize::MAX, |(route, _)| *route)
    }
}
