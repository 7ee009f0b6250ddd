//! When messages expire: a hierarchical wheel of (time, key) pairs, exact to the nanosecond, without a clock of its own.
//!
//! Getter: [`TimerWheel::next`], [`TimerWheel::len`]. Command: [`TimerWheel::insert`], [`TimerWheel::remove`].
//! Poll: [`TimerWheel::poll`].

/// Length of a tick as a power of two: 2^26 ns, about 67 ms.
const TICK_BITS: u32 = 26;
/// Slots of a level as a power of two.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Six levels reach 146 years; what lies beyond waits aside.
const LEVELS: usize = 6;

const _: () = assert!(SLOTS == u64::BITS as usize, "a level's occupied slots are the bits of one number");

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    at: i64,
    key: u64,
}

#[derive(Debug)]
struct Level {
    /// The slots with timers.
    occupied: u64,
    slots: [Vec<Timer>; SLOTS],
}

#[derive(Debug)]
struct Slots([Level; LEVELS]);

impl Default for Slots {
    fn default() -> Self {
        Slots(std::array::from_fn(|_| Level { occupied: 0, slots: std::array::from_fn(|_| Vec::new()) }))
    }
}

/// The timers of one stream. Keys are sequences; a pair may be in it once.
#[derive(Debug, Default)]
pub struct TimerWheel {
    slots: Box<Slots>,
    far: Vec<Timer>,
    /// No slot that ends before this tick has timers.
    current: u64,
    len: usize,
}

fn tick(at: i64) -> u64 {
    // Times before 1970 have expired long ago.
    u64::try_from(at).unwrap_or(0) >> TICK_BITS
}

impl TimerWheel {
    /// Without timers.
    #[must_use]
    pub fn new() -> TimerWheel {
        TimerWheel::default()
    }

    /// Number of timers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lets `key` expire at `at` (nanoseconds since 1970).
    pub fn insert(&mut self, at: i64, key: u64) {
        self.len += 1;
        self.place(Timer { at, key });
    }

    /// Takes a timer out; false if it is not there.
    pub fn remove(&mut self, at: i64, key: u64) -> bool {
        let timer = Timer { at, key };
        let (list, bit) = match self.slot_of(tick(at)) {
            None => (&mut self.far, None),
            Some((level, slot)) => match self.slots.0.get_mut(level) {
                Some(Level { occupied, slots }) => match slots.get_mut(slot) {
                    Some(list) => (list, Some((occupied, slot))),
                    None => return false,
                },
                None => return false,
            },
        };
        let Some(found) = list.iter().position(|t| *t == timer) else { return false };
        list.swap_remove(found);
        if let (true, Some((occupied, slot))) = (list.is_empty(), bit) {
            *occupied &= !(1 << slot);
        }
        self.len -= 1;
        true
    }

    /// A time before which nothing expires; `None` without timers. Looking again then, and then again, leads to every
    /// timer in time.
    #[must_use]
    pub fn next(&self) -> Option<i64> {
        match self.first_slot() {
            Some((0, slot, _)) => self.slots.0.first()?.slots.get(slot)?.iter().map(|t| t.at).min(),
            Some((_, _, start)) => Some(i64::try_from(start << TICK_BITS).unwrap_or(i64::MAX)),
            None => self.far.iter().map(|t| t.at).min(),
        }
    }

    /// Takes out everything that has expired at `now` and appends it to `out`, earliest first.
    pub fn poll(&mut self, now: i64, out: &mut Vec<(i64, u64)>) {
        let before = out.len();
        let until = tick(now);
        while let Some((level, slot, start)) = self.first_slot().filter(|(_, _, start)| *start <= until) {
            let mut timers = Vec::new();
            if let Some(level) = self.slots.0.get_mut(level) {
                level.occupied &= !(1 << slot);
                if let Some(list) = level.slots.get_mut(slot) {
                    std::mem::swap(list, &mut timers);
                }
            }
            self.current = self.current.max(start);
            let done = level == 0 && start == until;
            for timer in timers {
                if timer.at <= now {
                    out.push((timer.at, timer.key));
                } else {
                    self.place(timer);
                }
            }
            if done {
                break;
            }
        }
        if until > self.current {
            self.current = until;
        }
        self.call_in_the_far(now, out);
        let expired = out.get_mut(before..).unwrap_or_default();
        expired.sort_unstable();
        self.len -= expired.len();
    }

