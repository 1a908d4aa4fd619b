//! Opens local files. Only regular files are read, and no call waits for another program.

use std::fmt;
use std::fs::{self, FileType, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Reasons why a file is not read, in addition to the operating system's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// The path is a directory, a FIFO or a device.
    NotRegular(&'static str),
    /// The path leads outside the root.
    Outside { to: PathBuf, root: PathBuf },
    /// The path is a link to a file that does not exist.
    Dangling { to: PathBuf },
    /// The file is larger than files of its kind may be.
    TooLong { len: u64, max: u64 },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRegular(what) => write!(f, "not a regular file but {what}"),
            Self::Outside { to, root } => write!(
                f,
                "it leads to {}, outside {}, and is not followed; put a copy in its place, or use \
                 `LoadOptions::follow_links`",
                to.display(),
                root.display()
            ),
            Self::Dangling { to } => write!(f, "a link to {}, which does not exist", to.display()),
            Self::TooLong { len, max } => write!(f, "it has {len} bytes, the limit is {max}"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let kind = match refused {
            Refused::NotRegular(_) => io::ErrorKind::InvalidInput,
            Refused::Outside { .. } => io::ErrorKind::PermissionDenied,
            Refused::Dangling { .. } => io::ErrorKind::NotFound,
            Refused::TooLong { .. } => io::ErrorKind::FileTooLarge,
        };
        Self::new(kind, refused)
    }
}

/// Opens the regular file at `path`. Also returns its metadata. Does not open or wait for a FIFO or a device: the
/// type is checked before opening and again afterwards, because the file may have been replaced in between.
pub fn open_regular(path: &Path) -> io::Result<(fs::File, Metadata)> {
    open(path, true)
}

/// Like [`open_regular`], but refuses a link as the last part of `path`.
pub fn open_no_link(path: &Path) -> io::Result<(fs::File, Metadata)> {
    open(path, false)
}

/// Like [`open_regular`], but follows a link as the last part of `path` only if `follow` is set.
pub(super) fn open(path: &Path, follow: bool) -> io::Result<(fs::File, Metadata)> {
    regular(if follow { fs::metadata(path)? } else { fs::symlink_metadata(path)? })?;
    let mut options = OpenOptions::new();
    options.read(true);
    never_wait(&mut options, follow);
    let file = options.open(path)?;
    let metadata = regular(file.metadata()?)?;
    Ok((file, metadata))
}

/// Opens the regular file at `path` for reading and writing. Refuses a link, because it could lead to any file.
pub fn open_to_write(path: &Path) -> io::Result<fs::File> {
    regular(fs::symlink_metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    never_wait(&mut options, false);
    let file = options.open(path)?;
    regular(file.metadata()?)?;
    Ok(file)
}

#[cfg(unix)]
fn never_wait(options: &mut OpenOptions, follow: bool) {
    use std::os::unix::fs::OpenOptionsExt;
    let links = if follow { 0 } else { libc::O_NOFOLLOW };
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | links);
}

#[cfg(not(unix))]
fn never_wait(_options: &mut OpenOptions, _follow: bool) {}

fn regular(metadata: Metadata) -> io::Result<Metadata> {
    match metadata.is_file() {
        true => Ok(metadata),
        false => Err(not_regular(metadata.file_type()).into()),
    }
}

/// The error for a file of this type, which is not a regular file.
pub(super) fn not_regular(kind: FileType) -> Refused {
    Refused::NotRegular(match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_symlink() => "a link",
        kind => special(kind),
    })
}

#[cfg(unix)]
fn special(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn special(_kind: FileType) -> &'static str {
    "a device"
}
