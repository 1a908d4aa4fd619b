//! Selects the runs to import and their order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::mlflow::{Content, LeftOut, Store, StoredRun, UNUSED_DATASETS, count};
use super::{Import, not_imported};
use crate::trackers::mlflow::{ExperimentRecord, LoggedModelRecord, tags};
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result};

/// Maximum number of names to suggest in an error about an unknown name.
const MAX_NAMES: usize = 10;

/// Maximum number of ancestors to look for above a run.
const MAX_ABOVE: usize = 64;

/// The experiments and runs to import.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) experiments: Vec<Planned>,
    /// Runs in the order of the import: first those without a parent, then their children, and so
    /// on.
    pub(super) levels: Vec<Vec<(Arc<ExperimentRecord>, StoredRun)>>,
    /// Number of runs that are left out because they are deleted.
    pub(super) deleted: usize,
    /// Number of experiments that are left out because they are deleted.
    pub(super) deleted_experiments: usize,
    pub(super) left_out: Vec<LeftOut>,
}

/// An experiment to import.
pub(super) struct Planned {
    pub(super) experiment: Arc<ExperimentRecord>,
    /// Logged models that belong to no run.
    pub(super) models: Vec<LoggedModelRecord>,
    /// Whether none of its runs is imported.
    pub(super) is_empty: bool,
}

impl Plan {
    pub(super) fn of(import: &Import, store: &dyn Store, report: &mut Report) -> Result<Self> {
        let experiments = store.experiments(report)?;
        for wanted in &import.experiments {
            if !experiments.iter().any(|experiment| is_called(&experiment.record, wanted)) {
                let names = experiments.iter().map(|experiment| experiment.record.name.as_str());
                return Err(Error::argument(none("experiment", wanted, names)));
            }
        }
        let mut plan = Self::default();
        if import.is_whole() {
            match store.left_out(&experiments, report) {
                Ok(left_out) => plan.left_out = left_out,
                Err(error) => report.issues.push(not_imported("other data", error)),
            }
        }
        let mut runs = Vec::new();
        let mut found = HashSet::new();
        for experiment in experiments {
            let is_wanted = |wanted: &String| is_called(&experiment.record, wanted);
            if !import.experiments.is_empty() && !import.experiments.iter().any(is_wanted) {
                continue;
            }
            let content = match store.content(&experiment, report) {
                Ok(content) => content,
                Err(error) => {
                    let what = format!("experiment {:?}", experiment.record.name);
                    report.issues.push(not_imported(&what, error));
                    continue;
                }
            };
            plan.add(import, Arc::new(experiment.record), content, &mut runs, &mut found);
        }
        if let Some(wanted) = import.runs.iter().find(|wanted| !found.contains(*wanted)) {
            return Err(Error::argument(none("run", wanted, [])));
        }
        plan.levels = in_order(runs, report);
        Ok(plan)
    }

    fn add(
        &mut self,
        import: &Import,
        experiment: Arc<ExperimentRecord>,
        content: Content,
        runs: &mut Vec<(Arc<ExperimentRecord>, StoredRun)>,
        found: &mut HashSet<String>,
    ) {
        let is_deleted = |it: bool| !import.deleted && (experiment.is_deleted || it);
        for left_out in content.left_out {
            count(&mut self.left_out, &left_out.kind, left_out.count, left_out.is_least);
        }
        if import.runs.is_empty() {
            count(&mut self.left_out, UNUSED_DATASETS, content.unused_datasets, false);
        }
        let before = runs.len();
        for mut run in content.runs {
            let is_wanted = |wanted: &&String| **wanted == run.record.id || **wanted == name(&run);
            let wanted: Vec<_> = import.runs.iter().filter(is_wanted).cloned().collect();
            if !import.runs.is_empty() && wanted.is_empty() {
                continue;
            }
            found.extend(wanted);
            if is_deleted(run.record.is_deleted) {
                self.deleted += 1;
                continue;
            }
            run.models = self.without_deleted(import, run.models);
            runs.push((experiment.clone(), run));
        }
        let is_empty = runs.len() == before;
        let is_whole = import.runs.is_empty();
        if is_deleted(false) {
            self.deleted_experiments += usize::from(is_whole);
            return;
        }
        let models = if is_whole { content.models } else { Vec::new() };
        let models = self.without_deleted(import, models);
        // MLflow creates this experiment by default in each store.
        let is_default = experiment.id == "0"
            && experiment.name == "Default"
            && experiment.tags.is_empty()
            && models.is_empty();
        if is_empty && (!is_whole || is_default) {
            return;
        }
        self.experiments.push(Planned { experiment, models, is_empty });
    }

