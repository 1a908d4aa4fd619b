//! A file that appears under its name when it is complete.

use std::fs::{self, File};
use std::io::{self, Stdout, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Location, Result};
use crate::store::{self, Upload};

/// So much is collected before it is written.
const WRITE_AT: usize = 1 << 20;

pub(super) struct Output {
    path: PathBuf,
    to: To,
    /// What is not written yet. Formats append here, and end each line with
    /// [`end_line`](Self::end_line).
    pub(super) buffer: Vec<u8>,
}

enum To {
    Stdout(Stdout),
    /// And its name beside the path until it is complete; none if it is no such file.
    File(File, Option<PathBuf>),
    /// An object of a store.
    Url(Upload),
}

impl Output {
    /// A file that will be at `path`; `-` is the standard output.
    pub(super) fn create(path: &Path, overwrite: bool) -> Result<Self> {
        if path == Path::new("-") {
            let (path, to) = (path.into(), To::Stdout(io::stdout()));
            return Ok(Self { path, to, buffer: Vec::new() });
        }
        if store::is_url(path) {
            let upload = Upload::create(path, overwrite).map_err(|error| failed(error, path))?;
            return Ok(Self { path: path.into(), to: To::Url(upload), buffer: Vec::new() });
        }
        let existing = path.metadata().ok();
        if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
            // A pipe or a device takes the bytes as they come, and must not be replaced.
            let file = File::options().write(true).open(path);
            let to = To::File(file.map_err(|error| failed(error, path))?, None);
            return Ok(Self { path: path.into(), to, buffer: Vec::new() });
        }
        if !overwrite && existing.is_some() {
            let error = io::Error::new(io::ErrorKind::AlreadyExists, "the file exists");
            return Err(failed(error, path));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let file = File::create_new(&part).map_err(|error| failed(error, &part))?;
        let to = To::File(file, Some(part));
        Ok(Self { path: path.into(), to, buffer: Vec::new() })
    }

    /// Ends a line, and writes if there is much.
    pub(super) fn end_line(&mut self) -> Result<()> {
        self.buffer.push(b'\n');
        if self.buffer.len() >= WRITE_AT { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let written = match &mut self.to {
            To::Stdout(out) => out.write_all(&self.buffer),
            To::File(file, _) => file.write_all(&self.buffer),
            To::Url(upload) => upload.write_all(&self.buffer),
        };
        self.buffer.clear();
        written.map_err(|error| failed(error, &self.path))
    }

    /// Gives the complete file its name.
    pub(super) fn finish(mut self) -> Result<()> {
        self.write()?;
        let finished = match &mut self.to {
            To::Stdout(out) => out.flush(),
            To::Url(upload) => upload.finish(),
            To::File(_, part) => match part {
                Some(file) => fs::rename(file, &self.path).inspect(|()| *part = None),
                None => Ok(()),
            },
        };
        finished.map_err(|error| failed(error, &self.path))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let To::File(_, Some(part)) = &self.to {
            // What is not complete is of no use; if it cannot be removed, its name says so.
            let _ = fs::remove_file(part);
        }
    }
}

fn failed(error: io::Error, path: &Path) -> Error {
    ErrorKind::from(error).at(Location::path(path))
}
