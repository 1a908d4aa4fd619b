//! Access to bytes: in local files and, with the feature `remote`, in object stores and on web servers.
//!
//! A location is a path. A path that begins like `s3://` is a URL, and the layers above append names to it as to
//! any other path. [`Logdir::open`](crate::Logdir::open) therefore accepts URLs:
//!
//! | URL | location | configured by |
//! |---|---|---|
//! | `s3://bucket/logs`, `s3a://` | a directory or an object of S3, or of a compatible store | `AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT` and [others](https://docs.rs/object_store/latest/object_store/aws/enum.AmazonS3ConfigKey.html) |
//! | `gs://bucket/logs` | the same in Google Cloud Storage | `GOOGLE_SERVICE_ACCOUNT` and [others](https://docs.rs/object_store/latest/object_store/gcp/enum.GoogleConfigKey.html) |
//! | `az://container/logs`, `azure://`, `adl://`, `abfs://`, `abfss://` | the same in Azure | `AZURE_STORAGE_ACCOUNT_NAME` and [others](https://docs.rs/object_store/latest/object_store/azure/enum.AzureConfigKey.html) |
//! | `https://host/file`, `http://` | a single file on a web server; if the server cannot send parts of files, the whole file is read, up to 1 GiB | |
//!
//! The variables are read on the first access to a bucket. A load waits for the network on rayon's threads, so it
//! is faster with more threads than there are processors: the program `tbx` uses 64. A load may be called from
//! asynchronous code, and blocks the calling thread.
//!
//! A [`Follower`](crate::Follower) follows URLs, too. Embeddings, and writing new logs, require local files.

mod open;
#[cfg(feature = "remote")]
mod remote;
#[cfg(not(feature = "remote"))]
#[path = "without.rs"]
mod remote;
mod root;
mod seen;
mod walk;

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[doc(hidden)]
pub use self::open::{open_no_link, open_regular, open_to_write};
#[doc(hidden)]
pub use self::remote::Upload;
#[doc(hidden)]
pub use self::root::read;
#[doc(hidden)]
pub use self::root::{Links, Root, is_missing, is_outside, read_optional, too_long};
#[doc(hidden)]
pub(crate) use self::seen::{Seen, is_replaced};
#[doc(hidden)]
pub use self::walk::{Found, Walk};

/// Number of bytes of logs and archives that this process has read, for progress displays.
static BYTES_READ: AtomicU64 = AtomicU64::new(0);

/// Adds to the number of bytes read.
#[doc(hidden)]
pub fn count_read(bytes: usize) {
    BYTES_READ.fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
}

/// Number of bytes read so far.
#[doc(hidden)]
pub fn bytes_read() -> u64 {
    BYTES_READ.load(Ordering::Relaxed)
}

/// Returns whether `path` is a URL: a scheme, `://`, and more.
///
/// ```
/// use tbx::store::is_url;
///
/// assert!(is_url("s3://bucket/logs".as_ref()));
/// assert!(!is_url("logs/s3:/x".as_ref()));
/// ```
pub fn is_url(path: &Path) -> bool {
    scheme(path).is_some()
}

/// Splits a URL into its scheme and the text after `://`.
fn scheme(path: &Path) -> Option<(&str, &str)> {
    let (scheme, rest) = path.to_str()?.split_once("://")?;
    let is_scheme = scheme.len() > 1 // not a Windows drive
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then_some((scheme, rest))
}

/// An open file, local or remote. Clones share it.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct File(Arc<Inner>);

#[derive(Debug)]
enum Inner {
    Local(fs::File),
    Remote(remote::Object),
}

/// Sizes of reads. The best ones depend on the cost of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Size of the first read at the file's start.
    pub(crate) start: usize,
    /// Size of the first read if it is elsewhere in the file.
    pub(crate) inside: usize,
    /// Size of the first read at any other new position. Headers of skipped records cost no more than this.
    pub(crate) first: usize,
    /// Consecutive reads grow to this size.
    pub(crate) largest: usize,
    /// Minimum length of a skip after which reads start small again. More skips of this kind are likely, so a
    /// separate read is worthwhile.
    pub(crate) jump: usize,
}

