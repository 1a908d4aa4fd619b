//! Imports the directories of experiments, and groups of files that belong to no run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Import;
use super::files::{self, Target};
use super::plan::Planned;
use crate::trackers::source::{Source, SourceExperiment, SourceGroup};
use tbx::error::{Report, Result, failed};
use tbx::meta::{ARTIFACTS, Artifact, ExperimentMeta};
use tbx::replace::{Folder, disk};
use tbx::safe_name;

/// Keys of the facts about a group in `tbx.experiment.json`: the directory and the files of the group
/// among the experiment's artifacts, and whether some of them are missing here.
const FOLDER: &str = "folder";
const FILES: &str = "artifacts";
const INCOMPLETE: &str = "incomplete";

/// The directories of experiments in a log directory.
pub(super) struct Experiments {
    root: PathBuf,
    /// The directories by the experiments' ids in the tracker.
    dirs: HashMap<String, PathBuf>,
    /// Names in lower case, because some systems do not distinguish case.
    taken: HashSet<String>,
}

/// The result of importing an experiment.
#[derive(Default)]
pub(super) struct Made {
    pub(super) is_new: bool,
    /// Number of copied files of groups, and their size in bytes.
    pub(super) artifacts: u64,
    pub(super) bytes: u64,
    /// URIs of their files that were not read.
    pub(super) elsewhere: Vec<String>,
}

impl Experiments {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), dirs: HashMap::new(), taken: HashSet::new() }
    }

    /// The directory of an experiment.
    pub(super) fn dir(&self, of: &SourceExperiment) -> Option<&Path> {
        self.dirs.get(&of.id).map(PathBuf::as_path)
    }

    /// Creates the directory of an experiment and describes the experiment in it. Existing
    /// descriptions are kept.
    pub(super) fn make(
        &mut self,
        import: &Import,
        source: &dyn Source,
        planned: &Planned,
        report: &mut Report,
    ) -> Result<Made> {
        let of = &planned.experiment;
        let (dir, found) = self.place(of, source.tracker())?;
        disk::create_dir_all(&dir).map_err(|error| failed(error, &dir))?;
        let mut made = Made { is_new: found.is_none(), ..Made::default() };
        let was = found.clone().unwrap_or_default();
        let mut meta = said(of, source.tracker(), was);
        for group in &planned.groups {
            if let Err(error) = add(import, source, &dir, group, &mut meta, &mut made, report) {
                let one = source.group_words().one;
                let what = format!("{one} {} ({})", group.name, group.id);
                report.issues.push(super::not_imported(&what, error));
            }
        }
        if found.as_ref() != Some(&meta) {
            meta.write(&dir)?;
        }
        self.taken.insert(dir.to_string_lossy().to_lowercase());
        self.dirs.insert(of.id.clone(), dir);
        Ok(made)
    }

    /// The directory for an experiment, and its metadata.
    fn place(
        &self,
        of: &SourceExperiment,
        tracker: &str,
    ) -> Result<(PathBuf, Option<ExperimentMeta>)> {
        let plain = self.root.join(safe_name::encode(&of.name));
        let own = self.root.join(safe_name::encode(&format!("{}-{}", of.name, of.id)));
        let id = |meta: &ExperimentMeta| meta.ids.get(tracker).cloned();
        let in_own = ExperimentMeta::read(&own)?;
        if in_own.as_ref().is_some_and(|meta| id(meta).as_ref() == Some(&of.id)) {
            return Ok((own, in_own));
        }
        let in_plain = ExperimentMeta::read(&plain)?;
        let is_other = in_plain.as_ref().is_some_and(|meta| meta.name != of.name);
        // No runs are looked for in a directory of artifacts.
        let is_no_run = plain.file_name().is_some_and(|name| name.eq_ignore_ascii_case(ARTIFACTS));
        match is_other || is_no_run || self.taken.contains(&plain.to_string_lossy().to_lowercase())
        {
            true => Ok((own, in_own)),
            false => Ok((plain, in_plain)),
        }
    }
}

/// The metadata of an experiment in the tracker, for fields that `was` does not have.
fn said(of: &SourceExperiment, tracker: &str, was: ExperimentMeta) -> ExperimentMeta {
    let mut meta = was;
    if meta.name.is_empty() {
        meta.name.clone_from(&of.name);
    }
    meta.description = meta.description.take().or_else(|| of.description.clone());
    meta.created_at = meta.created_at.or(of.created_at);
    for (name, value) in &of.tags {
        meta.tags.entry(name.clone()).or_insert_with(|| value.clone());
    }
    meta.ids.entry(tracker.to_owned()).or_insert_with(|| of.id.clone());
    let known = meta.other.entry(tracker).or_insert_with(|| Value::Object(Map::new()));
    if let Some(known) = known.as_object_mut() {
        for (name, value) in &of.facts {
            known.entry(name).or_insert_with(|| value.clone());
        }
    }
    meta
}

