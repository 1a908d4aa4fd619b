//! The state of the log directories: what the page may ask for.
//!
//! Scalars are in memory with their exact values. Of everything else, only the places in the log are, and values are
//! read when they are asked for.

mod read;
mod run;
mod sample;
mod series;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use tbx::{Issue, News};

pub(crate) use self::read::{Blob, blobs};
pub(crate) use self::run::Run;
use self::run::Shared;
use self::series::KEPT_POINTS;
pub(crate) use self::series::{Point, Series};
pub use self::source::Source;
pub(crate) use self::source::Watcher;

/// How long after the start answers wait for the first complete load.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of all runs, by name.
#[derive(Default)]
pub(crate) struct Runs {
    by_name: BTreeMap<String, Run>,
    shared: Shared,
}

impl Runs {
    pub(crate) fn get(&self, name: &str) -> Option<&Run> {
        self.by_name.get(name)
    }

    /// All runs, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Run)> {
        self.by_name.iter().map(|(name, run)| (name.as_str(), run))
    }

    /// The series of a run, plugin and tag.
    pub(crate) fn series(&self, run: &str, plugin: &str, tag: &str) -> Option<&Series> {
        self.get(run)?.get(plugin, tag)
    }

    /// All series of a plugin, by run and then by tag.
    pub(crate) fn of_plugin(&self, plugin: &str) -> impl Iterator<Item = (&str, &[Series])> {
        self.iter()
            .map(move |(name, run)| (name, run.of_plugin(plugin)))
            .filter(|(_, series)| !series.is_empty())
    }

    /// Names of all runs, in the order in which they started, then by name. Runs without a time are last.
    pub(crate) fn in_order(&self) -> Vec<&str> {
        let mut runs: Vec<_> = self.iter().collect();
        let time = |run: &Run| run.start_time.unwrap_or(f64::INFINITY);
        runs.sort_by(|(a, x), (b, y)| time(x).total_cmp(&time(y)).then_with(|| a.cmp(b)));
        runs.into_iter().map(|(name, _)| name).collect()
    }
}

/// The state, shared between the thread that reads and those that answer.
pub(crate) struct State {
    started: Instant,
    runs: RwLock<Runs>,
    samples: Samples,
    is_loaded: Mutex<bool>,
    loaded: Condvar,
}

impl State {
    pub(crate) fn new(samples: Samples) -> Self {
        Self {
            started: Instant::now(),
            runs: RwLock::default(),
            samples,
            is_loaded: Mutex::default(),
            loaded: Condvar::default(),
        }
    }

    /// The current data; waits for the first complete load, but not forever.
    pub(crate) fn runs(&self) -> RwLockReadGuard<'_, Runs> {
        let end = self.started + PATIENCE;
        let mut is_loaded = self.lock();
        while !*is_loaded {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.loaded.wait_timeout(is_loaded, left);
            is_loaded = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(is_loaded);
        self.runs_now()
    }

    /// The current data, even if the first load is not complete.
    pub(crate) fn runs_now(&self) -> RwLockReadGuard<'_, Runs> {
        self.runs.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Answers no longer wait for data.
    fn is_complete(&self) {
        *self.lock() = true;
        self.loaded.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what a source has found, and returns the issues.
    fn add(&self, name: impl Fn(&str) -> String, news: News) -> Vec<Issue> {
        if !news.is_empty() {
            let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
            let Runs { by_name, shared } = &mut *runs;
            for run in &news.removed {
                by_name.remove(&name(run));
            }
            for run in news.runs {
                let known = by_name.entry(name(&run.name)).or_default();
                known.add(run, shared, |plugin| self.samples.kept(plugin));
            }
        }
        news.issues
    }
}

/// Numbers of points that are shown of a series, by plugin.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// `None` is all points.
    by_plugin: BTreeMap<String, Option<usize>>,
}

impl Samples {
    /// TensorBoard's numbers: 1000 scalars, 500 histograms (51 in the dashboards Time Series and Histograms), 100
    /// texts, PR curves and meshes, 10 images and audio clips.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of points of series of `plugin`, such as `scalars`. `None` is all points.
    #[must_use]
    pub fn plugin(mut self, plugin: impl Into<String>, count: Option<usize>) -> Self {
        self.by_plugin.insert(plugin.into(), count);
        self
    }

    /// The number of points that are shown, where TensorBoard shows `usual`; `None` is all.
    pub(crate) fn shown(&self, plugin: &str, usual: usize) -> Option<usize> {
        self.by_plugin.get(plugin).copied().unwrap_or(Some(usual))
    }

    /// Whether all points of series of a plugin were asked for.
    pub(crate) fn shows_all(&self, plugin: &str) -> bool {
        self.by_plugin.get(plugin).is_some_and(Option::is_none)
    }

    /// The number of points that are kept; `None` is all.
    fn kept(&self, plugin: &str) -> Option<usize> {
        let asked = self.by_plugin.get(plugin).copied().unwrap_or(Some(0));
        asked.map(|count| count.saturating_mul(8).max(KEPT_POINTS))
    }
}
