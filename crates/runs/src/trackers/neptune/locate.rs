//! Finds the files that records name, without leaving the directories in which they may be.

use std::io;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use super::super::source::SourceFile;
use super::attributes::{Attribute, Located};
use super::issues::issue;
use tbx::error::{Effect, ErrorKind, Report};
use tbx::store::{Found, Links, Root, is_outside};

/// Maximum number of files of a set.
const MAX_FILES: usize = 100_000;

/// A directory with files of runs, to which records give relative paths. It may not exist.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    root: Option<Root>,
}

impl Folder {
    /// The directory at `path`, if it exists and is in `source`.
    pub(super) fn new(path: PathBuf, source: &Root, links: Links) -> Self {
        let root = source.resolve(&path).ok().and_then(|real| Root::new(&real, links).ok());
        let path = root.as_ref().and_then(Root::path).map_or(path, Path::to_owned);
        Self { path, root }
    }

    /// The directory at `path`, wherever it is.
    pub(super) fn anywhere(path: PathBuf, links: Links) -> Self {
        let root = Root::new(&path, links).ok();
        Self { path: root.as_ref().and_then(Root::path).map_or(path, Path::to_owned), root }
    }

    /// The file at a relative path, which has its last name. `None` if it is outside, which is reported.
    pub(super) fn file(&self, relative: &[u8], report: &mut Report) -> Option<Located> {
        let text = String::from_utf8_lossy(relative);
        let path = self.path.join(&*text);
        let Some(root) = &self.root else { return Some(elsewhere(&path)) };
        if !is_below(Path::new(&*text)) {
            let what = format!("a record names {text:?}, which is not below this directory");
            issue(report, &self.path, ErrorKind::Value(what), Effect::SkippedFile);
            return None;
        }
        match root.resolve(&path) {
            Ok(_) => Some(Located::Here(SourceFile::local(last_name(&text), root, path))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_outside(&error) => {
                Some(elsewhere(&path))
            }
            Err(error) => {
                issue(report, &path, error, Effect::SkippedFile);
                None
            }
        }
    }

    /// The files of a set: one file, such as an archive, or all files below a directory.
    pub(super) fn set(&self, relative: &[u8], report: &mut Report) -> Attribute {
        let text = String::from_utf8_lossy(relative);
        let path = self.path.join(&*text);
        let is_dir = is_below(Path::new(&*text))
            && self
                .root
                .as_ref()
                .is_some_and(|root| root.resolve(&path).is_ok_and(|real| real.is_dir()));
        match &self.root {
            Some(root) if is_dir => Attribute::Files(below(root, &path, report)),
            _ => match self.file(relative, report) {
                Some(file) => Attribute::File(file),
                None => Attribute::Files(Vec::new()),
            },
        }
    }
}

/// All files below a directory, with their paths in it as names.
pub(super) fn below(root: &Root, dir: &Path, report: &mut Report) -> Vec<Located> {
    let mut files = Vec::new();
    for found in root.walk(dir, |_| false) {
        match found {
            Found::Directory => {}
            Found::Again { path, first } => {
                issue(report, &path, ErrorKind::SameDirectory(first), Effect::Kept);
            }
            Found::Left(path, error) => issue(report, &path, error, Effect::SkippedFile),
            Found::File(path) => {
                if files.len() >= MAX_FILES {
                    let what = format!("it has more than {MAX_FILES} files");
                    issue(report, dir, ErrorKind::Value(what), Effect::SkippedFile);
                    break;
                }
                let names = path.strip_prefix(dir).unwrap_or(&path).iter();
                let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
                files.push(Located::Here(SourceFile::local(names.join("/"), root, path)));
            }
        }
    }
    files
}

/// The sizes of files, which show whether something was added to them.
pub(super) fn sizes<'p>(paths: impl Iterator<Item = &'p PathBuf>) -> String {
    // A file that cannot be read stays so.
    let size = |path: &PathBuf| path.metadata().map_or(0, |metadata| metadata.len()).to_string();
    paths.map(size).collect::<Vec<_>>().join(",")
}

/// The last name of a path, or something in its place, for what has no id.
pub(super) fn name_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "unnamed".to_owned())
}

/// Finds files at absolute paths: those in the source, and with the user's consent all others.
#[derive(Debug, Clone)]
pub(super) struct Locator {
    pub(super) source: Root,
    pub(super) links: Links,
    /// Whether files outside of the source are read.
    pub(super) follows: bool,
}

impl Locator {
    /// The root through which the file or directory at `path` may be read, if it exists and may be.
    pub(super) fn root(&self, path: &Path) -> Option<Root> {
        if path.is_relative() {
            return None;
        }
        // A root that follows all links would resolve any path.
        let is_clean = !path.components().any(|part| part == Component::ParentDir);
        if is_clean && self.source.resolve(path).is_ok_and(|real| self.source.contains(&real)) {
            return Some(self.source.clone());
        }
        let parent = path.parent().filter(|_| self.follows)?;
        let root = Root::new(parent, self.links).ok()?;
        root.resolve(path).is_ok().then_some(root)
    }

