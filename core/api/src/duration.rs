//! Durations as Go has them: whole nanoseconds in JSON, `1m30s` in headers, acks and error texts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{NS_PER_HOUR, NS_PER_MICROSECOND, NS_PER_MILLISECOND, NS_PER_MINUTE, NS_PER_SECOND};

/// A duration in nanoseconds, which may be negative, as Go's `time.Duration`.
///
/// In JSON it is a whole number. The serde name is what Go prints in an error about a value of another type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename = "time.Duration")]
pub struct Nanos(pub i64);

impl Nanos {
    /// No time at all, which most options read as "not set".
    pub const ZERO: Self = Self(0);

    /// `count` whole milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(count: i64) -> Self {
        Self(count.saturating_mul(NS_PER_MILLISECOND))
    }

    /// `count` whole seconds; saturates.
    #[must_use]
    pub const fn from_secs(count: i64) -> Self {
        Self(count.saturating_mul(NS_PER_SECOND))
    }

    /// The number of nanoseconds.
    #[must_use]
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// True for the value that `omitempty` leaves out of JSON.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// Reads Go's notation (`time.ParseDuration`): `300ms`, `-1.5h`, `2h45m`, and a bare `0`.
    ///
    /// # Errors
    /// [`InvalidDuration`], with Go's text.
    pub fn parse_go(text: &str) -> Result<Self, InvalidDuration> {
        let invalid = || InvalidDuration(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or_default()),
            Some(b'+') => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let (amount, after) = one_term(rest).ok_or_else(invalid)?;
            total = total.checked_add(amount).ok_or_else(invalid)?;
            rest = after;
        }
        let signed = if negative { -total } else { total };
        i64::try_from(signed).map(Self).map_err(|_| invalid())
    }
}

/// Reads one number with its unit and gives its nanoseconds and what follows.
fn one_term(text: &str) -> Option<(i128, &str)> {
    let whole_len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, mut rest) = text.split_at_checked(whole_len)?;
    let mut fraction = "";
    if let Some(after_point) = rest.strip_prefix('.') {
        let fraction_len = after_point.bytes().take_while(u8::is_ascii_digit).count();
        (fraction, rest) = after_point.split_at_checked(fraction_len)?;
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_len = rest.bytes().take_while(|byte| *byte != b'.' && !byte.is_ascii_digit()).count();
    let (unit, rest) = rest.split_at_checked(unit_len)?;
    let scale = i128::from(unit_ns(unit)?);
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut amount = whole.checked_mul(scale)?;
    let mut divisor: i128 = 10;
    // Eighteen digits are far below a nanosecond for every unit; Go stops where its number would overflow.
    for digit in fraction.bytes().take(18) {
        amount += i128::from(digit - b'0') * scale / divisor;
        divisor *= 10;
    }
    Some((amount, rest))
}

/// The nanoseconds of one unit, or nothing for a unit that Go does not know.
fn unit_ns(unit: &str) -> Option<i64> {
    match unit {
        "ns" => Some(1),
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(NS_PER_MICROSECOND),
        "ms" => Some(NS_PER_MILLISECOND),
        "s" => Some(NS_PER_SECOND),
        "m" => Some(NS_PER_MINUTE),
        "h" => Some(NS_PER_HOUR),
        _ => None,
    }
}

impl fmt::Display for Nanos {
    /// Go's `Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let ns = self.0.unsigned_abs();
        if ns < NS_PER_SECOND.unsigned_abs() {
            return write_small(f, ns);
        }
        let (minute, hour) = (NS_PER_MINUTE.unsigned_abs(), NS_PER_HOUR.unsigned_abs());
        let hours = ns / hour;
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if ns >= minute {
            write!(f, "{}m", ns % hour / minute)?;
        }
        write_decimal(f, ns % minute, NS_PER_SECOND.unsigned_abs())?;
        f.write_str("s")
    }
}

/// Writes a duration under one second in the largest unit that leaves a whole part.
fn write_small(f: &mut fmt::Formatter<'_>, ns: u64) -> fmt::Result {
    if ns == 0 {
        return f.write_str("0s");
    }
    if ns < NS_PER_MICROSECOND.unsigned_abs() {
        return write!(f, "{ns}ns");
    }
    if ns < NS_PER_MILLISECOND.unsigned_abs() {
        write_decimal(f, ns, NS_PER_MICROSECOND.unsigned_abs())?;
        return f.write_str("\u{b5}s");
    }
    write_decimal(f, ns, NS_PER_MILLISECOND.unsigned_abs())?;
    f.write_str("ms")
}

/// Writes `value / unit` with as many decimals as are needed. `unit` is a power of ten.
fn write_decimal(f: &mut fmt::Formatter<'_>, value: u64, unit: u64) -> fmt::Result {
    write!(f, "{}", value / unit)?;
    let mut rest = value % unit;
    if rest == 0 {
        return Ok(());
    }
    f.write_str(".")?;
    let mut scale = unit / 10;
    while rest > 0 && scale > 0 {
        write!(f, "{}", rest / scale)?;
        rest %= scale;
        scale /= 10;
    }
    Ok(())
}

/// A text that is not a duration in Go's notation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time: invalid duration {}", crate::json::go_quote(.0.as_bytes()))]
pub struct InvalidDuration(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go_prints_them() {
        for (ns, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5\u{b5}s"),
            (2_000_000, "2ms"),
            (1_000_000_001, "1.000000001s"),
            (90_000_000_000, "1m30s"),
            (120_000_000_000, "2m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_500_000_000, "-1.5s"),
        ] {
            assert_eq!(Nanos(ns).to_string(), text);
        }
    }

    #[test]
    fn durations_parse_as_go_parses_them() {
        for (text, ns) in [
            ("5s", 5_000_000_000),
            ("1h15m30.918s", 4_530_918_000_000),
            ("-1.5h", -5_400_000_000_000),
            ("100ms", 100_000_000),
            (".5s", 500_000_000),
            ("0", 0),
            ("+3\u{b5}s", 3_000),
        ] {
            assert_eq!(Nanos::parse_go(text), Ok(Nanos(ns)), "{text}");
        }
        for text in ["", "5", "s", "1.s.", "1x", "-", "99999999999h", "5 s", "\u{e9}"] {
            assert!(Nanos::parse_go(text).is_err(), "{text}");
        }
        assert_eq!(Nanos::parse_go("x").unwrap_err().to_string(), "time: invalid duration \"x\"");
    }

    #[test]
    fn what_is_printed_parses_back() {
        for ns in [1, 999, 1_001, 123_456_789, 61_000_000_000, i64::MAX, -i64::MAX] {
            assert_eq!(Nanos::parse_go(&Nanos(ns).to_string()), Ok(Nanos(ns)));
        }
    }
}
