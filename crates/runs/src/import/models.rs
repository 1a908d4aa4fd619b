//! Imports registered models into `tbx.registry.json` of the log directory.

use std::collections::BTreeMap;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use serde_json::Value;

use super::experiments::groups_of_no_run;
use super::tree::Tree;
use crate::registry::{FILE, Model, Registry, Version, check_model};
use crate::trackers::source::{LeftOut, Source, SourceModel, SourceVersion};
use tbx::error::{Effect, Issue, Location, Report, Result};
use tbx::meta::{Artifact, RunMeta};

/// Keys of the tracker's facts about a version: its name there, and the run that produced it.
const VERSION: &str = "version";
const RUN: &str = "run_id";

/// Number of new versions, and number of these without a local file.
#[derive(Debug, Default)]
pub(super) struct Registered {
    pub(super) versions: usize,
    pub(super) elsewhere: usize,
}

/// Registers models and their versions. Existing entries of the registry are kept; missing ones are
/// added.
pub(super) fn register(
    source: &dyn Source,
    models: &[SourceModel],
    tree: &Tree,
    left_out: &mut Vec<LeftOut>,
    report: &mut Report,
) -> Result<Registered> {
    let places = Places::new(source, models, tree, report);
    let mut found = Vec::new();
    for model in models {
        let deleted = model.versions.iter().filter(|version| version.is_deleted).count();
        let deleted = u64::try_from(deleted).unwrap_or(u64::MAX);
        LeftOut::count(left_out, "deleted versions of models", deleted, false);
        // A name that tbx, like current versions of MLflow, would reject.
        if let Err(kind) = check_model(&model.name) {
            let location = Location::of(tree.root().join(FILE));
            report.issues.push(Issue::new(kind, location, Effect::SkippedValue));
            continue;
        }
        let versions = model.versions.iter().filter(|version| !version.is_deleted);
        let versions: Vec<_> = versions.map(|version| places.version(version)).collect();
        found.push((model, versions));
    }
    let mut registered = Registered::default();
    if found.is_empty() {
        return Ok(registered);
    }
    Registry::open(tree.root()).change(|known| {
        for (model, versions) in &found {
            let known = known.entry(model.name.clone()).or_default();
            let new = fill_in(known, source.tracker(), model, versions);
            registered.versions += new.versions;
            registered.elsewhere += new.elsewhere;
        }
    })?;
    Ok(registered)
}

/// A version in the source, and what becomes of it in the registry.
struct Found<'r> {
    source: &'r SourceVersion,
    version: Version,
}

