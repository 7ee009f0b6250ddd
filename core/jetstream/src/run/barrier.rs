//! API requests that wait until what their client wrote before has been applied.

use crate::run::delivery::Ready;
use crate::run::queue::Work;
use crate::run::{JetStream, api};
use forebay_broker::{Account, Inbound, ThreadState};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Requests that may wait at once; beyond that, one is served before its turn.
const WAITING_MAX: usize = 4096;

/// A request that was put off.
pub(super) struct Request {
    account: Arc<Account>,
    parts: [Box<[u8]>; 4],
    connection: u64,
}

struct Waiting {
    after: u64,
    core: usize,
    request: Box<Request>,
}

/// Requests by the entry they wait for.
#[derive(Default)]
pub(super) struct Barriers {
    waiting: Mutex<Vec<Waiting>>,
    count: AtomicUsize,
    /// The last entry that is in the machines, since this server started.
    applied: AtomicU64,
}

impl Barriers {
    /// Puts a request off until the entry `after` has been applied; false if it need not, or cannot, wait.
    pub(super) fn wait(&self, js: &JetStream, after: u64, account: &Arc<Account>, message: &Inbound<'_>) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= WAITING_MAX {
            return false;
        }
        self.count.fetch_add(1, Ordering::SeqCst);
        // The lane looks at the count after it has stored its position: whoever is not seen there sees that here.
        if self.is_applied(after) {
            self.count.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        let request = Box::new(Request::new(account, message));
        let core = message.connection as usize % js.queues.len().max(1);
        waiting.push(Waiting { after, core, request });
        true
    }

    /// True if the entry is in the machines.
    pub(super) fn is_applied(&self, lsn: u64) -> bool {
        self.applied.load(Ordering::SeqCst) >= lsn
    }

    /// Everything up to `applied` is in the machines, or will never be.
    pub(super) fn release(&self, js: &JetStream, applied: u64) {
        let applied = self.applied.fetch_max(applied, Ordering::SeqCst).max(applied);
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let ready: Vec<Waiting> = self.waiting.lock().extract_if(.., |waiting| waiting.after <= applied).collect();
        self.count.fetch_sub(ready.len(), Ordering::SeqCst);
        for waiting in ready {
            if let Some(queue) = js.queues.get(waiting.core) {
                queue.push(Work::Ready(Ready::Request(waiting.request)));
            }
        }
    }
}

impl Request {
    pub(super) fn new(account: &Arc<Account>, message: &Inbound<'_>) -> Self {
        let parts = [message.subject, message.reply, message.headers, message.payload].map(Into::into);
        Self { account: account.clone(), parts, connection: message.connection }
    }

    /// As it came.
    pub(super) fn message(&self) -> (&Arc<Account>, Inbound<'_>) {
        let [subject, reply, headers, payload] = &self.parts;
        (&self.account, Inbound { subject, reply, headers, payload, connection: self.connection })
    }

    /// Serves it now.
    pub(super) fn serve(&self, js: &Arc<JetStream>, thread: &mut ThreadState) {
        let (account, message) = self.message();
        api::answer(js, thread, account, &message);
    }
}
