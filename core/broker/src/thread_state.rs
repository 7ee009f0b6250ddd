//! What one thread keeps: its match caches, its staging slots, its internal subscriber.
//!
//! Core threads have one, and so has every other thread that writes to clients. Commands: `publish`, `deliver_to`;
//! `flush` sends what they staged.

use crate::account::Account;
use crate::broker::{Broker, ThreadCounters};
use crate::deliver::Deferred;
use crate::hooks::{BoundTransforms, Transforms};
use crate::ingress::Ingress;
use crate::limits::RETIRED_MIN;
use crate::match_cache::MatchCache;
use crate::outbound::Outbound;
use crate::staging::Staging;
use crate::subscription::{Interested, Subscription};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What one thread keeps.
pub struct ThreadState {
    pub(crate) broker: Arc<Broker>,
    pub(crate) staging: Staging,
    pub(crate) caches: Vec<MatchCache>,
    pub(crate) ingress: Option<Box<dyn Ingress>>,
    /// The plugins of the thread; `None` where there can be none.
    pub(crate) transforms: Option<Box<dyn Transforms>>,
    /// The generation of `transforms` that the caches are of.
    transforms_generation: u64,
    /// The bindings that the last publish has to go through, when it was told so.
    pub(crate) bound: BoundTransforms,
    /// True while something internal got a message in this turn.
    pub(crate) ingress_dirty: bool,
    pub(crate) random: u64,
    /// Subscriptions that reached their maximum during a delivery.
    pub(crate) finished: Vec<(Arc<Account>, Interested)>,
    pub(crate) scratch: Vec<u8>,
    pub(crate) deferred: Vec<Deferred>,
    counters: Arc<ThreadCounters>,
    pub(crate) in_messages: u64,
    pub(crate) in_bytes: u64,
    retired_seen: u64,
    now: Instant,
    wall_ns: i64,
}

impl ThreadState {
    /// The state of a new thread. `seed` starts its choice of queue members.
    pub fn new(broker: Arc<Broker>, seed: u64, now: Instant, wall_ns: i64) -> Self {
        let counters = broker.thread_counters();
        Self {
            staging: Staging::default(),
            caches: Vec::new(),
            ingress: None,
            transforms: None,
            transforms_generation: 0,
            bound: BoundTransforms::new(),
            ingress_dirty: false,
            random: seed | 1,
            finished: Vec::new(),
            scratch: Vec::new(),
            deferred: Vec::new(),
            counters,
            in_messages: 0,
            in_bytes: 0,
            retired_seen: broker.retired(),
            broker,
            now,
            wall_ns,
        }
    }

    /// Gives the thread what serves internal subscribers.
    pub fn set_ingress(&mut self, ingress: Box<dyn Ingress>) {
        self.ingress = Some(ingress);
    }

    /// Gives the thread the plugins that clients' messages go through.
    pub fn set_transforms(&mut self, transforms: Box<dyn Transforms>) {
        self.transforms_generation = transforms.generation();
        self.transforms = Some(transforms);
        self.caches.iter_mut().for_each(MatchCache::clear);
    }

    /// At the begin of a read batch: matches that were made under other bindings are forgotten.
    #[inline]
    pub(crate) fn refresh_transforms(&mut self) {
        if let Some(transforms) = &self.transforms
            && transforms.generation() != self.transforms_generation
        {
            self.transforms_generation = transforms.generation();
            self.caches.iter_mut().for_each(MatchCache::clear);
        }
    }

    /// The bindings of a subject.
    #[inline]
    pub(crate) fn transforms_for(&mut self, account: &Account, subject: &[u8]) -> BoundTransforms {
        match &mut self.transforms {
            Some(transforms) => transforms.transforms_for(&account.name, subject),
            None => BoundTransforms::new(),
        }
    }

    /// True if a plugin's call ended at one of its limits since the last question: the turn is to end.
    #[inline]
    pub(crate) fn take_limit_hit(&mut self) -> bool {
        self.transforms.as_mut().is_some_and(|transforms| transforms.take_limit_hit())
    }

