//! The dashboard PR Curves.

use serde::Serialize;
use tbx::PrCurve;

use super::json::{Entries, Number};
use super::no_data;
use super::tags::{Described, per_tag};
use crate::app::App;
use crate::http::{Answer, Refusal, Request};

const PLUGIN: &str = "pr_curves";
/// Number of points that are shown of a series.
const POINTS: usize = 100;

pub(super) fn tags(app: &App, _: &Request) -> Result<Answer, Refusal> {
    per_tag(&app.state.runs(), PLUGIN, |_, _, series| Described::of(series))
}

#[derive(Serialize)]
struct Curve {
    wall_time: Number,
    step: i64,
    precision: Vec<Number>,
    recall: Vec<Number>,
    true_positives: Vec<Number>,
    false_positives: Vec<Number>,
    true_negatives: Vec<Number>,
    false_negatives: Vec<Number>,
    thresholds: Vec<Number>,
}

impl Curve {
    fn new(wall_time: f64, step: i64, curve: &PrCurve) -> Self {
        // Where there are no positives at the end, precision is undefined.
        let positives = curve.true_positives.iter().zip(&curve.false_positives);
        let is_defined = |(t, f): (&f32, &f32)| t.trunc() + f.trunc() != 0.0;
        let positives: Vec<bool> = positives.map(is_defined).collect();
        let last = positives.iter().rposition(|is_defined| *is_defined).unwrap_or(0);
        let some = |column: &[f32]| -> Vec<Number> {
            column.iter().take(last + 1).map(|value| Number(f64::from(*value))).collect()
        };
        let counts = |column: &[f32]| -> Vec<Number> {
            let column = column.iter().take(last + 1);
            column.map(|value| Number(f64::from(value.trunc()))).collect()
        };
        Self {
            wall_time: Number(wall_time),
            step,
            precision: some(&curve.precision),
            recall: some(&curve.recall),
            true_positives: counts(&curve.true_positives),
            false_positives: counts(&curve.false_positives),
            true_negatives: counts(&curve.true_negatives),
            false_negatives: counts(&curve.false_negatives),
            thresholds: evenly(curve.len()).take(last + 1).map(Number).collect(),
        }
    }
}

/// Numbers from 0 to 1.
fn evenly(count: usize) -> impl Iterator<Item = f64> {
    let small = |i: usize| u32::try_from(i).map_or(f64::NAN, f64::from);
    let step = 1.0 / small(count.saturating_sub(1).max(1));
    (0..count).map(move |i| if i > 0 && i + 1 == count { 1.0 } else { small(i) * step })
}

pub(super) fn pr_curves(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let tag = request.need("tag")?;
    let names: Vec<&str> = request.all("run").collect();
    if names.is_empty() {
        return Err(Refusal::Invalid("no run is given".to_owned()));
    }
    let runs = app.state.runs();
    let count = app.state.samples().shown(PLUGIN, POINTS);
    let mut curves = Vec::new();
    for name in names {
        let missing = || no_data("PR curve", name, tag);
        let run = runs.get(name).ok_or_else(missing)?;
        let series = run.get(PLUGIN, tag).ok_or_else(missing)?;
        let values = run.read(name, series, series.places(count)).filter_map(|point| {
            let curve = PrCurve::read(&point.value.ok()?).ok()?;
            Some(Curve::new(point.wall_time, point.step, &curve))
        });
        curves.push((name, values.collect::<Vec<_>>()));
    }
    Answer::json(&Entries(|| curves.iter().map(|(name, curves)| (name, curves))))
}
