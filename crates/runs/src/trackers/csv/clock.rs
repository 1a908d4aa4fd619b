//! Wall times of rows.

use super::super::gathered::Gathered;
use super::super::time_text::{self, END};

/// Numbers below this one are seconds since a start: as seconds since the Unix epoch, it is in 1973.
const FIRST: f64 = 1e8;

/// Where the wall times of rows come from. Columns are optional: a file without them has the time of its last
/// change for all rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Times<C = &'static str> {
    /// Nowhere.
    None,
    /// A column of seconds since the start of the program. The last row has the time of the last change to the
    /// file. A program that resumes starts at 0 again.
    Elapsed(C),
    /// A column with the duration of each row's part of the training, such as `01:23`.
    Each(C),
    /// A column of seconds since the start that the first line of the file says.
    SinceStart(C),
    /// A column of times: seconds since the Unix epoch, or ISO 8601, or seconds since a start.
    Any(C),
}

impl<C> Times<C> {
    /// The column.
    pub(super) fn column(&self) -> Option<&C> {
        match self {
            Self::None => None,
            Self::Elapsed(column)
            | Self::Each(column)
            | Self::SinceStart(column)
            | Self::Any(column) => Some(column),
        }
    }
}

/// Makes the wall times of rows from the cells of a column.
#[derive(Debug)]
pub(super) struct Clock {
    kind: Kind,
    /// The time of the start.
    start: f64,
    /// The last number in the column.
    last: f64,
    /// The seconds of earlier programs that wrote to the file.
    before: f64,
    /// The wall time of the last row, without the start.
    now: f64,
    /// The first time in the column, if that has times.
    first: Option<f64>,
    /// Number of cells that are no time.
    pub(super) unreadable: u64,
}

#[derive(Debug, PartialEq)]
enum Kind {
    /// All rows have the time of the last change.
    Fixed,
    /// Seconds, which the time of the last change is the end of.
    Relative,
    /// Durations, which the time of the last change is the end of.
    Durations,
    /// Seconds since the start.
    SinceStart,
    /// Times; known after the first row.
    Unknown,
    Absolute,
}

impl Clock {
    /// A clock for a file that was started and changed at these times. Without a column, it shows the latter.
    pub(super) fn new<C>(times: &Times<C>, has_column: bool, start: Option<f64>) -> Self {
        let kind = match times {
            _ if !has_column => Kind::Fixed,
            Times::None => Kind::Fixed,
            Times::Elapsed(_) => Kind::Relative,
            Times::Each(_) => Kind::Durations,
            Times::SinceStart(_) if start.is_some() => Kind::SinceStart,
            Times::SinceStart(_) => Kind::Relative,
            Times::Any(_) => Kind::Unknown,
        };
        Self {
            kind,
            start: start.unwrap_or(0.0),
            last: 0.0,
            before: 0.0,
            now: 0.0,
            first: None,
            unreadable: 0,
        }
    }

    /// The wall time of a row with this cell, before [`finish`](Self::finish). An empty cell means the time of
    /// the row before.
    pub(super) fn read(&mut self, cell: &str) -> f64 {
        let cell = cell.trim();
        if self.kind == Kind::Fixed || cell.is_empty() {
            return self.now;
        }
        let number =
            cell.parse().ok().or_else(|| self.text(cell)).and_then(|number| self.valid(number));
        let Some(number) = number else {
            self.unreadable += 1;
            return self.now;
        };
        if self.kind == Kind::Unknown {
            self.kind = if number < FIRST { Kind::Relative } else { Kind::Absolute };
        }
        self.now = match self.kind {
            Kind::Absolute => {
                self.first.get_or_insert(number);
                number
            }
            Kind::Durations => self.now + number.max(0.0),
            _ => {
                if number < self.last {
                    self.before += self.last;
                }
                self.last = number;
                self.before + number
            }
        };
        self.now
    }

    /// A number as seconds, if it can be a time of a training.
    fn valid(&self, number: f64) -> Option<f64> {
        let seconds = match self.kind {
            Kind::Unknown | Kind::Absolute => in_seconds(number),
            _ => number,
        };
        (seconds.abs() < END).then_some(seconds)
    }

