//! The trials of a sweep, as their directories say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::reports;
use crate::error::{Result, failed};
use crate::meta::{Param, Process, RunMeta, Status, now};
use crate::replace;

/// Prefix of the names of trials.
const PREFIX: &str = "trial-";
/// The key in a trial's metadata that has the number of its attempts.
pub(super) const ATTEMPTS: &str = "attempts";

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
}

impl TrialRecord {
    /// Status at `now`, in seconds since the Unix epoch. A trial that is recorded as running counts as
    /// [killed](Status::Killed) if its worker has missed several heartbeats.
    pub fn status_at(&self, now: f64) -> Option<Status> {
        let meta =
            RunMeta { status: self.status, process: self.process.clone(), ..RunMeta::default() };
        meta.status_at(now)
    }

    /// Whether the trial has ended. One whose worker died has not: another worker takes it up.
    pub fn has_ended(&self) -> bool {
        self.problem.is_some() || self.status.is_some_and(Status::is_final)
    }

    /// Whether a worker may take up the trial: nobody has started it, its worker has given it up, or has died.
    pub(super) fn is_left(&self) -> bool {
        let status = self.status_at(now());
        !self.has_ended() && matches!(status, None | Some(Status::Scheduled | Status::Killed))
    }

    fn read(dir: &Path, number: u64, metric: &str) -> Self {
        let record = Self { number, name: name(number), ..Self::default() };
        match RunMeta::read(&dir.join(&record.name)) {
            // Its worker died before it wrote the file, or is about to write it.
            Ok(None) => record,
            Ok(Some(meta)) => {
                let summary = meta.summary.get(metric);
                let attempts = meta.other.get(ATTEMPTS).and_then(serde_json::Value::as_u64);
                Self {
                    status: meta.status,
                    value: summary.map(|summary| summary.value),
                    step: summary.and_then(|summary| summary.step),
                    attempts: attempts.unwrap_or(1),
                    start_time: meta.start_time,
                    end_time: meta.end_time,
                    params: meta.params,
                    process: meta.process,
                    ..record
                }
            }
            Err(error) => Self { problem: Some(error.to_string()), ..record },
        }
    }
}

/// The trials in a sweep's directory. What has ended is read once.
#[derive(Debug)]
pub(super) struct History {
    dir: PathBuf,
    metric: String,
    pub(super) trials: BTreeMap<u64, TrialRecord>,
    reports: BTreeMap<u64, Vec<(i64, f64)>>,
}

impl History {
    pub(super) fn new(dir: &Path, metric: &str) -> Self {
        let (dir, metric) = (dir.to_owned(), metric.to_owned());
        Self { dir, metric, trials: BTreeMap::new(), reports: BTreeMap::new() }
    }

    /// Reads what may have changed.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let entries = fs::read_dir(&self.dir).map_err(|error| failed(error, &self.dir))?;
        let mut there = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(error, &self.dir))?;
            let name = entry.file_name();
            if replace::is_temporary(&name) || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let Some(number) = name.to_str().and_then(number) else { continue };
            // A program that is a run itself ends it before its worker has recorded the value.
            let is_known = |known: &TrialRecord| {
                let has_all = known.value.is_some() || known.status != Some(Status::Finished);
                known.has_ended() && (has_all || self.metric.is_empty())
            };
            let known = self.trials.remove(&number).filter(is_known);
            let read = || TrialRecord::read(&self.dir, number, &self.metric);
            there.insert(number, known.unwrap_or_else(read));
        }
        self.trials = there;
        Ok(())
    }

    /// Reads the reports of all trials but one, unless they have not changed.
    pub(super) fn refresh_reports(&mut self, except: u64) -> Result<()> {
        self.refresh()?;
        for (number, trial) in &self.trials {
            let is_known = trial.has_ended() && self.reports.contains_key(number);
            if *number == except || is_known {
                continue;
            }
            // A file that cannot be read says nothing about other trials.
            let read = reports::read(&self.dir.join(&trial.name)).unwrap_or_default();
            self.reports.insert(*number, read);
        }
        Ok(())
    }

    /// The reports of a trial.
    pub(super) fn reports(&self, number: u64) -> &[(i64, f64)] {
        self.reports.get(&number).map_or(&[], Vec::as_slice)
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
