//! Reads a log directory again and again: each time only the directories that have changed.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::SystemTime;

use tbx::error::{Issue, Report, Result};
use tbx::logdir::{LoadOptions, Logdir, Run, RunFiles};
use tbx::meta;

/// The state of the files of a directory. Another one means that there is something new to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<(OsString, Option<(u64, Option<SystemTime>)>)>);

impl Stamp {
    fn of(run: &RunFiles) -> Self {
        let side = [meta::FILE, meta::yaml::FILE].map(OsString::from);
        let names = run.files.iter().cloned().chain(side);
        let state = |name: OsString| {
            let found = run.path.join(&name).metadata().ok();
            (name, found.map(|file| (file.len(), file.modified().ok())))
        };
        Self(names.map(state).collect())
    }
}

/// What was read of each directory of a log directory.
#[derive(Debug)]
pub(crate) struct Reread<T> {
    /// By name of the directory; `None` if nothing is kept.
    seen: Option<HashMap<String, Seen<T>>>,
}

#[derive(Debug)]
struct Seen<T> {
    stamp: Stamp,
    /// `None` if no file of the directory is an event file.
    found: Option<T>,
}

impl<T: Clone + Send> Reread<T> {
    /// For a job that reads once.
    pub(crate) fn once() -> Self {
        Self { seen: None }
    }

    /// Keeps what was read, for a job that reads again. `logdir` has to be local then.
    pub(crate) fn keeping() -> Self {
        Self { seen: Some(HashMap::new()) }
    }

    /// The result of `read` for each run, in the order of their names. The report has the issues of those that were
    /// read now.
    pub(crate) fn map(
        &mut self,
        logdir: &Logdir,
        options: &LoadOptions,
        read: impl Fn(&Run) -> Result<(T, Vec<Issue>)> + Sync,
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
        seen.retain(|name, seen| stamps.get(name.as_str()) == Some(&seen.stamp));
        let changed = logdir.only(|run| !seen.contains_key(&run.name));
        let (found, mut report) = changed.map_runs(options, |run| (read(&run), run.name))?;
        let mut new = HashMap::with_capacity(found.len());
        for (found, name) in found {
            let (found, issues) = found?;
            new.insert(name, found);
            report.issues.extend(issues);
        }
        report.issues.extend(logdir.issues().iter().cloned());
        for run in changed.runs() {
            let stamp = stamps.get(run.name.as_str()).cloned().unwrap_or_default();
            seen.insert(run.name.clone(), Seen { stamp, found: new.remove(&run.name) });
        }
        let all = logdir.runs().iter().filter_map(|run| seen.get(&run.name)?.found.clone());
        Ok((all.collect(), report))
    }

    /// The state of the files of these directories when they were last read.
    pub(crate) fn stamp<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> Vec<Stamp> {
        let seen = self.seen.as_ref();
        let stamp = |name| Some(seen?.get(name)?.stamp.clone());
        names.into_iter().map(|name| stamp(name).unwrap_or_default()).collect()
    }

    /// Whether something is kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.seen.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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
            let (found, _) = kept.map(&logdir, &LoadOptions::new(), read).unwrap();
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
        std::fs::remove_dir_all(dir.path().join("a")).unwrap();
        add("c");
        assert_eq!(points(), (vec![1, 1], 1));
    }
}
