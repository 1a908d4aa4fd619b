//! A file that appears under its name when it is complete.

use std::fs::File;
use std::io::{self, Stdout, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Location, Result};
use crate::replace::{Temporary, disk};
use crate::store::{self, Upload};

/// So much is collected before it is written.
const WRITE_AT: usize = 1 << 20;

/// Removed again if it is not finished.
pub(super) struct Output {
    path: PathBuf,
    overwrite: bool,
    to: To,
    written: u64,
    /// What is not written yet.
    buffer: Vec<u8>,
}

enum To {
    Stdout(Stdout),
    /// A pipe or a device.
    Device(File),
    File(Temporary),
    /// An object of a store.
    Url(Upload),
}

impl Output {
    /// A file that will be at `path`; `-` is the standard output.
    pub(super) fn create(path: &Path, overwrite: bool) -> Result<Self> {
        let of = |path: &Path, to: To| Self {
            path: path.into(),
            overwrite,
            to,
            written: 0,
            buffer: Vec::new(),
        };
        if path == Path::new("-") {
            return Ok(of(path, To::Stdout(io::stdout())));
        }
        if store::is_url(path) {
            let upload = Upload::create(path, overwrite).map_err(|error| failed(error, path))?;
            return Ok(of(path, To::Url(upload)));
        }
        let existing = path.metadata().ok();
        if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
            // A pipe or a device takes the bytes as they come, and must not be replaced.
            let file = File::options().write(true).open(path);
            let file = file.map_err(|error| failed(error, path))?;
            return Ok(of(path, To::Device(file)));
        }
        let is_link = path.symlink_metadata().is_ok_and(|link| link.is_symlink());
        if !overwrite && (existing.is_some() || is_link) {
            return Err(exists(path));
        }
        // A link stays, and what it leads to is replaced.
        let target = if is_link { path.canonicalize() } else { Ok(path.into()) };
        let target = target.map_err(|error| failed(error, path))?;
        let file = Temporary::next_to(&target).map_err(|error| failed(error, path))?;
        Ok(of(&target, To::File(file)))
    }

    /// Takes bytes, and writes if there are many.
    pub(super) fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let bytes = bytes.as_ref();
        if self.buffer.is_empty() && bytes.len() >= WRITE_AT {
            return self.write_now(bytes).map_err(|error| failed(error, &self.path));
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_AT { self.write_buffer() } else { Ok(()) }
    }

    fn write_buffer(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let written = self.write_now(&buffer).map_err(|error| failed(error, &self.path));
        self.buffer = buffer;
        self.buffer.clear();
        written
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.to {
            To::Stdout(out) => out.write_all(bytes)?,
            To::Device(file) => file.write_all(bytes)?,
            To::File(file) => file.file()?.write_all(bytes)?,
            To::Url(upload) => upload.write_all(bytes)?,
        }
        self.written += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    /// How many bytes were written; none if it is no file.
    pub(super) fn bytes(&self) -> Option<u64> {
        matches!(self.to, To::File(_) | To::Url(_)).then_some(self.written)
    }

    /// Writes the rest.
    pub(super) fn complete(&mut self) -> Result<()> {
        self.write_buffer()?;
        match &mut self.to {
            To::Stdout(out) => out.flush().map_err(|error| failed(error, &self.path)),
            To::Device(_) | To::File(_) | To::Url(_) => Ok(()),
        }
    }

    /// Gives the complete file its name. A file that came there meanwhile stays, unless it may be
    /// overwritten.
    pub(super) fn finish(mut self) -> Result<()> {
        self.complete()?;
        let file = match self.to {
            To::Stdout(_) | To::Device(_) => return Ok(()),
            To::File(file) => file,
            To::Url(mut upload) => {
                return upload.finish().map_err(|error| failed(error, &self.path));
            }
        };
        if self.overwrite {
            return file.rename(&self.path).map_err(|error| failed(error, &self.path));
        }
        // Unlike a name that is given by `rename`, a second one replaces nothing.
        match disk::hard_link(file.path(), &self.path) {
            Ok(()) => Ok(()), // and the first one goes with `file`
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&self.path)),
            Err(_) => {
                // Not all file systems have second names. Nobody else can have made this file.
                let claimed = disk::create_new(&self.path);
                let renamed = claimed.and_then(|_| file.rename(&self.path));
                renamed.map_err(|error| failed(error, &self.path))
            }
        }
    }
}

fn exists(path: &Path) -> Error {
    failed(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists"), path)
}

pub(super) fn failed(error: io::Error, path: &Path) -> Error {
    ErrorKind::from(error).at(Location::path(path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(path: &Path, overwrite: bool) -> Result<Output> {
        let mut output = Output::create(path, overwrite)?;
        output.write("new")?;
        Ok(output)
    }

    #[test]
    fn a_file_that_appears_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("points.csv");
        let (first, second) = (written(&path, false).unwrap(), written(&path, false).unwrap());
        fs::write(&path, "precious").unwrap();
        let said = first.finish().unwrap_err().to_string();
        assert!(said.ends_with("points.csv: the file exists"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
        second.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        written(&path, true).unwrap().finish().unwrap();
        // And nothing is left beside it.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
