//! Finds what Neptune's exporter and clients left in a directory.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::about::ObjectKind;
use tbx::store::{Links, Root};

/// The database of a run of neptune-scale.
pub(super) const DATABASE: &str = "run_operations.sqlite3";
/// The description of a directory of the client before neptune-scale.
pub(super) const METADATA: &str = "metadata.json";
/// The directory that clients write to.
const NEPTUNE_DIR: &str = ".neptune";
/// Directories with files of runs, which may have any names.
const FILES: [&str; 3] = ["files", "model_files", "upload_path"];
/// Maximum depth below the source: `.neptune/offline/run__ID/exec-TIME/data-1.log`, in a directory.
const MAX_DEPTH: usize = 5;
/// Maximum number of names that are read to find everything, and to find out whether there is something.
const MAX_NAMES: usize = 4_000_000;
const FEW_NAMES: usize = 1_000;
/// Number of bytes that show whether a file is a log.
const HEAD: u64 = 4096;

/// The results, in the order of names.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Runs that the exporter wrote.
    pub(super) exported: Vec<ExportedParts>,
    /// Directories of clients before neptune-scale.
    pub(super) clients: Vec<PathBuf>,
    /// Directories of neptune-scale.
    pub(super) scale: Vec<PathBuf>,
    /// Whether there are more names than are read.
    pub(super) is_cut: bool,
}

/// The files that the exporter wrote for a run, a model or a version of a model.
#[derive(Debug, Default)]
pub(super) struct ExportedParts {
    /// The directory of the project, with files of all its runs.
    pub(super) project: PathBuf,
    pub(super) kind: ObjectKind,
    /// Complete files by their numbers.
    pub(super) parts: BTreeMap<u32, PathBuf>,
    /// Files that were not completed.
    pub(super) temporary: Vec<PathBuf>,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.exported.is_empty() && self.clients.is_empty() && self.scale.is_empty()
    }
}

/// Whether something of Neptune is at `path`, or not far below it.
pub(super) fn is_here(path: &Path) -> bool {
    if path.is_file() {
        let name = path.file_name().and_then(|name| name.to_str());
        return name.is_some_and(|name| name == DATABASE || part_name(name).is_some());
    }
    Root::new(path, Links::Inside).is_ok_and(|root| {
        Search::new(&root, FEW_NAMES, true).run(path).is_ok_and(|it| !it.is_empty())
    })
}

/// Everything of Neptune at and below `path`, which is in `root`.
pub(super) fn find(root: &Root, path: &Path) -> io::Result<Found> {
    if !path.is_file() {
        return Search::new(root, MAX_NAMES, false).run(path);
    }
    let dir = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name == DATABASE {
        return Ok(Found { scale: vec![dir.to_owned()], ..Found::default() });
    }
    // All files of that run.
    let mut search = Search::new(root, MAX_NAMES, false);
    search.directory(dir, 0)?;
    let stem = part_name(name).map(|(stem, ..)| stem);
    search.found.exported.retain(|run| {
        let mut names =
            run.parts.values().chain(&run.temporary).filter_map(|it| it.file_name()?.to_str());
        names.any(|name| part_name(name).map(|(stem, ..)| stem) == stem)
    });
    let exported = std::mem::take(&mut search.found.exported);
    Ok(Found { exported, ..Found::default() })
}

/// The run, the number and whether it is complete, of a file `<run>_part_<number>.parquet[.tmp]`
/// (`src/neptune_exporter/storage.py`).
fn part_name(name: &str) -> Option<(&str, u32, bool)> {
    let (name, is_complete) = match name.strip_suffix(".tmp") {
        Some(name) => (name, false),
        None => (name, true),
    };
    let (stem, number) = name.strip_suffix(".parquet")?.rsplit_once("_part_")?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    Some((stem, number.parse().ok()?, is_complete)).filter(|_| is_number)
}

/// The version of the first operation in a log `data-<version>.log` of a client.
pub(super) fn log_version(name: &str) -> Option<u64> {
    name.strip_prefix("data-")?.strip_suffix(".log")?.parse().ok()
}

/// A search, breadth first, so that a few names suffice to see what a directory is.
struct Search<'r> {
    root: &'r Root,
    found: Found,
    left: usize,
    /// Whether to stop at the first find.
    stops: bool,
    waiting: VecDeque<(PathBuf, usize)>,
    /// Directories without links that were visited.
    seen: HashSet<PathBuf>,
}

