//! The dashboard Time Series: scalars, histograms and images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use tbx::Histogram;

use super::json::{Entries, Items, Number};
use super::tags::{descriptions, names};
use super::{histograms, images, scalars};
use crate::app::App;
use crate::http::{Answer, Refusal, Request, parse_json};
use crate::state::{Point, Runs};

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
    let mut sampled = BTreeMap::<&str, Vec<(&str, Samples)>>::new();
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
#[derive(Serialize)]
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
    run_to_series: Option<Wanted<'a>>,
}

/// The wanted data of a tag. It is looked up while the answer is written, so that the maximum size of answers holds.
struct Wanted<'a> {
    app: &'a App,
    runs: &'a Runs,
    tag: &'a str,
    what: What<'a>,
}

enum What<'a> {
    /// The points of all runs, or of one.
    Scalars(Option<&'a str>),
    Histograms(&'a str),
    Images(&'a str, i64),
}

impl Serialize for Wanted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.what {
            What::Scalars(run) => self.scalars(run).serialize(serializer),
            What::Histograms(run) => self.histograms(run).serialize(serializer),
            What::Images(run, sample) => self.images(run, sample).serialize(serializer),
        }
    }
}

pub(super) fn time_series(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let asked: Vec<Asked> = parse_json(request.need("requests")?.as_bytes())?;
    if asked.len() > MAX_REQUESTS {
        return Err(Refusal::Invalid(format!("more than {MAX_REQUESTS} requests in one")));
    }
    let runs = app.state.runs();
    Answer::json(&Items(|| asked.iter().map(|asked| answer(app, &runs, asked))))
}

fn answer<'a>(app: &'a App, runs: &'a Runs, asked: &'a Asked) -> Answered<'a> {
    let run = asked.run.as_ref().and_then(Value::as_str);
    let sample = asked.sample.as_ref().and_then(Value::as_i64);
    let (plugin, tag) = (asked.plugin.as_ref(), asked.tag.as_ref());
    let wrong =
        |error| Answered { plugin, tag, run, sample, error: Some(error), run_to_series: None };
    let Some(name) = tag.and_then(Value::as_str) else { return wrong("Missing tag") };
    let what = match (plugin.and_then(Value::as_str), run, sample) {
        (Some(scalars::PLUGIN), _, _) => What::Scalars(run),
        (Some(histograms::PLUGIN), Some(run), _) => What::Histograms(run),
        (Some(images::PLUGIN), Some(run), Some(sample)) => What::Images(run, sample),
        (Some(histograms::PLUGIN | images::PLUGIN), None, _) => return wrong("Missing run"),
        (Some(images::PLUGIN), _, None) => return wrong("Missing sample"),
        _ => return wrong("Invalid plugin"),
    };
    let run_to_series = Some(Wanted { app, runs, tag: name, what });
    Answered { plugin, tag, run, sample, error: None, run_to_series }
}

impl<'a> Wanted<'a> {
    fn scalars(&self, run: Option<&'a str>) -> impl Serialize + use<'a> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Datum {
            wall_time: Number,
            step: i64,
            value: Number,
        }
        let Self { app, runs, tag, .. } = *self;
        let count = scalars::shown(app);
        let wanted = move |name: &str| run.is_none_or(|run| run.is_empty() || run == name);
        Entries(move || {
            runs.iter().filter(move |(name, _)| wanted(name)).filter_map(move |(name, found)| {
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
        })
    }

    fn histograms(&self, run: &'a str) -> impl Serialize + use<'a> {
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
        let Self { app, runs, tag, .. } = *self;
        let count = app.state.samples().shown(histograms::PLUGIN, histograms::POINTS);
        let datum = |point: Point<Histogram>| {
            let bins = point.value.buckets.iter().map(|bucket| Bin {
                min: Number(bucket.left),
                max: Number(bucket.right),
                count: Number(bucket.count),
            });
            let bins = bins.collect();
            Datum { wall_time: Number(point.wall_time), step: point.step, bins }
        };
        let series = histograms::find(runs, run, tag);
        Entries(move || {
            series.into_iter().map(move |(found, series)| {
                (run, Items(move || histograms::read(run, found, series, count).map(datum)))
            })
        })
    }

    fn images(&self, run: &'a str, sample: i64) -> impl Serialize + use<'a> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Datum {
            step: i64,
            wall_time: Number,
            image_id: String,
        }
        let Self { app, runs, tag, .. } = *self;
        let keys = usize::try_from(sample).ok().and_then(|sample| {
            images::keys(runs, images::PLUGIN, images::shown(app), run, tag, sample)
        });
        let points = keys.filter(|keys| !keys.is_empty()).map(|keys| {
            let datum = |point: Point<String>| Datum {
                step: point.step,
                wall_time: Number(point.wall_time),
                image_id: point.value,
            };
            (run, keys.into_iter().map(datum).collect::<Vec<_>>())
        });
        points.into_iter().collect::<BTreeMap<_, _>>()
    }
}

pub(super) fn image_data(app: &App, request: &Request) -> Result<Answer, Refusal> {
    images::image(app, request.need("imageId")?)
}
