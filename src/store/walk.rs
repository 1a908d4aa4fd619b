//! What is below a directory, each real directory once.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::Root;
use super::open::not_regular;

/// Something below a directory.
#[derive(Debug)]
pub(crate) enum Found {
    /// A regular file, or a link to one that may be followed.
    File(PathBuf),
    /// A directory, or a link to one that may be followed. What is in it comes next.
    Directory,
    /// A link to a directory that was found under another path. What is in it comes once.
    Again {
        /// The link.
        path: PathBuf,
        /// The other path.
        first: PathBuf,
    },
    /// What cannot be read or may not be followed, or is neither a file nor a directory.
    Left(PathBuf, io::Error),
}

/// Walks through a directory, in the order of names.
///
/// What is there without links comes first, so that a real path wins over a link to it. Then come
/// links, those with fewer names in their path first. So the work grows with the number of
/// directories and links, and not with that of the paths that lead to them.
pub(crate) struct Walk<'r> {
    root: &'r Root,
    /// The directory that is walked through now.
    walk: Option<walkdir::IntoIter>,
    /// Links that were found and not followed yet, by the number of names in their path.
    links: BTreeSet<(usize, PathBuf)>,
    /// The path of each directory that was found.
    seen: HashMap<Id, PathBuf>,
    /// Whether what has this name is left out, with all that is in it.
    is_left: fn(&OsStr) -> bool,
}

impl Root {
    /// What is at and below `path`, which begins with that of the root. Nothing if nothing is there.
    /// Names for which `is_left` holds are left out, with all that is below them.
    pub(crate) fn walk(&self, path: &Path, is_left: fn(&OsStr) -> bool) -> Walk<'_> {
        let is_there = path.symlink_metadata().is_ok();
        let links = is_there.then(|| (0, path.to_owned())).into_iter().collect();
        Walk { root: self, walk: None, links, seen: HashMap::new(), is_left }
    }
}

impl Walk<'_> {
    /// The path under which the directory at `path` was found before.
    fn first(&mut self, path: &Path, metadata: &Metadata) -> io::Result<Option<PathBuf>> {
        let id = Id::of(path, metadata)?;
        let first = self.seen.get(&id).cloned();
        if first.is_none() {
            self.seen.insert(id, path.to_owned());
        }
        Ok(first)
    }

    fn entry(&mut self, entry: walkdir::Result<walkdir::DirEntry>) -> Option<Found> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(Path::new("")).to_owned();
                return Some(Found::Left(path, error.into()));
            }
        };
        let kind = entry.file_type();
        if (self.is_left)(entry.file_name()) {
            if kind.is_dir() {
                self.walk.as_mut().map(walkdir::IntoIter::skip_current_dir);
            }
            return None;
        }
        if kind.is_symlink() {
            self.links.insert((entry.path().iter().count(), entry.into_path()));
            return None;
        }
        let path = entry.path().to_owned();
        if kind.is_file() {
            return Some(Found::File(path));
        }
        if !kind.is_dir() {
            return Some(Found::Left(path, not_regular(kind).into()));
        }
        let first = entry.metadata().map_err(io::Error::from);
        match first.and_then(|metadata| self.first(&path, &metadata)) {
            Ok(None) => Some(Found::Directory),
            Ok(Some(first)) => {
                self.walk.as_mut().map(walkdir::IntoIter::skip_current_dir);
                Some(Found::Again { path, first })
            }
            Err(error) => {
                self.walk.as_mut().map(walkdir::IntoIter::skip_current_dir);
                Some(Found::Left(path, error))
            }
        }
    }

    fn link(&mut self, path: PathBuf) -> Found {
        let metadata = self.root.resolve(&path).and_then(|_| path.metadata());
        let metadata = match metadata {
            Ok(metadata) if metadata.is_file() => return Found::File(path),
            Ok(metadata) if metadata.is_dir() => metadata,
            Ok(metadata) => return Found::Left(path, not_regular(metadata.file_type()).into()),
            Err(error) => return Found::Left(path, error),
        };
        match self.first(&path, &metadata) {
            Ok(None) => {
                self.walk = Some(WalkDir::new(&path).min_depth(1).sort_by_file_name().into_iter());
                Found::Directory
            }
            Ok(Some(first)) => Found::Again { path, first },
            Err(error) => Found::Left(path, error),
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let Some(walk) = &mut self.walk else {
                let (_, link) = self.links.pop_first()?;
                return Some(self.link(link));
            };
            match walk.next() {
                None => self.walk = None,
                Some(entry) => {
                    if let Some(found) = self.entry(entry) {
                        return Some(found);
                    }
                }
            }
        }
    }
}

/// What a directory is, by whatever path.
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

/// What a directory is, by whatever path.
#[cfg(not(unix))]
#[derive(Debug, PartialEq, Eq, Hash)]
struct Id(PathBuf);

#[cfg(not(unix))]
impl Id {
    fn of(path: &Path, _metadata: &Metadata) -> io::Result<Self> {
        path.canonicalize().map(Self)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::store::Links;

    /// What a walk from `start` finds, relative to `dir`.
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
        // No path leads through more links on Linux.
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
