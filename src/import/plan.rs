//! Which runs are imported, in which order.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::Import;
use super::mlflow::{Experiment, Store, StoredRun};
use crate::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result};
use crate::mlflow::tags;

/// So many names are told where another was asked for.
const MAX_NAMES: usize = 10;

/// So many runs are looked for above one.
const MAX_ABOVE: usize = 64;

/// Runs in the order in which they are imported: a parent before its children.
pub(super) struct Plan {
    pub(super) runs: Vec<(Rc<Experiment>, StoredRun)>,
    /// How many are left out because they are deleted.
    pub(super) deleted: usize,
}

impl Plan {
    pub(super) fn of(import: &Import, store: &mut dyn Store, report: &mut Report) -> Result<Self> {
        let experiments = store.experiments(report)?;
        for wanted in &import.experiments {
            if !experiments.iter().any(|experiment| is_called(experiment, wanted)) {
                let names = experiments.iter().map(|experiment| experiment.name.as_str());
                return Err(Error::argument(none("experiment", wanted, names)));
            }
        }
        let (mut runs, mut deleted) = (Vec::new(), 0);
        let mut found = HashSet::new();
        for experiment in experiments {
            let is_wanted = |wanted: &String| is_called(&experiment, wanted);
            if !import.experiments.is_empty() && !import.experiments.iter().any(is_wanted) {
                continue;
            }
            let of_experiment = store.runs(&experiment, report)?;
            let experiment = Rc::new(experiment);
            for run in of_experiment {
                let wanted: Vec<_> = import
                    .runs
                    .iter()
                    .filter(|wanted| **wanted == run.record.id || **wanted == name(&run))
                    .collect();
                if !import.runs.is_empty() && wanted.is_empty() {
                    continue;
                }
                found.extend(wanted);
                if !import.deleted && (experiment.is_deleted || run.record.is_deleted) {
                    deleted += 1;
                    continue;
                }
                runs.push((experiment.clone(), run));
            }
        }
        if let Some(wanted) = import.runs.iter().find(|wanted| !found.contains(wanted)) {
            return Err(Error::argument(none("run", wanted, [])));
        }
        Ok(Self { runs: in_order(runs, report), deleted })
    }
}

/// What a run is called: its name, else its id.
pub(super) fn name(run: &StoredRun) -> String {
    let names = [run.record.name.as_ref(), run.record.tags.get(tags::RUN_NAME)];
    let name = names.into_iter().flatten().find(|name| !name.is_empty());
    name.unwrap_or(&run.record.id).clone()
}

/// The id of the run's parent.
pub(super) fn parent(run: &StoredRun) -> Option<&String> {
    run.record.tags.get(tags::PARENT).filter(|parent| **parent != run.record.id)
}

fn is_called(experiment: &Experiment, wanted: &str) -> bool {
    experiment.name == wanted || experiment.id == wanted
}

fn none<'n>(what: &str, wanted: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    let mut known: Vec<_> = names.iter().take(MAX_NAMES).map(|name| format!("{name:?}")).collect();
    known.extend((names.len() > MAX_NAMES).then(|| "...".to_owned()));
    match known.len() {
        0 => format!("there is no {what} {wanted:?}; {what}s are named by their names or ids"),
        _ => format!("there is no {what} {wanted:?}, but {}", known.join(", ")),
    }
}

/// By the time when they began, but a parent before its children. Of runs with one id the first counts.
fn in_order(
    mut runs: Vec<(Rc<Experiment>, StoredRun)>,
    report: &mut Report,
) -> Vec<(Rc<Experiment>, StoredRun)> {
    runs.sort_by_cached_key(|(_, run)| (run.record.start_time, run.record.id.clone()));
    let mut ids = HashSet::new();
    runs.retain(|(experiment, run)| {
        let is_first = ids.insert(run.record.id.clone());
        if !is_first {
            let what = format!("experiment {:?} has run {} again", experiment.name, run.record.id);
            report.issues.push(Issue {
                location: Location::default(),
                kind: ErrorKind::Value(what),
                effect: Effect::SkippedFile,
            });
        }
        is_first
    });
    // How many runs are above each; a circle ends somewhere.
    let parents: HashMap<_, _> = runs
        .iter()
        .filter_map(|(_, run)| Some((run.record.id.clone(), parent(run)?.clone())))
        .collect();
    let depth = |id: &String| {
        let mut at = id;
        let above = std::iter::from_fn(|| {
            at = parents.get(at)?;
            Some(())
        });
        above.take(MAX_ABOVE).count()
    };
    runs.sort_by_cached_key(|(_, run)| depth(&run.record.id));
    runs
}
