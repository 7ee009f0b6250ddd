//! Moments as Go prints them: RFC 3339 with as many decimals as are needed, year 1 for "never". No clock here.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::NS_PER_SECOND;

const SECONDS_PER_DAY: i64 = 86_400;
/// What Go prints for a `time.Time` that was never set.
const ZERO_TEXT: &str = "0001-01-01T00:00:00Z";
/// Go's layout of RFC 3339, which its parse errors quote.
const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";

/// A moment: nanoseconds since the Unix epoch, and the zone it was written in.
///
/// Two times are equal when they are the same moment, as Go's `Equal`; the zone only decides how it is printed, since
/// nats-server echoes `opt_start_time` in the zone the client used. Moments outside 1677–2262 saturate.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    unix_ns: i64,
    offset_s: i32,
}

impl Time {
    /// The time that was never set; prints as year 1.
    pub const ZERO: Self = Self { unix_ns: i64::MIN, offset_s: 0 };

    /// A moment in UTC.
    #[must_use]
    pub const fn from_unix_ns(unix_ns: i64) -> Self {
        Self { unix_ns, offset_s: 0 }
    }

    /// Nanoseconds since the Unix epoch; the smallest `i64` for [`Time::ZERO`].
    #[must_use]
    pub const fn unix_ns(self) -> i64 {
        self.unix_ns
    }

    /// True if the time was never set.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.unix_ns == i64::MIN
    }

    /// The same moment, printed in UTC.
    #[must_use]
    pub const fn utc(self) -> Self {
        Self { unix_ns: self.unix_ns, offset_s: 0 }
    }

    /// Reads RFC 3339.
    ///
    /// # Errors
    /// [`InvalidTime`], with Go's text.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        Parser { text, rest: text }.time()
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::ZERO
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.unix_ns == other.unix_ns
    }
}

impl Eq for Time {}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.unix_ns.cmp(&other.unix_ns)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str(ZERO_TEXT);
        }
        let seconds = self.unix_ns.div_euclid(NS_PER_SECOND) + i64::from(self.offset_s);
        let nanos = self.unix_ns.rem_euclid(NS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let second = seconds.rem_euclid(SECONDS_PER_DAY);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)?;
        if nanos > 0 {
            let digits = format!("{nanos:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset_s == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset_s < 0 { '-' } else { '+' };
        let minutes = self.offset_s.unsigned_abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Time, D::Error> {
                inner.deserialize_str(self)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
                // An absent value reaches here as an empty text, as every null does.
                if text.is_empty() { Ok(Time::ZERO) } else { Time::parse(text).map_err(E::custom) }
            }
        }
        // The name is what Go says in an error about a value of another type.
        deserializer.deserialize_newtype_struct("time.Time", Visitor)
    }
}

/// A text that is not a time, with Go's words for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTime(String);

