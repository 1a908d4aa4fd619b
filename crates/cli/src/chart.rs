//! Charts made of terminal cells.

use std::fmt::Write;

use anstyle::{Ansi256Color, Style};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use ratatui::symbols::Marker;
use ratatui::widgets::Widget;
use ratatui::widgets::canvas::{Canvas, Context, Line as Stroke, Points};
use unicode_width::UnicodeWidthStr;

use tbx_runs::table::{BandPoint, Line, Odd, ScalarChart, Tick};

/// Colors of lines. They differ from each other and are visible on black and on white.
const COLORS: [u8; 10] = [33, 208, 35, 170, 142, 37, 203, 99, 70, 136];
const GRAY: Color = Color::Indexed(244);
/// Columns reserved to the right of the chart for letters of lines.
const MARGIN: u16 = 3;
/// Distance in columns between letters along a line, without colors.
const NAMED_EVERY: usize = 14;

/// Characters and colors that a terminal can show.
#[derive(Clone, Copy)]
pub(super) struct Ink {
    /// Use only ASCII characters.
    pub(super) ascii: bool,
    /// Use colors.
    pub(super) color: bool,
}

/// Letter of the line with this rank; a dot without a rank.
pub(super) fn letter(rank: Option<usize>) -> char {
    match rank {
        Some(i) => ('a'..='z').chain('A'..='Z').nth(i % Line::RANKS).unwrap_or('#'),
        None => '.',
    }
}

/// Marks the end of a median line; in ASCII, all of it.
pub(super) const MEDIAN: char = '~';

/// Color of the line with this rank.
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
    pub(super) chart: &'a ScalarChart,
    pub(super) ink: Ink,
    /// The line that is drawn on top, thicker, and with letters along it.
    pub(super) selected: Option<usize>,
}

/// Positions of the parts of a drawing.
struct Places {
    plot: Rect,
    /// Dots per cell, across and down.
    dots: (u16, u16),
}

impl Places {
    /// The cell that a point of the unit square falls into.
    fn cell(&self, [x, y]: [f64; 2]) -> (u16, u16) {
        let column = dot(x, self.plot.width, self.dots.0);
        let row = dot(1.0 - y, self.plot.height, self.dots.1);
        (self.plot.x + column, self.plot.y + row)
    }
}

/// The index of the cell, of `cells`, that this share of them falls into.
#[expect(clippy::as_conversions, reason = "saturates, and is cut to the number of cells")]
fn dot(share: f64, cells: u16, dots: u16) -> u16 {
    let last = f64::from(cells) * f64::from(dots) - 1.0;
    let dot = (share.clamp(0.0, 1.0) * last).round() as u16;
    (dot / dots).min(cells.saturating_sub(1))
}

