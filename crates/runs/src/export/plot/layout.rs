//! Computes the layout of an image of charts, independently of the renderer.

use super::Size;
use crate::table::number::short;
use crate::table::{BandPoint, Line, Odd, ScalarChart, Tick};

/// Height of letters, and of those of titles.
pub(super) const TEXT: f32 = 12.0;
pub(super) const TITLE: f32 = 16.0;
/// Width of a letter relative to its height; narrow letters are narrower.
const LETTER: f32 = 0.6;
/// Maximum number of letters of a name in the legend.
const LONGEST: usize = 60;
const PADDING: f32 = 16.0;
const ROW: f32 = 18.0;
/// Width of the piece of line before a name.
const SWATCH: f32 = 26.0;

/// Colors that are easy to distinguish, also for color-blind people. Source: M. Okabe, K. Ito,
/// "Color Universal Design", 2008; without its yellow, which is faint on white, and with four
/// darker ones.
const COLORS: [Color; 10] = [
    Color(0x00, 0x72, 0xb2),
    Color(0xd5, 0x5e, 0x00),
    Color(0x00, 0x9e, 0x73),
    Color(0xcc, 0x79, 0xa7),
    Color(0xe6, 0x9f, 0x00),
    Color(0x56, 0xb4, 0xe9),
    Color(0x88, 0x22, 0x55),
    Color(0x33, 0x22, 0x88),
    Color(0x80, 0x80, 0x00),
    Color(0x8c, 0x56, 0x4b),
];
const GRAY: Color = Color(0xb0, 0xb0, 0xb0);
const GRID: Color = Color(0xe8, 0xe8, 0xe8);
const AXIS: Color = Color(0x80, 0x80, 0x80);
pub(super) const QUIET: Color = Color(0x60, 0x60, 0x60);
pub(super) const INK: Color = Color(0x20, 0x20, 0x20);
/// Lengths of dashes and gaps: once all colors are used, further lines are dashed.
const DASHES: [&[f32]; 5] = [&[], &[7.0, 3.0], &[2.0, 2.0], &[7.0, 2.0, 2.0, 2.0], &[11.0, 5.0]];
const _: () = assert!(COLORS.len() * DASHES.len() == Line::RANKS, "each rank looks different");

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Color(pub(super) u8, pub(super) u8, pub(super) u8);

/// An image.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) shapes: Vec<Shape>,
}

