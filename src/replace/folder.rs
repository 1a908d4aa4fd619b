//! A directory that appears under its name once it is complete.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::job::Job;
use super::temporary::parent;
use super::{disk, names, sweep_once};
use crate::error::{Result, failed};
use crate::store;

/// Keywords of the line of a job whose directory is complete. The first is followed by the
/// directory's name; the second means that the directory replaces an existing one.
pub(super) const COMPLETE: &str = "complete";
const REPLACING: &str = "replacing";

/// A directory that appears under its name once it is complete.
///
/// Until then it has a name that begins with `.tbx~`, next to the final one, and the event files in
/// it have names that no reader takes for event files ([`file`](Self::file)). If the program dies,
/// the next program that creates a directory there removes it. If the program died while it was
/// renaming files, the next one completes the renaming.
#[derive(Debug)]
pub struct Folder {
    /// The final path.
    name: PathBuf,
    /// The path until it is complete.
    path: PathBuf,
    /// Whether it replaces an existing directory.
    replaces: bool,
    /// Records that the directory is being written, and then that it is complete.
    job: Option<Job>,
}

impl Folder {
    /// Creates a directory that will be at `path`, where only an empty directory may exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: `path` exists, or cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let local = store::local_only(path, "writing a directory");
        local.map_err(|error| failed(error, path))?;
        // A previous program may have died when it was nearly complete.
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

    /// Like [`create`](Self::create), but replaces whatever is at `path`, which is removed once the
    /// new directory is complete. The caller must check that nothing is lost.
    ///
    /// # Errors
    ///
    /// The same as for [`create`](Self::create).
    pub fn replace(path: &Path) -> Result<Self> {
        Self::make(path, true)
    }

    fn make(path: &Path, replaces: bool) -> Result<Self> {
        let made = || -> io::Result<_> {
            disk::create_dir_all(parent(path))?;
            let job = Job::create(parent(path))?;
            let directory = job.new_directory();
            disk::create_dir(&directory)?;
            Ok((job, directory))
        };
        let (job, directory) = made().map_err(|error| failed(error, path))?;
        Ok(Self { name: path.into(), path: directory, replaces, job: Some(job) })
    }

    /// The path to write to until the directory is complete.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The current path of a file that will be at `relative` in the complete directory. Event files
    /// get their final names when the directory is complete.
    pub fn file(&self, relative: &Path) -> PathBuf {
        unfinished(&self.path.join(relative))
    }

    /// Gives the complete directory and the event files in it their final names.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`].
    pub fn finish(mut self) -> Result<()> {
        let Some(job) = self.job.take() else { return Ok(()) };
        let finished = self.finish_as(&job);
        let has_name = !self.path.exists();
        if finished.is_err() && !has_name {
            let _ = job.forget(); // before the directory is removed
        }
        drop(self);
        match finished.is_err() && has_name {
            true => job.leave(), // the next program tries to complete the renaming
            false => drop(job),
        }
        finished
    }

    fn finish_as(&self, job: &Job) -> Result<()> {
        let failed = |error| failed(error, &self.name);
        if !job.is_there() {
            let what = "it was removed while it was being written";
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, what)));
        }
        // From here on the directory gets its final name, if necessary from another program.
        let name = self.name.file_name().unwrap_or_default();
        job.note(&note(name, self.replaces)).map_err(failed)?;
        publish(job, &self.name, self.replaces).map_err(failed)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // An incomplete directory is useless; after `finish` it has another name.
        if self.path.exists() {
            let _ = disk::remove_dir_all(&self.path);
        }
    }
}

/// The path at which a file is written that will be at `path`, in an incomplete directory.
pub fn unfinished(path: &Path) -> PathBuf {
    match path.file_name() {
        Some(name) => path.with_file_name(names::pending(name)),
        None => path.to_owned(),
    }
}

/// The line of a job whose directory is complete.
fn note(name: &OsStr, replaces: bool) -> String {
    let replacing = if replaces { format!(" {REPLACING}") } else { String::new() };
    format!("{COMPLETE} {}{replacing}\n", names::to_line(name))
}

