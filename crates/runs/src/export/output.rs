//! A file that appears under its name once it is complete.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::printable::{Escape, ForTerminal};
use tbx::error::{Error, Result, failed};
use tbx::replace::{Batch, Change, Temporary, sweep_once};
use tbx::store::{self, Upload};

/// Number of bytes that are collected before they are written.
const WRITE_AT: usize = 1 << 20;

/// An output file, which is removed again unless it is finished.
pub(super) struct Output {
    path: PathBuf,
    overwrite: bool,
    to: To,
    written: u64,
    /// Bytes that are not written yet.
    buffer: Vec<u8>,
}

enum To {
    Stdout(Box<dyn Write + Send + Sync>),
    /// A pipe or a device.
    Device(File),
    File(Temporary),
    /// An object in object storage.
    Url(Upload),
}

impl Output {
    /// Creates a file that will be at `path`; `-` is the standard output. If that is a terminal,
    /// text is escaped for it.
    pub(super) fn create(path: &Path, overwrite: bool, text: Option<Escape>) -> Result<Self> {
        let of = |path: &Path, to: To| Self {
            path: path.into(),
            overwrite,
            to,
            written: 0,
            buffer: Vec::new(),
        };
        if path == Path::new("-") {
            let out = io::stdout();
            return Ok(of(
                path,
                match text.filter(|_| out.is_terminal()) {
                    Some(escape) => To::Stdout(Box::new(ForTerminal::new(out, escape))),
                    None => To::Stdout(Box::new(out)),
                },
            ));
        }
        if store::is_url(path) {
            let upload = Upload::create(path, overwrite).map_err(|error| failed(error, path))?;
            return Ok(of(path, To::Url(upload)));
        }
        // Remove temporary files that an interrupted export left there.
        sweep_once(path.parent().unwrap_or(path));
        let existing = path.metadata().ok();
        if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
            // A pipe or a device receives the bytes directly and must not be replaced.
            let file = File::options().write(true).open(path);
            let file = file.map_err(|error| failed(error, path))?;
            return Ok(of(path, To::Device(file)));
        }
        let is_link = path.symlink_metadata().is_ok_and(|link| link.is_symlink());
        if !overwrite && (existing.is_some() || is_link) {
            return Err(exists(path));
        }
        // A link is kept and its target is replaced.
        let target = if is_link { path.canonicalize() } else { Ok(path.into()) };
        let target = target.map_err(|error| failed(error, path))?;
        let file = Temporary::next_to(&target).map_err(|error| failed(error, path))?;
        Ok(of(&target, To::File(file)))
    }

    /// Appends bytes, and writes them once there are enough.
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

    /// Number of bytes written; `None` if the output is not a file.
    pub(super) fn bytes(&self) -> Option<u64> {
        matches!(self.to, To::File(_) | To::Url(_)).then_some(self.written)
    }

    /// Writes the remaining bytes.
    pub(super) fn complete(&mut self) -> Result<()> {
        self.write_buffer()?;
        match &mut self.to {
            To::Stdout(out) => out.flush().map_err(|error| failed(error, &self.path)),
            To::Device(_) | To::File(_) | To::Url(_) => Ok(()),
        }
    }

    /// Gives the complete files their names: all of them, or none if that fails or the program dies
    /// meanwhile. A file that appeared there meanwhile is kept, unless it may be overwritten.
    pub(super) fn finish_all(mut outputs: Vec<Self>) -> Result<()> {
        outputs.iter_mut().try_for_each(Self::complete)?;
        let mut new = Vec::new();
        for Self { path, overwrite, to, .. } in outputs {
            match to {
                To::Stdout(_) | To::Device(_) => {}
                To::Url(mut upload) => upload.finish().map_err(|error| failed(error, &path))?,
                To::File(file) if overwrite => {
                    file.rename(&path).map_err(|error| failed(error, &path))?;
                }
                To::File(file) => new.push((file, path)),
            }
        }
        let Some((_, first)) = new.first() else { return Ok(()) };
        let first = first.clone();
        let change = |(file, path): &(Temporary, PathBuf)| {
            let (part, path) = (file.path().to_owned(), path.clone());
            Change::New { part, path }
        };
        let changes: Vec<_> = new.iter().map(change).collect();
        let batch = Batch::create(first.parent().unwrap_or(Path::new("")));
        let finished = batch.and_then(|batch| batch.finish(&changes)?.keep());
        finished.map_err(|error| match new.iter().find(|(_, path)| path.exists()) {
            Some((_, path)) if error.kind() == io::ErrorKind::AlreadyExists => exists(path),
            _ => failed(error, &first),
        })
    }

    /// The same for a single file.
    #[cfg(any(test, feature = "plot"))]
    pub(super) fn finish(self) -> Result<()> {
        Self::finish_all(vec![self])
    }
}

fn exists(path: &Path) -> Error {
    failed(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists"), path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(path: &Path, overwrite: bool) -> Result<Output> {
        let mut output = Output::create(path, overwrite, None)?;
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
        // No other file is left in the directory.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
