//! Which runs say of themselves what it takes to make them again.

use std::collections::HashSet;

use crate::error::{Report, Result};
use crate::logdir::{LoadOptions, Logdir};
use crate::meta::checklist::Item;
use crate::summary::{DataClass, Kind};
use crate::table::RunRow;

/// Characters that MLflow refuses in names, of those that logs have
/// (`mlflow/utils/validation.py`, `_VALID_PARAM_AND_METRIC_NAMES`).
const REFUSED: &str = "()[]@%+=,#\\\t";

/// The runs of a log folder, checked.
///
/// ```
/// use tbx::table::Checklist;
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/torch")?;
/// let checked = Checklist::load(&logdir, &LoadOptions::new())?;
/// assert!(checked.runs.iter().all(|run| !run.is_complete()));
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug)]
pub struct Checklist {
    /// By name. Directories below a run that says what it is, and which do not themselves, are
    /// parts of it, and not here.
    pub runs: Vec<CheckedRun>,
    /// What was damaged or dropped on the way.
    pub report: Report,
}

/// A run, checked.
#[derive(Debug, Clone)]
pub struct CheckedRun {
    /// Its name.
    pub name: String,
    /// What of the checklist it does not say.
    pub missing: Vec<&'static Item>,
    /// Names that make trouble elsewhere, and why.
    pub names: Vec<(String, NameLint)>,
    has_meta: bool,
}

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameLint {
    /// A metric without the stage or group that it belongs to.
    NoPrefix,
    /// A character that MLflow refuses.
    Refused,
}

impl NameLint {
    /// What to do about it.
    pub const fn about(self) -> &'static str {
        match self {
            Self::NoPrefix => "no stage before it, such as train/",
            Self::Refused => "a character that MLflow refuses: any of ( ) [ ] @ % + = , # \\",
        }
    }
}

impl CheckedRun {
    /// Whether it says all that is required.
    pub fn is_complete(&self) -> bool {
        self.missing.iter().all(|item| !item.is_required)
    }
}

impl Checklist {
    /// Checks the runs of `logdir`.
    ///
    /// # Errors
    ///
    /// As [`Logdir::load`].
    pub fn load(logdir: &Logdir, options: &LoadOptions) -> Result<Self> {
        let options = options.clone().kinds(RunRow::KINDS.iter().copied());
        let options = options.with_run_meta().places();
        let (found, mut report) = logdir.map_runs(&options, |run| {
            let (meta, issues) = run.meta();
            let scalars = run.series.iter().filter(|series| {
                series.kind() == Kind::Scalar || series.metadata().data_class == DataClass::Scalar
            });
            let metrics = scalars.map(|series| series.tag());
            let params = meta.params.keys().map(String::as_str);
            let mut names: Vec<_> =
                metrics.clone().filter(|tag| !tag.contains('/')).map(no_prefix).collect();
            names.extend(
                metrics.chain(params).filter(|name| name.contains(is_refused)).map(refused),
            );
            let has_meta = meta.id.is_some();
            let missing = meta.missing().collect();
            (CheckedRun { name: run.name, missing, names, has_meta }, issues)
        })?;
        let mut runs = Vec::with_capacity(found.len());
        for (run, issues) in found {
            runs.push(run);
            report.issues.extend(issues);
        }
        let whole: HashSet<String> =
            runs.iter().filter(|run| run.has_meta).map(|run| run.name.clone()).collect();
        let is_part = |run: &CheckedRun| {
            let above = run.name.match_indices(['/', '\\']).map(|(at, _)| &run.name[..at]);
            let mut above = above.chain((run.name != ".").then_some("."));
            !run.has_meta && above.any(|above| whole.contains(above))
        };
        runs.retain(|run| !is_part(run));
        Ok(Self { runs, report })
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
