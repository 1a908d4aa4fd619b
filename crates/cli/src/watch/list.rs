//! The list of runs, and short forms of numbers.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::app::App;
use super::model::{Run, State};
use super::style::{DIM, SELECTED, put};
use crate::chart::{color, letter};
use crate::render::{name, number, shorten};
use tbx_runs::table::number::trim_zeros;

/// Minimum room for the name of a run.
const NAME: u16 = 14;

impl App {
    pub(super) fn list(&self, area: Rect, buffer: &mut Buffer, now: f64) {
        let shown = self.shown();
        let cursor = self.cursor(&shown);
        let tags = self.tags();
        let tag = tags.first();
        let rows = usize::from(area.height.saturating_sub(1)).max(1);
        // Keeps the selected run in view and leaves no row empty unnecessarily.
        let first = cursor.saturating_sub(rows / 2).min(shown.len().saturating_sub(rows));
        let columns = columns(area.width, tag.map(|tag| name(tag)));
        let part = Some((first, rows, shown.len())).filter(|_| shown.len() > rows);
        let mut x = 2;
        for column in &columns {
            let title = match (column.of, part) {
                (Of::Name, Some(part)) => title(part, column.width),
                _ => column.title.clone(),
            };
            let title = shorten(&title, usize::from(column.width));
            put_in(buffer, area, x, column, &title, DIM);
            x += column.width + 2;
        }
        for (i, (of, run)) in shown.iter().enumerate().skip(first).take(rows) {
            let y = area.y + 1 + u16::try_from(i - first).unwrap_or(0);
            let line = Rect { y, height: 1, ..area };
            if let Some(rank) = self.named.get(*of).copied() {
                let style =
                    Style::new().fg(color(Some(rank), self.ink)).add_modifier(Modifier::BOLD);
                put(buffer, line, 0, letter(Some(rank)).encode_utf8(&mut [0; 4]), style);
            }
            let mut x = 2;
            for column in &columns {
                let (text, style) = self.cell(column, of, run, tag, now);
                put_in(buffer, line, x, column, &text, style);
                x += column.width + 2;
            }
            if i == cursor {
                let width = (x - 4).min(area.width.saturating_sub(2));
                buffer.set_style(Rect { x: area.x + 2, width, ..line }, SELECTED.fg(Color::Reset));
            }
        }
        if shown.is_empty() {
            let what =
                if self.model.runs.is_empty() { "no run yet" } else { "no run has this name" };
            put(buffer, Rect { y: area.y + 1, ..area }, 2, what, DIM);
        }
    }

    fn cell(
        &self,
        column: &Column,
        run_name: &str,
        run: &Run,
        tag: Option<&Arc<str>>,
        now: f64,
    ) -> (String, Style) {
        let plain = Style::new();
        let width = usize::from(column.width);
        let or_nothing = |text: Option<String>| (text.unwrap_or_default(), plain);
        match column.of {
            Of::Name => (shorten(&name(run_name), width), plain),
            Of::State => match run.state(now) {
                State::Growing => ("growing".into(), self.style(Color::Green)),
                State::Idle => ("idle".into(), DIM),
                State::Damaged => ("damaged".into(), self.style(Color::Red)),
            },
            Of::Step => or_nothing(run.step.map(|step| whole_number(step, width))),
            Of::Rate => or_nothing(run.rate().filter(|_| run.grows(now)).map(rate)),
            Of::Age => or_nothing(run.last_event.map(|time| age(now - time))),
            Of::Value => {
                let value = tag.and_then(|tag| run.value(tag));
                or_nothing(value.map(|value| short_number(value, width)))
            }
        }
    }
}

/// A column of the list of runs.
struct Column {
    title: String,
    of: Of,
    width: u16,
    is_number: bool,
}

#[derive(Clone, Copy)]
enum Of {
    Name,
    State,
    Step,
    Rate,
    Age,
    Value,
}

/// The heading of the names: `rows` runs from `first` on, of `all`.
fn title((first, rows, all): (usize, usize, usize), width: u16) -> String {
    let (from, to) = (first + 1, first + rows);
    let titles = [format!("RUN {from}-{to} of {all}"), format!("RUN {from}-{to}")];
    let fitting = titles.into_iter().find(|title| title.width() <= usize::from(width));
    fitting.unwrap_or_else(|| "RUN".into())
}

/// The columns that fit, the most important ones first; names take the rest.
fn columns(width: u16, tag: Option<String>) -> Vec<Column> {
    let tag = shorten(&tag.unwrap_or_default(), 12);
    let tag_width = u16::try_from(tag.width()).unwrap_or(0).max(11);
    let all = [
        (Of::State, "STATE".to_owned(), 7, false),
        (Of::Step, "STEP".to_owned(), 8, true),
        (Of::Age, "AGE".to_owned(), 4, true),
        (Of::Value, tag, tag_width, true),
        (Of::Rate, "STEP/S".to_owned(), 6, true),
    ];
    // A letter precedes the name.
    let mut room = width.saturating_sub(2 + NAME);
    let mut columns =
        vec![Column { title: "RUN".into(), of: Of::Name, width: NAME, is_number: false }];
    for (of, title, width, is_number) in all {
        let Some(left) = room.checked_sub(width + 2) else { break };
        room = left;
        columns.push(Column { title, of, width, is_number });
    }
    if let Some(names) = columns.first_mut() {
        names.width += room.min(48);
    }
    columns
}

