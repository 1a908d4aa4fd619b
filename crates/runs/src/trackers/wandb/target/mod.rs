//! Exports runs as offline directories of Weights & Biases, which `wandb sync` uploads.
//!
//! A run is its directory together with those that are parts of it, as in the run table. It gets one row per step
//! with the values of all tags at that step. [`WandbExported::left_out`] counts the series of kinds that W&B has no
//! form for.

mod artifacts;
mod columns;
mod existing;
mod files;
mod memory;
mod models;
mod plan;
mod rows;
mod run;
mod stats;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rayon::prelude::*;

use self::existing::Existing;
pub(crate) use self::memory::Memory;
use self::plan::Plan;
use self::run::Done;
use crate::progress::{OnProgress, Progress};
use crate::table::{Folding, Sampling};
use crate::trackers::live::SILENCE;
use tbx::error::{Error, Issue, Report, Result};
use tbx::logdir::{LoadOptions, Logdir};
use tbx::replace::disk;
use tbx::store;
use tbx::summary::Kind;

/// Kinds other than images that have a form in W&B, in the order in which the program lists them.
pub const MEDIA: [Kind; 5] = [Kind::Text, Kind::Audio, Kind::PrCurve, Kind::Histogram, Kind::Mesh];

/// Exports runs as offline directories of Weights & Biases.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx::{LoadOptions, Logdir};
/// use tbx_runs::trackers::wandb::WandbExport;
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let out = dir.path().join("wandb");
/// let exported = WandbExport::new().run(&logdir, &LoadOptions::new(), &out)?;
/// assert_eq!(exported.new_runs, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WandbExport {
    project: Option<String>,
    folding: Folding,
    artifacts: bool,
    images: bool,
    media: Vec<Kind>,
    sampling: Option<Sampling>,
    overwrite: bool,
    silence: Duration,
    is_live: bool,
    is_alone: bool,
    on_progress: OnProgress,
}

impl Default for WandbExport {
    fn default() -> Self {
        Self::new()
    }
}

impl WandbExport {
    /// Exports everything that W&B has a form for.
    pub fn new() -> Self {
        Self {
            project: None,
            folding: Folding::Known,
            artifacts: true,
            images: true,
            media: MEDIA.to_vec(),
            sampling: None,
            overwrite: false,
            silence: SILENCE,
            is_live: false,
            is_alone: false,
            on_progress: OnProgress::default(),
        }
    }

    /// The project of all runs. Default: the experiment named by the run, by the experiment in whose directory it is,
    /// or by its parents; otherwise the name of the logdir.
    #[must_use]
    pub fn project(self, name: impl Into<String>) -> Self {
        Self { project: Some(name.into()), ..self }
    }

    /// The directories that are parts of a run. Default: the known ones.
    #[must_use]
    pub fn folding(self, folding: Folding) -> Self {
        Self { folding, ..self }
    }

    /// Whether files produced by runs are exported, and registered models. Default: true.
    #[must_use]
    pub fn artifacts(self, artifacts: bool) -> Self {
        Self { artifacts, ..self }
    }

    /// Whether images and videos are exported. Default: true.
    #[must_use]
    pub fn images(self, images: bool) -> Self {
        Self { images, ..self }
    }

    /// The kinds of values, from [`MEDIA`], that are exported. Default: all.
    #[must_use]
    pub fn media(self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { media: kinds.into_iter().collect(), ..self }
    }

    /// Selects the points of each series. Default: every point.
    #[must_use]
    pub fn sample(self, sampling: impl Into<Option<Sampling>>) -> Self {
        Self { sampling: sampling.into(), ..self }
    }

    /// Whether directories that tbx wrote before are replaced, if the run has changed. Default: false.
    #[must_use]
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// The time without a change after which the log of a run counts as ended, if nothing else says so. Default: 15
    /// minutes.
    #[must_use]
    pub fn silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Whether the job repeats while runs are written. Then a directory that tbx wrote is replaced, the files of a run
    /// are copied at its end, and the program that started the job may be the one that writes. Default: false.
    #[must_use]
    pub(crate) fn live(self, is_live: bool) -> Self {
        Self { is_live, overwrite: self.overwrite || is_live, ..self }
    }

    /// Whether the runs are not all of the log directory. Then registered models are not exported. Default: false.
    #[cfg(feature = "track")]
    #[must_use]
    pub(crate) fn alone(self, is_alone: bool) -> Self {
        Self { is_alone, ..self }
    }

    /// Calls `f` with the progress of the job, from any thread.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }

    /// Whether values of this kind are exported, other than scalars.
    fn takes(&self, kind: Kind) -> bool {
        match kind {
            Kind::Image => self.images,
            kind => self.media.contains(&kind),
        }
    }

    /// Exports the runs of `logdir` to directories in `out`. Each appears when it is complete. A directory that has
    /// the same content stays as it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): values of a kind of [`media`](Self::media) have no form in
    /// W&B; [`ErrorKind::Io`](tbx::ErrorKind::Io): `out` cannot be written. Also as for [`Logdir::map_runs`].
    pub fn run(&self, logdir: &Logdir, options: &LoadOptions, out: &Path) -> Result<WandbExported> {
        self.repeat(logdir, options, out, &mut Memory::once())
    }

