//! Errors and their locations: [`Error`] is a call that failed, [`Report`] lists what a successful
//! load had to leave out.
//!
//! Lower layers return a bare [`ErrorKind`]. The layer that knows the place adds it once, as a
//! [`Location`].

mod other_file;
mod report;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use other_file::OtherFile;
pub use report::{Effect, Issue, Report, RestartDrop};

use crate::redact;

/// The result of a fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: its kind and its location. One word wide.
///
/// Neither `Display` nor `Debug` shows a password, token or signature. This covers those in
/// addresses and those that a server or a library repeats in its message.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    location: Location,
}

// Keeps `Result` small in the hot loops.
const _: () = assert!(size_of::<Error>() == size_of::<usize>());

impl Error {
    /// Creates an error of `kind` at `location`.
    pub fn new(kind: ErrorKind, location: Location) -> Self {
        Self(Box::new(Inner { kind, location }))
    }

    /// Creates an error for an argument that is not valid.
    pub fn argument(message: impl Into<String>) -> Self {
        ErrorKind::Argument(message.into()).into()
    }

    /// Kind of the error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Converts the error into its kind.
    pub fn into_kind(self) -> ErrorKind {
        self.0.kind
    }

    /// Location of the error, as far as it is known.
    pub fn location(&self) -> &Location {
        &self.0.location
    }
}

impl Error {
    /// An entry of a [`Report`]: this problem, and what was done about it.
    pub fn into_issue(self, effect: Effect) -> Issue {
        let Inner { kind, location } = *self.0;
        Issue { location, kind, effect }
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

/// The error of a call that concerns the file at `path`.
#[doc(hidden)]
pub fn failed(kind: impl Into<ErrorKind>, path: impl AsRef<Path>) -> Error {
    kind.into().at(Location::of(path.as_ref()))
}

/// The kinds of errors, grouped by who can act on them: the system ([`Io`](Self::Io)), a server
/// ([`Server`](Self::Server)), the file, or the caller ([`Argument`](Self::Argument), [`Closed`](Self::Closed)).
#[derive(Clone)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An operating system call failed.
    Io(Arc<io::Error>),
    /// The checksum of a record's length field is wrong, so the end of the record is unknown.
    LengthCrc {
        /// Masked checksum computed from the length bytes in the file.
        computed: u32,
        /// Checksum stored in the record.
        stored: u32,
    },
    /// The checksum of a record's payload is wrong.
    PayloadCrc {
        /// Masked checksum computed from the payload in the file.
        computed: u32,
        /// Checksum stored in the record.
        stored: u32,
    },
    /// A record claims more bytes than are ever read.
    TooLong {
        /// Claimed payload length in bytes.
        len: u64,
        /// Largest accepted length in bytes.
        limit: u64,
    },
    /// A record was never finished, but others follow it: a program died while writing, and another
    /// one appended to its file.
    Torn,
    /// A payload with a correct checksum is not a protobuf `Event`.
    Proto(&'static str),
    /// A value does not have the form that its kind requires.
    Value(String),
    /// A file is named like an event file but is not one.
    NotEventFile(OtherFile),
    /// A file got shorter while it was being read.
    Truncated {
        /// Length in bytes when the file was opened.
        expected: u64,
        /// Where the file ends now.
        found: u64,
    },
    /// A symbolic link points back to one of its parent directories.
    SymlinkLoop(PathBuf),
    /// A directory can be reached by two paths. It was read through the other one, which is given
    /// here.
    SameDirectory(PathBuf),
    /// A name is not UTF-8; a lossy but readable form of it is used.
    NameNotUtf8,
    /// A server refused a request.
    Server {
        /// The status code of HTTP.
        status: u16,
        /// The server's own name for the problem, such as `RESOURCE_DOES_NOT_EXIST`; empty if it
        /// gave none.
        code: String,
        /// The server's explanation, and advice.
        message: String,
    },
    /// The writer was closed before this call.
    Closed,
    /// The caller passed an argument that is not valid.
    Argument(String),
}

impl ErrorKind {
    /// A short, stable name, used in the JSON output of `tbx`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::LengthCrc { .. } => "length_crc",
            Self::PayloadCrc { .. } => "payload_crc",
            Self::TooLong { .. } => "too_long",
            Self::Torn => "torn",
            Self::Proto(_) => "proto",
            Self::Value(_) => "value",
            Self::NotEventFile(other) => other.name(),
            Self::Truncated { .. } => "truncated",
            Self::SymlinkLoop(_) => "symlink_loop",
            Self::SameDirectory(_) => "same_directory",
            Self::NameNotUtf8 => "name_not_utf8",
            Self::Server { .. } => "server",
            Self::Closed => "closed",
            Self::Argument(_) => "argument",
        }
    }

    /// Creates an [`Error`] of this kind at `location`.
    pub fn at(self, location: Location) -> Error {
        Error::new(self, location)
    }
}

impl From<io::Error> for ErrorKind {
    fn from(cause: io::Error) -> Self {
        Self::Io(Arc::new(cause))
    }
}

/// Lets `?` convert errors without a location, too.
impl std::error::Error for ErrorKind {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // `Display` already prints the operating system's message; its cause may add more.
            Self::Io(cause) => std::error::Error::source(&**cause),
            _ => None,
        }
    }
}

