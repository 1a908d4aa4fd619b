//! Opens local files so that nothing but a regular file is ever read, and no call waits for another
//! program.

use std::fmt;
use std::fs::{self, FileType, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Why a file is not read, beyond what the operating system says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is a directory, a FIFO or a device.
    NotRegular(&'static str),
    /// It is in another place than its path says, outside of the root.
    Outside { to: PathBuf, root: PathBuf },
    /// It is a link to nothing.
    Dangling { to: PathBuf },
    /// It has more bytes than anything of its kind.
    TooLong { len: u64, max: u64 },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRegular(what) => write!(f, "not a regular file but {what}"),
            Self::Outside { to, root } => write!(
                f,
                "it leads to {}, outside of {}, and is not followed; put a copy in its place, or use \
                 --follow-links",
                to.display(),
                root.display()
            ),
            Self::Dangling { to } => write!(f, "a link to {}, which is not there", to.display()),
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

/// Opens the regular file at `path`, and what the system says of it. A FIFO or a device is neither
/// opened nor waited for: the kind is looked at before, and again once the file is open, since
/// another may be there by then.
pub fn open_regular(path: &Path) -> io::Result<(fs::File, Metadata)> {
    open(path, true)
}

/// The same; a link as the last part of `path` is refused.
pub fn open_no_link(path: &Path) -> io::Result<(fs::File, Metadata)> {
    open(path, false)
}

/// The same; a link as the last part of `path` is followed only if `follow`.
pub(super) fn open(path: &Path, follow: bool) -> io::Result<(fs::File, Metadata)> {
    regular(if follow { fs::metadata(path)? } else { fs::symlink_metadata(path)? })?;
    let mut options = OpenOptions::new();
    options.read(true);
    never_wait(&mut options, follow);
    let file = options.open(path)?;
    let metadata = regular(file.metadata()?)?;
    Ok((file, metadata))
}

/// Opens the regular file at `path` to read and write it. A link is refused: it could lead to any file.
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

/// That something of this type is no file to read.
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
