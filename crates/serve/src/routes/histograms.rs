//! The dashboard Histograms.

use tbx::Histogram;

use super::json::{Items, Number};
use super::no_data;
use super::tags::{Described, per_tag};
use crate::app::App;
use crate::http::{Answer, Refusal, Request};
use crate::state::{Point, Run, Runs, Series};

pub(super) const PLUGIN: &str = "histograms";
/// Number of points that are shown of a series: 50 intervals have 51 ends.
pub(super) const POINTS: usize = 51;

pub(super) fn tags(app: &App, _: &Request) -> Result<Answer, Refusal> {
    per_tag(&app.state.runs(), PLUGIN, |_, _, series, texts| Described::of(series, texts))
}

pub(super) fn histograms(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = request.run_and_tag()?;
    let runs = app.state.runs();
    let (found, series) = find(&runs, run, tag).ok_or_else(|| no_data("histogram", run, tag))?;
    let count = app.state.samples().shown(PLUGIN, POINTS);
    Answer::json(&Items(|| {
        read(run, found, series, count).map(|point| {
            let buckets = point.value.buckets.into_iter();
            let buckets =
                buckets.map(|bucket| [bucket.left, bucket.right, bucket.count].map(Number));
            (Number(point.wall_time), point.step, buckets.collect::<Vec<_>>())
        })
    }))
}

/// A series of histograms and its run.
pub(super) fn find<'r>(runs: &'r Runs, run: &str, tag: &str) -> Option<(&'r Run, &'r Series)> {
    Some((runs.get(run)?, runs.series(run, PLUGIN, tag)?))
}

/// The histograms of a series, without those that cannot be read.
pub(super) fn read<'a>(
    name: &'a str,
    run: &'a Run,
    series: &'a Series,
    count: Option<usize>,
) -> impl Iterator<Item = Point<Histogram>> + 'a {
    run.read(name, series, series.places(count)).filter_map(|point| {
        let value = Histogram::read(&point.value.ok()?).ok()?;
        Some(Point { step: point.step, wall_time: point.wall_time, value })
    })
}