/// Gives the directory of `job` and the files in it their final names. Each step can be repeated.
fn publish(job: &Job, name: &Path, replaces: bool) -> io::Result<()> {
    let (new, old) = (job.new_directory(), job.going());
    if new.exists() {
        match replaces {
            // The old directory is missing only between two renames, and is kept until the new one
            // is there.
            true if name.symlink_metadata().is_ok() => put_away(name, &old)?,
            true => {}
            // An empty directory of that name may exist; only Unix would replace it.
            false => match disk::remove_dir(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
        }
        if let Err(error) = disk::rename(&new, name) {
            put_back(&old, name)?;
            return Err(error);
        }
    }
    complete_names(name)?;
    if old.exists() { disk::remove_dir_all(&old) } else { Ok(()) }
}

/// Moves the directory at `path` to the temporary path `away`, under which no file may look like a
/// log.
pub(super) fn put_away(path: &Path, away: &Path) -> io::Result<()> {
    rename_files(path, &|name| Some(names::pending(name)).filter(|pending| pending != name))?;
    disk::rename(path, away)
}

/// Moves the directory back, as far as it was moved.
pub(super) fn put_back(away: &Path, path: &Path) -> io::Result<()> {
    if away.symlink_metadata().is_ok() {
        disk::rename(away, path)?;
    }
    complete_names(path)
}

/// Gives all event files in and below `directory` their final names.
fn complete_names(directory: &Path) -> io::Result<()> {
    rename_files(directory, &names::complete)
}

/// Renames the files in and below `directory` for which `other` returns a name.
fn rename_files(directory: &Path, other: &dyn Fn(&OsStr) -> Option<OsString>) -> io::Result<()> {
    if !directory.symlink_metadata().is_ok_and(|there| there.is_dir()) {
        return Ok(()); // a file, a link, or nothing
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if !names::is_temporary(&name) {
                rename_files(&entry.path(), other)?;
            }
        } else if let Some(name) = other(&name) {
            disk::rename(&entry.path(), &directory.join(name))?;
        }
    }
    Ok(())
}

/// Gives the directory its name, unless another program has put one there meanwhile.
pub(super) fn settle(job: &Job, lines: &[String]) -> io::Result<()> {
    let words: Vec<_> = lines.first().map(|line| line.split(' ').collect()).unwrap_or_default();
    let (name, replaces) = match words.as_slice() {
        [_, name] => (names::from_line(name), false),
        [_, name, _] => (names::from_line(name), true),
        _ => (None, false),
    };
    // The name must not lead out of the directory.
    let Some(name) = name.filter(|name| Path::new(name).file_name() == Some(name)) else {
        return Ok(());
    };
    match publish(job, &job.parent().join(name), replaces) {
        Err(_) if job.new_directory().exists() => job.forget(), // and the directory is removed
        published => published,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sweep;
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

    /// Leaves the state that exists if the process of `folder` is killed.
    fn killed(mut folder: Folder) {
        folder.job.take().unwrap().leave();
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
        sweep(dir.path()).unwrap();
        assert!(list(dir.path()).is_empty());

        let folder = begun(&path, Folder::create);
        folder.job.as_ref().unwrap().note(&note(OsStr::new("out"), false)).unwrap();
        killed(folder);
        sweep(dir.path()).unwrap();
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
            let job = folder.job.as_ref().unwrap();
            let (new, old) = (job.new_directory(), job.going());
            job.note(&note(OsStr::new("out"), true)).unwrap();
            let renames = [(&path, &old), (&new, &path)];
            renames.iter().take(steps).for_each(|(from, to)| fs::rename(from, to).unwrap());
            killed(folder);
            sweep(dir.path()).unwrap();
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
            fs::write(inside.join(".tbx~1-1.job"), note(name.as_ref(), true)).unwrap();
            let _ = sweep(&inside);
            assert!(list(&inside).is_empty(), "{name}");
            assert_eq!(list(dir.path()), ["inside", "mine"]);
        }
    }
}
