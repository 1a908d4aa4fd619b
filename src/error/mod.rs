//! What can go wrong, and where: [`Error`] for a call that failed, [`Report`] for what a
//! load that succeeded had to leave out.
//!
//! A lower layer returns the bare [`ErrorKind`]; the layer that knows the place adds it
//! once, with [`Location`].

mod report;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use report::{Effect, Issue, Report, RestartDrop};

/// The result of a fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong and where. One word wide.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    location: Location,
}

// A `Result` in the hot loops should not pay for its error.
const _: () = assert!(size_of::<Error>() == size_of::<usize>());

impl Error {
    /// An error of `kind` at `location`.
    pub fn new(kind: ErrorKind, location: Location) -> Self {
        Self(Box::new(Inner { kind, location }))
    }

    /// The caller passed something that cannot be done.
    pub fn argument(message: impl Into<String>) -> Self {
        ErrorKind::Argument(message.into()).into()
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What went wrong, for keeping.
    pub fn into_kind(self) -> ErrorKind {
        self.0.kind
    }

    /// Where it went wrong, as far as known.
    pub fn location(&self) -> &Location {
        &self.0.location
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, Location::default())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.0.location.to_string();
        if place.is_empty() {
            write!(f, "{}", self.0.kind)
        } else {
            write!(f, "{place}: {}", self.0.kind)
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.kind.source()
    }
}

/// What went wrong, grouped by who can act on it: the system ([`Io`](Self::Io)), the file,
/// the caller ([`Argument`](Self::Argument), [`Closed`](Self::Closed)).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused or failed.
    Io(Arc<io::Error>),
    /// The checksum of a record's length field is wrong: where the record ends is unknown.
    LengthCrc {
        /// Masked checksum of the length bytes in the file.
        computed: u32,
        /// What the record says it is.
        stored: u32,
    },
    /// The checksum of a record's payload is wrong.
    PayloadCrc {
        /// Masked checksum of the payload in the file.
        computed: u32,
        /// What the record says it is.
        stored: u32,
    },
    /// A record claims more bytes than any reader of the field can parse.
    TooLong {
        /// Claimed payload length in bytes.
        len: u64,
        /// The largest accepted one.
        limit: u64,
    },
    /// A record was begun and not finished, and others follow it: a program died while it
    /// wrote, and another appended to its file.
    Torn,
    /// A payload with a right checksum is not a protobuf `Event`.
    Proto(&'static str),
    /// A value does not have the form that its kind demands.
    Value(String),
    /// A file got shorter while it was read.
    Truncated {
        /// Its length in bytes when it was opened.
        expected: u64,
        /// Where it ends now.
        found: u64,
    },
    /// A symbolic link leads back to a directory above it.
    SymlinkLoop(PathBuf),
    /// A directory can be reached by two paths. It was read by the other one, which this names.
    SameDirectory(PathBuf),
    /// A name is not UTF-8; a readable form of it is used.
    NameNotUtf8,
    /// The writer was closed before this call.
    Closed,
    /// The caller passed something that cannot be done.
    Argument(String),
}

impl ErrorKind {
    /// A short stable name, as the JSON output of the program has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::LengthCrc { .. } => "length_crc",
            Self::PayloadCrc { .. } => "payload_crc",
            Self::TooLong { .. } => "too_long",
            Self::Torn => "torn",
            Self::Proto(_) => "proto",
            Self::Value(_) => "value",
            Self::Truncated { .. } => "truncated",
            Self::SymlinkLoop(_) => "symlink_loop",
            Self::SameDirectory(_) => "same_directory",
            Self::NameNotUtf8 => "name_not_utf8",
            Self::Closed => "closed",
            Self::Argument(_) => "argument",
        }
    }

    /// This kind of error at `location`.
    pub fn at(self, location: Location) -> Error {
        Error::new(self, location)
    }
}

