//! Turns event files among artifacts into runs, which TensorBoard shows.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::files::Target;
use super::names;
use tbx::error::{Result, failed};
use tbx::event;
use tbx::meta::{ARTIFACTS, Artifact};
use tbx::record::{HEADER_LEN, payload_len};
use tbx::replace::disk;

/// Replacement for `tfevents` in names of artifacts here.
const ENCODED: &str = "tfevent%73";
/// Directory for event files that are in none; MLflow has the same name where it logs them itself.
const DIRECTORY: &str = "tensorboard_logs";

/// Event files that became runs.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Their paths in the directory of the run.
    pub(super) files: Vec<PathBuf>,
    /// Number of new ones.
    pub(super) new: u64,
}

/// Whether an artifact has the name of an event file, and so gets a different name here.
pub(super) fn is_event_file(artifact: &Artifact) -> bool {
    let name = artifact.name.as_deref().unwrap_or(&artifact.path);
    event::is_event_file(name.rsplit('/').next().unwrap_or(name).as_ref())
}

/// Turns the event files among the artifacts of the run in `dir` into runs. Each file also goes to
/// the directory below that run that corresponds to its directory among the artifacts.
pub(super) fn as_runs(target: Target<'_>, artifacts: &[Artifact]) -> Result<Made> {
    let dir = match target {
        Target::Folder(folder) => folder.path(),
        Target::Directory(dir) => dir,
    };
    let mut made = Made::default();
    for artifact in artifacts.iter().filter(|artifact| is_event_file(artifact)) {
        let source = dir.join(ARTIFACTS).join(names::path(&artifact.path));
        if !has_records(&source).map_err(|error| failed(error, &source))? {
            continue;
        }
        let (directory, name) = match artifact.path.rsplit_once('/') {
            Some((directory, name)) => (Some(directory), name),
            None => (None, artifact.path.as_str()),
        };
        // No run is in the directory of artifacts.
        let is_taken = |directory: &&str| {
            directory.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(ARTIFACTS))
        };
        let mut relative = match directory {
            Some(directory) if !is_taken(&directory) => PathBuf::new(),
            _ => PathBuf::from(DIRECTORY),
        };
        relative.extend(directory.map(names::path));
        relative.push(name.replace(ENCODED, "tfevents"));
        let path = match target {
            Target::Folder(folder) => folder.file(&relative),
            Target::Directory(_) => dir.join(&relative),
        };
        match path.symlink_metadata() {
            Err(_) => {
                link(&source, &path).map_err(|error| failed(error, &path))?;
                made.new += 1;
            }
            // The existing file is a different one.
            Ok(there) if source.metadata().is_ok_and(|own| own.len() != there.len()) => continue,
            Ok(_) => {}
        }
        made.files.push(relative);
    }
    Ok(made)
}

/// Whether a file is empty or begins with the header of a record.
fn has_records(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    let length = u64::try_from(HEADER_LEN).unwrap_or_default();
    File::open(path)?.take(length).read_to_end(&mut head)?;
    let header = head.first_chunk();
    Ok(head.is_empty() || header.is_some_and(|header| payload_len(header).is_ok()))
}

/// Hard-links the file to another path, or copies it if that is not possible. Nothing that tbx does
/// to one of them changes the other.
fn link(source: &Path, path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        disk::create_dir_all(parent)?;
    }
    disk::hard_link(source, path).or_else(|_| fs::copy(source, path).map(drop))
}
