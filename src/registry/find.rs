//! The artifact of a run that becomes a version.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::{ModelVersion, digest};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::meta::{self, RunMeta};

/// The folder of artifacts in that of a run.
const FOLDER: &str = "artifacts";
/// The length of an id.
const ID_LEN: usize = 32;

/// What is known of an artifact.
pub(super) fn artifact(root: &Path, run: &Path, artifact: &str) -> Result<ModelVersion> {
    let (run, dir) = find_run(root, run)?;
    let path = path(root, &run, artifact)?;
    let failed = |kind: ErrorKind| kind.at(Location::path(path.as_path()));
    let real = path.canonicalize().map_err(|error| failed(error.into()))?;
    if !real.starts_with(root) {
        return Err(failed(ErrorKind::Value("it is a link out of the log folder".into())));
    }
    let size = fs::metadata(&real).map_err(|error| failed(error.into()))?;
    if !size.is_file() {
        let what = "no regular file: a model is one file, so pack a folder into one";
        return Err(failed(ErrorKind::Value(what.into())));
    }
    let meta = RunMeta::read(&dir)?.unwrap_or_default();
    let known = meta.artifacts.iter().find(|known| known.path == artifact);
    let (sha256, size) = match known.filter(|known| !known.sha256.is_empty()) {
        Some(known) if known.size == size.len() => (known.sha256.clone(), known.size),
        Some(known) => {
            let what = format!(
                "it has {} bytes, and the run's {} says {}: log it again",
                size.len(),
                meta::FILE,
                known.size
            );
            return Err(failed(ErrorKind::Value(what)));
        }
        None => File::open(&real)
            .and_then(|mut file| digest::of(&mut file))
            .map_err(|error| failed(error.into()))?,
    };
    let artifact = artifact.to_owned();
    Ok(ModelVersion { run, run_id: meta.id, artifact, sha256, size, ..ModelVersion::default() })
}

/// Where the artifact of a run is; neither name can lead out of the folder.
pub(super) fn path(root: &Path, run: &str, artifact: &str) -> Result<PathBuf> {
    let is_clean = |name: &str| {
        let refused: &[char] = if cfg!(windows) { &['\0', '\\'] } else { &['\0'] };
        let mut parts = Path::new(name).components();
        !name.is_empty()
            && !name.contains(refused)
            && parts.all(|part| matches!(part, Component::Normal(_)))
    };
    if run != "." && !is_clean(run) {
        return Err(Error::argument(format!("{run:?} is no name of a run: it leads elsewhere")));
    }
    if !is_clean(artifact) {
        let what = format!("{artifact:?} is no name of an artifact: a relative path without ..");
        return Err(Error::argument(what));
    }
    let dir = if run == "." { root.to_owned() } else { root.join(run) };
    Ok(dir.join(FOLDER).join(artifact))
}

/// The name and the directory of a run that is named by its name, directory or id.
fn find_run(root: &Path, run: &Path) -> Result<(String, PathBuf)> {
    let inside = |path: &Path| {
        let real = path.canonicalize().ok().filter(|real| real.is_dir())?;
        let name = real.strip_prefix(root).ok()?;
        let parts: Option<Vec<_>> = name.iter().map(|part| part.to_str()).collect();
        let name = parts?.join("/");
        Some((if name.is_empty() { ".".into() } else { name }, real))
    };
    if run.as_os_str().is_empty() {
        return Err(no_run(run, root));
    }
    if let Some(found) = inside(&root.join(run)).or_else(|| inside(run)) {
        return Ok(found);
    }
    let id = run.to_str().filter(|id| id.len() == ID_LEN);
    if let Some(found) = id.and_then(|id| with_id(root, id)) {
        return inside(&found).ok_or_else(|| no_run(run, root));
    }
    Err(no_run(run, root))
}

fn no_run(run: &Path, root: &Path) -> Error {
    let location = Location::path(root);
    let missing = format!("there is no run {:?}: give its name, directory or id", run.display());
    ErrorKind::from(io::Error::new(io::ErrorKind::NotFound, missing)).at(location)
}

/// The directory below `root` whose `tbx.json` has this id.
fn with_id(root: &Path, id: &str) -> Option<PathBuf> {
    let files = WalkDir::new(root).into_iter().flatten();
    let mut dirs = files
        .filter(|entry| entry.file_type().is_file() && entry.file_name() == meta::FILE)
        .filter_map(|entry| Some(entry.path().parent()?.to_owned()));
    dirs.find(|dir| {
        RunMeta::read(dir).ok().flatten().is_some_and(|meta| meta.id.as_deref() == Some(id))
    })
}