impl From<io::Error> for ErrorKind {
    fn from(cause: io::Error) -> Self {
        Self::Io(Arc::new(cause))
    }
}

/// So that `?` takes what says no place, too.
impl std::error::Error for ErrorKind {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // `Display` has said what the operating system says; behind it may be more.
            Self::Io(cause) => std::error::Error::source(&**cause),
            _ => None,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(cause) => write!(f, "{cause}"),
            Self::LengthCrc { computed, stored } => {
                write!(f, "length checksum is {computed:#010x}, the record says {stored:#010x}")
            }
            Self::PayloadCrc { computed, stored } => {
                write!(f, "payload checksum is {computed:#010x}, the record says {stored:#010x}")
            }
            Self::TooLong { len, limit } => {
                write!(f, "the record claims {len} bytes, the limit is {limit}")
            }
            Self::Torn => write!(f, "the record was never finished, but others follow it"),
            Self::Proto(what) => write!(f, "the record is not an Event: {what}"),
            Self::Value(what) => write!(f, "{what}"),
            Self::Truncated { expected, found } => write!(
                f,
                "the file had {expected} bytes when it was opened and ends at {found} now"
            ),
            Self::SymlinkLoop(to) => write!(f, "the link leads back to {}", to.display()),
            Self::SameDirectory(first) => {
                write!(f, "it is the same directory as {}, which is read once", first.display())
            }
            Self::NameNotUtf8 => write!(f, "the name is not UTF-8, a readable form of it is used"),
            Self::Closed => write!(f, "the writer is closed"),
            Self::Argument(message) => write!(f, "{message}"),
        }
    }
}

/// A place in a log: as much of it as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file or directory.
    pub path: Option<Arc<Path>>,
    /// Byte offset of the record's first byte, from 0.
    pub offset: Option<u64>,
    /// Name of the run.
    pub run: Option<String>,
    /// Tag of the series.
    pub tag: Option<String>,
    /// Step of the event.
    pub step: Option<i64>,
}

impl Location {
    /// The file or directory `path`.
    pub fn path(path: impl Into<Arc<Path>>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// The series `tag`.
    pub fn tag(tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), ..Self::default() }
    }

    /// The same place at byte `offset`.
    #[must_use]
    pub fn offset(self, offset: u64) -> Self {
        Self { offset: Some(offset), ..self }
    }
}

impl fmt::Display for Location {
    /// Reads like `runs/a/events.out.tfevents.17 at byte 4096, tag "loss", step 12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(path) = &self.path {
            write!(f, "{}", path.display())?;
            separator = " ";
        }
        if let Some(offset) = self.offset {
            write!(f, "{separator}at byte {offset}")?;
            separator = ", ";
        }
        if separator == " " {
            separator = ", ";
        }
        if let Some(tag) = &self.tag {
            write!(f, "{separator}tag {tag:?}")?;
            separator = ", ";
        }
        if let Some(step) = self.step {
            write!(f, "{separator}step {step}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_path_offset_tag_and_step() {
        let location = Location {
            step: Some(12),
            tag: Some("loss".into()),
            ..Location::path(Path::new("events.out.tfevents.17")).offset(4096)
        };
        let error = ErrorKind::PayloadCrc { computed: 2, stored: 1 }.at(location);
        assert_eq!(
            error.to_string(),
            "events.out.tfevents.17 at byte 4096, tag \"loss\", step 12: \
             payload checksum is 0x00000002, the record says 0x00000001"
        );
        assert_eq!(Error::argument("no such bin").to_string(), "no such bin");
        let any: Box<dyn std::error::Error> = ErrorKind::Closed.into();
        assert_eq!(any.to_string(), "the writer is closed");
    }

    #[test]
    fn a_kind_without_a_place_is_an_error_too() {
        let what = ErrorKind::Argument("no such bin".into());
        let boxed: Box<dyn std::error::Error> = what.into();
        assert_eq!(boxed.to_string(), "no such bin");
    }
}
