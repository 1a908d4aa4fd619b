//! The series of one run.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use tbx::{EventFile, Metadata, RunNews};

use super::series::Series;

/// A run and its series.
#[derive(Clone, Default)]
pub(crate) struct Run {
    pub(crate) start_time: Option<f64>,
    /// Its event files so far, also former ones: places refer to them.
    files: Arc<Vec<EventFile>>,
    /// The indices of its current files, in the order of the last news.
    current: Vec<u32>,
    /// Sorted by plugin and tag.
    series: Vec<Arc<Series>>,
}

/// Strings and metadata that many runs share.
#[derive(Default)]
pub(super) struct Shared {
    tags: HashSet<Arc<str>>,
    metadata: HashMap<(String, Vec<u8>, String, String), Arc<Metadata>>,
    /// The number of entries at which those that no run has any more are dropped.
    limit: usize,
}

/// Number of entries of [`Shared`] below which none is dropped.
const FEW: usize = 1024;

impl Shared {
    fn tag(&mut self, tag: &str) -> Arc<str> {
        if let Some(tag) = self.tags.get(tag) {
            return tag.clone();
        }
        let tag: Arc<str> = tag.into();
        self.tags.insert(tag.clone());
        tag
    }

    fn metadata(&mut self, own: &Metadata) -> Arc<Metadata> {
        // Hyperparameters are different in every run.
        if own.kind == tbx::Kind::Hparams {
            return own.clone().into();
        }
        let key = (
            own.plugin.clone(),
            own.content.to_vec(),
            own.display_name.clone(),
            own.description.clone(),
        );
        let known = self.metadata.entry(key).or_insert_with(|| own.clone().into());
        // A plugin that tbx does not know may have several classes.
        if **known == *own { known.clone() } else { own.clone().into() }
    }

    fn len(&self) -> usize {
        self.tags.len() + self.metadata.len()
    }

    /// Drops what no run has any more, each time that the number of entries has doubled.
    pub(super) fn sweep(&mut self) {
        if self.len() < self.limit.max(FEW) {
            return;
        }
        self.tags.retain(|tag| Arc::strong_count(tag) > 1);
        self.metadata.retain(|_, metadata| Arc::strong_count(metadata) > 1);
        self.limit = self.len().saturating_mul(2);
    }
}

impl Run {
    /// Adds what is new. `kept` returns the maximum number of points of a series of a plugin.
    pub(super) fn add(
        &mut self,
        news: RunNews,
        shared: &mut Shared,
        kept: impl Fn(&str) -> Option<usize>,
    ) {
        if news.reset.is_some() {
            self.series.clear();
            self.files = Arc::default();
            self.current.clear();
        }
        self.start_time = news.start_time;
        self.number(news.files);
        let known = self.series.len();
        for new in &news.series {
            let (tag, metadata) = (new.points.tag(), new.points.metadata());
            let key = (metadata.plugin.as_str(), tag);
            let old = self.series.get(..known).unwrap_or_default();
            let found = match old.binary_search_by(|series| series.key().cmp(&key)) {
                Ok(found) => found,
                Err(_) => {
                    let (tag, metadata) = (shared.tag(tag), shared.metadata(metadata));
                    self.series.push(Series::new(tag, metadata).into());
                    self.series.len() - 1
                }
            };
            if let Some(series) = self.series.get_mut(found) {
                Arc::make_mut(series).add(new, &self.current, kept(&metadata.plugin));
            }
        }
        if self.series.len() > known {
            self.series.sort_by(|a, b| a.key().cmp(&b.key()));
        }
        // A series whose points were all dropped is not shown.
        self.series.retain(|series| series.len() > 0);
    }

    /// Gives the current files their indices in the list of this run. Most are at the same place as in the last news.
    fn number(&mut self, files: Vec<EventFile>) {
        let mut by_path: Option<HashMap<PathBuf, u32>> = None;
        let mut current = Vec::with_capacity(files.len());
        for (i, file) in files.into_iter().enumerate() {
            let at = |number: u32| self.files.get(usize::try_from(number).unwrap_or(usize::MAX));
            let same = self.current.get(i).copied();
            let same = same.filter(|number| at(*number).is_some_and(|own| own.path == file.path));
            let number = same.unwrap_or_else(|| {
                let by_path = by_path.get_or_insert_with(|| {
                    self.files.iter().map(|file| file.path.clone()).zip(0..).collect()
                });
                let next = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
                *by_path.entry(file.path.clone()).or_insert_with(|| {
                    Arc::make_mut(&mut self.files).push(file);
                    next
                })
            });
            current.push(number);
        }
        self.current = current;
    }

    /// The series of a plugin, sorted by tag.
    pub(crate) fn of_plugin(&self, plugin: &str) -> &[Arc<Series>] {
        let start = self.series.partition_point(|series| *series.metadata.plugin < *plugin);
        let rest = self.series.get(start..).unwrap_or_default();
        let end = rest.partition_point(|series| series.metadata.plugin == plugin);
        rest.get(..end).unwrap_or_default()
    }

    /// The series of a plugin and tag.
    pub(crate) fn get(&self, plugin: &str, tag: &str) -> Option<&Series> {
        let found = self.series.binary_search_by(|series| series.key().cmp(&(plugin, tag)));
        self.series.get(found.ok()?).map(|series| &**series)
    }

    /// All series, sorted by plugin and tag.
    pub(crate) fn series(&self) -> &[Arc<Series>] {
        &self.series
    }

    pub(crate) fn files(&self) -> &[EventFile] {
        &self.files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_run_has_any_more_is_dropped() {
        let mut shared = Shared::default();
        let kept = shared.tag("kept");
        for round in 0..5 {
            for i in 0..1000 {
                shared.tag(&format!("{round}/{i}"));
            }
            shared.sweep();
        }
        assert!(shared.len() <= 2048, "{}", shared.len());
        assert!(Arc::ptr_eq(&kept, &shared.tag("kept")));
    }
}
