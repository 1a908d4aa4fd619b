//! Parallel coordinates: one axis per parameter and one for the metric, one line per run.

use std::collections::BTreeMap;
use std::path::Path;

use super::layout::{Anchor, Color, INK, Pen, QUIET, Scene, Shape, TEXT, shortened, width};
use super::{SIZE, Size, write};
use crate::table::{Axis, Tick, Unit};
use tbx::error::Result;
use tbx::meta::Param;

/// Maximum number of lines.
const MAX_LINES: usize = 10_000;
/// Maximum number of texts that an axis names.
const MAX_TEXTS: usize = 30;
/// Maximum number of letters of a text at an axis.
const LONGEST: usize = 14;
/// Numbers are logarithmic if the largest one is at least this many times the smallest one.
const LOG_FROM: f64 = 100.0;
/// Distances: around the image, from the upper end to the axes, and below them.
const PADDING: f32 = 24.0;
const TOP: f32 = 48.0;
const BOTTOM: f32 = 28.0;
/// Half the length of a tick.
const TICK: f32 = 3.0;
/// Colors of lines: of the smallest value, in the middle, and of the largest value.
const COLORS: [Color; 3] =
    [Color(0x00, 0x72, 0xb2), Color(0xb0, 0xb0, 0xb0), Color(0xd5, 0x5e, 0x00)];
const AXIS: Color = Color(0x80, 0x80, 0x80);

/// Runs as lines across parallel axes: one per parameter, and the last one for the metric, which also gives the lines
/// their colors, from blue for the smallest value to orange for the largest one.
///
/// ```
/// use std::collections::BTreeMap;
/// use tbx_runs::export::plot::ParallelPlot;
///
/// let runs = [(0.1, 3.0), (0.01, 1.0)];
/// let runs = runs.map(|(lr, loss)| (BTreeMap::from([("lr".to_owned(), lr.into())]), loss));
/// let plot = ParallelPlot::new("loss", runs.iter().map(|(params, loss)| (params, *loss)));
/// assert!(plot.size(600, 300).svg().starts_with("<svg "));
/// ```
///
/// Numbers have a logarithmic axis if all of them are above 0 and the largest one is at least 100 times the smallest
/// one. A run without a parameter has a gap in its line. At most 10,000 runs are drawn: the first ones.
#[derive(Debug, Clone)]
pub struct ParallelPlot {
    axes: Vec<Column>,
    /// The places of the lines on each axis, and their color.
    lines: Vec<(Vec<Option<f64>>, Color)>,
    size: Size,
    overwrite: bool,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    scale: Scale,
}

#[derive(Debug, Clone)]
enum Scale {
    Numbers(Axis),
    /// Texts, from the lower end.
    Texts(Vec<String>),
}

impl ParallelPlot {
    /// Draws these runs, each with its parameters and its value of `metric`. Runs whose value is not finite are left
    /// out.
    pub fn new<'r>(
        metric: impl Into<String>,
        runs: impl IntoIterator<Item = (&'r BTreeMap<String, Param>, f64)>,
    ) -> Self {
        let runs = runs.into_iter().filter(|(_, value)| value.is_finite());
        let mut runs: Vec<_> = runs.take(MAX_LINES).collect();
        // The extremes are drawn last, on top of the others.
        let mut values: Vec<f64> = runs.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let median = values.get(values.len() / 2).copied().unwrap_or(0.0);
        runs.sort_by(|a, b| (a.1 - median).abs().total_cmp(&(b.1 - median).abs()));
        let names: std::collections::BTreeSet<&String> =
            runs.iter().flat_map(|(params, _)| params.keys()).collect();
        let mut axes: Vec<Column> = names
            .into_iter()
            .map(|name| {
                let values = runs.iter().filter_map(|(params, _)| params.get(name));
                Column { name: name.clone(), scale: Scale::of(values) }
            })
            .collect();
        let metrics: Vec<Param> = runs.iter().map(|(_, value)| Param::Number(*value)).collect();
        let last = Scale::of(metrics.iter());
        let end = |value: Option<&f64>| last.place(&Param::Number(*value?));
        let (low, high) = (end(values.first()), end(values.last()));
        // The axis begins and ends at round numbers, the colors at values.
        let share = |place: Option<f64>| {
            let share = (place? - low?) / (high? - low?);
            share.is_finite().then_some(share)
        };
        let lines = runs.iter().zip(&metrics).map(|((params, _), metric)| {
            let mut places: Vec<_> = axes
                .iter()
                .map(|axis| params.get(&axis.name).and_then(|value| axis.scale.place(value)))
                .collect();
            let place = last.place(metric);
            places.push(place);
            (places, color(share(place).unwrap_or(0.5)))
        });
        let lines = lines.collect();
        axes.push(Column { name: metric.into(), scale: last });
        let (width, height) = SIZE;
        Self { axes, lines, size: Size { width, height }, overwrite: false }
    }

