//! Runs of the result, and the files that each consists of.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::report::JoinedRun;
use tbx::error::{Error, Result};
use tbx::logdir::RunFiles;
use tbx::safe_name;

/// A run of the result.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: String,
    /// Its directory, as if it were in the logs.
    pub(super) path: PathBuf,
    /// The files that it consists of, in the order in which they are read.
    pub(super) files: Vec<PathBuf>,
    /// For each file, the index of its run among the joined runs; empty if none are joined.
    stages: Vec<usize>,
}

/// The runs that the edit produces.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) all: Vec<Job>,
    /// The indices of runs that share their sessions and whose steps continue together.
    pub(super) groups: Vec<Vec<usize>>,
    pub(super) joined: Vec<JoinedRun>,
    /// Directories whose other files move to another directory, the one of the first joined run.
    pub(super) moved: HashMap<PathBuf, PathBuf>,
}

/// Runs to join into one, see [`Edit::join`](super::Edit::join).
#[derive(Debug, Clone)]
pub(super) struct Join {
    pub(super) runs: Vec<String>,
    pub(super) into: String,
}

impl Job {
    fn of(run: &RunFiles) -> Self {
        let files = run.files.iter().map(|name| run.path.join(name)).collect();
        let (name, path) = (run.name.clone(), run.path.clone());
        Self { name, path, files, stages: Vec::new() }
    }

    /// Whether it consists of several runs: then its files become one file.
    pub(super) fn is_joined(&self) -> bool {
        !self.stages.is_empty()
    }

    /// The index of a file's run among the joined runs.
    pub(super) fn stage(&self, file: usize) -> usize {
        self.stages.get(file).copied().unwrap_or(0)
    }
}

impl Jobs {
    /// The jobs for the kept runs of the logs in `root`. With `parts`, the steps of runs continue, together for
    /// runs that are parts of one.
    pub(super) fn of(
        joins: &[Join],
        parts: Option<&[Vec<String>]>,
        runs: &[&RunFiles],
        root: &Path,
    ) -> Result<Self> {
        let mut jobs = Self::default();
        // The join that each run belongs to.
        let mut taken: HashMap<&str, &str> = HashMap::new();
        for join in joins {
            let first = jobs.all.len();
            for ((name, path), members) in members(join, runs, root)? {
                jobs.join(join, name, path, &members, &mut taken)?;
            }
            jobs.groups.push((first..jobs.all.len()).collect());
        }
        let joined = jobs.all.len();
        let others = runs.iter().filter(|run| !taken.contains_key(run.name.as_str()));
        jobs.all.extend(others.map(|run| Job::of(run)));
        let mut places: HashMap<&Path, &str> = HashMap::new();
        for job in &jobs.all {
            if let Some(other) = places.insert(&job.path, &job.name) {
                let into = &job.name;
                return Err(Error::argument(format!(
                    "two runs would both be called {other:?} ({into:?}): choose another name for \
                     the joined run"
                )));
            }
        }
        if let Some(parts) = parts {
            jobs.group(joined, parts);
        }
        Ok(jobs)
    }

