//! What was delivered and not yet settled, on the leader: a ring in the order of first delivery.
//!
//! First deliveries rise in both sequences, and acks come mostly in that order: so the ring is searched by offset, and
//! its front falls off as acks arrive. An entry that is settled out of order stays as a dead slot until the front
//! reaches it or the dead outnumber the living. Nothing is allocated per message.
//!
//! Redelivery times: as long as an entry was delivered once, and not touched since, times rise along the ring, and a
//! cursor to the first such entry is the timer. All others are in a small heap, checked lazily.
//!
//! Kinds of method: getters, commands, and `poll_timeout`/`expire`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::limits::PENDING_COMPACT_MIN;

/// What an entry waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Its ack; its time is found by the cursor.
    Fresh,
    /// Its ack, or the end of a NAK's delay; its time is in the heap.
    Timed,
    /// Its next delivery count being durable.
    Logging,
    /// Somebody to deliver it to.
    Ready,
    /// Somebody to deliver to: then it is given up instead, as it was delivered often enough.
    Spent,
    /// Nothing: a dead slot.
    Gone,
}

/// One delivered message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Stream sequence.
    pub(crate) sseq: u64,
    /// Consumer sequence of the first delivery: what the ack floor counts by.
    pub(crate) cseq: u64,
    /// When it is delivered again.
    pub(crate) deadline: i64,
    /// How often it was sent.
    pub(crate) deliveries: u32,
    pub(crate) wait: Wait,
    /// The time under which the heap has it, if `Timed`.
    armed: i64,
}

impl Entry {
    /// Its next delivery was decided.
    fn is_on_its_way(&self) -> bool {
        matches!(self.wait, Wait::Logging | Wait::Ready)
    }
}

/// The ring.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    ring: VecDeque<Entry>,
    /// How many entries ever left at the front: turns indexes into positions that stay.
    base: u64,
    live: usize,
    /// Entries sent more than once.
    redelivered: usize,
    /// Entries that were never sent: reserved, until that is durable.
    unsent: usize,
    /// Position of the first entry that may be `Fresh`.
    fresh: u64,
    timed: BinaryHeap<Reverse<(i64, u64)>>,
    ready: VecDeque<u64>,
    ready_live: usize,
    logging: usize,
}

impl Pending {
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Entries that were sent more than once.
    pub(crate) fn redelivered(&self) -> usize {
        self.redelivered
    }

