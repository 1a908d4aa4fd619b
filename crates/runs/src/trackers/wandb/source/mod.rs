//! Files of W&B as a source of an import.
//!
//! The form of the files is in [`tbx::wandb`]. The meaning of the records was taken from files of wandb 0.16.6, 0.19.11
//! and 0.31.0, and from what `wandb-core leet inspect` 0.31.0 prints of them.

mod artifacts;
mod axis;
mod console;
mod content;
mod environment;
mod exported;
mod facts;
mod file;
mod history;
mod json;
mod media;
mod place;
mod row;
mod shapes;
mod table;
#[cfg(test)]
mod tests;
mod times;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prost::Message;

use self::content::Builder;
use self::facts::{NO_PROJECT, WANDB, project};
use self::file::{RunFile, id_of_name};
use crate::trackers::source::{
    Content, Source, SourceExperiment, SourceKind, SourceOptions, SourceRun, SourceRuns,
};
use tbx::error::{Effect, ErrorKind, Issue, Location, Report, Result};
use tbx::store::Root;
use tbx::wandb::block::{Found, Records};
use tbx::wandb::record::{Content as RecordContent, Record};
use tbx::wandb::run::Run;
use tbx::wandb::view;

/// Weights & Biases, as a source.
pub(crate) static SOURCE: SourceKind = SourceKind {
    name: WANDB,
    title: "Weights & Biases",
    takes: "a file run-<id>.wandb, the directory of a run, or a directory wandb with such directories",
    is_here: place::is_here,
    open: |place, options| Ok(Box::new(Files::open(Path::new(place), options)?)),
};

/// The field of a record with the run.
const RUN: u32 = 17;

/// The files of runs below a directory.
struct Files {
    root: Root,
    options: SourceOptions,
    runs: Vec<KnownRun>,
    /// Problems that were found while the files were listed.
    issues: Vec<Issue>,
}

/// A run, and the files of its segments in order.
struct KnownRun {
    project: String,
    run: SourceRun,
    files: Vec<PathBuf>,
}

/// The facts about a file that the list of runs needs.
struct Segment {
    path: PathBuf,
    run: Run,
    start_time: Option<f64>,
    bytes: u64,
}

impl Files {
    /// Finds the files at `path` and the run of each.
    ///
    /// # Errors
    ///
    /// There are none, or the directory cannot be read.
    fn open(path: &Path, options: &SourceOptions) -> Result<Self> {
        let failed = |error| ErrorKind::from(error).at(Location::of(path));
        // The file itself may be a link.
        let real = if path.is_file() { path.canonicalize().map_err(failed)? } else { path.into() };
        let path = real.as_path();
        let dir = if path.is_file() { path.parent().unwrap_or(path) } else { path };
        let root = Root::new(dir, options.links).map_err(failed)?;
        let mut report = Report::default();
        let mut by_run: BTreeMap<(String, String), Vec<Segment>> = BTreeMap::new();
        for file in place::find(path, &mut report)? {
            match segment(&root, &file) {
                Ok(Some(segment)) => {
                    let key = (project(&segment.run).to_owned(), segment.run.run_id.clone());
                    by_run.entry(key).or_default().push(segment);
                }
                Ok(None) => {
                    let what = "no record says the run: its program has just started, or was killed \
                                before it had written 32 KiB";
                    let location = Location::of(file);
                    let kind = ErrorKind::Value(what.into());
                    report.issues.push(Issue::new(kind, location, Effect::LeftAlone));
                }
                Err(error) if path.is_file() => return Err(error),
                Err(error) => report.issues.push(error.into_issue(Effect::SkippedFile)),
            }
        }
        let mut runs = Vec::new();
        for ((project, id), mut segments) in by_run {
            segments.sort_by(|a, b| {
                let start = |segment: &Segment| segment.start_time.unwrap_or(f64::NEG_INFINITY);
                start(a).total_cmp(&start(b)).then_with(|| a.path.cmp(&b.path))
            });
            let index = runs.len();
            // Identifiers are unique in a project only.
            let run = listed(&project, &id, &segments, index);
            runs.push(KnownRun { project, run, files: paths(segments) });
        }
        Ok(Self { root, options: options.clone(), runs, issues: report.issues })
    }
}

