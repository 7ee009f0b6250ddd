//! What a server that belongs to a cluster tells its clients of it.

use crate::announce::Announcements;
use crate::broker::Broker;
use crate::outbound::Outbound;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What INFO says of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// The cluster's name; empty for a server that is alone for good.
    pub name: String,
    /// Where clients may connect.
    pub connect_urls: Vec<String>,
}

/// The broker's part in a cluster.
pub(crate) struct Membership {
    pub(crate) announcements: Option<Arc<Announcements>>,
    facts: RwLock<Arc<ClusterFacts>>,
    generation: AtomicU64,
}

impl Membership {
    pub(crate) fn new(name: Option<&String>) -> Self {
        let facts = ClusterFacts { name: name.cloned().unwrap_or_default(), connect_urls: Vec::new() };
        Self {
            announcements: name.map(|_| Arc::default()),
            facts: RwLock::new(Arc::new(facts)),
            generation: AtomicU64::new(0),
        }
    }
}

impl Broker {
    /// What INFO says of the cluster now.
    pub fn cluster(&self) -> Arc<ClusterFacts> {
        self.membership.facts.read().clone()
    }

    /// Moves whenever [`Broker::cluster`] changes: clients are to be told then.
    pub fn cluster_generation(&self) -> u64 {
        self.membership.generation.load(Ordering::Acquire)
    }

    /// Sets where clients may connect.
    pub fn set_connect_urls(&self, connect_urls: Vec<String>) {
        {
            let mut facts = self.membership.facts.write();
            if facts.connect_urls == connect_urls {
                return;
            }
            *facts = Arc::new(ClusterFacts { name: facts.name.clone(), connect_urls });
        }
        self.membership.generation.fetch_add(1, Ordering::Release);
    }

    /// Tells the other servers what changed in the interest of ours. Threads do it when they flush.
    #[inline]
    pub fn announce(&self) {
        if let Some(announcements) = &self.membership.announcements {
            announcements.send();
        }
    }

    /// A route was made: its other end is told of all interest here, and from then on of its changes.
    pub fn route_opened(&self, route: &Arc<Outbound>) {
        if let Some(announcements) = &self.membership.announcements {
            announcements.attach(route);
        }
    }

    /// A route is over. The subscriptions that came over it are its own to take out.
    pub fn route_closed(&self, route: &Outbound) {
        if let Some(announcements) = &self.membership.announcements {
            announcements.detach(route.id);
        }
        self.retire();
    }

    /// Routes now.
    pub fn routes(&self) -> usize {
        self.membership.announcements.as_ref().map_or(0, |announcements| announcements.routes())
    }
}
