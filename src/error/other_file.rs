//! What a file is that has an event file's name and is none.

use std::fmt;

/// What a file is that has `tfevents` in its name and holds no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OtherFile {
    /// A pointer that Git LFS leaves where a file was not downloaded.
    LfsPointer,
    /// The same of git-annex.
    AnnexPointer,
    /// A compressed file, and with what.
    Compressed(&'static str),
    /// An archive, and of which format.
    Archive(&'static str),
    /// Attributes of a file next to it, as macOS keeps them on other file systems.
    AppleDouble,
    /// An HTML page.
    WebPage,
    /// Anything else.
    Unknown,
}

impl OtherFile {
    /// Whether the log that the name promises is in it, or can be had with it, but not read.
    pub fn stands_for_log(self) -> bool {
        match self {
            Self::LfsPointer | Self::AnnexPointer | Self::Compressed(_) | Self::Archive(_) => true,
            Self::AppleDouble | Self::WebPage | Self::Unknown => false,
        }
    }

    /// A short stable name, as [`ErrorKind::name`](super::ErrorKind::name).
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
