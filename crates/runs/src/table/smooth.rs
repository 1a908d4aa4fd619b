//! Smoothing as in TensorBoard.

/// Smooths `values` as TensorBoard's charts do: an exponential moving average, divided by the total
/// weight of the values so far, so that it does not start near 0.
///
/// `weight` is the weight of the past, from 0 (nothing changes) to 1. Values outside that range are
/// clamped, and NaN counts as 0. A value that is not finite stays unchanged and does not count.
/// Values that are all equal stay unchanged.
///
/// Source: `tensorboard/webapp/widgets/line_chart_v2/data_transformer.ts`, `classicSmoothing`.
///
/// ```
/// let smoothed = tbx_runs::table::smooth(&[1.0, 2.0, f64::NAN, 4.0], 0.5);
/// assert_eq!(smoothed[..2], [1.0, 1.25 / 0.75]);
/// assert!(smoothed[2].is_nan());
/// assert_eq!(smoothed[3], 2.625 / 0.875);
/// ```
pub fn smooth(values: &[f64], weight: f64) -> Vec<f64> {
    let weight = if weight.is_nan() { 0.0 } else { weight.clamp(0.0, 1.0) };
    let first = values.first().copied().unwrap_or(f64::NAN);
    if weight == 0.0 || values.iter().all(|value| *value == first) {
        return values.to_vec();
    }
    // The weight that is missing from all earlier values: a power of `weight`.
    let (mut last, mut lacking) = (0.0, 1.0);
    let smoothed = values.iter().map(|&value| {
        if !value.is_finite() {
            return value;
        }
        last = last * weight + (1.0 - weight) * value;
        lacking *= weight;
        if weight == 1.0 { last } else { last / (1.0 - lacking) }
    });
    smoothed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_of_zero_changes_nothing_and_one_forgets_everything() {
        let values = [3.0, f64::NAN, -1.0, 7.5];
        for weight in [0.0, -1.0, f64::NAN] {
            assert_eq!(format!("{:?}", smooth(&values, weight)), format!("{values:?}"));
        }
        assert_eq!(smooth(&[3.0, -1.0], 1.0), [0.0, 0.0]);
        assert_eq!(smooth(&[3.0, -1.0], 2.0), [0.0, 0.0]);
        assert_eq!(smooth(&[], 0.5), [0.0; 0]);
    }

    #[test]
    fn what_is_constant_stays_to_the_last_bit() {
        assert_eq!(smooth(&[0.1; 100], 0.6), [0.1; 100]);
    }

    #[test]
    fn it_does_not_start_near_zero() {
        let smoothed = smooth(&[100.0, 101.0, 99.0, 100.5], 0.99);
        assert!(smoothed.iter().all(|value| (98.9..101.1).contains(value)), "{smoothed:?}");
    }
}
