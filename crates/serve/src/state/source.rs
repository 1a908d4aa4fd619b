//! Log directories that are followed.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use tbx::error::{Effect, Error, ErrorKind, Location, Result};
use tbx::logdir::name_in;
use tbx::{Checksums, Follower, Issue, LoadOptions, News, Payloads, store};

use super::State;
use super::run::Shared;

/// Number of bytes that a poll reads before its result is shown.
const BUDGET: u64 = 16 << 20;

/// A log directory and the name that its runs begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    name: Option<String>,
}

impl Source {
    /// The log directory at `path`, on this machine; it need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), name: None }
    }

    /// The names of its runs begin with `name`, as in TensorBoard's `--logdir_spec`.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// `PATH` or `NAME:PATH`. What exists under the whole text is a path, and so is a URL.
    pub fn parse(text: &str) -> Self {
        let is_path = Path::new(text).exists() || store::is_url(Path::new(text));
        match text.split_once(':') {
            Some((name, path)) if !is_path && !name.is_empty() && !name.contains(['/', '\\']) => {
                Self::new(path).named(name)
            }
            _ => Self::new(text),
        }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name under which a run of this log directory is shown, `several` if there are others.
    fn name_of(&self, run: &str, several: bool) -> String {
        match (&self.name, several) {
            (Some(name), _) if run == "." => name.clone(),
            (Some(name), _) => format!("{name}/{run}"),
            (None, true) => name_in(&self.path, run),
            (None, false) => run.to_owned(),
        }
    }
}

/// Follows several log directories.
pub(crate) struct Watcher {
    followers: Vec<(Source, Follower)>,
    names: Names,
    shared: Shared,
}

impl Watcher {
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a log directory is a URL, is in another one, or has the name of another one.
    pub(crate) fn new(sources: &[Source], options: &LoadOptions) -> Result<Self> {
        if sources.is_empty() {
            return Err(Error::argument("at least one log directory is needed"));
        }
        differ(sources)?;
        // Values that are not scalars are verified when they are read.
        let options = options.clone().payloads(Payloads::Placed).checksums(Checksums::Decoded);
        let follow = |source: &Source| {
            store::local_only(&source.path, "serving")
                .map_err(|error| tbx::error::failed(error, &source.path))?;
            Ok((source.clone(), Follower::new(&source.path, &options).budget(BUDGET)))
        };
        let followers = sources.iter().map(follow).collect::<Result<_>>()?;
        Ok(Self { followers, names: Names::default(), shared: Shared::default() })
    }

    /// Reads what is new, and returns whether there is more to read at once.
    pub(crate) fn poll(&mut self, state: &State, issues: &mut impl FnMut(Vec<Issue>)) -> bool {
        self.read(state, issues, Follower::poll)
    }

    /// Reads everything, and judges the last bytes of all files as if nothing could follow.
    pub(crate) fn finish(&mut self, state: &State, issues: &mut impl FnMut(Vec<Issue>)) {
        self.read(state, issues, Follower::finish);
    }

    fn read(
        &mut self,
        state: &State,
        issues: &mut impl FnMut(Vec<Issue>),
        read: fn(&mut Follower) -> News,
    ) -> bool {
        let mut has_more = false;
        let several = self.followers.len() > 1;
        for (index, (source, follower)) in self.followers.iter_mut().enumerate() {
            let news = read(follower);
            has_more |= news.has_more;
            let mut found = Vec::new();
            let mut names = HashMap::new();
            for run in news.runs.iter().map(|run| &run.name).chain(&news.removed) {
                let (name, is_new) = self.names.shown(index, run, source.name_of(run, several));
                if is_new && name != source.name_of(run, several) {
                    found.push(taken(source, run, &name));
                }
                names.insert(run.clone(), name);
            }
            for run in &news.removed {
                if !news.runs.iter().any(|news| news.name == *run) {
                    self.names.free(index, run);
                }
            }
            let name = |run: &str| names.get(run).cloned().unwrap_or_else(|| run.to_owned());
            found.extend(state.add(name, news, &mut self.shared));
            self.shared.sweep();
            issues(found);
        }
        if !has_more {
            state.is_complete();
        }
        has_more
    }

