//! Imports several runs at a time.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::experiments::Experiments;
use super::run::{self, About, Context};
use super::tree::{State, Tree};
use super::{Import, Imported, ImportedRun, not_imported};
use crate::progress::Progress;
use crate::trackers::source::{LeftOut, Source, SourceExperiment, SourceRun};
use crate::work::{self, Gate};
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result};

/// Number of points in memory above which no further run is started: 24 bytes per point.
const MAX_POINTS: usize = 4_000_000;
/// Number of consecutive runs without a reachable server after which the rest is skipped: each
/// waits for a minute or more.
const MAX_FAILURES: usize = 8;

/// Imports runs, one level at a time.
pub(super) struct Runs<'a> {
    import: &'a Import,
    source: &'a dyn Source,
    experiments: &'a Experiments,
    all: usize,
    done: usize,
    points: u64,
    gate: Gate,
    failures: AtomicUsize,
    not_tried: usize,
    /// Location of the last failure.
    last: Location,
}

/// A run and its destination.
struct Job<'a> {
    experiment: &'a SourceExperiment,
    run: &'a SourceRun,
    dir: PathBuf,
    is_there: bool,
    is_incomplete: bool,
    replaces: bool,
}

/// The result of importing a run; `None` if it was skipped.
struct Outcome {
    result: Option<Result<ImportedRun>>,
    left_out: Vec<LeftOut>,
    report: Report,
}

impl<'a> Runs<'a> {
    pub(super) fn new(
        import: &'a Import,
        source: &'a dyn Source,
        experiments: &'a Experiments,
        levels: &[Vec<(Arc<SourceExperiment>, SourceRun)>],
    ) -> Self {
        Self {
            import,
            source,
            experiments,
            all: levels.iter().map(Vec::len).sum(),
            done: 0,
            points: 0,
            gate: Gate::new(MAX_POINTS),
            failures: AtomicUsize::new(0),
            not_tried: 0,
            last: Location::default(),
        }
    }

    /// Imports runs that are not ancestors of each other; their ancestors are already imported.
    pub(super) fn import(
        &mut self,
        level: &[(Arc<SourceExperiment>, SourceRun)],
        tree: &mut Tree,
        imported: &mut Imported,
        report: &mut Report,
    ) {
        let jobs: Vec<_> = level
            .iter()
            .filter_map(|(experiment, run)| self.job(experiment, run, tree, report))
            .collect();
        self.done += level.len() - jobs.len(); // those whose experiments failed
        let (all, mut done, mut points) = (self.all, self.done, self.points);
        let outcomes = {
            let Self { import, source, ref gate, ref failures, .. } = *self;
            let context = Context { import, source, tree, gate };
            let each = |job: &Job<'_>| job.run(&context, failures);
            work::map(&jobs, source.connections(), each, |outcome| {
                done += 1;
                points += match &outcome.result {
                    Some(Ok(run)) => run.points,
                    _ => 0,
                };
                let progress =
                    Progress { runs: done, all_runs: all, points, ..Progress::default() };
                import.on_progress.call(progress);
            })
        };
        (self.done, self.points) = (done, points);
        for (job, outcome) in jobs.iter().zip(outcomes) {
            report.merge(outcome.report);
            for left_out in outcome.left_out {
                left_out.join(&mut imported.left_out);
            }
            match outcome.result {
                Some(Ok(run)) => {
                    tree.insert(&run);
                    imported.points += run.points;
                    imported.runs.push(run);
                }
                Some(Err(error)) => {
                    self.last = error.location().clone();
                    let what = format!("run {:?} ({})", job.run.name, job.run.id);
                    report.issues.push(not_imported(&what, error));
                }
                None => self.not_tried += 1,
            }
        }
    }

    fn job(
        &self,
        experiment: &'a SourceExperiment,
        run: &'a SourceRun,
        tree: &mut Tree,
        report: &mut Report,
    ) -> Option<Job<'a>>
    where
        Self: 'a,
    {
        let job = |dir| Job {
            experiment,
            run,
            dir,
            is_there: true,
            is_incomplete: false,
            replaces: false,
        };
        Some(match tree.state(run, report) {
            State::There(dir) => job(dir),
            State::Incomplete(dir) => Job { is_incomplete: true, ..job(dir) },
            State::Unfinished(dir) => Job { is_there: false, replaces: true, ..job(dir) },
            State::Absent => {
                let experiment = self.experiments.dir(experiment)?;
                Job { is_there: false, ..job(tree.place(experiment, run)) }
            }
        })
    }

    /// Reports the number of runs that were skipped.
    pub(super) fn end(self, report: &mut Report) {
        if self.not_tried > 0 {
            let runs = self.not_tried;
            let what = format!(
                "{runs} more runs were not tried, because the last ones failed; repeat the import"
            );
            let kind = ErrorKind::Value(what);
            report.issues.push(Issue::new(kind, self.last, Effect::SkippedFile));
        }
    }
}

/// Whether the error means that nothing more can be written.
fn is_full(error: &Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    is_kind(error, &[StorageFull, QuotaExceeded, ReadOnlyFilesystem])
}

fn is_kind(error: &Error, kinds: &[io::ErrorKind]) -> bool {
    matches!(error.kind(), ErrorKind::Io(error) if kinds.contains(&error.kind()))
}

impl Job<'_> {
    fn run(&self, context: &Context<'_>, failures: &AtomicUsize) -> Outcome {
        let mut report = Report::default();
        let mut left_out = Vec::new();
        if failures.load(Ordering::Relaxed) >= MAX_FAILURES {
            return Outcome { result: None, left_out, report };
        }
        let about = About { experiment: self.experiment, run: self.run, dir: &self.dir };
        let result = match self.is_there {
            true => run::complete(context, &about, self.is_incomplete, &mut report),
            false => run::write(context, &about, self.replaces, &mut left_out, &mut report),
        };
        match &result {
            Ok(run) if run.was_there => {}
            Err(error) if is_full(error) => failures.store(MAX_FAILURES, Ordering::Relaxed),
            Err(error) if is_kind(error, &[io::ErrorKind::NotConnected]) => {
                failures.fetch_add(1, Ordering::Relaxed);
            }
            _ => failures.store(0, Ordering::Relaxed),
        }
        Outcome { result: Some(result), left_out, report }
    }
}
