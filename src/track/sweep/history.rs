//! The trials of a sweep, as their directories say.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::reports::{self, Curve};
use crate::error::{ErrorKind, Result, failed};
use crate::meta::{FILE, Param, Process, RunMeta, Status, now};
use crate::replace;
use crate::track::claim::attempts;

/// Prefix of the names of trials.
const PREFIX: &str = "trial-";
/// Interval between two looks at whether somebody has changed a trial that has ended.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(10);

/// The name of a trial, and of its directory.
pub(super) fn name(number: u64) -> String {
    format!("{PREFIX}{number:04}")
}

/// The number of the trial with this name.
fn number(of: &str) -> Option<u64> {
    let number = of.strip_prefix(PREFIX)?.parse().ok()?;
    (name(number) == of).then_some(number)
}

/// A trial of a sweep, according to its `tbx.json`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TrialRecord {
    /// Its number: 0 for the first one.
    pub number: u64,
    /// Name of the trial: `trial-0000` and so on.
    pub name: String,
    /// The recorded status; see [`status_at`](Self::status_at).
    pub status: Option<Status>,
    /// The value of each parameter.
    pub params: BTreeMap<String, Param>,
    /// The best value of the metric, of a trial that has ended.
    pub value: Option<f64>,
    /// The step at which that value was first reached.
    pub step: Option<i64>,
    /// How often the trial was started: more than once if its worker died.
    pub attempts: u64,
    /// Start time in seconds since the Unix epoch.
    pub start_time: Option<f64>,
    /// End time in seconds since the Unix epoch.
    pub end_time: Option<f64>,
    /// The worker, or the program that it started; `None` if the trial does not run.
    pub process: Option<Process>,
    /// Why its `tbx.json` could not be read.
    pub problem: Option<String>,
    /// Whether that file is damaged, and not only out of reach for now.
    is_damaged: bool,
    /// The file when it was read.
    stamp: Option<Stamp>,
}

/// The size and the times of a file, which change with it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    /// Zero where files have no numbers.
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        let (modified, len) = (metadata.modified().ok(), metadata.len());
        Some(Self { modified, len, inode: inode(&metadata) })
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

impl TrialRecord {
    /// A trial that nobody has begun.
    pub(super) fn new(number: u64, params: BTreeMap<String, Param>) -> Self {
        Self { number, name: name(number), params, ..Self::default() }
    }

    /// Status at `now`, in seconds since the Unix epoch. A trial that is recorded as running counts as
    /// [killed](Status::Killed) if its worker has missed several heartbeats.
    pub fn status_at(&self, now: f64) -> Option<Status> {
        let meta =
            RunMeta { status: self.status, process: self.process.clone(), ..RunMeta::default() };
        meta.status_at(now)
    }

    /// Whether the trial has ended. One whose worker died has not: another worker takes it up. One whose `tbx.json` is
    /// damaged has, but not one whose file could not be read for another reason, which may pass.
    pub fn has_ended(&self) -> bool {
        self.is_damaged || self.status.is_some_and(Status::is_final)
    }

    /// Whether a worker may take up the trial: nobody has started it, its worker has given it up, or has died.
    pub(super) fn is_left(&self) -> bool {
        let status = self.status_at(now());
        self.problem.is_none()
            && !self.has_ended()
            && matches!(status, None | Some(Status::Scheduled | Status::Killed))
    }

    /// Whether the record is still right.
    fn is_current(&self, dir: &Path, looks_again: bool) -> bool {
        // A program that is a run itself ends it before its worker has recorded the value.
        let is_settled = self.value.is_some() && !looks_again;
        let is_same =
            || self.stamp.is_some() && self.stamp == Stamp::of(&dir.join(&self.name).join(FILE));
        self.has_ended() && (is_settled || is_same())
    }

    fn read(dir: &Path, number: u64, metric: &str) -> Self {
        let name = name(number);
        let dir = dir.join(&name);
        let stamp = Stamp::of(&dir.join(FILE));
        let record = Self { number, name, stamp, ..Self::default() };
        let is_out_of_reach = |read: &Result<_>| {
            read.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Io(_)))
        };
        let mut read = RunMeta::read(&dir);
        if is_out_of_reach(&read) {
            // On NFS, a file that is being replaced can be stale.
            read = RunMeta::read(&dir);
        }
        let is_damaged = read.is_err() && !is_out_of_reach(&read);
        match read {
            // Its worker died before it wrote the file, or is about to write it.
            Ok(None) => record,
            Ok(Some(meta)) => {
                let summary = meta.summary.get(metric);
                Self {
                    status: meta.status,
                    value: summary.map(|summary| summary.value),
                    step: summary.and_then(|summary| summary.step),
                    attempts: attempts(&meta).unwrap_or(1),
                    start_time: meta.start_time,
                    end_time: meta.end_time,
                    params: meta.params,
                    process: meta.process,
                    ..record
                }
            }
            Err(error) => Self { problem: Some(error.to_string()), is_damaged, ..record },
        }
    }
}