    fn text(&self, cell: &str) -> Option<f64> {
        match self.kind {
            Kind::Durations | Kind::Relative => time_text::duration(cell),
            Kind::Unknown | Kind::Absolute => time_text::seconds(cell),
            _ => None,
        }
    }

    /// Moves points to their wall times, with the time of the last change to the file. Returns the start, if it is
    /// known.
    pub(super) fn finish(&self, modified: f64, values: &mut Gathered) -> Option<f64> {
        match self.kind {
            Kind::Absolute => {
                // Rows before the first time.
                self.first.into_iter().for_each(|first| values.fill_times(first));
                values.first_time()
            }
            Kind::Fixed | Kind::Unknown => {
                values.shift(modified);
                None
            }
            Kind::SinceStart => {
                values.shift(self.start);
                Some(self.start)
            }
            Kind::Relative | Kind::Durations => {
                values.shift(modified - self.now);
                Some(modified - self.now)
            }
        }
    }
}

/// A number of seconds, milliseconds, microseconds or nanoseconds since the Unix epoch as seconds: which one it is
/// follows from its size.
fn in_seconds(number: f64) -> f64 {
    let mut seconds = number;
    for _ in 0..3 {
        if seconds >= END {
            seconds /= 1000.0;
        }
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::super::super::source::At;
    use super::*;

    fn times(times: &Times, cells: &[&str], start: Option<f64>) -> (Vec<f64>, Option<f64>) {
        let mut clock = Clock::new(times, true, start);
        let mut values = Gathered::default();
        for cell in cells {
            values.scalar("t", At { step: 0, wall_time: clock.read(cell), value: 0.0 });
        }
        let start = clock.finish(1000.0, &mut values);
        let (series, _) = values.into_series();
        let super::super::super::source::Points::Scalars(points) = &series[0].points else {
            panic!()
        };
        (points.iter().map(|point| point.wall_time).collect(), start)
    }

    #[test]
    fn wall_times_end_at_the_last_change_or_are_those_of_the_column() {
        let elapsed = ["10", "", "20.5", "3", "5"];
        let expected = (vec![984.5, 984.5, 995.0, 998.0, 1000.0], Some(974.5));
        assert_eq!(times(&Times::Elapsed("t"), &elapsed, None), expected);
        let each = times(&Times::Each("t"), &["00:10", "01:00"], None);
        assert_eq!(each, (vec![940.0, 1000.0], Some(930.0)));
        let since = times(&Times::SinceStart("t"), &["1", "2"], Some(50.0));
        assert_eq!(since, (vec![51.0, 52.0], Some(50.0)));
        let any = times(&Times::Any("t"), &["1700000000", "2023-11-14T22:13:21Z", "x"], None);
        assert_eq!(any, (vec![1.7e9, 1.7e9 + 1.0, 1.7e9 + 1.0], Some(1.7e9)));
        let hostile = times(&Times::Elapsed("t"), &["1", "1e300", "nan", "-inf", "2"], None);
        assert_eq!(hostile, (vec![999.0, 999.0, 999.0, 999.0, 1000.0], Some(998.0)));
        let hostile = times(&Times::Any("t"), &["1700000000", "1e300", "1e25"], None);
        assert_eq!(hostile.0, [1.7e9; 3]);
        let late = times(&Times::Any("t"), &["", "x", "1700000000", "1700000001"], None);
        assert_eq!(late, (vec![1.7e9, 1.7e9, 1.7e9, 1.7e9 + 1.0], Some(1.7e9)));
        let any = times(&Times::Any("t"), &["1700000000500", "1700000000500000000"], None);
        assert_eq!(any.0, [1_700_000_000.5, 1_700_000_000.5]);
        assert_eq!(times(&Times::Any("t"), &["0", "2"], None), (vec![998.0, 1000.0], Some(998.0)));
        assert_eq!(times(&Times::None, &["x", "7"], None), (vec![1000.0, 1000.0], None));
    }
}