impl fmt::Debug for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Io(cause) => {
                let cause = format!("{cause:?}");
                f.debug_tuple(name).field(&format_args!("{}", redact::text(&cause))).finish()
            }
            _ => f.debug_tuple(name).field(&format_args!("{self}")).finish(),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(cause) => f.write_str(&redact::text(&cause.to_string())),
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
            Self::Value(what) => f.write_str(&redact::text(what)),
            Self::NotEventFile(other) => write!(f, "{other}"),
            Self::Truncated { expected, found } => write!(
                f,
                "the file had {expected} bytes when it was opened and ends at {found} now"
            ),
            Self::SymlinkLoop(to) => write!(f, "the link leads back to {}", to.display()),
            Self::SameDirectory(first) => {
                write!(f, "it is the same directory as {}, which is read once", first.display())
            }
            Self::NameNotUtf8 => write!(f, "the name is not UTF-8, a readable form of it is used"),
            Self::Server { status, code, message } => {
                let space = if code.is_empty() { "" } else { " " };
                write!(f, "{status}{space}{code}: {}", redact::text(message))
            }
            Self::Closed => write!(f, "the writer is closed"),
            Self::Argument(message) => f.write_str(&redact::text(message)),
        }
    }
}

/// A place in a log, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
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
    /// The file or directory `path`. A URL loses its user, password and signature.
    pub fn of(path: impl Into<Arc<Path>>) -> Self {
        Self { path: Some(redact::path(path.into())), ..Self::default() }
    }

    /// The same place at byte `offset`.
    #[must_use]
    pub fn with_offset(self, offset: u64) -> Self {
        Self { offset: Some(offset), ..self }
    }

    /// The same place, in the run `name`.
    #[must_use]
    pub fn with_run(self, name: impl Into<String>) -> Self {
        Self { run: Some(name.into()), ..self }
    }

    /// The same place, in the series `tag`.
    #[must_use]
    pub fn with_tag(self, tag: impl Into<String>) -> Self {
        Self { tag: Some(tag.into()), ..self }
    }

    /// The same place, at `step`.
    #[must_use]
    pub fn with_step(self, step: i64) -> Self {
        Self { step: Some(step), ..self }
    }
}

impl fmt::Display for Location {
    /// Formats as `runs/a/events.out.tfevents.17 at byte 4096, tag "loss", step 12`. Without a path, the run comes
    /// first: `run "a", tag "loss", step 12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(path) = &self.path {
            write!(f, "{}", redact::path(path.clone()).display())?;
            separator = " ";
        }
        if let Some(offset) = self.offset {
            write!(f, "{separator}at byte {offset}")?;
            separator = ", ";
        }
        if separator == " " {
            separator = ", ";
        }
        if let Some(run) = self.run.as_ref().filter(|_| self.path.is_none()) {
            write!(f, "{separator}run {run:?}")?;
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
        let location = Location::of(Path::new("events.out.tfevents.17"))
            .with_offset(4096)
            .with_run("a")
            .with_tag("loss")
            .with_step(12);
        let error = ErrorKind::PayloadCrc { computed: 2, stored: 1 }.at(location);
        assert_eq!(
            error.to_string(),
            "events.out.tfevents.17 at byte 4096, tag \"loss\", step 12: \
             payload checksum is 0x00000002, the record says 0x00000001"
        );
        let location = Location::default().with_run("a").with_tag("loss").with_step(12);
        assert_eq!(location.to_string(), "run \"a\", tag \"loss\", step 12");
        assert_eq!(Error::argument("no such bin").to_string(), "no such bin");
        let any: Box<dyn std::error::Error> = ErrorKind::Closed.into();
        assert_eq!(any.to_string(), "the writer is closed");
    }

    #[test]
    fn secrets_of_addresses_and_messages_are_not_shown() {
        let path = Path::new("https://me:hunter2@host/a?X-Amz-Signature=hunter2");
        let kinds = [
            ErrorKind::from(io::Error::other("no answer of postgres://me:hunter2@host/db")),
            ErrorKind::Argument("http://me:a/hunter2@host is not a server".into()),
            ErrorKind::Value("password=hunter2 is not a number".into()),
            ErrorKind::Server {
                status: 500,
                code: "INTERNAL_ERROR".into(),
                message: "no answer of postgres://me:hunter2@host/db".into(),
            },
        ];
        for kind in kinds {
            for at in
                [Location::of(path), Location { path: Some(path.into()), ..Location::default() }]
            {
                let error = kind.clone().at(at.clone());
                let shown = format!("{error} {:?} {kind:?} {at}", error.kind());
                assert!(!shown.contains("hunter2"), "{shown}");
            }
            let debug = format!("{:?}", kind.clone().at(Location::of(path)));
            assert!(!debug.contains("hunter2"), "{debug}");
        }
        let shown = Location::of(path).to_string();
        assert_eq!(shown, "https://host/a?(secret)");
    }

    #[test]
    fn a_kind_without_a_place_is_an_error_too() {
        let what = ErrorKind::Argument("no such bin".into());
        let boxed: Box<dyn std::error::Error> = what.into();
        assert_eq!(boxed.to_string(), "no such bin");
    }
}
