//! Logs versions of artifacts.

use std::path::Path;

use super::{ArtifactVersion, Artifacts, VersionedArtifact, name};
use crate::error::{Error, ErrorKind, Result, failed};
use crate::meta::{Artifact, now};
use crate::replace::Folder;
use crate::safe_name;
use crate::tree::{Tree, TreeFile};

/// Number of hex digits of a digest in the name of a directory.
const IN_PATH: usize = 16;

/// A version that was just logged, and its files as artifacts of a run; none if another run has them.
pub(crate) struct Added {
    pub(crate) version: ArtifactVersion,
    pub(crate) files: Vec<Artifact>,
}

/// The run that logs a version.
#[derive(Clone, Copy)]
pub(crate) struct Producer<'r> {
    pub(crate) dir: &'r Path,
    pub(crate) id: &'r str,
}

impl Artifacts {
    /// Logs the file or the directory at `source` as a version of the artifact `name`, for the run in `dir` below
    /// the log directory.
    pub(crate) fn add(
        &self,
        run: Producer<'_>,
        name: &str,
        kind: &str,
        source: &Path,
    ) -> Result<Added> {
        name::check_name(name)?;
        let tree = Tree::read(source)?;
        if tree.files().is_empty() {
            return Err(failed(ErrorKind::Value("it has no files to log".into()), source));
        }
        let digest = tree.digest();
        let of_digest = |artifact: &VersionedArtifact| {
            artifact.versions.iter().find(|version| version.digest == digest).cloned()
        };
        let known = self.all()?.get(name).and_then(of_digest);
        if let Some(version) = known.filter(|known| self.has(known).unwrap_or(false)) {
            return Ok(Added { version, files: Vec::new() });
        }
        let start: String = digest.chars().take(IN_PATH).collect();
        let folder = format!("{}/{start}", safe_name::encode(name));
        let files = store(run.dir, &folder, source, &tree)?;
        let path = match tree.files() {
            [file] if !tree.is_folder() => format!("{folder}/{}", file.path),
            _ => folder,
        };
        let new = ArtifactVersion {
            digest: digest.clone(),
            size: tree.size(),
            files: u64::try_from(tree.files().len()).unwrap_or(u64::MAX),
            run: self.name_of(run.dir)?,
            run_id: Some(run.id.to_owned()),
            path,
            created: Some(now()),
            ..ArtifactVersion::default()
        };
        let mut version = new.clone();
        self.edit(|all| {
            let artifact = all.entry(name.to_owned()).or_default();
            artifact.kind.get_or_insert_with(|| kind.to_owned());
            let next = artifact.versions.iter().map(|known| known.version.saturating_add(1));
            let next = next.max().unwrap_or(0);
            let known = artifact.versions.iter_mut().find(|known| known.digest == digest);
            match known {
                // Its files are gone, or differ, or another run was faster: this run has them.
                Some(known) => {
                    (known.run, known.run_id, known.path) = (new.run, new.run_id, new.path);
                    version = known.clone();
                }
                None => {
                    version = ArtifactVersion { version: next, ..new };
                    artifact.versions.push(version.clone());
                }
            }
            Ok(())
        })?;
        Ok(Added { version, files })
    }

    /// The name of the run in `dir`.
    fn name_of(&self, dir: &Path) -> Result<String> {
        let absolute = |path: &Path| path.canonicalize().map_err(|error| failed(error, path));
        let (root, dir) = (absolute(&self.root)?, absolute(dir)?);
        let name = dir.strip_prefix(&root).ok().and_then(Path::to_str).ok_or_else(|| {
            let (dir, root) = (dir.display(), root.display());
            Error::argument(format!("{dir} is not a run in the log directory {root}"))
        })?;
        let name = if name.is_empty() { "." } else { name };
        Ok(name.replace(std::path::MAIN_SEPARATOR, "/"))
    }
}

/// Copies the files of `tree`, which is at `source`, to the directory `folder` among the artifacts of the run in
/// `dir`. The name of the directory depends on the content: one that is complete stays as it is.
fn store(dir: &Path, folder: &str, source: &Path, tree: &Tree) -> Result<Vec<Artifact>> {
    let to = Artifact::place(dir, folder)?;
    let is_there = to.is_dir() && Tree::read(&to).is_ok_and(|there| there.files() == tree.files());
    if !is_there {
        let new = Folder::replace(&to)?;
        tree.copy(source, &new)?;
        new.finish()?;
    }
    let artifact = |file: &TreeFile| {
        Artifact::new(format!("{folder}/{}", file.path), file.size, file.sha256.clone())
    };
    Ok(tree.files().iter().map(artifact).collect())
}
