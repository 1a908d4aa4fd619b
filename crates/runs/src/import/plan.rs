//! Selects the runs to import and their order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Import, not_imported};
use crate::trackers::source::{
    LeftOut, Source, SourceExperiment, SourceGroup, SourceRun, SourceRuns,
};
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
    pub(super) levels: Vec<Vec<(Arc<SourceExperiment>, SourceRun)>>,
    /// Number of runs that are left out because they are deleted.
    pub(super) deleted: usize,
    /// Number of experiments that are left out because they are deleted.
    pub(super) deleted_experiments: usize,
    pub(super) left_out: Vec<LeftOut>,
}

/// An experiment to import.
pub(super) struct Planned {
    pub(super) experiment: Arc<SourceExperiment>,
    /// Groups of files that belong to no run.
    pub(super) groups: Vec<SourceGroup>,
    /// Whether none of its runs is imported.
    pub(super) is_empty: bool,
}

impl Plan {
    pub(super) fn of(import: &Import, source: &dyn Source, report: &mut Report) -> Result<Self> {
        let experiments = source.experiments(report)?;
        for wanted in &import.experiments {
            if !experiments.iter().any(|experiment| is_called(experiment, wanted)) {
                let names = experiments.iter().map(|experiment| experiment.name.as_str());
                return Err(Error::argument(none("experiment", wanted, names)));
            }
        }
        let mut plan = Self::default();
        if import.is_whole() {
            match source.left_out(&experiments, report) {
                Ok(left_out) => plan.left_out = left_out,
                Err(error) => report.issues.push(not_imported("other data", error)),
            }
        }
        let mut runs = Vec::new();
        let mut found = HashSet::new();
        for experiment in experiments {
            let is_wanted = |wanted: &String| is_called(&experiment, wanted);
            if !import.experiments.is_empty() && !import.experiments.iter().any(is_wanted) {
                continue;
            }
            let content = match source.runs(&experiment, report) {
                Ok(content) => content,
                Err(error) => {
                    let what = format!("experiment {:?}", experiment.name);
                    report.issues.push(not_imported(&what, error));
                    continue;
                }
            };
            plan.add(import, source, Arc::new(experiment), content, &mut runs, &mut found);
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
        source: &dyn Source,
        experiment: Arc<SourceExperiment>,
        content: SourceRuns,
        runs: &mut Vec<(Arc<SourceExperiment>, SourceRun)>,
        found: &mut HashSet<String>,
    ) {
        let is_deleted = |it: bool| !import.deleted && (experiment.is_deleted || it);
        let is_whole = import.runs.is_empty();
        let of_no_run = content.of_no_run.into_iter().filter(|_| is_whole);
        for left_out in content.left_out.into_iter().chain(of_no_run) {
            left_out.join(&mut self.left_out);
        }
        let before = runs.len();
        for mut run in content.runs {
            // Some ids are `PROJECT/ID`.
            let short = run.id.rsplit('/').next().unwrap_or_default();
            let is_wanted =
                |wanted: &&String| [run.id.as_str(), &run.name, short].contains(&wanted.as_str());
            let wanted: Vec<_> = import.runs.iter().filter(is_wanted).cloned().collect();
            if !is_whole && wanted.is_empty() {
                source.forget(&run);
                continue;
            }
            found.extend(wanted);
            if is_deleted(run.is_deleted) {
                self.deleted += 1;
                source.forget(&run);
                continue;
            }
            run.groups = self.without_deleted(import, source, run.groups);
            runs.push((experiment.clone(), run));
        }
        let is_empty = runs.len() == before;
        if is_deleted(false) {
            self.deleted_experiments += usize::from(is_whole);
            return;
        }
        let groups = if is_whole { content.groups } else { Vec::new() };
        let groups = self.without_deleted(import, source, groups);
        let is_nothing = experiment.is_implicit && groups.is_empty();
        if is_empty && (!is_whole || is_nothing) {
            return;
        }
        self.experiments.push(Planned { experiment, groups, is_empty });
    }

    fn without_deleted(
        &mut self,
        import: &Import,
        source: &dyn Source,
        groups: Vec<SourceGroup>,
    ) -> Vec<SourceGroup> {
        let (deleted, kept): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.is_deleted && !import.deleted);
        let deleted = u64::try_from(deleted.len()).unwrap_or(u64::MAX);
        let kind = format!("deleted {}s", source.group_words().one);
        LeftOut::count(&mut self.left_out, &kind, deleted, false);
        kept
    }
}

/// The id of the run's parent.
pub(super) fn parent(run: &SourceRun) -> Option<&String> {
    run.parent.as_ref().filter(|parent| **parent != run.id)
}

fn is_called(experiment: &SourceExperiment, wanted: &str) -> bool {
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

/// Sorts runs by start time, with parents before their children. If several runs have the same
/// id, the first one is kept.
fn in_order(
    mut runs: Vec<(Arc<SourceExperiment>, SourceRun)>,
    report: &mut Report,
) -> Vec<Vec<(Arc<SourceExperiment>, SourceRun)>> {
    // A run without a start time comes first.
    let start = |run: &SourceRun| run.start_time.unwrap_or(f64::NEG_INFINITY);
    runs.sort_by(|(_, a), (_, b)| start(a).total_cmp(&start(b)).then_with(|| a.id.cmp(&b.id)));
    let mut ids = HashSet::new();
    runs.retain(|(experiment, run)| {
        let is_first = ids.insert(run.id.clone());
        if !is_first {
            let what = format!("experiment {:?} has run {} twice", experiment.name, run.id);
            report.issues.push(Issue::new(
                ErrorKind::Value(what),
                Location::default(),
                Effect::SkippedFile,
            ));
        }
        is_first
    });
    // Number of ancestors of each run; the limit ends cycles.
    let parents: HashMap<_, _> =
        runs.iter().filter_map(|(_, run)| Some((run.id.clone(), parent(run)?.clone()))).collect();
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
        let depth = depth(&run.1.id);
        if levels.len() <= depth {
            levels.resize_with(depth + 1, Vec::new);
        }
        if let Some(level) = levels.get_mut(depth) {
            level.push(run);
        }
    }
    levels
}