    fn without_deleted(
        &mut self,
        import: &Import,
        models: Vec<LoggedModelRecord>,
    ) -> Vec<LoggedModelRecord> {
        let (deleted, kept): (Vec<_>, Vec<_>) =
            models.into_iter().partition(|model| model.is_deleted && !import.deleted);
        let deleted = u64::try_from(deleted.len()).unwrap_or(u64::MAX);
        count(&mut self.left_out, "deleted logged models", deleted, false);
        kept
    }
}

/// The display name of a run: its name, otherwise its id.
pub(super) fn name(run: &StoredRun) -> String {
    let names = [run.record.name.as_ref(), run.record.tags.get(tags::RUN_NAME)];
    let name = names.into_iter().flatten().find(|name| !name.is_empty());
    name.unwrap_or(&run.record.id).clone()
}

/// The id of the run's parent.
pub(super) fn parent(run: &StoredRun) -> Option<&String> {
    run.record.tags.get(tags::PARENT).filter(|parent| **parent != run.record.id)
}

fn is_called(experiment: &ExperimentRecord, wanted: &str) -> bool {
    experiment.name == wanted || experiment.id == wanted
}

fn none<'n>(what: &str, wanted: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    let mut known: Vec<_> = names.iter().take(MAX_NAMES).map(|name| format!("{name:?}")).collect();
    known.extend((names.len() > MAX_NAMES).then(|| "...".to_owned()));
    match known.len() {
        0 => format!("there is no {what} {wanted:?}; use the name or the id of {what}s"),
        _ => format!("there is no {what} {wanted:?}; the {what}s are {}", known.join(", ")),
    }
}

/// Sorts runs by start time, but with parents before their children. If several runs have the same
/// id, the first one is kept.
fn in_order(
    mut runs: Vec<(Arc<ExperimentRecord>, StoredRun)>,
    report: &mut Report,
) -> Vec<Vec<(Arc<ExperimentRecord>, StoredRun)>> {
    runs.sort_by_cached_key(|(_, run)| (run.record.start_time, run.record.id.clone()));
    let mut ids = HashSet::new();
    runs.retain(|(experiment, run)| {
        let is_first = ids.insert(run.record.id.clone());
        if !is_first {
            let what = format!("experiment {:?} has run {} twice", experiment.name, run.record.id);
            report.issues.push(Issue::new(
                ErrorKind::Value(what),
                Location::default(),
                Effect::SkippedFile,
            ));
        }
        is_first
    });
    // Number of ancestors of each run; the limit ends cycles.
    let parents: HashMap<_, _> = runs
        .iter()
        .filter_map(|(_, run)| Some((run.record.id.clone(), parent(run)?.clone())))
        .collect();
    let depth = |id: &String| {
        let mut at = id;
        let above = std::iter::from_fn(|| {
            at = parents.get(at).filter(|parent| ids.contains(*parent))?;
            Some(())
        });
        above.take(MAX_ABOVE).count()
    };
    let mut levels: Vec<Vec<_>> = Vec::new();
    for run in runs {
        let depth = depth(&run.1.record.id);
        if levels.len() <= depth {
            levels.resize_with(depth + 1, Vec::new);
        }
        if let Some(level) = levels.get_mut(depth) {
            level.push(run);
        }
    }
    levels
}
