//! A message to those who are interested: through the thread's match cache, or by matching once.

mod from_route;
mod remote;

use crate::account::Account;
use crate::ingress::Inbound;
use crate::limits::{DEFERRED_MAX, HEAD_INLINE};
use crate::match_cache::{
    Delivery, Group, Lookup, MatchEntry, PrefixEntry, PrefixMatch, RemoteMatch, Seen, SubjectKey,
};
use crate::subscription::{Admission, Interested, Recipient, Subscription};
use crate::thread_state::ThreadState;
use forebay_protocol::client::encode::{CRLF, number};
use forebay_protocol::op::Publish;
use forebay_subject::sublist::{Matched, QueueMembers};
use smallvec::SmallVec;
use std::sync::Arc;

/// The queue groups that one subject matched.
type Groups<'a> = SmallVec<[&'a QueueMembers<Interested>; 4]>;
/// The groups of which a member here has got the message.
type Served<'a> = SmallVec<[&'a [u8]; 4]>;

/// A message ready to be delivered: its parts, and its frame behind the head of each delivery.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) reply: &'a [u8],
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) has_headers: bool,
    /// `[reply ]sizes\r\nheaders payload\r\n`.
    pub(crate) tail: &'a [u8],
    /// The connection it comes from; 0 for the server itself.
    pub(crate) from: u64,
    /// The publisher does not want its own messages back.
    pub(crate) no_echo: bool,
    /// A client's own message, which no plugin has seen.
    pub(crate) untransformed: bool,
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// Somebody got it.
    Delivered,
    /// Nobody is interested.
    Nobody,
    /// Nobody got it yet: it has to go through the plugins in `ThreadState::bound`.
    Bound,
}

impl Published {
    #[inline]
    fn to_somebody(any: bool) -> Self {
        if any { Self::Delivered } else { Self::Nobody }
    }

    /// True if somebody got it.
    #[inline]
    pub(crate) fn is_delivered(self) -> bool {
        self == Self::Delivered
    }
}

