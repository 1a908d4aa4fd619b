//! The dashboard Images.

use serde::Serialize;
use tbx::Place;

use super::json::Number;
use super::no_data;
use super::tags::{Described, per_tag};
use crate::app::App;
use crate::http::{Answer, Refusal, Request};
use crate::state::{Blob, Point, Runs, blobs};

pub(super) const PLUGIN: &str = "images";
/// Number of points that are shown of a series.
const POINTS: usize = 10;

/// The number of points that are shown of a series.
pub(super) fn shown(app: &App) -> Option<usize> {
    app.state.samples().shown(PLUGIN, POINTS)
}

pub(super) fn tags(app: &App, _: &Request) -> Result<Answer, Refusal> {
    let count = shown(app);
    per_tag(&app.state.runs(), PLUGIN, |name, run, series, texts| {
        Described::of(series, texts).with_samples(run.max_blobs(name, series, count))
    })
}

#[derive(Serialize)]
struct Image {
    wall_time: Number,
    step: i64,
    query: String,
}

pub(super) fn images(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = request.run_and_tag()?;
    let sample = request.sample()?;
    let found = keys(&app.state.runs(), PLUGIN, shown(app), run, tag, sample);
    let found = found.ok_or_else(|| no_data("image", run, tag))?;
    let image = |point: Point<String>| Image {
        wall_time: Number(point.wall_time),
        step: point.step,
        query: format!("blob_key={}", point.value),
    };
    Answer::json(&found.into_iter().map(image).collect::<Vec<_>>())
}

/// The keys of blob `sample` of the points that have that many; `None` if there is no such series.
pub(super) fn keys(
    runs: &Runs,
    plugin: &str,
    count: Option<usize>,
    run: &str,
    tag: &str,
    sample: usize,
) -> Option<Vec<Point<String>>> {
    let (found, series) = (runs.get(run)?, runs.series(run, plugin, tag)?);
    let counted = found.blob_counts(run, series, series.places(count)).into_iter();
    let key = |(point, _): (Point<Place>, usize)| Point {
        step: point.step,
        wall_time: point.wall_time,
        value: Blob::new(run, series, point.value, sample).key(),
    };
    Some(counted.filter(|(_, blobs)| sample < *blobs).map(key).collect())
}

pub(super) fn individual(app: &App, request: &Request) -> Result<Answer, Refusal> {
    image(app, request.need("blob_key")?)
}

/// The image of a key.
pub(super) fn image(app: &App, key: &str) -> Result<Answer, Refusal> {
    let bytes = blob(app, key)?;
    let kind = match bytes.get(..12).unwrap_or(&bytes) {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'B', b'M', ..] => "image/bmp",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => "image/webp",
        _ => "application/octet-stream",
    };
    Ok(Answer::bytes(kind, bytes))
}

/// Reads the blob of a key.
pub(super) fn blob(app: &App, key: &str) -> Result<bytes::Bytes, Refusal> {
    let wrong = || Refusal::Invalid(format!("{key:?} is not the key of a blob"));
    let gone = || Refusal::NotFound("the blob is gone: ask for the list again".to_owned());
    let blob = Blob::parse(key).ok_or_else(wrong)?;
    let runs = app.state.runs();
    let run = runs.get(&blob.run).ok_or_else(gone)?;
    let series = run.get(&blob.plugin, &blob.tag).ok_or_else(gone)?;
    let place = blob.place(series).ok_or_else(gone)?;
    let value = run.value(&blob.run, series, place)?;
    blobs(series, &value)?.into_iter().nth(blob.index).ok_or_else(gone)
}
