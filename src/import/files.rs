//! Artifacts are copied.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::mlflow::{Store, StoredFile};
use super::{failed, images};
use crate::error::{Effect, Error, Issue, Report, Result};
use crate::meta::{ARTIFACTS, Artifact, RunMeta};
use crate::mlflow::FOLDER;
use crate::replace::{Folder, disk};
use crate::safe_name;

/// What `tbx` put among the artifacts when it exported the run.
const META: &str = "tbx.json";
const EVENTS: &str = "events/";
/// Bytes of metadata at most, as [`RunMeta::read`] has it.
const MAX_META: u64 = 16 << 20;

/// What becomes of a file.
enum Role {
    /// The metadata that `tbx` exported.
    Meta,
    /// An event file that `tbx` exported, and its path in the run's directory.
    Events(PathBuf),
    Artifact,
}

fn role(path: &str) -> Role {
    let Some(ours) = path.strip_prefix(FOLDER).and_then(|path| path.strip_prefix('/')) else {
        return Role::Artifact;
    };
    if ours == META {
        return Role::Meta;
    }
    let Some(path) = ours.strip_prefix(EVENTS) else { return Role::Artifact };
    let name = path.rsplit('/').next().unwrap_or(path);
    // A name that no event file has would be one of anything in the run's directory.
    let is_event_file = crate::event::is_event_file(name.as_ref());
    let is_safe =
        |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0', ':']);
    match is_event_file && path.split('/').all(is_safe) {
        true => Role::Events(path.into()),
        false => Role::Artifact,
    }
}

/// Whether MLflow shows the file as a picture with a step, or as a small copy of one.
fn is_picture(path: &str) -> bool {
    let whole = path.strip_suffix("+compressed.webp").map(|path| format!("{path}.png"));
    images::is_picture(whole.as_deref().unwrap_or(path))
}

/// The metadata that `tbx` exported, if it can be read.
pub(super) fn exported(
    store: &mut dyn Store,
    files: &[StoredFile],
    report: &mut Report,
) -> Option<RunMeta> {
    let file = files.iter().find(|file| matches!(role(&file.path), Role::Meta))?;
    let mut read = || {
        let mut json = Vec::new();
        let mut content = store.open(file)?.take(MAX_META);
        content.read_to_end(&mut json).map_err(|error| failed(error, Path::new(&file.path)))?;
        RunMeta::from_json(&json)
            .map_err(|kind| kind.at(crate::error::Location::path(Path::new(&file.path))))
    };
    read().map_err(|error| skip(report, error)).ok()
}

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) artifacts: Vec<Artifact>,
    /// How many event files there are.
    pub(super) event_files: u64,
}

/// Copies the files of a run into the folder that becomes its directory.
pub(super) fn copy(
    store: &mut dyn Store,
    files: &[StoredFile],
    folder: &Folder,
    report: &mut Report,
) -> Result<Copied> {
    let has_events = files.iter().any(|file| matches!(role(&file.path), Role::Events(_)));
    let mut copied = Copied::default();
    let mut taken = HashSet::new();
    for file in files {
        let (relative, is_artifact) = match role(&file.path) {
            Role::Meta => continue,
            // tbx made them of what is in the event files.
            Role::Artifact if has_events && is_picture(&file.path) => continue,
            Role::Events(path) => (path, false),
            Role::Artifact => (Path::new(ARTIFACTS).join(local(&file.path, &mut taken)), true),
        };
        let path = folder.file(&relative);
        let content = match store.open(file) {
            Ok(content) => content,
            Err(error) => {
                skip(report, error);
                continue;
            }
        };
        if let Some(parent) = path.parent() {
            disk::create_dir_all(parent).map_err(|error| failed(error, parent))?;
        }
        let (size, sha256) = match write(content, &path)? {
            Ok(written) => written,
            Err(error) => {
                disk::remove_file(&path).map_err(|error| failed(error, &path))?;
                skip(report, failed(error, Path::new(&file.path)));
                continue;
            }
        };
        if !is_artifact {
            copied.event_files += 1;
            continue;
        }
        let inside = relative.strip_prefix(ARTIFACTS).unwrap_or(&relative);
        let name: Vec<_> = inside.iter().map(|name| name.to_string_lossy()).collect();
        let kind = file.model.as_ref().map(|_| "model".to_owned());
        let mut artifact =
            Artifact { path: name.join("/"), size, sha256, kind, ..Artifact::default() };
        if artifact.path != file.path {
            artifact.name = Some(file.path.clone());
        }
        let model = file.model.as_ref().map(|id| ("model".to_owned(), id.clone().into()));
        artifact.other.extend(model);
        copied.artifacts.push(artifact);
    }
    Ok(copied)
}

/// Adds what was copied to what the run says of its artifacts.
pub(super) fn join(meta: &mut RunMeta, copied: Vec<Artifact>) {
    for new in copied {
        match meta.artifacts.iter_mut().find(|known| known.path == new.path) {
            Some(known) => {
                known.size = new.size;
                known.sha256 = new.sha256;
            }
            None => meta.artifacts.push(new),
        }
    }
}

/// The path of a file among the artifacts here: no name leads out of the folder, and none is that of
/// an event file.
fn local(path: &str, taken: &mut HashSet<String>) -> PathBuf {
    let parts: Vec<_> = path.split('/').map(safe_name::encode).collect();
    let mut local = parts.join("/");
    let mut number = 2;
    // Names that differ in case are one on some systems.
    while !taken.insert(local.to_lowercase()) {
        local = format!("{}%~{number}", parts.join("/"));
        number += 1;
    }
    local.split('/').collect()
}

/// Writes what `content` gives; its length and its SHA-256 in hex. Inside is why it could not be read.
fn write(mut content: Box<dyn Read + '_>, path: &Path) -> Result<io::Result<(u64, String)>> {
    let mut file = disk::create_new(path).map_err(|error| failed(error, path))?;
    let (mut size, mut hash) = (0u64, Sha256::new());
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = match content.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(error)),
            Ok(n) => n,
        };
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        size += u64::try_from(n).unwrap_or(0);
        file.write_all(read).map_err(|error| failed(error, path))?;
    }
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Ok((size, sha256)))
}

fn skip(report: &mut Report, error: Error) {
    let location = error.location().clone();
    report.issues.push(Issue { location, kind: error.into_kind(), effect: Effect::SkippedFile });
}