impl<'r> Search<'r> {
    fn new(root: &'r Root, left: usize, stops: bool) -> Self {
        let (found, waiting, seen) = Default::default();
        Self { root, found, left, stops, waiting, seen }
    }

    fn run(mut self, path: &Path) -> io::Result<Found> {
        self.directory(path, 0)?;
        while let Some((path, depth)) = self.waiting.pop_front() {
            if self.left == 0 || self.stops && !self.found.is_empty() {
                break;
            }
            // A directory that cannot be listed holds nothing that could be read.
            let _ = self.directory(&path, depth);
        }
        self.found.is_cut = self.left == 0;
        self.found.clients.sort();
        self.found.scale.sort();
        Ok(self.found)
    }

    /// Visits a directory.
    fn directory(&mut self, path: &Path, depth: usize) -> io::Result<()> {
        let real = self.root.resolve(path)?;
        if !self.seen.insert(real) {
            return Ok(());
        }
        let (mut dirs, mut files) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(path)? {
            if self.left == 0 {
                break;
            }
            self.left = self.left.saturating_sub(1);
            let entry = entry?;
            let kind = entry.file_type()?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // Only links that may be followed count.
            let is_link = kind.is_symlink();
            let is_dir = kind.is_dir()
                || is_link && self.root.resolve(&entry.path()).is_ok_and(|real| real.is_dir());
            if is_dir { dirs.push(name) } else { files.push(name) }
        }
        dirs.sort();
        files.sort();
        if files.iter().any(|name| name == DATABASE) {
            self.found.scale.push(path.to_owned());
            return Ok(());
        }
        let is_log = |name: &String| {
            log_version(name).is_some() && (is_of_object(path) || self.is_log(&path.join(name)))
        };
        if files.iter().any(is_log) || is_client(path, &files, &dirs) {
            self.found.clients.push(path.to_owned());
            return Ok(());
        }
        let is_exported = self.exported(path, &files);
        if depth >= MAX_DEPTH {
            return Ok(());
        }
        for name in dirs {
            let is_model = matches!(name.as_str(), "models" | "model_versions");
            let is_hidden = name.starts_with('.') && name != NEPTUNE_DIR;
            if FILES.contains(&name.as_str()) || is_hidden || is_exported && !is_model {
                continue;
            }
            self.waiting.push_back((path.join(name), depth.saturating_add(1)));
        }
        Ok(())
    }

    /// Whether a file begins like the log of a client (`DiskQueue._serialize` in `internal/disk_queue.py`).
    fn is_log(&self, path: &Path) -> bool {
        let mut head = Vec::new();
        let file = self.root.open(path).map(|(file, len)| file.into_reader(len.min(HEAD)));
        let is_read = file.is_ok_and(|mut file| file.read_to_end(&mut head).is_ok());
        is_read && head.starts_with(b"{") && head.windows(5).any(|part| part == b"\"obj\"")
    }

    /// Adds the runs that the exporter wrote to a directory. Returns whether there is one.
    fn exported(&mut self, path: &Path, files: &[String]) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        let kind = match name {
            Some("models") => ObjectKind::Model,
            Some("model_versions") => ObjectKind::ModelVersion,
            _ => ObjectKind::Run,
        };
        let project = match kind {
            ObjectKind::Run => path,
            _ => path.parent().unwrap_or(path),
        };
        let mut runs: BTreeMap<&str, ExportedParts> = BTreeMap::new();
        for file in files {
            let Some((stem, number, is_complete)) = part_name(file) else { continue };
            let run = runs.entry(stem).or_insert_with(|| ExportedParts {
                project: project.to_owned(),
                kind,
                ..ExportedParts::default()
            });
            match is_complete {
                true => drop(run.parts.insert(number, path.join(file))),
                false => run.temporary.push(path.join(file)),
            }
        }
        let is_any = !runs.is_empty();
        self.found.exported.extend(runs.into_values());
        is_any
    }
}

/// Whether a directory, or the one that it is in, has a name that a client gives: `run__ID` and the like
/// (`create_dir_name` in `internal/id_formats.py`).
fn is_of_object(path: &Path) -> bool {
    let mut names = path.ancestors().take(2).filter_map(|dir| dir.file_name()?.to_str());
    names.any(|name| {
        let kind = name.split_once("__").map(|(kind, _)| kind);
        matches!(kind, Some("run" | "project" | "model" | "model_version"))
    })
}

