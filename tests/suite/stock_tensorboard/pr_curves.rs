//! PR curves.

use std::any::type_name;

use serde_json::{Value, json};
use tbx::summary::pr_curve::Prediction;
use tbx::{PrCurve, PrCurveOptions};

use super::log::{Run, number};
use super::random::Random;

/// Default number of thresholds of `add_pr_curve`.
const THRESHOLDS: u32 = 127;

impl Run<'_> {
    fn pr_curve<P: Prediction>(&mut self, tag: &str, labels: &[bool], values: &[P], step: i64) {
        let input = noted(labels, values, THRESHOLDS, None);
        let writer = self.call("pr_curve", tag, step, input);
        writer.add_pr_curve(tag, labels, values, step).unwrap();
    }

    fn pr_curve_with<P: Prediction>(
        &mut self,
        tag: &str,
        (labels, predictions): (&[bool], &[P]),
        step: i64,
        thresholds: u32,
        weights: Option<&[f64]>,
    ) {
        let input = noted(labels, predictions, thresholds, weights);
        let writer = self.call("pr_curve", tag, step, input);
        let mut options = PrCurveOptions::new().thresholds(thresholds);
        if let Some(weights) = weights {
            options = options.weights(weights);
        }
        let labels = labels.iter().map(|label| f64::from(u8::from(*label)));
        let curve = PrCurve::new(labels, predictions, &options).unwrap();
        writer.add_pr_curve_raw(tag, &curve, step).unwrap();
    }

    fn pr_curve_raw(&mut self, tag: &str, curve: &PrCurve, step: i64) {
        let row = |row: &[f32]| row.iter().map(|value| number((*value).into())).collect();
        let rows: [Vec<Value>; 6] = [
            row(&curve.true_positives),
            row(&curve.false_positives),
            row(&curve.true_negatives),
            row(&curve.false_negatives),
            row(&curve.precision),
            row(&curve.recall),
        ];
        let writer = self.call("pr_curve_raw", tag, step, json!(rows));
        writer.add_pr_curve_raw(tag, curve, step).unwrap();
    }
}

fn noted<P: Prediction>(
    labels: &[bool],
    predictions: &[P],
    thresholds: u32,
    weights: Option<&[f64]>,
) -> Value {
    let predictions: Vec<_> = predictions.iter().map(|value| value.to_f64()).collect();
    json!({
        "labels": labels, "predictions": predictions, "type": type_name::<P>(),
        "thresholds": thresholds, "weights": weights,
    })
}

/// Labels and predictions of a classifier, which is better the larger `skill` is.
fn classified(random: &mut Random, skill: f64, count: usize) -> (Vec<bool>, Vec<f64>) {
    let classify = |_| {
        let label = random.uniform() < 0.4;
        let side = if label { skill } else { -skill };
        (label, 1.0 / (1.0 + (-side - random.normal()).exp()))
    };
    (0..count).map(classify).unzip()
}

pub(super) fn write(run: &mut Run<'_>) {
    let mut random = Random(3);
    for step in 0..4 {
        let (labels, doubles) = classified(&mut random, 0.5 * step as f64, 500);
        let floats: Vec<f32> = doubles.iter().map(|value| *value as f32).collect();
        run.pr_curve("pr/f64", &labels, &doubles, step);
        run.pr_curve("pr/f32", &labels, &floats, step);
        run.pr_curve_with("pr/201", (&labels, &floats), step, 201, None);
        let weights: Vec<f64> = labels.iter().map(|_| 3.0 * random.uniform()).collect();
        run.pr_curve_with("pr/weighted", (&labels, &doubles), step, 1000, Some(&weights));
    }
}

pub(super) fn write_odd(run: &mut Run<'_>) {
    // Predictions exactly at the thresholds, where float32 and float64 differ.
    let labels: Vec<_> = (0..127).map(|i| i % 3 == 0).collect();
    let floats: Vec<_> = (0..127u8).map(|i| f32::from(i) / 126.0).collect();
    let doubles: Vec<_> = floats.iter().map(|value| f64::from(*value)).collect();
    run.pr_curve("edges/f32", &labels, &floats, 0);
    run.pr_curve("edges/f64", &labels, &doubles, 0);
    run.pr_curve("none", &[], &[0.0f32; 0], 0);
    run.pr_curve("one", &[true], &[1.0], 0);
    run.pr_curve_with("two thresholds", (&[true, false], &[0.0, 1.0]), 0, 2, None);
    let row = |values: [f32; 3]| values.to_vec();
    let curve = PrCurve {
        true_positives: row([4.0, 2.5, 0.0]),
        false_positives: row([150.0, 105.0, 0.0]),
        true_negatives: row([0.0, 45.0, 150.0]),
        false_negatives: row([0.0, 1.5, 4.0]),
        precision: row([0.026, 0.0233, f32::NAN]),
        recall: row([1.0, 0.625, 0.0]),
    };
    run.pr_curve_raw("raw", &curve, 7);
}
