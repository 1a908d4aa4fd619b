//! Files that a run produces.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;

use super::run::ActiveRun;
use crate::digest;
use crate::error::{Error, ErrorKind, Result, failed};
use crate::meta::{Artifact, RunMeta, now};
use crate::replace::{disk, replace};
use crate::store::open_regular;
use crate::tree::Listing;
use crate::writer::IntoStep;

/// Maximum number of files of a directory that is logged: `tbx.json` lists each of them.
const MAX_FILES: usize = 10_000;
/// Maximum number of files and versions that `tbx.json` lists: it is read and written as a whole.
const MAX_LISTED: usize = 30_000;

impl ActiveRun {
    /// Copies the file at `path` to the run's directory `artifacts`, under its own name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]; [`ErrorKind::Argument`]: the path has no file name that is UTF-8.
    pub fn log_artifact(&self, path: impl AsRef<Path>, step: impl IntoStep) -> Result<Artifact> {
        let path = path.as_ref();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.keep(name, &mut open(path)?, step)
    }

    /// Copies all files in and below the directory `dir` to the run's directory `artifacts`, into a directory with
    /// its name. Links count if they lead to files inside `dir`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// use tbx::track::ActiveRun;
    ///
    /// std::fs::create_dir_all(dir.join("plots/val"))?;
    /// std::fs::write(dir.join("plots/val/roc.svg"), "<svg/>")?;
    /// let run = ActiveRun::create(dir.join("run"))?;
    /// let logged = run.log_artifacts(dir.join("plots"), None)?;
    /// assert_eq!(logged[0].path, "plots/val/roc.svg");
    /// run.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: `dir` has no name that is UTF-8. [`ErrorKind::Value`]: it has more than 10,000 files,
    /// or `tbx.json` would list more than 30,000: use [`log_version`](Self::log_version), which lists a directory as
    /// one. [`ErrorKind::Io`]: a file cannot be read, or is a link out of `dir`; nothing is logged. If a file cannot be
    /// copied, those before it were logged.
    pub fn log_artifacts(
        &self,
        dir: impl AsRef<Path>,
        step: impl IntoStep,
    ) -> Result<Vec<Artifact>> {
        let dir = dir.as_ref();
        let listing = Listing::read(dir, MAX_FILES)?;
        let name = dir.file_name().and_then(|name| name.to_str()).filter(|_| listing.is_folder());
        let Some(name) = name else {
            let what = "it is not a directory with a name: use log_artifact for a file";
            return Err(failed(ErrorKind::Argument(what.into()), dir));
        };
        let (step, time) = (step.into_step(), Some(now()));
        let tree = listing.hash()?;
        let all = tree.files().iter().map(|file| {
            let path = format!("{name}/{}", file.path);
            Artifact { step, time, ..Artifact::new(path, file.size, file.sha256.clone()) }
        });
        let all: Vec<_> = all.collect();
        // Before the files are there: a copy that is cut off lacks some of those that are listed.
        self.list(&all)?;
        let mut kept = Vec::with_capacity(all.len());
        for artifact in &all {
            let below =
                artifact.path.strip_prefix(name).unwrap_or_default().trim_start_matches('/');
            let stored = open(&dir.join(below))
                .and_then(|mut content| self.store(&artifact.path, &mut content, step));
            match stored {
                Ok(stored) => kept.push(stored),
                Err(error) => {
                    self.unlist(all.get(kept.len()..).unwrap_or_default())?;
                    return Err(error);
                }
            }
        }
        // A file may have changed since it was read.
        let changed = kept.iter().zip(&all).filter(|(kept, all)| kept.sha256 != all.sha256);
        let changed: Vec<_> = changed.map(|(kept, _)| kept.clone()).collect();
        if !changed.is_empty() {
            self.list(&changed)?;
        }
        Ok(kept)
    }

    /// Writes `bytes` as the artifact `name`, a relative path with `/` between directories. An existing artifact of
    /// that name is replaced.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the name leads out of the directory; [`ErrorKind::Io`].
    pub fn log_artifact_bytes(
        &self,
        name: &str,
        mut bytes: &[u8],
        step: impl IntoStep,
    ) -> Result<Artifact> {
        self.keep(name, &mut bytes, step)
    }

    /// Writes a text as the artifact `name`, such as `notes.md`.
    ///
    /// # Errors
    ///
    /// The same as for [`log_artifact_bytes`](Self::log_artifact_bytes).
    pub fn log_text(&self, name: &str, text: &str, step: impl IntoStep) -> Result<Artifact> {
        self.log_artifact_bytes(name, text.as_bytes(), step)
    }

