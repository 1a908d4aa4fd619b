//! Versions of artifacts: `tbx.artifacts.json` at the root of a log directory.
//!
//! A version has a number and the digest of its content. The same content is the same version, whichever run logs it
//! and how often. Each run that logs it has its files, in `<run>/artifacts/<name>/<start of the digest>/`, once. They are
//! hard links to those of the run that logged it first, where the file system has such links, so they need no space.
//! [`ActiveRun::log_version`](crate::track::ActiveRun::log_version) adds versions, and
//! [`ActiveRun::use_artifact`](crate::track::ActiveRun::use_artifact) notes their use in the metadata of the run.

#[cfg(feature = "track")]
mod add;
mod file;
mod merge;
mod name;
mod sums;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

#[cfg(feature = "track")]
pub(crate) use add::{Logged, Producer};
pub use file::{ArtifactVersion, VersionCopy, VersionedArtifact};
pub use name::ArtifactName;

use crate::error::{Error, ErrorKind, Location, Result, failed};
use crate::meta::Artifact;
use crate::replace::{self, Folder};
use crate::store::{Links, Root};
use crate::tree::{Listing, MAX_FILES, Tree};

/// Name of the file.
#[doc(hidden)]
pub const FILE: &str = crate::file_names::VERSIONS;

/// The versions of artifacts in a log directory.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// use tbx::artifacts::Artifacts;
/// use tbx::track::ActiveRun;
///
/// std::fs::write(dir.join("train.csv"), "1,2")?;
/// let run = ActiveRun::create(dir.join("runs/first"))?;
/// run.log_version("data", "dataset", dir.join("train.csv"), None)?;
/// run.finish()?;
///
/// let artifacts = Artifacts::open(dir.join("runs"));
/// let version = artifacts.version(&"data:latest".parse()?)?;
/// assert_eq!((version.version, &*version.run), (0, "first"));
/// artifacts.fetch(&"data:v0".parse()?, &dir.join("copy"))?;
/// assert_eq!(std::fs::read(dir.join("copy/train.csv"))?, b"1,2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Artifacts {
    root: PathBuf,
    links: Links,
}

