//! Exports one run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::WandbExport;
use super::existing::{self, Existing};
use super::plan::{Plan, Planned};
use super::{artifacts, files, rows};
use crate::progress::{OnProgress, Progress};
use tbx::error::{Effect, Error, Issue, Result, failed};
use tbx::logdir::{LoadOptions, Logdir, Payloads};
use tbx::meta::RunMeta;
use tbx::replace::Folder;
use tbx::summary::Kind;
use tbx::wandb::encode::Items;
use tbx::wandb::media;
use tbx::wandb::offline::{Counts, META, OfflineRun, PACKAGES};
use tbx::wandb::{describe, identity};

/// The type of files that the package writes itself.
const OF_WANDB: i32 = 1;
/// Maximum size in bytes of the output of a program that becomes lines of the console.
const MAX_CONSOLE: u64 = 16 << 20;

/// Shared input for the export of each run.
pub(super) struct Job<'j> {
    pub(super) logdir: &'j Logdir,
    pub(super) options: &'j LoadOptions,
    pub(super) settings: &'j WandbExport,
    pub(super) plan: &'j Plan,
    pub(super) existing: &'j Existing,
    pub(super) out: &'j Path,
}

/// The result for a run.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) is_new: bool,
    /// Why the directory that was there is kept, although it has another content.
    pub(super) kept: Option<String>,
    pub(super) counts: Counts,
    pub(super) repeated: u64,
    pub(super) artifacts: u64,
    pub(super) bytes: u64,
    pub(super) models: u64,
    pub(super) left_out: BTreeMap<Kind, u64>,
    pub(super) renamed: Vec<(String, String)>,
    pub(super) warnings: Vec<String>,
    pub(super) issues: Vec<Issue>,
    pub(super) more_issues: u64,
}

