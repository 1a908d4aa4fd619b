//! Reads whole sources, for tests.

use std::path::{Path, PathBuf};

use super::source::{At, Content, Points, SourceKind, SourceOptions, SourceRun};
use tbx::error::{Report, Result};
use tbx::store::Links;

/// The options by default.
pub(crate) fn options() -> SourceOptions {
    SourceOptions {
        connections: 1,
        links: Links::Inside,
        follow_local_paths: false,
        step: None,
        time: None,
        draw_boxes: false,
    }
}

/// The runs that a tracker's own program recorded. They are not part of the repository: the variable `TBX_TRACKERS` is
/// the path of a directory with one directory per tracker.
pub(crate) fn recorded(tracker: &str) -> Option<PathBuf> {
    let found = std::env::var_os("TBX_TRACKERS").map(|all| PathBuf::from(all).join(tracker));
    if found.is_none() {
        eprintln!("skipped: TBX_TRACKERS does not name runs that {tracker} recorded");
    }
    found
}

/// A run of a source.
pub(crate) struct Opened {
    pub(crate) experiment: String,
    pub(crate) run: SourceRun,
    pub(crate) content: Content,
}

impl Opened {
    /// `EXPERIMENT/RUN`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.experiment, self.run.name)
    }

    fn points(&self, tag: &str, is_wanted: fn(&Points) -> bool) -> &Points {
        let series = &self.content.series;
        let found = series.iter().find(|series| series.tag == tag && is_wanted(&series.points));
        let tags: Vec<_> = series.iter().map(|series| series.tag.as_str()).collect();
        &found.unwrap_or_else(|| panic!("{tag} is not in {tags:?}")).points
    }

    /// The steps, wall times and values of a scalar.
    pub(crate) fn scalars(&self, tag: &str) -> Vec<(i64, f64, f64)> {
        let Points::Scalars(points) = self.points(tag, |p| matches!(p, Points::Scalars(_))) else {
            panic!()
        };
        points.iter().map(|at| (at.step, at.wall_time, at.value)).collect()
    }

    /// The steps and values of a scalar.
    pub(crate) fn values(&self, tag: &str) -> Vec<(i64, f64)> {
        self.scalars(tag).into_iter().map(|(step, _, value)| (step, value)).collect()
    }

    /// The steps and values of a text.
    pub(crate) fn texts(&self, tag: &str) -> Vec<(i64, &str)> {
        let Points::Texts(points) = self.points(tag, |p| matches!(p, Points::Texts(_))) else {
            panic!()
        };
        points.iter().map(|at: &At<String>| (at.step, at.value.as_str())).collect()
    }

    /// The kinds of what is left out, with their counts.
    pub(crate) fn left_out(&self) -> Vec<(&str, u64)> {
        self.content.left_out.iter().map(|kind| (kind.kind.as_str(), kind.count)).collect()
    }

    /// The parameters as text.
    pub(crate) fn params(&self) -> Vec<String> {
        self.content.meta.params.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

/// All runs of a source in the order of their names, and the report.
pub(crate) fn read(
    kind: &SourceKind,
    path: &Path,
    options: &SourceOptions,
) -> Result<(Vec<Opened>, Report)> {
    let source = (kind.open)(path.to_str().unwrap(), options)?;
    let mut report = Report::default();
    let mut all = Vec::new();
    for experiment in source.experiments(&mut report)? {
        for run in source.runs(&experiment, &mut report)?.runs {
            let content = source.content(&run, true, &mut report)?;
            assert_eq!(content.meta.other[source.tracker()]["run_id"], run.id.as_str());
            let experiment = experiment.name.clone();
            all.push(Opened { experiment, run, content });
        }
    }
    all.sort_by_key(Opened::name);
    Ok((all, report))
}

/// The message about a source that cannot be opened.
pub(crate) fn refused(kind: &SourceKind, path: &Path, options: &SourceOptions) -> String {
    match read(kind, path, options) {
        Ok(_) => panic!("{} is taken", path.display()),
        Err(error) => error.to_string(),
    }
}
