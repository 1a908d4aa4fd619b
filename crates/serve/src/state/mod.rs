//! The state of the log directories: what the page may ask for.
//!
//! Scalars are in memory with their exact values. Of everything else, only the places in the log are, and values are
//! read when they are asked for.

mod count;
mod read;
mod run;
mod sample;
mod series;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tbx::{Issue, News};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::read::{Blob, blobs};
pub(crate) use self::run::Run;
use self::run::Shared;
use self::series::KEPT_POINTS;
pub(crate) use self::series::{Point, Series};
pub use self::source::Source;
pub(crate) use self::source::Watcher;

/// How long after the start answers wait for the first complete load.
const PATIENCE: Duration = Duration::from_secs(5);

/// All runs, by name. Copies share the runs: an answer works on a copy, so that it never keeps the thread
/// that reads, or other answers, waiting.
#[derive(Clone, Default)]
pub(crate) struct Runs {
    by_name: BTreeMap<Arc<str>, Arc<Run>>,
}

impl Runs {
    pub(crate) fn get(&self, name: &str) -> Option<&Run> {
        self.by_name.get(name).map(|run| &**run)
    }

    /// All runs, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Run)> {
        self.by_name.iter().map(|(name, run)| (&**name, &**run))
    }

    /// The series of a run, plugin and tag.
    pub(crate) fn series(&self, run: &str, plugin: &str, tag: &str) -> Option<&Series> {
        self.get(run)?.get(plugin, tag)
    }

    /// All series of a plugin, by run and then by tag.
    pub(crate) fn of_plugin(&self, plugin: &str) -> impl Iterator<Item = (&str, &[Arc<Series>])> {
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
    /// Until when answers wait for the first complete load.
    deadline: Instant,
    /// Locked for as long as it takes to copy or to add, and never while something is read or written.
    runs: RwLock<Arc<Runs>>,
    samples: Samples,
    is_loaded: watch::Sender<bool>,
}

impl State {
    pub(crate) fn new(samples: Samples) -> Self {
        Self {
            deadline: Instant::now() + PATIENCE,
            runs: RwLock::default(),
            samples,
            is_loaded: watch::Sender::new(false),
        }
    }

    /// Waits for the first complete load, but not forever: answers are partial then.
    pub(crate) async fn loaded(&self) {
        let mut is_loaded = self.is_loaded.subscribe();
        // The time is over, which is no error.
        let _ = timeout_at(self.deadline, is_loaded.wait_for(|is_loaded| *is_loaded)).await;
    }

    /// The current data.
    pub(crate) fn runs(&self) -> Arc<Runs> {
        self.runs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Answers no longer wait for data.
    fn is_complete(&self) {
        self.is_loaded.send_replace(true);
    }

    /// Adds what a source has found, and returns the issues. `name` returns the name under which a run is shown.
    fn add(&self, name: impl Fn(&str) -> String, news: News, shared: &mut Shared) -> Vec<Issue> {
        if !news.removed.is_empty() || !news.runs.is_empty() {
            let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
            let by_name = &mut Arc::make_mut(&mut *runs).by_name;
            for run in &news.removed {
                by_name.remove(&*name(run));
            }
            for run in news.runs {
                let known = by_name.entry(name(&run.name).into()).or_default();
                Arc::make_mut(known).add(run, shared, |plugin| self.samples.kept(plugin));
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
        asked.map(|count| count.saturating_mul(4).max(KEPT_POINTS))
    }
}
