//! Reports which runs lack the metadata needed to reproduce them.

use std::collections::BTreeMap;

use crate::table::fold::{Directory, Parts, without_logs};
use crate::table::{Folding, RunRow};
use tbx::error::{Report, Result};
use tbx::logdir::{LoadOptions, Logdir, Payloads, Run};
use tbx::meta::checklist::Item;
use tbx::summary::{DataClass, Kind};

/// Characters that occur in names in logs but that MLflow rejects
/// (`mlflow/utils/validation.py`, `_VALID_PARAM_AND_METRIC_NAMES`).
const REFUSED: &str = "()[]@%+=,#\\\t";

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
    /// Names that cause trouble elsewhere, and why.
    pub names: Vec<(String, NameLint)>,
}

/// A problem with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NameLint {
    /// A metric without a prefix for its stage or group.
    NoPrefix,
    /// A character that MLflow rejects.
    Refused,
}

impl NameLint {
    /// Description of the problem.
    pub const fn about(self) -> &'static str {
        match self {
            Self::NoPrefix => "no stage before it, such as train/",
            Self::Refused => "a character that MLflow rejects: any of ( ) [ ] @ % + = , # \\",
        }
    }
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
        let options = options.clone().kinds(RunRow::KINDS.iter().copied());
        let options = options.with_run_meta().payloads(Payloads::Placed);
        let of_run = |run: Run| {
            let (meta, issues) = run.meta();
            let params = meta.params.keys().cloned().collect();
            let said = Said::of(&run, params, meta.missing().collect());
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
}

impl Said {
    fn of(run: &Run, params: Vec<String>, missing: Vec<&'static Item>) -> Self {
        let scalars = run.series.iter().filter(|series| {
            series.kind() == Kind::Scalar || series.metadata().data_class == DataClass::Scalar
        });
        let tags = scalars.map(|series| series.tag().to_owned()).collect();
        Self { missing, tags, params }
    }

    /// Adds the metadata and names of a part.
    fn add(&mut self, part: Self) {
        self.missing.retain(|item| part.missing.iter().any(|other| other.name == item.name));
        self.tags.extend(part.tags);
        self.params.extend(part.params);
    }

    fn checked(self, name: String) -> CheckedRun {
        let Self { missing, tags, params } = self;
        let mut names: Vec<_> =
            tags.iter().filter(|tag| !tag.contains('/')).map(|tag| no_prefix(tag)).collect();
        let all = tags.iter().chain(&params);
        names.extend(all.filter(|name| name.contains(is_refused)).map(|name| refused(name)));
        CheckedRun { name, missing, names }
    }
}

fn is_refused(c: char) -> bool {
    REFUSED.contains(c)
}

fn no_prefix(name: &str) -> (String, NameLint) {
    (name.to_owned(), NameLint::NoPrefix)
}

fn refused(name: &str) -> (String, NameLint) {
    (name.to_owned(), NameLint::Refused)
}