    /// The files at `pattern`, in which `*`, `**`, `?` and `[...]` match names as in Python's `glob`. Their
    /// names are relative to the directory before the first of them.
    pub(super) fn matching(&self, pattern: &str, report: &mut Report) -> Vec<Located> {
        let is_pattern = |name: &str| name.contains(['*', '?', '[']);
        let names: Vec<_> = pattern.split('/').collect();
        let fixed = names.iter().take_while(|name| !is_pattern(name)).count();
        let fixed = names.get(..fixed).unwrap_or_default().join("/");
        let Some(root) = self.root(Path::new(&fixed)) else {
            return vec![Located::Elsewhere(pattern.to_owned())];
        };
        let dir = Path::new(&fixed);
        if !dir.is_dir() {
            return vec![self.file(&fixed)];
        }
        let all = below(&root, dir, report);
        let rest = pattern.get(fixed.len()..).unwrap_or_default().trim_start_matches('/');
        let Some(wanted) = (!rest.is_empty()).then(|| glob(rest)) else { return all };
        let Some(wanted) = wanted else { return vec![Located::Elsewhere(pattern.to_owned())] };
        let is_wanted = |file: &Located| match file {
            Located::Here(file) => wanted.is_match(&file.name),
            Located::Elsewhere(_) => true,
        };
        all.into_iter().filter(is_wanted).collect()
    }

    /// The file at `path`, which has its last name.
    pub(super) fn file(&self, path: &str) -> Located {
        match self.root(Path::new(path)) {
            Some(root) => Located::Here(SourceFile::local(last_name(path), &root, path)),
            None => Located::Elsewhere(path.to_owned()),
        }
    }
}

/// The names that match a pattern, and everything below directories among them.
fn glob(pattern: &str) -> Option<Regex> {
    let mut regex = String::from("^");
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**/") {
            regex.push_str("(?:.*/)?");
            rest = after;
            continue;
        }
        let class = rest.strip_prefix('[').and_then(|inner| inner.split_once(']'));
        if let Some((class, after)) = class.filter(|(class, _)| !class.is_empty()) {
            let (not, class) = match class.strip_prefix('!') {
                Some(class) => ("^", class),
                None => ("", class),
            };
            let class = class
                .replace('\\', "\\\\")
                .replace('[', "\\[")
                .replace('^', "\\^")
                .replace('&', "\\&");
            regex.push_str(&format!("[{not}{class}]"));
            rest = after;
            continue;
        }
        match c {
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    regex.push_str("(?:/.*)?$");
    Regex::new(&regex).ok()
}

/// Whether a relative path of a record stays below the directory that it is joined to.
fn is_below(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn elsewhere(path: &Path) -> Located {
    Located::Elsewhere(path.to_string_lossy().into_owned())
}

/// The last name of a path of any system.
pub(super) fn last_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_pythons_glob() {
        let is_match = |pattern: &str, name: &str| glob(pattern).unwrap().is_match(name);
        for (pattern, name) in [
            ("*.csv", "a.csv"),
            ("*", "dir/file"),
            ("**/*.py", "a.py"),
            ("**/*.py", "a/b/c.py"),
            ("?[a-c][!x]", "zby"),
            ("a+(b).txt", "a+(b).txt"),
            ("[", "["),
        ] {
            assert!(is_match(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.csv", "a/b.csv"), ("?", "ab"), ("[!x]", "x"), ("a.c", "abc"), ("[a&&b]", "c")]
        {
            assert!(!is_match(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn records_name_no_files_outside_even_if_links_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().join("in");
        std::fs::create_dir_all(here.join("files")).unwrap();
        std::fs::write(here.join("files/a"), "x").unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        let source = Root::new(&here, Links::All).unwrap();
        let folder = Folder::new(here.join("files"), &source, Links::All);
        let mut report = Report::default();
        assert!(matches!(folder.file(b"./a", &mut report), Some(Located::Here(_))));
        let secret = dir.path().join("secret").to_str().unwrap().to_owned();
        for path in ["../../secret", "a/../../../secret", &secret] {
            assert_eq!(folder.file(path.as_bytes(), &mut report), None, "{path}");
        }
        assert_eq!(report.issues.len(), 3);
        let set = folder.set(b"../..", &mut report);
        assert_eq!(set, Attribute::Files(Vec::new()));
        let locator = Locator { source, links: Links::All, follows: false };
        let through = here.join("../secret").to_str().unwrap().to_owned();
        for path in [secret, through] {
            assert_eq!(locator.file(&path), Located::Elsewhere(path));
        }
    }

    #[test]
    fn absolute_paths_are_read_only_in_the_source_or_on_request() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::create_dir_all(path("in/sub")).unwrap();
        for name in ["in/a.csv", "in/sub/b.csv", "out.csv"] {
            std::fs::write(path(name), "x").unwrap();
        }
        let locator = |follows| Locator {
            source: Root::new(Path::new(&path("in")), Links::Inside).unwrap(),
            links: Links::Inside,
            follows,
        };
        let is_here =
            |follows, name: &str| matches!(locator(follows).file(&path(name)), Located::Here(_));
        assert!(is_here(false, "in/a.csv") && is_here(true, "out.csv"));
        for name in ["out.csv", "in/../out.csv", "in/none"] {
            assert!(!is_here(false, name), "{name}");
        }
        let found = |follows, pattern: &str| {
            locator(follows).matching(&path(pattern), &mut Report::default()).len()
        };
        assert_eq!(found(false, "in/**/*.csv"), 2);
        assert_eq!(found(false, "in/*.csv"), 1);
        assert_eq!(found(false, "in"), 2);
        assert_eq!(found(true, "*.csv"), 1);
        let outside = locator(false).matching(&path("*.csv"), &mut Report::default());
        assert_eq!(outside, [Located::Elsewhere(path("*.csv"))]);
    }
}
