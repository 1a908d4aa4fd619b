//! Chooses the numbers at an axis and formats them.

use jiff::Timestamp;

use super::{Axis, Unit};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86400.0;
/// Intervals between ticks in time up to a day, in seconds.
const TIMES: [f64; 17] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    10800.0, 21600.0, 43200.0,
];
/// Longer intervals, in days.
const DAYS: [f64; 9] = [1.0, 2.0, 7.0, 14.0, 30.0, 90.0, 180.0, 365.0, 1825.0];
/// Maximum number of additional ticks to try if too few fit.
const MORE: usize = 16;
/// Numbers of a decade that appear at a logarithmic axis, from few to many.
const MANTISSAS: [&[f64]; 3] = [&[1.0], &[1.0, 3.0], &[1.0, 2.0, 5.0]];

/// A number at an axis.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tick {
    /// Its position: 0 is the lower end of the axis, 1 the upper.
    pub place: f64,
    /// Its text.
    pub label: String,
}

impl Axis {
    /// The caption of the axis.
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

    /// The numbers to show at the axis in ascending order: at most `most`, or one or two more.
    /// Returns at least two, whatever `most` is, because a single number gives no scale; the
    /// exception is an axis that does not contain two integer steps.
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.clamp(2, 100);
        match self.unit {
            _ if self.is_log => self.log_ticks(most),
            Unit::Number => self.spread(most, f64::MIN_POSITIVE),
            Unit::Step => self.spread(most, 1.0),
            Unit::Seconds | Unit::Time => at_least_two(most, |most| self.time_ticks(most)),
        }
    }

    /// Like [`ticks`](Self::ticks), but ensures that two can be shown: `shown` returns the number
    /// of ticks that have room for their labels.
    pub fn ticks_to_show(&self, most: usize, shown: impl Fn(&[Tick]) -> usize) -> Vec<Tick> {
        let more = (most..most + MORE).map(|most| self.ticks(most));
        let mut best: Option<(usize, Vec<Tick>)> = None;
        for ticks in more {
            let count = shown(&ticks);
            if best.as_ref().is_none_or(|(most, _)| count > *most) {
                best = Some((count, ticks));
            }
            if count >= 2 {
                break;
            }
        }
        best.map_or(Vec::new(), |(_, ticks)| ticks)
    }

    /// Multiples of a round number that is at least `least`.
    fn spread(&self, most: usize, least: f64) -> Vec<Tick> {
        at_least_two(most, |most| {
            let (step, values) = self.multiples(nice(self.high - self.low, most).max(least));
            self.at(values, labels(step, self.low.abs().max(self.high.abs())))
        })
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
        let sets = self.powers();
        let fitting = sets.iter().rfind(|set| (2..=most).contains(&set.len()));
        let chosen = fitting.or(sets.iter().find(|set| set.len() >= 2));
        let powers = |set: &Vec<f64>| self.at(set.clone(), |value| labels(value, value)(value));
        match chosen {
            Some(set) if set.len() > 2 || most == 2 => powers(set),
            // On a range of up to about a decade, evenly spaced numbers may give more ticks.
            few => {
                let equal = self.spread(most, f64::MIN_POSITIVE);
                few.filter(|set| set.len() >= equal.len()).map_or(equal, powers)
            }
        }
    }

    /// Round numbers for a logarithmic axis, from few to many.
    fn powers(&self) -> Vec<Vec<f64>> {
        let (low, high) = (self.low.log10(), self.high.log10());
        let decades = high.floor() - low.ceil() + 1.0;
        let every = (1..=whole(decades.clamp(1.0, 1000.0))).rev();
        let sets = every.map(|every| (every, MANTISSAS[0]));
        let sets = sets.chain(MANTISSAS.into_iter().skip(1).map(|mantissas| (1, mantissas)));
        let numbers = |(every, mantissas): (usize, &[f64])| {
            let every = count(every);
            let mut values = Vec::new();
            let mut decade = (low.floor() / every).ceil() * every;
            while decade <= high {
                let all = mantissas.iter().map(|mantissa| mantissa * 10f64.powf(decade));
                values.extend(all.filter(|value| (self.low..=self.high).contains(value)));
                decade += every;
            }
            values
        };
        sets.map(numbers).collect()
    }

    fn time_ticks(&self, most: usize) -> Vec<Tick> {
        let least = (self.high - self.low) / count(most);
        if least < 1.0 {
            let (step, values) = self.multiples(nice(self.high - self.low, most));
            let label = labels(step, self.high);
            return match self.unit {
                Unit::Time => self.at(values, |value| time(value, step)),
                _ => self.at(values, |value| label(value) + "s"),
            };
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
}

/// The first of several lists of ticks, each longer than the one before, that has two ticks.
fn at_least_two(most: usize, ticks: impl Fn(usize) -> Vec<Tick>) -> Vec<Tick> {
    let enough = (most..most + MORE).map(&ticks).find(|ticks| ticks.len() >= 2);
    enough.unwrap_or_else(|| ticks(most))
}

/// 1, 2 or 5 times a power of ten, such that a range contains at most `most` multiples, or one
/// more.
fn nice(range: f64, most: usize) -> f64 {
    let least = (range / count(most)).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(least.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors.into_iter().find(|factor| factor * power >= least * 0.999_999);
    (factor.unwrap_or(10.0) * power).max(f64::MIN_POSITIVE)
}

/// A formatter for multiples of `step` up to `largest`.
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
    // Slightly larger, for 0.1 + 0.2 and the like.
    (number.abs() * 1.000_001).log10().floor()
}

/// Number of digits after the point that a step with one significant digit needs.
fn decimals(step: f64) -> usize {
    whole((-exponent(step)).clamp(0.0, 17.0))
}

/// Formats a duration in the units that multiples of `step` need: `1h30m`.
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

/// Formats the time of day, or the date at the start of a day.
fn time(seconds: f64, step: f64) -> String {
    let format = match step {
        _ if seconds.rem_euclid(DAY) == 0.0 && step < 365.0 * DAY => "%b %d",
        365.0.. if step >= 365.0 * DAY => "%Y-%m",
        MINUTE.. => "%H:%M",
        1.0.. => "%H:%M:%S",
        _ => &format!("%H:%M:%S%.{}f", decimals(step).clamp(1, 9)),
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
        assert_eq!(log(0.05, 0.9), ["0.05", "0.1", "0.2", "0.5"]);
        assert_eq!(log(0.05, 5.0), ["0.1", "0.3", "1", "3"]);
        let axis = Axis::new(Unit::Number, true, (1.0, 100.0), [false; 2]);
        assert_eq!(axis.place(10.0), 0.5);
        assert!(axis.place(0.0).is_nan() && axis.place(-1.0).is_nan());
    }

    /// For any range, and however few ticks were requested.
    #[test]
    fn one_number_alone_is_at_no_axis() {
        for low in [1e-9, 0.003, 0.051, 0.7, 1.0, 3.3, 99.0, 1.7e9] {
            for factor in [1.01, 1.3, 2.0, 3.7, 9.0, 11.0, 95.0, 110.0, 4e3, 1e7, 1e40] {
                let range = (low, low * factor);
                for most in [0, 1, 2, 3, 5, 8] {
                    for is_log in [false, true] {
                        let ticks = ticks(Unit::Number, is_log, range, most);
                        assert!(
                            (2..=most.max(2) + 3).contains(&ticks.len()),
                            "{range:?} {most} {is_log}: {ticks:?}"
                        );
                        let different: std::collections::BTreeSet<_> = ticks.iter().collect();
                        assert_eq!(different.len(), ticks.len(), "{range:?}: {ticks:?}");
                    }
                    if factor < 1e9 {
                        assert!(ticks(Unit::Seconds, false, range, most).len() >= 2, "{range:?}");
                        assert!(ticks(Unit::Time, false, range, most).len() >= 2, "{range:?}");
                    }
                }
            }
        }
        let steps = |low, high| ticks(Unit::Step, false, (low, high), 2);
        assert_eq!(steps(0.0, 55.0), ["0", "50"]);
        assert_eq!(steps(3.0, 19.0), ["5", "10", "15"]);
        assert_eq!(steps(0.2, 0.8), [""; 0]);
        assert_eq!(
            ticks(Unit::Time, false, (1_700_000_000.0, 1_700_000_000.5), 2),
            ["22:13:20.0", "22:13:20.5"]
        );
    }

    #[test]
    fn more_ticks_are_taken_until_two_labels_have_room() {
        let axis = Axis::new(Unit::Number, false, (0.0, 1.0), [false; 2]);
        let inner = |ticks: &[Tick]| ticks.iter().filter(|tick| tick.place % 0.5 != 0.0).count();
        let shown = axis.ticks_to_show(2, inner);
        assert!(inner(&shown) >= 2, "{shown:?}");
        assert_eq!(axis.ticks_to_show(2, <[Tick]>::len), axis.ticks(2));
        assert!(!axis.ticks_to_show(2, |_| 0).is_empty());
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
}
