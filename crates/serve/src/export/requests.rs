//! All requests of the page for the current data.

use hyper::Method;
use serde_json::{Value, json};
use tbx::error::Result;

use crate::app::App;
use crate::http::{Answer, Request};

/// A request, and the keys under which its answer is found.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) keys: Vec<String>,
}

/// Takes a request and returns its answer; none if it is left out.
type Take<'t> = &'t mut dyn FnMut(Asked) -> Result<Option<Answer>>;

/// Lists of the page, which have no fields.
const LISTS: [&str; 16] = [
    "environment",
    "experiments",
    "experiment_runs",
    "logdir",
    "runs",
    "window_properties",
    "plugin/audio/tags",
    "plugin/custom_scalars/layout",
    "plugin/distributions/tags",
    "plugin/graphs/info",
    "plugin/histograms/tags",
    "plugin/images/tags",
    "plugin/mesh/tags",
    "plugin/pr_curves/tags",
    "plugin/text/tags",
    "plugin/timeseries/tags",
];

/// Where the requests for embeddings are.
pub(super) const EMBEDDINGS: &str = "plugin/projector/";
/// The number of points that the projector asks for. `worker.js` leaves it out of the key.
const POINTS: &str = "100000";

/// The key of a path and its fields, sorted by name. `worker.js` makes the same.
fn key(path: &str, fields: &[(&str, &str)]) -> String {
    // A name may contain `&tag=`.
    let escaped = |value: &str| value.replace('%', "%25").replace('&', "%26");
    let mut fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    fields.sort();
    format!("{path}?{}", fields.join("&"))
}

fn asked(path: &str, fields: &[(&str, &str)]) -> Asked {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let request = Request::new(Method::GET, &format!("/data/{path}"));
    let request = request.with_fields(fields.iter().map(own).collect());
    Asked { request, keys: vec![key(path, fields)] }
}

/// Calls `take` with every request.
pub(super) fn all(app: &App, take: Take<'_>) -> Result<()> {
    for list in LISTS {
        take(asked(list, &[]))?;
    }
    take(asked("plugin/scalars/tags", &[]))?;
    take(asked("plugins_listing", &[]))?;
    scalars(app, take)?;
    for (run, tag) in series(app, "histograms") {
        let fields = [("run", run.as_str()), ("tag", tag.as_str())];
        take(asked("plugin/histograms/histograms", &fields))?;
        take(asked("plugin/distributions/distributions", &fields))?;
        time_series(take, "histograms", Some(&run), &tag, None)?;
    }
    images(app, take)?;
    audio(app, take)?;
    for (run, tag) in series(app, "text") {
        for markdown in ["true", "false"] {
            let fields = [("run", run.as_str()), ("tag", tag.as_str()), ("markdown", markdown)];
            take(asked("plugin/text/text", &fields))?;
        }
    }
    for (run, tag) in series(app, "pr_curves") {
        take(asked("plugin/pr_curves/pr_curves", &[("run", &run), ("tag", &tag)]))?;
    }
    meshes(take)?;
    graphs(take)?;
    take(asked("plugin/hparams/experiment", &[("request", "{}")]))?;
    projector(app, take)
}

/// Run and tag of each series of a plugin.
fn series(app: &App, plugin: &str) -> Vec<(String, String)> {
    let runs = app.state.runs();
    let all = runs.of_plugin(plugin);
    all.flat_map(|(run, all)| all.iter().map(move |one| (run.to_owned(), one.tag.to_string())))
        .collect()
}

/// The points of each tag, of all runs. `worker.js` makes the other forms of them.
fn scalars(app: &App, take: Take<'_>) -> Result<()> {
    let mut tags: Vec<String> = series(app, "scalars").into_iter().map(|(_, tag)| tag).collect();
    tags.sort();
    tags.dedup();
    tags.iter().try_for_each(|tag| time_series(take, "scalars", None, tag, None))
}

/// A request of the dashboard Time Series.
fn time_series(
    take: Take<'_>,
    plugin: &str,
    run: Option<&str>,
    tag: &str,
    sample: Option<usize>,
) -> Result<()> {
    let path = "plugin/timeseries/timeSeries";
    let text = sample.map(|sample| sample.to_string());
    let mut fields = vec![("plugin", plugin), ("tag", tag)];
    fields.extend(run.map(|run| ("run", run)));
    fields.extend(text.as_deref().map(|sample| ("sample", sample)));
    let mut request = json!({ "plugin": plugin, "tag": tag });
    if let (Some(request), Some(run)) = (request.as_object_mut(), run) {
        request.insert("run".to_owned(), run.into());
        request.extend(sample.map(|sample| ("sample".to_owned(), sample.into())));
    }
    let form = vec![("requests".to_owned(), json!([request]).to_string())];
    let request = Request::new(Method::POST, &format!("/data/{path}")).with_fields(form);
    take(Asked { request, keys: vec![key(path, &fields)] })?;
    Ok(())
}

/// The JSON of an answer.
fn read(answer: Option<Answer>) -> Value {
    let json = |answer: Answer| serde_json::from_slice(&answer.body.plain().ok()?).ok();
    answer.and_then(json).unwrap_or_default()
}

