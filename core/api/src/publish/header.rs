//! The headers of a publish that a stream understands, and how they are found in the raw block.
//!
//! As in nats-server, names are compared byte by byte (their case counts), the first of several counts, spaces before
//! the value are skipped and spaces after it belong to it.

use crate::decimal::parse_decimal;
use crate::duration::Nanos;
use crate::limits::NS_PER_SECOND;

/// Every header with a meaning starts so.
const COMMON_PREFIX: &[u8] = b"Nats-";

/// `Nats-Msg-Id`: deduplication.
pub const MSG_ID: &str = "Nats-Msg-Id";
/// `Nats-Expected-Stream`.
pub const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
/// `Nats-Expected-Last-Sequence`.
pub const EXPECTED_LAST_SEQUENCE: &str = "Nats-Expected-Last-Sequence";
/// `Nats-Expected-Last-Subject-Sequence`.
pub const EXPECTED_LAST_SUBJECT_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
/// `Nats-Expected-Last-Subject-Sequence-Subject`.
pub const EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
/// `Nats-Expected-Last-Msg-Id`.
pub const EXPECTED_LAST_MSG_ID: &str = "Nats-Expected-Last-Msg-Id";
/// `Nats-Rollup`.
pub const ROLLUP: &str = "Nats-Rollup";
/// `Nats-TTL`.
pub const TTL: &str = "Nats-TTL";
/// `Nats-Incr`.
pub const INCR: &str = "Nats-Incr";
/// `Nats-Batch-Id`.
pub const BATCH_ID: &str = "Nats-Batch-Id";
/// `Nats-Schedule`.
pub const SCHEDULE: &str = "Nats-Schedule";
/// `Nats-Schedule-Next`.
pub const SCHEDULE_NEXT: &str = "Nats-Schedule-Next";
/// `Nats-Scheduler`.
pub const SCHEDULER: &str = "Nats-Scheduler";
/// `Nats-Stream-Source`, which only the server may write.
pub const STREAM_SOURCE: &str = "Nats-Stream-Source";
/// `Nats-Required-Api-Level`, of API requests.
pub const REQUIRED_API_LEVEL: &str = "Nats-Required-Api-Level";

/// The headers of one message that a stream understands; borrowed from the raw block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishHeaders<'a> {
    /// Deduplication id; never empty.
    pub msg_id: Option<&'a [u8]>,
    /// The stream that the publisher means; never empty.
    pub expected_stream: Option<&'a [u8]>,
    /// The stream's last sequence. A value that is no number is the largest, which nothing matches.
    pub expected_last_seq: Option<u64>,
    /// The last sequence of the message's subject; see above.
    pub expected_last_subject_seq: Option<u64>,
    /// The subject to check instead of the message's.
    pub expected_last_subject_seq_subject: Option<&'a [u8]>,
    /// The id of the last message that had one; never empty.
    pub expected_last_msg_id: Option<&'a [u8]>,
    /// What this message replaces.
    pub rollup: Option<Rollup<'a>>,
    /// How long the message lives.
    pub ttl: Option<Ttl>,
    /// Counters: the increment.
    pub incr: Option<&'a [u8]>,
    /// Atomic batches: the batch.
    pub batch_id: Option<&'a [u8]>,
    /// Schedules: the pattern.
    pub schedule: Option<&'a [u8]>,
    /// Schedules: `purge` cancels one.
    pub schedule_next: Option<&'a [u8]>,
    /// Schedules: the one that is cancelled.
    pub scheduler: Option<&'a [u8]>,
    /// Only the server may write it: err 10227.
    pub stream_source: Option<&'a [u8]>,
}

/// The value of `Nats-Rollup`; its case does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollup<'a> {
    /// `sub`: the other messages of its subject.
    Subject,
    /// `all`: the other messages of the stream.
    All,
    /// Something else: err 10111.
    Invalid(&'a [u8]),
}

/// The value of `Nats-TTL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// `never`: not even when the stream's age limit is over.
    Never,
    /// A Go duration of at least a second or a number of seconds; whole seconds. Zero is no TTL.
    After(Nanos),
    /// Something else: err 10165.
    Invalid,
}

impl Ttl {
    /// Reads a TTL (nats-server `parseMessageTTL`).
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        if value.eq_ignore_ascii_case(b"never") {
            return Self::Never;
        }
        let Ok(text) = std::str::from_utf8(value) else { return Self::Invalid };
        match (Nanos::parse_go(text), parse_decimal(value)) {
            // A bare zero is a duration for Go, and one under a second.
            (Ok(duration), _) if duration.ns() < NS_PER_SECOND => Self::Invalid,
            (Ok(duration), _) => Self::After(Nanos::from_secs(duration.ns() / NS_PER_SECOND)),
            (Err(_), Some(seconds)) => match i64::try_from(seconds) {
                Ok(seconds) => Self::After(Nanos::from_secs(seconds)),
                Err(_) => Self::Invalid,
            },
            (Err(_), None) => Self::Invalid,
        }
    }
}

impl<'a> Rollup<'a> {
    fn parse(value: &'a [u8]) -> Self {
        if value.eq_ignore_ascii_case(b"sub") {
            Self::Subject
        } else if value.eq_ignore_ascii_case(b"all") {
            Self::All
        } else {
            Self::Invalid(value)
        }
    }
}