    /// Makes the next poll look for new and removed runs.
    #[cfg(test)]
    pub(super) fn look_again(&mut self) {
        self.followers.iter_mut().for_each(|(_, follower)| follower.look_again());
    }

    /// Polls as long as the state is in use.
    pub(crate) fn run(
        mut self,
        state: &Weak<State>,
        pause: Duration,
        mut issues: impl FnMut(Vec<Issue>),
    ) {
        while let Some(state) = state.upgrade() {
            let has_more = self.poll(&state, &mut issues);
            drop(state);
            if !has_more {
                std::thread::sleep(pause);
            }
        }
    }

    /// Reads everything once.
    pub(crate) fn run_once(mut self, state: &Weak<State>, mut issues: impl FnMut(Vec<Issue>)) {
        while let Some(state) = state.upgrade() {
            if !self.poll(&state, &mut issues) {
                return self.finish(&state, &mut issues);
            }
        }
    }
}

/// Refuses log directories that would show the same runs twice, or different runs under one name.
fn differ(sources: &[Source]) -> Result<()> {
    let real = |path: &Path| match store::is_url(path) {
        true => path.to_owned(),
        false => path
            .canonicalize()
            .or_else(|_| std::path::absolute(path))
            .unwrap_or_else(|_| path.to_owned()),
    };
    let paths: Vec<PathBuf> = sources.iter().map(|source| real(&source.path)).collect();
    for (i, (source, path)) in sources.iter().zip(&paths).enumerate() {
        for (other, of_other) in sources.iter().zip(&paths).take(i) {
            let what = if path == of_other {
                "are the same"
            } else if path.starts_with(of_other) || of_other.starts_with(path) {
                "contain the same runs"
            } else if source.name.is_some() && source.name == other.name {
                "have the same name"
            } else {
                continue;
            };
            let (one, two) = (other.path.display(), source.path.display());
            return Err(Error::argument(format!("the log directories {one} and {two} {what}")));
        }
    }
    Ok(())
}

/// The issue of a run whose name another log directory has already.
fn taken(source: &Source, run: &str, name: &str) -> Issue {
    let mut location = Location::of(source.path.as_path());
    location.run = Some(run.to_owned());
    let what = "another log directory has a run of this name";
    let kind = ErrorKind::Argument(format!("{what}, so this one is shown as {name:?}"));
    Issue::new(kind, location, Effect::Kept)
}

/// The names under which the runs of all log directories are shown.
#[derive(Default)]
struct Names {
    shown: HashMap<(usize, String), String>,
    taken: HashSet<String>,
}

impl Names {
    /// The name under which run `run` of log directory `source` is shown, and whether it was just given. It is `name`,
    /// if no run has that name.
    fn shown(&mut self, source: usize, run: &str, name: String) -> (String, bool) {
        let key = (source, run.to_owned());
        if let Some(shown) = self.shown.get(&key) {
            return (shown.clone(), false);
        }
        let mut free = name.clone();
        let mut number = 1;
        while !self.taken.insert(free.clone()) {
            number += 1;
            free = format!("{name} ({number})");
        }
        self.shown.insert(key, free.clone());
        (free, true)
    }

    /// The run is gone.
    fn free(&mut self, source: usize, run: &str) {
        if let Some(name) = self.shown.remove(&(source, run.to_owned())) {
            self.taken.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_precede_a_path() {
        assert_eq!(Source::parse("base:runs/1"), Source::new("runs/1").named("base"));
        assert_eq!(Source::parse("runs/1"), Source::new("runs/1"));
        assert_eq!(Source::parse("s3://bucket/x"), Source::new("s3://bucket/x"));
        assert_eq!(Source::parse("runs/a:b"), Source::new("runs/a:b"));
        assert_eq!(Source::parse(":b"), Source::new(":b"));
    }
}
