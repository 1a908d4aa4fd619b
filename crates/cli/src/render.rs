//! Formatting for people: numbers, sizes, times and tables.

mod elide;
mod table;
mod terminal;

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

pub(super) use self::elide::shorten;
pub(super) use self::table::{Fit, NotShown, Table};
pub(super) use self::terminal::{has_colors, is_terminal, terminal_width};
use tbx_runs::printable::printable;
pub(super) use tbx_runs::table::number::short as number;
use tbx_runs::table::number::trim_zeros;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const RED: Style = AnsiColor::Red.on_default();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();

/// `text` in `style`.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A count with separators: `2,001,000`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its unit: `1 run`, `2 runs`.
pub(super) fn counted(n: usize, unit: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {unit}{s}", count(u64::try_from(n).unwrap_or(u64::MAX)))
}

/// A number of bytes: `812 B`, `1.2 MB`.
pub(super) fn bytes(n: u64) -> String {
    let mut rest = n;
    let mut unit = "B";
    let mut tenths = 0;
    for larger in ["kB", "MB", "GB", "TB"] {
        if rest < 1000 {
            break;
        }
        tenths = rest % 1000 / 100;
        rest /= 1000;
        unit = larger;
    }
    match (unit, rest) {
        ("B", _) | (_, 100..) => format!("{rest} {unit}"),
        _ => format!("{rest}.{tenths} {unit}"),
    }
}

/// A wall time as a date, in UTC.
pub(super) fn date(seconds: f64) -> String {
    let timestamp = jiff::SignedDuration::try_from_secs_f64(seconds)
        .and_then(jiff::Timestamp::from_duration)
        .map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string());
    timestamp.unwrap_or_else(|_| format!("wall time {seconds:e}"))
}

/// A time span: `12m 3s`.
pub(super) fn duration(seconds: f64) -> String {
    #[expect(clippy::as_conversions, reason = "saturates")]
    let whole = seconds as u64;
    let (days, hours, minutes) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60);
    match whole {
        0..60 => format!("{}s", trim_zeros(&format!("{seconds:.1}"))),
        60..3600 => format!("{minutes}m {}s", whole % 60),
        3600..86400 => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// A name from a log, [printable]; an empty one is `""`.
pub(super) fn name(name: &str) -> String {
    let text = printable(name);
    if text.is_empty() { "\"\"".into() } else { text }
}

/// `text` in lines of at most `width` columns, the first after `indent` spaces and all others after
/// `hanging`.
pub(super) fn wrapped(text: &str, width: usize, indent: usize, hanging: usize) -> String {
    let mut lines = String::new();
    let mut line = " ".repeat(indent);
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.width() + 1 + word.width() > width {
            let _ = writeln!(lines, "{line}");
            line = " ".repeat(hanging);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_counts_and_times_are_short() {
        assert_eq!(count(2_001_000), "2,001,000");
        assert_eq!(
            [0, 999, 1000, 1234, 123_456, 5 << 30].map(bytes),
            ["0 B", "999 B", "1.0 kB", "1.2 kB", "123 kB", "5.3 GB"]
        );
        assert_eq!(
            [0.25, 59.0, 61.0, 3700.0, 90_000.0].map(duration),
            ["0.2s", "59s", "1m 1s", "1h 1m", "1d 1h"]
        );
        assert_eq!(date(1_700_000_000.5), "2023-11-14 22:13:20");
        assert_eq!(date(1e300), "wall time 1e300");
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two three", 9, 2, 4), "  one two\n    three\n");
        assert_eq!(wrapped("a-very-long-word x", 6, 0, 1), "a-very-long-word\n x\n");
        assert_eq!(wrapped("", 6, 2, 4), "  \n");
    }

    #[test]
    fn names_cannot_play_with_the_terminal() {
        assert_eq!(name("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\nb");
        assert_eq!(name("loss\u{202e}gnp\u{2066}.txt"), "loss\\u{202e}gnp\\u{2066}.txt");
        assert_eq!(name("größe 深い"), "größe 深い");
    }
}
