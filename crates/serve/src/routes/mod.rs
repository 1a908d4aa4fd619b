//! The requests of the page: one file per dashboard, and the tables of routes and dashboards.
//!
//! The answers are those of TensorBoard 2.21 (`tensorboard/plugins/*/`, `*_plugin.py`), with two differences: samples
//! of scalars keep extremes, and a value that cannot be read is left out.

mod audio;
mod core;
mod custom_scalars;
mod distributions;
mod graphs;
mod histograms;
mod hparams;
mod images;
mod json;
mod markdown;
mod mesh;
mod pr_curves;
mod projector;
mod scalars;
mod tags;
mod text;
mod timeseries;

use crate::app::App;
use crate::http::{Answer, Refusal, Request};

type Route = fn(&App, &Request) -> Result<Answer, Refusal>;

/// Every path and what answers it.
const ROUTES: &[(&str, Route)] = &[
    ("/data/environment", core::environment),
    ("/data/experiment_runs", core::nothing),
    ("/data/experiments", core::nothing),
    ("/data/logdir", core::logdir),
    ("/data/plugin_entry.html", projector::entry),
    ("/data/plugins_listing", core::plugins_listing),
    ("/data/runs", core::runs),
    ("/data/window_properties", core::window_properties),
    ("/data/plugin/audio/audio", audio::audio),
    ("/data/plugin/audio/individualAudio", audio::individual),
    ("/data/plugin/audio/tags", audio::tags),
    ("/data/plugin/custom_scalars/download_data", scalars::scalars),
    ("/data/plugin/custom_scalars/layout", custom_scalars::layout),
    ("/data/plugin/custom_scalars/scalars", custom_scalars::scalars),
    ("/data/plugin/distributions/distributions", distributions::distributions),
    ("/data/plugin/distributions/tags", histograms::tags),
    ("/data/plugin/graphs/graph", graphs::graph),
    ("/data/plugin/graphs/info", graphs::info),
    ("/data/plugin/graphs/run_metadata", graphs::run_metadata),
    ("/data/plugin/histograms/histograms", histograms::histograms),
    ("/data/plugin/histograms/tags", histograms::tags),
    ("/data/plugin/hparams/download_data", hparams::download_data),
    ("/data/plugin/hparams/experiment", hparams::experiment),
    ("/data/plugin/hparams/metric_evals", hparams::metric_evals),
    ("/data/plugin/hparams/session_groups", hparams::session_groups),
    ("/data/plugin/images/images", images::images),
    ("/data/plugin/images/individualImage", images::individual),
    ("/data/plugin/images/tags", images::tags),
    ("/data/plugin/mesh/data", mesh::data),
    ("/data/plugin/mesh/meshes", mesh::meshes),
    ("/data/plugin/mesh/tags", mesh::tags),
    ("/data/plugin/pr_curves/pr_curves", pr_curves::pr_curves),
    ("/data/plugin/pr_curves/tags", pr_curves::tags),
    ("/data/plugin/projector/bookmarks", projector::bookmarks),
    ("/data/plugin/projector/index.js", projector::file),
    ("/data/plugin/projector/info", projector::info),
    ("/data/plugin/projector/metadata", projector::metadata),
    ("/data/plugin/projector/projector_binary.html", projector::file),
    ("/data/plugin/projector/projector_binary.js", projector::file),
    ("/data/plugin/projector/runs", projector::runs),
    ("/data/plugin/projector/sprite_image", projector::sprite_image),
    ("/data/plugin/projector/tensor", projector::tensor),
    ("/data/plugin/scalars/scalars", scalars::scalars),
    ("/data/plugin/scalars/scalars_multirun", scalars::multirun),
    ("/data/plugin/scalars/tags", scalars::tags),
    ("/data/plugin/text/tags", text::tags),
    ("/data/plugin/text/text", text::text),
    ("/data/plugin/timeseries/imageData", timeseries::image_data),
    ("/data/plugin/timeseries/tags", timeseries::tags),
    ("/data/plugin/timeseries/timeSeries", timeseries::time_series),
];

/// A dashboard, as the page lists it.
struct Dashboard {
    name: &'static str,
    tab: &'static str,
    /// The element of the page that draws it; none for the dashboard that the page is built around.
    element: Option<&'static str>,
    /// The plugins whose series it shows.
    plugins: &'static [&'static str],
    /// Whether the page does not ask it for new data by itself.
    is_static: bool,
}

impl Dashboard {
    const fn new(
        name: &'static str,
        tab: &'static str,
        element: &'static str,
        plugins: &'static [&'static str],
    ) -> Self {
        Self { name, tab, element: Some(element), plugins, is_static: false }
    }
}

/// Every dashboard, in TensorBoard's order.
const DASHBOARDS: &[Dashboard] = &[
    Dashboard {
        name: "timeseries",
        tab: "Time Series",
        element: None,
        plugins: &["scalars", "histograms", "images"],
        is_static: false,
    },
    Dashboard::new("scalars", "scalars", "tf-scalar-dashboard", &["scalars"]),
    Dashboard::new(
        "custom_scalars",
        "Custom Scalars",
        "tf-custom-scalar-dashboard",
        &["custom_scalars"],
    ),
    Dashboard::new("images", "images", "tf-image-dashboard", &["images"]),
    Dashboard::new("audio", "audio", "tf-audio-dashboard", &["audio"]),
    Dashboard {
        name: "graphs",
        tab: "graphs",
        element: Some("tf-graph-dashboard"),
        plugins: graphs::PLUGINS,
        is_static: true,
    },
    Dashboard::new("distributions", "distributions", "tf-distribution-dashboard", &["histograms"]),
    Dashboard::new("histograms", "histograms", "tf-histogram-dashboard", &["histograms"]),
    Dashboard::new("text", "text", "tf-text-dashboard", &["text"]),
    Dashboard::new("pr_curves", "PR Curves", "tf-pr-curve-dashboard", &["pr_curves"]),
    Dashboard::new("hparams", "hparams", "tf-hparams-dashboard", &["hparams"]),
    Dashboard::new("mesh", "mesh", "mesh-dashboard", &["mesh"]),
];

/// Answers a request for data or for a file of the page.
pub(crate) fn answer(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let path = request.path.trim_end_matches('/');
    match ROUTES.iter().find(|(own, _)| *own == path) {
        Some((_, route)) => route(app, request),
        None if path.starts_with("/data/") => Err(Refusal::NotFound("Not found".to_owned())),
        None => app.page.answer(&request.path),
    }
}

/// All sessions of the dashboard HParams.
pub(crate) fn sessions(app: &App) -> Result<Answer, Refusal> {
    hparams::sessions(app)
}

/// The refusal for a run and tag without data.
fn no_data(what: &str, run: &str, tag: &str) -> Refusal {
    Refusal::NotFound(format!("there is no {what} in run {run:?}, tag {tag:?}"))
}
