//! trackio: a database of SQLite per project, with media and artifacts in directories next to it.
//!
//! Facts: trackio 0.43 (`sqlite_storage.py`, `utils.py`, `media/`, `cas.py`), and databases that it wrote.

mod artifacts;
mod media;
mod object;
mod runs;
#[cfg(test)]
mod tests;
mod values;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::local::{Local, first_problem, issue, refused};
use super::source::{
    Content, LeftOut, Source, SourceExperiment, SourceKind, SourceOptions, SourceRun, SourceRuns,
};
use super::sqlite::{Sqlite, is_sqlite};
use tbx::error::{Effect, Error, ErrorKind, Report, Result, failed};

use self::runs::Run;

/// Name of the tracker.
const NAME: &str = "trackio";
/// Extension of databases.
const EXTENSION: &str = "db";
/// Maximum number of databases.
const MAX_DATABASES: usize = 10_000;
/// The columns that tell trackio's database from others. Old ones have no `run_id`.
const METRICS: (&str, &[&str]) = ("metrics", &["run_name", "timestamp", "step", "metrics"]);

/// The line of the table of trackers.
pub(crate) const SOURCE: SourceKind = SourceKind {
    name: NAME,
    title: "trackio",
    takes: "a database PROJECT.db, or the directory of its databases",
    is_here,
    open: |source, options| Ok(Box::new(Databases::open(source, options)?)),
};

/// The databases of a source, one per project.
struct Databases {
    source: Local,
    projects: Vec<Project>,
    /// The runs of all projects, one project after the other.
    runs: Vec<(usize, Run)>,
    /// Problems that were found when the source was opened, until somebody asks.
    report: Mutex<Report>,
}

/// The database of a project.
struct Project {
    database: Sqlite,
    experiment: SourceExperiment,
    /// Where its runs are among all.
    runs: Range<usize>,
}

/// Whether it is a database of trackio or a directory with one.
fn is_here(path: &Path) -> bool {
    let is_database = |path: &Path| {
        is_sqlite(path) && Sqlite::open(path).is_ok_and(|database| is_trackio(&database))
    };
    match path.is_dir() {
        true => candidates(path).into_iter().take(20).any(|path| is_database(&path)),
        false => is_database(path),
    }
}

fn is_trackio(database: &Sqlite) -> bool {
    database.has(METRICS.0, METRICS.1)
}

/// The files in a directory that may be databases, in order, and one more if there are more than the limit.
fn candidates(dir: &Path) -> Vec<PathBuf> {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let files = files.map(|entry| entry.path());
    let is_database = |path: &PathBuf| path.extension().is_some_and(|name| name == EXTENSION);
    let mut files: Vec<_> =
        files.filter(is_database).take(MAX_DATABASES.saturating_add(1)).collect();
    files.sort();
    files
}

impl Databases {
    fn open(source: &str, options: &SourceOptions) -> Result<Self> {
        if options.step.is_some() || options.time.is_some() {
            let what = "trackio records the step and the time of each point; leave out `Import::step` and `Import::time`";
            return Err(Error::argument(what));
        }
        let source = Local::open(source, options.links)?;
        let paths =
            if source.is_dir { candidates(&source.path) } else { vec![source.path.clone()] };
        let (mut projects, mut runs) = (Vec::new(), Vec::new());
        let mut report = Report::default();
        if paths.len() > MAX_DATABASES {
            let what =
                format!("it has more than {MAX_DATABASES} databases; import the others one by one");
            issue(&mut report, &source.path, ErrorKind::Value(what), Effect::SkippedFile);
        }
        for path in paths.into_iter().take(MAX_DATABASES) {
            if source.is_dir && !is_sqlite(&path) {
                continue;
            }
            let open = || -> Result<_> {
                let database = Sqlite::open(&path)?;
                if !is_trackio(&database) {
                    return Ok((database, None));
                }
                let found = (runs::all(&database)?, runs::experiment(&database)?);
                Ok((database, Some(found)))
            };
            let (database, found) = match open() {
                // The other databases are whole.
                Err(error) if source.is_dir => {
                    issue(&mut report, &path, error.into_kind(), Effect::SkippedFile);
                    continue;
                }
                open => open?,
            };
            let Some((found, experiment)) = found else {
                if source.is_dir {
                    continue;
                }
                let what = format!(
                    "its table {} does not have the columns {}: it is not a database of trackio",
                    METRICS.0,
                    METRICS.1.join(", ")
                );
                return Err(failed(ErrorKind::Value(what), database.path()));
            };
            let (place, first) = (projects.len(), runs.len());
            runs.extend(found.into_iter().map(|run| (place, run)));
            let experiment = SourceExperiment { index: place, ..experiment };
            projects.push(Project { database, experiment, runs: first..runs.len() });
        }
        if projects.is_empty() {
            if let Some(error) = first_problem(report) {
                return Err(error);
            }
            let what = "it has no file PROJECT.db that is a database of trackio";
            return Err(refused(&source.path, what));
        }
        Ok(Self { source, projects, runs, report: Mutex::new(report) })
    }
}

impl Source for Databases {
    fn tracker(&self) -> &'static str {
        NAME
    }

    fn experiments(&self, report: &mut Report) -> Result<Vec<SourceExperiment>> {
        let mut found = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.merge(std::mem::take(&mut found));
        Ok(self.projects.iter().map(|project| project.experiment.clone()).collect())
    }

    fn runs(&self, of: &SourceExperiment, _: &mut Report) -> Result<SourceRuns> {
        let Some(project) = self.projects.get(of.index) else { return Ok(SourceRuns::default()) };
        let run = |index: usize| {
            let (_, run) = self.runs.get(index)?;
            Some(SourceRun {
                id: run.id(project.database.path()),
                name: run.name.clone(),
                start_time: run.start,
                state: Some(run.state.clone()),
                index,
                ..SourceRun::default()
            })
        };
        let runs = project.runs.clone().filter_map(run).collect();
        Ok(SourceRuns { runs, ..SourceRuns::default() })
    }

    fn left_out(&self, _: &[SourceExperiment], report: &mut Report) -> Result<Vec<LeftOut>> {
        let mut left_out = Vec::new();
        for project in &self.projects {
            if let Err(error) = runs::count_others(&project.database, &mut left_out) {
                let path = project.database.path();
                issue(report, path, error.into_kind(), Effect::SkippedValue);
            }
        }
        Ok(left_out)
    }

    fn content(&self, of: &SourceRun, artifacts: bool, report: &mut Report) -> Result<Content> {
        let unknown = || Error::argument(format!("there is no run {}", of.id));
        let (place, run) = self.runs.get(of.index).ok_or_else(unknown)?;
        let database = &self.projects.get(*place).ok_or_else(unknown)?.database;
        let mut flaws = Vec::new();
        let mut content = values::read(database, &self.source, run, &mut flaws)?;
        runs::add_meta(database, run, &of.id, &mut content, &mut flaws)?;
        if artifacts {
            artifacts::add(database, &self.source, run, &mut content, &mut flaws)?;
        }
        for what in flaws {
            let what = format!("run {:?}: {what}", run.name);
            issue(report, database.path(), ErrorKind::Value(what), Effect::SkippedValue);
        }
        Ok(content)
    }

    fn connections(&self) -> usize {
        1
    }
}
