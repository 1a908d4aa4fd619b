//! The files of a directory with their digests, and one digest of all of them.

use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;
use walkdir::WalkDir;

use crate::digest;
use crate::error::{ErrorKind, Result, failed};
use crate::replace::{Folder, disk, is_temporary};
use crate::store::{self, Links, Root};

/// Maximum number of files: more belong in an archive file, or in another kind of storage.
pub const MAX_FILES: usize = 1_000_000;
/// Maximum size in bytes of a pointer of Git LFS, according to its specification.
const MAX_POINTER: u64 = 1024;
/// The start of a pointer of Git LFS.
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n";

/// A file, or all files in and below a directory, before they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    path: PathBuf,
    files: Vec<Listed>,
    is_folder: bool,
}

/// A file of a [`Listing`]. Two that are equal have most likely the same content.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    /// Its path below the directory, with `/`; the name of a single file.
    path: String,
    size: u64,
    modified: Option<SystemTime>,
}

/// A file, or all files in and below a directory, with their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    files: Vec<TreeFile>,
    is_folder: bool,
}

/// A file of a [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Its path below the directory, with `/`; the name of a single file.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// The file to which it points, if it is a pointer of Git LFS.
    pub pointer: Option<Pointer>,
}

/// The content of a pointer of Git LFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// The SHA-256 of the file in hex.
    pub sha256: String,
    /// The size of the file in bytes.
    pub size: u64,
}

impl Listing {
    /// Lists the file or the directory at `path` without reading it. Links inside a directory count if they lead to
    /// files inside it. Temporary files of tbx do not count.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: a name is not UTF-8, or there are more than `max` files. [`ErrorKind::Io`]: the
    /// directory cannot be read.
    pub fn read(path: &Path, max: usize) -> Result<Self> {
        let metadata = path.metadata().map_err(|error| failed(error, path))?;
        if !metadata.is_dir() {
            let name = path.file_name().unwrap_or_default();
            let file = Listed::of(text(Path::new(name), path)?, &metadata);
            return Ok(Self { path: path.into(), files: vec![file], is_folder: false });
        }
        let mut files = Vec::new();
        let walk = WalkDir::new(path).min_depth(1).into_iter();
        for entry in walk.filter_entry(|entry| !is_temporary(entry.file_name())) {
            let entry = entry.map_err(|error| {
                let at = error.path().unwrap_or(path).to_owned();
                failed(error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into()), at)
            })?;
            if entry.file_type().is_dir() {
                continue;
            }
            if files.len() >= max {
                let what = format!("it has more than {max} files: put them into an archive file");
                return Err(failed(ErrorKind::Value(what), path));
            }
            let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
            // Where a link leads is checked when it is read.
            let metadata = entry.path().metadata().or_else(|_| entry.path().symlink_metadata());
            let metadata = metadata.map_err(|error| failed(error, entry.path()))?;
            files.push(Listed::of(text(below, entry.path())?, &metadata));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { path: path.into(), files, is_folder: true })
    }

    /// The file or the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of all files in bytes.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether it is a directory, not a single file.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The time of the last change to a file; `None` if the system does not tell that of each.
    pub fn modified(&self) -> Option<SystemTime> {
        let times: Option<Vec<_>> = self.files.iter().map(|file| file.modified).collect();
        times?.into_iter().max()
    }

    /// Reads the files, several at a time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: a file cannot be read, is not a regular file, or is a link out of the directory or to a
    /// directory.
    pub fn hash(&self) -> Result<Tree> {
        self.each(|listed, file, len| {
            digest_of(file.into_reader(len), len, listed.path.clone())
                .map_err(|error| failed(error, self.at(listed)))
        })
    }

    /// Copies the files to a new directory, several at a time, and returns what was copied. A single file gets its
    /// name in it.
    ///
    /// # Errors
    ///
    /// The same as for [`hash`](Self::hash); also if a file cannot be written.
    pub fn copy(&self, to: &Folder) -> Result<Tree> {
        self.each(|listed, file, len| {
            let path = to.file(Path::new(&listed.path));
            let created = path.parent().map_or(Ok(()), disk::create_dir_all);
            let created = created.and_then(|()| disk::create_new(&path));
            let created = created.map_err(|error| failed(error, &path))?;
            let copied = write(file.into_reader(len), created);
            let copied = copied.map_err(|error| failed(error, &path))?;
            let (size, sha256) = copied.map_err(|error| failed(error, self.at(listed)))?;
            Ok(TreeFile { path: listed.path.clone(), size, sha256, pointer: None })
        })
    }

    /// Makes hard links to the files in a new directory. A single file gets the name `name` in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: a file is on another disk or is a link, or the file system has no hard links.
    pub fn link(&self, to: &Folder, name: &str) -> Result<()> {
        for listed in &self.files {
            let name = if self.is_folder { &listed.path } else { name };
            let path = to.file(Path::new(name));
            let created = path.parent().map_or(Ok(()), disk::create_dir_all);
            let from = self.at(listed);
            let linked = created.and_then(|()| match from.symlink_metadata()?.is_file() {
                true => disk::hard_link(&from, &path),
                // It would be a second link, which may lead elsewhere from there.
                false => Err(io::ErrorKind::InvalidInput.into()),
            });
            linked.map_err(|error| failed(error, &path))?;
        }
        Ok(())
    }

    /// Opens each file and calls `f` with it, several at a time.
    fn each(
        &self,
        f: impl Fn(&Listed, store::File, u64) -> Result<TreeFile> + Sync,
    ) -> Result<Tree> {
        let root = self.is_folder.then(|| Root::new(&self.path, Links::Inside)).transpose();
        let root = root.map_err(|error| failed(error, &self.path))?;
        let files = self.files.par_iter().map(|listed| {
            let path = self.at(listed);
            let opened = match &root {
                Some(root) => root.open(&path),
                None => store::File::open(&path),
            };
            let (file, len) = opened.map_err(|error| failed(error, &path))?;
            f(listed, file, len)
        });
        Ok(Tree { files: files.collect::<Result<_>>()?, is_folder: self.is_folder })
    }

    fn at(&self, listed: &Listed) -> PathBuf {
        if self.is_folder { self.path.join(&listed.path) } else { self.path.clone() }
    }
}