    /// Like [`run`](Self::run), with what earlier exports of the same job left in `memory`.
    pub(crate) fn repeat(
        &self,
        logdir: &Logdir,
        options: &LoadOptions,
        out: &Path,
        memory: &mut Memory,
    ) -> Result<WandbExported> {
        if let Some(kind) = self.media.iter().find(|kind| !MEDIA.contains(kind)) {
            let all = MEDIA.map(Kind::name).join(", ");
            let what = format!("values of kind {kind} have no form in W&B; those of {all} have");
            return Err(Error::argument(what));
        }
        store::local_only(out, "writing a directory").map_err(|e| tbx::error::failed(e, out))?;
        let mut plan = Plan::of(logdir, options, self, &mut memory.read)?;
        let existing = Existing::find(out)?;
        let mut done = WandbExported {
            runs: plan.runs.len(),
            running_runs: plan.runs.iter().filter(|run| !run.has_ended()).count(),
            report: std::mem::take(&mut plan.report),
            warnings: std::mem::take(&mut plan.left),
            ..WandbExported::default()
        };
        if self.artifacts && logdir.paths().iter().any(|path| store::is_url(path)) {
            let what = "the artifacts of a log directory at a URL are not exported; copy it first \
                        to include them";
            done.warnings.push(what.into());
        }
        let progress = run::Count::new(plan.runs.len(), &self.on_progress);
        let job =
            run::Job { logdir, options, settings: self, plan: &plan, existing: &existing, out };
        let changed = plan.runs.iter().enumerate().filter(|(_, run)| !memory.is_unchanged(run));
        let changed: Vec<usize> = changed.map(|(i, _)| i).collect();
        let all: Vec<Done> = changed
            .par_iter()
            .copied()
            .map(|i| {
                let done = job.export(i);
                progress.next(done.as_ref().map_or(0, |done| done.counts.numbers));
                done
            })
            .collect::<Result<_>>()?;
        done.unchanged_runs = plan.runs.len() - changed.len();
        all.into_iter().for_each(|run| done.add(run));
        for id in memory.replaced(&plan) {
            if let [there] = existing.of(id)
                && existing::is_ours(there, id)
            {
                disk::remove_dir_all(there).map_err(|error| tbx::error::failed(error, there))?;
                done.warnings.push(format!(
                    "{} is removed, because its data is now in the directory of another run",
                    there.display()
                ));
            }
        }
        memory.learn(&plan);
        done.report.sort();
        Ok(done)
    }
}

/// The result of an export.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct WandbExported {
    /// Number of runs.
    pub runs: usize,
    /// Number of runs that have not ended.
    pub running_runs: usize,
    /// Number of runs that were written.
    pub new_runs: usize,
    /// Number of runs whose directories were there already, with the same content.
    pub unchanged_runs: usize,
    /// Number of rows.
    pub rows: u64,
    /// Number of points of scalars.
    pub points: u64,
    /// Number of other values: images, histograms, texts and so on.
    pub media: u64,
    /// Number of files produced by runs.
    pub artifacts: u64,
    /// Total size of those files in bytes.
    pub bytes: u64,
    /// Number of versions of registered models.
    pub models: u64,
    /// Number of points that were left out because a later point of their tag has the same step.
    pub repeated: u64,
    /// Number of values that have fewer details than in the log: histograms of more than 512 buckets, and batches of
    /// meshes.
    pub coarser: u64,
    /// Number of series of kinds that W&B has no form for.
    pub left_out: BTreeMap<Kind, u64>,
    /// The tags that got other keys, by the keys.
    pub renamed: BTreeMap<String, String>,
    /// Messages about directories that were kept although the run has changed.
    pub kept: Vec<String>,
    /// Messages about everything that the user did not ask for or may not expect.
    pub warnings: Vec<String>,
    /// Values and files that are damaged or were left out.
    pub report: Report,
}

impl WandbExported {
    fn add(&mut self, run: Done) {
        let Done { counts, repeated, left_out, renamed, warnings, issues, more_issues, .. } = run;
        self.report.more_issues = self.report.more_issues.saturating_add(more_issues);
        match (run.kept, run.is_new) {
            (Some(kept), _) => self.kept.push(kept),
            (None, true) => {
                self.new_runs += 1;
                self.rows += counts.rows;
                self.points += counts.numbers;
                self.media += counts.media;
                self.artifacts += run.artifacts;
                self.bytes += run.bytes;
                self.models += run.models;
            }
            (None, false) => self.unchanged_runs += 1,
        }
        self.repeated += repeated;
        self.coarser += counts.coarser;
        for (kind, count) in left_out {
            *self.left_out.entry(kind).or_default() += count;
        }
        self.renamed.extend(renamed);
        self.warnings.extend(warnings);
        self.leave(issues);
    }

    /// Records files and values that are not exported. Files from which the run's metadata could not be read are
    /// already in the report.
    fn leave(&mut self, issues: Vec<Issue>) {
        for issue in issues {
            let is_known = |known: &Issue| {
                known.location.path == issue.location.path
                    && known.location.offset == issue.location.offset
                    && known.location.tag == issue.location.tag
            };
            if self.report.issues.len() >= Report::MAX_ISSUES_PER_FILE {
                self.report.more_issues += 1;
            } else if !self.report.issues.iter().any(is_known) {
                self.report.issues.push(issue);
            }
        }
    }
}
