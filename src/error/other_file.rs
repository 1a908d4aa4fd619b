//! Files that are named like event files but are not.

use std::fmt;

/// The type of a file that has `tfevents` in its name but holds no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OtherFile {
    /// A Git LFS pointer, left where the file was not downloaded.
    LfsPointer,
    /// A git-annex pointer, left where the file was not downloaded.
    AnnexPointer,
    /// A compressed file, with the name of the compression format.
    Compressed(&'static str),
    /// An archive, with the name of its format.
    Archive(&'static str),
    /// File attributes that macOS stores in a separate file on other file systems.
    AppleDouble,
    /// An HTML page.
    WebPage,
    /// Anything else.
    Unknown,
}

impl OtherFile {
    /// Returns whether the file contains, or points to, the log that its name promises, in a form
    /// that is not read.
    pub fn stands_for_log(self) -> bool {
        match self {
            Self::LfsPointer | Self::AnnexPointer | Self::Compressed(_) | Self::Archive(_) => true,
            Self::AppleDouble | Self::WebPage | Self::Unknown => false,
        }
    }

    /// A short, stable name, as in [`ErrorKind::name`](super::ErrorKind::name).
    pub fn name(self) -> &'static str {
        match self {
            Self::LfsPointer | Self::AnnexPointer => "pointer",
            Self::Compressed(_) | Self::Archive(_) => "compressed",
            Self::AppleDouble | Self::WebPage | Self::Unknown => "not_event_file",
        }
    }
}

impl fmt::Display for OtherFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an event file")?;
        match self {
            Self::LfsPointer => {
                write!(f, " but a Git LFS pointer to one: `git lfs pull` downloads it")
            }
            Self::AnnexPointer => {
                write!(f, " but a git-annex pointer to one: `git annex get` downloads it")
            }
            Self::Compressed(format) => write!(f, ": compressed with {format}, decompress it"),
            Self::Archive(format) => write!(f, " but an archive ({format}): unpack it"),
            Self::AppleDouble => write!(f, ": file attributes from macOS (AppleDouble)"),
            Self::WebPage => write!(f, " but an HTML page, as a failed download leaves"),
            Self::Unknown => write!(f, ": it does not begin with a record"),
        }
    }
}
