//! Files of an untrusted directory: a run, a log directory, a store of another program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::open::{self, Refused};
use super::{File, is_url, read_range};

/// The symbolic links that are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Links {
    /// Links to files and directories inside the root.
    #[default]
    Inside,
    /// All links. Only on explicit request: an untrusted directory could otherwise cause any file
    /// of this machine to be read, copied or sent.
    All,
}

impl Links {
    #[doc(hidden)]
    pub fn all_if(asked: bool) -> Self {
        if asked { Self::All } else { Self::Inside }
    }
}

/// A directory, and the only way to read files that its content names.
///
/// Rejects everything outside of the root that is reached by a link or by `..`, and everything that
/// is not a regular file; see [`open`](Self::open). The path of the root itself may be a link. At a
/// [URL](super::is_url) there are no links.
#[derive(Debug, Clone)]
pub struct Root {
    /// The path without links; none for a URL.
    real: Option<Arc<Path>>,
    links: Links,
}

impl Root {
    /// Opens the directory at `path`.
    pub fn new(path: &Path, links: Links) -> io::Result<Self> {
        if is_url(path) {
            return Ok(Self { real: None, links });
        }
        let here = Path::new(".");
        let path = if path.as_os_str().is_empty() { here } else { path };
        Ok(Self { real: Some(path.canonicalize()?.into()), links })
    }

    /// Its path without links; none for a URL.
    #[doc(hidden)]
    pub fn path(&self) -> Option<&Path> {
        self.real.as_deref()
    }

    /// The target of `path`, if it may be followed.
    #[doc(hidden)]
    pub fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let real = path.canonicalize().map_err(|error| match path.read_link() {
            Ok(to) if error.kind() == io::ErrorKind::NotFound => Refused::Dangling { to }.into(),
            _ => error,
        })?;
        self.check(&real)?;
        Ok(real)
    }

    fn check(&self, real: &Path) -> io::Result<()> {
        match &self.real {
            Some(root) if self.links == Links::Inside && !self.contains(real) => {
                Err(Refused::Outside { to: real.into(), root: root.to_path_buf() }.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether a path without links is the root or below it.
    #[doc(hidden)]
    pub fn contains(&self, real: &Path) -> bool {
        self.real.as_ref().is_some_and(|root| real.starts_with(root))
    }

    /// Opens the file at `path`, which begins with the path of the root. Also returns its length in
    /// bytes.
    ///
    /// # Errors
    ///
    /// Errors of the operating system or the server; also if the file is not a regular file, or is
    /// outside of the root.
    #[doc(hidden)]
    pub fn open(&self, path: &Path) -> io::Result<(File, u64)> {
        if is_url(path) {
            return File::open(path);
        }
        let real = self.resolve(path)?;
        let (file, metadata) = open::open(&real, false)?;
        // A directory on the way may be replaced with a link at any moment.
        self.check(&opened(&file, &real)?)?;
        Ok((file.into(), metadata.len()))
    }

    /// Reads the small file at `path`.
    ///
    /// # Errors
    ///
    /// The same as for [`open`](Self::open); also if the file has more than `max` bytes.
    pub fn read(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        read_all(self.open(path)?, max)
    }
}

fn read_all((file, len): (File, u64), max: u64) -> io::Result<Vec<u8>> {
    if len > max {
        return Err(too_long(len, max));
    }
    read_range(&file, 0..len)
}

/// Reads the small regular file at `path`, wherever it is. The path must come from the user, never
/// from a file of a log.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    read_all(File::open(path)?, max)
}

/// Reads the small file at `path` in the directory `dir`, which is the [`Root`]; none if the file
/// does not exist. A dangling link is an error.
pub fn read_optional(
    dir: &Path,
    path: &Path,
    max: u64,
    links: Links,
) -> io::Result<Option<Vec<u8>>> {
    match Root::new(dir, links).and_then(|root| root.read(path, max)) {
        Err(error) if is_missing(&error, path) => Ok(None),
        read => read.map(Some),
    }
}

/// The error for a file of `len` bytes, which is more than `max`.
pub fn too_long(len: u64, max: u64) -> io::Error {
    Refused::TooLong { len, max }.into()
}

/// Whether a file was not read because it is outside of its [`Root`].
pub fn is_outside(error: &io::Error) -> bool {
    let refused = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(refused, Some(Refused::Outside { .. }))
}

/// Whether an error means that nothing exists at `path`.
pub fn is_missing(error: &io::Error, path: &Path) -> bool {
    match error.kind() {
        io::ErrorKind::NotFound => error.get_ref().is_none_or(|error| !error.is::<Refused>()),
        // A parent of the path is a file.
        io::ErrorKind::NotADirectory => true,
        // A store that may not be listed returns this for a missing object.
        io::ErrorKind::PermissionDenied => is_url(path),
        _ => false,
    }
}

/// The path of the open `file`, which was at `real`.
#[cfg(target_os = "linux")]
fn opened(file: &fs::File, real: &Path) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    // Not every machine has `/proc`.
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).or_else(|_| real.canonicalize())
}

