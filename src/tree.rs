//! The files of a directory with their digests, and one digest of all of them.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

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

/// A file, or all files in and below a directory.
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
    /// The file that it stands for, if it is a pointer of Git LFS.
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

impl Tree {
    /// Reads the file or the directory at `path`, several files at a time. Links inside a directory
    /// count if they lead to files inside it. Temporary files of tbx do not count.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: a name is not UTF-8, or there are more than a million files.
    /// [`ErrorKind::Io`]: a file cannot be read, is not a regular file, or is a link out of the
    /// directory or to a directory.
    pub fn read(path: &Path) -> Result<Self> {
        let at = |error: io::Error| failed(error, path);
        if !path.metadata().map_err(at)?.is_dir() {
            let name = path.file_name().unwrap_or_default();
            let (file, metadata) = store::open_regular(path).map_err(at)?;
            let file = digest_of(file, metadata.len(), text(Path::new(name), path)?).map_err(at)?;
            return Ok(Self { files: vec![file], is_folder: false });
        }
        let root = Root::new(path, Links::Inside).map_err(at)?;
        let mut found: Vec<(PathBuf, String)> = Vec::new();
        let walk = WalkDir::new(path).min_depth(1).into_iter();
        for entry in walk.filter_entry(|entry| !is_temporary(entry.file_name())) {
            let entry = entry.map_err(|error| {
                let at = error.path().unwrap_or(path).to_owned();
                failed(error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into()), at)
            })?;
            if entry.file_type().is_dir() {
                continue;
            }
            if found.len() >= MAX_FILES {
                let what = format!("it has more than {MAX_FILES} files: put them into an archive");
                return Err(failed(ErrorKind::Value(what), path));
            }
            let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
            let name = text(below, entry.path())?;
            found.push((entry.into_path(), name));
        }
        found.sort_by(|(_, a), (_, b)| a.cmp(b));
        let files = found.into_par_iter().map(|(path, name)| {
            let read = root
                .open(&path)
                .and_then(|(file, len)| digest_of(file.into_reader(len), len, name));
            read.map_err(|error| failed(error, path))
        });
        Ok(Self { files: files.collect::<Result<_>>()?, is_folder: true })
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

    /// Replaces pointers of Git LFS with what they stand for: a repository has the same digest
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

    /// The SHA-256 of a single file; for a directory, that of the lines that `sha256sum` prints for
    /// all of its files, by path in the order of bytes.
    pub fn digest(&self) -> String {
        match self.files.as_slice() {
            [file] if !self.is_folder => file.sha256.clone(),
            files => digest::sha256(files.iter().map(line).collect::<String>()),
        }
    }
}

impl Tree {
    /// Copies the files from `source`, where they were read, to a new directory, and checks them. A single file gets
    /// its name in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: a file has changed meanwhile. [`ErrorKind::Io`].
    pub fn copy(&self, source: &Path, to: &Folder) -> Result<()> {
        let root = self.is_folder.then(|| Root::new(source, Links::Inside)).transpose();
        let root = root.map_err(|error| failed(error, source))?;
        for file in &self.files {
            let from = if root.is_some() { source.join(&file.path) } else { source.to_owned() };
            let path = to.file(Path::new(&file.path));
            let created = path.parent().map_or(Ok(()), disk::create_dir_all);
            let created = created.and_then(|()| disk::create_new(&path));
            let created = created.map_err(|error| failed(error, &path))?;
            let (opened, len) = match &root {
                Some(root) => root.open(&from),
                None => store::File::open(&from),
            }
            .map_err(|error| failed(error, &from))?;
            let copied = write(opened.into_reader(len), created);
            let copied = copied.map_err(|error| failed(error, &path))?;
            let (size, sha256) = copied.map_err(|error| failed(error, &from))?;
            if (size, &sha256) != (file.size, &file.sha256) {
                let what = "it changed while it was being copied: repeat this when it is complete";
                return Err(failed(ErrorKind::Value(what.into()), &from));
            }
        }
        Ok(())
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
