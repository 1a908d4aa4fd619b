//! The files that a run produced, and names of directories, for exports of whole runs.

use std::path::{Component, Path, PathBuf};

use tbx::error::{Effect, ErrorKind, Issue, Location};
use tbx::meta;
use tbx::replace::is_temporary;
use tbx::store::{Found, Root};

/// The files among the artifacts of the run in `dir`, each with its path there, with `/` between directories. `root`
/// is that directory, and links out of it are not followed. The second list has what is left out.
pub(super) fn artifacts(root: &Root, dir: &Path) -> (Vec<(String, PathBuf)>, Vec<Issue>) {
    let (mut all, mut left) = (Vec::new(), Vec::new());
    let folder = dir.join(meta::ARTIFACTS);
    for found in root.walk(&folder, is_temporary) {
        match found {
            Found::Directory => {}
            Found::File(file) => match file.strip_prefix(&folder).ok().and_then(slashed) {
                Some(path) if !path.is_empty() => all.push((path, file)),
                Some(_) => left.push(leave(file, ErrorKind::Value("it is not a directory".into()))),
                None => left.push(leave(file, ErrorKind::NameNotUtf8)),
            },
            Found::Again { path, first } => {
                let again = ErrorKind::SameDirectory(first).at(Location::of(path));
                left.push(again.into_issue(Effect::Kept));
            }
            Found::Left(path, error) => left.push(leave(path, error.into())),
        }
    }
    (all, left)
}

/// The issue for a file that is not exported.
pub(super) fn leave(path: PathBuf, kind: ErrorKind) -> Issue {
    Issue::new(kind, Location::of(path), Effect::SkippedFile)
}

/// The path with `/`; `None` if it is not valid text.
pub(super) fn slashed(path: &Path) -> Option<String> {
    let part = |part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    };
    let parts: Option<Vec<_>> = path.components().map(part).collect();
    parts.map(|parts| parts.join("/"))
}

/// The names of the directories above the run called `name`, the nearest first.
pub(super) fn above(name: &str) -> impl Iterator<Item = &str> {
    let names = std::iter::successors(directory(name), |name| directory(name));
    names.chain((name != ".").then_some("."))
}

fn directory(name: &str) -> Option<&str> {
    let is_separator = |c| c == '/' || c == std::path::MAIN_SEPARATOR;
    name.rfind(is_separator).and_then(|at| name.get(..at))
}

/// The name of a directory.
pub(super) fn name_of(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "logs".into())
}
