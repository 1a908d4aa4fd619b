//! Charts in the cells of a terminal.

use std::fmt::Write;

use anstyle::{Ansi256Color, Style};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use ratatui::symbols::Marker;
use ratatui::widgets::Widget;
use ratatui::widgets::canvas::{Canvas, Context, Line as Stroke, Points};
use unicode_width::UnicodeWidthStr;

use crate::table::{Chart, Line, Odd, Tick};

/// Colors of lines: told apart from each other, and from a black and a white ground.
const COLORS: [u8; 10] = [33, 208, 35, 170, 142, 37, 203, 99, 70, 136];
const GRAY: Color = Color::Indexed(244);
/// So many columns are kept behind the chart for the names of lines.
const MARGIN: u16 = 3;
/// Lines are named again after so many columns, where there are no colors to tell them apart.
const NAMED_EVERY: usize = 14;

/// What may be drawn with.
#[derive(Clone, Copy)]
pub(super) struct Ink {
    /// Only characters of ASCII.
    pub(super) ascii: bool,
    /// Colors.
    pub(super) color: bool,
}

/// The letter of a line that has this number in the legend; a dot for one that is in none.
pub(super) fn letter(rank: Option<usize>) -> char {
    match rank {
        Some(i) => ('a'..='z').chain('A'..='Z').nth(i).unwrap_or('#'),
        None => '.',
    }
}

/// Its color.
pub(super) fn color(rank: Option<usize>, ink: Ink) -> Color {
    let color = rank.and_then(|i| COLORS.get(i % COLORS.len()));
    match (ink.color, color) {
        (false, _) => Color::Reset,
        (true, Some(color)) => Color::Indexed(*color),
        (true, None) => GRAY,
    }
}

/// A chart to be drawn.
pub(super) struct Drawing<'a> {
    pub(super) chart: &'a Chart,
    pub(super) ink: Ink,
    /// The line that is drawn above all others, in the color of text.
    pub(super) selected: Option<usize>,
}

/// Where the parts of a drawing stand.
struct Places {
    plot: Rect,
    /// Dots a cell, across and down.
    dots: (u16, u16),
}

impl Places {
    /// The cell of a point in the unit square.
    fn cell(&self, [x, y]: [f64; 2]) -> (u16, u16) {
        let column = dot(x, self.plot.width, self.dots.0);
        let row = dot(1.0 - y, self.plot.height, self.dots.1);
        (self.plot.x + column, self.plot.y + row)
    }
}

/// The cell among `cells` in which a share of them falls.
#[expect(clippy::as_conversions, reason = "saturates, and is cut to the number of cells")]
fn dot(share: f64, cells: u16, dots: u16) -> u16 {
    let last = f64::from(cells) * f64::from(dots) - 1.0;
    let dot = (share.clamp(0.0, 1.0) * last).round() as u16;
    (dot / dots).min(cells.saturating_sub(1))
}

