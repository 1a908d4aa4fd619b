//! The series of one run.

use std::collections::HashMap;
use std::sync::Arc;

use tbx::{EventFile, Metadata, RunNews};

use super::series::Series;

/// A run and its series.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) start_time: Option<f64>,
    /// Its event files so far, also former ones: places refer to them.
    files: Vec<EventFile>,
    /// Sorted by plugin and tag.
    series: Vec<Series>,
}

/// Strings and metadata that many runs share.
#[derive(Default)]
pub(super) struct Shared {
    tags: HashMap<Arc<str>, ()>,
    metadata: HashMap<(String, Vec<u8>, String, String), Arc<Metadata>>,
}

impl Shared {
    fn tag(&mut self, tag: &str) -> Arc<str> {
        if let Some((tag, ())) = self.tags.get_key_value(tag) {
            return tag.clone();
        }
        let tag: Arc<str> = tag.into();
        self.tags.insert(tag.clone(), ());
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
            self.files.clear();
        }
        self.start_time = news.start_time;
        let files: Vec<u32> = news.files.into_iter().map(|file| self.number_of(file)).collect();
        let known = self.series.len();
        for new in &news.series {
            let (tag, metadata) = (new.points.tag(), new.points.metadata());
            let key = (metadata.plugin.as_str(), tag);
            let old = self.series.get(..known).unwrap_or_default();
            let found = match old.binary_search_by(|series| series.key().cmp(&key)) {
                Ok(found) => found,
                Err(_) => {
                    let (tag, metadata) = (shared.tag(tag), shared.metadata(metadata));
                    self.series.push(Series::new(tag, metadata));
                    self.series.len() - 1
                }
            };
            if let Some(series) = self.series.get_mut(found) {
                series.add(new, &files, kept(&metadata.plugin));
            }
        }
        if self.series.len() > known {
            self.series.sort_by(|a, b| a.key().cmp(&b.key()));
        }
        // A series whose points were all dropped is not shown.
        self.series.retain(|series| series.len() > 0);
    }

    /// The index of a file in the list of this run.
    fn number_of(&mut self, file: EventFile) -> u32 {
        let found = self.files.iter().position(|known| known.path == file.path);
        let found = found.unwrap_or_else(|| {
            self.files.push(file);
            self.files.len() - 1
        });
        u32::try_from(found).unwrap_or(u32::MAX)
    }

    /// The series of a plugin, sorted by tag.
    pub(crate) fn of_plugin(&self, plugin: &str) -> &[Series] {
        let start = self.series.partition_point(|series| *series.metadata.plugin < *plugin);
        let rest = self.series.get(start..).unwrap_or_default();
        let end = rest.partition_point(|series| series.metadata.plugin == plugin);
        rest.get(..end).unwrap_or_default()
    }

    /// The series of a plugin and tag.
    pub(crate) fn get(&self, plugin: &str, tag: &str) -> Option<&Series> {
        let found = self.series.binary_search_by(|series| series.key().cmp(&(plugin, tag)));
        self.series.get(found.ok()?)
    }

    /// All series, sorted by plugin and tag.
    pub(crate) fn series(&self) -> &[Series] {
        &self.series
    }

    pub(crate) fn files(&self) -> &[EventFile] {
        &self.files
    }
}
