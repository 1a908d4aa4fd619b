//! Log directories that are followed.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
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
    /// The log directory at `path`, which need not exist yet. With the feature `remote`, `path` may be a
    /// [URL](tbx::store); its password or signature is used and not shown.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: store::enter(path.into()), name: None }
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

    /// The path; a URL without its user, password and signature.
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
    followers: Vec<Followed>,
    several: bool,
    common: Arc<Common>,
    /// Whether everything has been read once.
    is_complete: bool,
}

/// A log directory that is followed.
struct Followed {
    /// Its number among all log directories.
    number: usize,
    source: Source,
    follower: Follower,
}

/// The common state of the watchers of all log directories.
#[derive(Default)]
struct Common {
    state: Mutex<(Names, Shared)>,
    /// Number of watchers that have not read everything yet.
    loading: AtomicUsize,
}

impl Watcher {
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a log directory is in another one, or has the name of another one; or there is none.
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): a URL is not valid.
    pub(crate) fn new(sources: &[Source], options: &LoadOptions) -> Result<Self> {
        if sources.is_empty() {
            return Err(Error::argument("at least one log directory is needed"));
        }
        for Source { path, .. } in sources {
            store::check(path).map_err(|error| tbx::error::failed(error, path))?;
        }
        differ(sources)?;
        // Values that are not scalars are verified when they are read.
        let options = options.clone().payloads(Payloads::Placed).checksums(Checksums::Decoded);
        let follow = |(number, source): (usize, &Source)| {
            let follower = Follower::new(&source.path, &options).budget(BUDGET);
            Followed { number, source: source.clone(), follower }
        };
        let followers = sources.iter().enumerate().map(follow).collect();
        Ok(Self::of(followers, sources.len() > 1, Arc::default()))
    }

    fn of(followers: Vec<Followed>, several: bool, common: Arc<Common>) -> Self {
        common.loading.fetch_add(1, Ordering::Relaxed);
        Self { followers, several, common, is_complete: false }
    }

    /// One watcher for each URL, and one for all other log directories: a server that does not answer keeps nothing
    /// else waiting.
    fn apart(self) -> Vec<Self> {
        let Self { followers, several, common, .. } = self;
        common.loading.store(0, Ordering::Relaxed);
        let is_url = |followed: &Followed| store::is_url(&followed.source.path);
        let (urls, local): (Vec<_>, Vec<_>) = followers.into_iter().partition(is_url);
        let groups = urls.into_iter().map(|followed| vec![followed]);
        let groups = groups.chain(Some(local).filter(|local| !local.is_empty()));
        groups.map(|group| Self::of(group, several, common.clone())).collect()
    }

    /// Reads what is new, and returns whether there is more to read at once.
    pub(crate) fn poll(&mut self, state: &State, issues: &mut impl FnMut(Vec<Issue>)) -> bool {
        self.read(state, issues, Follower::poll)
    }

    /// Reads everything, and judges the last bytes of all files as if nothing could follow. Returns the first log
    /// directory that cannot be listed, of which nothing is known.
    pub(crate) fn finish(
        &mut self,
        state: &State,
        issues: &mut impl FnMut(Vec<Issue>),
    ) -> Option<&Path> {
        self.read(state, issues, Follower::finish);
        let unknown = self.followers.iter().find(|followed| followed.follower.is_unknown());
        unknown.map(|followed| followed.source.path())
    }

    fn read(
        &mut self,
        state: &State,
        issues: &mut impl FnMut(Vec<Issue>),
        read: fn(&mut Follower) -> News,
    ) -> bool {
        let mut has_more = false;
        for followed in &mut self.followers {
            let news = read(&mut followed.follower);
            has_more |= news.has_more;
            issues(self.common.add(followed, self.several, news, state));
        }
        if !has_more && !std::mem::replace(&mut self.is_complete, true) {
            let before = self.common.loading.fetch_sub(1, Ordering::Relaxed);
            if before <= 1 {
                state.is_complete();
            }
        }
        has_more
    }

    /// Makes the next poll look for new and removed runs.
    #[cfg(test)]
    pub(super) fn look_again(&mut self) {
        self.followers.iter_mut().for_each(|followed| followed.follower.look_again());
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

    /// The jobs of the threads that keep `state` up to date. With a `pause` between two polls; without one, they
    /// read everything once.
    pub(crate) fn jobs(
        self,
        state: &Weak<State>,
        pause: Option<Duration>,
        issues: impl FnMut(Vec<Issue>) + Send + 'static,
    ) -> impl Iterator<Item = impl FnOnce() + Send + 'static> {
        let issues = Arc::new(Mutex::new(issues));
        self.apart().into_iter().map(move |watcher| {
            let (state, issues) = (state.clone(), issues.clone());
            let say = move |found: Vec<Issue>| {
                let mut issues = issues.lock().unwrap_or_else(PoisonError::into_inner);
                issues(found);
            };
            move || match pause {
                Some(pause) => watcher.run(&state, pause, say),
                None => watcher.run_once(&state, say),
            }
        })
    }

    /// Reads everything once.
    pub(crate) fn run_once(mut self, state: &Weak<State>, mut issues: impl FnMut(Vec<Issue>)) {
        while let Some(state) = state.upgrade() {
            if !self.poll(&state, &mut issues) {
                self.finish(&state, &mut issues);
                return;
            }
        }
    }
}