impl Drawing<'_> {
    /// Draws into `area`, which should have 20 columns and 5 rows or more.
    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let several = self.chart.lines.len() > 1;
        let margin = if several { MARGIN } else { 1 };
        let rows = area.height.saturating_sub(2);
        let ticks = self.chart.y.ticks(usize::from(rows * 2 / 5).max(2));
        let widest = ticks.iter().map(|tick| tick.label.width()).max().unwrap_or(0);
        let labels = u16::try_from(widest + 2).unwrap_or(area.width).min(area.width / 2);
        let plot = Rect {
            x: area.x + labels,
            width: area.width.saturating_sub(labels + margin),
            height: rows,
            ..area
        };
        if plot.width == 0 || plot.height == 0 {
            return;
        }
        let dots = if self.ink.ascii { (1, 1) } else { (2, 4) };
        let places = Places { plot, dots };
        self.canvas(plot, dots).render(plot, buffer);
        self.left_axis(&ticks, area, &places, buffer);
        self.lower_axis(area, &places, buffer);
        if several {
            self.names(&places, buffer);
        }
        self.marks(&places, buffer);
    }

    fn canvas(&self, plot: Rect, dots: (u16, u16)) -> Canvas<'_, impl Fn(&mut Context<'_>)> {
        let width = usize::from(plot.width) * usize::from(dots.0);
        let several = self.chart.lines.len() > 1;
        let paint = move |context: &mut Context<'_>| {
            // The first lines last, on top of the others.
            let lines = self.chart.lines.iter().rev();
            let (named, faint): (Vec<_>, Vec<_>) = lines.partition(|line| line.rank.is_some());
            // Without colors, many others would hide those that have a name.
            let faint = faint.into_iter().filter(|_| self.ink.color);
            for line in faint.chain(named).chain(self.selected()) {
                if self.ink.ascii {
                    let letter = if several { letter(line.rank) } else { '*' };
                    context.marker(Marker::Custom(letter));
                }
                let color = self.color(line);
                for part in self.chart.parts(line, 2 * width) {
                    stroke(context, &part, color);
                }
            }
        };
        let marker = if self.ink.ascii { Marker::Custom('*') } else { Marker::Braille };
        Canvas::default().marker(marker).x_bounds([0.0, 1.0]).y_bounds([0.0, 1.0]).paint(paint)
    }

    fn left_axis(&self, ticks: &[Tick], area: Rect, places: &Places, buffer: &mut Buffer) {
        let plot = places.plot;
        let axis = plot.x.saturating_sub(1);
        let (line, tick_line) = if self.ink.ascii { ("|", "+") } else { ("│", "┤") };
        for row in plot.top()..plot.bottom() {
            self.put(buffer, axis, row, line, GRAY);
        }
        let mut free = u16::MAX;
        for tick in ticks.iter().rev() {
            let (_, row) = places.cell([0.0, tick.place]);
            if row == free {
                continue; // another label stands there
            }
            free = row;
            let width = u16::try_from(tick.label.width()).unwrap_or(0);
            let start = axis.saturating_sub(width + 1).max(area.x);
            self.put(buffer, start, row, &tick.label, GRAY);
            self.put(buffer, axis, row, tick_line, GRAY);
        }
    }

    fn lower_axis(&self, area: Rect, places: &Places, buffer: &mut Buffer) {
        let plot = places.plot;
        let axis = plot.bottom();
        let (corner, line, tick_line) =
            if self.ink.ascii { ("+", "-", "+") } else { ("└", "─", "┬") };
        for column in plot.left()..plot.right() {
            self.put(buffer, column, axis, line, GRAY);
        }
        self.put(buffer, plot.x.saturating_sub(1), axis, corner, GRAY);
        let caption = self.chart.x.caption();
        let caption_width = u16::try_from(caption.width()).unwrap_or(0);
        // The caption stands at the right end; on narrow charts it gives way.
        let has_caption = plot.width >= caption_width + 24;
        let caption_at = area.right().saturating_sub(caption_width);
        let end = if has_caption { caption_at.saturating_sub(1) } else { area.right() };
        if has_caption {
            self.put(buffer, caption_at, axis + 1, &caption, GRAY);
        }
        let mut free = area.left();
        for tick in self.chart.x.ticks(usize::from(plot.width / 12).max(2)) {
            let (column, _) = places.cell([tick.place, 0.0]);
            let width = u16::try_from(tick.label.width()).unwrap_or(0);
            self.put(buffer, column, axis, tick_line, GRAY);
            let start = column.saturating_sub(width / 2).max(area.left());
            if start >= free && start + width <= end {
                self.put(buffer, start, axis + 1, &tick.label, GRAY);
                free = start + width + 1;
            }
        }
    }

    /// Letters behind the ends of lines; and along them, if nothing else tells them apart.
    fn names(&self, places: &Places, buffer: &mut Buffer) {
        let plot = places.plot;
        let named = || self.chart.lines.iter().filter(|line| line.rank.is_some());
        if !self.ink.color && !self.ink.ascii {
            let count = named().count().max(1);
            let every = NAMED_EVERY.max(3 * count);
            for (i, line) in named().enumerate() {
                let parts = self.chart.parts(line, 400);
                let columns = (0..plot.width).skip(i * every / count).step_by(every);
                for column in columns {
                    let x = f64::from(column) / f64::from(plot.width.max(2) - 1);
                    if let Some(y) = height(&parts, x) {
                        self.letter(line, places.cell([x, y]), buffer);
                    }
                }
            }
        }
        let mut taken: Vec<(u16, u16)> = Vec::new();
        for line in named() {
            let Some(end) = self.chart.end(line) else { continue };
            let (column, row) = places.cell(end);
            let mut columns = column + 1..plot.right() + MARGIN;
            if let Some(column) = columns.find(|column| !taken.contains(&(*column, row))) {
                taken.push((column, row));
                self.letter(line, (column, row), buffer);
            }
        }
    }

    fn letter(&self, line: &Line, (column, row): (u16, u16), buffer: &mut Buffer) {
        let letter = letter(line.rank);
        self.put(buffer, column, row, letter.encode_utf8(&mut [0; 4]), self.color(line));
    }

    fn selected(&self) -> Option<&Line> {
        self.chart.lines.get(self.selected?)
    }

    fn color(&self, line: &Line) -> Color {
        match self.selected() {
            Some(selected) if std::ptr::eq(selected, line) => Color::Reset,
            _ => color(line.rank, self.ink),
        }
    }

    /// Values that are not finite, at the edge where they would be.
    fn marks(&self, places: &Places, buffer: &mut Buffer) {
        for line in &self.chart.lines {
            for mark in self.chart.marks(line) {
                let (symbol, ascii) = match mark.odd {
                    Odd::Nan => ("×", "x"),
                    Odd::Above => ("↑", "^"),
                    Odd::Below => ("↓", "v"),
                };
                let (column, bottom) = places.cell([mark.place, 0.0]);
                let row = match mark.odd {
                    Odd::Nan => bottom + 1,
                    Odd::Above => places.plot.y,
                    Odd::Below => bottom,
                };
                let symbol = if self.ink.ascii { ascii } else { symbol };
                self.put(buffer, column, row, symbol, color(line.rank, self.ink));
            }
        }
    }

    fn put(&self, buffer: &mut Buffer, column: u16, row: u16, text: &str, color: Color) {
        let color = if self.ink.color { color } else { Color::Reset };
        if buffer.area.contains((column, row).into()) {
            buffer.set_string(column, row, text, color);
        }
    }
}

