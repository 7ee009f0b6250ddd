//! An address to be connected with, and when to try it.

use super::Dialed;
use crate::backoff;
use crate::peer::PeerId;
use std::time::Instant;

/// A target's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetId(pub(super) u64);

/// An address to be connected with.
pub(super) struct Target {
    pub(super) id: TargetId,
    pub(super) address: String,
    /// A person said so; else another server did.
    pub(super) explicit: bool,
    /// Who answered there last, or who is said to.
    pub(super) peer: Option<PeerId>,
    /// It is our own.
    pub(super) itself: bool,
    pub(super) dialing: bool,
    pub(super) next: Instant,
    /// Dials in a row that failed.
    pub(super) failures: u32,
    /// Those of them since nobody knows the server any more.
    pub(super) unknown_failures: u32,
}

impl Target {
    pub(super) fn new(id: TargetId, address: &str, peer: Option<PeerId>, next: Instant) -> Self {
        Self {
            id,
            address: address.to_owned(),
            explicit: peer.is_none(),
            peer,
            itself: false,
            dialing: false,
            next,
            failures: 0,
            unknown_failures: 0,
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.dialing && !self.itself && self.next <= now
    }

    /// The route with the server there was lost.
    pub(super) fn lost(&mut self, now: Instant, random: u64) {
        self.failures = 0;
        self.next = now + backoff::pause(1, random);
    }

    /// A dial has ended.
    pub(super) fn ended(&mut self, dialed: &Dialed, unknown: bool, now: Instant, random: u64) {
        self.dialing = false;
        match dialed {
            Dialed::Reached(peer) => {
                // A server that was only heard of and comes back as another one is heard of anew.
                if self.explicit {
                    self.peer = Some(*peer);
                }
                (self.failures, self.unknown_failures) = (0, 0);
                self.next = now + backoff::pause(1, random);
            }
            Dialed::Itself => self.itself = true,
            Dialed::Failed => {
                self.failures = self.failures.saturating_add(1);
                if unknown {
                    self.unknown_failures = self.unknown_failures.saturating_add(1);
                }
                self.next = now + backoff::pause(self.failures, random);
            }
        }
    }
}