/// Reads the elements of Go's layout one after the other, so that an error names the element that failed.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Parser<'_> {
    fn time(mut self) -> Result<Time, InvalidTime> {
        let year = self.number(4, "2006")?;
        self.literal("-")?;
        let month = self.number(2, "01")?;
        self.in_range((1..=12).contains(&month), "month")?;
        self.literal("-")?;
        let day = self.number(2, "02")?;
        self.literal("T")?;
        let hour = self.number(2, "15")?;
        self.in_range(hour < 24, "hour")?;
        self.literal(":")?;
        let minute = self.number(2, "04")?;
        self.in_range(minute < 60, "minute")?;
        self.literal(":")?;
        let second = self.number(2, "05")?;
        self.in_range(second < 60, "second")?;
        let nanos = self.fraction();
        let offset_s = self.zone()?;
        if !self.rest.is_empty() {
            return Err(InvalidTime(format!("parsing time {}: extra text: {}", quote(self.text), quote(self.rest))));
        }
        self.in_range(day >= 1 && day <= days_in_month(year, month), "day")?;
        let days = days_from_civil(year, month, day);
        let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - i64::from(offset_s);
        if seconds == days_from_civil(1, 1, 1) * SECONDS_PER_DAY && nanos == 0 {
            return Ok(Time::ZERO);
        }
        let unix_ns = i128::from(seconds) * i128::from(NS_PER_SECOND) + i128::from(nanos);
        let unix_ns = unix_ns.clamp(i128::from(i64::MIN) + 1, i128::from(i64::MAX));
        Ok(Time { unix_ns: i64::try_from(unix_ns).unwrap_or(i64::MAX), offset_s })
    }

    fn refuse<T>(&self, element: &str) -> Result<T, InvalidTime> {
        let (text, rest) = (quote(self.text), quote(self.rest));
        Err(InvalidTime(format!("parsing time {text} as {LAYOUT:?}: cannot parse {rest} as {element:?}")))
    }

    fn in_range(&self, holds: bool, what: &str) -> Result<(), InvalidTime> {
        if holds { Ok(()) } else { Err(InvalidTime(format!("parsing time {}: {what} out of range", quote(self.text)))) }
    }

    fn number(&mut self, digits: usize, element: &str) -> Result<i64, InvalidTime> {
        let Some((head, tail)) = self.rest.split_at_checked(digits) else { return self.refuse(element) };
        if !head.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.refuse(element);
        }
        let Ok(value) = head.parse() else { return self.refuse(element) };
        self.rest = tail;
        Ok(value)
    }

    fn literal(&mut self, element: &str) -> Result<(), InvalidTime> {
        match self.rest.strip_prefix(element) {
            Some(tail) => {
                self.rest = tail;
                Ok(())
            }
            None => self.refuse(element),
        }
    }

    /// Reads decimals of a second; more than nine are cut, as Go cuts them.
    fn fraction(&mut self) -> i64 {
        let Some(tail) = self.rest.strip_prefix(['.', ',']) else { return 0 };
        let len = tail.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 {
            return 0;
        }
        let (digits, after) = tail.split_at(len);
        self.rest = after;
        digits.bytes().chain(std::iter::repeat(b'0')).take(9).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
    }

    fn zone(&mut self) -> Result<i32, InvalidTime> {
        if let Some(tail) = self.rest.strip_prefix('Z') {
            self.rest = tail;
            return Ok(0);
        }
        let sign = match self.rest.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return self.refuse("Z07:00"),
        };
        let Some((zone, tail)) = self.rest.split_at_checked(6) else { return self.refuse("Z07:00") };
        let hours = zone.get(1..3).and_then(|text| text.parse::<i32>().ok());
        let minutes = zone.get(4..6).and_then(|text| text.parse::<i32>().ok());
        let (Some(hours @ 0..=24), Some(minutes @ 0..=60), Some(b':')) = (hours, minutes, zone.as_bytes().get(3))
        else {
            return self.refuse("Z07:00");
        };
        self.rest = tail;
        Ok(sign * (hours * 3600 + minutes * 60))
    }
}

fn quote(text: &str) -> String {
    crate::json::go_quote(text.as_bytes())
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from the Unix epoch to a date of the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_go_prints_them() {
        assert_eq!(Time::ZERO.to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(Time::from_unix_ns(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Time::from_unix_ns(1_795_371_114_896_481_653).to_string(), "2026-11-22T18:11:54.896481653Z");
        assert_eq!(Time::from_unix_ns(1_795_371_114_894_753_010).to_string(), "2026-11-22T18:11:54.89475301Z");
        assert_eq!(Time::from_unix_ns(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn the_zone_of_a_time_is_kept_for_printing_only() {
        let time = Time::parse("2024-01-02T03:04:05.6+01:00").unwrap();
        assert_eq!(time.to_string(), "2024-01-02T03:04:05.6+01:00");
        assert_eq!(time, Time::parse("2024-01-02T02:04:05.6Z").unwrap());
        assert_eq!(time.utc().to_string(), "2024-01-02T02:04:05.6Z");
        assert_eq!(Time::parse("2024-02-29T00:00:00-05:30").unwrap().to_string(), "2024-02-29T00:00:00-05:30");
    }

    #[test]
    fn a_bad_time_is_refused_in_go_s_words() {
        let text = |value| Time::parse(value).unwrap_err().to_string();
        let layout = "\"2006-01-02T15:04:05Z07:00\"";
        assert_eq!(
            text("yesterday"),
            format!("parsing time \"yesterday\" as {layout}: cannot parse \"yesterday\" as \"2006\"")
        );
        assert_eq!(text("2024-13-01T00:00:00Z"), "parsing time \"2024-13-01T00:00:00Z\": month out of range");
        assert_eq!(text("2023-02-29T00:00:00Z"), "parsing time \"2023-02-29T00:00:00Z\": day out of range");
        assert_eq!(text("2023-02-20T00:00:00Zx"), "parsing time \"2023-02-20T00:00:00Zx\": extra text: \"x\"");
        assert!(Time::parse("2023-02-20T00:00:00").is_err());
        assert!(Time::parse("2023-02-20T00:00:00+0\u{e9}:0").is_err());
    }

    #[test]
    fn what_is_printed_parses_back() {
        for ns in [0, 1, -1, 1_795_371_114_896_481_653, i64::MAX, i64::MIN + 1, 951_782_400_000_000_000] {
            let time = Time::from_unix_ns(ns);
            assert_eq!(Time::parse(&time.to_string()), Ok(time));
        }
        assert!(Time::parse("0001-01-01T00:00:00Z").unwrap().is_zero());
    }
}