const LOCAL: Pace =
    Pace { start: 16 << 10, inside: 1 << 10, first: 1 << 10, largest: 256 << 10, jump: usize::MAX };

/// A request takes tens of milliseconds, in which a connection transfers about a megabyte. Most files are small,
/// and the first request reads them completely.
const REMOTE: Pace =
    Pace { start: 256 << 10, inside: 64 << 10, first: 8 << 10, largest: 2 << 20, jump: 32 << 10 };

impl File {
    /// Opens the file at `path`. Also returns its length in bytes.
    ///
    /// # Errors
    ///
    /// Errors of the operating system or the server. In addition, `path` is not a regular file, or is a URL and
    /// the library was built without the feature `remote`.
    pub fn open(path: &Path) -> io::Result<(Self, u64)> {
        Self::open_with(path, open_regular)
    }

    /// The same for a path at which a regular file was found shortly before; faster.
    pub(crate) fn open_found(path: &Path) -> io::Result<(Self, u64)> {
        Self::open_with(path, open::open_found)
    }

    fn open_with(
        path: &Path,
        open: fn(&Path) -> io::Result<(fs::File, fs::Metadata)>,
    ) -> io::Result<(Self, u64)> {
        if is_url(path) {
            let (object, len) = remote::open(path)?;
            return Ok((Self(Arc::new(Inner::Remote(object))), len));
        }
        let (file, metadata) = open(path)?;
        Ok((file.into(), metadata.len()))
    }

    /// Opens the file at `path` to read one version of it: reads of an object fail once another object has replaced
    /// it, see [`is_replaced`], so that no two versions are mixed. Also returns its length.
    pub(crate) fn open_version(path: &Path) -> io::Result<(Self, u64)> {
        if is_url(path) {
            let (object, len) = remote::open_version(path)?;
            return Ok((Self(Arc::new(Inner::Remote(object))), len));
        }
        Self::open(path)
    }

    /// Reads a range of an object before it is asked for, with one request. What is in it is not requested again by
    /// the next reads. Only for files that were opened as [one version](Self::open_version); no effect on local files.
    pub(crate) fn read_ahead(&self, range: Range<u64>) -> io::Result<()> {
        match &*self.0 {
            Inner::Local(_) => Ok(()),
            Inner::Remote(object) => object.read_ahead(range),
        }
    }

    /// Current length in bytes.
    ///
    /// # Errors
    ///
    /// Errors of the operating system or the server.
    pub fn size(&self) -> io::Result<u64> {
        match &*self.0 {
            Inner::Local(file) => Ok(file.metadata()?.len()),
            Inner::Remote(object) => object.size(),
        }
    }

    /// Reads bytes from `offset` on into `buffer`. Returns the number of bytes, which is 0 at the end of the file.
    ///
    /// # Errors
    ///
    /// Errors of the operating system or the server.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = match &*self.0 {
            Inner::Local(file) => read_local(file, buffer, offset),
            Inner::Remote(object) => object.read_at(buffer, offset),
        };
        count_read(*read.as_ref().unwrap_or(&0));
        read
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// The same as for [`read_at`](Self::read_at). In addition, [`io::ErrorKind::UnexpectedEof`]: the file ends
    /// before the buffer is full.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.fill(buffer, offset)? == buffer.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Reads until `buffer` is full or the file ends. Returns the number of bytes.
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(gap) = buffer.get_mut(filled..).filter(|gap| !gap.is_empty()) {
            let done = u64::try_from(filled).unwrap_or(u64::MAX);
            match self.read_at(gap, offset.saturating_add(done)) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// The first `len` bytes of the file, to be read in order.
    #[doc(hidden)]
    pub fn into_reader(self, len: u64) -> impl io::Read {
        io::Read::take(Reader { file: self, position: 0 }, len)
    }

    /// The local file, unless it is remote.
    pub fn local(&self) -> Option<&fs::File> {
        match &*self.0 {
            Inner::Local(file) => Some(file),
            Inner::Remote(_) => None,
        }
    }

    pub(crate) fn pace(&self) -> Pace {
        match &*self.0 {
            Inner::Local(_) => LOCAL,
            Inner::Remote(_) => REMOTE,
        }
    }
}

