//! The dashboard HParams.

mod columns;
mod download;
mod request;
mod select;
mod sessions;

use serde::Serialize;

use self::columns::Columns;
use self::request::{Asked, AskedColumns, MetricEvals};
use self::sessions::{Group, run_of};
use super::json::Items;
use super::{no_data, scalars};
use crate::app::App;
use crate::http::{Answer, Refusal, Request, parse_json};
use crate::state::Runs;

const PLUGIN: &str = "hparams";

/// The request, in the body or in the field `request`.
fn asked<T: serde::de::DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    match request.method == hyper::Method::POST {
        true => request.json(),
        false => parse_json(request.need("request")?.as_bytes()),
    }
}

pub(super) fn experiment(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let asked: AskedColumns = asked(request)?;
    let columns = Columns::of(&app.state.runs(), asked.include_metrics.unwrap_or(true));
    Answer::json(&columns.limit(asked.hparams_limit))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    session_groups: &'a [Group],
    total_size: usize,
}

pub(super) fn session_groups(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let asked: Asked = asked(request)?;
    let runs = app.state.runs();
    let columns = Columns::of(&runs, asked.include_metrics.unwrap_or(true));
    let groups = groups(&runs, &columns, &asked)?;
    Answer::json(&Page { session_groups: page(&groups, &asked), total_size: groups.len() })
}

/// All sessions: a static site makes its tables of them.
pub(super) fn sessions(app: &App) -> Result<Answer, Refusal> {
    let runs = app.state.runs();
    let columns = Columns::of(&runs, true);
    Answer::json(&Items(|| sessions::rows(&runs, &columns.metric_infos, |_| true)))
}

/// The groups that pass the filters, sorted.
fn groups(runs: &Runs, columns: &Columns, asked: &Asked) -> Result<Vec<Group>, Refusal> {
    let groups = sessions::groups(runs, &columns.metric_infos, asked);
    select::select(groups, &asked.col_params)
}

/// The part of the groups that was asked for.
fn page<'a>(groups: &'a [Group], asked: &Asked) -> &'a [Group] {
    let start = asked.start_index.min(groups.len());
    let end = start.saturating_add(asked.slice_size).min(groups.len());
    groups.get(start..end).unwrap_or_default()
}

pub(super) fn metric_evals(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let asked: MetricEvals = asked(request)?;
    let (run, tag) =
        (run_of(&asked.session_name, &asked.metric_name.group), &asked.metric_name.tag);
    let runs = app.state.runs();
    let series = runs.series(&run, scalars::PLUGIN, tag);
    let series = series.ok_or_else(|| no_data("scalar", &run, tag))?;
    let count = scalars::shown(app);
    Answer::json(&Items(|| scalars::points(series, count)))
}

pub(super) fn download_data(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let asked: Asked = asked(request)?;
    let visible: Vec<bool> = parse_json(request.need("columnsVisibility")?.as_bytes())?;
    let runs = app.state.runs();
    let columns = Columns::of(&runs, asked.include_metrics.unwrap_or(true)).limit(0);
    let groups = groups(&runs, &columns, &asked)?;
    let table = download::Table::new(&columns, page(&groups, &asked), &visible);
    match request.get("format") {
        Some("json") => Answer::json(&table),
        Some("csv") => Ok(Answer::text("text/csv; charset=utf-8", table.to_csv())),
        Some("latex") => Ok(Answer::text("application/x-latex; charset=utf-8", table.to_latex())),
        other => Err(Refusal::Invalid(format!(
            "there is no format {:?}; there are json, csv and latex",
            other.unwrap_or("")
        ))),
    }
}
