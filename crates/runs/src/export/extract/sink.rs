//! Writes files to a directory that appears once it is complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::index::{self, INDEX_FILE};
use crate::export::Folder;
use tbx::error::{ErrorKind, Location, Result, failed};
use tbx::replace::disk;
use tbx::store;

pub(super) struct Sink {
    out: PathBuf,
    folder: Folder,
}

impl Sink {
    /// Prepares to write files to the directory `out`. With `overwrite`, `out` may exist, but may
    /// contain only files from an earlier extraction.
    pub(super) fn create(out: &Path, overwrite: bool) -> Result<Self> {
        // Use the directory itself, not a link to it, and not `.`, which has no name.
        let path = out.canonicalize().unwrap_or_else(|_| out.into());
        let folder = if overwrite && path.is_dir() {
            check_made_by_us(&path).map_err(Into::into).and_then(|()| Folder::replace(&path))
        } else {
            Folder::create(&path)
        };
        let folder = folder.map_err(|error| error.into_kind().at(Location::of(out)))?;
        Ok(Self { out: out.into(), folder })
    }

    /// Writes a file. `name` consists of safe names separated by `/`; missing directories are
    /// created.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.at(name, self.new_file(name).and_then(|mut file| file.write_all(bytes)))
    }

    /// Writes the content of `reader`. Returns the number of bytes.
    pub(super) fn copy(&self, name: &str, reader: &mut impl io::Read) -> Result<u64> {
        self.at(name, self.new_file(name).and_then(|mut file| io::copy(reader, &mut file)))
    }

    fn new_file(&self, name: &str) -> io::Result<File> {
        let path = self.folder.file(name.as_ref());
        match disk::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk::create_dir_all(path.parent().unwrap_or(&path))?;
                disk::create_new(&path)
            }
            made => made,
        }
    }

    /// Writes the index and moves the directory into place.
    pub(super) fn finish(self, index: &[u8]) -> Result<()> {
        self.put(INDEX_FILE, index)?;
        self.folder.finish()
    }

    fn at<T>(&self, name: &str, result: io::Result<T>) -> Result<T> {
        result.map_err(|error| failed(error, self.out.join(name)))
    }
}

/// Maximum size of an index in bytes.
const MAX_INDEX: u64 = 1 << 30;

/// Rejects a directory that contains anything that its index does not list.
fn check_made_by_us(out: &Path) -> Result<(), ErrorKind> {
    let refused = |what: String| {
        let error = io::Error::new(io::ErrorKind::AlreadyExists, what);
        Err(ErrorKind::from(error))
    };
    let mut directories = vec![(out.to_owned(), String::new())];
    let mut found = Vec::new();
    while let Some((path, prefix)) = directories.pop() {
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                directories.push((entry.path(), name + "/"));
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        return Ok(());
    }
    let index = store::read(&out.join(INDEX_FILE), MAX_INDEX).ok();
    let index = index.and_then(|index| index::files(&index));
    let Some(mut known) = index else {
        return refused(format!("it exists, but has no {INDEX_FILE} from an earlier extraction"));
    };
    known.push(INDEX_FILE.into());
    known.sort();
    match found.into_iter().find(|name| known.binary_search(name).is_err()) {
        Some(other) => refused(format!("it exists, and {other:?} in it is not from an extraction")),
        None => Ok(()),
    }
}