    /// Writes a map, a struct or any other value that serde can serialize as the artifact `name`, such as
    /// `config.json`. The format is JSON, indented, which is also YAML.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use std::collections::BTreeMap;
    /// use tbx::track::ActiveRun;
    ///
    /// let run = ActiveRun::create(dir.path())?;
    /// run.log_dict("classes.json", &BTreeMap::from([("cat", 0), ("dog", 1)]), None)?;
    /// run.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: JSON cannot express the value, for example because keys are not texts. Otherwise the
    /// same as for [`log_artifact_bytes`](Self::log_artifact_bytes).
    pub fn log_dict<T: Serialize + ?Sized>(
        &self,
        name: &str,
        value: &T,
        step: impl IntoStep,
    ) -> Result<Artifact> {
        let json = serde_json::to_string_pretty(value)
            .map_err(|error| Error::argument(format!("{name:?} cannot be JSON: {error}")))?;
        self.log_text(name, &(json + "\n"), step)
    }

    /// Writes a figure of `size` pixels (width and height), which `draw` draws with `plotters`, as the artifact
    /// `name`, a PNG file. [`add_figure`](crate::SummaryWriter::add_figure) shows one in TensorBoard.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: `draw` failed, in which case the message includes its error; or the size is 0 or too
    /// large. Otherwise the same as for [`log_artifact_bytes`](Self::log_artifact_bytes).
    #[cfg(feature = "plotters")]
    pub fn log_figure<F>(
        &self,
        name: &str,
        size: (u32, u32),
        draw: F,
        step: impl IntoStep,
    ) -> Result<Artifact>
    where
        F: FnOnce(&crate::summary::image::FigureArea) -> Result<(), Box<dyn std::error::Error>>,
    {
        let png = crate::summary::image::figure(size, draw)?.to_png()?;
        self.log_artifact_bytes(name, &png, step)
    }

    fn keep(&self, name: &str, content: &mut dyn Read, step: impl IntoStep) -> Result<Artifact> {
        let kept = self.store(name, content, step.into_step())?;
        self.list(std::slice::from_ref(&kept))?;
        Ok(kept)
    }

    /// Stores an artifact that [`list`](Self::list) adds to `tbx.json`.
    pub(super) fn store(
        &self,
        name: &str,
        content: &mut dyn Read,
        step: Option<i64>,
    ) -> Result<Artifact> {
        let kept = keep(&self.dir, name, content)?;
        Ok(Artifact { step, time: Some(now()), ..kept })
    }

    /// Adds artifacts to `tbx.json`, in place of those with the same paths.
    pub(super) fn list(&self, kept: &[Artifact]) -> Result<()> {
        let paths: HashSet<_> = kept.iter().map(|artifact| &artifact.path).collect();
        self.change_listed(|meta| {
            meta.artifacts.retain(|other| !paths.contains(&other.path));
            meta.artifacts.extend_from_slice(kept);
        })
    }

    /// Removes artifacts from `tbx.json`.
    fn unlist(&self, gone: &[Artifact]) -> Result<()> {
        self.change(|meta| meta.artifacts.retain(|other| !gone.contains(other)))
    }

    /// Adds to what `tbx.json` lists, within its limit: a file that is too long could not be read again.
    pub(super) fn change_listed(&self, change: impl FnOnce(&mut RunMeta)) -> Result<()> {
        let count = |meta: &RunMeta| meta.artifacts.len() + meta.outputs.len() + meta.inputs.len();
        RunMeta::grow(&self.dir, |meta| {
            let before = count(meta);
            change(meta);
            meta.updated_at = Some(now());
            if count(meta) > MAX_LISTED.max(before) {
                let what = format!(
                    "it would list more than {MAX_LISTED} files and versions: log directories with \
                     log_version, or archive files"
                );
                return Err(ErrorKind::Value(what));
            }
            Ok(())
        })
    }
}

/// Stores `content` as the artifact `name` of the run in `dir`. The file is replaced atomically: it
/// is either complete or unchanged.
fn keep(dir: &Path, name: &str, content: &mut dyn Read) -> Result<Artifact> {
    let path = Artifact::place(dir, name)?;
    if let Some(parent) = path.parent() {
        disk::create_dir_all(parent).map_err(|error| failed(error, parent))?;
    }
    let (mut size, mut sha256) = (0, String::new());
    replace(&path, |out| {
        (size, sha256) = digest::copy(content, out)??;
        Ok(())
    })?;
    Ok(Artifact { path: name.into(), size, sha256, ..Artifact::default() })
}

/// Opens the file at `path` to store it as an artifact.
pub(super) fn open(path: &Path) -> Result<File> {
    open_regular(path).map(|(file, _)| file).map_err(|error| failed(error, path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn artifacts_stay_in_their_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", "/etc/passwd", "../a", "a/../../b", "a\\b", "a\0b", "."] {
            let error = keep(dir.path(), name, &mut &b"x"[..]).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{name:?}: {error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_artifact_has_its_size_and_digest() {
        let dir = tempfile::tempdir().unwrap();
        let kept = keep(dir.path(), "models/a.bin", &mut &b"abc"[..]).unwrap();
        assert_eq!((kept.path.as_str(), kept.size), ("models/a.bin", 3));
        // FIPS 180-2, appendix B.1
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(kept.sha256, abc);
        assert_eq!(fs::read(dir.path().join("artifacts/models/a.bin")).unwrap(), b"abc");
    }
}
