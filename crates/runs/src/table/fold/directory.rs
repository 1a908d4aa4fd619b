//! The facts about a directory that decide whether it is a run or part of one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::split;
use super::stage::stage;
use tbx::error::Issue;
use tbx::logdir::{LoadOptions, Logdir, Run};
use tbx::meta::{FILE, Param, RunMeta};
use tbx::summary::Kind;

/// A directory of a logdir.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    pub(crate) name: String,
    /// Whether it holds event files itself.
    pub(crate) has_logs: bool,
    /// Whether its logs were read. If not, only its name and `is_run` are known.
    pub(super) is_read: bool,
    /// Whether it declares itself a run, with a `tbx.json` or the copy of one in the log.
    pub(crate) is_run: bool,
    /// The tags of its scalars, including those that were not requested.
    pub(super) tags: BTreeSet<String>,
    pub(super) params: BTreeMap<String, Param>,
    /// Whether there is any series that is not configuration.
    pub(super) has_data: bool,
}

impl Directory {
    /// A directory that was read; `meta` and `issues` come from [`Run::meta`].
    pub(crate) fn of(run: &Run, meta: &RunMeta, issues: &[Issue]) -> Self {
        // A broken `tbx.json` counts as a declaration, too.
        let is_broken =
            |issue: &Issue| issue.location.path.as_ref().is_some_and(|path| path.ends_with(FILE));
        let loaded = run.series.iter().filter(|series| series.scalars().is_some());
        let loaded = loaded.map(|series| series.tag());
        let left_out = run.left_out.iter().filter(|(_, kind)| *kind == Some(Kind::Scalar));
        let is_data =
            |kind: Kind| !matches!(kind, Kind::Hparams | Kind::Meta | Kind::CustomScalars);
        let mut kinds = run.series.iter().map(|series| Some(series.kind()));
        let mut others = run.left_out.iter().map(|(_, kind)| *kind);
        Self {
            name: run.name.clone(),
            has_logs: !run.files.is_empty(),
            is_read: true,
            is_run: !meta.schema.is_empty() || issues.iter().any(is_broken),
            tags: loaded.chain(left_out.map(|(tag, _)| &**tag)).map(str::to_owned).collect(),
            params: meta.params.clone(),
            has_data: kinds.any(|kind| kind.is_none_or(is_data))
                || others.any(|kind| kind.is_none_or(is_data)),
        }
    }

    /// A run about which only the name is known.
    pub(crate) fn of_run(name: &str) -> Self {
        Self { name: name.to_owned(), is_read: true, is_run: true, ..Self::default() }
    }
}

/// Directories without event files that may have parts, as runs without logs.
pub(crate) fn without_logs(logdir: &Logdir, options: &LoadOptions) -> Vec<Run> {
    let with_logs: HashSet<&str> = logdir.runs().iter().map(|run| run.name.as_str()).collect();
    let parts = logdir.runs().iter().map(|run| split(&run.name));
    let above = parts.filter(|(_, last)| stage(last).is_some()).map(|(above, _)| above);
    let above: BTreeSet<&str> = above.filter(|above| !with_logs.contains(above)).collect();
    above.into_iter().map(|name| logdir.without_logs(name, options)).collect()
}

/// The directories that were not read and are siblings or parents of those that were.
pub(super) fn unread(logdir: &Logdir, read: &[Directory]) -> Vec<Directory> {
    let known: HashSet<&str> = read.iter().map(|directory| directory.name.as_str()).collect();
    let places: HashSet<&str> = known.iter().map(|name| split(name).0).collect();
    let others = logdir.runs().iter().filter(|run| !known.contains(run.name.as_str()));
    let unread = others.map(|run| Directory {
        name: run.name.clone(),
        has_logs: true,
        is_run: places.contains(split(&run.name).0)
            && !matches!(RunMeta::read(&run.path), Ok(None)),
        ..Directory::default()
    });
    unread.collect()
}
