//! Converts curves of several runs to charts that a renderer can draw.

mod axis;
mod band;
mod line;
#[cfg(test)]
mod tests;
mod ticks;

pub use axis::{Axis, Unit};
pub use band::BandPoint;
pub use line::{Line, Mark, Odd};
pub use ticks::Tick;

use super::Curve;

/// Fraction of the values that are below, and fraction that are above, the range without outliers.
/// Source: `tensorboard/webapp/widgets/line_chart_v2/line_chart_internal_utils.ts`.
const OUTLIERS: f64 = 0.05;
/// Outliers are reported if all values need this many times the room that most values need.
const FAR: f64 = 10.0;
/// Minimum number of values for such a report.
const MANY: usize = 20;

/// The meaning of the lower axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ChartX {
    /// Steps.
    #[default]
    Step,
    /// Seconds since the first point of each line, as in TensorBoard.
    Relative,
    /// Wall times.
    Wall,
}

impl ChartX {
    /// Every meaning, the default first.
    pub const ALL: &[Self] = &[Self::Step, Self::Relative, Self::Wall];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Relative => "relative",
            Self::Wall => "wall",
        }
    }

    /// Whether it is time: then points at the same step are not duplicates, and curves must be in
    /// [the order of wall times](super::CurveOrder::Times).
    pub fn is_time(self) -> bool {
        matches!(self, Self::Relative | Self::Wall)
    }

    fn unit(self) -> Unit {
        match self {
            Self::Step => Unit::Step,
            Self::Relative => Unit::Seconds,
            Self::Wall => Unit::Time,
        }
    }

    /// Description in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Step => "steps",
            Self::Relative => "time since the first point of each line, as in TensorBoard",
            Self::Wall => "wall time",
        }
    }
}

/// Options for the conversion of curves to a chart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChartOptions {
    x: ChartX,
    smoothing: f64,
    log: bool,
    x_range: (Option<f64>, Option<f64>),
    y_range: (Option<f64>, Option<f64>),
    ignore_outliers: bool,
}

impl ChartOptions {
    /// Steps at the lower axis, values as they are.
    pub fn new() -> Self {
        Self::default()
    }

    /// The meaning of the lower axis.
    #[must_use]
    pub fn x(self, x: ChartX) -> Self {
        Self { x, ..self }
    }

    /// The weight of the past when curves are [smoothed](super::smooth), from 0 (not at all) to 1.
    #[must_use]
    pub fn smoothing(self, smoothing: f64) -> Self {
        Self { smoothing, ..self }
    }

    /// Whether the value axis is logarithmic; values of 0 or below are then left out.
    #[must_use]
    pub fn log(self, log: bool) -> Self {
        Self { log, ..self }
    }

    /// Start and end of the lower axis, in steps or seconds. Default: the range of the data.
    #[must_use]
    pub fn x_range(self, x_range: (Option<f64>, Option<f64>)) -> Self {
        Self { x_range, ..self }
    }

    /// The same for the value axis.
    #[must_use]
    pub fn y_range(self, y_range: (Option<f64>, Option<f64>)) -> Self {
        Self { y_range, ..self }
    }

    /// Whether the value axis fits only 90 % of the values, as in TensorBoard by default.
    #[must_use]
    pub fn ignore_outliers(self, ignore_outliers: bool) -> Self {
        Self { ignore_outliers, ..self }
    }
}

/// Curves of several runs: scaled, smoothed and with axes, ready to draw.
///
/// ```
/// use tbx_runs::table::{ChartOptions, Curve, ScalarChart};
///
/// let points = (0..100).map(|step| (step, 0.0, 1.0 / (step + 1) as f64));
/// let curve: Curve = points.collect();
/// let chart = ScalarChart::new("loss", [("first".into(), &curve)], &ChartOptions::new());
/// // Points in the unit square: x to the right, y up; no more than about 20.
/// let parts = chart.parts(&chart.lines[0], 20);
/// assert_eq!(parts[0].len(), 20);
/// assert!(parts[0][0][1] > parts[0][19][1]);
/// let labels: Vec<_> = chart.x.ticks(5).into_iter().map(|tick| tick.label).collect();
/// assert_eq!(labels, ["0", "20", "40", "60", "80"]);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScalarChart {
    /// The title, such as a tag.
    pub title: String,
    /// The lines, in the order of the curves.
    pub lines: Vec<Line>,
    /// The lower axis.
    pub x: Axis,
    /// The value axis.
    pub y: Axis,
    /// Number of values above or below the axis.
    pub outside: usize,
    /// The weight of the past in smoothed values; 0 if they are not smoothed.
    pub smoothing: f64,
    /// Number of values that are so far from the others that those are hard to distinguish; 0 if
    /// the axis cannot leave them out.
    pub far: usize,
}

