//! Which runs logged and used which versions of artifacts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::path::Path;

use super::{ArtifactLists, below};
use tbx::artifacts::ArtifactName;
use tbx::error::{Effect, Error, Report, Result};
use tbx::logdir::Directories;
use tbx::meta::{self, ArtifactRef, RunMeta};

/// Number of hex digits of a digest that tells versions apart.
const SHORT: usize = 12;

/// The numbers of versions by the index of their list, the name of the artifact and the digest.
type Numbers = HashMap<(usize, String, String), u32>;

/// The runs that logged and used versions of artifacts, from the lists of versions and the metadata of the runs.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Lineage {
    /// The versions by name, such as `data:v0`, with the directory of their list if it is below the log directory:
    /// `folds/data:v0`. A version that no list has, and whose number another one has, has the start of its digest
    /// behind it: `data:v0@ba7816bf8f01`.
    pub versions: BTreeMap<String, LineageVersion>,
}

/// A version of an artifact, and the runs that logged and used it.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct LineageVersion {
    /// The kind of the artifact.
    pub kind: Option<String>,
    /// The digest of the version.
    pub digest: String,
    /// Names of the runs that logged it.
    pub logged_by: BTreeSet<String>,
    /// Names of the runs that used it.
    pub used_by: BTreeSet<String>,
}

impl Lineage {
    /// Reads the lists and the metadata of all runs in the log directory. A version that a run names is there even
    /// if its list is not. A run's version comes from the nearest list above it with the same name and digest; the
    /// number alone may be that of another one, for example after directories were moved.
    ///
    /// A list, a `tbx.json` or a directory that cannot be read is in the report, and is left out.
    pub fn load(lists: &ArtifactLists) -> (Self, Report) {
        let (mut lineage, mut issues) = (Self::default(), Vec::new());
        let mut numbers = Numbers::new();
        for (i, list) in lists.found.iter().enumerate() {
            let start = lists.below(list);
            let all = list.all().unwrap_or_else(|error| {
                issues.push(error.into_issue(Effect::SkippedFile));
                BTreeMap::new()
            });
            for (name, artifact) in all {
                for version in artifact.versions {
                    let known = lineage.version(key(&start, &name, version.version));
                    known.kind.clone_from(&artifact.kind);
                    known.logged_by.extend(version.places().map(
                        |place| match place.run.as_str() {
                            "." => start.trim_end_matches('/').to_owned(),
                            run => format!("{start}{run}"),
                        },
                    ));
                    known.digest.clone_from(&version.digest);
                    numbers.insert((i, name.clone(), version.digest), version.version);
                }
            }
        }
        let Directories { found, unreadable } = Directories::with(meta::FILE, &lists.logdir);
        issues.extend(unreadable.into_iter().map(|error| error.into_issue(Effect::SkippedFile)));
        for dir in found {
            match RunMeta::read_in(&dir, lists.links) {
                Ok(meta) => lineage.add(lists, &numbers, &dir, &meta.unwrap_or_default()),
                Err(error) => issues.push(error.into_issue(Effect::SkippedFile)),
            }
        }
        (lineage, Report::from(issues))
    }

    /// Adds what a run logged and used.
    fn add(&mut self, lists: &ArtifactLists, numbers: &Numbers, dir: &Path, meta: &RunMeta) {
        let run = below(&lists.logdir, dir).unwrap_or_else(|| ".".into());
        let above = lists.found.iter().enumerate().filter(|(_, list)| dir.starts_with(list.root()));
        let mut above: Vec<_> = above.collect();
        above.sort_by_key(|(_, list)| Reverse(list.root().iter().count()));
        let nearest = above.first().map(|(_, list)| lists.below(list)).unwrap_or_default();
        for (refs, is_use) in [(&meta.inputs, true), (&meta.outputs, false)] {
            for ArtifactRef { name, version, digest, kind, .. } in refs {
                let listed = above.iter().find_map(|(i, list)| {
                    let number = numbers.get(&(*i, name.clone(), digest.clone()))?;
                    Some(key(&lists.below(list), name, *number))
                });
                let key = listed.unwrap_or_else(|| {
                    let key = key(&nearest, name, *version);
                    let known = self.versions.get(&key).map(|known| known.digest.as_str());
                    match known.is_none_or(|known| known == digest) {
                        true => key,
                        // Another version with the same number.
                        false => {
                            format!("{key}@{}", digest.chars().take(SHORT).collect::<String>())
                        }
                    }
                });
                let known = self.version(key);
                if known.digest.is_empty() {
                    known.digest.clone_from(digest);
                }
                if known.kind.is_none() {
                    known.kind.clone_from(kind);
                }
                let runs = if is_use { &mut known.used_by } else { &mut known.logged_by };
                runs.insert(run.clone());
            }
        }
    }

    fn version(&mut self, key: String) -> &mut LineageVersion {
        self.versions.entry(key).or_default()
    }