/// The trials in a sweep's directory. What has ended is read again only if its file has changed.
#[derive(Debug)]
pub(super) struct History {
    dir: PathBuf,
    metric: String,
    pub(super) trials: BTreeMap<u64, TrialRecord>,
    looked_again: Option<Instant>,
    rivals: BTreeMap<u64, Rival>,
}

/// The reports of another trial.
#[derive(Debug)]
struct Rival {
    curve: Curve,
    /// The attempt whose end came before the reports were read.
    ended: Option<u64>,
}

impl History {
    pub(super) fn new(dir: &Path, metric: &str) -> Self {
        let (dir, metric) = (dir.to_owned(), metric.to_owned());
        let (trials, rivals) = (BTreeMap::new(), BTreeMap::new());
        Self { dir, metric, trials, looked_again: None, rivals }
    }

    /// Reads what may have changed.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let looks_again = self.looked_again.is_none_or(|last| last.elapsed() >= LOOK_AGAIN_EVERY);
        if looks_again {
            self.looked_again = Some(Instant::now());
        }
        let entries = fs::read_dir(&self.dir).map_err(|error| failed(error, &self.dir))?;
        let mut there = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(error, &self.dir))?;
            let name = entry.file_name();
            if replace::is_temporary(&name) || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let Some(number) = name.to_str().and_then(number) else { continue };
            let known = self.trials.remove(&number);
            let known = known.filter(|known| known.is_current(&self.dir, looks_again));
            let read = || TrialRecord::read(&self.dir, number, &self.metric);
            there.insert(number, known.unwrap_or_else(read));
        }
        self.trials = there;
        Ok(())
    }

    /// Reads the reports of the trials that are `wanted`, except those whose last reports are known.
    pub(super) fn refresh_rivals(&mut self, wanted: impl Fn(&TrialRecord) -> bool) -> Result<()> {
        self.refresh()?;
        for trial in self.trials.values().filter(|trial| wanted(trial)) {
            let ended = trial.has_ended().then_some(trial.attempts);
            let known = self.rivals.get(&trial.number).and_then(|rival| rival.ended);
            if ended.is_some() && known == ended {
                continue;
            }
            // A file that cannot be read for now says nothing new.
            if let Ok(curve) = reports::read(&self.dir.join(&trial.name)) {
                self.rivals.insert(trial.number, Rival { curve, ended });
            }
        }
        Ok(())
    }

    /// The known reports of the trials that are `wanted`.
    pub(super) fn rivals(
        &self,
        wanted: impl Fn(&TrialRecord) -> bool,
    ) -> impl Iterator<Item = &Curve> {
        let wanted = self.trials.values().filter(move |trial| wanted(trial));
        wanted.filter_map(|trial| self.rivals.get(&trial.number)).map(|rival| &rival.curve)
    }

    /// The number of the next new trial.
    pub(super) fn next_number(&self) -> u64 {
        self.trials.keys().next_back().map_or(0, |last| last.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        assert_eq!((name(7), name(12345)), ("trial-0007".into(), "trial-12345".into()));
        assert_eq!((number("trial-0007"), number("trial-12345")), (Some(7), Some(12345)));
        for other in ["trial-7", "trial-00007", "trial--007", "trial-+007", "trial-", "x-0001"] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn directories_are_trials_whatever_is_in_them() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["trial-0000", "trial-0001", "trial-0003", "other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("trial-0002"), "").unwrap();
        fs::write(dir.path().join("trial-0001").join(crate::meta::FILE), "{").unwrap();
        let mut meta = RunMeta { status: Some(Status::Finished), ..RunMeta::default() };
        meta.summary.insert("loss".into(), crate::meta::Summary::new(0.5));
        meta.write(&dir.path().join("trial-0003")).unwrap();
        let mut history = History::new(dir.path(), "loss");
        history.refresh().unwrap();
        let numbers: Vec<u64> = history.trials.keys().copied().collect();
        assert_eq!((numbers, history.next_number()), (vec![0, 1, 3], 4));
        assert!(history.trials[&0].is_left() && !history.trials[&1].is_left());
        assert!(history.trials[&1].problem.as_ref().unwrap().contains("trial-0001"));
        assert_eq!(history.trials[&3].value, Some(0.5));
        assert!(history.trials[&3].has_ended());
        fs::remove_dir_all(dir.path().join("trial-0003")).unwrap();
        history.refresh().unwrap();
        assert_eq!(history.next_number(), 2);
    }
}
