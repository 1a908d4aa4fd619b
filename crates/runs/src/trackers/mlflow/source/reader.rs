//! Reads a directory `mlruns`, which may come from an untrusted source.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::yaml::{self, Fields};
use super::{at, issue};
use tbx::error::{Effect, ErrorKind, Report, Result};
use tbx::store::{self, File, Found, Links, Root};

/// The file that describes an experiment, a run, a model or a dataset.
pub(super) const META: &str = "meta.yaml";
/// Maximum size of a parameter or tag in bytes.
const MAX_VALUE: u64 = 16 << 20;
/// Maximum total size in bytes of all of these and of all `meta.yaml` files, which are in memory
/// until everything is imported.
const MAX_VALUES: u64 = 512 << 20;

/// Reads files of the directory. Links that lead out of it are followed only if requested.
pub(super) struct Reader {
    root: Root,
    links: Links,
    /// Number of bytes of values that may still be read.
    left: AtomicU64,
}

impl Reader {
    pub(super) fn new(root: &Path, links: Links) -> Result<Self> {
        let opened = Root::new(root, links);
        let root = opened.map_err(|error| ErrorKind::from(error).at(at(root)))?;
        Ok(Self { root, links, left: AtomicU64::new(MAX_VALUES) })
    }

    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    pub(super) fn links(&self) -> Links {
        self.links
    }

    pub(super) fn open(&self, path: &Path) -> io::Result<(File, u64)> {
        self.root.open(path)
    }

    /// The content of a small file.
    fn read(&self, path: &Path, max: u64) -> Result<String, ErrorKind> {
        let left = self.left.load(Ordering::Relaxed);
        let bytes = self.root.read(path, max.min(left)).map_err(|error| {
            let is_last = left < max && error.kind() == io::ErrorKind::FileTooLarge;
            match is_last {
                true => ErrorKind::Value(format!(
                    "parameters, tags and metadata have more than {MAX_VALUES} bytes in total; \
                     import fewer experiments at a time (`Import::experiments`)"
                )),
                false => error.into(),
            }
        })?;
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        // Each thread that reads at the same time can exceed the limit by one file at most.
        let less = |left: u64| Some(left.saturating_sub(len));
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        String::from_utf8(bytes).map_err(|_| ErrorKind::Value("it is not UTF-8".into()))
    }

    /// The fields of `meta.yaml` in a directory.
    pub(super) fn fields(&self, dir: &Path) -> Result<Fields> {
        let path = dir.join(META);
        let fields = self.read(&path, yaml::MAX_BYTES).and_then(|text| yaml::fields(&text));
        fields.map_err(|kind| kind.at(at(&path)))
    }

    /// The same; problems are recorded as issues.
    pub(super) fn meta(&self, dir: &Path, report: &mut Report) -> Fields {
        self.fields(dir).unwrap_or_else(|error| {
            let path = dir.join(META);
            let is_missing = |kind: &ErrorKind| matches!(kind, ErrorKind::Io(error) if store::is_missing(error, &path));
            let effect = if is_missing(error.kind()) { Effect::Kept } else { Effect::SkippedFile };
            issue(report, &path, error.into_kind(), effect);
            Fields::new()
        })
    }

    /// The values in files of a directory, whose names may have directories.
    pub(super) fn values(&self, dir: &Path, report: &mut Report) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        for (name, path) in self.files(dir, report) {
            match self.read(&path, MAX_VALUE) {
                Ok(value) => drop(values.insert(name, value)),
                Err(kind) => issue(report, &path, kind, Effect::SkippedValue),
            }
        }
        values
    }

    /// The files below a directory, if there is one, by their names in it.
    pub(super) fn files(&self, dir: &Path, report: &mut Report) -> Vec<(String, PathBuf)> {
        let mut files = Vec::new();
        for path in below(&self.root, dir, report) {
            let relative = path.strip_prefix(dir).unwrap_or(&path);
            let names: Vec<_> = relative.iter().map(|name| name.to_string_lossy()).collect();
            files.push((names.join("/"), path));
        }
        files
    }

    /// The same, if such a directory exists; problems are recorded as issues.
    pub(super) fn dirs_if_any(&self, dir: &Path, report: &mut Report) -> Vec<PathBuf> {
        self.dirs(dir, report).unwrap_or_else(|error| {
            let kind = error.into_kind();
            let is_missing = matches!(&kind, ErrorKind::Io(error) if store::is_missing(error, dir));
            if !is_missing {
                issue(report, dir, kind, Effect::SkippedFile);
            }
            Vec::new()
        })
    }

    /// The directories in a directory, by name. Links to other places in `mlruns` are left out,
    /// because their targets are found anyway.
    pub(super) fn dirs(&self, dir: &Path, report: &mut Report) -> Result<Vec<PathBuf>> {
        let failed = |error: io::Error| ErrorKind::from(error).at(at(dir));
        self.root.resolve(dir).map_err(failed)?;
        let mut dirs = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (kind, path) = (entry.file_type().map_err(failed)?, entry.path());
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_symlink() && path.is_dir() {
                match self.root.resolve(&path) {
                    Ok(real) if self.root.contains(&real) => {}
                    Ok(_) => dirs.push(path),
                    Err(error) => issue(report, &path, error.into(), Effect::SkippedFile),
                }
            }
        }
        dirs.sort();
        Ok(dirs)
    }
}

/// The files at and below `path` that are in `root`; others are recorded as issues.
pub(super) fn below(root: &Root, path: &Path, report: &mut Report) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for found in root.walk(path, |_| false) {
        match found {
            Found::Directory => {}
            Found::File(path) => files.push(path),
            Found::Again { path, first } => {
                issue(report, &path, ErrorKind::SameDirectory(first), Effect::Kept);
            }
            Found::Left(path, error) => issue(report, &path, error.into(), Effect::SkippedFile),
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sparse files are cheap to make, but here they would all be in memory.
    #[test]
    fn values_have_a_limit_together_whatever_each_has() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["a", "b", "c", "d"] {
            fs::File::create(path(name)).unwrap().set_len(1000).unwrap();
        }
        let mut reader = Reader::new(dir.path(), Links::Inside).unwrap();
        reader.left = AtomicU64::new(2500);
        let read = |name: &str| reader.read(&path(name), MAX_VALUE).map(|text| text.len());
        assert_eq!(read("a").unwrap() + read("b").unwrap(), 2000);
        for name in ["c", "d"] {
            let said = read(name).unwrap_err().to_string();
            assert!(said.contains("in total; import fewer experiments at a time"), "{said}");
        }
        fs::write(path("short"), "0.1").unwrap();
        assert_eq!(read("short").unwrap(), 3);
        fs::File::create(path("long")).unwrap().set_len(MAX_VALUE + 1).unwrap();
        reader.left = AtomicU64::new(u64::MAX);
        let said = reader.read(&path("long"), MAX_VALUE).unwrap_err().to_string();
        assert!(!said.contains("together"), "{said}");
    }
}