    fn join<'r>(
        &mut self,
        join: &'r Join,
        name: String,
        path: PathBuf,
        members: &[(usize, &'r RunFiles)],
        taken: &mut HashMap<&'r str, &'r str>,
    ) -> Result<()> {
        let mut job = Job { name, path, files: Vec::new(), stages: Vec::new() };
        for (stage, run) in members {
            if let Some(other) = taken.insert(&run.name, &join.into) {
                let (run, into) = (&run.name, &join.into);
                return Err(Error::argument(format!(
                    "run {run:?} would be joined twice, into {other:?} and {into:?}"
                )));
            }
            job.files.extend(run.files.iter().map(|name| run.path.join(name)));
            job.stages.resize(job.files.len(), *stage);
        }
        if let Some((_, first)) = members.first().filter(|(_, first)| first.path != job.path) {
            self.moved.insert(first.path.clone(), job.path.clone());
        }
        let runs = members.iter().map(|(_, run)| run.name.clone()).collect();
        let dirs = members.iter().map(|(_, run)| run.path.clone()).collect();
        self.joined.push(JoinedRun { run: job.name.clone(), runs, dirs });
        self.all.push(job);
        Ok(())
    }

    /// Groups the runs from an index on by the runs that they are parts of.
    fn group(&mut self, from: usize, parts: &[Vec<String>]) {
        let group: HashMap<&str, usize> = parts
            .iter()
            .enumerate()
            .flat_map(|(i, names)| names.iter().map(move |name| (name.as_str(), i)))
            .collect();
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, job) in self.all.iter().enumerate().skip(from) {
            match group.get(job.name.as_str()) {
                Some(group) => groups.entry(*group).or_default().push(i),
                None => self.groups.push(vec![i]),
            }
        }
        self.groups.extend(groups.into_values());
    }
}

/// For each run of the result, by name and directory, the runs that become it, each with its index.
type Members<'r> = BTreeMap<(String, PathBuf), Vec<(usize, &'r RunFiles)>>;

/// The runs that are joined, by the result: the run itself and each run below it.
fn members<'r>(join: &Join, runs: &[&'r RunFiles], root: &Path) -> Result<Members<'r>> {
    let encoded = join.into.split('/').filter(|part| !part.is_empty() && *part != ".");
    let encoded: Vec<_> = encoded.map(safe_name::encode).collect();
    let (into, place) = match encoded.is_empty() {
        true => (".".to_owned(), root.to_owned()),
        false => (encoded.join("/"), root.join(encoded.join("/"))),
    };
    let mut members: Members<'r> = BTreeMap::new();
    for (stage, name) in join.runs.iter().enumerate() {
        let dir = if name == "." { root.to_owned() } else { root.join(name) };
        let mut is_there = false;
        for run in runs {
            let below = match run.name == *name {
                true => Path::new(""),
                false if name == "." => continue,
                false => match run.path.strip_prefix(&dir) {
                    Ok(below) => below,
                    Err(_) => continue,
                },
            };
            is_there = true;
            let (name, path) = match (below.as_os_str().is_empty(), into.as_str()) {
                (true, _) => (into.clone(), place.clone()),
                (false, ".") => (below.to_string_lossy().into_owned(), place.join(below)),
                (false, _) => (format!("{into}/{}", below.to_string_lossy()), place.join(below)),
            };
            members.entry((name, path)).or_default().push((stage, run));
        }
        if !is_there {
            let some: Vec<_> = runs.iter().take(5).map(|run| run.name.as_str()).collect();
            let more = if runs.len() > 5 { ", ..." } else { "" };
            let some = some.join(", ");
            return Err(Error::argument(format!(
                "no run {name:?} to join, and no run below it; the runs are {some}{more}"
            )));
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str) -> RunFiles {
        RunFiles::new(name.into(), Path::new("/logs").join(name), Vec::new())
    }

    #[test]
    fn directories_of_runs_are_joined_run_by_run() {
        let runs = ["fit1/train", "fit1/val", "fit2/train", "fit10/train"].map(run);
        let runs: Vec<&RunFiles> = runs.iter().collect();
        let join = Join { runs: vec!["fit2".into(), "fit1".into()], into: "all".into() };
        let members = members(&join, &runs, Path::new("/logs")).unwrap();
        let found: Vec<(String, Vec<&str>)> = members
            .into_iter()
            .map(|((name, _), of)| (name, of.iter().map(|(_, run)| run.name.as_str()).collect()))
            .collect();
        let expected = [
            ("all/train".to_owned(), vec!["fit2/train", "fit1/train"]),
            ("all/val".to_owned(), vec!["fit1/val"]),
        ];
        assert_eq!(found, expected);
    }
}