/// The path of the open file, which was at `real`. Other systems do not report it, so the result is
/// right unless links change twice within microseconds.
#[cfg(not(target_os = "linux"))]
fn opened(_file: &fs::File, real: &Path) -> io::Result<PathBuf> {
    real.canonicalize()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A directory `root` with a file `in`, and a file `secret` next to it.
    struct Box(tempfile::TempDir);

    impl Box {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("root/sub")).unwrap();
            fs::create_dir(dir.path().join("away")).unwrap();
            fs::write(dir.path().join("root/in"), "inside").unwrap();
            fs::write(dir.path().join("away/secret"), "secret").unwrap();
            Self(dir)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn link(&self, to: &str, name: &str) {
            symlink(to, self.path(name)).unwrap();
        }

        fn read(&self, name: &str, links: Links) -> Result<String, String> {
            let root = Root::new(&self.path("root"), links).unwrap();
            let read = root.read(&self.path("root").join(name), 100);
            read.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn a_link_counts_only_if_it_stays_in_the_root() {
        let dir = Box::new();
        let absolute = |name: &str| dir.path(name).to_str().unwrap().to_owned();
        dir.link("../in", "root/sub/relative");
        dir.link(&absolute("root/in"), "root/absolute");
        dir.link("sub/relative", "root/chain");
        dir.link("sub", "root/folder");
        for name in ["in", "sub/relative", "absolute", "chain", "folder/relative", "sub/../in"] {
            assert_eq!(dir.read(name, Links::Inside).as_deref(), Ok("inside"), "{name}");
        }
        dir.link("../away/secret", "root/out");
        dir.link(&absolute("away/secret"), "root/out_absolute");
        dir.link("../away", "root/out_folder");
        dir.link("out_folder", "root/out_chain");
        dir.link(".", "away/here");
        for name in [
            "out",
            "out_absolute",
            "out_folder/secret",
            "out_chain/here/secret",
            "../away/secret",
            "sub/../../away/secret",
        ] {
            let said = dir.read(name, Links::Inside).unwrap_err();
            let secret = dir.path("away/secret").canonicalize().unwrap();
            assert!(said.contains(secret.to_str().unwrap()), "{name}: {said}");
            assert!(said.contains("follow_links"), "{name}: {said}");
            assert_eq!(dir.read(name, Links::All).as_deref(), Ok("secret"), "{name}");
        }
        // A name that only begins like the root's name is outside.
        fs::create_dir(dir.path("root2")).unwrap();
        fs::write(dir.path("root2/x"), "").unwrap();
        dir.read("../root2/x", Links::Inside).unwrap_err();
        // The path of the root itself may be a link.
        dir.link("root", "linked");
        let root = Root::new(&dir.path("linked"), Links::Inside).unwrap();
        assert_eq!(root.read(&dir.path("linked/chain"), 100).unwrap(), b"inside");
    }

    #[test]
    fn nothing_but_a_regular_file_is_read_and_nothing_is_waited_for() {
        let dir = Box::new();
        let made = Command::new("mkfifo").arg(dir.path("root/fifo")).status().unwrap();
        assert!(made.success());
        let _socket = std::os::unix::net::UnixListener::bind(dir.path("root/socket")).unwrap();
        dir.link("fifo", "root/to_fifo");
        dir.link("/dev/zero", "root/zero");
        dir.link("nowhere", "root/dangling");
        dir.link("itself", "root/itself");
        for (name, why) in [
            ("fifo", "not a regular file but a FIFO"),
            ("to_fifo", "not a regular file but a FIFO"),
            ("socket", "not a regular file but a socket"),
            ("zero", "not a regular file but a device"),
            ("sub", "not a regular file but a directory"),
            ("dangling", "a link to nowhere, which does not exist"),
        ] {
            assert_eq!(dir.read(name, Links::All).unwrap_err(), why, "{name}");
        }
        dir.read("itself", Links::All).unwrap_err();
        let (path, links) = (dir.path("root/no"), Links::Inside);
        assert!(read_optional(&dir.path("root"), &path, 1, links).unwrap().is_none());
        assert!(read_optional(&dir.path("no"), &path, 1, links).unwrap().is_none());
        assert!(read_optional(&dir.path("root/in"), &path, 1, links).unwrap().is_none());
        let dangling = dir.path("root/dangling");
        read_optional(&dir.path("root"), &dangling, 1, links).unwrap_err();
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let dir = Box::new();
        let huge = fs::File::create(dir.path("root/huge")).unwrap();
        huge.set_len(1 << 42).unwrap();
        let said = dir.read("huge", Links::Inside).unwrap_err();
        assert_eq!(said, "it has 4398046511104 bytes, the limit is 100");
        // A file without a length has no content, either.
        dir.link("/proc/self/environ", "root/environ");
        if cfg!(target_os = "linux") {
            assert_eq!(dir.read("environ", Links::All).as_deref(), Ok(""));
        }
    }

    /// Another program repeatedly replaces `root/sub`, alternating between a directory and a link
    /// to `away`.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_directory_that_becomes_a_link_meanwhile_leads_nowhere() {
        let dir = Box::new();
        fs::write(dir.path("root/sub/secret"), "inside").unwrap();
        dir.link("../away", "root/link");
        let stop = AtomicBool::new(false);
        let (mut inside, mut refused) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let (sub, aside) = (dir.path("root/sub"), dir.path("root/aside"));
                    fs::rename(&sub, &aside).unwrap();
                    fs::rename(dir.path("root/link"), &sub).unwrap();
                    fs::rename(&sub, dir.path("root/link")).unwrap();
                    fs::rename(&aside, &sub).unwrap();
                }
            });
            while inside + refused < 20_000 {
                match dir.read("sub/secret", Links::Inside) {
                    Ok(text) => {
                        assert_eq!(text, "inside");
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(inside > 0 && refused > 0, "{inside} {refused}");
    }
}
