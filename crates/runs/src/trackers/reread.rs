//! Reads a log directory again and again: each time only the directories that have changed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use tbx::error::{ErrorKind, Issue, Report, Result};
use tbx::logdir::{LoadOptions, Logdir, Run, RunFiles};
use tbx::meta::{self, RunMeta};

/// The state of the files of a directory. Another one means that there is something new to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    log: Vec<(OsString, Option<State>)>,
    /// Of `tbx.json` and `hparams.yaml`.
    side: [Option<State>; 2],
}

/// Size in bytes and time of the last change.
type State = (u64, Option<SystemTime>);

impl Stamp {
    fn of(run: &RunFiles) -> Self {
        let state = |name: &OsStr| {
            let found = run.path.join(name).metadata().ok()?;
            Some((found.len(), found.modified().ok()))
        };
        let log = run.files.iter().map(|name| (name.clone(), state(name))).collect();
        Self { log, side: [meta::FILE, meta::yaml::FILE].map(|name| state(name.as_ref())) }
    }

    /// Whether the event files are the same, whatever the other files are.
    pub(crate) fn has_same_log(&self, other: &Self) -> bool {
        self.log == other.log
    }

    /// Whether only `tbx.json` is another one.
    fn has_other_meta(&self, other: &Self) -> bool {
        let ([meta, yaml], [other_meta, other_yaml]) = (&self.side, &other.side);
        self.has_same_log(other) && yaml == other_yaml && meta != other_meta
    }
}

/// The directories of a log directory as they were read last.
#[derive(Debug)]
pub(crate) struct Reread<T> {
    /// By name of the directory; `None` if nothing is kept.
    seen: Option<HashMap<String, Seen<T>>>,
    /// The directories that were read last, as far as they are small.
    fresh: HashMap<String, Run>,
}

/// Maximum number of points of the directories that are kept in memory after they were read: about 30 MB.
const MAX_FRESH: usize = 1 << 20;

#[derive(Debug)]
struct Seen<T> {
    stamp: Stamp,
    /// `None` if no file of the directory is an event file.
    found: Option<T>,
}

impl<T: Clone + Send> Reread<T> {
    /// For a job that reads once.
    pub(crate) fn once() -> Self {
        Self { seen: None, fresh: HashMap::new() }
    }

    /// Keeps what was read, for a job that reads again. `logdir` has to be local then.
    pub(crate) fn keeping() -> Self {
        Self { seen: Some(HashMap::new()), fresh: HashMap::new() }
    }