    /// Entries that were reserved for a first delivery and not sent yet.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent
    }

    /// Entries that are looked at again as soon as somebody asks.
    pub(crate) fn redeliverable(&self) -> usize {
        self.ready_live + self.logging
    }

    pub(crate) fn has_ready(&self) -> bool {
        self.ready_live > 0
    }

    /// The oldest unsettled entry.
    pub(crate) fn front(&self) -> Option<&Entry> {
        self.ring.front()
    }

    pub(crate) fn get(&self, sseq: u64) -> Option<&Entry> {
        self.ring.get(self.find(sseq)?)
    }

    /// Adds a first delivery; it must lie above all others.
    #[inline]
    pub(crate) fn push(&mut self, sseq: u64, cseq: u64, deadline: i64) {
        debug_assert!(self.ring.back().is_none_or(|last| last.sseq < sseq), "first deliveries rise");
        self.ring.push_back(Entry { sseq, cseq, deadline, deliveries: 1, wait: Wait::Fresh, armed: 0 });
        self.live += 1;
    }

    /// Takes an entry out for good.
    #[inline]
    pub(crate) fn settle(&mut self, sseq: u64) -> Option<Entry> {
        let at = self.find(sseq)?;
        self.remove_at(at)
    }

    /// Takes everything up to `sseq` out, telling each sequence.
    pub(crate) fn settle_through(&mut self, sseq: u64, mut each: impl FnMut(u64)) {
        while let Some(front) = self.ring.front() {
            if front.sseq > sseq {
                break;
            }
            each(front.sseq);
            self.remove_at(0);
        }
    }

    /// Puts an entry's redelivery at `deadline` (in progress, NAK with delay, delivered again).
    pub(crate) fn retime(&mut self, sseq: u64, deadline: i64) -> bool {
        let Some(at) = self.find(sseq) else { return false };
        self.leave_queue(at);
        let Some(entry) = self.ring.get_mut(at) else { return false };
        let keep = entry.wait == Wait::Timed && deadline >= entry.armed;
        entry.deadline = deadline;
        entry.wait = Wait::Timed;
        if !keep {
            entry.armed = deadline;
            self.timed.push(Reverse((deadline, sseq)));
        }
        self.advance_fresh();
        true
    }

    /// The entry will be delivered again once its next count is durable. Returns that count.
    pub(crate) fn begin_logging(&mut self, sseq: u64) -> Option<u32> {
        let at = self.find(sseq)?;
        let count = self.ring.get(at).filter(|entry| !entry.is_on_its_way())?.deliveries.saturating_add(1);
        self.leave_queue(at);
        self.ring.get_mut(at)?.wait = Wait::Logging;
        self.logging += 1;
        self.advance_fresh();
        Some(count)
    }

    /// The entry was delivered often enough: whoever is next to ask makes that final.
    pub(crate) fn queue_spent(&mut self, sseq: u64) {
        let Some(at) = self.find(sseq) else { return };
        if self.ring.get(at).is_none_or(|entry| entry.is_on_its_way() || entry.wait == Wait::Spent) {
            return;
        }
        if let Some(entry) = self.ring.get_mut(at) {
            entry.wait = Wait::Spent;
        }
        self.ready_live += 1;
        self.ready.push_back(sseq);
        self.advance_fresh();
    }

    /// A first delivery that must be durable before it is sent (`max_deliver` 1).
    pub(crate) fn push_logging(&mut self, sseq: u64, cseq: u64) {
        self.ring.push_back(Entry { sseq, cseq, deadline: 0, deliveries: 0, wait: Wait::Logging, armed: 0 });
        self.live += 1;
        self.unsent += 1;
        self.logging += 1;
        self.advance_fresh();
    }

    /// The entry's count is durable: it may be sent. False if it was settled meanwhile.
    pub(crate) fn make_ready(&mut self, sseq: u64) -> bool {
        let Some(at) = self.find(sseq) else { return false };
        let Some(entry) = self.ring.get_mut(at) else { return false };
        if entry.wait != Wait::Logging {
            return false;
        }
        entry.wait = Wait::Ready;
        self.logging -= 1;
        self.ready_live += 1;
        self.ready.push_back(sseq);
        true
    }

    /// The next entry to deliver again, or to give up; it stays first until [`Pending::sent`] or something else was done.
    pub(crate) fn peek_ready(&mut self) -> Option<Entry> {
        while let Some(sseq) = self.ready.front().copied() {
            match self.find(sseq).and_then(|at| self.ring.get(at)) {
                Some(entry) if matches!(entry.wait, Wait::Ready | Wait::Spent) => return Some(*entry),
                _ => self.ready.pop_front(),
            };
        }
        None
    }

    /// The entry that `peek_ready` showed was sent.
    pub(crate) fn sent(&mut self, sseq: u64, deadline: i64) {
        if self.ready.front() == Some(&sseq) {
            self.ready.pop_front();
        }
        if let Some(entry) = self.find(sseq).and_then(|at| self.ring.get_mut(at)) {
            entry.deliveries = entry.deliveries.saturating_add(1);
            self.unsent -= usize::from(entry.deliveries == 1);
            self.redelivered += usize::from(entry.deliveries == 2);
        }
        self.retime(sseq, deadline);
    }

    /// Appends every entry that waits for its ack, in the order of first delivery.
    pub(crate) fn unacked(&self, out: &mut Vec<u64>) {
        let waits = |entry: &&Entry| matches!(entry.wait, Wait::Fresh | Wait::Timed);
        out.extend(self.ring.iter().filter(waits).map(|entry| entry.sseq));
    }

    /// The last moment at which an ack may still come: of what waits for somebody to deliver it to, `wait` after its
    /// time was over.
    pub(crate) fn last_deadline(&self, wait: impl Fn(u32) -> i64) -> Option<i64> {
        let of = |entry: &Entry| match entry.wait {
            Wait::Gone => None,
            Wait::Fresh | Wait::Timed => Some(entry.deadline),
            Wait::Logging | Wait::Ready | Wait::Spent => Some(entry.deadline.saturating_add(wait(entry.deliveries))),
        };
        self.ring.iter().filter_map(of).max()
    }

    /// When [`Pending::expire`] would find something.
    pub(crate) fn poll_timeout(&self) -> Option<i64> {
        let fresh = self.ring.get(self.fresh_index()).map(|entry| entry.deadline);
        let timed = self.timed.peek().map(|Reverse((deadline, _))| *deadline);
        match (fresh, timed) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Calls `each` with every entry whose time has come; what becomes of it is the caller's next step.
    pub(crate) fn expire(&mut self, now: i64, out: &mut Vec<u64>) {
        let mut at = self.fresh_index();
        while let Some(entry) = self.ring.get(at) {
            if entry.wait == Wait::Fresh {
                if entry.deadline > now {
                    break;
                }
                out.push(entry.sseq);
            }
            at += 1;
        }
        while let Some(Reverse((armed, sseq))) = self.timed.peek().copied() {
            if armed > now {
                break;
            }
            self.timed.pop();
            let Some(at) = self.find(sseq) else { continue };
            let Some(entry) = self.ring.get_mut(at) else { continue };
            if entry.wait != Wait::Timed || entry.armed != armed {
                continue;
            }
            if entry.deadline > now {
                entry.armed = entry.deadline;
                let deadline = entry.deadline;
                self.timed.push(Reverse((deadline, sseq)));
            } else {
                // A second heap entry of the same time must not tell it twice.
                entry.armed = i64::MIN;
                out.push(sseq);
            }
        }
    }

    /// Moves the times of first deliveries: the ack wait changed by so much.
    pub(crate) fn shift(&mut self, by: i64) {
        for entry in self.ring.iter_mut().filter(|entry| entry.wait == Wait::Fresh) {
            entry.deadline = entry.deadline.saturating_add(by);
        }
    }

    /// Sets an entry's delivery count, after a restart.
    pub(crate) fn set_deliveries(&mut self, sseq: u64, deliveries: u32) {
        let Some(at) = self.find(sseq) else { return };
        if let Some(entry) = self.ring.get_mut(at) {
            let (before, after) = (entry.deliveries > 1, deliveries > 1);
            entry.deliveries = deliveries;
            self.redelivered = self.redelivered + usize::from(after) - usize::from(before);
        }
    }

    #[inline]
    fn find(&self, sseq: u64) -> Option<usize> {
        let first = self.ring.front()?.sseq;
        let offset = usize::try_from(sseq.checked_sub(first)?).unwrap_or(usize::MAX).min(self.ring.len() - 1);
        let guess = self.ring.get(offset)?;
        let at = if guess.sseq == sseq { offset } else { self.search(sseq, offset)? };
        self.ring.get(at).filter(|entry| entry.wait != Wait::Gone).map(|_| at)
    }

    /// Sequences rise by at least one a slot, so the entry cannot lie behind its offset.
    fn search(&self, sseq: u64, end: usize) -> Option<usize> {
        let (mut low, mut high) = (0, end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.ring.get(middle)?.sseq < sseq { low = middle + 1 } else { high = middle }
        }
        self.ring.get(low).filter(|entry| entry.sseq == sseq).map(|_| low)
    }

    fn remove_at(&mut self, at: usize) -> Option<Entry> {
        self.leave_queue(at);
        let slot = self.ring.get_mut(at)?;
        let entry = *slot;
        slot.wait = Wait::Gone;
        self.redelivered -= usize::from(entry.deliveries > 1);
        self.unsent -= usize::from(entry.deliveries == 0);
        self.live -= 1;
        if at == 0 {
            while self.ring.pop_front_if(|front| front.wait == Wait::Gone).is_some() {
                self.base += 1;
            }
        } else if self.ring.len() - self.live > self.live + PENDING_COMPACT_MIN {
            self.compact();
        }
        self.advance_fresh();
        Some(entry)
    }

    fn leave_queue(&mut self, at: usize) {
        match self.ring.get(at).map(|entry| entry.wait) {
            Some(Wait::Ready | Wait::Spent) => self.ready_live -= 1,
            Some(Wait::Logging) => self.logging -= 1,
            _ => {}
        }
    }

    fn compact(&mut self) {
        self.ring.retain(|entry| entry.wait != Wait::Gone);
        self.base = 0;
        self.fresh = 0;
    }

    #[inline]
    fn fresh_index(&self) -> usize {
        self.fresh.saturating_sub(self.base) as usize
    }

    #[inline]
    fn advance_fresh(&mut self) {
        let mut at = self.fresh_index();
        while self.ring.get(at).is_some_and(|entry| entry.wait != Wait::Fresh) {
            at += 1;
        }
        self.fresh = self.base + at as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn acks_in_order_leave_nothing_behind() {
        let mut pending = Pending::default();
        for n in 1..=1000 {
            pending.push(n * 3, n, 10);
        }
        for n in 1..=1000 {
            assert_eq!(pending.settle(n * 3).map(|entry| entry.cseq), Some(n));
        }
        assert_eq!((pending.len(), pending.ring.len()), (0, 0));
        assert_eq!(pending.poll_timeout(), None);
    }

    #[test]
    fn a_stuck_front_does_not_make_the_ring_grow() {
        let mut pending = Pending::default();
        pending.push(1, 1, 10);
        for n in 2..=10_000 {
            pending.push(n, n, 10);
            assert!(pending.settle(n).is_some());
        }
        assert_eq!(pending.len(), 1);
        assert!(pending.ring.len() <= PENDING_COMPACT_MIN + 4, "{}", pending.ring.len());
        assert_eq!(pending.poll_timeout(), Some(10));
    }

    #[test]
    fn a_count_is_durable_before_the_entry_is_ready() {
        let mut pending = Pending::default();
        pending.push(5, 1, 10);
        assert_eq!(pending.begin_logging(5), Some(2));
        assert_eq!(pending.begin_logging(5), None);
        assert!(pending.peek_ready().is_none());
        assert!(pending.make_ready(5));
        assert_eq!(pending.peek_ready().map(|entry| entry.deliveries), Some(1));
        assert_eq!(pending.redelivered(), 0, "nobody has got it again");
        pending.sent(5, 20);
        assert_eq!((pending.redeliverable(), pending.redelivered(), pending.poll_timeout()), (0, 1, Some(20)));
    }

    #[test]
    fn what_is_spent_waits_in_line_and_may_be_delivered_after_all() {
        let mut pending = Pending::default();
        pending.push(5, 1, 10);
        pending.queue_spent(5);
        pending.queue_spent(5);
        assert_eq!((pending.redeliverable(), pending.poll_timeout()), (1, None));
        assert_eq!(pending.peek_ready().map(|entry| entry.wait), Some(Wait::Spent));
        assert_eq!(pending.begin_logging(5), Some(2));
        assert!(pending.peek_ready().is_none());
        assert!(pending.make_ready(5));
        pending.sent(5, 20);
        assert_eq!((pending.redeliverable(), pending.len()), (0, 1));
    }

    #[test]
    fn a_reserved_first_delivery_counts_as_unsent() {
        let mut pending = Pending::default();
        pending.push_logging(3, 1);
        pending.push_logging(4, 2);
        assert_eq!(pending.unsent(), 2);
        assert!(pending.make_ready(3));
        pending.sent(3, 20);
        assert_eq!((pending.unsent(), pending.redelivered()), (1, 0));
        assert!(pending.settle(4).is_some());
        assert_eq!(pending.unsent(), 0);
    }

    #[derive(Clone, Debug)]
    enum Op {
        Push(u64),
        Settle(usize),
        Through(usize),
        Retime(usize, i64),
        Expire(i64),
        Ready,
        Send,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (1u64..4).prop_map(Op::Push),
            3 => any::<usize>().prop_map(Op::Settle),
            1 => any::<usize>().prop_map(Op::Through),
            2 => (any::<usize>(), 0i64..60).prop_map(|(at, by)| Op::Retime(at, by)),
            2 => (0i64..40).prop_map(Op::Expire),
            1 => Just(Op::Ready),
            2 => Just(Op::Send),
        ]
    }

    proptest! {
        /// The model: sequence → (deadline, deliveries, may expire).
        #[test]
        fn the_ring_is_a_map(ops in proptest::collection::vec(op(), 0..400)) {
            let (mut pending, mut model) = (Pending::default(), BTreeMap::<u64, (i64, u32, bool)>::new());
            let (mut now, mut next, mut cseq) = (0i64, 0u64, 0u64);
            let nth = |model: &BTreeMap<u64, (i64, u32, bool)>, at: usize| {
                model.keys().nth(at.checked_rem(model.len()).unwrap_or(0)).copied()
            };
            for op in ops {
                match op {
                    Op::Push(gap) => {
                        next += gap;
                        cseq += 1;
                        pending.push(next, cseq, now + 50);
                        model.insert(next, (now + 50, 1, true));
                    }
                    Op::Settle(at) => if let Some(seq) = nth(&model, at) {
                        prop_assert!(pending.settle(seq).is_some());
                        prop_assert!(pending.settle(seq).is_none());
                        model.remove(&seq);
                    },
                    Op::Through(at) => if let Some(seq) = nth(&model, at) {
                        let mut seen = Vec::new();
                        pending.settle_through(seq, |seq| seen.push(seq));
                        let rest = model.split_off(&(seq + 1));
                        prop_assert_eq!(seen, model.keys().copied().collect::<Vec<_>>());
                        model = rest;
                    },
                    Op::Retime(at, by) => if let Some(seq) = nth(&model, at) {
                        prop_assert!(pending.retime(seq, now + by));
                        let entry = model.get_mut(&seq).unwrap();
                        (entry.0, entry.2) = (now + by, true);
                    },
                    Op::Expire(by) => {
                        now += by;
                        let mut out = Vec::new();
                        pending.expire(now, &mut out);
                        out.sort_unstable();
                        let want: Vec<u64> =
                            model.iter().filter(|(_, e)| e.2 && e.0 <= now).map(|(seq, _)| *seq).collect();
                        prop_assert_eq!(&out, &want);
                        for seq in out {
                            let entry = model.get_mut(&seq).unwrap();
                            entry.2 = false;
                            prop_assert_eq!(pending.begin_logging(seq), Some(entry.1 + 1));
                        }
                    }
                    Op::Ready => {
                        for (seq, entry) in &model {
                            let logging = pending.get(*seq).is_some_and(|e| e.wait == Wait::Logging);
                            prop_assert_eq!(pending.make_ready(*seq), logging);
                            let _ = entry;
                        }
                    }
                    Op::Send => if let Some(entry) = pending.peek_ready() {
                        pending.sent(entry.sseq, now + 30);
                        let model = model.get_mut(&entry.sseq).unwrap();
                        *model = (now + 30, model.1 + 1, true);
                    },
                }
                prop_assert_eq!(pending.len(), model.len());
                prop_assert_eq!(pending.front().map(|e| e.sseq), model.keys().next().copied());
                prop_assert_eq!(pending.redelivered(), model.values().filter(|e| e.1 > 1).count());
                let due = model.values().filter(|e| e.2).map(|e| e.0).min();
                // The heap is lazy: it may look too early, never too late.
                prop_assert!(due.is_none_or(|due| pending.poll_timeout().is_some_and(|have| have <= due)));
            }
        }
    }
}
