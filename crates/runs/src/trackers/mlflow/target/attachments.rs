//! The files that are exported with a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::MlflowExport;
use super::plan::Planned;
use crate::trackers::mlflow::{
    Content, EVENTS, FOLDER, MEDIA_FOLDER, StoreKind, artifact_stays, changed_artifact,
};
use crate::trackers::produced::{artifacts, leave, slashed};
use tbx::error::{Issue, Result, failed};
use tbx::meta::{self, RunMeta};
use tbx::store::{self, Links, Root};

/// Artifact with the traceback of a run that failed.
const TRACEBACK: &str = "traceback.txt";

/// A file among a run's artifacts.
pub(super) struct Attachment {
    /// Its path there, with `/` between directories.
    pub(super) path: String,
    pub(super) content: Content,
}

/// Everything that is exported with a run, except images and other media.
#[derive(Default)]
pub(super) struct Attachments {
    pub(super) files: Vec<Attachment>,
    /// Files that are not exported, because they are outside of the run's directory or cannot be
    /// read.
    pub(super) left: Vec<Issue>,
    /// The original names of renamed files, by their new names.
    pub(super) renamed: BTreeMap<String, String>,
}

/// The files of `run`, with names that `store` accepts. `media` are the paths of files that were
/// made from its values.
pub(super) fn of(
    run: &Planned,
    settings: &MlflowExport,
    links: Links,
    store: StoreKind,
    media: &BTreeSet<String>,
) -> Result<Attachments> {
    let mut all = Attachments::default();
    let mut ours = Vec::new();
    // An import restores data for which MLflow has no place.
    if run.meta != RunMeta::default() {
        let content = Content::Bytes(run.meta.to_json()?.into_bytes());
        ours.push(Attachment { path: format!("{FOLDER}/{}", meta::FILE), content });
    }
    if settings.event_files {
        for file in &run.files {
            if let Some(path) = file.strip_prefix(&run.dir).ok().and_then(slashed) {
                let path = format!("{FOLDER}/{EVENTS}{path}");
                // The run's directory may be elsewhere, but a file could be anything.
                let root = root(file.parent().unwrap_or(&run.dir), links)?;
                add(root, path, file.clone(), &mut ours, &mut all.left);
            }
        }
    }
    if settings.artifacts && !store::is_url(&run.dir) {
        files(&run.dir, links, &mut all.files, &mut all.left)?;
        true_names(run, &mut all.files);
        let traceback = run.meta.failure.as_ref().and_then(|failure| failure.traceback.clone());
        if let Some(text) = traceback.filter(|_| all.files.iter().all(|a| a.path != TRACEBACK)) {
            let content = Content::Bytes(text.into_bytes());
            all.files.push(Attachment { path: TRACEBACK.into(), content });
        }
    }
    let taken = ours.iter().map(|file| &file.path).chain(media).cloned().collect();
    all.rename(store, taken, settings.event_files);
    all.files.extend(ours);
    Ok(all)
}

/// Gives imported files their original names.
fn true_names(run: &Planned, files: &mut Vec<Attachment>) {
    let names: BTreeMap<&str, &str> = run
        .meta
        .artifacts
        .iter()
        .filter_map(|artifact| Some((artifact.path.as_str(), artifact.name.as_deref()?)))
        .filter(|(_, name)| is_clean(name))
        .collect();
    if names.is_empty() {
        return;
    }
    let mut taken: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
    for file in files {
        let Some(name) = names.get(file.path.as_str()) else { continue };
        // Another file may now have this name, or the name of a directory in it, or may need a
        // directory of this name.
        let mut above = name.match_indices('/').filter_map(|(at, _)| name.get(..at));
        let below = format!("{name}/");
        let is_directory =
            taken.range(below.clone()..).next().is_some_and(|p| p.starts_with(&below));
        if !taken.contains(*name) && !is_directory && above.all(|above| !taken.contains(above)) {
            taken.remove(&file.path);
            taken.insert((*name).to_owned());
            file.path = (*name).to_owned();
        }
    }
}

/// Whether a name is a path that stays inside its directory.
fn is_clean(name: &str) -> bool {
    name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

impl Attachments {
    /// Changes names that the store rejects, that collide with a file of tbx, or that an import
    /// would mistake for such a file.
    fn rename(&mut self, store: StoreKind, taken: BTreeSet<String>, has_events: bool) {
        let mut folders: BTreeSet<&str> = BTreeSet::new();
        for path in &taken {
            folders.extend(path.match_indices('/').filter_map(|(at, _)| path.get(..at)));
        }
        for file in &mut self.files {
            let mut above = file.path.match_indices('/').filter_map(|(at, _)| file.path.get(..at));
            let is_below = above.any(|above| taken.contains(above));
            let is_taken = taken.contains(&file.path) || folders.contains(file.path.as_str());
            let is_ours = is_reserved(&file.path, has_events);
            if !is_below && !is_taken && !is_ours && artifact_stays(store, &file.path) {
                continue;
            }
            let new = match is_below || is_ours {
                true => changed_artifact(&file.path.replace('/', "~")),
                false => changed_artifact(&file.path),
            };
            let old = std::mem::replace(&mut file.path, new.clone());
            self.renamed.insert(new, old);
        }
    }
}

/// Whether an import would mistake a file of this name for one made by tbx. With event files, an
/// import recreates the media from them and skips those files.
fn is_reserved(path: &str, has_events: bool) -> bool {
    let inside = path.strip_prefix(FOLDER).and_then(|path| path.strip_prefix('/'));
    inside.is_some_and(|inside| {
        inside == meta::FILE
            || inside.starts_with(EVENTS)
            || (has_events && inside.starts_with(MEDIA_FOLDER))
    })
}

/// The files in the artifact directory, and `hparams.yaml`.
fn files(dir: &Path, links: Links, all: &mut Vec<Attachment>, left: &mut Vec<Issue>) -> Result<()> {
    if !dir.is_dir() {
        return Ok(()); // a run that consists only of parts
    }
    let root = root(dir, links)?;
    let (found, issues) = artifacts(&root, dir);
    left.extend(issues);
    let attachment = |(path, file)| Attachment { path, content: Content::File(root.clone(), file) };
    all.extend(found.into_iter().map(attachment));
    let yaml = dir.join(meta::yaml::FILE);
    if yaml.symlink_metadata().is_ok() && all.iter().all(|a| a.path != meta::yaml::FILE) {
        add(root, meta::yaml::FILE.into(), yaml, all, left);
    }
    Ok(())
}

fn root(dir: &Path, links: Links) -> Result<Root> {
    Root::new(dir, links).map_err(|error| failed(error, dir))
}

/// Adds the file at `file` as `path`, if it can be read.
fn add(root: Root, path: String, file: PathBuf, all: &mut Vec<Attachment>, left: &mut Vec<Issue>) {
    match root.open(&file) {
        Ok(_) => all.push(Attachment { path, content: Content::File(root, file) }),
        Err(error) => left.push(leave(file, error.into())),
    }
}

/// The reason why a file cannot be read now, if it cannot: it is then left out.
pub(super) fn unreadable(content: &Content) -> Option<Issue> {
    match (content.open(), content) {
        (Err(error), Content::File(_, path)) => Some(leave(path.clone(), error.into())),
        _ => None,
    }
}
