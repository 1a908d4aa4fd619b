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

/// Like [`open_regular`], for a path at which a regular file was found shortly before. Skips the first check of
/// the type, which takes longer than opening.
///
/// Follows a link. If opening fails, falls back to [`open_regular`]. If a FIFO or a device has replaced the file,
/// it is opened without waiting, closed and refused.
pub(super) fn open_found(path: &Path) -> io::Result<(fs::File, Metadata)> {
    let mut options = OpenOptions::new();
    options.read(true);
    never_wait(&mut options, false);
    let opened = if cfg!(unix) { options.open(path).ok() } else { None };
    let Some(file) = opened else { return open(path, true) };
    let metadata = regular(file.metadata()?)?;
    Ok((file, metadata))
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_file_that_was_found_before_is_opened_like_any_other() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "content").unwrap();
        symlink("file", at("link")).unwrap();
        for name in ["file", "link"] {
            let (mut file, metadata) = open_found(&at(name)).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!((text.as_str(), metadata.len()), ("content", 7), "{name}");
        }
        // Anything else that replaced the file is refused without waiting.
        assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        symlink("fifo", at("to_fifo")).unwrap();
        for name in ["fifo", "socket", "to_fifo", "", "gone", "file/below"] {
            let [found, any] = [open_found, open_regular].map(|open| open(&at(name)).unwrap_err());
            assert_eq!(found.to_string(), any.to_string(), "{name}");
        }
    }
}
