//! The files that go along with a run.

use std::path::{Component, Path};

use walkdir::WalkDir;

use super::Settings;
use super::plan::Planned;
use crate::error::{ErrorKind, Location, Result};
use crate::meta::{self, RunMeta};
use crate::mlflow::{Content, FOLDER};
use crate::replace::is_temporary;

/// A file among a run's artifacts.
pub(super) struct Attachment {
    /// Its path there, with `/` between directories.
    pub(super) path: String,
    pub(super) content: Content,
}

/// Everything that goes along with `run` but pictures; and what does not, as it is a link.
pub(super) fn of(run: &Planned, settings: &Settings) -> Result<(Vec<Attachment>, Vec<String>)> {
    let (mut all, mut links) = (Vec::new(), Vec::new());
    if settings.artifacts {
        files(&run.dir.join(meta::ARTIFACTS), &mut all, &mut links)?;
        let yaml = run.dir.join(meta::yaml::FILE);
        if yaml.is_file() && all.iter().all(|a| a.path != meta::yaml::FILE) {
            all.push(Attachment { path: meta::yaml::FILE.into(), content: Content::File(yaml) });
        }
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
            let inside = file.strip_prefix(&run.dir).ok().and_then(slashed);
            if let Some(path) = inside {
                let content = Content::File(file.clone());
                all.push(Attachment { path: format!("{FOLDER}/events/{path}"), content });
            }
        }
    }
    Ok((all, links))
}

fn files(folder: &Path, all: &mut Vec<Attachment>, links: &mut Vec<String>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let walk = WalkDir::new(folder).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| !is_temporary(entry.file_name())) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_owned();
            ErrorKind::from(std::io::Error::from(error)).at(Location::path(path))
        })?;
        let path = entry.path().strip_prefix(folder).ok().and_then(slashed);
        match path {
            Some(path) if entry.file_type().is_file() => {
                all.push(Attachment { path, content: Content::File(entry.path().into()) });
            }
            _ if entry.file_type().is_dir() => {}
            _ => links.push(entry.path().display().to_string()),
        }
    }
    Ok(())
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
