//! Walks through a directory tree and visits each real directory once.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{DirEntry, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Root;
use super::open::not_regular;

/// Maximum number of directories that are read at a time.
const LOOK_AHEAD: usize = 256;
/// Minimum number of directories that are worth a second thread.
const FEW: usize = 8;

/// An entry below a directory.
#[derive(Debug)]
pub enum Found {
    /// A regular file, or a link to one that may be followed.
    File(PathBuf),
    /// A directory, or a link to one that may be followed. Its entries come next.
    Directory,
    /// A link to a directory that was found under another path. Its entries come only once.
    Again {
        /// The link.
        path: PathBuf,
        /// The other path.
        first: PathBuf,
    },
    /// An entry that cannot be read or may not be followed, or is neither a file nor a directory.
    Left(PathBuf, io::Error),
}

/// Walks through a directory tree, in the order of names.
///
/// Entries without links in their path come first, so that a real path wins over a link to it.
/// Links come next, those with fewer path components first. Therefore the work grows with the
/// number of directories and links, not with the number of paths that lead to them.
pub struct Walk<'r> {
    root: &'r Root,
    /// The directories on the current path, the innermost last, each with its remaining entries.
    open: Vec<Open>,
    /// Links that were found but not yet followed, by the number of components in their path.
    links: BTreeSet<(usize, PathBuf)>,
    /// The path of each directory that was found.
    seen: HashMap<Id, PathBuf>,
    /// Whether an entry with this name is left out, together with everything below it.
    is_left: fn(&OsStr) -> bool,
}

/// A directory on the current path.
struct Open {
    path: PathBuf,
    /// Its remaining entries, in the order of names.
    entries: VecDeque<io::Result<Entry>>,
}

/// An entry of a directory.
struct Entry {
    name: OsString,
    kind: FileType,
    /// Its listing, if it is a directory that was already read.
    listing: Option<io::Result<Listing>>,
}

/// The identity and the entries of a directory.
struct Listing {
    id: Id,
    entries: VecDeque<io::Result<Entry>>,
}

impl Listing {
    fn of(path: &Path) -> io::Result<Self> {
        let id = Id::of(path, &path.metadata()?)?;
        let entry = |entry: io::Result<DirEntry>| {
            let entry = entry?;
            Ok(Entry { kind: entry.file_type()?, name: entry.file_name(), listing: None })
        };
        let mut entries: Vec<_> = path.read_dir()?.map(entry).collect();
        entries.sort_by(|a, b| match (a, b) {
            (Ok(a), Ok(b)) => a.name.cmp(&b.name),
            (a, b) => a.is_ok().cmp(&b.is_ok()),
        });
        Ok(Self { id, entries: entries.into() })
    }
}

impl Root {
    /// Walks through everything at and below `path`, which begins with the path of the root. Finds
    /// nothing if `path` does not exist. Names for which `is_left` holds are left out, together
    /// with everything below them.
    #[doc(hidden)]
    pub fn walk(&self, path: &Path, is_left: fn(&OsStr) -> bool) -> Walk<'_> {
        let is_there = path.symlink_metadata().is_ok();
        let links = is_there.then(|| (0, path.to_owned())).into_iter().collect();
        Walk { root: self, open: Vec::new(), links, seen: HashMap::new(), is_left }
    }
}

impl Walk<'_> {
    fn entry(&mut self, path: PathBuf, entry: Entry) -> Option<Found> {
        if (self.is_left)(&entry.name) {
            return None;
        }
        if entry.kind.is_symlink() {
            self.links.insert((path.iter().count(), path));
            return None;
        }
        Some(if entry.kind.is_file() {
            Found::File(path)
        } else if entry.kind.is_dir() {
            let listing = entry.listing.unwrap_or_else(|| Listing::of(&path));
            self.directory(path, listing)
        } else {
            Found::Left(path, not_regular(entry.kind).into())
        })
    }

    fn directory(&mut self, path: PathBuf, listing: io::Result<Listing>) -> Found {
        let Listing { id, entries } = match listing {
            Ok(listing) => listing,
            Err(error) => return Found::Left(path, error),
        };
        if let Some(first) = self.seen.get(&id) {
            return Found::Again { path, first: first.clone() };
        }
        self.seen.insert(id, path.clone());
        self.open.push(Open { path, entries });
        Found::Directory
    }

    fn link(&mut self, path: PathBuf) -> Found {
        let metadata = self.root.resolve(&path).and_then(|_| path.metadata());
        match metadata {
            Ok(metadata) if metadata.is_file() => Found::File(path),
            Ok(metadata) if metadata.is_dir() => {
                let listing = Listing::of(&path);
                self.directory(path, listing)
            }
            Ok(metadata) => Found::Left(path, not_regular(metadata.file_type()).into()),
            Err(error) => Found::Left(path, error),
        }
    }
}