impl Common {
    /// Adds what a log directory has, and returns the issues.
    fn add(&self, followed: &Followed, several: bool, news: News, state: &State) -> Vec<Issue> {
        let Followed { number, source, .. } = followed;
        let mut common = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (shown, shared) = &mut *common;
        let mut found = Vec::new();
        let mut names = HashMap::new();
        for run in news.runs.iter().map(|run| &run.name).chain(&news.removed) {
            let (name, is_new) = shown.shown(*number, run, source.name_of(run, several));
            if is_new && name != source.name_of(run, several) {
                found.push(taken(source, run, &name));
            }
            names.insert(run.clone(), name);
        }
        for run in &news.removed {
            if !news.runs.iter().any(|news| news.name == *run) {
                shown.free(*number, run);
            }
        }
        let name = |run: &str| names.get(run).cloned().unwrap_or_else(|| run.to_owned());
        found.extend(state.add(name, news, shared));
        shared.sweep();
        found
    }
}

/// The place of a log directory, for comparisons: without links, and a bucket by one name.
fn place(path: &Path) -> PathBuf {
    if !store::is_url(path) {
        return path
            .canonicalize()
            .or_else(|_| std::path::absolute(path))
            .unwrap_or_else(|_| path.to_owned());
    }
    let text = path.to_string_lossy();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", &text));
    let scheme = scheme.to_ascii_lowercase();
    let scheme = match scheme.as_str() {
        "s3a" => "s3",
        "azure" | "adl" | "abfs" | "abfss" => "az",
        other => other,
    };
    format!("{scheme}://{rest}").into()
}

/// Refuses log directories that would show the same runs twice, or different runs under one name.
fn differ(sources: &[Source]) -> Result<()> {
    let paths: Vec<PathBuf> = sources.iter().map(|source| place(&source.path)).collect();
    // On a web server, a log directory is a single file.
    let is_web = |path: &Path| path.starts_with("http:") || path.starts_with("https:");
    for (i, (source, path)) in sources.iter().zip(&paths).enumerate() {
        for (other, of_other) in sources.iter().zip(&paths).take(i) {
            let what = if path == of_other {
                "are the same"
            } else if (path.starts_with(of_other) || of_other.starts_with(path)) && !is_web(path) {
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
    fn urls_that_contain_each_other_are_refused() {
        let differ = |one: &str, two: &str| {
            let sources = [Source::new(one), Source::new(two)];
            differ(&sources).map_err(|error| error.to_string())
        };
        for (one, two, what) in [
            ("s3://b/x", "s3://b/x/", "are the same"),
            ("s3://b/x", "S3A://b/x", "are the same"),
            ("az://c/x", "abfs://c/x", "are the same"),
            ("s3://b", "s3://b/x/y", "contain the same runs"),
            ("s3a://b/x/y", "s3://b/x", "contain the same runs"),
            ("https://h/x", "https://h/x", "are the same"),
        ] {
            let said = differ(one, two).unwrap_err();
            assert_eq!(said, format!("the log directories {one} and {two} {what}"));
        }
        for (one, two) in [
            ("s3://b/x", "s3://b/x y"),
            ("s3://b/x", "s3://c/x"),
            ("s3://b/x", "gs://b/x"),
            ("s3://b/x", "b/x"),
            ("https://h/x", "https://h/x/y"),
            ("https://h/x", "http://h/x"),
        ] {
            differ(one, two).unwrap();
        }
    }

    #[test]
    fn a_name_may_precede_a_path() {
        assert_eq!(Source::parse("base:runs/1"), Source::new("runs/1").named("base"));
        assert_eq!(Source::parse("runs/1"), Source::new("runs/1"));
        assert_eq!(Source::parse("s3://bucket/x"), Source::new("s3://bucket/x"));
        assert_eq!(Source::parse("runs/a:b"), Source::new("runs/a:b"));
        assert_eq!(Source::parse(":b"), Source::new(":b"));
        assert_eq!(Source::parse("base:s3://b/x"), Source::new("s3://b/x").named("base"));
        assert_eq!(Source::parse("s3://b/a:b"), Source::new("s3://b/a:b"));
    }
}