impl ScalarChart {
    /// A chart of these curves, with their names.
    pub fn new<'c>(
        title: impl Into<String>,
        curves: impl IntoIterator<Item = (String, &'c Curve)>,
        options: &ChartOptions,
    ) -> Self {
        let line = |(rank, (name, curve))| Line::new(rank, name, curve, options);
        let lines: Vec<Line> = curves.into_iter().enumerate().map(line).collect();
        let x = x_axis(&lines, options);
        let mut values: Vec<f64> = Vec::new();
        for line in &lines {
            let shown = |x: &f64| (x_low(options)..=x_high(options)).contains(x);
            let drawn = line.points().filter(|(x, value)| shown(x) && value.is_finite());
            values
                .extend(drawn.map(|(_, value)| value).filter(|value| !options.log || *value > 0.0));
        }
        values.sort_unstable_by(f64::total_cmp);
        let y = y_axis(&values, options);
        let outside = values.iter().filter(|value| !(y.low..=y.high).contains(*value)).count();
        let far = if options.ignore_outliers { 0 } else { far(&values, options) };
        let smoothing = options.smoothing;
        Self { title: title.into(), lines, x, y, outside, smoothing, far }
    }

    /// The parts of a line to draw, with gaps where values are not finite or not on the axis:
    /// points in the unit square, x to the right, y up. Anything outside must be clipped; of
    /// invisible points, only those next to visible ones are included.
    ///
    /// At most about `n` points, chosen by [`lttb`](super::lttb), and two more for each part.
    pub fn parts(&self, line: &Line, n: usize) -> Vec<Vec<[f64; 2]>> {
        line.parts(line.points(), &self.x, &self.y, n)
    }

    /// The same for the values before smoothing; empty if they were not smoothed.
    pub fn raw_parts(&self, line: &Line, n: usize) -> Vec<Vec<[f64; 2]>> {
        if line.is_smoothed() {
            line.parts(line.raw_points(), &self.x, &self.y, n)
        } else {
            Vec::new()
        }
    }

    /// The position of a line's last point in the unit square, if that point can be drawn and is
    /// inside.
    pub fn end(&self, line: &Line) -> Option<[f64; 2]> {
        let place = |(x, value): (f64, f64)| [self.x.place(x), self.y.place(value)];
        let last = line.points().filter(|(_, value)| value.is_finite()).last().map(place)?;
        last.iter().all(|place| (0.0..=1.0).contains(place)).then_some(last)
    }

    /// Values that are not finite, by their position on the lower axis, from 0 to 1.
    pub fn marks(&self, line: &Line) -> Vec<Mark> {
        line.marks(&self.x)
    }
}

fn x_low(options: &ChartOptions) -> f64 {
    options.x_range.0.unwrap_or(f64::NEG_INFINITY)
}

fn x_high(options: &ChartOptions) -> f64 {
    options.x_range.1.unwrap_or(f64::INFINITY)
}

fn x_axis(lines: &[Line], options: &ChartOptions) -> Axis {
    let all = lines.iter().flat_map(|line| line.points().map(|(x, _)| x));
    let shown = all.filter(|x| x.is_finite() && (x_low(options)..=x_high(options)).contains(x));
    let range = shown.fold(None, |range: Option<(f64, f64)>, x| match range {
        Some((low, high)) => Some((low.min(x), high.max(x))),
        None => Some((x, x)),
    });
    let (low, high) = range.unwrap_or((0.0, 1.0));
    let range = (options.x_range.0.unwrap_or(low), options.x_range.1.unwrap_or(high));
    Axis::new(options.x.unit(), false, range, [false; 2])
}

/// `values` must be sorted.
fn y_axis(values: &[f64], options: &ChartOptions) -> Axis {
    let range = if options.ignore_outliers { middle(values) } else { all(values) };
    let (low, high) = range.unwrap_or(if options.log { (0.1, 1.0) } else { (0.0, 1.0) });
    let (asked_low, asked_high) = options.y_range;
    let range = (asked_low.unwrap_or(low), asked_high.unwrap_or(high));
    Axis::new(Unit::Number, options.log, range, [asked_low.is_none(), asked_high.is_none()])
}

fn all(sorted: &[f64]) -> Option<(f64, f64)> {
    Some((*sorted.first()?, *sorted.last()?))
}

/// The range of 90 % of the values, if there are more than two.
#[expect(clippy::as_conversions, reason = "a place among fewer than 2^53 numbers")]
fn middle(sorted: &[f64]) -> Option<(f64, f64)> {
    let last = sorted.len().checked_sub(1)?;
    if last < 2 {
        return all(sorted);
    }
    let low = (last as f64 * OUTLIERS).ceil() as usize;
    let high = (last as f64 * (1.0 - OUTLIERS)).floor() as usize;
    Some((*sorted.get(low)?, *sorted.get(high)?))
}

/// Number of values that are far from the others.
fn far(sorted: &[f64], options: &ChartOptions) -> usize {
    let explicit = options.y_range.0.is_some() || options.y_range.1.is_some();
    if sorted.len() < MANY || options.log || explicit {
        return 0;
    }
    let (Some((lowest, highest)), Some((low, high))) = (all(sorted), middle(sorted)) else {
        return 0;
    };
    if highest - lowest <= FAR * (high - low) || low == high {
        return 0;
    }
    let room = high - low;
    let is_far = |value: &&f64| **value < low - room || **value > high + room;
    sorted.iter().filter(is_far).count()
}
