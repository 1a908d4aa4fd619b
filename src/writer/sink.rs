//! Destinations of a log's bytes: a new file, or any stream.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::WriterOptions;
use super::quiet::quietly;
use crate::error::{Error, Result, failed};
use crate::event::EventFileName;
use crate::replace;

/// Number of the next file that this process creates.
static NEXT_UID: AtomicU64 = AtomicU64::new(0);

/// Accepts whole records.
pub(super) trait Sink: Send {
    /// Passes all of `bytes` to the file or stream.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the written bytes survive a crash of the machine, as far as possible.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that was created here.
struct NewFile {
    file: File,
    /// The directory of the file, until the file's name is also on disk.
    unsynced: Option<PathBuf>,
}

impl Sink for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        // The system reports no error for a removed file: it exists until it is closed.
        match is_removed(&self.file)? {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed")),
            false => Ok(()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        // A file whose name is not on disk would be lost.
        self.unsynced.take().map_or(Ok(()), |dir| replace::disk::sync_dir(&dir))
    }
}

/// Any stream. It is flushed after each write.
pub(super) struct Stream<W>(pub(super) W);

impl<W: Write + Send> Sink for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        quietly(|| {
            self.0.write_all(bytes)?;
            self.0.flush()
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        quietly(|| self.0.flush())
    }
}

/// Creates a new event file in `dir`, and returns it with its path.
pub(super) fn create_new(
    dir: &Path,
    now: f64,
    options: &WriterOptions,
) -> Result<(PathBuf, Box<dyn Sink>)> {
    let host = host(options);
    check_names([&host, &options.suffix])?;
    let secs = Duration::try_from_secs_f64(now).unwrap_or_default().as_secs();
    loop {
        let uid = NEXT_UID.fetch_add(1, Ordering::Relaxed);
        let (host, suffix) = (host.clone(), options.suffix.clone());
        let name = EventFileName { secs, host, pid: std::process::id(), uid, suffix };
        let mut path = dir.join(name.to_string());
        if options.is_in_folder {
            path = replace::unfinished(&path);
        }
        match File::create_new(&path) {
            Ok(file) => {
                let unsynced = Some(dir.to_owned());
                return Ok((path, Box::new(NewFile { file, unsynced })));
            }
            // A process on another machine, or before a reboot, had the same process id.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error, path)),
        }
    }
}

/// The host name in the name of the file.
pub(super) fn host(options: &WriterOptions) -> String {
    let system =
        || hostname::get().unwrap_or_default().to_string_lossy().replace(is_separator, "_");
    options.host.clone().unwrap_or_else(system)
}

/// Fails if one of these parts of a file name contains a path separator.
pub(super) fn check_names<'p>(parts: impl IntoIterator<Item = &'p String>) -> Result<()> {
    match parts.into_iter().find(|part| part.contains(is_separator)) {
        Some(part) => Err(Error::argument(format!("{part:?} cannot be part of a file name"))),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn is_removed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    Ok(file.metadata()?.nlink() == 0)
}

/// On other systems, an open file cannot be removed.
#[cfg(not(unix))]
fn is_removed(_: &File) -> io::Result<bool> {
    Ok(false)
}

fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\' | '\0')
}
