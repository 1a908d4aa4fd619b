//! The dashboard Histograms.

use tbx::Histogram;

use super::json::Number;
use super::no_data;
use super::tags::{Described, per_tag};
use crate::app::App;
use crate::http::{Answer, Refusal, Request};
use crate::state::Point;

pub(super) const PLUGIN: &str = "histograms";
/// Number of points that are shown of a series: 50 intervals have 51 ends.
pub(super) const POINTS: usize = 51;

pub(super) fn tags(app: &App, _: &Request) -> Result<Answer, Refusal> {
    per_tag(&app.state.runs(), PLUGIN, |_, _, series| Described::of(series))
}

pub(super) fn histograms(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = request.run_and_tag()?;
    let read = read(app, run, tag, Some(POINTS)).ok_or_else(|| no_data("histogram", run, tag))?;
    let points = read.into_iter().map(|point| {
        let buckets = point.value.buckets.into_iter();
        let buckets = buckets.map(|bucket| [bucket.left, bucket.right, bucket.count].map(Number));
        (Number(point.wall_time), point.step, buckets.collect())
    });
    Answer::json(&points.collect::<Vec<(_, _, Vec<_>)>>())
}

/// The histograms of a series, without those that cannot be read; `None` if there is no such series.
pub(super) fn read(
    app: &App,
    run: &str,
    tag: &str,
    count: Option<usize>,
) -> Option<Vec<Point<Histogram>>> {
    let runs = app.state.runs();
    let (found, series) = (runs.get(run)?, runs.series(run, PLUGIN, tag)?);
    let values = found.read(run, series, series.places(count)).filter_map(|point| {
        let value = Histogram::read(&point.value.ok()?).ok()?;
        Some(Point { step: point.step, wall_time: point.wall_time, value })
    });
    Some(values.collect())
}
