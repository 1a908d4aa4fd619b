//! The scale and the ticks of an axis.

use jiff::Timestamp;

/// Numbers beyond this are drawn as if they were this.
const MOST: f64 = 1e300;
/// So much room is left between the data and the frame, as a share of the data's range.
const PADDING: f64 = 0.03;
const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86400.0;
/// Distances of ticks in time up to a day, in seconds.
const TIMES: [f64; 17] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    10800.0, 21600.0, 43200.0,
];
/// And in days.
const DAYS: [f64; 9] = [1.0, 2.0, 7.0, 14.0, 30.0, 90.0, 180.0, 365.0, 1825.0];

/// What the numbers of an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Numbers, such as values.
    Number,
    /// Whole numbers, such as steps.
    Step,
    /// Lengths of time in seconds.
    Seconds,
    /// Times in seconds since the Unix epoch.
    Time,
}

/// An axis: what is shown, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What its numbers are.
    pub unit: Unit,
    /// Whether it is logarithmic.
    pub is_log: bool,
    /// The number at its lower end.
    pub low: f64,
    /// The number at its upper end, above `low`.
    pub high: f64,
}

/// A number that is written at an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where it stands: 0 is the lower end of the axis, 1 the upper.
    pub place: f64,
    /// Its text.
    pub label: String,
}

impl Axis {
    /// An axis that shows the numbers from `low` to `high`. `is_padded`: and a little room at both
    /// ends. A logarithmic one needs numbers above 0.
    pub(super) fn new(
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
            // One number: some room around it.
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

    /// Where `value` stands: 0 is the lower end, 1 the upper; below 0 or above 1 outside. NaN for
    /// what a logarithmic axis does not have.
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

    /// No more than `most` numbers to write at the axis, or one or two more, in ascending order.
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.clamp(2, 100);
        let steps = match self.unit {
            _ if self.is_log => return self.log_ticks(most),
            Unit::Number => self.multiples(nice(self.high - self.low, most)),
            Unit::Step => self.multiples(nice(self.high - self.low, most).max(1.0)),
            Unit::Seconds | Unit::Time => return self.time_ticks(most),
        };
        let (step, values) = steps;
        let label = labels(step, self.low.abs().max(self.high.abs()));
        self.at(values, label)
    }

    fn at(&self, values: Vec<f64>, label: impl Fn(f64) -> String) -> Vec<Tick> {
        let tick = |value| Tick { place: self.place(value), label: label(value) };
        values.into_iter().map(tick).collect()
    }

    /// The multiples of `step` on the axis.
    fn multiples(&self, step: f64) -> (f64, Vec<f64>) {
        let first = (self.low / step).ceil();
        let mut values = Vec::new();
        for i in 0..200u32 {
            let value = (first + f64::from(i)) * step;
            if value > self.high {
                break;
            }
            values.push(value + 0.0); // no -0
        }
        (step, values)
    }

