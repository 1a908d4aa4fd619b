//! The requests of the page before it shows a dashboard.

use serde::Serialize;
use serde_json::json;

use super::json::Entries;
use super::{DASHBOARDS, Dashboard, projector};
use crate::app::App;
use crate::http::{Answer, Refusal, Request};
use crate::state::Runs;

pub(super) fn environment(app: &App, _: &Request) -> Result<Answer, Refusal> {
    Answer::json(&json!({
        "version": app.page.version(),
        "data_location": app.location,
        "window_title": app.title,
        "experiment_name": "",
        "experiment_description": "",
        "creation_time": 0.0,
    }))
}

pub(super) fn logdir(app: &App, _: &Request) -> Result<Answer, Refusal> {
    Answer::json(&json!({ "logdir": app.location }))
}

pub(super) fn window_properties(app: &App, _: &Request) -> Result<Answer, Refusal> {
    Answer::json(&json!({ "window_title": app.title }))
}

/// The lists of a database that TensorBoard no longer has.
pub(super) fn nothing(_: &App, _: &Request) -> Result<Answer, Refusal> {
    Answer::json(&[(); 0])
}

pub(super) fn runs(app: &App, _: &Request) -> Result<Answer, Refusal> {
    Answer::json(&app.state.runs().in_order())
}

#[derive(Clone, Serialize)]
struct Listed {
    disable_reload: bool,
    enabled: bool,
    remove_dom: bool,
    tab_name: &'static str,
    loading_mechanism: Loading,
}

#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type")]
enum Loading {
    #[serde(rename = "NG_COMPONENT")]
    Page,
    #[serde(rename = "CUSTOM_ELEMENT")]
    Element { element_name: &'static str },
    #[serde(rename = "IFRAME")]
    Frame { module_path: &'static str },
}

pub(super) fn plugins_listing(app: &App, _: &Request) -> Result<Answer, Refusal> {
    let runs = app.state.runs();
    let listed = |dashboard: &Dashboard| Listed {
        disable_reload: dashboard.is_static,
        enabled: has_data(&runs, dashboard),
        remove_dom: false,
        tab_name: dashboard.tab,
        loading_mechanism: match dashboard.element {
            Some(element_name) => Loading::Element { element_name },
            None => Loading::Page,
        },
    };
    let projector = Listed {
        disable_reload: true,
        enabled: projector::is_active(app),
        remove_dom: false,
        tab_name: projector::NAME,
        loading_mechanism: Loading::Frame { module_path: projector::MODULE },
    };
    Answer::json(&Entries(|| {
        let dashboards = DASHBOARDS.iter().map(|dashboard| (dashboard.name, listed(dashboard)));
        dashboards.chain([(projector::NAME, projector.clone())])
    }))
}

fn has_data(runs: &Runs, dashboard: &Dashboard) -> bool {
    dashboard.plugins.iter().any(|plugin| runs.of_plugin(plugin).next().is_some())
}