    /// What all threads share.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// Tells the thread the time of its turn.
    pub fn set_now(&mut self, now: Instant, wall_ns: i64) {
        self.now = now;
        self.wall_ns = wall_ns;
    }

    /// The time of the turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The time of the turn, in nanoseconds since the epoch.
    pub fn wall_ns(&self) -> i64 {
        self.wall_ns
    }

    #[inline]
    pub(crate) fn cache(&mut self, account: &Account) -> &mut MatchCache {
        while self.caches.len() <= account.number {
            self.caches.push(MatchCache::default());
        }
        &mut self.caches[account.number]
    }

    /// A number from xorshift64, for choosing among `count` (at least 1).
    #[inline]
    pub(crate) fn choose(&mut self, count: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((self.random >> 32).wrapping_mul(count as u64) >> 32) as usize
    }

    /// Stages bytes that are no message for one connection.
    pub fn stage_control(&mut self, outbound: &Arc<Outbound>, bytes: &[u8]) {
        let slot = self.staging.target(outbound);
        self.staging.control_buffer(slot).extend_from_slice(bytes);
    }

    /// The client of a connection began or ceased to understand headers: slots for it are made anew.
    pub(crate) fn headers_changed(&mut self, outbound: &Arc<Outbound>) {
        self.staging.target(outbound);
    }

    /// True if internal subscribers got messages that [`ThreadState::end_turn`] sends on their way.
    pub fn has_ingress_work(&self) -> bool {
        self.ingress_dirty
    }

    /// Ends the runtime turn for internal subscribers. Call [`ThreadState::flush`] afterwards.
    pub fn end_turn(&mut self) {
        if !self.ingress_dirty {
            return;
        }
        self.ingress_dirty = false;
        if let Some(mut ingress) = self.ingress.take() {
            ingress.turn_end(self);
            self.ingress = Some(ingress);
        }
    }

    /// Calls `act` with the thread's internal subscriber, if it has one.
    pub fn with_ingress<R>(&mut self, act: impl FnOnce(&mut dyn Ingress, &mut Self) -> R) -> Option<R> {
        let mut ingress = self.ingress.take()?;
        let result = act(&mut *ingress, self);
        self.ingress = Some(ingress);
        Some(result)
    }

    /// Sends everything staged. Returns a congested connection, if one of those written to is.
    pub fn flush(&mut self) -> Option<Arc<Outbound>> {
        for (account, finished) in std::mem::take(&mut self.finished) {
            self.finish(&account, &finished.0);
        }
        // Before any message: who replies to what this thread sends has to know where to.
        self.broker.announce();
        let mut congested = None;
        if self.staging.is_dirty() {
            let flushed = self.staging.flush();
            congested = flushed.congested;
            self.counters.out_messages.fetch_add(flushed.messages, Ordering::Relaxed);
            self.counters.out_bytes.fetch_add(flushed.bytes, Ordering::Relaxed);
        }
        if self.in_messages != 0 {
            self.counters.in_messages.fetch_add(std::mem::take(&mut self.in_messages), Ordering::Relaxed);
            self.counters.in_bytes.fetch_add(std::mem::take(&mut self.in_bytes), Ordering::Relaxed);
        }
        self.forget_retired();
        congested
    }

    /// A subscription is over: nobody finds it any more.
    pub(crate) fn finish(&mut self, account: &Arc<Account>, subscription: &Arc<Subscription>) {
        if subscription.close() {
            account.interest.remove(subscription);
            self.broker.retire();
        }
    }

    /// Forgets all slots and matches once many of them are for what is over.
    fn forget_retired(&mut self) {
        let retired = self.broker.retired() - self.retired_seen;
        if retired < RETIRED_MIN || retired < self.staging.len() as u64 {
            return;
        }
        self.retired_seen += retired;
        self.caches.iter_mut().for_each(MatchCache::clear);
        self.staging.clear();
    }
}
