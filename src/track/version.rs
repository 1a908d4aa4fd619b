//! Versions of artifacts that a run logs and uses.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::run::ActiveRun;
use crate::artifacts::{ArtifactName, ArtifactVersion, Artifacts, Producer};
use crate::error::Result;
use crate::meta::{ArtifactRef, RunMeta, now};
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
    /// such as `dataset` or `model`. Content that is new in the [log
    /// directory](super::RunOptions::artifact_store) gets the next number. Content that some run has logged before under
    /// this name is the same version. In both cases, `latest` means this version from now on.
    ///
    /// The files are copied to the run's directory `artifacts`. If another run has them, they become hard links to
    /// those, where the file system has such links: do not change them. A version of a directory has a list of its files
    /// next to it, which `sha256sum --check` reads. As long as the files at `path` have the same sizes and times of
    /// change, they are not read again.
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
        let mut all = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = all.remove(name);
        let added =
            Artifacts::open(&self.artifact_store).add(run, name, kind, path.as_ref(), &mut last);
        all.extend(last.map(|last| (name.to_owned(), last)));
        drop(all);
        let (version, output) = added?;
        let output = ArtifactRef { step: step.into_step(), time: Some(now()), ..output };
        self.refer(output, |meta| &mut meta.outputs)?;
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
        let kind = artifacts.all()?.remove(&name.artifact).and_then(|artifact| artifact.kind);
        // `latest` may mean another version a moment later.
        let exact = ArtifactName::new(&name.artifact, version.version);
        let path = artifacts.path(&exact)?;
        let input = ArtifactRef {
            name: name.artifact,
            version: version.version,
            digest: version.digest.clone(),
            kind,
            time: Some(now()),
            ..ArtifactRef::default()
        };
        self.refer(input, |meta| &mut meta.inputs)?;
        Ok(UsedArtifact { path, version })
    }

    /// Adds a version to a list in `tbx.json`, unless it is there.
    fn refer(
        &self,
        new: ArtifactRef,
        list: impl Fn(&mut RunMeta) -> &mut Vec<ArtifactRef>,
    ) -> Result<()> {
        let is_known = |known: &ArtifactRef| {
            (&known.name, known.version, &known.path) == (&new.name, new.version, &new.path)
        };
        if list(&mut self.meta()?).iter().any(is_known) {
            return Ok(());
        }
        self.change_listed(|meta| {
            let list = list(meta);
            if !list.iter().any(is_known) {
                list.push(new.clone());
            }
        })
    }
}
