//! A folder that appears under its name when it is complete.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::temporary::{Temporary, parent, sweep_once};
use super::{disk, names};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::store;

/// What stands before the name in the record of a complete folder, and behind it.
const RECORD: (&str, &str) = ("complete ", "\n");
/// Bytes of such a record at most.
const MAX_RECORD: u64 = 4 << 10;

/// A folder that appears under its name when it is complete.
///
/// Until then it has a name that begins with `.tbx~`, next to the later one, and the event files in it
/// have names that no reader takes for those of event files ([`file`](Self::file)). If its program dies,
/// the next one that makes a folder there removes it. If it died while it gave the names, the next one
/// gives the rest of them.
#[derive(Debug)]
pub struct Folder {
    /// Its path when it is complete.
    name: PathBuf,
    /// Its path until then.
    path: PathBuf,
    /// Whether it takes the place of what is there.
    replaces: bool,
    /// Says that somebody makes it, and then that it is complete.
    claim: Option<Temporary>,
}

impl Folder {
    /// A folder that will be at `path`, where nothing may be but an empty folder.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: it exists, or cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let local = store::local_only(path, "writing a folder");
        local.map_err(|error| failed(error, path))?;
        // Somebody may have died who had nearly completed it.
        sweep_once(parent(path));
        let is_free = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if !is_free {
            let error = io::Error::new(io::ErrorKind::AlreadyExists, "it exists and is not empty");
            return Err(failed(error, path));
        }
        Self::make(path, false)
    }

    /// The same, whatever is at `path`: it is removed when the new folder is complete. What must
    /// not be lost is for the caller to look for.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn replace(path: &Path) -> Result<Self> {
        Self::make(path, true)
    }

    fn make(path: &Path, replaces: bool) -> Result<Self> {
        let made = || {
            disk::create_dir_all(parent(path))?;
            let claim = Temporary::next_to(path)?;
            let directory = names::directory(claim.path());
            disk::create_dir(&directory)?;
            Ok((claim, directory))
        };
        let (claim, directory) = made().map_err(|error| failed(error, path))?;
        Ok(Self { name: path.into(), path: directory, replaces, claim: Some(claim) })
    }

    /// Where to write until it is complete.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file that will be at `relative` in the complete folder. Event files get their names
    /// when it is complete.
    pub fn file(&self, relative: &Path) -> PathBuf {
        unfinished(&self.path.join(relative))
    }

    /// Gives the complete folder its name, and the event files in it theirs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`].
    pub fn finish(mut self) -> Result<()> {
        let Some(claim) = self.claim.take() else { return Ok(()) };
        let finished = self.finish_as(&claim);
        let has_name = !self.path.exists();
        if finished.is_err() && !has_name {
            forget(&claim); // before the folder goes
        }
        drop(self);
        match finished.is_err() && has_name {
            true => claim.leave(), // whoever comes next tries again to give the rest of the names
            false => drop(claim),
        }
        finished
    }

    fn finish_as(&self, claim: &Temporary) -> Result<()> {
        let failed = |error| failed(error, &self.name);
        if !claim.is_there() {
            let what = "it was removed while it was written";
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, what)));
        }
        let name = self.name.file_name().unwrap_or_default();
        note(claim, name, self.replaces).map_err(failed)?;
        publish(claim, &self.name, self.replaces).map_err(failed)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is not complete is of no use; after `finish` it has another name.
        if self.path.exists() {
            let _ = disk::remove_dir_all(&self.path);
        }
    }
}

/// The path at which a file is written that will be at `path`, in a folder that is not complete.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    match path.file_name() {
        Some(name) => path.with_file_name(names::pending(name)),
        None => path.to_owned(),
    }
}

/// Notes that what the owner of `claim` makes is complete. From here on it will have its name, whoever
/// gives it.
fn note(claim: &Temporary, name: &OsStr, replaces: bool) -> io::Result<()> {
    let kind = if replaces { "replacing " } else { "" };
    let record = format!("{}{kind}{}{}", RECORD.0, names::to_line(name), RECORD.1);
    claim.file()?.write_all(record.as_bytes())
}

/// Takes that back.
fn forget(claim: &Temporary) {
    let _ = claim.file().and_then(|file| file.set_len(0));
}

/// What was noted: the name, and whether what has it is replaced.
fn noted(claim: &Temporary) -> Option<(OsString, bool)> {
    let mut file = claim.file().ok()?;
    let mut record = String::new();
    file.rewind().ok()?;
    file.take(MAX_RECORD).read_to_string(&mut record).ok()?;
    let rest = record.strip_prefix(RECORD.0)?.strip_suffix(RECORD.1)?;
    let (name, replaces) = match rest.strip_prefix("replacing ") {
        Some(name) => (name, true),
        None => (rest, false),
    };
    let name = names::from_line(name)?;
    // Nothing here may lead elsewhere.
    let is_name = Path::new(&name).file_name() == Some(&name);
    is_name.then_some((name, replaces))
}