impl Drawing<'_> {
    /// Draws into `area`, which should have at least 20 columns and 5 rows.
    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let several = self.chart.lines.len() > 1;
        let margin = if several { MARGIN } else { 1 };
        let rows = area.height.saturating_sub(2);
        let ticks = self.left_ticks(rows);
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
        let width = usize::from(plot.width);
        let band = if self.chart.is_crowded() { self.chart.band(width) } else { Vec::new() };
        self.canvas(plot, dots, &band).render(plot, buffer);
        self.shade(&band, &places, buffer);
        self.left_axis(&ticks, area, &places, buffer);
        self.lower_axis(area, &places, buffer);
        if several {
            self.names(&band, &places, buffer);
        }
        self.marks(&places, buffer);
    }

    fn canvas<'b>(
        &'b self,
        plot: Rect,
        dots: (u16, u16),
        band: &'b [Vec<BandPoint>],
    ) -> Canvas<'b, impl Fn(&mut Context<'_>)> {
        let (across, down) = (plot.width * dots.0, plot.height * dots.1);
        let most = 2 * usize::from(across);
        let several = self.chart.lines.len() > 1;
        let dot = [1.0 / f64::from(across), 1.0 / f64::from(down)];
        let paint = move |context: &mut Context<'_>| {
            // The first lines are drawn last, on top of the others.
            let lines = self.chart.lines.iter().rev();
            let (named, faint): (Vec<_>, Vec<_>) = lines.partition(|line| line.rank.is_some());
            let faint = faint.into_iter().filter(|_| band.is_empty());
            let mut marker = Marker::Braille;
            if self.ink.ascii {
                marker = Marker::Custom(MEDIAN);
                context.marker(marker);
            }
            for part in band {
                let median: Vec<_> = part.iter().map(|point| [point.place, point.median]).collect();
                stroke(context, &median, GRAY);
            }
            for line in faint.chain(named).chain(self.selected()) {
                let own = match line.rank {
                    _ if self.ink.ascii && !several => Marker::Custom('*'),
                    rank if self.ink.ascii => Marker::Custom(letter(rank)),
                    // Without colors, only the marker distinguishes these from named lines.
                    None if !self.ink.color => Marker::Custom('·'),
                    _ => Marker::Braille,
                };
                // A new marker starts a layer; dots of different layers in a cell are not merged.
                if own != marker {
                    context.marker(own);
                    marker = own;
                }
                let color = color(line.rank, self.ink);
                for part in self.chart.parts(line, most) {
                    stroke(context, &part, color);
                    if self.is_selected(line) && !self.ink.ascii {
                        stroke(context, &moved(&part, [dot[0], 0.0]), color);
                        stroke(context, &moved(&part, [0.0, -dot[1]]), color);
                    }
                }
            }
        };
        let marker = if self.ink.ascii { Marker::Custom('*') } else { Marker::Braille };
        Canvas::default().marker(marker).x_bounds([0.0, 1.0]).y_bounds([0.0, 1.0]).paint(paint)
    }

    /// Dots from the smallest to the largest value, where nothing else is drawn.
    fn shade(&self, band: &[Vec<BandPoint>], places: &Places, buffer: &mut Buffer) {
        let symbol = if self.ink.ascii { "." } else { "·" };
        for point in band.iter().flatten().filter(|point| point.low <= 1.0 && point.high >= 0.0) {
            let (column, top) = places.cell([point.place, point.high]);
            let (_, bottom) = places.cell([point.place, point.low]);
            for row in top..=bottom {
                if buffer.cell((column, row)).is_some_and(|cell| cell.symbol() == " ") {
                    self.put(buffer, column, row, symbol, GRAY);
                }
            }
        }
    }

    /// Ticks of the left axis, at least two of them in rows of their own if possible.
    fn left_ticks(&self, rows: u16) -> Vec<Tick> {
        let row = |tick: &Tick| dot(1.0 - tick.place, rows, if self.ink.ascii { 1 } else { 4 });
        let shown = |ticks: &[Tick]| {
            let mut rows: Vec<u16> = ticks.iter().map(row).collect();
            rows.dedup();
            rows.len()
        };
        self.chart.y.ticks_to_show(usize::from(rows * 2 / 5).max(2), shown)
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
                continue; // another label is there
            }
            free = row;
            let width = u16::try_from(tick.label.width()).unwrap_or(u16::MAX);
            if width < axis.saturating_sub(area.x) {
                self.put(buffer, axis - width - 1, row, &tick.label, GRAY);
            } else {
                // A number that is cut looks like a different number.
                let most = axis.saturating_sub(area.x + 1);
                let elided = if self.ink.ascii { "~" } else { "…" };
                self.put(buffer, area.x + most.saturating_sub(1), row, elided, GRAY);
            }
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
        let caption_at = area.right().saturating_sub(caption_width);
        let most = usize::from(plot.width / 12).max(2);
        let ticks = |end| {
            self.chart.x.ticks_to_show(most, |ticks| self.labels(ticks, area, places, end).len())
        };
        // The caption is at the right end; narrow charts omit it.
        let end = caption_at.saturating_sub(1);
        let with_caption = Some(ticks(end)).filter(|_| plot.width >= caption_width + 24);
        let with_caption =
            with_caption.filter(|ticks| self.labels(ticks, area, places, end).len() >= 2);
        let (ticks, end) = match with_caption {
            Some(ticks) => {
                self.put(buffer, caption_at, axis + 1, &caption, GRAY);
                (ticks, end)
            }
            None => (ticks(area.right()), area.right()),
        };
        let labels = self.labels(&ticks, area, places, end);
        if end == area.right() {
            // The caption also fits between the last two numbers.
            if let [.., (first, tick), (last, _)] = *labels {
                let from = first + u16::try_from(tick.label.width()).unwrap_or(u16::MAX);
                let room = last.saturating_sub(from);
                if room >= caption_width + 4 {
                    let start = from + (room - caption_width) / 2;
                    self.put(buffer, start, axis + 1, &caption, GRAY);
                }
            }
        }
        for tick in &ticks {
            let (column, _) = places.cell([tick.place, 0.0]);
            self.put(buffer, column, axis, tick_line, GRAY);
        }
        for (start, tick) in labels {
            self.put(buffer, start, axis + 1, &tick.label, GRAY);
        }
    }

    /// The labels of the lower axis that fit up to the column `end`, and where they begin.
    fn labels<'t>(
        &self,
        ticks: &'t [Tick],
        area: Rect,
        places: &Places,
        end: u16,
    ) -> Vec<(u16, &'t Tick)> {
        let mut free = area.left();
        let mut labels = Vec::new();
        for tick in ticks {
            let (column, _) = places.cell([tick.place, 0.0]);
            let width = u16::try_from(tick.label.width()).unwrap_or(u16::MAX);
            let start = column.saturating_sub(width / 2).max(area.left());
            if start >= free && start.saturating_add(width) <= end {
                labels.push((start, tick));
                free = start + width + 1;
            }
        }
        labels
    }

    /// Letters after the ends of lines; also along them, where nothing else distinguishes them.
    fn names(&self, band: &[Vec<BandPoint>], places: &Places, buffer: &mut Buffer) {
        let plot = places.plot;
        let named = || self.chart.lines.iter().filter(|line| line.rank.is_some());
        let own = |line: &Line| color(line.rank, self.ink);
        let is_alike = |line: &Line| {
            let mut others = named().filter(|other| !std::ptr::eq(*other, line));
            !self.ink.color || others.any(|other| own(other) == own(line))
        };
        let count = named().count().max(1);
        let every = NAMED_EVERY.max(3 * count);
        let lettered = named().enumerate().filter(|_| !self.ink.ascii);
        for (i, line) in lettered.filter(|(_, line)| self.is_selected(line) || is_alike(line)) {
            let parts = self.chart.parts(line, 400);
            for column in (0..plot.width).skip(i * every / count).step_by(every) {
                let x = f64::from(column) / f64::from(plot.width.max(2) - 1);
                if let Some(y) = height(&parts, x) {
                    self.letter(line, places.cell([x, y]), buffer);
                }
            }
        }
        let median = band.last().and_then(|part| part.last());
        let mut taken: Vec<(u16, u16)> = Vec::new();
        if let Some(end) = median.filter(|end| (0.0..=1.0).contains(&end.median)) {
            let (column, row) = places.cell([end.place, end.median]);
            taken.push((column + 1, row));
            self.put(buffer, column + 1, row, MEDIAN.encode_utf8(&mut [0; 4]), GRAY);
        }
        // The selected line first: it keeps its place whatever else ends there.
        let ends = self.selected().into_iter();
        for line in ends.chain(named().filter(|line| !self.is_selected(line))) {
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
        self.put(buffer, column, row, letter.encode_utf8(&mut [0; 4]), color(line.rank, self.ink));
        if self.is_selected(line) {
            let cell = Rect { x: column, y: row, width: 1, height: 1 };
            buffer.set_style(cell.intersection(buffer.area), Modifier::REVERSED);
        }
    }

    fn selected(&self) -> Option<&Line> {
        self.chart.lines.get(self.selected?)
    }

    fn is_selected(&self, line: &Line) -> bool {
        let several = self.chart.lines.len() > 1;
        several && self.selected().is_some_and(|selected| std::ptr::eq(selected, line))
    }

    /// Marks at the edge for values that are not finite.
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

/// The points, shifted by `by`.
fn moved(part: &[[f64; 2]], by: [f64; 2]) -> Vec<[f64; 2]> {
    part.iter().map(|[x, y]| [x + by[0], y + by[1]]).collect()
}

/// Height at `x` of a line that consists of parts.
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

/// The content of `buffer` as text, with escape sequences for its colors.
pub(super) fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.area.rows() {
        let mut line = String::new();
        let mut now = Style::new();
        let mut end = (0, now); // end of the part that is not blank
        let mut skip = 0;
        for column in row.columns() {
            let Some(cell) = buffer.cell((column.x, column.y)) else { continue };
            if skip > 0 {
                skip -= 1; // after a wide character
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

/// The style with this color.
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
