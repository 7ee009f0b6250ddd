//! What this process uses, as the operating system counts it.

use std::fs;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::limits::CPU_SAMPLE_MIN;

/// Measures CPU between questions.
pub(super) struct ProcessUsage {
    clock: Clock,
    last: Mutex<Sample>,
}

struct Sample {
    at: Instant,
    cpu: Duration,
    percent: f64,
}

impl ProcessUsage {
    pub(super) fn new(clock: Clock) -> ProcessUsage {
        let sample = Sample { at: clock.now(), cpu: cpu_time(), percent: 0.0 };
        ProcessUsage { clock, last: Mutex::new(sample) }
    }

    /// CPU since the last question, in percent of one core with one decimal, as nats-server gives it.
    pub(super) fn cpu_percent(&self) -> f64 {
        let mut last = self.last.lock();
        let now = self.clock.now();
        let passed = now.saturating_duration_since(last.at);
        if passed >= CPU_SAMPLE_MIN {
            let cpu = cpu_time();
            let used = cpu.saturating_sub(last.cpu).as_secs_f64() / passed.as_secs_f64();
            *last = Sample { at: now, cpu, percent: (used * 1_000.0).round() / 10.0 };
        }
        last.percent
    }

    /// Resident memory in bytes; 0 where the operating system does not tell.
    pub(super) fn memory_bytes(&self) -> u64 {
        let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default();
        pages.saturating_mul(rustix::param::page_size() as u64)
    }
}

/// CPU time of all threads so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_uses_something() {
        let usage = ProcessUsage::new(Clock::new());
        assert!(usage.memory_bytes() > 100_000 && cpu_time() > Duration::ZERO);
        assert_eq!(usage.cpu_percent(), 0.0);
    }
}
