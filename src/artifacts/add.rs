//! Logs versions of artifacts.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{ArtifactVersion, Artifacts, VersionCopy, name, sums};
use crate::error::{Error, ErrorKind, Result, failed};
use crate::meta::{Artifact, ArtifactRef, now};
use crate::replace::{Folder, sweep_once};
use crate::safe_name;
use crate::tree::{Listing, MAX_FILES, Tree};

/// Number of hex digits of a digest in the name of a directory.
const IN_PATH: usize = 16;
/// A file that changed later than this before it was read may change again without another time of change.
const SETTLED: Duration = Duration::from_secs(2);
/// Maximum number of files of a version that is remembered.
const MAX_REMEMBERED: usize = 100_000;

/// The run that logs a version.
#[derive(Clone, Copy)]
pub(crate) struct Producer<'r> {
    pub(crate) dir: &'r Path,
    pub(crate) id: &'r str,
}

/// The version that a run logged last under a name. Its files are not read again while they stay the same.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    source: Listing,
    /// The files in the run.
    stored: Listing,
    digest: String,
    /// Whether the source was at rest when it was read, so that a later change shows in its times.
    is_settled: bool,
}

impl Artifacts {
    /// Logs the file or the directory at `source` as a version of the artifact `name`, for the run in `dir` below
    /// the log directory. The run gets all of its files. `last` is the version that it logged last under this name.
    pub(crate) fn add(
        &self,
        run: Producer<'_>,
        name: &str,
        kind: &str,
        source: &Path,
        last: &mut Option<Logged>,
    ) -> Result<(ArtifactVersion, ArtifactRef)> {
        name::check_name(name)?;
        let listing = Listing::read(source, MAX_FILES)?;
        if listing.is_empty() {
            return Err(failed(ErrorKind::Value("it has no files to log".into()), source));
        }
        let is_same = |last: &Logged| last.is_settled && last.source == listing;
        let known = last.as_ref().filter(|last| is_same(last) && last.is_there());
        let (digest, path, size) = match known {
            Some(known) => {
                (known.digest.clone(), self.path_in(run.dir, &known.stored)?, known.stored.size())
            }
            None => {
                let begin = SystemTime::now();
                let tree = listing.hash()?;
                let digest = tree.digest();
                let stored = self.store(run.dir, name, &listing, &tree, last.as_ref())?;
                let path = self.path_in(run.dir, &stored)?;
                let at_rest = begin.checked_sub(SETTLED);
                let is_settled = listing.modified().is_some_and(|time| Some(time) < at_rest);
                *last = (listing.len() <= MAX_REMEMBERED).then(|| Logged {
                    source: listing.clone(),
                    stored,
                    digest: digest.clone(),
                    is_settled,
                });
                (digest, path, tree.size())
            }
        };
        let place = VersionCopy {
            run: self.name_of(run.dir)?,
            run_id: Some(run.id.to_owned()),
            path: path.clone(),
        };
        let new = ArtifactVersion {
            digest,
            size,
            files: u64::try_from(listing.len()).unwrap_or(u64::MAX),
            run: place.run.clone(),
            run_id: place.run_id.clone(),
            path: place.path.clone(),
            created: Some(now()),
            ..ArtifactVersion::default()
        };
        let version = self.number(name, kind, new, place)?;
        let output = ArtifactRef {
            name: name.to_owned(),
            version: version.version,
            digest: version.digest.clone(),
            kind: Some(kind.to_owned()),
            path: Some(path),
            files: Some(version.files),
            size: Some(version.size),
            ..ArtifactRef::default()
        };
        Ok((version, output))
    }

    /// Gives the version its number, unless it has one, and makes it the latest.
    fn number(
        &self,
        name: &str,
        kind: &str,
        new: ArtifactVersion,
        place: VersionCopy,
    ) -> Result<ArtifactVersion> {
        let mut version = new.clone();
        self.edit(|all| {
            let artifact = all.entry(name.to_owned()).or_default();
            artifact.kind.get_or_insert_with(|| kind.to_owned());
            let next = artifact.versions.iter().map(|known| known.version.saturating_add(1));
            let next = next.max().unwrap_or(0);
            match artifact.versions.iter_mut().find(|known| known.digest == new.digest) {
                Some(known) => {
                    known.hold(place, |place| self.place(place).is_ok_and(|path| path.exists()));
                    version = known.clone();
                }
                None => {
                    version = ArtifactVersion { version: next, ..new };
                    artifact.versions.push(version.clone());
                }
            }
            artifact.aliases.insert(name::LATEST.to_owned(), version.version);
            Ok(())
        })?;
        Ok(version)
    }