#[derive(Debug)]
pub(super) enum Shape {
    /// A line through points.
    Stroke { points: Vec<[f32; 2]>, pen: Pen, clip: Option<Area> },
    /// The inside of a line that is closed.
    Fill { points: Vec<[f32; 2]>, color: Color, opacity: f32, clip: Area },
    /// A text that starts at `at`, ends there, or is centered around it; `at` is on its baseline.
    Text { at: [f32; 2], anchor: Anchor, text: String, size: f32, color: Color },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub(super) color: Color,
    pub(super) width: f32,
    /// From 0 to 1.
    pub(super) opacity: f32,
    pub(super) dashes: &'static [f32],
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Scene {
    /// Charts side by side.
    pub(super) fn of(charts: &[ScalarChart], size: Size) -> Self {
        let mut scene = Self::default();
        let (width, height) = (f32::from(size.width), f32::from(size.height));
        let columns = match charts.len() {
            0 | 1 => 1,
            2..=4 => 2,
            _ => 3,
        };
        let mut top = 0.0;
        for row in charts.chunks(columns) {
            let mut lowest = top;
            let mut left = 0.0;
            for chart in row {
                let area = Area { x: left, y: top, width, height };
                lowest = scene.chart(chart, area).max(lowest);
                left += width;
            }
            scene.width = scene.width.max(left);
            top = lowest;
        }
        scene.height = top.max(1.0);
        scene.width = scene.width.max(1.0);
        scene
    }

    /// Draws a chart into `area` and its legend below it. Returns the lower end of the legend.
    fn chart(&mut self, chart: &ScalarChart, area: Area) -> f32 {
        let (top, bottom) = (PADDING + TITLE + 14.0, ROW + 18.0);
        let height = (area.height - top - bottom).max(10.0);
        let ticks = left_ticks(chart, count(area.height / 50.0), height);
        let widest = ticks.iter().map(|tick| width(&tick.label)).fold(0.0, f32::max);
        let left = PADDING + widest + 8.0;
        let plot = Area {
            x: area.x + left,
            y: area.y + top,
            width: (area.width - left - PADDING).max(10.0),
            height,
        };
        let how = subtitle(chart);
        let most = count((area.width - 2.0 * PADDING) / (TITLE * LETTER));
        let title = shortened(&chart.title, most);
        let title_width = TITLE * LETTER * letters(&title);
        let base = area.y + PADDING + TITLE * 0.8;
        self.text([area.x + PADDING, base], Anchor::Start, title, TITLE, INK);
        if PADDING * 2.0 + title_width + width(&how) < area.width {
            let x = area.x + area.width - PADDING;
            self.text([x, base], Anchor::End, how, TEXT, QUIET);
        }
        for tick in &ticks {
            let y = plot.y + plot.height * (1.0 - single(tick.place));
            self.line([[plot.x, y], [plot.x + plot.width, y]], GRID, 1.0);
            let at = [plot.x - 8.0, y + TEXT * 0.35];
            self.text(at, Anchor::End, tick.label.clone(), TEXT, QUIET);
        }
        self.lower_axis(chart, plot);
        self.lines(chart, plot);
        self.marks(chart, plot);
        self.legend(chart, area)
    }

    fn lower_axis(&mut self, chart: &ScalarChart, plot: Area) {
        let bottom = plot.y + plot.height;
        self.line([[plot.x, bottom], [plot.x + plot.width, bottom]], AXIS, 1.0);
        let caption = chart.x.caption();
        let base = bottom + 6.0 + TEXT;
        let most = count(plot.width / 90.0);
        let right = plot.x + plot.width;
        let ticks = |end| chart.x.ticks_to_show(most, |ticks| lower_labels(ticks, plot, end).len());
        // On narrow charts a second number replaces the caption.
        let end = right - width(&caption);
        let with_caption = ticks(end);
        let (ticks, end) = if lower_labels(&with_caption, plot, end).len() >= 2 {
            self.text([right, base], Anchor::End, caption.clone(), TEXT, QUIET);
            (with_caption, end)
        } else {
            (ticks(right + PADDING), right + PADDING)
        };
        if let ([.., (first, _), (last, _)], true) =
            (&*lower_labels(&ticks, plot, end), end > right)
        {
            // There is also room between the last two numbers.
            let middle = (first + last) / 2.0;
            if last - first > 2.0 * width(&caption) {
                self.text([middle, base], Anchor::Middle, caption, TEXT, QUIET);
            }
        }
        for tick in &ticks {
            let x = plot.x + plot.width * single(tick.place);
            self.line([[x, bottom], [x, bottom + 5.0]], AXIS, 1.0);
        }
        for (x, tick) in lower_labels(&ticks, plot, end) {
            self.text([x, base], Anchor::Middle, tick.label.clone(), TEXT, QUIET);
        }
    }

    fn lines(&mut self, chart: &ScalarChart, plot: Area) {
        let most = 2 * count(plot.width);
        let on_plot = |[x, y]: [f64; 2]| {
            [plot.x + plot.width * single(x), plot.y + plot.height * (1.0 - single(y))]
        };
        let around = Area { y: plot.y - 1.0, height: plot.height + 2.0, ..plot };
        let clip = Some(around);
        let band = if chart.is_crowded() { chart.band(most) } else { Vec::new() };
        for part in &band {
            let highest = part.iter().map(|point| on_plot([point.place, point.high]));
            let lowest = part.iter().rev().map(|point| on_plot([point.place, point.low]));
            let points = highest.chain(lowest).collect();
            self.shapes.push(Shape::Fill { points, color: GRAY, opacity: 0.35, clip: around });
        }
        let mut draw = |parts: Vec<Vec<[f64; 2]>>, pen: Pen| {
            for part in parts {
                let mut points: Vec<_> = part.into_iter().map(on_plot).collect();
                if let [[x, y]] = *points {
                    points = vec![[x - 1.0, y], [x + 1.0, y]]; // a single point
                }
                self.shapes.push(Shape::Stroke { points, pen, clip });
            }
        };
        let (faint, named): (Vec<&Line>, Vec<_>) =
            chart.lines.iter().rev().partition(|line| line.rank.is_none());
        for line in faint.iter().filter(|_| band.is_empty()) {
            draw(chart.parts(line, most), pen(line));
        }
        let median = |part: &Vec<BandPoint>| part.iter().map(|p| [p.place, p.median]).collect();
        draw(band.iter().map(median).collect(), Pen { color: AXIS, width: 1.6, ..PLAIN });
        for line in &named {
            let pen = Pen { opacity: 0.25, width: 1.0, dashes: &[], ..pen(line) };
            draw(chart.raw_parts(line, most), pen);
        }
        for line in &named {
            draw(chart.parts(line, most), pen(line));
        }
    }

    /// Marks values that are not finite: with a cross at the lower edge, or an arrow in their
    /// direction.
    fn marks(&mut self, chart: &ScalarChart, plot: Area) {
        let bottom = plot.y + plot.height;
        for line in &chart.lines {
            let pen = Pen { width: 1.2, opacity: 1.0, dashes: &[], ..pen(line) };
            let mut last = f32::NEG_INFINITY;
            for mark in chart.marks(line) {
                let x = plot.x + plot.width * single(mark.place);
                if (x - last).abs() < 4.0 {
                    continue; // they would be a smudge
                }
                last = x;
                let strokes = match mark.odd {
                    Odd::Nan => vec![
                        vec![[x - 3.0, bottom - 3.0], [x + 3.0, bottom + 3.0]],
                        vec![[x - 3.0, bottom + 3.0], [x + 3.0, bottom - 3.0]],
                    ],
                    Odd::Above => {
                        let y = plot.y;
                        vec![vec![[x - 3.0, y + 4.0], [x, y], [x + 3.0, y + 4.0]]]
                    }
                    Odd::Below => {
                        vec![vec![[x - 3.0, bottom - 4.0], [x, bottom], [x + 3.0, bottom - 4.0]]]
                    }
                };
                let shape = |points| Shape::Stroke { points, pen, clip: None };
                self.shapes.extend(strokes.into_iter().map(shape));
            }
        }
    }

    /// Draws one entry per named run, in columns. Returns the lower end.
    fn legend(&mut self, chart: &ScalarChart, area: Area) -> f32 {
        let named = chart.lines.iter().filter(|line| line.rank.is_some());
        let entries: Vec<_> = named.map(|line| (line, entry(line))).collect();
        let room = area.width - 2.0 * PADDING;
        let widest = entries.iter().map(|(_, (name, last))| width(name) + width(last));
        let column = SWATCH + widest.fold(0.0, f32::max) + 24.0;
        let columns = count(room / column).max(1);
        let mut y = area.y + area.height + 4.0;
        for row in entries.chunks(columns) {
            let mut x = area.x + PADDING;
            for (line, (name, last)) in row {
                let middle = y + ROW / 2.0;
                let points = vec![[x, middle], [x + SWATCH - 8.0, middle]];
                self.shapes.push(Shape::Stroke { points, pen: pen(line), clip: None });
                let base = middle + TEXT * 0.35;
                let from = x + SWATCH;
                let end = x + column - 24.0;
                self.text([from, base], Anchor::Start, name.clone(), TEXT, INK);
                self.text([end, base], Anchor::End, last.clone(), TEXT, QUIET);
                x += column;
            }
            y += ROW;
        }
        let most = count(room / (TEXT * LETTER));
        for note in notes(chart) {
            let at = [area.x + PADDING, y + ROW / 2.0 + TEXT * 0.35];
            self.text(at, Anchor::Start, shortened(&note, most), TEXT, QUIET);
            y += ROW;
        }
        y + PADDING
    }

    fn line(&mut self, points: [[f32; 2]; 2], color: Color, width: f32) {
        let pen = Pen { color, width, ..PLAIN };
        self.shapes.push(Shape::Stroke { points: points.into(), pen, clip: None });
    }

    fn text(&mut self, at: [f32; 2], anchor: Anchor, text: String, size: f32, color: Color) {
        if !text.is_empty() {
            self.shapes.push(Shape::Text { at, anchor, text, size, color });
        }
    }
}

/// A line without dashes.
const PLAIN: Pen = Pen { color: INK, width: 1.0, opacity: 1.0, dashes: &[] };

/// Ticks of the value axis that are far enough apart for their labels.
fn left_ticks(chart: &ScalarChart, most: usize, height: f32) -> Vec<Tick> {
    let apart = |ticks: &[Tick]| -> Vec<Tick> {
        let mut last = f32::NEG_INFINITY;
        let mut apart = ticks.to_vec();
        apart.retain(|tick| {
            let y = height * single(tick.place);
            let has_room = y - last >= TEXT;
            last = if has_room { y } else { last };
            has_room
        });
        apart
    };
    apart(&chart.y.ticks_to_show(most, |ticks| apart(ticks).len()))
}

/// The labels of the lower axis that fit before `end`, and the positions of their centers.
fn lower_labels(ticks: &[Tick], plot: Area, end: f32) -> Vec<(f32, &Tick)> {
    let mut free = plot.x - 40.0;
    let mut labels = Vec::new();
    for tick in ticks {
        let x = plot.x + plot.width * single(tick.place);
        let half = width(&tick.label) / 2.0;
        if x - half > free && x + half + 8.0 < end {
            free = x + half + 8.0;
            labels.push((x, tick));
        }
    }
    labels
}

fn pen(line: &Line) -> Pen {
    let Some(rank) = line.rank else {
        return Pen { color: GRAY, width: 1.0, opacity: 0.5, dashes: &[] };
    };
    let color = COLORS.get(rank % COLORS.len()).copied().unwrap_or(GRAY);
    let dashes = DASHES.get(rank / COLORS.len() % DASHES.len()).copied().unwrap_or(&[]);
    Pen { color, width: 1.6, opacity: 1.0, dashes }
}

/// The name of a line in the legend, and the text after it.
fn entry(line: &Line) -> (String, String) {
    let mut said = line.last.map_or(String::new(), |(_, value)| short(value));
    if let Some(smoothed) = line.last_smoothed {
        said = format!("{} ({said})", short(smoothed));
    }
    for (what, n) in line.left_out() {
        said += &format!(", {n} {what}");
    }
    (shortened(&line.name, LONGEST), format!("  {said}"))
}

/// The form in which values are shown.
fn subtitle(chart: &ScalarChart) -> String {
    let mut words = Vec::new();
    if chart.smoothing > 0.0 {
        words.push(format!("smoothed {}", short(chart.smoothing)));
    }
    if chart.y.is_log {
        words.push("logarithmic".into());
    }
    words.join(", ")
}

/// Notes about data that is not in the image, or not named in it.
fn notes(chart: &ScalarChart) -> Vec<String> {
    let faint = chart.lines.iter().filter(|line| line.rank.is_none()).count();
    let mut notes = Vec::new();
    if chart.is_crowded() {
        let all = chart.lines.len();
        notes.push(format!("{faint} more: band from min to max and gray median of all {all}"));
    } else if faint > 0 {
        notes.push(format!("{faint} more in gray"));
    }
    if chart.outside > 0 {
        notes.push(format!("{} values are outside", chart.outside));
    }
    notes
}

/// Approximate width of a text.
pub(super) fn width(text: &str) -> f32 {
    TEXT * LETTER * letters(text)
}

#[expect(clippy::as_conversions, reason = "small")]
fn letters(text: &str) -> f32 {
    // East Asian characters are twice as wide.
    text.chars().map(|c| if c >= '\u{1100}' { 2.0 } else { 1.0 }).sum::<f64>() as f32
}

/// `text` with at most `most` letters; its middle is left out if it is longer.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    if all.len() <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(2);
    let head = all.iter().take(kept / 2);
    let tail = all.iter().skip(all.len() - (kept - kept / 2));
    head.chain(&['.', '.']).chain(tail).collect()
}

#[expect(clippy::as_conversions, reason = "saturates")]
fn count(n: f32) -> usize {
    n as usize
}

#[expect(clippy::as_conversions, reason = "the image needs no more digits")]
fn single(n: f64) -> f32 {
    n as f32
}
