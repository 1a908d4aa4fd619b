//! `trainer_state.json` of Hugging Face's `Trainer`: the log of a training, in the directory of the output and in
//! each of its checkpoints.
//!
//! Facts: `TrainerState`, `Trainer.log` and `get_last_checkpoint` of transformers 5.24 (`trainer_callback.py`,
//! `trainer.py`, `trainer_utils.py`), and files that its `save_to_json` wrote.

mod find;
mod state;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::local::{self, Grouped, Local, issue};
use super::source::{
    Content, Source, SourceExperiment, SourceKind, SourceOptions, SourceRun, SourceRuns,
};
use tbx::error::{Effect, Error, Report, Result};

/// Name of the tracker.
const NAME: &str = "trainer_state";
/// Name of the file.
const FILE: &str = "trainer_state.json";

/// The line of the table of trackers.
pub(crate) const SOURCE: SourceKind = SourceKind {
    name: NAME,
    title: "Hugging Face Trainer",
    takes: "a file trainer_state.json, a checkpoint, or a directory with checkpoints",
    is_here: find::is_here,
    open: |source, options| Ok(Box::new(States::open(source, options)?)),
};

/// The states in a directory, one run for each training.
struct States {
    source: Local,
    runs: Vec<Training>,
    grouped: Grouped,
    options: SourceOptions,
    /// Problems that were found when the source was opened, until somebody asks.
    report: Mutex<Report>,
}

/// A training: the directory of its output.
#[derive(Debug, Default, PartialEq)]
struct Training {
    dir: PathBuf,
    /// Its states, the one of the last checkpoint first.
    states: Vec<PathBuf>,
}

impl States {
    fn open(source: &str, options: &SourceOptions) -> Result<Self> {
        let source = Local::open(source, options.links)?;
        let mut report = Report::default();
        let runs = match source.is_dir {
            true => find::trainings(&source, &mut report)?,
            false => {
                let dir = find::output_of(parent(&source.named)).0;
                vec![Training { dir, states: vec![source.path.clone()] }]
            }
        };
        if runs.is_empty() {
            if let Some(error) = local::first_problem(report) {
                return Err(error);
            }
            let what = format!(
                "neither this directory nor one below it has a file {FILE} or a directory checkpoint-N with one"
            );
            return Err(local::refused(&source.path, what));
        }
        let parents = runs.iter().map(|run| parent(&run.dir));
        let grouped = Grouped::new(parents, source.dir(), NAME);
        let report = Mutex::new(report);
        Ok(Self { source, runs, grouped, options: options.clone(), report })
    }
}

/// The directory that a training is in.
fn parent(dir: &Path) -> &Path {
    dir.parent().unwrap_or(dir)
}

impl Source for States {
    fn tracker(&self) -> &'static str {
        NAME
    }

    fn experiments(&self, report: &mut Report) -> Result<Vec<SourceExperiment>> {
        let mut found = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.merge(std::mem::take(&mut found));
        Ok(self.grouped.experiments())
    }

    fn runs(&self, of: &SourceExperiment, _: &mut Report) -> Result<SourceRuns> {
        let places = self.grouped.of(of).iter();
        let runs = places.filter_map(|place| Some((*place, self.runs.get(*place)?)));
        let run = |(index, run): (usize, &Training)| SourceRun {
            id: local::id_of(&run.dir, NAME),
            name: local::name_of(&run.dir),
            state: Some(local::state(run.states.iter().map(PathBuf::as_path))),
            index,
            ..SourceRun::default()
        };
        Ok(SourceRuns { runs: runs.map(run).collect(), ..SourceRuns::default() })
    }

    fn content(&self, of: &SourceRun, _: bool, report: &mut Report) -> Result<Content> {
        let unknown = || Error::argument(format!("there is no run {}", of.id));
        let training = self.runs.get(of.index).ok_or_else(unknown)?;
        // A program that is killed while it saves leaves a checkpoint with a damaged state.
        let (mut best, mut last): (Option<state::State>, _) = (None, None);
        for path in &training.states {
            // Only the state of the output itself may be newer than the last checkpoint's.
            if best.is_some() && find::output_of(parent(path)).1.is_some() {
                continue;
            }
            match state::State::read(&self.source.root, path, &self.options, report) {
                Ok(state) if best.as_ref().is_none_or(|best| best.step <= state.step) => {
                    best = Some(state);
                }
                Ok(_) => {}
                Err(error) => last = Some((path, error)),
            }
        }
        match (best, last) {
            (Some(state), last) => {
                if let Some((path, error)) = last {
                    issue(report, path, error.into_kind(), Effect::SkippedFile);
                }
                Ok(state.into_content(of))
            }
            (None, Some((_, error))) => Err(error),
            (None, None) => Err(unknown()),
        }
    }

    fn connections(&self) -> usize {
        1
    }
}
