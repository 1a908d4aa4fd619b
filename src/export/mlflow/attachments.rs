//! The files that go along with a run.

use std::path::{Component, Path, PathBuf};

use super::Settings;
use super::plan::Planned;
use crate::error::{Effect, ErrorKind, Issue, Location, Result};
use crate::meta::{self, RunMeta};
use crate::mlflow::{Content, FOLDER};
use crate::replace::is_temporary;
use crate::store::{self, Found, Links, Root};

/// A file among a run's artifacts.
pub(super) struct Attachment {
    /// Its path there, with `/` between directories.
    pub(super) path: String,
    pub(super) content: Content,
}

/// Everything that goes along with `run` but pictures; and what does not, as it is outside of the run's
/// directory or cannot be read.
pub(super) fn of(
    run: &Planned,
    settings: &Settings,
    links: Links,
) -> Result<(Vec<Attachment>, Vec<Issue>)> {
    let (mut all, mut left) = (Vec::new(), Vec::new());
    if settings.artifacts && !store::is_url(&run.dir) {
        files(&run.dir, links, &mut all, &mut left)?;
        let traceback = run.meta.failure.as_ref().and_then(|failure| failure.traceback.clone());
        if let Some(text) = traceback.filter(|_| all.iter().all(|a| a.path != "traceback.txt")) {
            let content = Content::Bytes(text.into_bytes());
            all.push(Attachment { path: "traceback.txt".into(), content });
        }
    }
    // What tbx itself put there at an earlier export is of an earlier state.
    let ours = format!("{FOLDER}/");
    all.retain(|file| !file.path.starts_with(&ours));
    // What MLflow has no place for is there again after an import.
    if run.meta != RunMeta::default() {
        let content = Content::Bytes(run.meta.to_json()?.into_bytes());
        all.push(Attachment { path: format!("{FOLDER}/{}", meta::FILE), content });
    }
    if settings.event_files {
        for file in &run.files {
            if let Some(path) = file.strip_prefix(&run.dir).ok().and_then(slashed) {
                let path = format!("{FOLDER}/events/{path}");
                // Directories of runs may be elsewhere, but a file could be anything.
                let root = root(file.parent().unwrap_or(&run.dir), links)?;
                add(root, path, file.clone(), &mut all, &mut left);
            }
        }
    }
    Ok((all, left))
}

/// What is in the folder of artifacts, and `hparams.yaml`.
fn files(dir: &Path, links: Links, all: &mut Vec<Attachment>, left: &mut Vec<Issue>) -> Result<()> {
    if !dir.is_dir() {
        return Ok(()); // of a run of which there are parts only
    }
    let root = root(dir, links)?;
    let folder = dir.join(meta::ARTIFACTS);
    for found in root.walk(&folder, is_temporary) {
        match found {
            Found::Directory => {}
            Found::File(path) => match path.strip_prefix(&folder).ok().and_then(slashed) {
                Some(inside) if !inside.is_empty() => {
                    let content = Content::File(root.clone(), path);
                    all.push(Attachment { path: inside, content });
                }
                Some(_) => left.push(leave(path, ErrorKind::Value("it is no directory".into()))),
                None => left.push(leave(path, ErrorKind::NameNotUtf8)),
            },
            Found::Again { path, first } => left.push(Issue {
                effect: Effect::Kept,
                ..leave(path, ErrorKind::SameDirectory(first))
            }),
            Found::Left(path, error) => left.push(leave(path, error.into())),
        }
    }
    let yaml = dir.join(meta::yaml::FILE);
    if yaml.symlink_metadata().is_ok() && all.iter().all(|a| a.path != meta::yaml::FILE) {
        add(root, meta::yaml::FILE.into(), yaml, all, left);
    }
    Ok(())
}

fn root(dir: &Path, links: Links) -> Result<Root> {
    Root::new(dir, links).map_err(|error| ErrorKind::from(error).at(Location::path(dir)))
}

/// Adds the file at `file` as `path`, if it can be read.
fn add(root: Root, path: String, file: PathBuf, all: &mut Vec<Attachment>, left: &mut Vec<Issue>) {
    match root.open(&file) {
        Ok(_) => all.push(Attachment { path, content: Content::File(root, file) }),
        Err(error) => left.push(leave(file, error.into())),
    }
}

fn leave(path: PathBuf, kind: ErrorKind) -> Issue {
    Issue { location: Location::path(path), kind, effect: Effect::SkippedFile }
}

/// The path with `/`; none if it is not text.
fn slashed(path: &Path) -> Option<String> {
    let part = |part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    };
    let parts: Option<Vec<_>> = path.components().map(part).collect();
    parts.map(|parts| parts.join("/"))
}
