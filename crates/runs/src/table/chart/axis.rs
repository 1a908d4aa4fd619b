//! The scale and the ticks of an axis.

/// Larger numbers are drawn as if they were this one.
const MOST: f64 = 1e300;
/// Margin between the data and the frame, as a fraction of the data's range.
const PADDING: f64 = 0.03;

/// The meaning of an axis's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Numbers, such as values.
    Number,
    /// Integers, such as steps.
    Step,
    /// Durations in seconds.
    Seconds,
    /// Times in seconds since the Unix epoch.
    Time,
}

/// An axis: its range and its scale.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Axis {
    /// The meaning of its numbers.
    pub unit: Unit,
    /// Whether it is logarithmic.
    pub is_log: bool,
    /// The number at its lower end.
    pub low: f64,
    /// The number at its upper end, above `low`.
    pub high: f64,
}

impl Axis {
    /// An axis that shows the numbers from `low` to `high`; with `is_padded`, it has a small margin
    /// at both ends. A logarithmic axis needs numbers above 0.
    pub(crate) fn new(
        unit: Unit,
        is_log: bool,
        (low, high): (f64, f64),
        is_padded: [bool; 2],
    ) -> Self {
        let (low, high) = (low.clamp(-MOST, MOST), high.clamp(-MOST, MOST));
        let is_log = is_log && low > 0.0;
        let to = |n: f64| if is_log { n.log10() } else { n };
        let from = |n: f64| if is_log { 10f64.powf(n) } else { n };
        let (mut start, mut end) = (to(low), to(high));
        if start >= end {
            // A single number gets a margin on both sides.
            let room = if is_log { 0.5 } else { (start.abs() * 0.1).max(f64::MIN_POSITIVE) };
            let room = if start == 0.0 || unit == Unit::Step { 1.0 } else { room };
            (start, end) = (start - room, start + room);
        } else {
            let padding = (end - start) * PADDING;
            start -= if is_padded[0] { padding } else { 0.0 };
            end += if is_padded[1] { padding } else { 0.0 };
        }
        Self { unit, is_log, low: from(start), high: from(end) }
    }

    /// The position of `value`: 0 is the lower end, 1 is the upper end, and values below 0 or above
    /// 1 are outside. NaN if a logarithmic axis has no place for the value.
    pub fn place(&self, value: f64) -> f64 {
        let value = value.clamp(-MOST, MOST);
        if !self.is_log {
            return (value - self.low) / (self.high - self.low);
        }
        if value <= 0.0 {
            return f64::NAN;
        }
        let low = self.low.log10();
        (value.log10() - low) / (self.high.log10() - low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_of_one_number_has_room_around_it() {
        for value in [0.0, 1.0, -5.0, 1e-30, 1e300, f64::MAX] {
            let axis = Axis::new(Unit::Number, false, (value, value), [true; 2]);
            assert!(axis.low < axis.high, "{axis:?}");
            let place = axis.place(value);
            assert!((0.0..=1.0).contains(&place), "{value}: {axis:?}");
        }
    }
}
