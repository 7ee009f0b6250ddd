//! Durations and sizes as people write them.

use std::time::Duration;

const KIB: u64 = 1 << 10;

/// Parses `"1h30m"`, `"5s"`, `"250ms"`: numbers, each with one of `ns us µs ms s m h d`, in Go's manner
/// plus days.
///
/// # Errors
/// What is wrong, as a sentence about the text.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("\"{text}\" is not a duration, such as \"250ms\", \"5s\" or \"1h30m\"");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("\"{text}\" lacks a unit: write \"{text}s\" for seconds"));
    }
    let mut total: u128 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, after) = rest.split_at(digits);
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        let nanos: u64 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3_600 * 1_000_000_000,
            "d" => 86_400 * 1_000_000_000,
            _ => return Err(bad()),
        };
        total = total.checked_add(scaled(number, nanos).ok_or_else(bad)?).ok_or_else(bad)?;
        rest = next;
    }
    // Nanoseconds travel as i64 in every JSON shape of NATS.
    match i64::try_from(total) {
        Ok(nanos) => Ok(Duration::from_nanos(nanos.unsigned_abs())),
        Err(_) => Err(format!("\"{text}\" is longer than 292 years")),
    }
}

/// `number` (digits with at most one point) times `unit`, cut to whole units of one.
fn scaled(number: &str, unit: u64) -> Option<u128> {
    /// More digits than any unit has; they keep the product below within 128 bits.
    const FRACTION_DIGITS_MAX: usize = 18;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > FRACTION_DIGITS_MAX {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    let unit = u128::from(unit);
    let part = digits(fraction)? * unit / 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    digits(whole)?.checked_mul(unit)?.checked_add(part)
}

/// Parses `"64MiB"`, `"1.5GiB"`, `"512"`: bytes, or a number with one of `B KiB MiB GiB TiB`.
///
/// `MB` and its like are refused: they are 1000s to some and 1024s to nats-server's configuration.
///
/// # Errors
/// What is wrong, as a sentence about the text.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number = number.replace('_', "");
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => KIB,
        "MiB" => KIB.pow(2),
        "GiB" => KIB.pow(3),
        "TiB" => KIB.pow(4),
        other => {
            let binary = ["KiB", "MiB", "GiB", "TiB"]
                .into_iter()
                .find(|unit| unit.chars().next().map(|c| c.to_ascii_lowercase()) == initial(other));
            return Err(match binary {
                Some(unit) if !number.is_empty() => {
                    format!("\"{text}\" may mean 1000s or 1024s: write \"{number}{unit}\" or the number of bytes")
                }
                _ => format!("\"{text}\" is not a size, such as \"64MiB\" or 67108864"),
            });
        }
    };
    let bytes = scaled(&number, factor).and_then(|bytes| u64::try_from(bytes).ok());
    bytes
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or_else(|| format!("\"{text}\" is not a size, such as \"64MiB\" or 67108864"))
}

fn initial(unit: &str) -> Option<char> {
    unit.chars().next().map(|c| c.to_ascii_lowercase())
}

/// A duration as the configuration would hold it: the largest units that leave nothing out.
pub(crate) fn show_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    for (unit, length) in
        [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)]
    {
        if nanos >= length && nanos.is_multiple_of(length) {
            return format!("{}{unit}", nanos / length);
        }
    }
    if nanos == 0 { "0s".to_owned() } else { format!("{nanos}ns") }
}

/// Bytes as nats-server logs them (`friendlyBytes`): `17.66 GB`, counted in 1024s.
pub fn human_bytes(bytes: u64) -> String {
    const NAMES: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if bytes < KIB {
        return format!("{bytes} B");
    }
    let exponent = usize::try_from(bytes.ilog2() / 10).unwrap_or(1).clamp(1, NAMES.len());
    let name = NAMES.get(exponent - 1).copied().unwrap_or("E");
    let scale = KIB.saturating_pow(u32::try_from(exponent).unwrap_or(1));
    format!("{:.2} {name}B", bytes as f64 / scale as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_gos_do() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("5s", 5_000_000_000),
            ("1.5s", 1_500_000_000),
            ("1h30m", 5_400_000_000_000),
            ("2d", 172_800_000_000_000),
            ("250ms", 250_000_000),
            ("7us", 7_000),
            ("3ns", 3),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_said_to_be_none() {
        for text in ["", "s", "5", "5 s", "5x", "-5s", ".s", "1..5s", "999999999999h", "5s5"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("30").unwrap_err().contains("\"30s\""));
    }

    #[test]
    fn sizes_have_binary_units_only() {
        for (text, bytes) in
            [("512", 512), ("1KiB", 1024), ("64MiB", 67_108_864), ("1.5GiB", 1_610_612_736), ("1_000 B", 1000)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert!(size("64MB").unwrap_err().contains("\"64MiB\""));
        for text in ["", "x", "MiB", "-1", "1PiB", "99999999TiB", "1 Mi B"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_are_logged_as_nats_server_logs_them() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KB"),
            (18_957_376_512, "17.66 GB"),
            (63_293_340_672, "58.95 GB"),
            (u64::MAX, "16.00 EB"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    #[test]
    fn a_shown_duration_reads_back() {
        for nanos in [0, 1, 1_500, 2_000_000, 90_000_000_000, 7_200_000_000_000] {
            let shown = show_duration(Duration::from_nanos(nanos));
            assert_eq!(duration(&shown), Ok(Duration::from_nanos(nanos)), "{shown}");
        }
    }
}