    /// The result of `read` for each run, in the order of their names. The report has the issues of those that were
    /// read now. `with_meta` makes the result for a directory in which only `tbx.json` has changed; if it makes none, the
    /// directory is read.
    pub(crate) fn map(
        &mut self,
        logdir: &Logdir,
        options: &LoadOptions,
        read: impl Fn(&Run) -> Result<(T, Vec<Issue>)> + Sync,
        with_meta: impl Fn(&T, &RunMeta) -> Option<T>,
    ) -> Result<(Vec<T>, Report)> {
        let Some(seen) = &mut self.seen else {
            let (found, mut report) = logdir.map_runs(options, |run| read(&run))?;
            let mut all = Vec::with_capacity(found.len());
            for found in found {
                let (found, issues) = found?;
                all.push(found);
                report.issues.extend(issues);
            }
            return Ok((all, report));
        };
        // Before the files are read, so that what is added meanwhile is read the next time.
        let stamps: HashMap<&str, Stamp> =
            logdir.runs().iter().map(|run| (run.name.as_str(), Stamp::of(run))).collect();
        for run in logdir.runs() {
            if let (Some(seen), Some(stamp)) = (seen.get_mut(&run.name), stamps.get(&*run.name))
                && seen.stamp.has_other_meta(stamp)
                && let Ok(Some(meta)) = RunMeta::read_in(&run.path, options.links())
                && let Some(found) = seen.found.as_ref().and_then(|found| with_meta(found, &meta))
            {
                *seen = Seen { stamp: stamp.clone(), found: Some(found) };
            }
        }
        seen.retain(|name, seen| stamps.get(name.as_str()) == Some(&seen.stamp));
        let changed = logdir.only(|run| !seen.contains_key(&run.name));
        self.fresh.clear();
        let points = AtomicUsize::new(0);
        let (found, mut report) = changed.map_runs(options, |run| {
            let found = read(&run);
            let own = run.series.iter().map(|series| series.len()).sum::<usize>();
            let is_kept = points.fetch_add(own, Ordering::Relaxed).saturating_add(own) <= MAX_FRESH;
            (found, run.name.clone(), is_kept.then_some(run))
        })?;
        let mut new = HashMap::with_capacity(found.len());
        for (found, name, run) in found {
            let (found, issues) = found?;
            self.fresh.extend(run.map(|run| (name.clone(), run)));
            new.insert(name, found);
            report.issues.extend(issues);
        }
        // A file that cannot be read now may be readable later, without a change.
        let unread = |run: &RunFiles| {
            let is_io = |issue: &&Issue| matches!(issue.kind, ErrorKind::Io(_));
            let mut paths = report.issues.iter().filter(is_io).flat_map(|i| &i.location.path);
            paths.any(|path| path.parent() == Some(&run.path))
        };
        for run in changed.runs() {
            let found = new.remove(&run.name);
            if found.is_none() && unread(run) {
                continue;
            }
            let stamp = stamps.get(run.name.as_str()).cloned().unwrap_or_default();
            seen.insert(run.name.clone(), Seen { stamp, found });
        }
        report.issues.extend(logdir.issues().iter().cloned());
        let all = logdir.runs().iter().filter_map(|run| seen.get(&run.name)?.found.clone());
        Ok((all.collect(), report))
    }

    /// The state of the files of these directories when they were last read.
    pub(crate) fn stamp<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> Vec<Stamp> {
        let seen = self.seen.as_ref();
        let stamp = |name| Some(seen?.get(name)?.stamp.clone());
        names.into_iter().map(|name| stamp(name).unwrap_or_default()).collect()
    }

    /// Takes the directories that were read last, as far as they are in memory, by name.
    #[cfg(feature = "mlflow")]
    pub(crate) fn take_fresh(&mut self) -> HashMap<String, Run> {
        std::mem::take(&mut self.fresh)
    }

    /// Whether something is kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.seen.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tbx::SummaryWriter;

    #[test]
    fn only_what_has_changed_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let add = |run: &str| {
            let writer = SummaryWriter::create(dir.path().join(run)).unwrap();
            writer.add_scalar("x", 1.0, 0).unwrap();
            writer.close().unwrap();
        };
        let (mut kept, reads) = (Reread::keeping(), AtomicUsize::new(0));
        let mut points = || -> (Vec<usize>, usize) {
            let logdir = Logdir::open(dir.path()).unwrap();
            let read = |run: &Run| {
                reads.fetch_add(1, Ordering::Relaxed);
                Ok((run.files.len(), Vec::new()))
            };
            let same = |files: &usize, meta: &RunMeta| meta.id.as_ref().map(|_| *files);
            let (found, _) = kept.map(&logdir, &LoadOptions::new(), read, same).unwrap();
            (found, reads.swap(0, Ordering::Relaxed))
        };
        add("a");
        add("b");
        assert_eq!(points(), (vec![1, 1], 2));
        assert_eq!(points(), (vec![1, 1], 0));
        add("a");
        assert_eq!(points(), (vec![2, 1], 1));
        std::fs::write(dir.path().join("b/tbx.json"), "{}").unwrap();
        assert_eq!(points(), (vec![2, 1], 1));
        // The data that comes from `tbx.json` alone.
        std::fs::write(dir.path().join("b/tbx.json"), r#"{"schema": "tbx.run/1", "id": "x"}"#)
            .unwrap();
        assert_eq!(points(), (vec![2, 1], 0));
        std::fs::remove_dir_all(dir.path().join("a")).unwrap();
        add("c");
        assert_eq!(points(), (vec![1, 1], 1));
    }
}
