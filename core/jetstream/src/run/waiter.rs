//! Who waits for an entry: beside the records in the lane, never in the log.

use crate::effect::{ApiDone, ApiOk};
use crate::id::NO_WAITER;
use forebay_api::error::ApiError;

/// What happens when an API command has been applied.
pub(super) type Completion = Box<dyn FnOnce(Result<ApiOk, ApiError>, &mut forebay_broker::ThreadState) + Send>;

/// One reply that is owed.
#[derive(Clone, Copy, Debug)]
struct Reply {
    account: u32,
    start: u32,
    len: u32,
}

/// Whoever waits for the records of one entry.
#[derive(Default)]
pub struct Waiters {
    subjects: Vec<u8>,
    /// By the record's ordinal.
    publishes: Vec<Option<Reply>>,
    /// By the record's ordinal, of entries with commands.
    completions: Vec<(u32, Completion)>,
    /// Empty replies that are owed when the whole entry has been applied: double acks.
    afterwards: Vec<Reply>,
}

impl std::fmt::Debug for Waiters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiters").field("publishes", &self.publishes.len()).finish_non_exhaustive()
    }
}

impl Waiters {
    /// The next record is a publish; `reply` is empty if nobody waits for its ack.
    #[inline]
    pub(super) fn push_publish(&mut self, account: usize, reply: &[u8]) {
        let reply = (!reply.is_empty()).then(|| self.keep(account, reply));
        self.publishes.push(reply);
    }

    #[inline]
    fn keep(&mut self, account: usize, subject: &[u8]) -> Reply {
        let start = self.subjects.len() as u32;
        self.subjects.extend_from_slice(subject);
        Reply { account: account as u32, start, len: subject.len() as u32 }
    }

    /// The record with this ordinal is a command that somebody waits for.
    pub(super) fn push_completion(&mut self, ordinal: u32, completion: Completion) {
        self.completions.push((ordinal, completion));
    }

    /// An empty reply is owed when the entry has been applied.
    pub(super) fn push_afterwards(&mut self, account: usize, reply: &[u8]) {
        let reply = self.keep(account, reply);
        self.afterwards.push(reply);
    }

    /// The number by which apply names who waits for a record.
    #[inline]
    pub(super) fn number(&self, ordinal: u32) -> u32 {
        let waits = match self.publishes.get(ordinal as usize) {
            Some(reply) => reply.is_some(),
            None => self.completions.iter().any(|(number, _)| *number == ordinal),
        };
        if waits { ordinal } else { NO_WAITER }
    }

    /// The account number and reply subject of a publish.
    #[inline]
    pub(super) fn publish(&self, ordinal: u32) -> Option<(usize, &[u8])> {
        self.publishes.get(ordinal as usize).copied().flatten().and_then(|reply| self.resolve(reply))
    }

    fn resolve(&self, reply: Reply) -> Option<(usize, &[u8])> {
        let start = reply.start as usize;
        self.subjects.get(start..start + reply.len as usize).map(|subject| (reply.account as usize, subject))
    }

    /// The empty replies that are owed now.
    pub(super) fn afterwards(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.afterwards.iter().copied().filter_map(|reply| self.resolve(reply))
    }

    /// Takes the completion that an outcome is for.
    pub(super) fn take_completion(&mut self, done: &ApiDone) -> Option<Completion> {
        self.take_completion_of(done.waiter)
    }

    /// Takes the completion of a waiter.
    pub(super) fn take_completion_of(&mut self, waiter: u32) -> Option<Completion> {
        let at = self.completions.iter().position(|(ordinal, _)| *ordinal == waiter)?;
        Some(self.completions.swap_remove(at).1)
    }

    /// Takes all completions: the entry was not taken.
    pub(super) fn take_completions(&mut self) -> Vec<Completion> {
        self.completions.drain(..).map(|(_, completion)| completion).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_without_reply_has_no_waiter() {
        let mut waiters = Waiters::default();
        waiters.push_publish(0, b"");
        waiters.push_publish(3, b"_INBOX.a");
        assert_eq!((waiters.number(0), waiters.number(1)), (NO_WAITER, 1));
        assert_eq!(waiters.publish(1), Some((3, &b"_INBOX.a"[..])));
        assert_eq!(waiters.number(2), NO_WAITER);
    }
}
