//! Reports which runs lack the metadata needed to reproduce them.

use std::collections::BTreeMap;

use super::names::{NamedFinding, of_experiment, of_metric, of_param};
use crate::table::fold::{Directory, Parts, without_logs};
use crate::table::{Folding, RunRow};
use tbx::error::{Report, Result};
use tbx::logdir::{LoadOptions, Logdir, Payloads, Run};
use tbx::meta::RunMeta;
use tbx::meta::checklist::{ARCHITECTURE, Item};
use tbx::summary::{DataClass, Kind};

/// The check results for the runs of a log directory.
///
/// ```
/// use tbx_runs::table::{Checklist, Folding};
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/torch")?;
/// let checked = Checklist::load(&logdir, &LoadOptions::new(), Folding::Known)?;
/// assert!(checked.runs.iter().all(|run| !run.is_complete()));
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Checklist {
    /// The runs, by name. A run has a metadata item if one of its parts has it.
    pub runs: Vec<CheckedRun>,
    /// Data that was damaged or dropped during loading.
    pub report: Report,
}

/// The check results for one run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckedRun {
    /// The run's name.
    pub name: String,
    /// The items of the checklist that the run lacks.
    pub missing: Vec<&'static Item>,
    /// Names that cause trouble elsewhere.
    pub names: Vec<NamedFinding>,
}

impl CheckedRun {
    /// Whether the run has every required item.
    pub fn is_complete(&self) -> bool {
        self.missing.iter().all(|item| !item.is_required)
    }
}

impl Checklist {
    /// Checks the runs of `logdir`.
    ///
    /// # Errors
    ///
    /// The same as for [`Logdir::load`].
    pub fn load(logdir: &Logdir, options: &LoadOptions, folding: Folding) -> Result<Self> {
        let kinds = RunRow::KINDS.iter().copied().chain([Kind::Graph]);
        let options = options.clone().kinds(kinds);
        let options = options.with_run_meta().payloads(Payloads::Placed);
        let of_run = |run: Run| {
            let (meta, issues) = run.meta();
            let has_graph = run.series.iter().any(|series| series.kind() == Kind::Graph);
            let missing = meta.missing().filter(|item| !(has_graph && item.name == ARCHITECTURE));
            let said = Said::of(&run, &meta, missing.collect());
            (said, Directory::of(&run, &meta, &issues), issues)
        };
        let (found, mut report) = logdir.map_runs(&options, of_run)?;
        let (mut all, mut directories) = (Vec::new(), Vec::new());
        for (said, directory, issues) in
            found.into_iter().chain(without_logs(logdir, &options).into_iter().map(of_run))
        {
            all.push(said);
            directories.push(directory);
            report.issues.extend(issues);
        }
        let parts = Parts::of(logdir, &directories, folding);
        let is_run = parts.runs(&directories);
        let mut runs: BTreeMap<String, Said> = BTreeMap::new();
        for (mut said, directory) in all.into_iter().zip(directories) {
            let name = parts.run_of(&directory.name);
            if !is_run.contains(&name) {
                continue;
            }
            for tag in &mut said.tags {
                *tag = parts.place(&directory.name, tag).1;
            }
            match runs.get_mut(&name) {
                Some(run) => run.add(said),
                None => drop(runs.insert(name, said)),
            }
        }
        let runs = runs.into_iter().map(|(name, said)| said.checked(name)).collect();
        Ok(Self { runs, report })
    }
}

/// Metadata and names of a directory.
struct Said {
    missing: Vec<&'static Item>,
    tags: Vec<String>,
    params: Vec<String>,
    experiment: Option<String>,
}

impl Said {
    fn of(run: &Run, meta: &RunMeta, missing: Vec<&'static Item>) -> Self {
        let scalars = run.series.iter().filter(|series| {
            series.kind() == Kind::Scalar || series.metadata().data_class == DataClass::Scalar
        });
        let tags = scalars.map(|series| series.tag().to_owned()).collect();
        let params = meta.params.keys().cloned().collect();
        Self { missing, tags, params, experiment: meta.experiment.clone() }
    }

    /// Adds the metadata and names of a part.
    fn add(&mut self, part: Self) {
        self.missing.retain(|item| part.missing.iter().any(|other| other.name == item.name));
        self.tags.extend(part.tags);
        self.params.extend(part.params);
        self.experiment = self.experiment.take().or(part.experiment);
    }

    fn checked(self, name: String) -> CheckedRun {
        let Self { missing, tags, params, experiment } = self;
        let mut names: Vec<_> = tags.iter().flat_map(|tag| of_metric(tag)).collect();
        names.extend(params.iter().flat_map(|param| of_param(param)));
        names.extend(experiment.iter().flat_map(|name| of_experiment(name)));
        // By rule, as the legend lists them.
        names.sort_by_key(|finding| finding.lint);
        CheckedRun { name, missing, names }
    }
}
