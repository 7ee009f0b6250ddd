//! One line of the log, as text.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::FATAL;
use crate::clock::Clock;
use crate::limits::LOG_LINE_BYTES_MAX;

/// How lines of this process look.
pub(super) struct LineFormat {
    clock: Clock,
    zone: TimeZone,
    coloured: bool,
    pid: u32,
}

impl LineFormat {
    pub(super) fn new(clock: Clock, utc: bool, coloured: bool) -> LineFormat {
        let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
        LineFormat { clock, zone, coloured, pid: std::process::id() }
    }

    /// The line of an event, with its newline.
    pub(super) fn event(&self, event: &Event<'_>) -> String {
        let metadata = event.metadata();
        let label = if metadata.target() == FATAL { Label::Fatal } else { Label::of(*metadata.level()) };
        let mut text = Text { line: self.prefix(label), fields: String::new() };
        event.record(&mut text);
        text.line.push_str(&text.fields);
        finish(text.line)
    }

    /// A fact about the log itself.
    pub(super) fn info(&self, text: fmt::Arguments<'_>) -> String {
        self.own(Label::Info, text)
    }

    /// A warning by the log itself.
    pub(super) fn warning(&self, text: fmt::Arguments<'_>) -> String {
        self.own(Label::Warning, text)
    }

    fn own(&self, label: Label, text: fmt::Arguments<'_>) -> String {
        let mut line = self.prefix(label);
        // Writing into a String cannot fail, here and below.
        let _ = line.write_fmt(text);
        finish(line)
    }

    fn prefix(&self, label: Label) -> String {
        let now = Timestamp::from_nanosecond(i128::from(self.clock.wall_nanos())).unwrap_or_default();
        let at = now.to_zoned(self.zone.clone()).datetime();
        let (date, time) = (at.date(), at.time());
        let mut line = String::with_capacity(160);
        let _ = write!(
            line,
            "[{}] {:04}/{:02}/{:02} {:02}:{:02}:{:02}.{:06} ",
            self.pid,
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.subsec_nanosecond() / 1_000,
        );
        let _ = if self.coloured {
            write!(line, "[\x1b[{}m{}\x1b[0m] ", label.colour(), label.word())
        } else {
            write!(line, "[{}] ", label.word())
        };
        line
    }
}

fn finish(mut line: String) -> String {
    if line.len() >= LOG_LINE_BYTES_MAX {
        let cut = (0..LOG_LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(cut);
        line.push('…');
    }
    line.push('\n');
    line
}

#[derive(Clone, Copy)]
enum Label {
    Fatal,
    Error,
    Warning,
    Info,
    Debug,
    Trace,
}

impl Label {
    fn of(level: Level) -> Label {
        match level {
            Level::ERROR => Label::Error,
            Level::WARN => Label::Warning,
            Level::INFO => Label::Info,
            Level::DEBUG => Label::Debug,
            Level::TRACE => Label::Trace,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Label::Fatal => "FTL",
            Label::Error => "ERR",
            Label::Warning => "WRN",
            Label::Info => "INF",
            Label::Debug => "DBG",
            Label::Trace => "TRC",
        }
    }

    /// nats-server's (logger/log.go, `setColoredLabelFormats`).
    fn colour(self) -> &'static str {
        match self {
            Label::Fatal | Label::Error => "31",
            Label::Warning => "0;93",
            Label::Info => "32",
            Label::Debug => "36",
            Label::Trace => "33",
        }
    }
}

/// Gathers an event's message and, after it, its fields.
struct Text {
    line: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            let _ = write!(Clean(&mut self.line), "{value}");
        } else if value.is_empty() || value.contains([' ', '"', '=']) {
            let _ = write!(self.fields, " {}={value:?}", field.name());
        } else {
            let _ = write!(self.fields, " {}=", field.name());
            let _ = write!(Clean(&mut self.fields), "{value}");
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(Clean(&mut self.line), "{value:?}");
        } else {
            let _ = write!(self.fields, " {}=", field.name());
            let _ = write!(Clean(&mut self.fields), "{value:?}");
        }
    }
}

/// Writes control characters as escapes, so that what a client sent cannot forge a line.
struct Clean<'a>(&'a mut String);

impl fmt::Write for Clean<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() {
                self.0.extend(c.escape_default());
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_pid_and_time_in_nats_servers_form() {
        let line = LineFormat::new(Clock::new(), true, false).warning(format_args!("text"));
        let (pid, rest) = line.split_once("] ").unwrap();
        assert_eq!(pid, format!("[{}", std::process::id()));
        let shape: String = rest.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000/00/00 00:00:00.000000 [WRN] text\n");
    }

    #[test]
    fn a_coloured_label_is_nats_servers() {
        let line = LineFormat::new(Clock::new(), true, true).warning(format_args!("x"));
        assert!(line.ends_with("[\x1b[0;93mWRN\x1b[0m] x\n"), "{line:?}");
    }

    #[test]
    fn a_field_cannot_forge_a_line() {
        let mut text = String::new();
        write!(Clean(&mut text), "a\n[1] fake\x1b[0m").unwrap();
        assert_eq!(text, "a\\n[1] fake\\u{1b}[0m");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let line = finish("ü".repeat(LOG_LINE_BYTES_MAX));
        assert!(line.len() <= LOG_LINE_BYTES_MAX + 4 && line.ends_with("…\n"));
    }
}
