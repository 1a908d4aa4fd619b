//! The dashboard PR Curves.

use std::collections::BTreeSet;

use serde::Serialize;
use tbx::PrCurve;

use super::json::{Entries, Items, Number};
use super::tags::{Described, per_tag};
use crate::app::App;
use crate::http::{Answer, Refusal, Request};
use crate::state::{Run, Series};

const PLUGIN: &str = "pr_curves";
/// Number of points that are shown of a series.
const POINTS: usize = 100;

pub(super) fn tags(app: &App, _: &Request) -> Result<Answer, Refusal> {
    per_tag(&app.state.runs(), PLUGIN, |_, _, series, texts| Described::of(series, texts))
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

/// The curves of a series, without those that cannot be read.
fn curves<'a>(
    name: &'a str,
    run: &'a Run,
    series: &'a Series,
    count: Option<usize>,
) -> impl Iterator<Item = Curve> + 'a {
    run.read(name, series, series.places(count)).filter_map(|point| {
        let curve = PrCurve::read(&point.value.ok()?).ok()?;
        Some(Curve::new(point.wall_time, point.step, &curve))
    })
}

pub(super) fn pr_curves(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let tag = request.need("tag")?;
    let names: BTreeSet<&str> = request.all("run").collect();
    if names.is_empty() {
        return Err(Refusal::Invalid("no run is given".to_owned()));
    }
    let runs = app.state.runs();
    let count = app.state.samples().shown(PLUGIN, POINTS);
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let series = runs.get(name).and_then(|run| Some((name, run, run.get(PLUGIN, tag)?)));
        // TensorBoard says 400, and not 404 as elsewhere.
        let missing =
            || Refusal::Invalid(format!("there is no PR curve in run {name:?}, tag {tag:?}"));
        found.push(series.ok_or_else(missing)?);
    }
    Answer::json(&Entries(|| {
        found
            .iter()
            .map(|(name, run, series)| (*name, Items(move || curves(name, run, series, count))))
    }))
}
