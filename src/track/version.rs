//! Versions of artifacts that a run logs and uses.

use std::path::{Path, PathBuf};

use super::run::ActiveRun;
use crate::artifacts::{ArtifactName, ArtifactVersion, Artifacts, Producer};
use crate::error::Result;
use crate::meta::{Artifact, ArtifactRef, now};
use crate::writer::IntoStep;

/// A version of an artifact that a run uses.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct UsedArtifact {
    /// The file or the directory. It belongs to the run that logged it: do not change it.
    pub path: PathBuf,
    /// The version.
    pub version: ArtifactVersion,
}

impl ActiveRun {
    /// Logs the file or the directory at `path` as a version of the artifact `name`, such as `data`, of this kind,
    /// such as `dataset` or `model`. Content that is new gets the next number, and is copied to the run's directory
    /// `artifacts`. Content that some run of the [log directory](super::RunOptions::artifact_store) has logged
    /// before under this name is the same version, and is not copied.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// use tbx::track::ActiveRun;
    ///
    /// let model = dir.join("model.bin");
    /// let run = ActiveRun::create(dir.join("runs/first"))?;
    /// for step in 0..100 {
    ///     std::fs::write(&model, if step < 50 { "a" } else { "b" })?;
    ///     run.log_version("classifier", "model", &model, step)?;
    /// }
    /// run.finish()?;
    ///
    /// let run = ActiveRun::create(dir.join("runs/second"))?;
    /// let used = run.use_artifact("classifier:latest")?;
    /// assert_eq!(used.version.version, 1);
    /// assert_eq!(std::fs::read(used.path)?, b"b");
    /// assert_eq!(run.meta()?.inputs[0].name, "classifier");
    /// # run.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): `name` has characters other than letters, digits, `_`, `-`
    /// and `.`, or the run is not in the log directory. [`ErrorKind::Value`](crate::ErrorKind::Value): the directory is
    /// empty, a name is not UTF-8, or a file changed meanwhile. [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn log_version(
        &self,
        name: &str,
        kind: &str,
        path: impl AsRef<Path>,
        step: impl IntoStep,
    ) -> Result<ArtifactVersion> {
        let run = Producer { dir: &self.dir, id: self.id() };
        let added = Artifacts::open(&self.artifact_store).add(run, name, kind, path.as_ref())?;
        let (step, time) = (step.into_step(), Some(now()));
        let kind = Some(kind.to_owned());
        let files = added.files.into_iter();
        let files: Vec<_> =
            files.map(|file| Artifact { kind: kind.clone(), step, time, ..file }).collect();
        let version = added.version;
        if !files.is_empty() {
            self.list(&files)?;
        }
        let output = reference(name, &version);
        self.change(|meta| add(&mut meta.outputs, output))?;
        Ok(version)
    }

    /// Notes in the metadata that this run uses a version of an artifact, such as `data:latest`, `data:v3` or
    /// `data:best`, and returns its files. Reads them once to check their digest.
    ///
    /// # Errors
    ///
    /// The same as for [`Artifacts::path`].
    pub fn use_artifact(&self, name: &str) -> Result<UsedArtifact> {
        let name: ArtifactName = name.parse()?;
        let artifacts = Artifacts::open(&self.artifact_store);
        let version = artifacts.version(&name)?;
        // `latest` may mean another version a moment later.
        let exact = ArtifactName::new(&name.artifact, version.version);
        let path = artifacts.path(&exact)?;
        let input = reference(&name.artifact, &version);
        self.change(|meta| add(&mut meta.inputs, input))?;
        Ok(UsedArtifact { path, version })
    }
}

fn reference(name: &str, version: &ArtifactVersion) -> ArtifactRef {
    ArtifactRef {
        name: name.into(),
        version: version.version,
        digest: version.digest.clone(),
        ..ArtifactRef::default()
    }
}

/// Adds a version unless it is listed.
fn add(all: &mut Vec<ArtifactRef>, new: ArtifactRef) {
    if !all.iter().any(|known| (&known.name, known.version) == (&new.name, new.version)) {
        all.push(new);
    }
}