impl<'a> PublishHeaders<'a> {
    /// Reads a raw header block (`NATS/1.0\r\n…\r\n\r\n`) in one pass. Lines that mean nothing here cost one search
    /// for their end.
    #[must_use]
    pub fn parse(block: &'a [u8]) -> Self {
        let mut headers = Self::default();
        for (name, value) in lines(block) {
            if name.starts_with(COMMON_PREFIX) && !value.is_empty() {
                headers.take(name, value);
            }
        }
        headers
    }

    fn take(&mut self, name: &[u8], value: &'a [u8]) {
        let Ok(name) = std::str::from_utf8(name) else { return };
        match name {
            MSG_ID => first(&mut self.msg_id, value),
            EXPECTED_STREAM => first(&mut self.expected_stream, value),
            EXPECTED_LAST_SEQUENCE => first(&mut self.expected_last_seq, sequence(value)),
            EXPECTED_LAST_SUBJECT_SEQUENCE => first(&mut self.expected_last_subject_seq, sequence(value)),
            EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT => first(&mut self.expected_last_subject_seq_subject, value),
            EXPECTED_LAST_MSG_ID => first(&mut self.expected_last_msg_id, value),
            ROLLUP => first(&mut self.rollup, Rollup::parse(value)),
            TTL => first(&mut self.ttl, Ttl::parse(value)),
            INCR => first(&mut self.incr, value),
            BATCH_ID => first(&mut self.batch_id, value),
            SCHEDULE => first(&mut self.schedule, value),
            SCHEDULE_NEXT => first(&mut self.schedule_next, value),
            SCHEDULER => first(&mut self.scheduler, value),
            STREAM_SOURCE => first(&mut self.stream_source, value),
            _ => {}
        }
    }
}

fn first<T>(slot: &mut Option<T>, value: T) {
    if slot.is_none() {
        *slot = Some(value);
    }
}

/// A sequence that a publisher expects; nats-server turns what is no number into the largest one.
fn sequence(value: &[u8]) -> u64 {
    parse_decimal(value).unwrap_or(u64::MAX)
}

/// The value of the first header with this name (nats-server `sliceHeader`); may be empty.
#[must_use]
pub fn header_value<'a>(block: &'a [u8], name: &str) -> Option<&'a [u8]> {
    lines(block).find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
}

/// The names and values of a block, without its first line. A line without a colon is skipped.
fn lines(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = after_line(block);
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let end = line_end(rest);
            let line = rest.get(..end).unwrap_or_default();
            rest = rest.get(end + 2..).unwrap_or_default();
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let value = line.get(colon + 1..).unwrap_or_default();
            let spaces = value.iter().take_while(|byte| **byte == b' ').count();
            return Some((line.get(..colon).unwrap_or_default(), value.get(spaces..).unwrap_or_default()));
        }
    })
}

fn after_line(block: &[u8]) -> &[u8] {
    block.get(line_end(block) + 2..).unwrap_or_default()
}

/// Where the line's CRLF begins, or the end of the text.
fn line_end(text: &[u8]) -> usize {
    memchr::memmem::find(text, b"\r\n").unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_as_nats_server_finds_them() {
        let block = b"NATS/1.0\r\nfoo: bar\r\nNats-Msg-Id:  7 \r\nNats-Msg-Id: 8\r\nnats-rollup: sub\r\nbad\r\n\
            Nats-Expected-Last-Sequence: 12\r\nNats-Expected-Last-Subject-Sequence: x\r\nNats-Expected-Stream:\r\n\
            Nats-Rollup: SUB\r\nNats-TTL: 1m\r\n\r\n";
        let headers = PublishHeaders::parse(block);
        assert_eq!(headers.msg_id, Some(&b"7 "[..]));
        assert_eq!(headers.expected_last_seq, Some(12));
        assert_eq!(headers.expected_last_subject_seq, Some(u64::MAX));
        assert_eq!(headers.expected_stream, None);
        assert_eq!(headers.rollup, Some(Rollup::Subject));
        assert_eq!(headers.ttl, Some(Ttl::After(Nanos::from_secs(60))));
        assert_eq!(header_value(block, "foo"), Some(&b"bar"[..]));
        assert_eq!(header_value(block, "Nats-Expected-Stream"), Some(&b""[..]));
        assert_eq!(header_value(block, "Foo"), None);
    }

    #[test]
    fn a_ttl_is_a_duration_or_seconds_or_never() {
        assert_eq!(Ttl::parse(b"Never"), Ttl::Never);
        assert_eq!(Ttl::parse(b"5"), Ttl::After(Nanos::from_secs(5)));
        assert_eq!(Ttl::parse(b"1500ms"), Ttl::After(Nanos::from_secs(1)));
        for value in [&b"500ms"[..], b"-5s", b"x", b"\xff", b"0", b"99999999999999999999"] {
            assert_eq!(Ttl::parse(value), Ttl::Invalid, "{value:?}");
        }
    }

    #[test]
    fn any_block_is_read_without_panic() {
        for block in [
            &b""[..],
            b"\r\n",
            b"NATS/1.0",
            b"NATS/1.0\r\n",
            b"NATS/1.0\r\n\r\n",
            b"NATS/1.0\r\na",
            b"NATS/1.0\r\n:",
            b"NATS/1.0\r\n:\r",
        ] {
            assert_eq!(PublishHeaders::parse(block), PublishHeaders::default());
        }
    }
}
