//! What the broker and the ingress know of streams and consumers: subscriptions, routes of acks, watches of interest.

use crate::consumer::ConsumerFacts;
use crate::id::{ConsumerKey, StreamUid};
use crate::run::target::{StreamTarget, Target};
use crate::stream::StreamFacts;
use forebay_api::stream::StreamConfig;
use forebay_broker::{Account, Broker, InterestWatcher, Recipient, Subscription};
use hashbrown::HashMap;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A stream that the broker knows.
struct StreamRoute {
    account: Arc<Account>,
    facts: Arc<StreamFacts>,
    subscriptions: Vec<Arc<Subscription>>,
}

/// A consumer that the ingress knows.
pub(super) struct ConsumerRoute {
    pub(super) facts: Arc<ConsumerFacts>,
    pub(super) account: Arc<Account>,
    pub(super) shard: u32,
    /// By which its watch of interest is known.
    watch: u64,
}

/// An account's number, and `stream.consumer`.
type Name = (usize, Box<[u8]>);

/// Streams and consumers by what they are looked up by.
#[derive(Default)]
pub(super) struct Registry {
    streams: RwLock<HashMap<StreamUid, StreamRoute>>,
    consumers: RwLock<HashMap<ConsumerKey, Arc<ConsumerRoute>>>,
    /// By account number and `stream.consumer`.
    names: RwLock<HashMap<Name, Arc<ConsumerRoute>>>,
    /// Moves with every change of consumers: cached routes are checked by it.
    generation: AtomicU64,
    watches: AtomicU64,
}

impl Registry {
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Subscribes a stream to its subjects; of one that is known, to its subjects of now.
    pub(super) fn put_stream(&self, broker: &Broker, shard: u32, facts: &Arc<StreamFacts>, config: &StreamConfig) {
        let account = broker.account(&facts.account);
        let target =
            Target::Stream(StreamTarget { shard, uid: facts.uid, memory: facts.in_memory, no_ack: facts.no_ack });
        let subscriptions: Vec<_> = config
            .subjects
            .iter()
            .map(|subject| {
                let recipient = Recipient::Internal(target.number());
                Arc::new(Subscription::new(broker.next_subscription(), subject.as_bytes(), None, b"", recipient))
            })
            .collect();
        for subscription in &subscriptions {
            account.interest.insert(subscription);
        }
        let route = StreamRoute { account, facts: facts.clone(), subscriptions };
        let before = self.streams.write().insert(facts.uid, route);
        if let Some(before) = before {
            before.unsubscribe();
        }
    }

    /// Forgets a stream.
    pub(super) fn remove_stream(&self, uid: StreamUid) {
        let route = self.streams.write().remove(&uid);
        if let Some(route) = route {
            route.unsubscribe();
        }
    }

    /// The name of a stream.
    pub(super) fn stream_name(&self, uid: StreamUid) -> Option<Arc<str>> {
        self.streams.read().get(&uid).map(|route| route.facts.name.clone())
    }

    /// True if the broker knows a stream of this name.
    pub(super) fn has_stream(&self, account: &str, name: &str) -> bool {
        self.streams.read().values().any(|route| *route.facts.account == *account && *route.facts.name == *name)
    }

    /// Routes acks to a consumer. Returns its route and, for a push consumer, whether somebody listens now.
    pub(super) fn put_consumer(
        &self,
        broker: &Broker,
        shard: u32,
        facts: &Arc<ConsumerFacts>,
        watcher: &Arc<dyn InterestWatcher>,
    ) -> (Arc<ConsumerRoute>, Option<bool>) {
        let account = broker.account(&facts.account);
        let watch = self.watches.fetch_add(1, Ordering::Relaxed);
        let route = Arc::new(ConsumerRoute { facts: facts.clone(), account: account.clone(), shard, watch });
        let before = self.consumers.write().insert(facts.key, route.clone());
        self.names.write().insert(route.name(), route.clone());
        self.generation.fetch_add(1, Ordering::Release);
        if let Some(before) = before {
            before.unwatch();
        }
        let group = facts.deliver_group.as_deref().map(str::as_bytes);
        let interest = facts
            .deliver_subject
            .as_ref()
            .map(|subject| account.interest.watch(subject, group, watch, watcher.clone()));
        (route, interest)
    }

    /// Forgets a consumer.
    pub(super) fn remove_consumer(&self, key: ConsumerKey) {
        let route = self.consumers.write().remove(&key);
        let Some(route) = route else { return };
        {
            let mut names = self.names.write();
            let name = route.name();
            if names.get(&name).is_some_and(|known| known.facts.key == key) {
                names.remove(&name);
            }
        }
        self.generation.fetch_add(1, Ordering::Release);
        route.unwatch();
    }

    /// The route of a consumer.
    pub(super) fn consumer(&self, key: ConsumerKey) -> Option<Arc<ConsumerRoute>> {
        self.consumers.read().get(&key).cloned()
    }

    /// All consumers.
    pub(super) fn consumers(&self) -> Vec<Arc<ConsumerRoute>> {
        self.consumers.read().values().cloned().collect()
    }

    /// The consumer `stream.consumer` of an account.
    pub(super) fn consumer_named(&self, account: usize, name: &[u8]) -> Option<Arc<ConsumerRoute>> {
        self.names.read().get(&(account, name.into()) as &Name).cloned()
    }

    /// The consumer that a watch belongs to.
    pub(super) fn consumer_watched(&self, watch: u64) -> Option<Arc<ConsumerRoute>> {
        self.consumers.read().values().find(|route| route.watch == watch).cloned()
    }
}

impl StreamRoute {
    fn unsubscribe(&self) {
        for subscription in &self.subscriptions {
            self.account.interest.remove(subscription);
        }
    }
}

impl ConsumerRoute {
    fn name(&self) -> Name {
        (self.account.number, format!("{}.{}", self.facts.stream, self.facts.name).into_bytes().into())
    }

    fn unwatch(&self) {
        if let Some(subject) = &self.facts.deliver_subject {
            self.account.interest.unwatch(subject, self.watch);
        }
    }
}
