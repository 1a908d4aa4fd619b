//! A file that appears under its name when it is complete.

use std::fs::{self, File};
use std::io::{self, Stdout, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Location, Result};

pub(super) struct Output {
    path: PathBuf,
    to: To,
}

enum To {
    Stdout(Stdout),
    /// Beside the path, until it is complete; none once it is.
    File(File, Option<PathBuf>),
}

impl Output {
    /// A file that will be at `path`; `-` is the standard output.
    pub(super) fn create(path: &Path, overwrite: bool) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self { path: path.into(), to: To::Stdout(io::stdout()) });
        }
        if !overwrite && path.exists() {
            let error = io::Error::new(io::ErrorKind::AlreadyExists, "the file exists");
            return Err(failed(error, path));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let file = File::create_new(&part).map_err(|error| failed(error, &part))?;
        Ok(Self { path: path.into(), to: To::File(file, Some(part)) })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.to {
            To::Stdout(out) => out.write_all(bytes),
            To::File(file, _) => file.write_all(bytes),
        };
        written.map_err(|error| failed(error, &self.path))
    }

    /// Gives the complete file its name.
    pub(super) fn finish(mut self) -> Result<()> {
        let finished = match &mut self.to {
            To::Stdout(out) => out.flush(),
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