/// Writes into a cell of a table. A number that does not fit is left out: cut, it would look like a
/// different number.
fn put_in(buffer: &mut Buffer, area: Rect, x: u16, column: &Column, text: &str, style: Style) {
    let text = if text.width() <= usize::from(column.width) { text } else { "…" };
    let used = u16::try_from(text.width()).unwrap_or(column.width);
    let x = if column.is_number { x + column.width.saturating_sub(used) } else { x };
    put(buffer, area, x, text, style);
}

/// A number in at most `width` columns, with fewer digits if it does not fit.
pub(super) fn short_number(value: f64, width: usize) -> String {
    let fewer = (0..6usize).rev().map(|digits| {
        let text = format!("{value:.digits$e}");
        match text.split_once('e') {
            Some((digits, exponent)) if exponent != "0" => {
                format!("{}e{exponent}", trim_zeros(digits))
            }
            Some((digits, _)) => trim_zeros(digits).to_owned(),
            None => text,
        }
    });
    let plain = (0..8usize).rev().map(|decimals| format!("{value:.decimals$}"));
    // Without an exponent if that leaves three significant digits.
    let plain = plain.map(|text| trim_zeros(&text).to_owned()).filter(|text| {
        let digits = text.trim_start_matches(['-', '0', '.']).bytes();
        (1e-3..1e7).contains(&value.abs()) && digits.filter(u8::is_ascii_digit).count() >= 3
    });
    let mut all = [number(value)].into_iter().chain(plain).chain(fewer);
    all.find(|text| text.width() <= width).unwrap_or_else(|| "…".into())
}

/// An integer in at most `width` columns, in thousands, millions and so on if it does not fit.
pub(super) fn whole_number(value: i64, width: usize) -> String {
    let text = value.to_string();
    if text.len() <= width {
        return text;
    }
    #[expect(clippy::as_conversions, reason = "fewer digits are shown")]
    let size = value as f64;
    let units = [(1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P"), (1e18, "E")];
    let unit = units.into_iter().rfind(|(unit, _)| size.abs() >= *unit);
    let in_unit = |(unit, letter): (f64, &str)| {
        let texts = (0..3usize).rev().map(|digits| format!("{:.digits$}{letter}", size / unit));
        texts.into_iter().find(|text| text.len() <= width)
    };
    unit.and_then(in_unit).unwrap_or_else(|| "…".into())
}

/// A duration in its largest unit.
pub(super) fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    match seconds {
        0.0..60.0 => format!("{seconds:.0}s"),
        60.0..3600.0 => format!("{:.0}m", (seconds / 60.0).floor()),
        3600.0..86400.0 => format!("{:.0}h", (seconds / 3600.0).floor()),
        86400.0..31_536_000.0 => format!("{:.0}d", (seconds / 86400.0).floor()),
        _ => format!("{:.0}y", (seconds / 31_536_000.0).floor()),
    }
}

/// A number of steps per second with about three digits.
pub(super) fn rate(rate: f64) -> String {
    match rate {
        0.0..0.01 => format!("{rate:.0e}"),
        0.01..10.0 => format!("{rate:.2}"),
        10.0..100.0 => format!("{rate:.1}"),
        100.0..1e5 => format!("{rate:.0}"),
        _ => format!("{rate:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_room_has_fewer_digits_and_is_never_another_one() {
        assert_eq!(short_number(-0.000_335_463, 11), "-3.35463e-4");
        assert_eq!(short_number(-0.000_335_463, 12), "-0.000335463");
        assert_eq!(
            [8, 6, 4, 3].map(|width| short_number(0.123_456_7, width)),
            ["0.123457", "0.1235", "1e-1", "…"]
        );
        assert_eq!(
            [7, 6, 5, 4].map(|width| short_number(1_234_567.0, width)),
            ["1234567", "1.23e6", "1.2e6", "1e6"]
        );
        assert_eq!([f64::NAN, f64::INFINITY, 0.0].map(|n| short_number(n, 3)), ["NaN", "inf", "0"]);
        let mut value = 1.234_567_891e-40;
        while value < 1e40 {
            for width in 1..14 {
                for value in [value, -value] {
                    let text = short_number(value, width);
                    assert!(text.width() <= width, "{text}");
                    if text != "…" {
                        let read: f64 = text.parse().unwrap();
                        assert!((read / value - 1.0).abs() < 0.5, "{value} as {text}");
                    }
                }
            }
            value *= 3.7;
        }
    }

    #[test]
    fn whole_numbers_without_room_have_a_unit() {
        let of = |value| whole_number(value, 8);
        assert_eq!([0, 12_345_678, -1_234_567].map(of), ["0", "12345678", "-1234567"]);
        assert_eq!(of(123_456_789), "123.46M");
        assert_eq!(of(-123_456_789_012), "-123.46G");
        assert_eq!(of(i64::MAX), "9.22E");
        assert_eq!(of(i64::MIN), "-9.22E");
        assert_eq!([whole_number(123_456_789, 4), whole_number(123_456_789, 3)], ["123M", "…"]);
    }

    #[test]
    fn ages_and_rates_have_room() {
        for seconds in [0.0, 59.9, 3599.0, 86399.0, 86400.0 * 364.0, 1.7e9, 1e10] {
            assert!(age(seconds).width() <= 4, "{}", age(seconds));
        }
        assert_eq!([age(1.7e9), age(86400.0 * 364.9)], ["53y", "364d"]);
        for per_second in [1e-30, 0.001, 0.5, 99.97, 1e4, 99_999.0, 1e12] {
            assert!(rate(per_second).width() <= 6, "{}", rate(per_second));
        }
    }
}
