//! What is counted, for each plugin: single-writer cells on the threads that call, added up by whoever exports them.
//!
//! | row | labels |
//! |---|---|
//! | `forebay_plugin_calls_total` | `plugin, kind, outcome`: messages judged, a batch of 64 counts 64 |
//! | `forebay_plugin_invocations_total` | `plugin`: calls into the guest |
//! | `forebay_plugin_errors_total` | `plugin, reason` |
//! | `forebay_plugin_call_seconds` | `plugin`: histogram; batches always, of the single calls every 64th |
//! | `forebay_plugin_reloads_total` | `plugin, result` |
//! | `forebay_plugin_breaker_open` | `plugin`: bindings whose breaker is open |
//! | `forebay_plugin_instantiations_total` | `plugin` |
//! | `forebay_plugin_log_dropped_total` | `plugin`: log lines beyond the plugin's rate |
//! | `forebay_plugin_user_total` | `plugin, metric`: the plugin's own counters |

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::error::ErrorReason;
use crate::limits::{COUNTERS_MAX, LOG_LINES_BURST, LOG_LINES_PER_SECOND};

/// Upper bounds of the histogram's buckets, in nanoseconds; one more holds what is beyond.
pub const SECONDS_BOUNDS_NS: [u64; 13] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 1_000_000, 5_000_000, 20_000_000, 100_000_000];

/// What became of a message, with the label `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Outcome {
    TransformPass,
    TransformReplace,
    TransformDrop,
    TransformReject,
    /// The call failed, or was not made; the policy decided.
    TransformError,
    FilterDeliver,
    FilterSkip,
    /// The call failed, or was not made; the policy decided.
    FilterError,
}

/// The labels `kind` and `outcome` of each [`Outcome`].
const OUTCOMES: [(&str, &str); 8] = [
    ("transform", "pass"),
    ("transform", "replace"),
    ("transform", "drop"),
    ("transform", "reject"),
    ("transform", "error"),
    ("filter", "deliver"),
    ("filter", "skip"),
    ("filter", "error"),
];

