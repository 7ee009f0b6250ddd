//! Messages that grow too old: the leader finds them by its clock and proposes, apply removes.

use super::Stream;
use crate::command::StreamCommand;
use crate::effect::{Effects, Proposals};
use crate::limits::EXPIRE_BATCH_MAX;

impl Stream {
    /// When the leader has to look for what is too old.
    pub(crate) fn poll_timeout(&self) -> Option<i64> {
        if self.expiring {
            return None;
        }
        let age = (self.rules.max_age > 0)
            .then(|| self.oldest_mortal())
            .flatten()
            .map(|time| time.saturating_add(self.rules.max_age));
        match (age, self.ttls.poll_timeout()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Proposes the removal of what is too old.
    pub(crate) fn handle_timeout(&mut self, now: i64, out: &mut Proposals) {
        if self.expiring || self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        let uid = self.uid();
        let mut propose = |command: StreamCommand| {
            out.push(command.number(), uid, |body| command.encode(body));
        };
        if let Some(through) = self.too_old(now) {
            propose(StreamCommand::Expire { through });
            self.expiring = true;
        }
        let index = &self.index;
        let runs = self.ttls.take_due(now, EXPIRE_BATCH_MAX, |seq| index.get(seq).is_some());
        if !runs.is_empty() {
            propose(StreamCommand::ExpireMessages { runs });
        }
    }

    pub(crate) fn apply_expire(&mut self, through: u64, fx: &mut Effects) {
        self.expiring = false;
        if !self.ttls.has_exempt() {
            self.purge_below(through.saturating_add(1), fx);
            return;
        }
        let mut from = self.index.first_seq();
        while let Some((seq, _)) = self.index.next_from(from) {
            if seq > through {
                break;
            }
            if !self.ttls.is_exempt(seq) {
                self.remove(seq, fx);
            }
            from = seq + 1;
        }
    }

    pub(crate) fn apply_expire_messages(&mut self, runs: &[(u64, u64)], fx: &mut Effects) {
        for (first, last) in runs {
            for seq in *first..=(*last).min(self.index.last_seq()) {
                self.remove(seq, fx);
            }
        }
    }

    /// A proposal may be lost with the leadership.
    pub(crate) fn reset_leadership(&mut self) {
        self.expiring = false;
    }

    /// The last sequence of those that are too old, at most so many at once.
    fn too_old(&self, now: i64) -> Option<u64> {
        if self.rules.max_age == 0 || self.index.count() == 0 {
            return None;
        }
        let cutoff = now.saturating_sub(self.rules.max_age);
        let old = self.index.seq_at_time(cutoff.saturating_add(1)).saturating_sub(1);
        let first = self.first_mortal()?;
        let through = old.min(first.saturating_add(EXPIRE_BATCH_MAX as u64));
        (through >= first).then_some(through)
    }

    fn first_mortal(&self) -> Option<u64> {
        let mut from = self.index.first_seq();
        while let Some((seq, _)) = self.index.next_from(from) {
            if !self.ttls.is_exempt(seq) {
                return Some(seq);
            }
            from = seq + 1;
        }
        None
    }

    fn oldest_mortal(&self) -> Option<i64> {
        if !self.ttls.has_exempt() {
            return self.index.first_time();
        }
        self.first_mortal().and_then(|seq| self.index.get(seq)).map(|meta| meta.time)
    }
}
