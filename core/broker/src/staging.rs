//! What a thread has for each connection and each subscription it delivers to: slots, filled during a batch and
//! flushed once at its end.

use crate::limits::{BUFFER_KEEP_MAX, BUFFER_POOL};
use crate::outbound::Outbound;
use crate::subscription::{Recipient, Subscription};
use hashbrown::HashMap;
use std::sync::Arc;

/// A connection this thread delivers to.
pub(crate) struct Target {
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) headers: bool,
    dirty: bool,
    messages: u64,
    bytes: u64,
}

/// A subscription this thread delivers to.
pub(crate) struct SubscriptionSlot {
    pub(crate) subscription: Arc<Subscription>,
    /// The connection's slot; `u32::MAX` for internal subscribers and other servers.
    pub(crate) target: u32,
    /// Each delivery must be asked for.
    pub(crate) limited: bool,
    delivered: u32,
}

/// Slots by number, and what of them has changed since the last flush.
#[derive(Default)]
pub(crate) struct Staging {
    pub(crate) targets: Vec<Target>,
    pub(crate) subscriptions: Vec<SubscriptionSlot>,
    target_of: HashMap<u64, u32>,
    subscription_of: HashMap<u64, u32>,
    dirty_targets: Vec<u32>,
    dirty_subscriptions: Vec<u32>,
    pool: Vec<Vec<u8>>,
}

/// What one flush sent.
#[derive(Default)]
pub(crate) struct Flushed {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) congested: Option<Arc<Outbound>>,
}

impl Staging {
    /// The slot of a connection.
    pub(crate) fn target(&mut self, outbound: &Arc<Outbound>) -> u32 {
        if let Some(slot) = self.target_of.get(&outbound.id) {
            self.targets[*slot as usize].headers = outbound.headers();
            return *slot;
        }
        let slot = self.targets.len() as u32;
        self.targets.push(Target {
            headers: outbound.headers(),
            outbound: outbound.clone(),
            buffer: Vec::new(),
            dirty: false,
            messages: 0,
            bytes: 0,
        });
        self.target_of.insert(outbound.id, slot);
        slot
    }

    /// The slot of a subscription.
    pub(crate) fn subscription(&mut self, subscription: &Arc<Subscription>) -> u32 {
        if let Some(slot) = self.subscription_of.get(&subscription.id) {
            let slot = *slot;
            self.subscriptions[slot as usize].limited = subscription.is_limited();
            return slot;
        }
        let target = match &subscription.recipient {
            Recipient::Connection(outbound) => self.target(outbound),
            Recipient::Internal(_) | Recipient::Route(_) => u32::MAX,
        };
        let slot = self.subscriptions.len() as u32;
        self.subscriptions.push(SubscriptionSlot {
            limited: subscription.is_limited(),
            subscription: subscription.clone(),
            target,
            delivered: 0,
        });
        self.subscription_of.insert(subscription.id, slot);
        slot
    }

    /// Counts one delivery to a subscription.
    #[inline(always)]
    pub(crate) fn count(&mut self, slot: u32) {
        let subscription = &mut self.subscriptions[slot as usize];
        if subscription.delivered == 0 {
            self.dirty_subscriptions.push(slot);
        }
        subscription.delivered += 1;
    }

    /// The buffer of a connection, for one message with `bytes` of payload.
    #[inline(always)]
    pub(crate) fn message_buffer(&mut self, slot: u32, bytes: usize) -> &mut Vec<u8> {
        let target = self.dirty_target(slot);
        target.messages += 1;
        target.bytes += bytes as u64;
        &mut target.buffer
    }

    /// The buffer of a connection, for what is no message.
    pub(crate) fn control_buffer(&mut self, slot: u32) -> &mut Vec<u8> {
        &mut self.dirty_target(slot).buffer
    }

    #[inline(always)]
    fn dirty_target(&mut self, slot: u32) -> &mut Target {
        let target = &mut self.targets[slot as usize];
        if !target.dirty {
            target.dirty = true;
            self.dirty_targets.push(slot);
            if let Some(buffer) = self.pool.pop() {
                target.buffer = buffer;
            }
        }
        target
    }

    /// True if something waits to be flushed.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty_targets.is_empty()
    }

    /// Reports deliveries to the subscriptions.
    pub(crate) fn report_delivered(&mut self) {
        for slot in self.dirty_subscriptions.drain(..) {
            let slot = &mut self.subscriptions[slot as usize];
            slot.subscription.add_delivered(u64::from(std::mem::take(&mut slot.delivered)));
        }
    }

    /// Sends everything staged, and reports deliveries to the subscriptions.
    pub(crate) fn flush(&mut self) -> Flushed {
        let mut flushed = Flushed::default();
        self.report_delivered();
        for slot in self.dirty_targets.drain(..) {
            let target = &mut self.targets[slot as usize];
            target.dirty = false;
            let (messages, bytes) = (std::mem::take(&mut target.messages), std::mem::take(&mut target.bytes));
            if messages != 0 {
                target.outbound.count_sent(messages, bytes);
                flushed.messages += messages;
                flushed.bytes += bytes;
            }
            target.outbound.send(&target.buffer);
            if target.outbound.is_congested() {
                flushed.congested = Some(target.outbound.clone());
            }
            let mut buffer = std::mem::take(&mut target.buffer);
            if buffer.capacity() <= BUFFER_KEEP_MAX && self.pool.len() < BUFFER_POOL {
                buffer.clear();
                self.pool.push(buffer);
            }
        }
        flushed
    }

    /// Forgets all slots. Only between batches, when nothing is staged.
    pub(crate) fn clear(&mut self) {
        self.targets.clear();
        self.subscriptions.clear();
        self.target_of.clear();
        self.subscription_of.clear();
    }

    /// Slots in use.
    pub(crate) fn len(&self) -> usize {
        self.targets.len() + self.subscriptions.len()
    }
}
