//! Histograms.

use serde_json::{Value, json};
use tbx::{Bins, Moments, Numeric};

use super::log::{Run, number};
use super::random::Random;

impl Run<'_> {
    pub(super) fn histogram<T: Numeric>(&mut self, tag: &str, values: &[T], step: i64, bins: Bins) {
        let noted: Vec<_> = values.iter().map(|value| number(value.to_f64())).collect();
        let bins_noted = match bins {
            Bins::Uniform(bins) => json!(bins),
            _ => Value::Null,
        };
        let input = json!({"values": noted, "bins": bins_noted});
        let writer = self.call("histogram", tag, step, input);
        match bins {
            Bins::Exponential => writer.add_histogram(tag, values, step).unwrap(),
            _ => writer.with_bins(bins).add_histogram(tag, values, step).unwrap(),
        }
    }

    pub(super) fn histogram_raw(
        &mut self,
        tag: &str,
        m: Moments,
        limits: &[f64],
        counts: &[f64],
        step: i64,
    ) {
        let input = json!({"min": m.min, "max": m.max, "limits": limits, "counts": counts});
        let writer = self.call("histogram_raw", tag, step, input);
        writer.add_histogram_raw(tag, m, limits, counts, step).unwrap();
    }
}

pub(super) fn write(run: &mut Run<'_>) {
    let mut random = Random(2);
    for step in 0..20 {
        let spread = 1.0 - f64::from(step) / 40.0;
        let center = f64::from(step) / 10.0;
        let weights: Vec<f64> = (0..300).map(|_| center + spread * random.normal()).collect();
        let floats: Vec<f32> = weights.iter().map(|weight| *weight as f32).collect();
        run.histogram("weights/f32", &floats, step.into(), Bins::Exponential);
        run.histogram("weights/f64", &weights, step.into(), Bins::Exponential);
        run.histogram("weights/uniform", &weights, step.into(), Bins::Uniform(30));
        let whole: Vec<i64> = weights.iter().map(|weight| (weight * 10.0) as i64).collect();
        run.histogram("weights/i64", &whole, step.into(), Bins::Exponential);
    }
}

pub(super) fn write_odd(run: &mut Run<'_>) {
    for (tag, values) in [
        ("exponential/zero", &[0.0][..]),
        ("exponential/one", &[-3.5]),
        ("exponential/tiny", &[1e-300, -1e-300, 5e-13]),
        ("exponential/infinity", &[1.0, 2.0, f64::INFINITY]),
        ("exponential/nan", &[1.0, f64::NAN, -2.0]),
        ("exponential/huge", &[1e19, -1e30, 1e300]),
        ("exponential/three", &[-1.0, 0.0, 1.0]),
    ] {
        run.histogram(tag, values, 0, Bins::Exponential);
    }
    for (tag, values, bins) in [
        ("uniform/none", &[][..], 3),
        ("uniform/equal", &[5.0, 5.0, 5.0], 3),
        ("uniform/four", &[1.0, 2.0, 3.0, 4.0], 2),
        ("uniform/eleven", &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 10),
        ("uniform/nan", &[1.0, f64::NAN], 2),
        ("uniform/no bins", &[1.0, 2.0], 0),
    ] {
        run.histogram(tag, values, 0, Bins::Uniform(bins));
    }
    run.histogram("types/u8", &[1u8, 2, 255], 0, Bins::Exponential);
    run.histogram("types/bool", &[true, false, true], 0, Bins::Uniform(2));
    let moments = |min, max, num| Moments { min, max, num, sum: 6.0, sum_squares: 14.0 };
    let limits = [0.5, 1.5, 2.5, 3.5, 4.5];
    let counts = [0.0, 1.0, 0.5, 1.25, 0.0];
    run.histogram_raw("raw/weights", moments(1.0, 3.0, 2.75), &limits, &counts, 0);
    let outer = [-f64::MAX, -1.0, 2.0, f64::MAX];
    run.histogram_raw("raw/outer", moments(-1.5, 4.0, 6.0), &outer, &[0.0, 2.0, 3.0, 1.0], 0);
    run.histogram_raw("raw/zeros", moments(0.0, 0.0, 0.0), &limits, &[0.0; 5], 0);
    run.histogram_raw("raw/none", moments(0.0, 0.0, 0.0), &[], &[], 0);
}
