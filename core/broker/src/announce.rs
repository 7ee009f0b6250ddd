//! What other servers are told of the interest here: for each account, filter and queue group how many subscribers there
//! are, when it changes.
//!
//! Whoever subscribes counts at once and sends before anything that it publishes afterwards leaves: a request's reply
//! finds its way. What changes back in between is not told. One thread sends at a time, so the changes of one filter
//! arrive in their order; a number replaces the one before, so saying it twice does no harm.

use crate::limits::ANNOUNCED_KEY_INLINE;
use crate::outbound::Outbound;
use forebay_protocol::limits::ROUTE_WORD_MAX;
use forebay_protocol::route::interest::Interest;
use hashbrown::HashMap;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The filter, and behind a blank the queue group.
type Key = Vec<u8>;

#[derive(Clone, Copy, Default)]
struct Count {
    now: u32,
    /// What the other servers were told last.
    told: u32,
    /// It is among the changes.
    changed: bool,
}

struct AccountCounts {
    name: Box<str>,
    counts: HashMap<Key, Count>,
}

#[derive(Default)]
struct State {
    accounts: Vec<AccountCounts>,
    changed: Vec<(usize, Key)>,
    /// Counts every change.
    version: u64,
    routes: Vec<Arc<Outbound>>,
}

/// The interest here as other servers know it.
#[derive(Default)]
pub(crate) struct Announcements {
    state: Mutex<State>,
    /// Held while something is sent, so that changes leave in their order.
    sending: Mutex<()>,
    /// The version of the state, and the one up to which everything was sent.
    version: AtomicU64,
    sent: AtomicU64,
}

impl Announcements {
    /// Makes room for an account; numbers come in their order.
    pub(crate) fn account(&self, number: usize, name: &str) {
        let mut state = self.state.lock();
        debug_assert_eq!(state.accounts.len(), number);
        state.accounts.push(AccountCounts { name: name.into(), counts: HashMap::new() });
    }

    /// A subscription came.
    pub(crate) fn came(&self, account: usize, filter: &[u8], queue: Option<&[u8]>) {
        self.change(account, filter, queue, |count| count.saturating_add(1));
    }

    /// A subscription went.
    pub(crate) fn went(&self, account: usize, filter: &[u8], queue: Option<&[u8]>) {
        self.change(account, filter, queue, |count| count.saturating_sub(1));
    }

    fn change(&self, account: usize, filter: &[u8], queue: Option<&[u8]>, next: impl FnOnce(u32) -> u32) {
        if filter.len().max(queue.map_or(0, <[u8]>::len)) > ROUTE_WORD_MAX {
            return;
        }
        let mut key: SmallVec<[u8; ANNOUNCED_KEY_INLINE]> = SmallVec::from_slice(filter);
        if let Some(queue) = queue {
            key.push(b' ');
            key.extend_from_slice(queue);
        }
        let mut state = self.state.lock();
        let State { accounts, changed, version, .. } = &mut *state;
        let Some(of) = accounts.get_mut(account) else { return };
        let count = of.counts.entry_ref(&key[..]).or_default();
        count.now = next(count.now);
        if !count.changed && count.differs(queue.is_some()) {
            count.changed = true;
            changed.push((account, key[..].into()));
        } else if count.now == 0 && count.told == 0 && !count.changed {
            of.counts.remove(&key[..]);
        }
        *version += 1;
        self.version.store(*version, Ordering::Release);
    }

    /// Sends what changed. Returns when everything that changed before the call has been handed to the routes.
    #[inline]
    pub(crate) fn send(&self) {
        if self.sent.load(Ordering::Acquire) < self.version.load(Ordering::Acquire) {
            self.send_changes(None);
        }
    }

    /// Tells a new route everything, and from now on what changes.
    pub(crate) fn attach(&self, route: &Arc<Outbound>) {
        self.send_changes(Some(route));
    }

    #[cold]
    fn send_changes(&self, new: Option<&Arc<Outbound>>) {
        let _order = self.sending.lock();
        let (changes, routes, version, all) = {
            let mut state = self.state.lock();
            let changes = state.take_changes();
            let routes = state.routes.clone();
            let all = new.map(|route| {
                state.routes.push(route.clone());
                state.everything()
            });
            (changes, routes, state.version, all)
        };
        if !changes.is_empty() {
            routes.iter().for_each(|route| route.send(&changes));
        }
        if let (Some(route), Some(all)) = (new, all) {
            route.send(&all);
        }
        self.sent.store(version, Ordering::Release);
    }

    /// A route is over.
    pub(crate) fn detach(&self, id: u64) {
        self.state.lock().routes.retain(|route| route.id != id);
    }

    /// Routes that are told.
    pub(crate) fn routes(&self) -> usize {
        self.state.lock().routes.len()
    }
}

impl Count {
    /// True if the other servers have to hear of it: groups tell how many they are, others only whether there is one.
    fn differs(self, grouped: bool) -> bool {
        if grouped { self.now != self.told } else { (self.now == 0) != (self.told == 0) }
    }
}

impl State {
    /// The frames that tell what changed since the last call.
    fn take_changes(&mut self) -> Vec<u8> {
        let mut frames = Vec::new();
        for (account, key) in std::mem::take(&mut self.changed) {
            let Some(of) = self.accounts.get_mut(account) else { continue };
            let Some(count) = of.counts.get_mut(&key) else { continue };
            count.changed = false;
            if count.differs(key.contains(&b' ')) {
                encode(&mut frames, &of.name, &key, count.now);
            }
            count.told = count.now;
            if count.now == 0 {
                of.counts.remove(&key);
            }
        }
        frames
    }

    /// The frames that tell all interest there is.
    fn everything(&self) -> Vec<u8> {
        let mut frames = Vec::new();
        for of in &self.accounts {
            for (key, count) in of.counts.iter().filter(|(_, count)| count.now != 0) {
                encode(&mut frames, &of.name, key, count.now);
            }
        }
        frames
    }
}

fn encode(out: &mut Vec<u8>, account: &str, key: &[u8], now: u32) {
    let (filter, queue) = match memchr::memchr(b' ', key) {
        Some(at) => (&key[..at], Some(&key[at + 1..])),
        None => (key, None),
    };
    let weight = if queue.is_some() { now } else { now.min(1) };
    Interest { account: account.as_bytes(), filter, queue, weight }.encode(out);
}

#[cfg(test)]
mod tests;