fn fill_in(
    model: &mut Model,
    tracker: &str,
    source: &SourceModel,
    found: &[Found<'_>],
) -> Registered {
    model.description = model.description.take().or_else(|| source.description.clone());
    for (name, value) in &source.tags {
        model.tags.entry(name.clone()).or_insert_with(|| value.clone());
    }
    model.created = model.created.or(source.created_at);
    if !source.facts.is_empty() && !model.other.contains_key(tracker) {
        model.other.insert(tracker.into(), Value::Object(source.facts.clone()));
    }
    let mut new = Registered::default();
    for found in found {
        let number = match model.versions.iter_mut().find(|known| is_same(known, tracker, found)) {
            Some(known) => {
                complete(known, &found.version);
                known.version
            }
            None => {
                let mut version = found.version.clone();
                // It has no number, or its number belongs to another version.
                let number = version.version;
                if number == 0 || model.versions.iter().any(|known| known.version == number) {
                    let last = model.versions.iter().map(|known| known.version).max();
                    version.version = last.unwrap_or(0).saturating_add(1);
                }
                new.versions += 1;
                new.elsewhere += usize::from(version.source.is_some());
                let number = version.version;
                model.versions.push(version);
                number
            }
        };
        for alias in &found.source.aliases {
            model.aliases.entry(alias.clone()).or_insert(number);
        }
    }
    model.versions.sort_by_key(|version| version.version);
    new
}

/// Whether a version of the registry is the one that was found.
fn is_same(known: &Version, tracker: &str, found: &Found<'_>) -> bool {
    let theirs = |key: &str| {
        let theirs = known.other.get(tracker).and_then(|theirs| theirs.get(key));
        theirs.and_then(Value::as_str)
    };
    let version = &found.version;
    let is_file = known.sha256 == version.sha256 && known.path == version.path;
    match theirs(VERSION) {
        Some(id) => {
            id == found.source.id
                && theirs(RUN).unwrap_or_default()
                    == found.source.run.as_deref().unwrap_or_default()
        }
        // Created locally, or imported by a version of tbx that did not keep the number.
        None => known.version == version.version && (found.source.is_exported || is_file),
    }
}

/// Adds missing fields, such as a file that was added since.
fn complete(known: &mut Version, found: &Version) {
    if known.path.is_empty() && !found.path.is_empty() {
        let Version { run, run_id, path, size, sha256, .. } = found.clone();
        *known = Version { run, run_id, path, size, sha256, source: None, ..known.clone() };
    }
    known.description = known.description.take().or_else(|| found.description.clone());
    for (name, value) in &found.tags {
        known.tags.entry(name.clone()).or_insert_with(|| value.clone());
    }
    for (key, value) in &found.other {
        known.other.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// The file that represents a version.
struct ModelFile {
    run: String,
    run_id: Option<String>,
    artifact: Artifact,
}

/// The locations of the files of versions.
struct Places<'r> {
    source: &'r dyn Source,
    tree: &'r Tree,
    /// The groups of files that belong to no run.
    of_no_run: BTreeMap<String, (PathBuf, Vec<Artifact>)>,
}

impl<'r> Places<'r> {
    fn new(
        source: &'r dyn Source,
        models: &[SourceModel],
        tree: &'r Tree,
        report: &mut Report,
    ) -> Self {
        let of_no_run = match models.iter().all(|model| model.versions.is_empty()) {
            true => BTreeMap::new(),
            false => groups_of_no_run(tree.root(), source, report),
        };
        Self { source, tree, of_no_run }
    }

    fn version<'v>(&self, of: &'v SourceVersion) -> Found<'v> {
        let mut facts = of.facts.clone();
        let mut add = |key: &str, value: &str| {
            if !value.is_empty() {
                facts.entry(key).or_insert_with(|| value.into());
            }
        };
        add(VERSION, &of.id);
        add(RUN, of.run.as_deref().unwrap_or_default());
        let mut version = Version {
            version: of.number.unwrap_or(0),
            stage: of.stage,
            description: of.description.clone(),
            tags: of.tags.clone(),
            created: of.created_at,
            other: [(self.source.tracker().to_owned(), Value::Object(facts))].into_iter().collect(),
            ..Version::default()
        };
        match self.file(of) {
            Some(file) => {
                version.run = file.run;
                version.run_id = file.run_id;
                version.path = file.artifact.path;
                version.size = file.artifact.size;
                version.sha256 = file.artifact.sha256;
            }
            None => {
                version.source = of.location.clone();
                version.run_id = of.run.clone();
                if let Some((run, meta)) = of.run.as_deref().and_then(|run| self.run(run)) {
                    version.run = run;
                    version.run_id = meta.id.or(version.run_id);
                }
            }
        }
        Found { source: of, version }
    }

    /// The run with this id in the tracker: its local name and its metadata.
    fn run(&self, id: &str) -> Option<(String, RunMeta)> {
        let dir = self.tree.find(id)?;
        let meta = RunMeta::read(&dir).ok().flatten().unwrap_or_default();
        Some((self.name(&dir), meta))
    }

    fn name(&self, dir: &Path) -> String {
        let name = dir.strip_prefix(self.tree.root()).unwrap_or(dir).to_string_lossy();
        if name.is_empty() { ".".into() } else { name.replace(MAIN_SEPARATOR, "/") }
    }

    /// The file that represents a version, if it is local.
    fn file(&self, of: &SourceVersion) -> Option<ModelFile> {
        if let Some(id) = &of.group {
            if let Some((dir, files)) = self.of_no_run.get(id) {
                let artifact = main_file(of, files.iter())?.clone();
                return Some(ModelFile { run: self.name(dir), run_id: None, artifact });
            }
            let dir = self.tree.run_of_group(id)?;
            let meta = RunMeta::read(dir).ok().flatten()?;
            let key = self.source.group_words().of_file;
            let is_of =
                |artifact: &&Artifact| artifact.other.get(key).and_then(Value::as_str) == Some(id);
            let artifact = main_file(of, meta.artifacts.iter().filter(is_of))?.clone();
            return Some(ModelFile { run: self.name(dir), run_id: meta.id, artifact });
        }
        let (name, meta) = self.run(of.artifact_run.as_deref().or(of.run.as_deref())?)?;
        let same = |artifact: &&Artifact| Some(&artifact.sha256) == of.sha256.as_ref();
        let folder = of.artifact.as_deref();
        let is_of = |artifact: &&Artifact| {
            let path = artifact.name.as_deref().unwrap_or(&artifact.path);
            match folder.and_then(|folder| path.strip_prefix(folder)) {
                // The whole artifact directory is a model if it contains this file.
                Some(path) if folder == Some("") => Some(path) == of.main_file,
                Some(rest) => rest.is_empty() || rest.starts_with('/'),
                None => false,
            }
        };
        let file = meta.artifacts.iter().find(same);
        let file = file.or_else(|| main_file(of, meta.artifacts.iter().filter(is_of)));
        Some(ModelFile { run: name, run_id: meta.id.clone(), artifact: file?.clone() })
    }
}

/// The file that represents a version: the one that describes the others, or the first.
fn main_file<'a>(
    of: &SourceVersion,
    files: impl Iterator<Item = &'a Artifact>,
) -> Option<&'a Artifact> {
    let files: Vec<_> = files.collect();
    let name = |file: &Artifact| file.path.rsplit('/').next().map(str::to_owned);
    let says =
        files.iter().find(|file| of.main_file.is_some() && name(file).as_deref() == of.main_file);
    says.or(files.first()).copied()
}
