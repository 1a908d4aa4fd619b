//! Draws many lines as one band.

use super::ScalarChart;

/// Maximum number of lines without a rank that are drawn one by one.
const FEW: usize = 10;
/// Maximum number of values that are kept in memory to compute medians.
const MOST: usize = 1 << 22;
/// Minimum number of positions of a band, however many lines there are.
const LEAST: usize = 16;

/// The distribution of many lines at one position of the lower axis. Positions are in the unit
/// square; anything outside of it must be clipped.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BandPoint {
    /// The position on the lower axis.
    pub place: f64,
    /// The smallest value of any line.
    pub low: f64,
    /// The median of the lines that have a value here, interpolated between points as they are
    /// drawn. With an even number of lines, the mean of the two middle values.
    pub median: f64,
    /// The largest value of any line.
    pub high: f64,
}

/// The values at one position so far.
#[derive(Debug, Clone)]
struct Column {
    low: f64,
    high: f64,
    values: Vec<f64>,
}

impl ScalarChart {
    /// Whether there are too many lines without a rank to distinguish them, so that a
    /// [band](Self::band) shows more.
    pub fn is_crowded(&self) -> bool {
        self.faint() > FEW
    }

    /// Number of lines without a rank.
    pub fn faint(&self) -> usize {
        self.lines.iter().filter(|line| line.rank.is_none()).count()
    }

    /// All lines as one band from the smallest to the largest value, with their median, at up to
    /// `n` positions. The band has several parts, with gaps where no line has a value. As in a
    /// drawing, a line has gaps where its values are not finite.
    pub fn band(&self, n: usize) -> Vec<Vec<BandPoint>> {
        let most = (MOST / self.lines.len().max(1)).max(LEAST);
        let n = n.min(most).max(2);
        let empty = Column { low: f64::INFINITY, high: f64::NEG_INFINITY, values: Vec::new() };
        let mut columns = vec![empty; n];
        let mut own = vec![None; n];
        for line in &self.lines {
            own.fill(None);
            let mut before: Option<[f64; 2]> = None;
            for (x, value) in line.points() {
                let point = [self.x.place(x), self.y.place(value)];
                let is_drawn = x.is_finite() && value.is_finite() && !point[1].is_nan();
                let Some(point) = Some(point).filter(|_| is_drawn) else {
                    before = None;
                    continue;
                };
                if (0.0..=1.0).contains(&point[0]) {
                    let at = index((point[0] * last(n)).round());
                    if let Some((column, own)) = columns.get_mut(at).zip(own.get_mut(at)) {
                        column.reach(point[1]);
                        own.get_or_insert(point[1]);
                    }
                }
                if let Some(before) = before.filter(|before| before[0] < point[0]) {
                    between(before, point, &mut columns, &mut own);
                }
                before = Some(point);
            }
            for (column, value) in columns.iter_mut().zip(&own) {
                column.values.extend(*value);
            }
        }
        let points = columns.iter_mut().enumerate().map(|(i, column)| {
            Some(BandPoint {
                place: place(i, n),
                low: column.low,
                median: median(&mut column.values)?,
                high: column.high,
            })
        });
        let points: Vec<Option<BandPoint>> = points.collect();
        let parts = points.split(Option::is_none).filter(|part| !part.is_empty());
        parts.map(|part| part.iter().flatten().copied().collect()).collect()
    }
}

impl Column {
    fn reach(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }
}

/// Records the values of a line segment between its ends.
fn between(from: [f64; 2], to: [f64; 2], columns: &mut [Column], own: &mut [Option<f64>]) {
    let n = columns.len();
    let first = index((from[0] * last(n)).ceil().max(0.0));
    let end = index((to[0] * last(n)).floor().max(-1.0) + 1.0).min(n);
    for at in first..end {
        let share = (place(at, n) - from[0]) / (to[0] - from[0]);
        let value = from[1] + (to[1] - from[1]) * share;
        if let Some((column, own)) = columns.get_mut(at).zip(own.get_mut(at)) {
            column.reach(value);
            *own = Some(value);
        }
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    if values.is_empty() {
        return None;
    }
    let (below, high, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let low = below.iter().copied().reduce(f64::max).filter(|_| is_even);
    Some(low.map_or(*high, |low| low / 2.0 + *high / 2.0))
}

#[expect(clippy::as_conversions, reason = "small")]
fn place(i: usize, n: usize) -> f64 {
    i as f64 / last(n)
}

#[expect(clippy::as_conversions, reason = "small")]
fn last(n: usize) -> f64 {
    n.saturating_sub(1).max(1) as f64
}

#[expect(clippy::as_conversions, reason = "saturates")]
fn index(n: f64) -> usize {
    n as usize
}