impl Job<'_> {
    /// Exports run `i` of the plan.
    pub(super) fn export(&self, i: usize) -> Result<Done> {
        let Some(run) = self.plan.runs.get(i) else { return Ok(Done::default()) };
        let id = &run.names.id;
        let there = match self.existing.of(id) {
            [] => None,
            [there] => Some(there.as_path()),
            several => {
                let what = format!(
                    "{} has {} directories of run {:?}, which was resumed; they stay, and the run is \
                     not exported",
                    self.out.display(),
                    several.len(),
                    run.name
                );
                return Ok(Done { kept: Some(what), ..Done::default() });
            }
        };
        let home = match there {
            Some(there) => there.to_owned(),
            None => self.out.join(identity::directory(run.start, id)),
        };
        if let Some(there) = there.filter(|there| !existing::is_ours(there, id)) {
            let what = format!(
                "{} was not written by tbx and stays; run {:?} is not exported",
                there.display(),
                run.name
            );
            return Ok(Done { kept: Some(what), ..Done::default() });
        }
        let folder = match there {
            Some(_) => Folder::replace(&home)?,
            None => Folder::create(&home)?,
        };
        let mut done = self.write(run, folder.path(), &home)?;
        if let Some(there) = there {
            let same = existing::is_same(there, folder.path(), id);
            if same.map_err(|error| failed(error, there))? {
                return Ok(done);
            }
            if !self.settings.overwrite {
                done.kept = Some(format!(
                    "{} stays as it is, although run {:?} has changed; `WandbExport::overwrite` \
                     replaces it",
                    there.display(),
                    run.name
                ));
                return Ok(done);
            }
        }
        folder.finish()?;
        done.is_new = true;
        Ok(done)
    }

    /// Writes the directory at `path`, which will be at `home`.
    fn write(&self, run: &Planned, path: &Path, home: &Path) -> Result<Done> {
        let mut done = Done { left_out: run.left_out.clone(), ..Done::default() };
        let mut out = OfflineRun::create(path, &run.names.id, run.start)?;
        let environment = describe::environment(&run.meta, run.start);
        out.describe(describe::run(&run.meta, &run.names, run.start), environment)?;
        self.about(run, &mut out, &mut done)?;
        let kinds = media::KINDS.into_iter().filter(|kind| self.settings.takes(*kind));
        let options = self.options.clone().kinds([Kind::Scalar].into_iter().chain(kinds));
        // Damage was reported when the plan was made.
        let loaded =
            self.logdir.load_named(&run.directories, &options.payloads(Payloads::Placed))?;
        let left = rows::write(self.plan, self.settings, &loaded.runs, &mut out)?;
        drop(loaded);
        done.repeated = left.repeated;
        done.issues.extend(left.issues);
        done.more_issues = left.more_issues;
        if self.settings.artifacts && !run.is_open(self.settings) {
            self.produced(run, home, &mut out, &mut done)?;
        }
        if let Some(text) = describe::error_text(&run.meta) {
            out.console(&text, true, run.end)?;
        }
        let mut summary = Items::default();
        describe::summary(&run.meta, &mut summary);
        out.summarize(summary)?;
        let renamed = out.renamed().map(|(tag, key)| (key.to_owned(), tag.to_owned()));
        done.renamed = renamed.collect();
        done.counts = out.finish(run.status.and_then(describe::exit_code), run.end)?;
        Ok(done)
    }

    /// Writes files that describe the run.
    fn about(&self, run: &Planned, out: &mut OfflineRun, done: &mut Done) -> Result<()> {
        let long: Vec<_> =
            run.meta.labels.iter().filter(|label| !describe::is_tag(label)).collect();
        if !long.is_empty() {
            done.warnings.push(format!(
                "run {:?} has labels that W&B does not accept as tags, which are only in {META}: \
                 {long:?}",
                run.name
            ));
        }
        if run.meta != RunMeta::default() {
            out.file(META, public(&run.meta).to_json()?.as_bytes(), 0)?;
        }
        let packages = run.meta.environment.iter().flat_map(|known| &known.packages);
        let lines: String =
            packages.map(|(name, version)| format!("{name}=={version}\n")).collect();
        if !lines.is_empty() {
            out.file(PACKAGES, lines.as_bytes(), OF_WANDB)?;
        }
        Ok(())
    }

    /// Writes the files that the run produced. The output of the program becomes lines of the console.
    fn produced(
        &self,
        run: &Planned,
        home: &Path,
        out: &mut OfflineRun,
        done: &mut Done,
    ) -> Result<()> {
        let (mut produced, left) = files::of(run, self.plan.links)?;
        done.issues.extend(left);
        if let Some(at) = produced.iter().position(|file| file.path == files::CONSOLE)
            && let Some(file) = produced.get(at)
            && let Ok(text) = file.root.read(&file.file, MAX_CONSOLE)
        {
            out.console(&String::from_utf8_lossy(&text), false, run.end)?;
            produced.remove(at);
        }
        let home = std::path::absolute(home).map_err(|error| failed(error, home))?;
        let copied = artifacts::write(self.plan, run, produced, &home, out)?;
        (done.artifacts, done.bytes, done.models) = (copied.files, copied.bytes, copied.models);
        if self.plan.strict
            && let Some(issue) = copied.issues.first()
            && issue.effect == Effect::SkippedFile
        {
            return Err(Error::from(issue.clone()));
        }
        done.issues.extend(copied.issues);
        Ok(())
    }
}

/// The metadata that may leave the machine: without environment variables, and without passwords in addresses.
fn public(meta: &RunMeta) -> RunMeta {
    let mut meta = meta.clone();
    if let Some(environment) = &mut meta.environment {
        environment.variables.clear();
    }
    if let Some(remote) = meta.git.as_mut().and_then(|git| git.remote.as_mut()) {
        *remote = tbx::redact::address(remote).into_owned();
    }
    meta
}

/// Counts the runs that are done.
pub(super) struct Count<'c> {
    all: usize,
    runs: AtomicUsize,
    points: AtomicU64,
    on_progress: &'c OnProgress,
}

impl<'c> Count<'c> {
    pub(super) fn new(all: usize, on_progress: &'c OnProgress) -> Self {
        Self { all, runs: AtomicUsize::new(0), points: AtomicU64::new(0), on_progress }
    }

    /// Another run with `points` points is done.
    pub(super) fn next(&self, points: u64) {
        let runs = self.runs.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let points = self.points.fetch_add(points, Ordering::Relaxed).saturating_add(points);
        self.on_progress.call(Progress { runs, all_runs: self.all, points, ..Progress::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tbx::meta::{Environment, Git};

    #[test]
    fn uploaded_metadata_has_no_variables_and_no_passwords() {
        let (mut environment, mut git) = (Environment::default(), Git::default());
        environment.variables.insert("TOKEN".into(), "hidden1".into());
        git.remote = Some("https://user:hidden2@host/x.git".into());
        let mut meta = RunMeta::default();
        (meta.environment, meta.git) = (Some(environment), Some(git));
        let text = public(&meta).to_json().unwrap();
        assert!(!text.contains("hidden") && text.contains("host/x.git"), "{text}");
    }
}