    /// Puts the files of `tree`, which was read from `source`, among the artifacts of the run in `dir`, unless they
    /// are there: as hard links to those of another run, otherwise as copies. The name of their directory depends on
    /// the content.
    fn store(
        &self,
        dir: &Path,
        name: &str,
        source: &Listing,
        tree: &Tree,
        last: Option<&Logged>,
    ) -> Result<Listing> {
        let digest = tree.digest();
        let start: String = digest.chars().take(IN_PATH).collect();
        let folder = Artifact::place(dir, &format!("{}/{start}", safe_name::encode(name)))?;
        let to = match tree.files() {
            [file] if !tree.is_folder() => folder.join(&file.path),
            _ => folder.clone(),
        };
        if let Some(last) = last.filter(|last| last.digest == digest && last.is_at(&to)) {
            return Ok(last.stored.clone());
        }
        // A program may have died before its complete directory had its name.
        folder.parent().into_iter().for_each(sweep_once);
        let holds = || Tree::read(&to).is_ok_and(|there| there.digest() == digest);
        if !holds() {
            // The file there has another content, so it is damaged.
            let new = || match folder.symlink_metadata() {
                Ok(_) => Folder::replace(&folder),
                Err(_) => Folder::create(&folder),
            };
            let other = self.elsewhere(name, &digest);
            let file = tree.files().first().map(|file| file.path.as_str()).unwrap_or_default();
            let linked = other.is_some_and(|other| {
                let linked = new().and_then(|new| other.link(&new, file).map(|()| new));
                linked.is_ok_and(|new| new.finish().is_ok())
            });
            if !linked && !holds() {
                let new = new()?;
                if source.copy(&new)?.digest() != digest {
                    let what =
                        "it changed while it was being copied: repeat this when it is complete";
                    return Err(failed(ErrorKind::Value(what.into()), source.path()));
                }
                match new.finish() {
                    Err(error) if is_there(&error) && holds() => {} // from another thread
                    finished => finished?,
                }
            }
        }
        if tree.is_folder() {
            sums::write(&folder, tree)?;
        }
        Listing::read(&to, MAX_FILES)
    }

    /// The files of a version in a run that has them all.
    fn elsewhere(&self, name: &str, digest: &str) -> Option<Listing> {
        let all = self.all().ok()?;
        let version = all.get(name)?.versions.iter().find(|version| version.digest == digest)?;
        version.places().find_map(|place| {
            let path = self.place(&place).ok()?;
            self.inside(&place, &path).ok()?;
            let listing = Listing::read(&path, MAX_FILES).ok()?;
            let is_whole = listing.hash().ok()?.digest() == digest;
            is_whole.then_some(listing)
        })
    }

    /// The path of files among the artifacts of the run in `dir`, with `/`.
    fn path_in(&self, dir: &Path, stored: &Listing) -> Result<String> {
        let artifacts = dir.join(crate::meta::ARTIFACTS);
        let path = stored.path().strip_prefix(&artifacts).ok().and_then(Path::to_str);
        let none = || failed(ErrorKind::NameNotUtf8, stored.path());
        Ok(path.ok_or_else(none)?.replace(std::path::MAIN_SEPARATOR, "/"))
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

impl Logged {
    /// Whether the files in the run are those that were put there.
    fn is_there(&self) -> bool {
        Listing::read(self.stored.path(), MAX_FILES).is_ok_and(|now| now == self.stored)
    }

    fn is_at(&self, path: &Path) -> bool {
        self.stored.path() == path && self.is_there()
    }
}

fn is_there(error: &Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty};
    matches!(error.kind(), ErrorKind::Io(error)
        if matches!(error.kind(), AlreadyExists | DirectoryNotEmpty))
}
