//! When to stop calling: a circuit breaker per binding.
//!
//! Five failures within ten seconds open it. While it is open the policy decides without a call; after a pause one call
//! is let through as a probe: if that ends well the breaker closes, otherwise the pause doubles, up to five minutes.
//! [`Breaker`] is pure (the time is an argument); [`BreakerCell`] shares one between threads so that a closed breaker
//! costs one relaxed load and no lock.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::limits::{BREAKER_FAILURES, BREAKER_PAUSE_FIRST, BREAKER_PAUSE_MAX, BREAKER_WINDOW};

const WINDOW_NS: u64 = BREAKER_WINDOW.as_nanos() as u64;
const PAUSE_FIRST_NS: u64 = BREAKER_PAUSE_FIRST.as_nanos() as u64;
const PAUSE_MAX_NS: u64 = BREAKER_PAUSE_MAX.as_nanos() as u64;
/// A probe whose caller never came back (its thread died) is given up after this.
const PROBE_LOST_NS: u64 = PAUSE_MAX_NS;

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Closed: call.
    Call,
    /// Half-open: call, and say how it ended, whatever it was.
    Probe,
    /// Open: do not call.
    Refuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until_ns: u64 },
    Probing { since_ns: u64 },
}

/// The breaker itself. Commands `record_*`, question [`Breaker::admit`]; no other input.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
    /// When the last failures were, newest last; `failures` of them are filled.
    at_ns: [u64; BREAKER_FAILURES],
    failures: usize,
    pause_ns: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, at_ns: [0; BREAKER_FAILURES], failures: 0, pause_ns: PAUSE_FIRST_NS }
    }
}

impl Breaker {
    /// True unless calls flow freely.
    pub fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// May this call be made?
    pub fn admit(&mut self, now_ns: u64) -> Admission {
        match self.state {
            State::Closed => Admission::Call,
            State::Open { until_ns } if now_ns < until_ns => Admission::Refuse,
            State::Probing { since_ns } if now_ns.saturating_sub(since_ns) < PROBE_LOST_NS => Admission::Refuse,
            State::Open { .. } | State::Probing { .. } => {
                self.state = State::Probing { since_ns: now_ns };
                Admission::Probe
            }
        }
    }

    /// A call ended well. Only a probe's end matters.
    pub fn record_success(&mut self) {
        if matches!(self.state, State::Probing { .. }) {
            *self = Self::default();
        }
    }

    /// A call trapped or used up its time.
    pub fn record_failure(&mut self, now_ns: u64) {
        match self.state {
            State::Probing { .. } => {
                self.pause_ns = self.pause_ns.saturating_mul(2).min(PAUSE_MAX_NS);
                self.open(now_ns);
            }
            // A call that was under way on another thread when the breaker opened.
            State::Open { .. } => {}
            State::Closed => {
                // The ring always ends with the newest failure; its first entry counts once the ring is full.
                self.at_ns.rotate_left(1);
                self.at_ns[BREAKER_FAILURES - 1] = now_ns;
                self.failures = (self.failures + 1).min(BREAKER_FAILURES);
                if self.failures == BREAKER_FAILURES && now_ns.saturating_sub(self.at_ns[0]) <= WINDOW_NS {
                    self.open(now_ns);
                }
            }
        }
    }

    fn open(&mut self, now_ns: u64) {
        self.state = State::Open { until_ns: now_ns.saturating_add(self.pause_ns) };
    }
}

/// A breaker that threads share. The lock is taken on failures and while it is not closed, never on the way of a good
/// call.
#[derive(Debug, Default)]
pub struct BreakerCell {
    open: AtomicBool,
    breaker: Mutex<Breaker>,
}

impl BreakerCell {
    /// True unless calls flow freely.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// See [`Breaker::admit`]; `now_ns` is asked for only if the breaker is not closed.
    #[inline]
    pub fn admit(&self, now_ns: impl FnOnce() -> u64) -> Admission {
        if !self.is_open() {
            return Admission::Call;
        }
        self.breaker.lock().admit(now_ns())
    }

    /// See [`Breaker::record_success`]; to be called for probes only. True if this closed the breaker.
    pub fn record_success(&self) -> bool {
        let mut breaker = self.breaker.lock();
        breaker.record_success();
        let closed = !breaker.is_open();
        self.open.store(!closed, Ordering::Relaxed);
        closed
    }

    /// See [`Breaker::record_failure`]. True if this opened the breaker.
    pub fn record_failure(&self, now_ns: u64) -> bool {
        let mut breaker = self.breaker.lock();
        breaker.record_failure(now_ns);
        let open = breaker.is_open();
        !self.open.swap(open, Ordering::Relaxed) && open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn opened(now: u64) -> Breaker {
        let mut breaker = Breaker::default();
        (0..5).for_each(|_| breaker.record_failure(now));
        breaker
    }

    #[test]
    fn five_failures_within_ten_seconds_open_it() {
        let mut breaker = Breaker::default();
        (0..4).for_each(|at| breaker.record_failure(at * SECOND));
        assert_eq!(breaker.admit(4 * SECOND), Admission::Call);
        breaker.record_failure(10 * SECOND);
        assert_eq!(breaker.admit(10 * SECOND), Admission::Refuse);
    }

    #[test]
    fn failures_far_apart_do_not_open_it() {
        let mut breaker = Breaker::default();
        (0..100).for_each(|at| breaker.record_failure(at * 3 * SECOND));
        assert!(!breaker.is_open());
        // Four more close to the last one are five within the window.
        (0..4).for_each(|_| breaker.record_failure(297 * SECOND));
        assert!(breaker.is_open());
    }

    #[test]
    fn one_probe_is_let_through_after_the_pause_and_closes_it() {
        let mut breaker = opened(0);
        assert_eq!(breaker.admit(SECOND - 1), Admission::Refuse);
        assert_eq!(breaker.admit(SECOND), Admission::Probe);
        assert_eq!(breaker.admit(SECOND), Admission::Refuse, "only one probe at a time");
        breaker.record_success();
        assert_eq!(breaker.admit(SECOND), Admission::Call);
        assert!(!breaker.is_open());
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_five_minutes() {
        let mut breaker = opened(0);
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let from = now;
            while breaker.admit(now) == Admission::Refuse {
                now += SECOND / 2;
            }
            pauses.push((now - from) / SECOND);
            breaker.record_failure(now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn a_late_failure_of_another_thread_does_not_lengthen_the_pause() {
        let mut breaker = opened(0);
        breaker.record_failure(SECOND / 2);
        assert_eq!(breaker.admit(SECOND), Admission::Probe);
    }

    #[test]
    fn a_lost_probe_does_not_keep_it_open_for_ever() {
        let mut breaker = opened(0);
        assert_eq!(breaker.admit(SECOND), Admission::Probe);
        assert_eq!(breaker.admit(SECOND + PROBE_LOST_NS), Admission::Probe);
    }

    #[test]
    fn a_cell_says_when_it_opens_and_closes() {
        let cell = BreakerCell::default();
        assert_eq!(cell.admit(|| unreachable!("a closed breaker asks no clock")), Admission::Call);
        assert_eq!((0..5).filter(|_| cell.record_failure(0)).count(), 1);
        assert!(cell.is_open());
        assert_eq!(cell.admit(|| SECOND), Admission::Probe);
        assert!(cell.record_success());
        assert!(!cell.is_open());
    }
}
