//! Log directories that are followed.

use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use tbx::error::Result;
use tbx::logdir::name_in;
use tbx::{Checksums, Follower, Issue, LoadOptions, Payloads, store};

use super::State;

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
}

/// Follows several log directories.
pub(crate) struct Watcher {
    followers: Vec<(Source, Follower)>,
    several: bool,
}

impl Watcher {
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): a log directory is a URL.
    pub(crate) fn new(sources: &[Source], options: &LoadOptions) -> Result<Self> {
        // Values that are not scalars are verified when they are read.
        let options = options.clone().payloads(Payloads::Placed).checksums(Checksums::Decoded);
        let follow = |source: &Source| {
            store::local_only(&source.path, "serving")
                .map_err(|error| tbx::error::failed(error, &source.path))?;
            Ok((source.clone(), Follower::new(&source.path, &options).budget(BUDGET)))
        };
        let followers = sources.iter().map(follow).collect::<Result<_>>()?;
        Ok(Self { followers, several: sources.len() > 1 })
    }

    /// Reads what is new, and returns whether there is more to read at once.
    pub(crate) fn poll(&mut self, state: &State, issues: &mut impl FnMut(Vec<Issue>)) -> bool {
        let mut has_more = false;
        for (source, follower) in &mut self.followers {
            let news = follower.poll();
            has_more |= news.has_more;
            let name = |run: &str| match (&source.name, self.several) {
                (Some(name), _) if run == "." => name.clone(),
                (Some(name), _) => format!("{name}/{run}"),
                (None, true) => name_in(&source.path, run),
                (None, false) => run.to_owned(),
            };
            issues(state.add(name, news));
        }
        if !has_more {
            state.is_complete();
        }
        has_more
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
