//! Finds the files that a run produced, without following links out of its directory.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::artifacts::Produced;
use super::plan::Planned;
use tbx::error::{Effect, ErrorKind, Issue, Location, Result, failed};
use tbx::meta;
use tbx::replace::is_temporary;
use tbx::store::{self, Found, Links, Root};

/// The artifact with the output of the program, as imports from W&B name it.
pub(super) const CONSOLE: &str = "output.log";

/// The files of a run, and those that are not exported.
pub(super) fn of(run: &Planned, links: Links) -> Result<(Vec<Produced>, Vec<Issue>)> {
    let (mut all, mut left) = (Vec::new(), Vec::new());
    if store::is_url(&run.dir) || !run.dir.is_dir() {
        return Ok((all, left));
    }
    let names: BTreeMap<&str, &str> = run
        .meta
        .artifacts
        .iter()
        .filter_map(|artifact| Some((artifact.path.as_str(), artifact.name.as_deref()?)))
        .collect();
    let root = Root::new(&run.dir, links).map_err(|error| failed(error, &run.dir))?;
    let folder = run.dir.join(meta::ARTIFACTS);
    for found in root.walk(&folder, is_temporary) {
        match found {
            Found::Directory => {}
            Found::File(file) => match file.strip_prefix(&folder).ok().and_then(slashed) {
                Some(path) if !path.is_empty() => {
                    let name = names.get(path.as_str()).filter(|name| is_clean(name));
                    let name = name.map_or_else(|| path.clone(), |name| (*name).to_owned());
                    all.push(Produced { path, name, root: root.clone(), file });
                }
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
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((all, left))
}

/// Whether a name is a path that stays inside its directory.
fn is_clean(name: &str) -> bool {
    name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn leave(path: PathBuf, kind: ErrorKind) -> Issue {
    Issue::new(kind, Location::of(path), Effect::SkippedFile)
}

/// The path with `/`; `None` if it is not valid text.
fn slashed(path: &Path) -> Option<String> {
    let part = |part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    };
    let parts: Option<Vec<_>> = path.components().map(part).collect();
    parts.map(|parts| parts.join("/"))
}
