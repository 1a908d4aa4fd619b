//! The dashboard Time Series: scalars, histograms and images.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::{Entries, Items, Number};
use super::tags::{descriptions, names};
use super::{histograms, images, scalars};
use crate::app::App;
use crate::http::{Answer, Refusal, Request, parse_json};

/// Maximum number of series that one request asks for.
const MAX_REQUESTS: usize = 10_000;

pub(super) fn tags(app: &App, _: &Request) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Plain<T, D> {
        run_tag_info: T,
        tag_descriptions: D,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Sampled<T, D> {
        tag_descriptions: D,
        tag_run_sampled_info: T,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Samples {
        max_samples_per_step: usize,
    }
    #[derive(Serialize)]
    struct All<S, H, I> {
        scalars: S,
        histograms: H,
        images: I,
    }
    let runs = app.state.runs();
    let plain = |plugin| Plain {
        run_tag_info: names(&runs, plugin),
        tag_descriptions: descriptions(&runs, plugin),
    };
    let count = images::shown(app);
    let mut sampled = std::collections::BTreeMap::<&str, Vec<(&str, Samples)>>::new();
    for (name, all) in runs.of_plugin(images::PLUGIN) {
        let Some(run) = runs.get(name) else { continue };
        for series in all {
            let max_samples_per_step = run.max_blobs(name, series, count);
            let samples = Samples { max_samples_per_step };
            sampled.entry(&series.tag).or_default().push((name, samples));
        }
    }
    Answer::json(&All {
        scalars: plain(scalars::PLUGIN),
        histograms: plain(histograms::PLUGIN),
        images: Sampled {
            tag_descriptions: descriptions(&runs, images::PLUGIN),
            tag_run_sampled_info: Entries(|| {
                let tags = sampled.iter();
                tags.map(|(tag, runs)| (tag, Entries(move || runs.iter().map(|(a, b)| (a, b)))))
            }),
        },
    })
}

/// A request for the points of one tag.
#[derive(Deserialize)]
struct Asked {
    plugin: Option<Value>,
    tag: Option<Value>,
    run: Option<Value>,
    sample: Option<Value>,
}

/// The answer to one of them.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Answered<'a> {
    plugin: Option<&'a Value>,
    tag: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_to_series: Option<Box<RawValue>>,
}

pub(super) fn time_series(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let asked: Vec<Asked> = parse_json(request.need("requests")?.as_bytes())?;
    if asked.len() > MAX_REQUESTS {
        return Err(Refusal::Invalid(format!("more than {MAX_REQUESTS} requests in one")));
    }
    let answers = asked.iter().map(|asked| answer(app, asked));
    Answer::json(&answers.collect::<Result<Vec<_>, _>>()?)
}

fn answer<'a>(app: &App, asked: &'a Asked) -> Result<Answered<'a>, Refusal> {
    let run = asked.run.as_ref().and_then(Value::as_str);
    let sample = asked.sample.as_ref().and_then(Value::as_i64);
    let (plugin, tag) = (asked.plugin.as_ref(), asked.tag.as_ref());
    let base = Answered { plugin, tag, run, sample, ..Answered::default() };
    let Some(tag) = tag.and_then(Value::as_str) else {
        return Ok(Answered { error: Some("Missing tag"), ..base });
    };
    let series = match (plugin.and_then(Value::as_str), run, sample) {
        (Some(scalars::PLUGIN), _, _) => scalar_series(app, tag, run)?,
        (Some(histograms::PLUGIN), Some(run), _) => histogram_series(app, tag, run)?,
        (Some(images::PLUGIN), Some(run), Some(sample)) => image_series(app, tag, run, sample)?,
        (Some(histograms::PLUGIN | images::PLUGIN), None, _) => {
            return Ok(Answered { error: Some("Missing run"), ..base });
        }
        (Some(images::PLUGIN), _, None) => {
            return Ok(Answered { error: Some("Missing sample"), ..base });
        }
        _ => return Ok(Answered { error: Some("Invalid plugin"), ..base }),
    };
    Ok(Answered { run_to_series: Some(series), ..base })
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, Refusal> {
    serde_json::value::to_raw_value(value)
        .map_err(|error| Refusal::Unreadable(format!("no JSON: {error}")))
}

/// The points of all runs, or of one.
fn scalar_series(app: &App, tag: &str, run: Option<&str>) -> Result<Box<RawValue>, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Datum {
        wall_time: Number,
        step: i64,
        value: Number,
    }
    let runs = app.state.runs();
    let count = scalars::shown(app);
    let wanted = |name: &str| run.is_none_or(|run| run.is_empty() || run == name);
    raw(&Entries(|| {
        runs.iter().filter(|(name, _)| wanted(name)).filter_map(|(name, found)| {
            let series = found.get(scalars::PLUGIN, tag)?;
            let points = move || {
                scalars::points(series, count).map(|(wall_time, step, value)| Datum {
                    wall_time,
                    step,
                    value,
                })
            };
            Some((name, Items(points)))
        })
    }))
}

fn histogram_series(app: &App, tag: &str, run: &str) -> Result<Box<RawValue>, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Datum {
        wall_time: Number,
        step: i64,
        bins: Vec<Bin>,
    }
    #[derive(Serialize)]
    struct Bin {
        min: Number,
        max: Number,
        count: Number,
    }
    let count = app.state.samples().shown(histograms::PLUGIN, histograms::POINTS);
    let read = histograms::read(app, run, tag, count);
    let points = read.map(|points| {
        let datum = points.into_iter().map(|point| {
            let bins = point.value.buckets.iter().map(|bucket| Bin {
                min: Number(bucket.left),
                max: Number(bucket.right),
                count: Number(bucket.count),
            });
            let bins = bins.collect();
            Datum { wall_time: Number(point.wall_time), step: point.step, bins }
        });
        (run, datum.collect::<Vec<_>>())
    });
    raw(&Entries(|| points.iter().map(|(run, points)| (run, points))))
}

fn image_series(app: &App, tag: &str, run: &str, sample: i64) -> Result<Box<RawValue>, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Datum {
        step: i64,
        wall_time: Number,
        image_id: String,
    }
    let sample = usize::try_from(sample);
    let sample = sample.map_err(|_| Refusal::Invalid("a negative sample".to_owned()))?;
    let keys = images::keys(app, images::PLUGIN, images::shown(app), run, tag, sample);
    let points = keys.filter(|keys| !keys.is_empty()).map(|keys| {
        let datum = keys.into_iter().map(|point| Datum {
            step: point.step,
            wall_time: Number(point.wall_time),
            image_id: point.value,
        });
        (run, datum.collect::<Vec<_>>())
    });
    raw(&Entries(|| points.iter().map(|(run, points)| (run, points))))
}

pub(super) fn image_data(app: &App, request: &Request) -> Result<Answer, Refusal> {
    images::image(app, request.need("imageId")?)
}