    /// Width and height in SVG units. A PNG has two pixels per unit. Default: 800 by 450.
    #[must_use]
    pub fn size(self, width: u16, height: u16) -> Self {
        Self { size: Size { width, height }, ..self }
    }

    /// Whether [`run`](Self::run) replaces an existing file. Default: false.
    #[must_use]
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// The number of lines.
    pub fn lines(&self) -> usize {
        self.lines.len()
    }

    /// The image as SVG.
    pub fn svg(&self) -> String {
        super::svg::draw(&self.scene())
    }

    /// The image as PNG, with the same content as [`svg`](Self::svg).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): the image would be too large.
    pub fn png(&self) -> Result<Vec<u8>> {
        super::png::draw(&self.scene())
    }

    /// Writes the image to the file `out`, in the format given by its extension; `-` writes SVG to the
    /// standard output.
    ///
    /// # Errors
    ///
    /// The same as for [`Drawing::run`](super::Drawing::run).
    pub fn run(&self, out: &Path) -> Result<()> {
        write(&self.scene(), out, self.overwrite)
    }

    fn scene(&self) -> Scene {
        let (width, height) = (f32::from(self.size.width), f32::from(self.size.height));
        let mut scene = Scene { width, height, shapes: Vec::new() };
        let ticks: Vec<Vec<Tick>> = self.axes.iter().map(|axis| axis.scale.ticks()).collect();
        let widest =
            |ticks: &[Tick]| ticks.iter().map(|tick| self::width(&tick.label)).fold(0.0, f32::max);
        // Labels are to the left of their axis.
        let left = PADDING + ticks.first().map_or(0.0, |ticks| widest(ticks));
        let count = self.axes.len().saturating_sub(1).max(1);
        let gap = (width - left - PADDING).max(1.0) / single(count);
        let x = |axis: usize| left + gap * single(axis);
        let y = |place: f64| {
            #[expect(clippy::as_conversions, reason = "a place in an image")]
            let place = place as f32;
            TOP + (height - TOP - BOTTOM).max(1.0) * (1.0 - place)
        };
        let width_of_line = if self.lines.len() > 200 { 0.8 } else { 1.4 };
        for (places, color) in &self.lines {
            let pen = Pen { color: *color, width: width_of_line, opacity: 0.6, dashes: &[] };
            let mut points = Vec::new();
            for (axis, place) in places.iter().enumerate() {
                match place {
                    Some(place) => points.push([x(axis), y(*place)]),
                    None => scene.stroke(std::mem::take(&mut points), pen),
                }
            }
            scene.stroke(points, pen);
        }
        let pen = Pen { color: AXIS, width: 1.0, opacity: 1.0, dashes: &[] };
        #[expect(clippy::as_conversions, reason = "small and not negative")]
        let room = (gap / (TEXT * 0.6)) as usize;
        for (place, (axis, ticks)) in self.axes.iter().zip(&ticks).enumerate() {
            let x = x(place);
            scene.stroke(vec![[x, y(0.0)], [x, y(1.0)]], pen);
            let anchor = match place {
                0 => Anchor::Start,
                place if place + 1 == self.axes.len() => Anchor::End,
                _ => Anchor::Middle,
            };
            let at = [if place == 0 { PADDING / 2.0 } else { x }, TOP - 18.0];
            scene.label(at, anchor, shortened(&axis.name, room.max(3)), INK);
            for tick in ticks {
                let y = y(tick.place);
                scene.stroke(vec![[x - TICK, y], [x + TICK, y]], pen);
                scene.label([x - 6.0, y + TEXT * 0.35], Anchor::End, tick.label.clone(), QUIET);
            }
        }
        scene
    }
}

impl Scene {
    fn stroke(&mut self, points: Vec<[f32; 2]>, pen: Pen) {
        if points.len() > 1 {
            self.shapes.push(Shape::Stroke { points, pen, clip: None });
        }
    }

    fn label(&mut self, at: [f32; 2], anchor: Anchor, text: String, color: Color) {
        self.shapes.push(Shape::Text { at, anchor, text, size: TEXT, color });
    }
}

