//! Interest and work queue retention: what is acked goes.

use forebay_api::stream::Retention;

use super::Stream;
use crate::effect::Effects;

impl Stream {
    /// A consumer acked these; its own state knows it already.
    pub(crate) fn apply_acked(&mut self, runs: &[(u64, u64)], fx: &mut Effects) {
        if !self.rules.waits_for_acks() {
            return;
        }
        for (first, last) in runs {
            let mut from = (*first).max(self.index.first_seq());
            while let Some((seq, _)) = self.index.next_from(from) {
                if seq > *last {
                    break;
                }
                self.remove_if_done(seq, fx);
                from = seq + 1;
            }
        }
    }

    /// A consumer does not wait any more for everything above `floor`, or is gone: what only it waited for goes. Work
    /// queues keep their messages for the next one.
    pub(crate) fn remove_done_above(&mut self, floor: u64, fx: &mut Effects) {
        if self.rules.retention != Retention::Interest {
            return;
        }
        let mut from = self.index.first_seq().max(floor + 1);
        while let Some((seq, _)) = self.index.next_from(from) {
            self.remove_if_done(seq, fx);
            from = seq + 1;
        }
    }

    fn remove_if_done(&mut self, seq: u64, fx: &mut Effects) {
        let done = match self.rules.retention {
            Retention::Limits => false,
            Retention::WorkQueue => true,
            Retention::Interest => {
                let Some(meta) = self.index.get(seq) else { return };
                let subject = self.index.subject(meta.subject_id).map_or(&b""[..], |subject| &*subject.name);
                self.consumers.values().all(|consumer| consumer.is_done_with(seq, subject))
            }
        };
        if done {
            self.remove(seq, fx);
        }
    }
}
