//! Who is interested in what, in one account, and since when: a sublist behind a lock with sharded generations.
//!
//! A thread that caches a match remembers the generation of the subject's shard from before it looked; a change of
//! interest moves the generations of the shards it may concern. So a publish that hits its cache takes no lock.

use crate::announce::Announcements;
use crate::limits::GENERATION_SHARDS;
use crate::subscription::{Interested, Subscription};
use forebay_subject::hash::hash;
use forebay_subject::sublist::Matched;
use forebay_subject::token::{FULL_WILDCARD, WILDCARD, first_token};
use forebay_subject::{Sublist, filter_matches};
use parking_lot::{RwLock, RwLockReadGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Told when the last interest in a watched subject goes, or the first one comes.
pub trait InterestWatcher: Send + Sync {
    /// `subject` is the watched one; `tag` is what the watch was made with.
    fn interest_changed(&self, tag: u64, subject: &[u8], interested: bool);
}

struct Watch {
    subject: Box<[u8]>,
    tag: u64,
    watcher: Arc<dyn InterestWatcher>,
    interested: bool,
}

/// The interest of one account.
pub struct Interest {
    list: RwLock<Sublist<Interested>>,
    generations: [AtomicU64; GENERATION_SHARDS],
    watches: RwLock<Vec<Watch>>,
    /// What tells other servers, and the account's number there; `None` for a server that is alone for good.
    announcements: Option<(Arc<Announcements>, usize)>,
}

impl Default for Interest {
    fn default() -> Self {
        Self {
            announcements: None,
            list: RwLock::new(Sublist::new()),
            generations: std::array::from_fn(|_| AtomicU64::new(1)),
            watches: RwLock::new(Vec::new()),
        }
    }
}

#[inline]
fn shard_of(token: &[u8]) -> usize {
    hash(3, token) as usize & (GENERATION_SHARDS - 1)
}

impl Interest {
    /// An account's interest that other servers are told of.
    pub(crate) fn announced(announcements: Arc<Announcements>, account: usize) -> Self {
        Self { announcements: Some((announcements, account)), ..Self::default() }
    }

    /// The shard that `subject` belongs to: changes of interest move the generations of shards.
    #[inline]
    pub(crate) fn shard(subject: &[u8]) -> u16 {
        const { assert!(GENERATION_SHARDS <= 1 << 16) }
        shard_of(first_token(subject)) as u16
    }

    /// The generation of a shard that [`Interest::shard`] gave.
    #[inline]
    pub(crate) fn generation(&self, shard: u16) -> u64 {
        self.generations[usize::from(shard) & (GENERATION_SHARDS - 1)].load(Ordering::Acquire)
    }

    /// Makes every cached match of the account stale: for changes outside the list, such as plugin bindings.
    pub fn touch_all(&self) {
        for generation in &self.generations {
            generation.fetch_add(1, Ordering::Release);
        }
    }

    fn touch(&self, filter: &[u8]) {
        let first = first_token(filter);
        if first == WILDCARD || first == FULL_WILDCARD {
            self.touch_all();
        } else {
            self.generations[shard_of(first)].fetch_add(1, Ordering::Release);
        }
    }

    /// Adds a subscription. Other servers hear of it when the thread flushes, or by [`crate::Broker::announce`].
    pub fn insert(&self, subscription: &Arc<Subscription>) {
        let queue = subscription.queue.as_deref();
        {
            let mut list = self.list.write();
            list.insert(&subscription.filter, queue, Interested(subscription.clone()));
            self.touch(&subscription.filter);
        }
        if let Some((announcements, account)) = self.announcements.as_ref().filter(|_| subscription.is_announced()) {
            announcements.came(*account, &subscription.filter, queue);
        }
        self.tell_watchers(&subscription.filter);
    }

    /// Takes a subscription out; false if it was not there.
    pub fn remove(&self, subscription: &Arc<Subscription>) -> bool {
        let queue = subscription.queue.as_deref();
        let found = {
            let mut list = self.list.write();
            let found = list.remove(&subscription.filter, queue, &Interested(subscription.clone()));
            self.touch(&subscription.filter);
            found
        };
        if let Some((announcements, account)) = self.announcements.as_ref().filter(|_| subscription.is_announced())
            && found
        {
            announcements.went(*account, &subscription.filter, queue);
        }
        self.tell_watchers(&subscription.filter);
        found
    }

    /// A subscription got a maximum or another weight: cached matches must learn of it.
    pub fn changed(&self, subscription: &Subscription) {
        self.touch(&subscription.filter);
    }

    /// The list, for matching.
    #[inline]
    pub fn read(&self) -> RwLockReadGuard<'_, Sublist<Interested>> {
        self.list.read()
    }

    /// Subscriptions in the account.
    pub fn len(&self) -> usize {
        self.list.read().len()
    }

    /// True if there is no subscription.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if somebody would get a message on the literal `subject`.
    pub fn has_interest(&self, subject: &[u8]) -> bool {
        self.list.read().has_match(subject)
    }

    /// True if a member of `group` would get a message on `subject`; without a group, if a plain subscription would.
    pub fn has_interest_of(&self, subject: &[u8], group: Option<&[u8]>) -> bool {
        let mut any = false;
        self.list.read().matches(subject, |matched: &Matched<Interested>| {
            any |= match group {
                None => !matched.plain().is_empty(),
                Some(group) => matched.queues().iter().any(|queue| *queue.name == *group),
            };
        });
        any
    }

    /// Watches a literal subject; says whether there is interest now.
    pub fn watch(&self, subject: &[u8], tag: u64, watcher: Arc<dyn InterestWatcher>) -> bool {
        let mut watches = self.watches.write();
        let interested = self.has_interest(subject);
        watches.push(Watch { subject: subject.into(), tag, watcher, interested });
        interested
    }

    /// Ends the watches made with this tag on this subject.
    pub fn unwatch(&self, subject: &[u8], tag: u64) {
        self.watches.write().retain(|watch| watch.tag != tag || *watch.subject != *subject);
    }

    fn tell_watchers(&self, filter: &[u8]) {
        if self.watches.read().is_empty() {
            return;
        }
        let mut told = Vec::new();
        for watch in self.watches.write().iter_mut() {
            if !filter_matches(filter, &watch.subject) {
                continue;
            }
            let interested = self.has_interest(&watch.subject);
            if interested != watch.interested {
                watch.interested = interested;
                told.push((watch.watcher.clone(), watch.tag, watch.subject.clone(), interested));
            }
        }
        for (watcher, tag, subject, interested) in told {
            watcher.interest_changed(tag, &subject, interested);
        }
    }
}