/// Gives the folder of `claim` its name, and the files in it theirs. Each step can be repeated.
fn publish(claim: &Temporary, name: &Path, replaces: bool) -> io::Result<()> {
    let (new, old) = (names::directory(claim.path()), names::replaced(claim.path()));
    if new.exists() {
        match replaces {
            // The old one is away for two renames only, and whole until the new one is there.
            true if name.symlink_metadata().is_ok() => disk::rename(name, &old)?,
            true => {}
            // An empty folder of that name may be there; only Unix would replace it.
            false => match disk::remove_dir(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
        }
        if let Err(error) = disk::rename(&new, name) {
            if old.exists() {
                disk::rename(&old, name)?;
            }
            return Err(error);
        }
    }
    complete_names(name)?;
    if old.exists() { disk::remove_dir_all(&old) } else { Ok(()) }
}

/// Gives all event files in `directory` and below their names.
fn complete_names(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if !names::is_temporary(&name) {
                complete_names(&entry.path())?;
            }
        } else if let Some(name) = names::complete(&name) {
            disk::rename(&entry.path(), &directory.join(name))?;
        }
    }
    Ok(())
}

/// Ends what a program has begun that died: `claim` is its temporary file.
pub(super) fn settle(claim: Temporary) {
    let (new, old) = (names::directory(claim.path()), names::replaced(claim.path()));
    if let Some((name, replaces)) = noted(&claim) {
        let published = publish(&claim, &parent(claim.path()).join(name), replaces);
        if published.is_err() && !new.exists() {
            return claim.leave();
        }
        // Or else somebody has put another folder there.
        forget(&claim);
    }
    for directory in [new, old] {
        if directory.exists() && disk::remove_dir_all(&directory).is_err() {
            return claim.leave();
        }
    }
}

fn failed(error: io::Error, path: &Path) -> Error {
    ErrorKind::from(error).at(Location::path(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = "events.out.tfevents.1";

    fn list(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn begun(path: &Path, folder: impl FnOnce(&Path) -> Result<Folder>) -> Folder {
        let folder = folder(path).unwrap();
        fs::create_dir(folder.path().join("run")).unwrap();
        fs::write(folder.file(&Path::new("run").join(EVENTS)), b"new").unwrap();
        folder
    }

    /// What is there if the process of `folder` is killed.
    fn killed(mut folder: Folder) {
        folder.claim.take().unwrap().leave();
        std::mem::forget(folder);
    }

    #[test]
    fn a_folder_appears_whole_and_no_file_in_it_is_a_log_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let folder = begun(&path, Folder::create);
        assert!(!path.exists());
        assert_eq!(list(&folder.path().join("run")), ["events.out.tbx~pend.1"]);
        folder.finish().unwrap();
        assert_eq!(list(dir.path()), ["out"]);
        assert_eq!(list(&path.join("run")), [EVENTS]);
        Folder::create(&path).unwrap_err();
        drop(begun(&path, Folder::replace));
        assert_eq!(list(dir.path()), ["out"]);
    }

    #[test]
    fn the_folder_of_a_program_that_died_goes_or_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        killed(begun(&path, Folder::create));
        assert_eq!(list(dir.path()).len(), 2);
        super::super::temporary::clean_up(dir.path());
        assert!(list(dir.path()).is_empty());

        let folder = begun(&path, Folder::create);
        note(folder.claim.as_ref().unwrap(), OsStr::new("out"), false).unwrap();
        killed(folder);
        super::super::temporary::clean_up(dir.path());
        assert_eq!(
            (list(dir.path()), list(&path.join("run"))),
            (vec!["out".into()], vec![EVENTS.into()])
        );
    }

    #[test]
    fn a_folder_that_was_being_replaced_is_the_new_one_in_the_end() {
        for steps in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("out");
            fs::create_dir(&path).unwrap();
            fs::write(path.join("old"), b"old").unwrap();
            let folder = begun(&path, Folder::replace);
            let claim = folder.claim.as_ref().unwrap();
            let (new, old) = (names::directory(claim.path()), names::replaced(claim.path()));
            note(claim, OsStr::new("out"), true).unwrap();
            let renames = [(&path, &old), (&new, &path)];
            renames.iter().take(steps).for_each(|(from, to)| fs::rename(from, to).unwrap());
            killed(folder);
            super::super::temporary::clean_up(dir.path());
            assert_eq!((list(dir.path()), list(&path)), (vec!["out".into()], vec!["run".into()]));
            assert_eq!(list(&path.join("run")), [EVENTS]);
        }
    }

    #[test]
    fn what_a_stranger_wrote_leads_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("inside");
        fs::create_dir(&inside).unwrap();
        fs::write(dir.path().join("mine"), b"mine").unwrap();
        for name in ["../mine", "/tmp/x", "..", ".", "a/b", ""] {
            fs::create_dir(inside.join(".tbx~1-1.new")).unwrap();
            let record = format!("complete replacing {}\n", names::to_line(name.as_ref()));
            fs::write(inside.join(".tbx~1-1"), record).unwrap();
            super::super::temporary::clean_up(&inside);
            assert!(list(&inside).is_empty(), "{name}");
            assert_eq!(list(dir.path()), ["inside", "mine"]);
        }
    }
}
