//! Warnings about results of `tbx import` that a user may not expect.

use std::collections::{BTreeMap, BTreeSet};

use crate::render::{count, counted, name};
use crate::warn;
use tbx_runs::import::{Imported, ImportedRun};

/// Maximum number of listed artifact locations.
const MAX_PLACES: usize = 3;

/// Warns about everything that a user may not expect.
pub(super) fn all(imported: &Imported) {
    let sum = |of: fn(&ImportedRun) -> u64| imported.runs.iter().map(of).sum::<u64>();
    let of = |is: fn(&ImportedRun) -> bool| imported.runs.iter().filter(|run| is(run)).count();
    let some = |n: u64, what| (n > 0).then(|| counted(number(n), what));
    if let Some(points) = some(sum(|run| run.rounded), "point") {
        warn(format!("{points} rounded to float32; --float64 keeps them, see --help"));
    }
    if let Some(points) = some(sum(|run| run.same_step), "point") {
        warn(format!(
            "{points} with the same step as another of the metric: TensorBoard's default loader shows one \
                 per step"
        ));
    }
    let unfinished = of(|run| run.is_unfinished);
    if unfinished > 0 {
        let runs = counted(unfinished, "run");
        warn(format!("{runs} not finished; the next import brings what is new"));
    }
    let outside = of(|run| !run.is_in_table);
    if outside > 0 {
        let runs = counted(outside, "run");
        warn(format!(
            "{runs} with steps beyond 2^31, which make TensorBoard's HPARAMS page fail for all runs: left out \
                 of it"
        ));
    }
    names_notes(imported);
    places_notes(imported);
    let left_out =
        [(imported.deleted, "deleted run"), (imported.deleted_experiments, "deleted experiment")];
    let left_out = left_out.into_iter().filter(|(n, _)| *n > 0);
    let left_out: Vec<_> = left_out.map(|(n, what)| counted(n, what)).collect();
    if !left_out.is_empty() {
        warn(format!("{} left out; --deleted imports them", left_out.join(" and ")));
    }
    let kinds = imported.left_out.iter().map(|left_out| {
        let more = if left_out.is_least { " or more" } else { "" };
        format!("{}: {}{more}", left_out.kind, count(left_out.count))
    });
    let kinds: Vec<_> = kinds.collect();
    if !kinds.is_empty() {
        warn(format!("not imported, or not as they were: {}", kinds.join(", ")));
    }
}

/// Warns about artifacts that have other names here.
fn names_notes(imported: &Imported) {
    let sum = |of: fn(&ImportedRun) -> u64| imported.runs.iter().map(of).sum::<u64>();
    let event_files = sum(|run| run.renamed_event_files);
    if event_files > 0 && sum(|run| run.event_runs) == 0 {
        let files = counted(number(event_files), "event file");
        warn(format!(
            "{files} among artifacts renamed, so that no reader takes them for logs; --event-files runs \
             imports them as runs"
        ));
    }
    let others = sum(|run| run.renamed).saturating_sub(event_files);
    if others > 0 {
        let artifacts = counted(number(others), "artifact");
        warn(format!(
            "{artifacts} renamed, since not every system accepts their names; tbx.json has the original ones"
        ));
    }
}

/// Warns about files that are not in the store itself.
fn places_notes(imported: &Imported) {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for run in &imported.runs {
        let of_run: BTreeSet<_> = run.elsewhere.iter().map(|uri| place(uri)).collect();
        for place in of_run {
            *places.entry(place).or_default() += 1;
        }
    }
    for (place, runs) in places.iter().take(MAX_PLACES) {
        let runs = counted(*runs, "run");
        warn(if place.is_empty() {
            format!("{runs} without an artifact directory: artifacts, if any, were not found")
        } else {
            let place = name(place);
            format!("artifacts of {runs}, if there are any, are at {place}, which was not read")
        });
    }
    let others = places.len().saturating_sub(MAX_PLACES);
    if others > 0 {
        let runs = places.values().skip(MAX_PLACES).sum();
        let (runs, others) = (counted(runs, "run"), counted(others, "other place"));
        warn(format!(
            "artifacts of {runs}, if there are any, are at {others}, which were not read"
        ));
    }
    let mut of_models: Vec<_> = imported.elsewhere.iter().map(|uri| place(uri)).collect();
    of_models.sort();
    of_models.dedup();
    if let Some(first) = of_models.first() {
        let models = counted(imported.elsewhere.len(), "logged model");
        warn(format!("{models} with files at {}, which was not read", name(first)));
    }
    if imported.models_elsewhere > 0 {
        let versions = counted(imported.models_elsewhere, "model version");
        warn(format!("{versions} registered without files; tbx models shows where they are"));
    }
}

/// The store that a URI points to, the directory of all experiments of MLflow, or the directory of a file.
fn place(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) if scheme != "file" && scheme != "mlflow-artifacts" => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            format!("{scheme}://{}", host.rsplit('@').next().unwrap_or(host))
        }
        _ => {
            let path = uri.trim_end_matches('/');
            // `<experiment>/<run>/artifacts`
            let names = if path.ends_with("/artifacts") { 3 } else { 1 };
            let above = path.rsplitn(names + 1, '/').nth(names).unwrap_or_default();
            if above.is_empty() { uri.to_owned() } else { above.to_owned() }
        }
    }
}

fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_many_runs() {
        assert_eq!(place("s3://user@bucket/1/abc/artifacts"), "s3://bucket");
        assert_eq!(place("file:///data/mlruns/1/abc/artifacts"), "file:///data/mlruns");
        assert_eq!(place("/data/mlruns/1/abc/artifacts/"), "/data/mlruns");
        assert_eq!(place("/home/me/media/x.png"), "/home/me/media");
        assert_eq!(place("x.png"), "x.png");
        assert_eq!(place(""), "");
    }
}
