//! One subscription: whose it is, what it wants, how much it got.

use crate::outbound::Outbound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Who gets what a subscription matches.
pub enum Recipient {
    /// A connection.
    Connection(Arc<Outbound>),
    /// Something inside the server, known to the thread's [`crate::Ingress`] by this number.
    Internal(u64),
    /// Subscribers at another server, through the route to it: one for each filter and queue group there.
    Route(Arc<Outbound>),
}

/// A subscription, shared by the interest list, its session and the threads' caches.
pub struct Subscription {
    /// Unique in this server.
    pub id: u64,
    /// The filter.
    pub filter: Box<[u8]>,
    /// The queue group.
    pub queue: Option<Box<[u8]>>,
    /// The client's name for it.
    pub sid: Box<[u8]>,
    /// Who gets it.
    pub recipient: Recipient,
    delivered: AtomicU64,
    /// Deliveries after which it ends; 0 means never.
    max: AtomicU64,
    closed: AtomicBool,
    /// Other servers are told of it, and what comes from them reaches it.
    announced: bool,
    /// How many it stands for: members of a queue group at another server.
    weight: AtomicU32,
}

/// What a subscription with a maximum says to one more delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Deliver.
    Yes,
    /// Deliver, and then the subscription is over.
    Last,
    /// It is over.
    No,
}

impl Subscription {
    /// A new subscription that has got nothing yet. Other servers are told of a connection's, not of an internal one.
    pub fn new(id: u64, filter: &[u8], queue: Option<&[u8]>, sid: &[u8], recipient: Recipient) -> Self {
        Self {
            id,
            filter: filter.into(),
            queue: queue.map(Into::into),
            sid: sid.into(),
            announced: matches!(recipient, Recipient::Connection(_)),
            weight: AtomicU32::new(1),
            recipient,
            delivered: AtomicU64::new(0),
            max: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Tells other servers of it too, though it is internal. Whoever inserts it calls [`crate::Broker::announce`] then.
    pub fn announced(mut self) -> Self {
        self.announced = true;
        self
    }

    /// True if other servers are told of it.
    pub fn is_announced(&self) -> bool {
        self.announced
    }

    /// How many it stands for.
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Sets how many it stands for; cached matches learn of it by [`crate::Interest::changed`].
    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    /// Messages delivered, as far as the threads have reported them.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Reports deliveries that were not asked for by [`Subscription::admit`].
    pub(crate) fn add_delivered(&self, count: u64) {
        self.delivered.fetch_add(count, Ordering::Relaxed);
    }

    /// Sets the number of deliveries after which it ends; false if it has got as many already.
    pub(crate) fn set_max(&self, max: u64) -> bool {
        self.max.store(max, Ordering::Release);
        self.delivered() < max
    }

    /// True if each delivery must be asked for.
    pub(crate) fn is_limited(&self) -> bool {
        self.max.load(Ordering::Acquire) != 0
    }

    /// Asks for one delivery and counts it.
    pub(crate) fn admit(&self) -> Admission {
        let max = self.max.load(Ordering::Acquire);
        let number = self.delivered.fetch_add(1, Ordering::AcqRel) + 1;
        if self.is_closed() || (max != 0 && number > max) {
            self.delivered.fetch_sub(1, Ordering::AcqRel);
            return Admission::No;
        }
        if number == max { Admission::Last } else { Admission::Yes }
    }

    /// Marks it as over; false if it was already.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// True once it is over.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// A subscription in the interest list: equal to itself only.
#[derive(Clone)]
pub struct Interested(pub Arc<Subscription>);

impl PartialEq for Interested {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maximum_counts_from_the_first_delivery() {
        let subscription = Subscription::new(1, b"a", None, b"1", Recipient::Internal(0));
        subscription.add_delivered(2);
        assert!(subscription.set_max(4));
        assert_eq!(subscription.admit(), Admission::Yes);
        assert_eq!(subscription.admit(), Admission::Last);
        assert_eq!(subscription.admit(), Admission::No);
        assert_eq!(subscription.delivered(), 4);
        assert!(!subscription.set_max(3));
    }
}