/// A message as a plugin made it of a client's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made<'a> {
    pub(crate) subject: &'a [u8],
    pub(crate) reply: &'a [u8],
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl ThreadState {
    /// Publishes what a client sent, unless a plugin has to see it first.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        account: &Arc<Account>,
        publish: &Publish<'_>,
        from: u64,
        no_echo: bool,
    ) -> Published {
        let Some(tail) = publish.frame_tail else { return self.publish_rebuilt(account, publish, from, no_echo) };
        let outgoing = Outgoing {
            reply: publish.reply,
            headers: publish.headers,
            payload: publish.payload,
            has_headers: publish.has_headers,
            tail,
            from,
            no_echo,
            untransformed: true,
        };
        self.deliver(account, publish.subject, &outgoing)
    }

    /// Publishes what plugins made of a client's message; says whether anybody got it.
    pub(crate) fn publish_made(&mut self, account: &Arc<Account>, made: &Made<'_>, from: u64, no_echo: bool) -> bool {
        self.with_tail(made.reply, made.headers, made.payload, |thread, outgoing| {
            thread.deliver(account, made.subject, &Outgoing { from, no_echo, ..*outgoing }).is_delivered()
        })
    }

    /// The internal subscribers of a subject.
    pub(crate) fn internal_targets(&mut self, account: &Arc<Account>, subject: &[u8]) -> SmallVec<[u64; 4]> {
        let mut targets = SmallVec::new();
        account.interest.read().matches(subject, |matched| {
            for one in matched.plain() {
                if let Recipient::Internal(target) = one.0.recipient {
                    targets.push(target);
                }
            }
        });
        targets
    }

    /// The client wrote its line in a form that a subscriber must not get.
    #[cold]
    fn publish_rebuilt(
        &mut self,
        account: &Arc<Account>,
        publish: &Publish<'_>,
        from: u64,
        no_echo: bool,
    ) -> Published {
        let mut tail = std::mem::take(&mut self.scratch);
        tail.clear();
        if !publish.reply.is_empty() {
            tail.extend_from_slice(publish.reply);
            tail.push(b' ');
        }
        if publish.has_headers {
            tail.extend_from_slice(publish.sizes.0);
            tail.push(b' ');
        }
        tail.extend_from_slice(publish.sizes.1);
        for part in [CRLF, publish.headers, publish.payload, CRLF] {
            tail.extend_from_slice(part);
        }
        let rebuilt = Publish { frame_tail: Some(&tail), ..*publish };
        let published = self.publish(account, &rebuilt, from, no_echo);
        self.scratch = tail;
        published
    }

    /// Publishes a message of the server itself; says whether anybody got it.
    pub fn publish_internal(
        &mut self,
        account: &Arc<Account>,
        subject: &[u8],
        reply: &[u8],
        headers: &[u8],
        payload: &[u8],
    ) -> bool {
        self.with_tail(reply, headers, payload, |thread, outgoing| {
            thread.deliver(account, subject, outgoing).is_delivered()
        })
    }

    /// Delivers a message to those interested in `route`, who see it under `subject`: what a consumer does.
    pub fn deliver_to(
        &mut self,
        account: &Arc<Account>,
        route: &[u8],
        subject: &[u8],
        reply: &[u8],
        headers: &[u8],
        payload: &[u8],
    ) -> bool {
        self.with_tail(reply, headers, payload, |thread, outgoing| {
            thread.deliver_routed(account, route, subject, outgoing)
        })
    }

    fn with_tail<R>(
        &mut self,
        reply: &[u8],
        headers: &[u8],
        payload: &[u8],
        act: impl FnOnce(&mut Self, &Outgoing<'_>) -> R,
    ) -> R {
        let mut tail = std::mem::take(&mut self.scratch);
        tail.clear();
        if !reply.is_empty() {
            tail.extend_from_slice(reply);
            tail.push(b' ');
        }
        if !headers.is_empty() {
            number(&mut tail, headers.len());
            tail.push(b' ');
        }
        number(&mut tail, headers.len() + payload.len());
        for part in [CRLF, headers, payload, CRLF] {
            tail.extend_from_slice(part);
        }
        let outgoing = Outgoing {
            reply,
            headers,
            payload,
            has_headers: !headers.is_empty(),
            tail: &tail,
            from: 0,
            no_echo: false,
            untransformed: false,
        };
        let result = act(self, &outgoing);
        self.scratch = tail;
        result
    }

    #[inline]
    fn deliver(&mut self, account: &Arc<Account>, subject: &[u8], message: &Outgoing<'_>) -> Published {
        let entry = match self.cache(account).take_last(subject, &account.interest) {
            Some(entry) => entry,
            None => {
                let seen = Seen::now(&account.interest, subject);
                let key = SubjectKey::new(subject);
                match self.cache(account).take(&key, seen) {
                    Lookup::Hit(entry) => entry,
                    Lookup::Build => self.build_entry(account, &key, seen),
                    Lookup::First => {
                        if message.untransformed && self.is_bound(account, subject) {
                            return Published::Bound;
                        }
                        let any = self.deliver_uncached(account, subject, subject, seen, message);
                        return Published::to_somebody(any);
                    }
                }
            }
        };
        if message.untransformed && !entry.transforms.is_empty() {
            self.bound.clone_from(&entry.transforms);
            self.cache(account).put(entry);
            return Published::Bound;
        }
        let delivered = self.deliver_entry(account, &entry, message);
        for target in &entry.internal {
            self.deliver_internal(account, *target, subject, message);
        }
        let any = delivered || !entry.internal.is_empty();
        self.cache(account).put(entry);
        Published::to_somebody(any)
    }

    /// True if plugins are bound to a subject that is seen the first time; they are in `bound` then.
    #[inline]
    fn is_bound(&mut self, account: &Account, subject: &[u8]) -> bool {
        if self.transforms.is_none() {
            return false;
        }
        self.bound = self.transforms_for(account, subject);
        !self.bound.is_empty()
    }

    fn deliver_routed(&mut self, account: &Arc<Account>, route: &[u8], subject: &[u8], message: &Outgoing<'_>) -> bool {
        let seen = Seen::now(&account.interest, route);
        let key = SubjectKey::new(route);
        let entry = match self.cache(account).take(&key, seen) {
            Lookup::Hit(entry) => entry,
            Lookup::Build => self.build_entry(account, &key, seen),
            Lookup::First => return self.deliver_uncached(account, route, subject, seen, message),
        };
        let mut any = !entry.internal.is_empty();
        for delivery in &entry.plain {
            any |= self.stage_slot(account, delivery.subscription, subject, message);
        }
        {
            let mut served = Served::new();
            for group in &entry.queues {
                if self.stage_member(account, group, subject, message) {
                    served.push(&group.name);
                }
            }
            any |= !served.is_empty();
            if let Some(remote) = &entry.remote {
                any |= self.stage_remote(account, route, subject, remote, &served, message);
            }
        }
        for target in &entry.internal {
            self.deliver_internal(account, *target, subject, message);
        }
        self.cache(account).put(entry);
        any
    }

    /// Makes the cache entry of a subject.
    #[inline(never)]
    fn build_entry(&mut self, account: &Arc<Account>, key: &SubjectKey<'_>, seen: Seen) -> Box<MatchEntry> {
        let mut entry = Box::new(MatchEntry::new(key, seen));
        entry.transforms = self.transforms_for(account, key.subject);
        let list = account.interest.read();
        list.matches(key.subject, |matched| {
            for one in matched.plain() {
                match &one.0.recipient {
                    Recipient::Internal(target) => {
                        entry.internal.push(*target);
                        entry.announced.extend(one.0.is_announced().then_some(*target));
                    }
                    Recipient::Connection(_) => {
                        let delivery = self.delivery(&mut entry, &one.0);
                        entry.plain.push(delivery);
                    }
                    Recipient::Route(route) => {
                        entry.remote.get_or_insert_default().add_plain(self.staging.target(route));
                    }
                }
            }
            for queue in matched.queues() {
                self.add_group(&mut entry, queue);
            }
        });
        entry.goes_beyond = !entry.queues.is_empty() || entry.remote.is_some();
        entry
    }

    fn add_group(&mut self, entry: &mut MatchEntry, queue: &QueueMembers<Interested>) {
        let mut members = Vec::new();
        for one in &queue.members {
            match &one.0.recipient {
                Recipient::Route(route) => {
                    let target = self.staging.target(route);
                    entry.remote.get_or_insert_default().add_group(&queue.name, target, one.0.weight());
                }
                _ => members.push(self.delivery(entry, &one.0)),
            }
        }
        if members.is_empty() {
            return;
        }
        // One name is one group, whatever the filters it came by (nats-server `addLocalQueueSubs`).
        match entry.queues.iter_mut().find(|group| group.name == queue.name) {
            Some(known) => known.members.extend(members),
            None => entry.queues.push(Group { name: queue.name.clone(), members }),
        }
    }

    fn delivery(&mut self, entry: &mut MatchEntry, subscription: &Arc<Subscription>) -> Delivery {
        Delivery { subscription: self.staging.subscription(subscription), head: entry.head(&subscription.sid) }
    }

    #[inline]
    fn deliver_entry(&mut self, account: &Arc<Account>, entry: &MatchEntry, message: &Outgoing<'_>) -> bool {
        let mut any = false;
        for delivery in &entry.plain {
            any |= self.stage_delivery(account, entry, delivery, message);
        }
        if entry.goes_beyond { self.deliver_beyond(account, entry, message) | any } else { any }
    }

    /// The queue groups of an entry, and the other servers. Apart, so that what most subjects need stays small.
    #[inline(never)]
    fn deliver_beyond(&mut self, account: &Arc<Account>, entry: &MatchEntry, message: &Outgoing<'_>) -> bool {
        let mut served = Served::new();
        for group in &entry.queues {
            if self.stage_member_of(account, entry, group, message) {
                served.push(&group.name);
            }
        }
        let subject = entry.subject();
        let there = entry
            .remote
            .as_ref()
            .is_some_and(|remote| self.stage_remote(account, subject, subject, remote, &served, message));
        there || !served.is_empty()
    }

    /// One member of a group gets the message; false if none takes it.
    #[inline]
    fn stage_member_of(
        &mut self,
        account: &Arc<Account>,
        entry: &MatchEntry,
        group: &Group,
        message: &Outgoing<'_>,
    ) -> bool {
        let first = self.choose(group.members.len());
        let (before, from) = group.members.split_at(first);
        from.iter().chain(before).any(|one| self.stage_delivery(account, entry, one, message))
    }

    /// As [`Self::stage_member_of`], under another subject than the entry's.
    fn stage_member(&mut self, account: &Arc<Account>, group: &Group, subject: &[u8], message: &Outgoing<'_>) -> bool {
        let first = self.choose(group.members.len());
        let (before, from) = group.members.split_at(first);
        from.iter().chain(before).any(|one| self.stage_slot(account, one.subscription, subject, message))
    }

    /// Stages one delivery with its ready head; false if the subscription does not take it.
    #[inline(always)]
    fn stage_delivery(
        &mut self,
        account: &Arc<Account>,
        entry: &MatchEntry,
        delivery: &Delivery,
        message: &Outgoing<'_>,
    ) -> bool {
        let slot = &self.staging.subscriptions[delivery.subscription as usize];
        let target = slot.target;
        let Some(connection) = self.staging.targets.get(target as usize) else { return false };
        let plain = !slot.limited && (!message.has_headers || connection.headers);
        if !plain || (message.no_echo && connection.outbound.id == message.from) {
            return self.stage_special(account, delivery.subscription, &entry.heads_subject(delivery), message);
        }
        self.staging.count(delivery.subscription);
        let head =
            &entry.heads[delivery.head.start as usize + usize::from(!message.has_headers)..delivery.head.end as usize];
        let buffer = self.staging.message_buffer(target, message.headers.len() + message.payload.len());
        buffer.reserve(head.len() + message.tail.len());
        buffer.extend_from_slice(head);
        buffer.extend_from_slice(message.tail);
        true
    }

    /// Stages one delivery whose head is made now; false if the subscription does not take it.
    #[inline]
    fn stage_slot(&mut self, account: &Arc<Account>, slot: u32, subject: &[u8], message: &Outgoing<'_>) -> bool {
        let subscription = &self.staging.subscriptions[slot as usize];
        let target = subscription.target;
        let Some(connection) = self.staging.targets.get(target as usize) else { return false };
        let plain = !subscription.limited && (!message.has_headers || connection.headers);
        if !plain || (message.no_echo && connection.outbound.id == message.from) {
            return self.stage_special(account, slot, subject, message);
        }
        let mut head: SmallVec<[u8; HEAD_INLINE]> = SmallVec::new();
        head.extend_from_slice(if message.has_headers { b"HMSG " } else { b"MSG " });
        head.extend_from_slice(subject);
        head.push(b' ');
        head.extend_from_slice(&subscription.subscription.sid);
        head.push(b' ');
        self.staging.count(slot);
        let buffer = self.staging.message_buffer(target, message.headers.len() + message.payload.len());
        buffer.reserve(head.len() + message.tail.len());
        buffer.extend_from_slice(&head);
        buffer.extend_from_slice(message.tail);
        true
    }

    /// A delivery that needs a closer look: echo, a maximum, or headers that the client does not understand.
    #[cold]
    fn stage_special(&mut self, account: &Arc<Account>, slot: u32, subject: &[u8], message: &Outgoing<'_>) -> bool {
        let subscription = self.staging.subscriptions[slot as usize].subscription.clone();
        let target = self.staging.subscriptions[slot as usize].target;
        let connection = &self.staging.targets[target as usize];
        if message.no_echo && connection.outbound.id == message.from {
            return false;
        }
        let headers = message.has_headers && connection.headers;
        if subscription.is_limited() {
            match subscription.admit() {
                Admission::No => return false,
                Admission::Last => self.finished.push((account.clone(), Interested(subscription.clone()))),
                Admission::Yes => {}
            }
        } else {
            self.staging.count(slot);
        }
        let buffer = self.staging.message_buffer(target, message.headers.len() + message.payload.len());
        buffer.extend_from_slice(if headers { b"HMSG " } else { b"MSG " });
        for part in [subject, b" ", &subscription.sid, b" "] {
            buffer.extend_from_slice(part);
        }
        if headers || !message.has_headers {
            buffer.extend_from_slice(message.tail);
            return true;
        }
        if !message.reply.is_empty() {
            buffer.extend_from_slice(message.reply);
            buffer.push(b' ');
        }
        number(buffer, message.payload.len());
        for part in [CRLF, message.payload, CRLF] {
            buffer.extend_from_slice(part);
        }
        true
    }

    /// Delivers without an entry: the subject is seen the first time. Replies to inboxes come this way, and are known
    /// by their prefix.
    #[inline(never)]
    fn deliver_uncached(
        &mut self,
        account: &Arc<Account>,
        route: &[u8],
        subject: &[u8],
        seen: Seen,
        message: &Outgoing<'_>,
    ) -> bool {
        if let Some(any) = self.deliver_by_prefix(account, route, subject, seen, message, true) {
            return any;
        }
        let mut any = false;
        let mut internal: SmallVec<[u64; 4]> = SmallVec::new();
        {
            let list = account.interest.read();
            let mut groups = Groups::new();
            let mut remote: Option<RemoteMatch> = None;
            list.matches(route, |matched| {
                for one in matched.plain() {
                    match &one.0.recipient {
                        Recipient::Internal(target) => internal.push(*target),
                        Recipient::Connection(_) => {
                            let slot = self.staging.subscription(&one.0);
                            any |= self.stage_slot(account, slot, subject, message);
                        }
                        Recipient::Route(route) => {
                            remote.get_or_insert_default().add_plain(self.staging.target(route));
                        }
                    }
                }
                groups.extend(matched.queues());
            });
            let served = self.stage_groups(account, &mut groups, subject, message, &mut remote);
            any |= !served.is_empty();
            if let Some(remote) = &remote {
                any |= self.stage_remote(account, route, subject, remote, &served, message);
            }
        }
        for target in &internal {
            self.deliver_internal(account, *target, subject, message);
        }
        any || !internal.is_empty()
    }

    /// One member here of each group gets the message. Groups of one name are one group. Returns the groups that were
    /// served; members elsewhere are put into `remote`.
    fn stage_groups<'a>(
        &mut self,
        account: &Arc<Account>,
        groups: &mut Groups<'a>,
        subject: &[u8],
        message: &Outgoing<'_>,
        remote: &mut Option<RemoteMatch>,
    ) -> Served<'a> {
        groups.sort_by(|left, right| left.name.cmp(&right.name));
        let mut served = Served::new();
        for same in groups.chunk_by(|left, right| left.name == right.name) {
            let Some(name) = same.first().map(|group| &*group.name) else { continue };
            let mut members: SmallVec<[&Interested; 8]> = SmallVec::new();
            for one in same.iter().flat_map(|group| &group.members) {
                match &one.0.recipient {
                    Recipient::Route(route) => {
                        let target = self.staging.target(route);
                        remote.get_or_insert_default().add_group(name, target, one.0.weight());
                    }
                    _ => members.push(one),
                }
            }
            if members.is_empty() {
                continue;
            }
            let first = self.choose(members.len());
            let taken = members.iter().cycle().skip(first).take(members.len()).any(|one| {
                let slot = self.staging.subscription(&one.0);
                self.stage_slot(account, slot, subject, message)
            });
            served.extend(taken.then_some(name));
        }
        served
    }

    fn deliver_by_prefix(
        &mut self,
        account: &Arc<Account>,
        route: &[u8],
        subject: &[u8],
        seen: Seen,
        message: &Outgoing<'_>,
        everywhere: bool,
    ) -> Option<bool> {
        // A subject that ends in an empty token matches nothing.
        let end = memchr::memrchr(b'.', route).filter(|end| end + 1 < route.len())?;
        let key = SubjectKey::new(&route[..end]);
        let entry = match self.cache(account).take_prefix(&key, seen) {
            Ok(entry) => entry,
            Err(false) => return None,
            Err(true) => {
                let known = self.prefix_match(account, key.subject);
                Box::new(PrefixEntry::new(&key, seen, known))
            }
        };
        let delivered = entry.known.as_ref().map(|known| {
            let mut any = false;
            for slot in &known.subscriptions {
                any |= self.stage_slot(account, *slot, subject, message);
            }
            for target in known.routes.iter().filter(|_| everywhere) {
                any |= self.stage_plain_frame(account, route, subject, *target, message);
            }
            any
        });
        self.cache(account).put_prefix(entry);
        delivered
    }

    fn prefix_match(&mut self, account: &Arc<Account>, prefix: &[u8]) -> Option<PrefixMatch> {
        let mut known = PrefixMatch::default();
        let mut simple = true;
        let list = account.interest.read();
        let uniform = list.matches_below(prefix, |matched: &Matched<Interested>| {
            simple &= matched.queues().is_empty();
            for one in matched.plain() {
                match &one.0.recipient {
                    Recipient::Internal(_) => simple = false,
                    Recipient::Connection(_) => known.subscriptions.push(self.staging.subscription(&one.0)),
                    Recipient::Route(route) => {
                        let target = self.staging.target(route);
                        if !known.routes.contains(&target) {
                            known.routes.push(target);
                        }
                    }
                }
            }
        });
        (uniform && simple).then_some(known)
    }

    fn deliver_internal(&mut self, account: &Arc<Account>, target: u64, subject: &[u8], message: &Outgoing<'_>) {
        let inbound = Inbound {
            subject,
            reply: message.reply,
            headers: message.headers,
            payload: message.payload,
            connection: message.from,
        };
        self.ingress_dirty = true;
        let Some(mut ingress) = self.ingress.take() else {
            // It is at work further up the stack: what it published is for itself, and comes after.
            if self.deferred.len() < DEFERRED_MAX {
                self.deferred.push(Deferred::new(account, target, &inbound));
            }
            return;
        };
        ingress.message(self, account, target, &inbound);
        let mut next = 0;
        while let Some(deferred) = self.deferred.get(next).cloned() {
            ingress.message(self, &deferred.account, deferred.target, &deferred.message());
            next += 1;
        }
        self.deferred.clear();
        self.ingress = Some(ingress);
    }
}

/// A message for the internal subscriber that was published while it was at work.
#[derive(Clone)]
pub(crate) struct Deferred {
    account: Arc<Account>,
    target: u64,
    parts: Arc<[Box<[u8]>; 4]>,
    connection: u64,
}

impl Deferred {
    fn new(account: &Arc<Account>, target: u64, message: &Inbound<'_>) -> Self {
        let parts = [message.subject, message.reply, message.headers, message.payload].map(Into::into);
        Self { account: account.clone(), target, parts: Arc::new(parts), connection: message.connection }
    }

    fn message(&self) -> Inbound<'_> {
        let [subject, reply, headers, payload] = &*self.parts;
        Inbound { subject, reply, headers, payload, connection: self.connection }
    }
}

impl MatchEntry {
    /// The subject in the head of a delivery.
    fn heads_subject(&self, delivery: &Delivery) -> SmallVec<[u8; HEAD_INLINE]> {
        let head = &self.heads[delivery.head.start as usize + 5..delivery.head.end as usize];
        let end = memchr::memchr(b' ', head).unwrap_or(head.len());
        SmallVec::from_slice(&head[..end])
    }
}