impl Open {
    /// Reads the next directories, several at a time, if the next entry is a directory that was not
    /// read yet.
    ///
    /// Most log directories are one directory with a few hundred runs, and reading the directory of
    /// each run costs half as much as loading it.
    fn look_ahead(&mut self, is_left: fn(&OsStr) -> bool) {
        let is_next =
            |entry: &Entry| entry.kind.is_dir() && entry.listing.is_none() && !is_left(&entry.name);
        if !matches!(self.entries.front(), Some(Ok(entry)) if is_next(entry)) {
            return;
        }
        let path = &self.path;
        let entries = self.entries.iter_mut().filter_map(|entry| entry.as_mut().ok());
        let next: Vec<_> = entries.filter(|entry| is_next(entry)).take(LOOK_AHEAD).collect();
        if next.len() >= FEW {
            next.into_par_iter()
                .for_each(|entry| entry.listing = Some(Listing::of(&path.join(&entry.name))));
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let Some(mut open) = self.open.pop() else {
                let (_, link) = self.links.pop_first()?;
                return Some(self.link(link));
            };
            open.look_ahead(self.is_left);
            let Some(entry) = open.entries.pop_front() else { continue };
            let (path, entry) = match entry {
                Ok(entry) => (open.path.join(&entry.name), Ok(entry)),
                Err(error) => (open.path.clone(), Err(error)),
            };
            self.open.push(open);
            let found = match entry {
                Ok(entry) => self.entry(path, entry),
                Err(error) => Some(Found::Left(path, error)),
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

/// The identity of a directory, by whatever path it is reached.
#[cfg(unix)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct Id(u64, u64);

#[cfg(unix)]
impl Id {
    fn of(_path: &Path, metadata: &Metadata) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        Ok(Self(metadata.dev(), metadata.ino()))
    }
}

/// The identity of a directory, by whatever path it is reached.
#[cfg(not(unix))]
#[derive(Debug, PartialEq, Eq, Hash)]
struct Id(PathBuf);

#[cfg(not(unix))]
impl Id {
    fn of(path: &Path, _metadata: &Metadata) -> io::Result<Self> {
        path.canonicalize().map(Self)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::store::Links;

    /// The entries that a walk from `start` finds, relative to `dir`.
    fn walked(dir: &Path, start: &str, links: Links) -> Vec<String> {
        let name = |path: &Path| path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
        let root = Root::new(dir, links).unwrap();
        let walk = root.walk(&dir.join(start), |_| false);
        let found = walk.filter_map(|found| match found {
            Found::File(path) => Some(name(&path)),
            Found::Directory => None,
            Found::Again { path, first } => Some(format!("{} = {}", name(&path), name(&first))),
            Found::Left(path, _) => Some(format!("{} left", name(&path))),
        });
        found.collect()
    }

    #[test]
    fn each_directory_comes_once_and_a_real_path_wins() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, away) = (dir.path().join("in"), dir.path().join("away"));
        fs::create_dir_all(inside.join("z/deep")).unwrap();
        fs::create_dir_all(away.join("data")).unwrap();
        fs::write(inside.join("z/deep/file"), "").unwrap();
        fs::write(away.join("data/file"), "").unwrap();
        symlink("z", inside.join("a")).unwrap();
        symlink("../z", inside.join("z/up")).unwrap();
        symlink("z/deep/file", inside.join("file")).unwrap();
        symlink("../away", inside.join("away")).unwrap();
        symlink("../../in", away.join("data/back")).unwrap();
        symlink("nowhere", inside.join("gone")).unwrap();
        let all = walked(&inside, "", Links::All);
        let expected = [
            "z/deep/file",
            "a = z",
            "away/data/file",
            "file",
            "gone left",
            "z/up = z",
            "away/data/back = ",
        ];
        assert_eq!(all, expected);
        let expected = ["z/deep/file", "a = z", "away left", "file", "gone left", "z/up = z"];
        assert_eq!(walked(&inside, "", Links::Inside), expected);
        assert_eq!(walked(&inside, "away", Links::Inside), ["away left"]);
        assert_eq!(walked(&inside, "a", Links::Inside), ["a/deep/file", "a/up = a"]);
        assert_eq!(walked(&inside, "no", Links::Inside), [""; 0]);
    }

    #[test]
    fn a_tree_of_links_costs_as_much_as_it_has_links() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("x0")).unwrap();
        // This is the maximum number of links in a path on Linux.
        for i in 1..=40 {
            fs::create_dir(dir.path().join(format!("x{i}"))).unwrap();
            for name in ["a", "b"] {
                symlink(format!("../x{}", i - 1), dir.path().join(format!("x{i}/{name}"))).unwrap();
            }
        }
        assert_eq!(walked(dir.path(), "", Links::Inside).len(), 2 * 40);
        let from_the_end = walked(dir.path(), "x40", Links::Inside);
        assert_eq!(from_the_end.len(), 40);
        assert!(from_the_end.iter().all(|found| found.contains(" = ")), "{from_the_end:?}");
    }
}
