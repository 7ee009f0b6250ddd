//! How much a stream may hold: refuse the new (`discard: new`), or remove the old.

use forebay_api::error::ApiError;

use super::Stream;
use crate::effect::Effects;

impl Stream {
    /// `discard: new`: is there room for one more (nats-server `filestore.go` `storeRawMsg`)?
    pub(super) fn check_room(&self, subject: &[u8], size: u64) -> Result<(), ApiError> {
        let rules = &self.rules;
        if !rules.discard_new {
            return Ok(());
        }
        // A message that pushes out an old one of its own subject takes its place.
        let mut replaced = None;
        if rules.max_per_subject != u64::MAX
            && let Some(state) = self.index.subject_of(subject)
            && state.count >= rules.max_per_subject
        {
            if rules.discard_new_per_subject {
                return Err(ApiError::stream_store_failed("maximum messages per subject exceeded"));
            }
            replaced = self.index.get(state.first).map(|meta| u64::from(meta.size));
        }
        if self.index.count() >= rules.max_msgs && replaced.is_none() {
            return Err(ApiError::stream_store_failed("maximum messages exceeded"));
        }
        let bytes = self.index.bytes().saturating_add(size);
        if bytes > rules.max_bytes && replaced.is_none_or(|old| old < size) {
            return Err(ApiError::stream_store_failed("maximum bytes exceeded"));
        }
        Ok(())
    }

    /// Removes the oldest until the limits hold again, after a message of `subject` was stored.
    pub(super) fn enforce(&mut self, subject: &[u8], fx: &mut Effects) {
        if self.rules.max_per_subject != u64::MAX {
            self.enforce_subject(subject, fx);
        }
        self.enforce_totals(fx);
    }

    /// The same for every subject, after the limits changed.
    pub(super) fn enforce_all(&mut self, fx: &mut Effects) {
        if self.rules.max_per_subject != u64::MAX {
            let (most, mut over) = (self.rules.max_per_subject, Vec::new());
            self.index.for_each_subject(b">", |subject| {
                if subject.count > most {
                    over.push(subject.name.clone());
                }
            });
            // The index may tell subjects in any order, and removals must not depend on it.
            over.sort_unstable();
            for subject in over {
                self.enforce_subject(&subject, fx);
            }
        }
        self.enforce_totals(fx);
    }

    fn enforce_subject(&mut self, subject: &[u8], fx: &mut Effects) {
        while let Some(state) = self.index.subject_of(subject) {
            let first = state.first;
            if state.count <= self.rules.max_per_subject || !self.remove(first, fx) {
                break;
            }
        }
    }

    fn enforce_totals(&mut self, fx: &mut Effects) {
        while self.index.count() > self.rules.max_msgs || self.index.bytes() > self.rules.max_bytes {
            let first = self.index.first_seq();
            if !self.remove(first, fx) {
                break;
            }
        }
    }
}