/// A line through points of the unit square.
fn stroke(context: &mut Context<'_>, part: &[[f64; 2]], color: Color) {
    if let [[x, y]] = part {
        context.draw(&Points { coords: &[(*x, *y)], color });
    }
    for pair in part.windows(2) {
        if let [[x1, y1], [x2, y2]] = *pair {
            context.draw(&Stroke { x1, y1, x2, y2, color });
        }
    }
}

/// How high a line in parts is at `x`.
fn height(parts: &[Vec<[f64; 2]>], x: f64) -> Option<f64> {
    for part in parts {
        for pair in part.windows(2) {
            let [[x1, y1], [x2, y2]] = *pair else { continue };
            if (x1..=x2).contains(&x) {
                let y = if x1 == x2 { y1 } else { y1 + (y2 - y1) * (x - x1) / (x2 - x1) };
                return Some(y).filter(|y| (0.0..=1.0).contains(y));
            }
        }
    }
    None
}

/// What stands in `buffer` as text, with codes for its colors.
pub(super) fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.area.rows() {
        let mut line = String::new();
        let mut now = Style::new();
        let mut end = (0, now); // of what is not blank
        let mut skip = 0;
        for column in row.columns() {
            let Some(cell) = buffer.cell((column.x, column.y)) else { continue };
            if skip > 0 {
                skip -= 1; // behind a wide character
                continue;
            }
            skip = cell.symbol().width().saturating_sub(1);
            let style = style(cell);
            if style != now {
                let _ = write!(line, "{now:#}{style}");
                now = style;
            }
            line.push_str(cell.symbol());
            if cell.symbol() != " " {
                end = (line.len(), now);
            }
        }
        line.truncate(end.0);
        let _ = writeln!(text, "{line}{:#}", end.1);
    }
    text
}

/// A style that has this color.
pub(super) fn ansi(color: Color) -> Style {
    match color {
        Color::Indexed(color) => Style::new().fg_color(Some(Ansi256Color(color).into())),
        _ => Style::new(),
    }
}

fn style(cell: &Cell) -> Style {
    let style = ansi(cell.fg);
    if cell.modifier.contains(Modifier::BOLD) { style.bold() } else { style }
}
