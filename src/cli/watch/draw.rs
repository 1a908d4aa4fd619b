//! The screen.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::app::{App, Mode, Order};
use super::model::{Run, State};
use super::panels;
use crate::cli::chart::{Drawing, color, letter};
use crate::cli::render::{counted, name, number, shorten};
use crate::table::{Chart, ChartOptions, ChartX};

/// From so many columns on, charts stand beside the list of runs.
const WIDE: u16 = 110;
/// The smallest screen that shows more than a few words.
const SMALLEST: (u16, u16) = (40, 10);
/// A chart is not made smaller than this.
const CHART: (u16, u16) = (36, 9);
/// The least room for the name of a run.
const NAME: u16 = 14;
/// So many runs have a color.
const NAMED: usize = 10;

pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Charts as they were drawn last, and of what.
pub(super) struct ChartCache {
    key: Key,
    drawn: Buffer,
}

/// What charts depend on.
#[derive(PartialEq)]
struct Key {
    version: u64,
    area: Rect,
    tags: Vec<Arc<str>>,
    runs: Vec<String>,
    selected: usize,
    how: (u64, bool, ChartX),
}

impl App {
    /// Draws the screen at `now`, seconds since the epoch.
    pub(super) fn draw(&mut self, area: Rect, buffer: &mut Buffer, now: f64) {
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            put(buffer, area, 0, "the window is too small", Style::new());
            return;
        }
        let body = Rect { y: area.y + 1, height: area.height - 2, ..area };
        let rows = u16::try_from(self.model.runs.len()).unwrap_or(u16::MAX).saturating_add(1);
        self.header(Rect { height: 1, ..area }, buffer, now);
        let charts = if area.width >= WIDE {
            let width = area.width * 9 / 20;
            let left = Rect { width: width - 1, ..body };
            // Below the runs there is room for the numbers of one.
            let height = rows.min(left.height * 3 / 5);
            self.list(Rect { height, ..left }, buffer, now);
            let below = Rect { y: left.y + height + 1, height: left.height - height - 1, ..left };
            if !self.details {
                panels::details(self, below, buffer, now);
            }
            Rect { x: body.x + width + 1, width: body.width - width - 1, ..body }
        } else {
            let height = (body.height * 2 / 5).min(rows).max(3);
            self.list(Rect { height, ..body }, buffer, now);
            Rect { y: body.y + height, height: body.height - height, ..body }
        };
        if self.details {
            panels::details(self, charts, buffer, now);
        } else {
            self.charts(charts, buffer);
        }
        self.footer(Rect { y: area.bottom() - 1, height: 1, ..area }, buffer);
        match &self.mode {
            Mode::Tags(chooser) => panels::tags(self, chooser, body, buffer),
            Mode::Help => panels::help(self, body, buffer),
            Mode::Runs | Mode::Filter => {}
        }
        if self.ink.ascii {
            for cell in buffer.content.iter_mut().filter(|cell| cell.symbol() == "…") {
                cell.set_symbol("~");
            }
        }
    }

    fn header(&self, area: Rect, buffer: &mut Buffer, now: f64) {
        let runs = &self.model.runs;
        let growing = runs.values().filter(|run| run.grows(now)).count();
        let damaged = runs.values().filter(|run| run.problems.count > 0).count();
        let mut parts = vec![(counted(runs.len(), "run"), Style::new())];
        if growing > 0 {
            parts.push((format!("{growing} growing"), self.style(Color::Green)));
        }
        if damaged > 0 {
            parts.push((format!("{damaged} damaged"), self.style(Color::Red)));
        }
        if self.model.problems.count > 0 {
            let problems = usize::try_from(self.model.problems.count).unwrap_or(usize::MAX);
            parts.push((counted(problems, "problem"), self.style(Color::Red)));
        }
        if self.is_reading {
            parts.push(("reading".into(), DIM));
        }
        if self.paused {
            parts.push(("paused".into(), SELECTED));
        }
        let width: usize = parts.iter().map(|(part, _)| part.width() + 2).sum();
        let room = usize::from(area.width).saturating_sub(width).max(10);
        let mut x = put(buffer, area, 0, &shorten(&name(&self.title), room), BOLD);
        for (part, style) in parts {
            x = put(buffer, area, x + 2, &part, style);
        }
    }

    fn list(&mut self, area: Rect, buffer: &mut Buffer, now: f64) {
        let shown = self.shown();
        let cursor = self.cursor(&shown);
        let tags = self.tags();
        let tag = tags.first();
        let rows = usize::from(area.height.saturating_sub(1)).max(1);
        // The selected run is in sight, and no row is empty that need not be.
        let first = cursor.saturating_sub(rows / 2).min(shown.len().saturating_sub(rows));
        let mut columns = columns(area.width, tag.map(|tag| name(tag)));
        if let Some(names) = columns.first_mut().filter(|_| shown.len() > rows) {
            names.title += &format!(" {}-{} of {}", first + 1, first + rows, shown.len());
        }
        let mut x = 2;
        for column in &columns {
            put_in(buffer, area, x, (column.width, column.is_number), &column.title, DIM);
            x += column.width + 2;
        }
        for (i, (of, run)) in shown.iter().enumerate().skip(first).take(rows) {
            let y = area.y + 1 + u16::try_from(i - first).unwrap_or(0);
            let line = Rect { y, height: 1, ..area };
            let rank = Some(i).filter(|i| *i < NAMED);
            if let Some(rank) = rank {
                let style =
                    Style::new().fg(color(Some(rank), self.ink)).add_modifier(Modifier::BOLD);
                put(buffer, line, 0, letter(Some(rank)).encode_utf8(&mut [0; 4]), style);
            }
            let mut x = 2;
            for column in &columns {
                let (text, style) = self.cell(column.of, of, run, tag, now);
                put_in(buffer, line, x, (column.width, column.is_number), &text, style);
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
        of: Of,
        run_name: &str,
        run: &Run,
        tag: Option<&Arc<str>>,
        now: f64,
    ) -> (String, Style) {
        let plain = Style::new();
        match of {
            Of::Name => (name(run_name), plain),
            Of::State => match run.state(now) {
                State::Growing => ("growing".into(), self.style(Color::Green)),
                State::Idle => ("idle".into(), DIM),
                State::Damaged => ("damaged".into(), self.style(Color::Red)),
            },
            Of::Step => (run.step.map_or(String::new(), |step| step.to_string()), plain),
            Of::Rate => (run.rate().filter(|_| run.grows(now)).map_or(String::new(), rate), plain),
            Of::Age => (run.last_event.map_or(String::new(), |time| age(now - time)), plain),
            Of::Value => (tag.and_then(|tag| run.value(tag)).map_or(String::new(), number), plain),
        }
    }

    fn charts(&mut self, area: Rect, buffer: &mut Buffer) {
        let tags = self.tags();
        let shown = self.shown();
        let key = Key {
            version: self.model.version,
            area,
            selected: self.cursor(&shown),
            runs: shown.iter().map(|(name, _)| (*name).to_owned()).collect(),
            how: (self.smoothing().to_bits(), self.log, self.x),
            tags,
        };
        if self.charts.as_ref().is_none_or(|cache| cache.key != key) {
            let mut drawn = Buffer::empty(area);
            self.draw_charts(&key, &mut drawn);
            self.charts = Some(ChartCache { key, drawn });
        }
        if let Some(cache) = &self.charts {
            buffer.merge(&cache.drawn);
        }
    }

    fn draw_charts(&self, key: &Key, buffer: &mut Buffer) {
        let area = key.area;
        let tags = u16::try_from(key.tags.len()).unwrap_or(u16::MAX);
        let rows = (area.height / CHART.1).clamp(1, tags.max(1));
        let columns = (area.width / CHART.0).clamp(1, tags.div_ceil(rows).max(1));
        let shown = usize::from(rows) * usize::from(columns);
        let (width, height) = (area.width / columns, area.height / rows);
        let runs = self.shown();
        for (tag, i) in key.tags.iter().take(shown).zip(0u16..) {
            let (column, row) = (i % columns, i / columns);
            let area = Rect { x: area.x + column * width, y: area.y + row * height, width, height };
            self.draw_chart(tag, &runs, key.selected, area, buffer);
        }
        if key.tags.len() > shown {
            let more =
                format!("{} more in a larger window", counted(key.tags.len() - shown, "tag"));
            let x = area.width.saturating_sub(u16::try_from(more.len()).unwrap_or(0));
            put(buffer, area, x, &more, DIM);
        }
    }

    fn draw_chart(
        &self,
        tag: &Arc<str>,
        runs: &[(&str, &Run)],
        cursor: usize,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let smoothing = self.smoothing();
        let options = ChartOptions { x: self.x, smoothing, log: self.log, ..Default::default() };
        let with_tag = runs.iter().enumerate();
        let with_tag = with_tag
            .filter_map(|(i, (name, run))| Some((i, *name, run.curves.get(tag)?.over(self.x))));
        let with_tag: Vec<_> = with_tag.collect();
        let curves = with_tag.iter().map(|(_, name, curve)| ((*name).to_owned(), *curve));
        let mut chart = Chart::new(tag.to_string(), curves, &options);
        for (line, (i, ..)) in chart.lines.iter_mut().zip(&with_tag) {
            line.rank = Some(*i).filter(|i| *i < NAMED);
        }
        let selected = with_tag.iter().position(|(i, ..)| *i == cursor);
        let mut title = name(tag);
        let left_out: usize = chart.lines.iter().map(|line| line.not_positive).sum();
        if left_out > 0 {
            title += &format!("  {} not above 0", counted(left_out, "value"));
        }
        put(buffer, area, 0, &shorten(&title, usize::from(area.width)), BOLD);
        let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        Drawing { chart: &chart, ink: self.ink, selected }.draw(below, buffer);
    }

    fn footer(&self, area: Rect, buffer: &mut Buffer) {
        if self.mode == Mode::Filter {
            let x = put(buffer, area, 0, "filter: ", DIM);
            let x = put(buffer, area, x, &name_or_nothing(&self.filter), BOLD);
            let x = put(buffer, area, x, " ", SELECTED);
            put(buffer, area, x + 2, "enter keeps it, esc clears it", DIM);
            return;
        }
        let filter = match self.filter.as_str() {
            "" => "filter".to_owned(),
            filter => format!("filter {}", shorten(&name(filter), 20)),
        };
        let order = match self.order {
            Order::Name => "order".to_owned(),
            order => format!("order {}", order.name()),
        };
        let smooth = match self.smoothing() {
            0.0 => "smooth".to_owned(),
            weight => format!("smooth {weight}"),
        };
        let details = if self.details { "charts" } else { "details" };
        let log = if self.log { "log on" } else { "log" };
        let pause = if self.paused { "go on" } else { "pause" };
        // The first ones give way last.
        let keys = [
            ("/", filter.as_str()),
            ("t", "tags"),
            ("+-", smooth.as_str()),
            ("enter", details),
            ("l", log),
            ("x", self.x.name()),
            ("o", order.as_str()),
            ("p", pause),
        ];
        let last = [("?", "help"), ("q", "quit")];
        let width = |(key, what): (&str, &str)| key.width() + what.width() + 3;
        let mut room = usize::from(area.width)
            .saturating_sub(last.iter().map(|hint| width(*hint)).sum::<usize>());
        let fits = |hint: &(&str, &str)| {
            let fits = width(*hint) <= room;
            room = room.saturating_sub(if fits { width(*hint) } else { room });
            fits
        };
        let fitting: Vec<_> = keys.into_iter().take_while(fits).collect();
        let mut at = 0;
        for (key, what) in fitting.into_iter().chain(last) {
            at = put(buffer, area, at, key, BOLD) + 1;
            at = put(buffer, area, at, what, DIM) + 2;
        }
    }

    /// In this color, if there are colors.
    pub(super) fn style(&self, color: Color) -> Style {
        if self.ink.color { Style::new().fg(color) } else { Style::new() }
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
    // Its letter stands before a name.
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

/// Writes into a row of `area` from column `x` on, as far as there is room; the column behind.
pub(super) fn put(buffer: &mut Buffer, area: Rect, x: u16, text: &str, style: Style) -> u16 {
    let room = usize::from(area.width.saturating_sub(x));
    if room == 0 || !buffer.area.contains((area.x + x, area.y).into()) {
        return x;
    }
    let (end, _) = buffer.set_stringn(area.x + x, area.y, text, room, style);
    end - area.x
}

/// Writes into a cell of a table.
fn put_in(
    buffer: &mut Buffer,
    area: Rect,
    x: u16,
    (width, is_number): (u16, bool),
    text: &str,
    style: Style,
) {
    let text = shorten(text, usize::from(width));
    let used = u16::try_from(text.width()).unwrap_or(width);
    let x = if is_number { x + width.saturating_sub(used) } else { x };
    put(buffer, area, x, &text, style);
}

fn name_or_nothing(text: &str) -> String {
    if text.is_empty() { String::new() } else { name(text) }
}

/// A length of time in its largest unit.
pub(super) fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    match seconds {
        0.0..60.0 => format!("{seconds:.0}s"),
        60.0..3600.0 => format!("{:.0}m", (seconds / 60.0).floor()),
        3600.0..86400.0 => format!("{:.0}h", (seconds / 3600.0).floor()),
        _ => format!("{:.0}d", (seconds / 86400.0).floor()),
    }
}

/// A number of steps a second in about three digits.
pub(super) fn rate(rate: f64) -> String {
    match rate {
        0.0..0.01 => format!("{rate:.0e}"),
        0.01..10.0 => format!("{rate:.2}"),
        10.0..100.0 => format!("{rate:.1}"),
        100.0..1e5 => format!("{rate:.0}"),
        _ => format!("{rate:.1e}"),
    }
}