/// Adds a group and its files, unless they exist.
fn add(
    import: &Import,
    source: &dyn Source,
    dir: &Path,
    group: &SourceGroup,
    meta: &mut ExperimentMeta,
    made: &mut Made,
    report: &mut Report,
) -> Result<()> {
    let known = meta.other.get_mut(source.tracker()).and_then(Value::as_object_mut);
    let Some(known) = known else { return Ok(()) };
    let groups = known.entry(source.group_words().list).or_insert_with(|| json!([]));
    let Some(groups) = groups.as_array_mut() else { return Ok(()) };
    let place = groups.iter().position(|known| known.get("id") == Some(&group.id.clone().into()));
    let is_complete = |known: &Value| known.get(INCOMPLETE).is_none();
    if place.and_then(|place| groups.get(place)).is_some_and(is_complete) {
        return Ok(());
    }
    let mut facts = group.facts.clone();
    let folder = safe_name::encode(&format!("{}-{}", group.name, group.id));
    facts.insert(FOLDER.into(), folder.clone().into());
    let files = if import.artifacts {
        copied(source, &dir.join(ARTIFACTS).join(&folder), group, made, report)?
    } else {
        None
    };
    match files {
        Some(files) if !files.is_empty() => {
            let in_folder = |mut artifact: Artifact| {
                artifact.path = format!("{folder}/{}", artifact.path);
                json!(artifact)
            };
            facts.insert(FILES.into(), files.into_iter().map(in_folder).collect());
        }
        Some(_) => {}
        None => drop(facts.insert(INCOMPLETE.into(), true.into())),
    }
    match place.and_then(|place| groups.get_mut(place)) {
        Some(known) => *known = facts.into(),
        None => groups.push(facts.into()),
    }
    Ok(())
}

/// Copies the files of a group into `folder`; `None` if they are not available.
fn copied(
    source: &dyn Source,
    folder: &Path,
    group: &SourceGroup,
    made: &mut Made,
    report: &mut Report,
) -> Result<Option<Vec<Artifact>>> {
    let content = source.group(group, report)?;
    let is_whole = content.elsewhere.is_empty() && !content.is_cut;
    made.elsewhere.extend(content.elsewhere);
    let files = content.files;
    if files.is_empty() {
        return Ok(is_whole.then(Vec::new));
    }
    // A directory that is not recorded was created by an import that died.
    let new = match folder.exists() {
        true => Folder::replace(folder)?,
        false => Folder::create(folder)?,
    };
    let target = Target::Folder(&new);
    let copied = files::copy(source, &files, &[], target, Path::new(""), |_| false, report)?;
    if !is_whole || copied.missing > 0 {
        return Ok(None); // the next import tries all of them again
    }
    new.finish()?;
    made.artifacts += u64::try_from(copied.artifacts.len()).unwrap_or(u64::MAX);
    made.bytes += copied.artifacts.iter().map(|artifact| artifact.size).sum::<u64>();
    Ok(Some(copied.artifacts))
}

/// The groups of files in a log directory that belong to no run, by id: the directory of their
/// experiment, and their files.
pub(super) fn groups_of_no_run(
    root: &Path,
    source: &dyn Source,
    report: &mut Report,
) -> BTreeMap<String, (PathBuf, Vec<Artifact>)> {
    let list = source.group_words().list;
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let dir = entry.path();
        let meta = match ExperimentMeta::read(&dir) {
            Ok(Some(meta)) => meta,
            Ok(None) => continue,
            Err(error) => {
                report.issues.push(super::not_imported("models of an experiment", error));
                continue;
            }
        };
        let groups = meta.other.get(source.tracker()).and_then(|known| known.get(list));
        for group in groups.and_then(Value::as_array).into_iter().flatten() {
            let Some(id) = group.get("id").and_then(Value::as_str) else { continue };
            let files = group.get(FILES).cloned().unwrap_or_default();
            let files = serde_json::from_value(files).unwrap_or_default();
            all.insert(id.to_owned(), (dir.clone(), files));
        }
    }
    all
}
