//! The layout of the screen, and its charts.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use unicode_width::UnicodeWidthStr;

use super::app::{App, Mode, Order};
use super::cache::{ChartCache, Key};
use super::model::Run;
use super::panels;
use super::style::{BOLD, DIM, SELECTED, put};
use crate::chart::{Drawing, MEDIAN};
use crate::render::{counted, name, shorten};
use tbx_runs::table::{ChartOptions, ScalarChart};

/// From this number of columns on, charts are next to the list of runs.
const WIDE: u16 = 110;
/// The smallest usable screen.
const SMALLEST: (u16, u16) = (40, 10);
/// Minimum size of a chart.
const CHART: (u16, u16) = (36, 9);
/// Number of runs with a color and a letter, besides the selected one.
const NAMED: usize = 10;

/// Minimum room for the names of the logdirs.
const LEAST_TITLE: usize = 10;

impl App {
    /// Draws the screen at `now`, seconds since the epoch.
    pub(super) fn draw(&mut self, area: Rect, buffer: &mut Buffer, now: f64) {
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            put(buffer, area, 0, "the window is too small", Style::new());
            return;
        }
        self.name_runs();
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

    /// Assigns ranks to the runs that are drawn by name.
    fn name_runs(&mut self) {
        let shown = self.shown();
        let first = shown.iter().take(NAMED);
        let named = first.chain(shown.get(self.cursor(&shown)));
        let named: Vec<String> = named.map(|(name, _)| (*name).to_owned()).collect();
        self.named = self.ranks.among(named.iter().map(String::as_str));
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
        let width = |parts: &[(String, Style)]| -> usize {
            parts.iter().map(|(part, _)| part.width() + 2).sum()
        };
        // A count that is cut looks like a different number.
        while width(&parts) + LEAST_TITLE > usize::from(area.width) && parts.len() > 1 {
            parts.pop();
        }
        let room = usize::from(area.width).saturating_sub(width(&parts)).max(LEAST_TITLE);
        let mut x = put(buffer, area, 0, &shorten(&name(&self.title), room), BOLD);
        for (part, style) in parts {
            x = put(buffer, area, x + 2, &part, style);
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
            named: self.named.clone(),
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
        let options = ChartOptions::new().x(self.x).smoothing(self.smoothing()).log(self.log);
        let with_tag = runs.iter().enumerate();
        let with_tag = with_tag
            .filter_map(|(i, (name, run))| Some((i, *name, run.curves.get(tag)?.over(self.x))));
        let with_tag: Vec<_> = with_tag.collect();
        let curves = with_tag.iter().map(|(_, name, curve)| ((*name).to_owned(), *curve));
        let mut chart = ScalarChart::new(tag.to_string(), curves, &options);
        for line in &mut chart.lines {
            line.rank = self.named.get(&line.name).copied();
        }
        let selected = with_tag.iter().position(|(i, ..)| *i == cursor);
        let mut title = name(tag);
        let left_out: usize = chart.lines.iter().map(|line| line.not_positive).sum();
        if left_out > 0 {
            title += &format!("  {} not above 0", counted(left_out, "value"));
        }
        if chart.is_crowded() {
            let dots = if self.ink.ascii { '.' } else { '·' };
            let all = counted(chart.lines.len(), "run");
            title += &format!("  {dots} min to max, {MEDIAN} median of {all}");
        }
        if let Some((of, _)) = runs.get(cursor).filter(|_| selected.is_none()) {
            title += &format!("  not in {}", name(of));
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
        // The first ones are omitted last.
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

    /// A style with this color, if there are colors.
    pub(super) fn style(&self, color: Color) -> Style {
        if self.ink.color { Style::new().fg(color) } else { Style::new() }
    }
}

fn name_or_nothing(text: &str) -> String {
    if text.is_empty() { String::new() } else { name(text) }
}
