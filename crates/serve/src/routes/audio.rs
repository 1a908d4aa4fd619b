//! The dashboard Audio.

use serde::Serialize;

use super::json::Number;
use super::tags::{Described, per_tag};
use super::{images, no_data};
use crate::app::App;
use crate::http::{Answer, Refusal, Request};
use crate::state::{Point, Series};

const PLUGIN: &str = "audio";
/// Number of points that are shown of a series.
const POINTS: usize = 10;
/// The content type of clips whose metadata says WAV, and of all others.
const WAV: &str = "audio/wav";
const OTHER: &str = "application/octet-stream";
/// `AudioPluginData` with the encoding WAV: field 2 is 11.
const WAV_FIELD: [u8; 2] = [0x10, 11];

fn shown(app: &App) -> Option<usize> {
    app.state.samples().shown(PLUGIN, POINTS)
}

pub(super) fn tags(app: &App, _: &Request) -> Result<Answer, Refusal> {
    let count = shown(app);
    per_tag(&app.state.runs(), PLUGIN, |name, run, series, texts| {
        Described::of(series, texts).with_samples(run.max_blobs(name, series, count))
    })
}

#[derive(Serialize)]
struct Clip {
    wall_time: Number,
    label: &'static str,
    step: i64,
    #[serde(rename = "contentType")]
    content_type: &'static str,
    query: String,
}

pub(super) fn audio(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = request.run_and_tag()?;
    let sample = request.sample()?;
    let runs = app.state.runs();
    let content_type = runs.series(run, PLUGIN, tag).map(content_type);
    let content_type = content_type.ok_or_else(|| no_data("audio", run, tag))?;
    let found = images::keys(&runs, PLUGIN, shown(app), run, tag, sample);
    let found = found.ok_or_else(|| no_data("audio", run, tag))?;
    let clip = |point: Point<String>| Clip {
        wall_time: Number(point.wall_time),
        label: "",
        step: point.step,
        content_type,
        query: format!(
            "blob_key={}&content_type={}",
            point.value,
            content_type.replace('/', "%2F")
        ),
    };
    Answer::json(&found.into_iter().map(clip).collect::<Vec<_>>())
}

fn content_type(series: &Series) -> &'static str {
    // Values of v1 have no metadata.
    let content = &series.metadata.content;
    match content.is_empty() || content.windows(2).any(|pair| pair == WAV_FIELD) {
        true => WAV,
        false => OTHER,
    }
}

pub(super) fn individual(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let content_type = request.need("content_type")?;
    if ![WAV, OTHER].contains(&content_type) {
        return Err(Refusal::Invalid(format!("{content_type:?} is not a type of audio")));
    }
    Ok(Answer::bytes(content_type, images::blob(app, request.need("blob_key")?)?))
}
