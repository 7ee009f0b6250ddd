//! What all threads share: the accounts, the limits, the counters.

use crate::account::Account;
use crate::cluster::Membership;
use crate::limits::PENDING_MAX;
use crate::outbound::CloseReason;
use forebay_auth::AuthConfig;
use forebay_protocol::info::ServerInfo;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The account of those who name none.
pub const GLOBAL_ACCOUNT: &str = "$G";

/// What the broker is told at start.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// What INFO says; the fields of one connection are filled in for each.
    pub info: ServerInfo,
    /// Who may connect.
    pub auth: AuthConfig,
    /// Largest payload, headers included, in bytes.
    pub payload_max: usize,
    /// Longest control line, in bytes.
    pub control_line_max: usize,
    /// Most bytes that wait for one connection.
    pub pending_max: usize,
    /// Most connections.
    pub connections_max: usize,
    /// Most subscriptions of one connection; 0 means any number.
    pub subscriptions_max: usize,
    /// Most tokens of a subscription's filter; 0 means any number.
    pub subscription_tokens_max: usize,
    /// Time between the server's PINGs.
    pub ping_interval: Duration,
    /// Unanswered PINGs after which a connection is stale.
    pub pings_out_max: u32,
    /// How long a client may take to CONNECT where credentials are needed.
    pub auth_timeout: Duration,
    /// How long a connection may take nothing of what waits for it.
    pub write_deadline: Duration,
    /// The name of the cluster that the server belongs to, if it does.
    pub cluster: Option<String>,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            info: ServerInfo::default(),
            auth: AuthConfig::default(),
            payload_max: forebay_protocol::limits::PAYLOAD_MAX,
            control_line_max: forebay_protocol::limits::CONTROL_LINE_MAX,
            pending_max: PENDING_MAX,
            connections_max: 65_536,
            subscriptions_max: 0,
            subscription_tokens_max: 0,
            ping_interval: Duration::from_secs(120),
            pings_out_max: 2,
            auth_timeout: Duration::from_secs(2),
            write_deadline: Duration::from_secs(10),
            cluster: None,
        }
    }
}

/// Traffic of one thread, written by it alone.
#[derive(Debug, Default)]
pub(crate) struct ThreadCounters {
    pub(crate) in_messages: AtomicU64,
    pub(crate) in_bytes: AtomicU64,
    pub(crate) out_messages: AtomicU64,
    pub(crate) out_bytes: AtomicU64,
}

/// The server's traffic and population at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct BrokerStats {
    pub in_messages: u64,
    pub in_bytes: u64,
    pub out_messages: u64,
    pub out_bytes: u64,
    pub connections: usize,
    pub total_connections: u64,
    pub subscriptions: usize,
    pub slow_consumers: u64,
    pub stale_connections: u64,
    pub stalls: u64,
}

/// What all threads share.
pub struct Broker {
    config: BrokerConfig,
    pub(crate) membership: Membership,
    accounts: RwLock<Vec<Arc<Account>>>,
    threads: RwLock<Vec<Arc<ThreadCounters>>>,
    next_connection: AtomicU64,
    next_subscription: AtomicU64,
    connections: AtomicUsize,
    total_connections: AtomicU64,
    retired: AtomicU64,
    slow_consumers: AtomicU64,
    stale_connections: AtomicU64,
    stalls: AtomicU64,
}

impl Broker {
    /// A broker with the global account and nobody in it.
    pub fn new(config: BrokerConfig) -> Arc<Self> {
        let broker = Arc::new(Self {
            membership: Membership::new(config.cluster.as_ref()),
            config,
            accounts: RwLock::default(),
            threads: RwLock::default(),
            next_connection: AtomicU64::new(1),
            next_subscription: AtomicU64::new(1),
            connections: AtomicUsize::new(0),
            total_connections: AtomicU64::new(0),
            retired: AtomicU64::new(0),
            slow_consumers: AtomicU64::new(0),
            stale_connections: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
        });
        broker.account(GLOBAL_ACCOUNT);
        broker
    }

    /// What it was told at start.
    pub fn config(&self) -> &BrokerConfig {
        &self.config
    }

    /// The account with this name; made if it is not there yet.
    pub fn account(&self, name: &str) -> Arc<Account> {
        if let Some(account) = self.accounts.read().iter().find(|account| &*account.name == name) {
            return account.clone();
        }
        let mut accounts = self.accounts.write();
        if let Some(account) = accounts.iter().find(|account| &*account.name == name) {
            return account.clone();
        }
        let number = accounts.len();
        let account = Arc::new(match &self.membership.announcements {
            Some(announcements) => Account::announced(number, name, announcements),
            None => Account::new(number, name),
        });
        accounts.push(account.clone());
        account
    }

    /// The account with this name, if it is there.
    pub fn find_account(&self, name: &str) -> Option<Arc<Account>> {
        self.accounts.read().iter().find(|account| &*account.name == name).cloned()
    }

    /// All accounts.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        self.accounts.read().clone()
    }

    /// A connection came: its number, and whether there is room for it.
    pub fn connection_opened(&self) -> (u64, bool) {
        let now = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        self.total_connections.fetch_add(1, Ordering::Relaxed);
        (self.next_connection(), now <= self.config.connections_max)
    }

    /// A number for a new connection; those that are no client's are not counted among these.
    pub fn next_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection went.
    pub fn connection_closed(&self, reason: CloseReason) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.retire();
        if reason.is_slow_consumer() {
            self.slow_consumers.fetch_add(1, Ordering::Relaxed);
        }
        if reason == CloseReason::StaleConnection {
            self.stale_connections.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A publisher was held back for a congested connection.
    pub fn count_stall(&self) {
        self.stalls.fetch_add(1, Ordering::Relaxed);
    }

    /// A number for a new subscription.
    pub fn next_subscription(&self) -> u64 {
        self.next_subscription.fetch_add(1, Ordering::Relaxed)
    }

    /// A subscription or connection is over; threads may still hold slots for it.
    pub(crate) fn retire(&self) {
        self.retired.fetch_add(1, Ordering::Relaxed);
    }

    /// A subscription was taken out of its account by who had put it in.
    pub fn subscription_over(&self) {
        self.retire();
    }

    /// How many are over.
    #[inline]
    pub(crate) fn retired(&self) -> u64 {
        self.retired.load(Ordering::Relaxed)
    }

    /// Counters for a new thread.
    pub(crate) fn thread_counters(&self) -> Arc<ThreadCounters> {
        let counters = Arc::new(ThreadCounters::default());
        self.threads.write().push(counters.clone());
        counters
    }

    /// Traffic and population now.
    pub fn stats(&self) -> BrokerStats {
        let mut stats = BrokerStats {
            connections: self.connections.load(Ordering::Relaxed),
            total_connections: self.total_connections.load(Ordering::Relaxed),
            subscriptions: self.accounts.read().iter().map(|account| account.interest.len()).sum(),
            slow_consumers: self.slow_consumers.load(Ordering::Relaxed),
            stale_connections: self.stale_connections.load(Ordering::Relaxed),
            stalls: self.stalls.load(Ordering::Relaxed),
            ..BrokerStats::default()
        };
        for thread in self.threads.read().iter() {
            stats.in_messages += thread.in_messages.load(Ordering::Relaxed);
            stats.in_bytes += thread.in_bytes.load(Ordering::Relaxed);
            stats.out_messages += thread.out_messages.load(Ordering::Relaxed);
            stats.out_bytes += thread.out_bytes.load(Ordering::Relaxed);
        }
        stats
    }
}
