//! Neptune's steps: decimal numbers with up to twelve digits before the point and six after it.
//!
//! They are kept in millionths, which is exact. TensorBoard's steps are whole. If a series has a step that is
//! not, all its steps are multiplied by the smallest power of ten that makes them whole: so order and distances
//! stay, and the factor, which the description of the series and `tbx.json` state, gives back the true steps.

use super::super::source::At;

/// Millionths in a whole step.
pub(super) const MILLION: i64 = 1_000_000;
/// Digits of a step in millionths: 12 before the point and 6 after it (`DECIMAL(18,6)` in the exporter's
/// `src/neptune_exporter/model.py`, `MAX_STEP_VALUE` in neptune-scale's `sync/parameters.py`).
const DIGITS: usize = 18;
/// Digits after the point.
const AFTER_POINT: i64 = 6;
/// The first number of millionths that is too large.
const LIMIT: i64 = 1_000_000_000_000_000_000;

/// A step in millionths, and whether it is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) millionths: i64,
    pub(super) is_exact: bool,
}

impl Step {
    /// The step with this number of millionths, if Neptune allows it.
    pub(super) fn new(millionths: i64) -> Option<Self> {
        (millionths.unsigned_abs() < LIMIT.unsigned_abs())
            .then_some(Self { millionths, is_exact: true })
    }

    /// The step of `whole` steps and `millionths`.
    pub(super) fn of_parts(whole: u64, millionths: u64) -> Option<Self> {
        let whole = i64::try_from(whole).ok()?.checked_mul(MILLION)?;
        Self::new(whole.checked_add(i64::try_from(millionths).ok()?)?)
    }

    /// The step that follows this one if none is given.
    pub(super) fn following(self) -> Option<Self> {
        Self::new(self.millionths.checked_add(MILLION)?)
    }

    /// The step as a decimal number.
    pub(super) fn decimal(self) -> String {
        decimal(self.millionths)
    }

    /// Reads a number in JSON. Digits beyond the sixth after the point are rounded. `None` if it is no number, or
    /// has too many digits before the point.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (before, after) = number.split_once('.').unwrap_or((number, ""));
        let all = before.bytes().chain(after.bytes());
        if before.is_empty() || !all.clone().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let leading = all.clone().take_while(|byte| *byte == b'0').count();
        // Number of digits, from the first one that is not zero, up to the sixth after the point.
        let wanted = i64::try_from(before.len())
            .ok()?
            .checked_sub(i64::try_from(leading).ok()?)?
            .checked_add(exponent)?
            .checked_add(AFTER_POINT)?;
        let mut digits = all.skip(leading);
        if digits.clone().next().is_none() {
            return Self::new(0);
        }
        let Ok(wanted) = usize::try_from(wanted) else {
            return Some(Self { millionths: 0, is_exact: false });
        };
        if wanted > DIGITS {
            return None;
        }
        let mut millionths = 0i64;
        for _ in 0..wanted {
            let digit = i64::from(digits.next().unwrap_or(b'0').saturating_sub(b'0'));
            millionths = millionths.checked_mul(10)?.checked_add(digit)?;
        }
        let next = digits.next().unwrap_or(b'0');
        let is_exact = next == b'0' && digits.all(|digit| digit == b'0');
        millionths = millionths.checked_add(i64::from(next >= b'5'))?;
        let millionths = if is_negative { millionths.checked_neg()? } else { millionths };
        Self::new(millionths).map(|step| Self { is_exact, ..step })
    }
}

/// A step in millionths as a decimal number.
pub(super) fn decimal(step: i64) -> String {
    let digits = format!("{:07}", step.unsigned_abs());
    let (whole, after) =
        digits.split_at_checked(digits.len().saturating_sub(6)).unwrap_or_default();
    let after = after.trim_end_matches('0');
    let sign = if step < 0 { "-" } else { "" };
    let point = if after.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{after}")
}

/// Divides the steps of a series, in millionths, so that they become whole numbers. Returns the power of ten that
/// the true steps are multiplied by: 1 if all are whole.
pub(super) fn make_whole<T>(points: &mut [At<T>]) -> i64 {
    let mut unit = MILLION;
    for point in &*points {
        while unit > 1 && point.step.checked_rem(unit) != Some(0) {
            unit = unit.checked_div(10).unwrap_or(1);
        }
    }
    for point in points {
        point.step = point.step.checked_div(unit).unwrap_or_default();
    }
    MILLION.checked_div(unit).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_exactly_or_said_to_be_rounded() {
        let read = |text: &str| Step::parse(text).map(|step| (step.millionths, step.is_exact));
        for (text, expected) in [
            ("0", Some((0, true))),
            ("0.0", Some((0, true))),
            ("-0", Some((0, true))),
            ("3", Some((3_000_000, true))),
            ("0.5", Some((500_000, true))),
            ("-2.25", Some((-2_250_000, true))),
            ("1e3", Some((1_000_000_000, true))),
            ("1.5E-1", Some((150_000, true))),
            ("1e-6", Some((1, true))),
            ("1e-7", Some((0, false))),
            ("6e-7", Some((1, false))),
            ("0.30000000000000004", Some((300_000, false))),
            ("0.9999999", Some((1_000_000, false))),
            ("999999999999.999999", Some((999_999_999_999_999_999, true))),
            ("999999999999.9999999", None),
            ("1e-99999999999", Some((0, false))),
            ("0e99999999999", Some((0, true))),
            ("1e99999999999", None),
            ("1e300", None),
            ("1e9223372036854775807", None),
            ("", None),
            (".5", None),
            ("NaN", None),
            ("1.x", None),
            ("+1", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn steps_are_written_as_decimal_numbers() {
        for (step, text) in [(0, "0"), (-500_000, "-0.5"), (1, "0.000001"), (12_000_000, "12")] {
            assert_eq!(decimal(step), text);
        }
    }

    #[test]
    fn a_series_with_fractions_is_multiplied_by_the_smallest_power_of_ten() {
        let whole = |steps: &[&str]| {
            let at = |text: &&str| At {
                step: Step::parse(text).unwrap().millionths,
                wall_time: 0.0,
                value: (),
            };
            let mut points: Vec<_> = steps.iter().map(at).collect();
            let factor = make_whole(&mut points);
            (factor, points.into_iter().map(|point| point.step).collect::<Vec<_>>())
        };
        assert_eq!(whole(&["0", "1", "999999999999"]), (1, vec![0, 1, 999_999_999_999]));
        assert_eq!(whole(&["0", "0.5", "1"]), (10, vec![0, 5, 10]));
        assert_eq!(whole(&["2.25", "-1"]), (100, vec![225, -100]));
        assert_eq!(whole(&["0.000001", "2147"]), (1_000_000, vec![1, 2_147_000_000]));
        assert_eq!(whole(&[]), (1, vec![]));
        assert_eq!(Step::of_parts(2, 500_000).unwrap().millionths, 2_500_000);
        assert_eq!(Step::of_parts(u64::MAX, 0), None);
        assert_eq!(Step::of_parts(1, u64::MAX), None);
    }
}