impl Listed {
    fn of(path: String, metadata: &Metadata) -> Self {
        Self { path, size: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl Tree {
    /// Reads the file or the directory at `path`, as [`Listing`] has it.
    ///
    /// # Errors
    ///
    /// The same as for [`Listing::read`], with a million files, and [`Listing::hash`].
    pub fn read(path: &Path) -> Result<Self> {
        Listing::read(path, MAX_FILES)?.hash()
    }

    /// The files by path.
    pub fn files(&self) -> &[TreeFile] {
        &self.files
    }

    /// Whether it is a directory, not a single file.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The size of all files in bytes.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// Replaces pointers of Git LFS with the files to which they point: a repository has the same digest
    /// whether or not its files were fetched.
    #[must_use]
    pub fn without_pointers(mut self) -> Self {
        for file in &mut self.files {
            if let Some(Pointer { sha256, size }) = file.pointer.take() {
                (file.sha256, file.size) = (sha256, size);
            }
        }
        self
    }

    /// The lines that `sha256sum` prints for the files, by path in the order of bytes.
    pub fn sums(&self) -> String {
        self.files.iter().map(line).collect()
    }

    /// The SHA-256 of a single file; for a directory, of its [`sums`](Self::sums).
    pub fn digest(&self) -> String {
        match self.files.as_slice() {
            [file] if !self.is_folder => file.sha256.clone(),
            _ => digest::sha256(self.sums()),
        }
    }
}

/// Writes a file. Returns its size and digest, or the error of `from`.
fn write(mut from: impl Read, to: File) -> io::Result<io::Result<(u64, String)>> {
    let mut to = BufWriter::new(to);
    let copied = digest::copy(&mut from, &mut to)?;
    to.flush()?;
    to.get_ref().sync_data()?;
    Ok(copied)
}

/// The line of `sha256sum` for a file. It marks and escapes names that would span lines.
fn line(file: &TreeFile) -> String {
    let escaped = file.path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == file.path { "" } else { "\\" };
    format!("{mark}{}  {escaped}\n", file.sha256)
}

/// The path below a directory, with `/`.
fn text(below: &Path, path: &Path) -> Result<String> {
    let parts: Option<Vec<_>> = below.iter().map(|part| part.to_str()).collect();
    let parts = parts.filter(|parts| !parts.is_empty());
    let parts = parts
        .ok_or_else(|| failed(ErrorKind::Value("its name is not UTF-8: rename it".into()), path))?;
    Ok(parts.join("/"))
}

/// Reads a file of `len` bytes.
fn digest_of(mut from: impl Read, len: u64, path: String) -> io::Result<TreeFile> {
    let mut start = Vec::new();
    if len <= MAX_POINTER {
        from.by_ref().take(MAX_POINTER).read_to_end(&mut start)?;
    }
    let pointer = str::from_utf8(&start).ok().and_then(Pointer::parse);
    let (size, sha256) = digest::read(&mut start.as_slice().chain(from))?;
    Ok(TreeFile { path, size, sha256, pointer })
}

impl Pointer {
    /// The pointer with this text (`git-lfs/docs/spec.md`); `None` for any other text.
    fn parse(text: &str) -> Option<Self> {
        let lines = text.strip_prefix(POINTER)?;
        let value =
            |key: &str| lines.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let sha256 = value("oid")?.strip_prefix("sha256:")?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_digest = sha256.len() == 64 && sha256.bytes().all(is_hex);
        let size = value("size")?.parse().ok()?;
        is_digest.then(|| Self { sha256: sha256.into(), size })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_folder_has_the_digest_that_sha256sum_gives() {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in [("b", "2"), ("a/x y", "1"), ("a.txt", ""), ("a/\\n", "3")] {
            fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(path), content).unwrap();
        }
        let tree = Tree::read(dir.path()).unwrap();
        let paths: Vec<_> = tree.files().iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a.txt", "a/\\n", "a/x y", "b"]);
        assert_eq!((tree.size(), tree.is_folder()), (3, true));
        let script = "find * -type f | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum";
        let done = Command::new("sh").args(["-c", script]).current_dir(dir.path()).output();
        match done {
            Ok(done) if done.status.success() => {
                let expected = String::from_utf8(done.stdout).unwrap();
                assert_eq!(Some(tree.digest().as_str()), expected.split(' ').next());
            }
            _ => println!("skipped: sha256sum is not installed"),
        }
        let one = Tree::read(&dir.path().join("b")).unwrap();
        assert_eq!((one.digest(), one.is_folder()), (digest::sha256("2"), false));
    }

    #[cfg(unix)]
    #[test]
    fn links_count_only_inside() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("in");
        fs::create_dir_all(inside.join("sub")).unwrap();
        fs::write(inside.join("a"), "1").unwrap();
        fs::write(dir.path().join("secret"), "2").unwrap();
        symlink("a", inside.join("b")).unwrap();
        let tree = Tree::read(&inside).unwrap();
        assert_eq!(tree.files()[0].sha256, tree.files()[1].sha256);
        for (to, name) in [("../secret", "out"), ("sub", "folder"), ("/dev/zero", "device")] {
            symlink(to, inside.join(name)).unwrap();
            let said = Tree::read(&inside).unwrap_err().to_string();
            assert!(said.contains(name), "{said}");
            fs::remove_file(inside.join(name)).unwrap();
        }
    }

    #[test]
    fn pointers_of_git_lfs_stand_for_their_files() {
        let (content, dir) = (vec![7; 5000], tempfile::tempdir().unwrap());
        let sha256 = digest::sha256(&content);
        let pointer = format!("{POINTER}oid sha256:{sha256}\nsize 5000\n");
        let read = |content: &[u8]| {
            fs::write(dir.path().join("a"), content).unwrap();
            Tree::read(dir.path()).unwrap()
        };
        let fetched = read(&content);
        let there = read(pointer.as_bytes());
        assert_ne!(there.digest(), fetched.digest());
        let there = there.without_pointers();
        assert_eq!((there.digest(), there.size()), (fetched.digest(), 5000));
        for wrong in [
            String::new(),
            POINTER.into(),
            pointer.replace("5000", "-1"),
            pointer.replace("sha256:", "sha256:x"),
            pointer.replace("/v1", "/v2"),
        ] {
            assert_eq!(Pointer::parse(&wrong), None, "{wrong}");
        }
    }
}
