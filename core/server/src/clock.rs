//! The only real time in the program.

#![expect(clippy::disallowed_methods, reason = "everybody else gets time from here")]

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Hands out the time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock(());

impl Clock {
    /// The machine's clock.
    pub fn new() -> Clock {
        Clock(())
    }

    /// For measuring and waiting.
    pub fn now(self) -> Instant {
        Instant::now()
    }

    /// Nanoseconds since 1970, for what is shown or stored. A clock set before 1970 counts as 1970.
    pub fn wall_nanos(self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }
}

/// Nanoseconds since the first call: for measuring, where no [`Clock`] can be handed in.
pub fn monotonic_nanos() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let since = Instant::now().saturating_duration_since(*FIRST.get_or_init(Instant::now));
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A time as Go's JSON writes it: RFC 3339 in UTC, the fraction without trailing zeros.
pub fn rfc3339(wall_nanos: i64) -> String {
    Timestamp::from_nanosecond(i128::from(wall_nanos)).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on() {
        let clock = Clock::new();
        let (before, wall) = (clock.now(), clock.wall_nanos());
        assert!(clock.now() >= before && wall > 1_700_000_000_000_000_000);
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_795_370_830_061_082_953), "2026-11-22T18:07:10.061082953Z");
        assert_eq!(rfc3339(1_795_370_830_500_000_000), "2026-11-22T18:07:10.5Z");
    }
}