/// A counter that one thread writes and any reads: an addition without a locked instruction.
#[derive(Debug, Default)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    #[inline]
    pub(crate) fn add(&self, by: u64) {
        self.0.store(self.get().wrapping_add(by), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set(&self, to: u64) {
        self.0.store(to, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One thread's counters of one plugin.
#[derive(Debug, Default)]
pub(crate) struct CallCounters {
    outcomes: [Cell; OUTCOMES.len()],
    pub(crate) invocations: Cell,
    errors: [Cell; ErrorReason::ALL.len()],
    seconds: [Cell; SECONDS_BOUNDS_NS.len() + 1],
    seconds_sum_ns: Cell,
    pub(crate) instantiations: Cell,
    pub(crate) log: LogBucket,
    user: [(OnceLock<Box<str>>, Cell); COUNTERS_MAX],
}

impl CallCounters {
    #[inline]
    pub(crate) fn outcome(&self, outcome: Outcome, messages: u64) {
        self.outcomes[outcome as usize].add(messages);
    }

    pub(crate) fn error(&self, reason: ErrorReason, messages: u64) {
        self.errors[reason as usize].add(messages);
    }

    pub(crate) fn took(&self, ns: u64) {
        let bucket = SECONDS_BOUNDS_NS.partition_point(|bound| *bound < ns);
        self.seconds[bucket].add(1);
        self.seconds_sum_ns.add(ns);
    }

    /// Adds to a counter of the plugin's own; false if it has too many.
    pub(crate) fn user(&self, name: &str, by: u64) -> bool {
        for (have, count) in &self.user {
            if have.get_or_init(|| name.into()).as_ref() == name {
                count.add(by);
                return true;
            }
        }
        false
    }
}

/// A token bucket of log lines; one thread takes from it.
#[derive(Debug, Default)]
pub(crate) struct LogBucket {
    /// Lines already taken and not yet earned back.
    taken: Cell,
    earned_until_ns: Cell,
    pub(crate) dropped: Cell,
}

impl LogBucket {
    /// May a line be written now?
    pub(crate) fn take(&self, now_ns: u64) -> bool {
        const NS_PER_LINE: u64 = 1_000_000_000 / LOG_LINES_PER_SECOND;
        let earned = now_ns.saturating_sub(self.earned_until_ns.get()) / NS_PER_LINE;
        if earned > 0 {
            self.taken.set(self.taken.get().saturating_sub(earned));
            self.earned_until_ns.set(now_ns);
        }
        if self.taken.get() >= LOG_LINES_BURST {
            self.dropped.add(1);
            return false;
        }
        self.taken.add(1);
        true
    }
}

/// One plugin's counters over all threads and generations. It lives as long as the host.
#[derive(Debug, Default)]
pub(crate) struct PluginMetrics {
    counted: Mutex<Counted>,
    pub(crate) reloads_ok: AtomicU64,
    pub(crate) reloads_failed: AtomicU64,
}

/// Together behind one lock: a count that moves from one to the other is never seen in neither.
#[derive(Debug, Default)]
struct Counted {
    threads: Vec<Arc<CallCounters>>,
    /// What threads that are gone had counted.
    gone: PluginCounts,
}

impl PluginMetrics {
    /// Counters for a thread that calls this plugin.
    pub(crate) fn thread(&self) -> Arc<CallCounters> {
        let counters = Arc::new(CallCounters::default());
        self.counted.lock().threads.push(Arc::clone(&counters));
        counters
    }

    /// The thread is gone: what it counted stays.
    pub(crate) fn thread_gone(&self, counters: &Arc<CallCounters>) {
        let mut counted = self.counted.lock();
        counted.threads.retain(|have| !Arc::ptr_eq(have, counters));
        counted.gone.add(counters);
    }

    pub(crate) fn counts(&self) -> PluginCounts {
        let mut counts = {
            let counted = self.counted.lock();
            let mut counts = counted.gone.clone();
            counted.threads.iter().for_each(|counters| counts.add(counters));
            counts
        };
        counts.reloads_ok = self.reloads_ok.load(Ordering::Relaxed);
        counts.reloads_failed = self.reloads_failed.load(Ordering::Relaxed);
        counts
    }
}

/// The counts of one plugin, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginCounts {
    outcomes: [u64; OUTCOMES.len()],
    /// Calls into the guest.
    pub invocations: u64,
    errors: [u64; ErrorReason::ALL.len()],
    /// Calls timed, by bucket of [`SECONDS_BOUNDS_NS`] (not cumulative), and beyond.
    pub seconds_counts: [u64; SECONDS_BOUNDS_NS.len() + 1],
    /// Their sum, in nanoseconds.
    pub seconds_sum_ns: u64,
    /// Instances made.
    pub instantiations: u64,
    /// Log lines beyond the plugin's rate.
    pub log_dropped: u64,
    /// The plugin's own counters.
    pub user: BTreeMap<String, u64>,
    /// Generations that replaced another one.
    pub reloads_ok: u64,
    /// Generations that were refused.
    pub reloads_failed: u64,
}

impl PluginCounts {
    /// `forebay_plugin_calls_total`: (kind, outcome, count), each combination, zeros too.
    pub fn calls(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        OUTCOMES.iter().zip(self.outcomes).map(|((kind, outcome), count)| (*kind, *outcome, count))
    }

    /// `forebay_plugin_errors_total`: (reason, count), each reason, zeros too.
    pub fn errors(&self) -> impl Iterator<Item = (ErrorReason, u64)> {
        ErrorReason::ALL.into_iter().zip(self.errors)
    }

    /// The count of one kind and outcome.
    pub fn calls_of(&self, kind: &str, outcome: &str) -> u64 {
        self.calls().filter(|(k, o, _)| *k == kind && *o == outcome).map(|(_, _, count)| count).sum()
    }

    /// The count of one reason.
    pub fn errors_of(&self, reason: ErrorReason) -> u64 {
        self.errors[reason as usize]
    }

    fn add(&mut self, counters: &CallCounters) {
        add_all(&mut self.outcomes, &counters.outcomes);
        add_all(&mut self.errors, &counters.errors);
        add_all(&mut self.seconds_counts, &counters.seconds);
        self.invocations += counters.invocations.get();
        self.seconds_sum_ns += counters.seconds_sum_ns.get();
        self.instantiations += counters.instantiations.get();
        self.log_dropped += counters.log.dropped.get();
        for (name, count) in &counters.user {
            if let Some(name) = name.get() {
                *self.user.entry(name.to_string()).or_default() += count.get();
            }
        }
    }
}

fn add_all(sums: &mut [u64], cells: &[Cell]) {
    for (sum, cell) in sums.iter_mut().zip(cells) {
        *sum += cell.get();
    }
}

/// All plugins' counts at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By name, in order; a plugin that was taken out of the config keeps its counts.
    pub plugins: Vec<PluginSnapshot>,
}

/// One plugin in a [`Snapshot`].
#[derive(Clone, Debug, Default)]
pub struct PluginSnapshot {
    /// Its name.
    pub name: String,
    /// Its running generation; 0 if none runs.
    pub generation: u64,
    /// Bindings whose breaker is open.
    pub breakers_open: u64,
    /// What was counted.
    pub counts: PluginCounts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_threads_are_added_and_outlive_them() {
        let metrics = PluginMetrics::default();
        let (a, b) = (metrics.thread(), metrics.thread());
        a.outcome(Outcome::FilterSkip, 3);
        b.outcome(Outcome::FilterSkip, 4);
        b.error(ErrorReason::Panic, 1);
        metrics.thread_gone(&a);
        let counts = metrics.counts();
        assert_eq!(counts.calls_of("filter", "skip"), 7);
        assert_eq!(counts.errors_of(ErrorReason::Panic), 1);
        assert_eq!(metrics.counted.lock().threads.len(), 1);
    }

    #[test]
    fn durations_fall_into_their_buckets() {
        let counters = CallCounters::default();
        for ns in [1, 100, 101, 5_000_000, u64::from(u32::MAX)] {
            counters.took(ns);
        }
        let mut counts = PluginCounts::default();
        counts.add(&counters);
        assert_eq!(counts.seconds_counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1]);
    }

    #[test]
    fn a_plugins_own_counters_are_bounded() {
        let counters = CallCounters::default();
        for at in 0..COUNTERS_MAX {
            assert!(counters.user(&format!("c{at}"), 1));
        }
        assert!(!counters.user("one_more", 1));
        assert!(counters.user("c3", 4));
        let mut counts = PluginCounts::default();
        counts.add(&counters);
        assert_eq!(counts.user["c3"], 5);
    }

    #[test]
    fn a_log_flood_is_cut_to_its_rate() {
        let bucket = LogBucket::default();
        let second = 1_000_000_000;
        let written = |now| (0..2000).filter(|_| bucket.take(now)).count();
        assert_eq!(written(second), 1000);
        assert_eq!(written(2 * second), 100);
        assert_eq!(bucket.dropped.get(), 1000 + 1900);
        assert_eq!(written(100 * second), 1000);
    }
}