    /// Level and slot of a tick; `None` if it is too far away.
    fn slot_of(&self, tick: u64) -> Option<(usize, usize)> {
        let tick = tick.max(self.current);
        let differing = u64::BITS - (tick ^ self.current).leading_zeros();
        let level = (differing.saturating_sub(1) / SLOT_BITS) as usize;
        let slot = (tick >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        (level < LEVELS).then_some((level, slot))
    }

    fn place(&mut self, timer: Timer) {
        let Some((level, slot)) = self.slot_of(tick(timer.at)) else {
            self.far.push(timer);
            return;
        };
        if let Some(level) = self.slots.0.get_mut(level)
            && let Some(list) = level.slots.get_mut(slot)
        {
            list.push(timer);
            level.occupied |= 1 << slot;
        }
    }

    /// The slot that begins first: its level, its number and its first tick.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        // Occupied slots of a level all lie at or behind the current one, and before all of the next level's.
        self.slots.0.iter().enumerate().find(|(_, level)| level.occupied != 0).map(|(n, level)| {
            let shift = SLOT_BITS * n as u32;
            let slot = level.occupied.trailing_zeros() as usize;
            let above = self.current >> shift >> SLOT_BITS << SLOT_BITS;
            (n, slot, (above | slot as u64) << shift)
        })
    }

    fn call_in_the_far(&mut self, now: i64, out: &mut Vec<(i64, u64)>) {
        if !self.far.iter().any(|t| self.slot_of(tick(t.at)).is_some()) {
            return;
        }
        for timer in std::mem::take(&mut self.far) {
            if timer.at <= now {
                out.push((timer.at, timer.key));
            } else {
                self.place(timer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Debug, Clone)]
    enum Change {
        Insert(i64, u64),
        Remove(prop::sample::Index),
        Advance(i64),
    }

    fn span() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => 0..5_000_000_000i64,
            3 => 0..100_000_000_000_000i64,
            1 => 0..i64::MAX / 4,
            1 => 0..1000i64,
        ]
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            6 => (span(), 0u64..50).prop_map(|(at, key)| Change::Insert(at, key)),
            2 => any::<prop::sample::Index>().prop_map(Change::Remove),
            3 => span().prop_map(Change::Advance),
        ]
    }

    proptest! {
        #[test]
        fn the_wheel_agrees_with_a_sorted_set(changes in proptest::collection::vec(change(), 1..80)) {
            let mut wheel = TimerWheel::new();
            let mut set = BTreeSet::new();
            let mut now = 0i64;
            for change in changes {
                match change {
                    Change::Insert(ahead, key) => {
                        let at = now.saturating_add(ahead) - 500;
                        if set.insert((at, key)) {
                            wheel.insert(at, key);
                        }
                    }
                    Change::Remove(index) if !set.is_empty() => {
                        let (at, key) = *set.iter().nth(index.index(set.len())).unwrap();
                        set.remove(&(at, key));
                        prop_assert!(wheel.remove(at, key));
                        prop_assert!(!wheel.remove(at, key));
                    }
                    Change::Remove(_) => prop_assert!(!wheel.remove(now, 0)),
                    Change::Advance(by) => {
                        now = now.saturating_add(by);
                        let mut out = Vec::new();
                        wheel.poll(now, &mut out);
                        let later = set.split_off(&(now.saturating_add(1), 0));
                        let expired: Vec<_> = std::mem::replace(&mut set, later).into_iter().collect();
                        prop_assert_eq!(out, expired);
                    }
                }
                prop_assert_eq!(wheel.len(), set.len());
                let next = wheel.next();
                prop_assert_eq!(next.is_some(), !set.is_empty());
                if let (Some(next), Some((first, _))) = (next, set.first()) {
                    prop_assert!(next <= *first, "{next} is after {first}");
                }
            }
        }
    }

    #[test]
    fn following_next_leads_to_a_far_timer_in_few_steps() {
        let mut wheel = TimerWheel::new();
        let year = 365 * 86_400 * 1_000_000_000i64;
        wheel.poll(55 * year, &mut Vec::new());
        wheel.insert(57 * year + 123, 1);
        let mut out = Vec::new();
        let mut steps = 0;
        while out.is_empty() {
            let next = wheel.next().unwrap();
            assert!(next <= 57 * year + 123);
            wheel.poll(next, &mut out);
            steps += 1;
        }
        assert_eq!(out, [(57 * year + 123, 1)]);
        assert!(steps <= LEVELS + 1, "{steps} steps");
    }
}
