//! `Nats-Rollup`: a message that replaces those before it (ADR-8's purge of a key, among others).

use forebay_api::error::ApiError;
use forebay_api::publish::{PublishHeaders, Rollup};

use super::{Rules, Stream};
use crate::effect::Effects;

/// Whether the stream allows it.
pub(super) fn check(rules: &Rules, headers: &PublishHeaders<'_>) -> Result<(), ApiError> {
    let Some(rollup) = headers.rollup else { return Ok(()) };
    if !rules.allow_rollup || rules.deny_purge {
        return Err(ApiError::stream_rollup_failed("rollup not permitted"));
    }
    match rollup {
        Rollup::Subject | Rollup::All => Ok(()),
        Rollup::Invalid(value) => {
            let value = String::from_utf8_lossy(value);
            Err(ApiError::stream_rollup_failed(format_args!("rollup value invalid: {value:?}")))
        }
    }
}

impl Stream {
    /// Removes what the message with this sequence replaces.
    pub(super) fn apply_rollup(&mut self, headers: &PublishHeaders<'_>, subject: &[u8], seq: u64, fx: &mut Effects) {
        match headers.rollup {
            Some(Rollup::All) => {
                self.purge_below(seq, fx);
            }
            Some(Rollup::Subject) => {
                while let Some(first) = self.index.subject_of(subject).map(|state| state.first) {
                    if first >= seq || !self.remove(first, fx) {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
}