    fn log_ticks(&self, most: usize) -> Vec<Tick> {
        let (low, high) = (self.low.log10(), self.high.log10());
        let decades = high.floor() - low.ceil() + 1.0;
        if decades < 2.0 {
            // Less than a decade or little more: numbers in equal distances.
            let (step, values) = self.multiples(nice(self.high - self.low, most));
            let label = labels(step, self.high);
            return self.at(values, label);
        }
        let every = (decades / count(most)).ceil().max(1.0);
        let mantissas: &[f64] =
            if decades * 3.0 <= count(most) { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut values = Vec::new();
        let mut decade = (low.floor() / every).ceil() * every;
        while decade <= high {
            let all = mantissas.iter().map(|mantissa| mantissa * 10f64.powf(decade));
            values.extend(all.filter(|value| (self.low..=self.high).contains(value)));
            decade += every;
        }
        self.at(values, |value| labels(value, value)(value))
    }

    fn time_ticks(&self, most: usize) -> Vec<Tick> {
        let least = (self.high - self.low) / count(most);
        if least < 1.0 && self.unit == Unit::Seconds {
            let (step, values) = self.multiples(nice(self.high - self.low, most));
            let label = labels(step, self.high);
            return self.at(values, |value| label(value) + "s");
        }
        let steps = TIMES.into_iter().chain(DAYS.map(|days| days * DAY));
        let step = steps.clone().find(|step| *step >= least);
        let step = step.unwrap_or_else(|| nice((self.high - self.low) / DAY, most) * DAY);
        let (step, values) = self.multiples(step);
        match self.unit {
            Unit::Time => self.at(values, |value| time(value, step)),
            _ => self.at(values, |value| length(value, step)),
        }
    }

    /// What stands below or beside the axis.
    pub fn caption(&self) -> String {
        match self.unit {
            Unit::Number => String::new(),
            Unit::Step => "step".into(),
            Unit::Seconds => "time since the first point".into(),
            Unit::Time => {
                let day = |seconds| format_time(seconds, "%Y-%m-%d");
                let (first, last) = (day(self.low), day(self.high));
                if first == last {
                    format!("UTC, {first}")
                } else {
                    format!("UTC, {first} to {last}")
                }
            }
        }
    }
}

/// 1, 2 or 5 times a power of ten, so that a range holds no more than `most` multiples or one
/// more.
fn nice(range: f64, most: usize) -> f64 {
    let least = (range / count(most)).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(least.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors.into_iter().find(|factor| factor * power >= least * 0.999_999);
    (factor.unwrap_or(10.0) * power).max(f64::MIN_POSITIVE)
}

/// How multiples of `step` up to `largest` are written.
fn labels(step: f64, largest: f64) -> impl Fn(f64) -> String {
    let suffixes = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let suffix = suffixes.into_iter().find(|(unit, _)| largest >= *unit && step >= unit / 100.0);
    move |value: f64| {
        if value == 0.0 {
            return "0".into();
        }
        if !(1e-3..1e15).contains(&largest) {
            let precision = whole((exponent(value) - exponent(step)).clamp(0.0, 17.0));
            return format!("{value:.precision$e}");
        }
        match suffix.filter(|_| largest >= 1e4) {
            Some((unit, suffix)) => {
                let text = format!("{:.*}", decimals(step / unit), value / unit);
                format!("{text}{suffix}")
            }
            None => format!("{value:.*}", decimals(step)),
        }
    }
}

/// The exponent of a number: 0 for 1 to 9.99, -1 for 0.1 to 0.99.
fn exponent(number: f64) -> f64 {
    // A bit more, for 0.1 + 0.2 and the like.
    (number.abs() * 1.000_001).log10().floor()
}

/// As many digits behind the point as a step needs of which one digit counts.
fn decimals(step: f64) -> usize {
    whole((-exponent(step)).clamp(0.0, 17.0))
}

/// A length of time in the units that multiples of `step` need: `1h30m`.
fn length(seconds: f64, step: f64) -> String {
    if seconds == 0.0 {
        return "0".into();
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let mut rest = seconds.abs();
    let mut text = String::new();
    for (unit, name) in [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (1.0, "s")] {
        let n = (rest / unit).floor();
        rest -= n * unit;
        if n > 0.0 {
            text += &format!("{n}{name}");
        }
        if step >= unit && rest < 1.0 {
            break;
        }
    }
    format!("{sign}{text}")
}

/// A time of the day, or the day where one begins.
fn time(seconds: f64, step: f64) -> String {
    let format = match step {
        _ if seconds.rem_euclid(DAY) == 0.0 && step < 365.0 * DAY => "%b %d",
        365.0.. if step >= 365.0 * DAY => "%Y-%m",
        MINUTE.. => "%H:%M",
        _ => "%H:%M:%S",
    };
    format_time(seconds, format)
}

fn format_time(seconds: f64, format: &str) -> String {
    let time = jiff::SignedDuration::try_from_secs_f64(seconds)
        .and_then(Timestamp::from_duration)
        .map(|time| time.strftime(format).to_string());
    time.unwrap_or_else(|_| format!("{seconds:e}"))
}

#[expect(clippy::as_conversions, reason = "small")]
fn count(n: usize) -> f64 {
    n as f64
}

#[expect(clippy::as_conversions, reason = "small and not negative")]
fn whole(n: f64) -> usize {
    n as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(unit: Unit, is_log: bool, range: (f64, f64), most: usize) -> Vec<String> {
        let axis = Axis::new(unit, is_log, range, [false; 2]);
        let ticks = axis.ticks(most);
        assert!(ticks.iter().all(|tick| (-1e-9..=1.0 + 1e-9).contains(&tick.place)), "{ticks:?}");
        assert!(ticks.is_sorted_by(|a, b| a.place < b.place), "{ticks:?}");
        ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_of_numbers_are_round() {
        let number = |low, high| ticks(Unit::Number, false, (low, high), 5);
        assert_eq!(number(0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(number(-0.5, 2.6), ["0", "1", "2"]);
        assert_eq!(number(-1.0, 1.0), ["-1.0", "-0.5", "0", "0.5", "1.0"]);
        assert_eq!(number(0.0, 3e-5), ["0", "1e-5", "2e-5", "3e-5"]);
        assert_eq!(number(99.95, 100.05), ["99.96", "99.98", "100.00", "100.02", "100.04"]);
        assert_eq!(number(0.0, 5e20), ["0", "1e20", "2e20", "3e20", "4e20", "5e20"]);
        assert_eq!(number(-1e300, 1e300).len(), 5);
    }

    #[test]
    fn ticks_of_steps_are_whole() {
        let step = |low, high| ticks(Unit::Step, false, (low, high), 5);
        assert_eq!(step(0.0, 3.0), ["0", "1", "2", "3"]);
        assert_eq!(step(0.0, 100_000.0), ["0", "20k", "40k", "60k", "80k", "100k"]);
        assert_eq!(step(0.0, 2_500_000.0), ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]);
        assert_eq!(step(1_234_500.0, 1_234_510.0).first().unwrap(), "1234500");
        assert_eq!(step(7.0, 7.0), ["6", "7", "8"]);
        assert!(!step(-9.2e18, 9.2e18).is_empty());
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten() {
        let log = |low, high| ticks(Unit::Number, true, (low, high), 6);
        assert_eq!(log(0.01, 100.0), ["0.01", "0.1", "1", "10", "100"]);
        assert_eq!(log(1e-8, 1e4), ["1e-6", "0.001", "1", "1000"]);
        assert_eq!(log(0.5, 20.0), ["0.5", "1", "2", "5", "10", "20"]);
        assert_eq!(log(2.0, 3.0), ["2.0", "2.2", "2.4", "2.6", "2.8", "3.0"]);
        let axis = Axis::new(Unit::Number, true, (1.0, 100.0), [false; 2]);
        assert_eq!(axis.place(10.0), 0.5);
        assert!(axis.place(0.0).is_nan() && axis.place(-1.0).is_nan());
    }

    #[test]
    fn ticks_of_times_are_those_of_a_clock() {
        let seconds = |high| ticks(Unit::Seconds, false, (0.0, high), 5);
        assert_eq!(seconds(0.5), ["0s", "0.1s", "0.2s", "0.3s", "0.4s", "0.5s"]);
        assert_eq!(seconds(90.0), ["0", "30s", "1m", "1m30s"]);
        assert_eq!(seconds(7000.0), ["0", "30m", "1h", "1h30m"]);
        assert_eq!(seconds(200_000.0), ["0", "12h", "1d", "1d12h", "2d"]);
        let time = |low, high| ticks(Unit::Time, false, (low, high), 5);
        let start = 1_700_000_000.0; // 2023-11-14 22:13:20
        assert_eq!(
            time(start, start + 50.0),
            ["22:13:20", "22:13:30", "22:13:40", "22:13:50", "22:14:00", "22:14:10"]
        );
        assert_eq!(time(start, start + 7200.0), ["22:30", "23:00", "23:30", "Nov 15"]);
        assert_eq!(time(start, start + 3e5), ["Nov 15", "Nov 16", "Nov 17", "Nov 18"]);
        assert_eq!(time(start, start + 3e8).len(), 2);
        assert!(!time(0.0, 1e300).is_empty());
    }

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