/// The entries of a list per run and tag: run, tag and what is said of them.
fn listed(take: Take<'_>, path: &str) -> Result<Vec<(String, String, Value)>> {
    let mut found = Vec::new();
    if let Value::Object(runs) = read(take(asked(path, &[]))?) {
        for (run, tags) in runs {
            if let Value::Object(tags) = tags {
                found.extend(tags.into_iter().map(|(tag, info)| (run.clone(), tag, info)));
            }
        }
    }
    Ok(found)
}

/// Number of images or clips per point, as a list states it.
fn samples(info: &Value) -> usize {
    info["samples"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

/// The fields of the query of a blob.
fn blob_key(item: &Value) -> Option<&str> {
    item["query"].as_str()?.split('&').find_map(|field| field.strip_prefix("blob_key="))
}

fn images(_: &App, take: Take<'_>) -> Result<()> {
    for (run, tag, info) in listed(take, "plugin/images/tags")? {
        for sample in 0..samples(&info) {
            let number = sample.to_string();
            let fields = [("run", run.as_str()), ("tag", tag.as_str()), ("sample", &number)];
            let list = read(take(asked("plugin/images/images", &fields))?);
            for key_of_image in list.as_array().into_iter().flatten().filter_map(blob_key) {
                let mut image =
                    asked("plugin/images/individualImage", &[("blob_key", key_of_image)]);
                image.keys.push(key("plugin/timeseries/imageData", &[("imageId", key_of_image)]));
                take(image)?;
            }
            time_series(take, "images", Some(&run), &tag, Some(sample))?;
        }
    }
    Ok(())
}

fn audio(_: &App, take: Take<'_>) -> Result<()> {
    for (run, tag, info) in listed(take, "plugin/audio/tags")? {
        for sample in 0..samples(&info) {
            let number = sample.to_string();
            let fields = [("run", run.as_str()), ("tag", tag.as_str()), ("sample", &number)];
            let list = read(take(asked("plugin/audio/audio", &fields))?);
            for item in list.as_array().into_iter().flatten() {
                let Some(key_of_clip) = blob_key(item) else { continue };
                let content_type = item["contentType"].as_str().unwrap_or_default();
                let fields = [("blob_key", key_of_clip), ("content_type", content_type)];
                take(asked("plugin/audio/individualAudio", &fields))?;
            }
        }
    }
    Ok(())
}

fn meshes(take: Take<'_>) -> Result<()> {
    for (run, tag, info) in listed(take, "plugin/mesh/tags")? {
        for sample in 0..samples(&info) {
            let number = sample.to_string();
            let fields = [("run", run.as_str()), ("tag", tag.as_str()), ("sample", &number)];
            let list = read(take(asked("plugin/mesh/meshes", &fields))?);
            for part in list.as_array().into_iter().flatten() {
                let name = match part["content_type"].as_i64() {
                    Some(1) => "VERTEX",
                    Some(2) => "FACE",
                    _ => "COLOR",
                };
                let step = part["step"].to_string();
                let more = [("content_type", name), ("step", step.as_str())];
                take(asked("plugin/mesh/data", &[&fields[..], &more].concat()))?;
            }
        }
    }
    Ok(())
}

fn graphs(take: Take<'_>) -> Result<()> {
    let Value::Object(runs) = read(take(asked("plugin/graphs/info", &[]))?) else { return Ok(()) };
    for (run, info) in &runs {
        take(asked("plugin/graphs/graph", &[("run", run), ("conceptual", "false")]))?;
        for tag in info["tags"].as_object().into_iter().flat_map(|tags| tags.keys()) {
            for conceptual in ["false", "true"] {
                let fields = [("run", run.as_str()), ("tag", tag), ("conceptual", conceptual)];
                take(asked("plugin/graphs/graph", &fields))?;
            }
            take(asked("plugin/graphs/run_metadata", &[("run", run), ("tag", tag)]))?;
        }
    }
    Ok(())
}

/// The document of the projector, its files, and all embeddings.
fn projector(app: &App, take: Take<'_>) -> Result<()> {
    if !app.page.has_projector() {
        return Ok(());
    }
    let runs = read(take(asked("plugin/projector/runs", &[]))?);
    let runs: Vec<&str> = runs.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if runs.is_empty() {
        return Ok(());
    }
    take(asked("plugin_entry.html", &[("name", "projector")]))?;
    for file in ["index.js", "projector_binary.html", "projector_binary.js"] {
        take(asked(&format!("{EMBEDDINGS}{file}"), &[]))?;
    }
    for run in runs {
        let info = read(take(asked("plugin/projector/info", &[("run", run)]))?);
        let embeddings = info.get("embeddings").and_then(Value::as_array);
        for embedding in embeddings.into_iter().flatten() {
            let Some(name) = embedding["tensorName"].as_str() else { continue };
            let fields = [("run", run), ("name", name)];
            let has = |field: &str| embedding[field].is_string();
            take(points("tensor", &fields))?;
            if has("metadataPath") {
                take(points("metadata", &fields))?;
            }
            if has("bookmarksPath") {
                take(asked("plugin/projector/bookmarks", &fields))?;
            }
            if embedding.pointer("/sprite/imagePath").is_some() {
                take(asked("plugin/projector/sprite_image", &fields))?;
            }
        }
    }
    Ok(())
}

/// A request for the points of an embedding, or their labels.
fn points(what: &str, fields: &[(&str, &str)]) -> Asked {
    let path = format!("{EMBEDDINGS}{what}");
    let limited = asked(&path, &[fields, &[("num_rows", POINTS)]].concat());
    Asked { keys: vec![key(&path, fields)], ..limited }
}