fn paths(segments: Vec<Segment>) -> Vec<PathBuf> {
    segments.into_iter().map(|segment| segment.path).collect()
}

/// A run in the list of runs.
fn listed(project: &str, id: &str, segments: &[Segment], index: usize) -> SourceRun {
    let last = segments.last().map(|segment| &segment.run);
    let name = last.map(|run| run.display_name.clone()).filter(|name| !name.is_empty());
    let parent = segments.iter().find_map(|segment| segment.run.branch_point.as_ref());
    // A run that goes back in itself has no parent.
    let parent = parent
        .map(|point| point.run.clone())
        .filter(|parent| !parent.is_empty() && last.is_none_or(|run| run.run_id != *parent));
    let sizes: Vec<_> = segments.iter().map(|segment| segment.bytes.to_string()).collect();
    SourceRun {
        name: name.unwrap_or_else(|| id.to_owned()),
        id: format!("{project}/{id}"),
        parent: parent.map(|parent| format!("{project}/{parent}")),
        start_time: segments.iter().find_map(|segment| segment.start_time),
        // A file grows until its program ends, and a run may be resumed.
        state: Some(sizes.join("+")),
        index,
        ..SourceRun::default()
    }
}

/// Looks for the records of the run in a file; `None` if there is nothing of a run yet. Damage may have cost its record.
fn segment(root: &Root, path: &Path) -> Result<Option<Segment>> {
    let failed = |kind: ErrorKind| kind.at(Location::of(path));
    let (file, bytes) = root.open(path).map_err(|error| failed(error.into()))?;
    let mut records = Records::new(file.into_reader(bytes)).map_err(failed)?;
    let (mut last, mut start_time, mut branch_point, mut has_values) = (None, None, None, false);
    while let Some(found) = records.next().map_err(|error| failed(error.into()))? {
        let Found::Record { bytes, .. } = found else { continue };
        match view::content(bytes) {
            Ok(Some((RUN, _))) => {}
            Ok(Some((view::HISTORY | view::SUMMARY | view::STATS, _))) => {
                has_values = true;
                continue;
            }
            _ => continue,
        }
        let Ok(Record { content: Some(RecordContent::Run(run)), .. }) = Record::decode(bytes)
        else {
            continue;
        };
        start_time = start_time.or(run.start_time.map(|time| time.as_seconds()));
        branch_point = branch_point.or(run.branch_point.clone());
        last = Some(*run);
    }
    Ok(last.or_else(|| has_values.then(Run::default)).map(|mut run| {
        if run.run_id.is_empty() {
            run.run_id = id_of_name(path);
        }
        run.branch_point = branch_point;
        Segment { path: path.to_owned(), run, start_time, bytes }
    }))
}

impl Source for Files {
    fn tracker(&self) -> &'static str {
        WANDB
    }

    fn experiments(&self, report: &mut Report) -> Result<Vec<SourceExperiment>> {
        report.issues.extend(self.issues.iter().cloned());
        let mut projects: Vec<&str> = self.runs.iter().map(|run| run.project.as_str()).collect();
        projects.dedup(); // they are sorted
        let experiment = |name: &str| SourceExperiment {
            id: name.to_owned(),
            name: name.to_owned(),
            is_implicit: name == NO_PROJECT,
            ..SourceExperiment::default()
        };
        Ok(projects.into_iter().map(experiment).collect())
    }

    fn runs(&self, of: &SourceExperiment, _report: &mut Report) -> Result<SourceRuns> {
        let of_project = self.runs.iter().filter(|run| run.project == of.id);
        let runs = of_project.map(|run| run.run.clone()).collect();
        Ok(SourceRuns { runs, ..SourceRuns::default() })
    }

    fn content(&self, of: &SourceRun, artifacts: bool, report: &mut Report) -> Result<Content> {
        let files = self.runs.get(of.index).map(|run| run.files.as_slice()).unwrap_or_default();
        let mut segments = Vec::new();
        for path in files {
            segments.push(RunFile::read(&self.root, path, report)?);
        }
        let (root, options) = (&self.root, &self.options);
        let (id, name, now) = (of.id.as_str(), of.name.as_str(), tbx::meta::now());
        let builder = Builder { root, options, id, name, artifacts, now };
        Ok(builder.build(segments, report))
    }

    fn connections(&self) -> usize {
        1
    }
}
