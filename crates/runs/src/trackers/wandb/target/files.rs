//! Finds the files that a run produced, without following links out of its directory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::artifacts::Produced;
use super::plan::Planned;
use crate::trackers::produced::artifacts;
use tbx::error::{Issue, Result, failed};
use tbx::store::{self, Links, Root};

/// The artifact with the output of the program, as imports from W&B name it.
pub(super) const CONSOLE: &str = "output.log";

/// The files of a run, and those that are not exported.
pub(super) fn of(run: &Planned, links: Links) -> Result<(Vec<Produced>, Vec<Issue>)> {
    if store::is_url(&run.dir) || !run.dir.is_dir() {
        return Ok(Default::default());
    }
    let names: BTreeMap<&str, &str> = run
        .meta
        .artifacts
        .iter()
        .filter_map(|artifact| Some((artifact.path.as_str(), artifact.name.as_deref()?)))
        .collect();
    let root = Root::new(&run.dir, links).map_err(|error| failed(error, &run.dir))?;
    let (found, left) = artifacts(&root, &run.dir);
    let produced = |(path, file): (String, PathBuf)| {
        let name = names.get(path.as_str()).filter(|name| is_clean(name));
        let name = name.map_or_else(|| path.clone(), |name| (*name).to_owned());
        Produced { path, name, root: root.clone(), file }
    };
    let mut all: Vec<_> = found.into_iter().map(produced).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((all, left))
}

/// Whether a name is a path that stays inside its directory.
fn is_clean(name: &str) -> bool {
    name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