/// Whether a directory is one of a client that has no values, only files or a description.
fn is_client(path: &Path, files: &[String], dirs: &[String]) -> bool {
    let is_of_mode = path
        .ancestors()
        .skip(1)
        .take(2)
        .filter_map(|dir| dir.file_name()?.to_str())
        .any(|name| matches!(name, "offline" | "async" | "sync"));
    is_of_mode
        && is_of_object(path)
        && (files.iter().any(|name| name == METADATA)
            || dirs.iter().any(|name| name == "upload_path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts_are_read() {
        assert_eq!(part_name("a_part_0.parquet"), Some(("a", 0, true)));
        assert_eq!(part_name("a_part_1_part_12.parquet.tmp"), Some(("a_part_1", 12, false)));
        for name in
            ["a.parquet", "a_part_.parquet", "a_part_+1.parquet", "a_part_99999999999.parquet"]
        {
            assert_eq!(part_name(name), None, "{name}");
        }
    }

    #[test]
    fn every_layout_is_found_from_any_directory_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        make("exports/data/p-1/r-1_part_0.parquet");
        make("exports/data/p-1/r-1_part_1.parquet.tmp");
        make("exports/model_data/p-1/models/m-1_part_0.parquet");
        make("exports/files/p-1/x_part_0.parquet");
        make("train/.neptune/offline/run__a__1__b/data-1.log");
        make("train/.neptune/async/run__c/exec-1-x/data-5.log");
        make("train/.neptune/sync/run__d__1__b/metadata.json");
        make("train/.neptune/p_r_123/run_operations.sqlite3");
        make("other/offline/x/metadata.json");
        make("other/logs/data-20240101.log");
        make(".hidden/data/p-1/r-1_part_0.parquet");
        let counts = |path: &str| {
            let path = dir.path().join(path);
            let base = if path.is_file() { path.parent().unwrap() } else { &path };
            let root = Root::new(base, Links::Inside).unwrap();
            let found = find(&root, &path).unwrap();
            assert_eq!(is_here(&path), !found.is_empty(), "{path:?}");
            (found.exported.len(), found.clients.len(), found.scale.len())
        };
        assert_eq!(counts(""), (2, 3, 1));
        assert_eq!(counts("other"), (0, 0, 0));
        let log = r#"{"obj": {"type": "AssignFloat"}, "version": 1}"#;
        fs::create_dir_all(dir.path().join("old/x")).unwrap();
        fs::write(dir.path().join("old/x/data-1.log"), log).unwrap();
        assert_eq!(counts("old"), (0, 1, 0));
        fs::remove_dir_all(dir.path().join("old")).unwrap();
        assert_eq!(counts("exports"), (2, 0, 0));
        assert_eq!(counts("exports/data"), (1, 0, 0));
        assert_eq!(counts("exports/data/p-1"), (1, 0, 0));
        assert_eq!(counts("exports/data/p-1/r-1_part_0.parquet"), (1, 0, 0));
        assert_eq!(counts("exports/model_data/p-1/models"), (1, 0, 0));
        assert_eq!(counts("train/.neptune"), (0, 3, 1));
        assert_eq!(counts("train/.neptune/offline"), (0, 1, 0));
        assert_eq!(counts("train/.neptune/async/run__c"), (0, 1, 0));
        assert_eq!(counts("train/.neptune/p_r_123"), (0, 0, 1));
        assert_eq!(counts("train/.neptune/p_r_123/run_operations.sqlite3"), (0, 0, 1));
        assert!(!is_here(&dir.path().join("nowhere")));
        let root = Root::new(dir.path(), Links::Inside).unwrap();
        let all = find(&root, dir.path()).unwrap();
        assert_eq!(all.exported[0].temporary.len(), 1);
        assert_eq!(all.exported[1].kind, ObjectKind::Model);
        assert!(all.exported[1].project.ends_with("p-1"));
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_source_are_not_followed() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("away/p")).unwrap();
        fs::write(dir.path().join("away/p/r_part_0.parquet"), "x").unwrap();
        fs::create_dir_all(dir.path().join("in/run")).unwrap();
        fs::write(dir.path().join("in/run/run_operations.sqlite3"), "x").unwrap();
        symlink("../away", dir.path().join("in/data")).unwrap();
        symlink("run", dir.path().join("in/latest")).unwrap();
        symlink(".", dir.path().join("in/loop")).unwrap();
        let count = |links| {
            let path = dir.path().join("in");
            let found = find(&Root::new(&path, links).unwrap(), &path).unwrap();
            (found.exported.len(), found.scale.len())
        };
        assert_eq!(count(Links::Inside), (0, 1));
        assert_eq!(count(Links::All), (1, 1));
    }
}