impl Artifacts {
    /// The versions in the log directory `root`; nothing is read or created yet.
    pub fn open(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), links: Links::Inside }
    }

    /// Whether files are also read if links lead out of the log directory or of a run. Default: false.
    #[must_use]
    pub fn follow_links(self, follow: bool) -> Self {
        Self { links: Links::all_if(follow), ..self }
    }

    /// The log directory; names of runs are relative to it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn file(&self) -> PathBuf {
        self.root.join(FILE)
    }

    /// All artifacts by name; empty if there is no file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the file is not a list of versions; [`ErrorKind::Io`].
    pub fn all(&self) -> Result<BTreeMap<String, VersionedArtifact>> {
        let path = self.file();
        file::read(&path, self.links).map_err(|kind| kind.at(Location::of(path)))
    }

    /// The version with this name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such version. Also as for [`all`](Self::all).
    pub fn version(&self, name: &ArtifactName) -> Result<ArtifactVersion> {
        let all = self.all()?;
        let found = all.get(&name.artifact).ok_or_else(|| self.no_artifact(&name.artifact))?;
        name.of(found).cloned().map_err(|kind| kind.at(Location::of(self.file())))
    }

    fn no_artifact(&self, name: &str) -> Error {
        let what = format!("there is no artifact {name:?} with versions");
        ErrorKind::Argument(what).at(Location::of(self.file()))
    }

    /// The path of the file or the directory of a version, in the first run that has it unchanged. Reads all of it to
    /// check its digest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the files differ from those that were logged; [`ErrorKind::Io`]: they do not exist,
    /// because the runs were removed. Also as for [`version`](Self::version).
    pub fn path(&self, name: &ArtifactName) -> Result<PathBuf> {
        let version = self.version(name)?;
        self.first(&version, |from| {
            let tree = Tree::read(from)?;
            if tree.digest() == version.digest {
                return Ok(from.to_owned());
            }
            Err(differs(name, from, &tree, &version))
        })
    }

    /// Copies the files of a version to `to`, a new or empty directory, and checks them. The directory appears when
    /// it is complete.
    ///
    /// # Errors
    ///
    /// The same as for [`path`](Self::path); [`ErrorKind::Io`]: `to` is not empty, or cannot be written.
    pub fn fetch(&self, name: &ArtifactName, to: &Path) -> Result<ArtifactVersion> {
        let version = self.version(name)?;
        self.first(&version, |from| {
            let listing = Listing::read(from, MAX_FILES)?;
            let folder = Folder::create(to)?;
            let copied = listing.copy(&folder)?;
            if copied.digest() == version.digest {
                return folder.finish();
            }
            Err(differs(name, from, &copied, &version))
        })?;
        Ok(version)
    }

    /// The result of `f` for the files of a version in the first run for which it succeeds; otherwise the error
    /// of the first run.
    fn first<T>(&self, version: &ArtifactVersion, f: impl Fn(&Path) -> Result<T>) -> Result<T> {
        let mut first = None;
        for place in version.places() {
            let found = self.place(&place).and_then(|path| {
                self.inside(&place, &path)?;
                f(&path)
            });
            match found {
                Ok(found) => return Ok(found),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        let none = || ErrorKind::Value("a version has no run".into()).at(Location::of(self.file()));
        Err(first.unwrap_or_else(none))
    }

    /// Makes `alias` a name of this version, and of no other.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such version, or the alias is not valid; [`ErrorKind::Io`].
    pub fn set_alias(&self, name: &ArtifactName, alias: &str) -> Result<()> {
        name::check_alias(alias)?;
        self.edit(|all| {
            let none = || self.no_artifact(&name.artifact).into_kind();
            let artifact = all.get_mut(&name.artifact).ok_or_else(none)?;
            let number = name.of(artifact)?.version;
            artifact.aliases.insert(alias.to_owned(), number);
            Ok(())
        })
    }

    /// Whether some run still has the files of a version, whatever their content.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the version names a place outside of the log directory.
    #[doc(hidden)]
    pub fn is_there(&self, version: &ArtifactVersion) -> Result<bool> {
        for place in version.places() {
            if self.place(&place)?.exists() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The expected path of the file or the directory of a version in a run, which may be gone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: it is outside of the log directory.
    #[doc(hidden)]
    pub fn place(&self, place: &VersionCopy) -> Result<PathBuf> {
        let is_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(&place.run).components().all(is_inside) {
            let what = format!("{:?} is not a run in the log directory", place.run);
            return Err(ErrorKind::Value(what).at(Location::of(self.file())));
        }
        Ok(Artifact::place(&self.root.join(&place.run), &place.path)?)
    }

    /// The path of the list of the files that are at `place`, if that is a directory.
    #[doc(hidden)]
    pub fn list_of(place: &Path) -> PathBuf {
        sums::path(place)
    }

    /// Fails if `path` is not among the artifacts of the run, because of a link.
    fn inside(&self, place: &VersionCopy, path: &Path) -> Result<()> {
        let root = Root::new(&self.root.join(&place.run), self.links);
        let real = root.and_then(|root| root.resolve(path));
        real.map(drop).map_err(|error| failed(error, path))
    }

    /// Changes the file. Concurrent changes wait for each other.
    fn edit(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, VersionedArtifact>) -> Result<(), ErrorKind>,
    ) -> Result<()> {
        replace::edit(&self.file(), |old| file::changed(old, change))
    }
}

/// The error for files that are not those of the version.
fn differs(name: &ArtifactName, path: &Path, there: &Tree, version: &ArtifactVersion) -> Error {
    let what = sums::first_difference(path, there, &version.digest);
    let what = what.map(|what| format!(": {what}")).unwrap_or_default();
    let what = format!("it is not what was logged as {name}, its digest differs{what}");
    failed(ErrorKind::Value(what), path)
}