impl From<fs::File> for File {
    fn from(file: fs::File) -> Self {
        Self(Arc::new(Inner::Local(file)))
    }
}

/// Reads a file from start to end.
struct Reader {
    file: File,
    position: u64,
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.position)?;
        self.position = self.position.saturating_add(u64::try_from(n).unwrap_or(0));
        Ok(n)
    }
}

#[cfg(unix)]
fn read_local(file: &fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_local(file: &fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Returns the length in bytes of the file at `path`.
pub(crate) fn size(path: &Path) -> io::Result<u64> {
    if is_url(path) { remote::open(path).map(|(_, len)| len) } else { Ok(path.metadata()?.len()) }
}

/// Looks at the file at `path`. Of objects that were listed, the list is the last look, and no request is sent.
pub(crate) fn look(path: &Path) -> io::Result<Seen> {
    if is_url(path) { remote::seen(path) } else { Ok(Seen::from(&path.metadata()?)) }
}

/// Returns the bytes of a short range of `file`; fewer if the file ends earlier.
#[doc(hidden)]
pub fn read_range(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let len = range.end.saturating_sub(range.start);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let filled = file.fill(&mut bytes, range.start)?;
    bytes.truncate(filled);
    Ok(bytes)
}

/// The content at a URL.
#[derive(Debug)]
#[cfg_attr(not(feature = "remote"), expect(dead_code, reason = "nothing is listed without"))]
pub(crate) enum Listing {
    /// A single file.
    File,
    /// Files, as paths relative to the URL, with `/` between directories.
    Files {
        files: Vec<String>,
        /// Keys that cannot be requested.
        left_out: Vec<String>,
    },
}

/// Lists the content at the URL `path`. Files whose name `remembered` accepts need no further request for their
/// size.
pub(crate) fn list(path: &Path, remembered: fn(&str) -> bool) -> io::Result<Listing> {
    remote::list(path, remembered)
}

/// Returns the path to use for `path` from now on: a URL loses its user, password and signature. They are still
/// used to open it.
#[doc(hidden)]
pub fn enter(path: PathBuf) -> PathBuf {
    if is_url(&path) { remote::enter(&path) } else { path }
}

/// Fails if `path` is a URL that cannot be read whatever the server answers. Sends no request.
#[doc(hidden)]
pub fn check(path: &Path) -> io::Result<()> {
    if is_url(path) { remote::check(path) } else { Ok(()) }
}

/// Fails if `path` is a URL, for operations that only work with local files.
#[doc(hidden)]
pub fn local_only(path: &Path, what: &str) -> io::Result<()> {
    if is_url(path) {
        let message = format!("{what} works with local files only");
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_scheme_is_a_url_and_a_drive_of_windows_is_none() {
        for url in ["s3://b", "gs://b/x y", "http://h:1/a?b=c", "abfss://c@a.d/e"] {
            assert!(is_url(Path::new(url)), "{url}");
        }
        for path in ["s3:/b", "s3", "C://x", "1s://x", "/s3://b", "a b://c", "://x", ""] {
            assert!(!is_url(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_folder_is_no_file() {
        let error = File::open(Path::new("src")).unwrap_err();
        assert_eq!(error.to_string(), "not a regular file but a directory");
        assert_eq!(size(Path::new("src/store/no")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
