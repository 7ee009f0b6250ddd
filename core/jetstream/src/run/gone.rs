//! Pull requests whose owners are gone: nobody would get what is delivered for them.
//!
//! Whether somebody still listens on a reply subject is looked up without the shard's lock, shortly before it matters:
//! before messages are chosen for the next requests, when no further request fits, and when an unused consumer would go.

use crate::id::ConsumerKey;
use crate::run::JetStream;
use crate::run::registry::ConsumerRoute;
use crate::run::shard_cell::ShardCell;
use std::sync::Arc;

impl JetStream {
    /// Drops the requests without an owner among those that the next batch of `most` messages may serve.
    pub(super) fn drop_gone_takers(&self, cell: &ShardCell, route: &ConsumerRoute, most: usize) {
        if route.facts.deliver_subject.is_some() {
            return;
        }
        let key = route.facts.key;
        // Those that move up when others go are looked at too.
        while self.drop_gone(cell, route, cell.read(|shard| shard.takers(key, most))) {}
    }

    /// Drops all requests without an owner.
    pub(super) fn drop_all_gone(&self, cell: &ShardCell, key: ConsumerKey) {
        if let Some(route) = self.registry.consumer(key) {
            self.drop_gone(cell, &route, usize::MAX);
        }
    }

    /// Looks at the first so many requests; true if one was dropped.
    fn drop_gone(&self, cell: &ShardCell, route: &ConsumerRoute, first: usize) -> bool {
        if first == 0 {
            return false;
        }
        let key = route.facts.key;
        let mut replies: Vec<Arc<[u8]>> = Vec::new();
        cell.read(|shard| {
            shard.waiting_replies(key, first, |reply| {
                // One client's requests often have one reply subject.
                if replies.last() != Some(reply) {
                    replies.push(Arc::clone(reply));
                }
            });
        });
        replies.retain(|reply| !route.account.interest.has_interest(reply));
        if replies.is_empty() {
            return false;
        }
        cell.change(|state| replies.iter().for_each(|reply| state.shard.drop_waiting(key, reply)));
        true
    }
}
