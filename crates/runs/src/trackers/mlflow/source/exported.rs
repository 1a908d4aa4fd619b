//! Sorts the files of a run: artifacts, and those that tbx added when it exported the run.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Store;
use crate::trackers::mlflow::{
    EVENTS, FOLDER, ImageName, MEDIA_FOLDER, MetricNames, RunRecord, seconds, tags,
};
use crate::trackers::source::{At, Image, Points, Series, SourceFile};
use tbx::error::{Result, failed};
use tbx::event::is_event_file;
use tbx::meta::{self, RunMeta};

/// Maximum size of metadata in bytes, as in [`RunMeta::read`].
const MAX_META: u64 = 16 << 20;

/// The files of a run, sorted by how they are imported.
#[derive(Default)]
pub(super) struct Sorted {
    /// The metadata that `tbx` exported.
    pub(super) exported: Option<RunMeta>,
    /// Artifacts with their original names.
    pub(super) files: Vec<SourceFile>,
    /// Event files that `tbx` exported, and their paths in the run's directory.
    pub(super) event_files: Vec<(SourceFile, PathBuf)>,
}

impl Sorted {
    /// Finds the files that `tbx` added to `files` when it exported the run. Without an export, a
    /// directory `tbx` belongs to the user.
    ///
    /// # Errors
    ///
    /// The metadata that `tbx` exported cannot be read, so that the run could not be restored.
    pub(super) fn of(
        store: &dyn Store,
        record: &RunRecord,
        files: Vec<SourceFile>,
    ) -> Result<Self> {
        let is_exported =
            [tags::RUN_KEY, tags::RUN].iter().any(|tag| tags::find(&record.tags, tag).is_some());
        let names = MetricNames::changed_in(&record.tags);
        let mut all = Self::default();
        for file in files {
            let ours = file.name.strip_prefix(FOLDER).and_then(|path| path.strip_prefix('/'));
            let ours = ours.filter(|_| is_exported);
            if ours == Some(meta::FILE) && all.exported.is_none() {
                all.exported = exported(store, &file)?;
                if all.exported.is_some() {
                    continue;
                }
            }
            match ours.and_then(event_file) {
                Some(path) => all.event_files.push((file, path)),
                None => all.files.push(file),
            }
        }
        // tbx made them from the event files.
        if !all.event_files.is_empty() {
            let media = format!("{FOLDER}/{MEDIA_FOLDER}");
            all.files
                .retain(|file| !is_image_of_ours(&file.name) && !file.name.starts_with(&media));
        }
        for file in &mut all.files {
            if let Some(name) = names.get(&file.name) {
                file.name.clone_from(name);
            }
        }
        Ok(all)
    }

    /// The images that MLflow logged with steps, as values, too. They are also artifacts.
    pub(super) fn images(&self) -> Vec<Series> {
        let mut images = Vec::new();
        for file in self.files.iter().filter(|file| file.name.ends_with(".png")) {
            images.extend(ImageName::of(&file.name).map(|name| (name, file)));
        }
        images.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut series: BTreeMap<String, Vec<At<Vec<Image>>>> = BTreeMap::new();
        for (name, file) in images {
            let value = vec![Image { file: file.clone(), boxes: Vec::new() }];
            let at = At { step: name.step, wall_time: seconds(name.timestamp), value };
            series.entry(name.tag).or_default().push(at);
        }
        let series = series.into_iter();
        series
            .map(|(tag, points)| Series { tag, description: None, points: Points::Images(points) })
            .collect()
    }
}

/// Whether a file is an image, or its small copy, that tbx exported. Ids from MLflow are random,
/// which their digits show; those of tbx are hashes.
fn is_image_of_ours(path: &str) -> bool {
    ImageName::of(path).is_some_and(|name| {
        let digit = |at| name.id.chars().nth(at);
        digit(14) != Some('4') || !matches!(digit(19), Some('8' | '9' | 'a' | 'b'))
    })
}

/// The path in the run's directory of an event file that `tbx` added at `path` in its own
/// directory.
fn event_file(path: &str) -> Option<PathBuf> {
    let path = path.strip_prefix(EVENTS)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    // Only event file names are allowed: other names could be those of any file in the run's
    // directory.
    let is_safe =
        |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0', ':']);
    // Excludes names of incomplete files.
    let is_event_file =
        is_event_file(name.as_ref()) && path.split('/').all(is_safe) && !path.contains("tbx~");
    is_event_file.then(|| path.split('/').collect())
}

/// The metadata that `tbx` exported; `None` if the file is something else.
fn exported(store: &dyn Store, file: &SourceFile) -> Result<Option<RunMeta>> {
    let mut json = Vec::new();
    let read = store.open(file)?.take(MAX_META).read_to_end(&mut json);
    read.map_err(|error| failed(error, Path::new(&file.name)))?;
    Ok(RunMeta::from_json(&json).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_releases_are_read() {
        let id = "0a1b2c3d-0000-4000-8000-0123456789ab";
        for (name, tag) in [
            (format!("images/a#b c%step%3%timestamp%17%{id}.png"), "a/b c"),
            (format!("images/a~b%step%3%timestamp%17%{id}.png"), "a~b"),
            (format!("images/a~b+step+3+timestamp+17+{id}.png"), "a/b"),
            (format!("images/a#b+step+3+timestamp+17+{id}.png"), "a/b"),
            (format!("images/a~b+step+3+timestamp+17+{id}+compressed.webp"), "a/b"),
            (format!("images/a#b%step%3%timestamp%17%{id}%compressed.webp"), "a/b"),
            (
                format!("images/a+step+3+timestamp+17+x+step+3+timestamp+17+{id}.png"),
                "a+step+3+timestamp+17+x",
            ),
        ] {
            let found = ImageName::of(&name).expect("an image");
            assert_eq!((&*found.tag, found.step, found.timestamp), (tag, 3, 17), "{name}");
            assert_eq!(found.id, id);
            assert!(!is_image_of_ours(&name), "{name}");
        }
        assert_eq!(ImageName::of("images/a%step%-3%timestamp%17%x.png").map(|p| p.step), Some(-3));
        assert!(is_image_of_ours(
            "images/a+step+3+timestamp+1+0a1b2c3d-0000-8000-8000-0123456789ab.png"
        ));
        for name in
            ["images/a.png", "a%step%3%timestamp%17%x.png", "images/a+step+b+timestamp+1+x.png"]
        {
            assert!(ImageName::of(name).is_none() && !is_image_of_ours(name), "{name}");
        }
    }
}