    /// The versions and runs connected with a version or a run: everything that it was made from, and all that was made
    /// from it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there is no such version or run.
    pub fn of(&self, name: &str) -> Result<Self> {
        let is_run =
            |found: &LineageVersion| found.logged_by.contains(name) || found.used_by.contains(name);
        if !self.versions.contains_key(name) && !self.versions.values().any(is_run) {
            let what =
                format!("there is neither a version nor a run {name:?} that logged or used one");
            return Err(Error::argument(what));
        }
        let (mut versions, mut edges) = (BTreeSet::new(), BTreeMap::new());
        for is_up in [true, false] {
            self.follow(name, is_up, &mut versions, &mut edges);
        }
        let kept = versions.into_iter().filter_map(|version| {
            let whole = self.versions.get(version)?;
            let runs = edges.get(version);
            let keep = |all: &BTreeSet<String>| {
                let kept =
                    all.iter().filter(|run| runs.is_some_and(|runs| runs.contains(run.as_str())));
                kept.cloned().collect()
            };
            let (logged_by, used_by) = (keep(&whole.logged_by), keep(&whole.used_by));
            Some((version.to_owned(), LineageVersion { logged_by, used_by, ..whole.clone() }))
        });
        Ok(Self { versions: kept.collect() })
    }

    /// Collects the versions that are reached from `start` in one direction, and the runs next to them.
    fn follow<'l>(
        &'l self,
        start: &'l str,
        is_up: bool,
        versions: &mut BTreeSet<&'l str>,
        edges: &mut BTreeMap<&'l str, BTreeSet<&'l str>>,
    ) {
        let (mut by_run, mut reached) = (BTreeMap::<&str, Vec<&str>>::new(), BTreeSet::new());
        for (version, found) in &self.versions {
            let runs = if is_up { &found.used_by } else { &found.logged_by };
            runs.iter().for_each(|run| by_run.entry(run).or_default().push(version));
        }
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            if !reached.insert(at) {
                continue;
            }
            if let Some(found) = self.versions.get(at) {
                versions.insert(at);
                let runs = if is_up { &found.logged_by } else { &found.used_by };
                for run in runs {
                    edges.entry(at).or_default().insert(run);
                    open.push(run);
                }
            }
            for version in by_run.get(at).into_iter().flatten() {
                edges.entry(version).or_default().insert(at);
                open.push(version);
            }
        }
    }

    /// The graph in the language of Graphviz: boxes are runs, ellipses are versions.
    pub fn dot(&self) -> String {
        let mut dot = String::from("digraph lineage {\n  rankdir=LR;\n");
        let all = self.versions.values();
        let runs: BTreeSet<_> =
            all.flat_map(|found| found.logged_by.iter().chain(&found.used_by)).collect();
        // Nothing fails: a string is written.
        for run in runs {
            let _ = writeln!(dot, "  {} [label={}, shape=box];", id('r', run), quoted(run));
        }
        for (name, found) in &self.versions {
            let label = match &found.kind {
                Some(kind) => quoted(&format!("{name}\n{kind}")),
                None => quoted(name),
            };
            let version = id('v', name);
            let _ = writeln!(dot, "  {version} [label={label}, shape=ellipse];");
            for run in &found.logged_by {
                let _ = writeln!(dot, "  {} -> {version};", id('r', run));
            }
            for run in &found.used_by {
                let _ = writeln!(dot, "  {version} -> {};", id('r', run));
            }
        }
        dot + "}\n"
    }
}

/// The name of a version of the list in the directory `start`.
fn key(start: &str, name: &str, version: u32) -> String {
    format!("{start}{}", ArtifactName::new(name, version))
}

/// The id of a node: a run and a version may have the same name.
fn id(kind: char, name: &str) -> String {
    quoted(&format!("{kind}:{name}"))
}

/// A string of the language. Control characters other than line breaks are not part of a label.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let plain: String = escaped.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("\"{plain}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(logged: &[&str], used: &[&str]) -> LineageVersion {
        let names = |all: &[&str]| all.iter().map(|&run| run.to_owned()).collect();
        LineageVersion { logged_by: names(logged), used_by: names(used), ..Default::default() }
    }

    fn lineage() -> Lineage {
        let versions = [
            ("data:v0", version(&["prepare"], &["train-1", "train-2"])),
            ("model:v0", version(&["train-1"], &["report"])),
            ("model:v1", version(&["train-2"], &[])),
            ("raw:v0", version(&[], &["prepare"])),
        ];
        Lineage { versions: versions.map(|(name, found)| (name.to_owned(), found)).into() }
    }

    #[test]
    fn a_version_is_connected_with_what_it_was_made_from_and_what_was_made_from_it() {
        let of = |name: &str| lineage().of(name).unwrap().versions;
        assert_eq!(of("model:v0").keys().collect::<Vec<_>>(), ["data:v0", "model:v0", "raw:v0"]);
        assert_eq!(of("model:v0")["data:v0"], version(&["prepare"], &["train-1"]));
        assert_eq!(of("raw:v0").len(), 4);
        assert_eq!(of("train-2").keys().collect::<Vec<_>>(), ["data:v0", "model:v1", "raw:v0"]);
        assert!(lineage().of("nothing").is_err());
    }

    #[test]
    fn a_run_that_logs_what_it_used_is_not_followed_forever() {
        let versions = [("a:v0".to_owned(), version(&["x"], &["x"]))];
        let lineage = Lineage { versions: versions.into() };
        assert_eq!(lineage.of("x").unwrap(), lineage);
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        let versions = [("a:v0".to_owned(), version(&["x\"];\n\\"], &[]))];
        let dot = Lineage { versions: versions.into() }.dot();
        assert!(dot.contains(r#""r:x\"];\n\\" -> "v:a:v0";"#), "{dot}");
        assert_eq!(dot.lines().count(), 6);
    }
}
