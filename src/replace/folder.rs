//! A folder that appears under its name when it is complete.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Location, Result};
use crate::store;

/// A folder that appears under its name when it is complete.
#[derive(Debug)]
pub struct Folder {
    /// Its name when it is complete.
    name: PathBuf,
    /// Its path until then.
    path: PathBuf,
    /// Whether it takes the place of what is there.
    replaces: bool,
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
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        fs::create_dir_all(&part).map_err(|error| failed(error, &part))?;
        Ok(Self { name: path.into(), path: part, replaces })
    }

    /// Where to write until it is complete.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the complete folder its name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`].
    pub fn finish(self) -> Result<()> {
        if self.replaces {
            // The old one is away for two renames only, and whole until the new one is there.
            let old = self.path.with_extension("old");
            fs::rename(&self.name, &old).map_err(|error| failed(error, &self.name))?;
            fs::rename(&self.path, &self.name).map_err(|error| failed(error, &self.name))?;
            return fs::remove_dir_all(&old).map_err(|error| failed(error, &old));
        }
        // An empty folder of that name may be there; only Unix would replace it.
        match fs::remove_dir(&self.name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(error, &self.name));
            }
            _ => {}
        }
        fs::rename(&self.path, &self.name).map_err(|error| failed(error, &self.name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is not complete is of no use; after `finish` it has another name.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn failed(error: io::Error, path: &Path) -> Error {
    ErrorKind::from(error).at(Location::path(path))
}
