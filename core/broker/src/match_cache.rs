//! A thread's cache of matches: subject → who gets it, with the head of each delivery ready made.
//!
//! Entries are made when a subject is seen a second time, and checked lazily by the generation of the subject's shard.

use crate::hooks::BoundTransforms;
use crate::interest::Interest;
use crate::limits::{CACHED_SUBJECT_MAX, MATCH_SLOTS, PREFIX_SLOTS};
use forebay_subject::hash::hash;
use std::ops::Range;

/// A delivery to one subscription: its slot, and where its head stands.
pub(crate) struct Delivery {
    pub(crate) subscription: u32,
    pub(crate) head: Range<u32>,
}

/// A queue group's members here.
pub(crate) struct Group {
    pub(crate) name: Box<[u8]>,
    pub(crate) members: Vec<Delivery>,
}

/// The servers that a subject goes to beside this one, in a server that has routes.
#[derive(Default)]
pub(crate) struct RemoteMatch {
    pub(crate) routes: Vec<RemoteRoute>,
    pub(crate) groups: Vec<RemoteGroup>,
}

/// One of these servers.
pub(crate) struct RemoteRoute {
    /// Its slot.
    pub(crate) target: u32,
    /// It has subscribers without a queue group.
    pub(crate) plain: bool,
}

/// A queue group's members elsewhere.
pub(crate) struct RemoteGroup {
    pub(crate) name: Box<[u8]>,
    /// The place among the routes, and how many members are there.
    pub(crate) members: Vec<(usize, u32)>,
}

impl RemoteMatch {
    /// Subscribers without a queue group.
    pub(crate) fn add_plain(&mut self, target: u32) {
        let at = self.route(target);
        self.routes[at].plain = true;
    }

    /// Members of a queue group. Groups of one name are one group.
    pub(crate) fn add_group(&mut self, name: &[u8], target: u32, weight: u32) {
        let at = self.route(target);
        let group = match self.groups.iter().position(|group| *group.name == *name) {
            Some(known) => known,
            None => {
                self.groups.push(RemoteGroup { name: name.into(), members: Vec::new() });
                self.groups.len() - 1
            }
        };
        self.groups[group].members.push((at, weight.max(1)));
    }

    fn route(&mut self, target: u32) -> usize {
        if let Some(at) = self.routes.iter().position(|route| route.target == target) {
            return at;
        }
        self.routes.push(RemoteRoute { target, plain: false });
        self.routes.len() - 1
    }
}

/// When the interest in a subject was looked up: it may be out of date once its shard's generation has moved.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    shard: u16,
    generation: u64,
}

impl Seen {
    /// As of now.
    #[inline]
    pub(crate) fn now(interest: &Interest, subject: &[u8]) -> Self {
        let shard = Interest::shard(subject);
        Self { shard, generation: interest.generation(shard) }
    }

    #[inline]
    fn is_fresh(self, interest: &Interest) -> bool {
        interest.generation(self.shard) == self.generation
    }
}

/// Who gets what is published to one subject.
pub(crate) struct MatchEntry {
    hash: u64,
    seen: Seen,
    subject: Box<[u8]>,
    /// `HMSG subject sid ` for each delivery; a `MSG` head is the same without its first byte.
    pub(crate) heads: Vec<u8>,
    pub(crate) plain: Vec<Delivery>,
    /// There are queue groups, or subscribers elsewhere.
    pub(crate) goes_beyond: bool,
    pub(crate) queues: Vec<Group>,
    /// Internal subscribers.
    pub(crate) internal: Vec<u64>,
    /// Those of them that messages of other servers reach.
    pub(crate) announced: Vec<u64>,
    /// Subscribers elsewhere; `None` where there are none, as in every server without routes.
    pub(crate) remote: Option<Box<RemoteMatch>>,
    /// The plugins that a client's message goes through before any of the above; empty for most subjects.
    pub(crate) transforms: BoundTransforms,
}

impl MatchEntry {
    pub(crate) fn new(key: &SubjectKey<'_>, seen: Seen) -> Self {
        Self {
            hash: key.hash,
            seen,
            subject: key.subject.into(),
            heads: Vec::new(),
            plain: Vec::new(),
            goes_beyond: false,
            queues: Vec::new(),
            internal: Vec::new(),
            announced: Vec::new(),
            remote: None,
            transforms: BoundTransforms::new(),
        }
    }

    /// The subject it is of.
    pub(crate) fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// Appends the head of a delivery.
    pub(crate) fn head(&mut self, sid: &[u8]) -> Range<u32> {
        let start = self.heads.len() as u32;
        self.heads.extend_from_slice(b"HMSG ");
        self.heads.extend_from_slice(&self.subject);
        self.heads.push(b' ');
        self.heads.extend_from_slice(sid);
        self.heads.push(b' ');
        start..self.heads.len() as u32
    }
}