impl Scale {
    fn of<'v>(values: impl Iterator<Item = &'v Param> + Clone) -> Self {
        let numbers: Option<Vec<f64>> = values.clone().map(Param::number).collect();
        let Some(numbers) = numbers else {
            let texts: std::collections::BTreeSet<String> =
                values.map(ToString::to_string).collect();
            return Self::Texts(texts.into_iter().collect());
        };
        let finite = || numbers.iter().copied().filter(|number| number.is_finite());
        let low = finite().fold(f64::INFINITY, f64::min);
        let high = finite().fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let is_log = low > 0.0 && high / low >= LOG_FROM;
        Self::Numbers(Axis::new(Unit::Number, is_log, (low, high), [true; 2]))
    }

    /// The place of a value, from 0 to 1.
    fn place(&self, value: &Param) -> Option<f64> {
        match self {
            Self::Numbers(axis) => {
                value.number().map(|number| axis.place(number)).filter(|place| place.is_finite())
            }
            Self::Texts(texts) => {
                let at = texts.binary_search(&value.to_string()).ok()?;
                Some(of_texts(at, texts.len()))
            }
        }
    }

    fn ticks(&self) -> Vec<Tick> {
        match self {
            Self::Numbers(axis) => axis.ticks(6),
            Self::Texts(texts) => {
                let places = texts.iter().take(MAX_TEXTS).enumerate();
                let tick = |(at, text): (usize, &String)| Tick {
                    place: of_texts(at, texts.len()),
                    label: shortened(text, LONGEST),
                };
                places.map(tick).collect()
            }
        }
    }
}

/// The place of a text among `count`.
fn of_texts(at: usize, count: usize) -> f64 {
    match count {
        0 | 1 => 0.5,
        _ => f64::from(single(at)) / f64::from(single(count - 1)),
    }
}

/// The color at a place from 0 to 1.
fn color(place: f64) -> Color {
    let [low, middle, high] = COLORS;
    let place = place.clamp(0.0, 1.0);
    let (from, to, part) =
        if place < 0.5 { (low, middle, 2.0 * place) } else { (middle, high, 2.0 * place - 1.0) };
    #[expect(clippy::as_conversions, reason = "from 0 to 255")]
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    Color(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

#[expect(clippy::as_conversions, reason = "small")]
fn single(n: usize) -> f32 {
    n as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Vec<(BTreeMap<String, Param>, f64)> {
        let run = |lr: f64, opt: &str, momentum: Option<f64>, loss| {
            let mut params = BTreeMap::from([("lr".into(), lr.into()), ("opt".into(), opt.into())]);
            params.extend(momentum.map(|momentum| ("momentum".to_owned(), momentum.into())));
            (params, loss)
        };
        vec![
            run(1e-4, "adam", None, 0.5),
            run(1e-2, "sgd", Some(0.9), 0.1),
            run(1.0, "<lion>", Some(0.5), 2.0),
            run(0.5, "adam", None, f64::NAN),
        ]
    }

    #[test]
    fn each_run_is_a_line_and_each_parameter_an_axis() {
        let runs = runs();
        let plot = ParallelPlot::new("loss", runs.iter().map(|(params, loss)| (params, *loss)));
        assert_eq!(plot.lines(), 3);
        let names: Vec<_> = plot.axes.iter().map(|axis| axis.name.as_str()).collect();
        assert_eq!(names, ["lr", "momentum", "opt", "loss"]);
        let (places, color) = &plot.lines[2];
        assert_eq!((places.len(), *color), (4, COLORS[2]));
        assert!(places.iter().flatten().all(|place| (0.0..=1.0).contains(place)));
        let without = plot.lines.iter().filter(|(places, _)| places[1].is_none()).count();
        assert_eq!(without, 1);
        let svg = plot.svg();
        assert!(svg.contains("&lt;lion&gt;") && svg.contains(">momentum<"), "{svg}");
        let png = plot.clone().size(400, 300).png().unwrap();
        let image = image::load_from_memory(&png).unwrap();
        assert_eq!((image.width(), image.height()), (800, 600));
    }

    #[test]
    fn no_runs_and_single_values_are_drawn() {
        assert!(ParallelPlot::new("loss", []).svg().contains("loss"));
        let one = &runs()[..1];
        let plot = ParallelPlot::new("loss", one.iter().map(|(params, loss)| (params, *loss)));
        assert!(plot.lines[0].0.iter().flatten().all(|place| (0.0..=1.0).contains(place)));
        plot.size(20, 5).png().unwrap();
    }
}