/// A subject with its hash.
#[derive(Clone, Copy)]
pub(crate) struct SubjectKey<'a> {
    pub(crate) subject: &'a [u8],
    hash: u64,
}

impl<'a> SubjectKey<'a> {
    #[inline]
    pub(crate) fn new(subject: &'a [u8]) -> Self {
        Self { subject, hash: hash(7, subject) }
    }
}

/// What is known of every subject `prefix.x`: the plain subscriptions that get it, if no subject below the prefix is
/// matched differently from another.
pub(crate) struct PrefixEntry {
    hash: u64,
    seen: Seen,
    prefix: Box<[u8]>,
    /// `None`: subjects below the prefix differ, or have more than plain subscribers.
    pub(crate) known: Option<PrefixMatch>,
}

/// The slots of a prefix's plain subscriptions, and of the other servers that have some.
#[derive(Default)]
pub(crate) struct PrefixMatch {
    pub(crate) subscriptions: Vec<u32>,
    pub(crate) routes: Vec<u32>,
}

impl PrefixEntry {
    pub(crate) fn new(key: &SubjectKey<'_>, seen: Seen, known: Option<PrefixMatch>) -> Self {
        Self { hash: key.hash, seen, prefix: key.subject.into(), known }
    }
}

/// What the cache says of a subject.
pub(crate) enum Lookup {
    /// The entry, taken out: give it back with [`MatchCache::put`].
    Hit(Box<MatchEntry>),
    /// Seen before, or stale: worth an entry.
    Build,
    /// Seen the first time.
    First,
}

/// The cache of one account.
pub(crate) struct MatchCache {
    entries: Vec<Option<Box<MatchEntry>>>,
    /// The slot that was hit last: publishers often stay with a subject.
    last: usize,
    /// The upper half of the hash last seen in each slot.
    seen: Vec<u32>,
    prefixes: Vec<Option<Box<PrefixEntry>>>,
    prefixes_seen: Vec<u32>,
}

impl Default for MatchCache {
    fn default() -> Self {
        Self {
            entries: (0..MATCH_SLOTS).map(|_| None).collect(),
            last: 0,
            seen: vec![0; MATCH_SLOTS],
            prefixes: (0..PREFIX_SLOTS).map(|_| None).collect(),
            prefixes_seen: vec![0; PREFIX_SLOTS],
        }
    }
}

impl MatchCache {
    /// The entry that was hit last, taken out, if it is this subject's and fresh.
    #[inline(always)]
    pub(crate) fn take_last(&mut self, subject: &[u8], interest: &Interest) -> Option<Box<MatchEntry>> {
        let place = self.entries.get_mut(self.last)?;
        let is_it = |entry: &MatchEntry| *entry.subject == *subject && entry.seen.is_fresh(interest);
        if place.as_deref().is_some_and(is_it) { place.take() } else { None }
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, key: &SubjectKey<'_>, seen: Seen) -> Lookup {
        let slot = key.hash as usize & (MATCH_SLOTS - 1);
        self.last = slot;
        let place = &mut self.entries[slot];
        if let Some(entry) = place
            && entry.hash == key.hash
            && *entry.subject == *key.subject
        {
            let fresh = entry.seen.generation == seen.generation;
            return match place.take() {
                Some(entry) if fresh => Lookup::Hit(entry),
                _ => Lookup::Build,
            };
        }
        let mark = (key.hash >> 32) as u32;
        if self.seen[slot] == mark && key.subject.len() <= CACHED_SUBJECT_MAX {
            return Lookup::Build;
        }
        self.seen[slot] = mark;
        Lookup::First
    }

    #[inline(always)]
    pub(crate) fn put(&mut self, entry: Box<MatchEntry>) {
        let slot = entry.hash as usize & (MATCH_SLOTS - 1);
        self.entries[slot] = Some(entry);
    }

    /// The entry of a prefix, taken out; `Err(true)` if it is worth making one.
    pub(crate) fn take_prefix(&mut self, key: &SubjectKey<'_>, seen: Seen) -> Result<Box<PrefixEntry>, bool> {
        let slot = key.hash as usize & (PREFIX_SLOTS - 1);
        let place = &mut self.prefixes[slot];
        if let Some(entry) = place
            && entry.hash == key.hash
            && *entry.prefix == *key.subject
        {
            let fresh = entry.seen.generation == seen.generation;
            return place.take().filter(|_| fresh).ok_or(true);
        }
        let mark = (key.hash >> 32) as u32;
        let again = self.prefixes_seen[slot] == mark && key.subject.len() <= CACHED_SUBJECT_MAX;
        self.prefixes_seen[slot] = mark;
        Err(again)
    }

    pub(crate) fn put_prefix(&mut self, entry: Box<PrefixEntry>) {
        let slot = entry.hash as usize & (PREFIX_SLOTS - 1);
        self.prefixes[slot] = Some(entry);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.iter_mut().for_each(|entry| *entry = None);
        self.prefixes.iter_mut().for_each(|entry| *entry = None);
    }
}
