//! Imports a single MLflow run.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::files::{self, Copied, Files, Target};
use super::mlflow::{self, LeftOut, Metrics, Store, StoredRun};
use super::tree::{EVENT_FILES, HOST, LOGGED_MODELS, Tree};
use super::work::Gate;
use super::{EventFiles, Import, ImportedRun, event_files, images, plan, points, tree};
use crate::trackers::mlflow::{ExperimentRecord, MLFLOW, MetricNames, seconds};
use tbx::error::{Report, Result};
use tbx::meta::{self, ARTIFACTS, RunMeta, Status};
use tbx::replace::Folder;
use tbx::summary::hparams::SessionStatus;
use tbx::summary::meta::{CARD, card, hparams};
use tbx::writer::SummaryWriter;

/// Data that all runs of an import share.
pub(super) struct Context<'a> {
    pub(super) import: &'a Import,
    pub(super) store: &'a dyn Store,
    pub(super) tree: &'a Tree,
    /// Limits the number of points in memory.
    pub(super) gate: &'a Gate,
}

/// The run to import, and where it goes.
pub(super) struct About<'a> {
    pub(super) experiment: &'a ExperimentRecord,
    pub(super) run: &'a StoredRun,
    /// The directory of the run.
    pub(super) dir: &'a Path,
}

/// The files of a run and its models, and the directory of each model.
fn listed(
    context: &Context<'_>,
    run: &StoredRun,
    report: &mut Report,
) -> (mlflow::Files, Vec<String>) {
    let store = context.store;
    let mut files = store.files(run, report);
    let mut folders = Vec::new();
    for model in &run.models {
        let folder = files.folder_for(model);
        store.model_files(model, &format!("{folder}/"), &mut files, report);
        folders.push(folder);
    }
    (files, folders)
}

/// Creates the run in its directory, where it appears once it is complete. With `replaces`, it
/// replaces the existing run.
pub(super) fn write(
    context: &Context<'_>,
    about: &About<'_>,
    replaces: bool,
    left_out: &mut Vec<LeftOut>,
    report: &mut Report,
) -> Result<ImportedRun> {
    let Context { import, store, tree: known, gate } = *context;
    let About { experiment, run, dir } = *about;
    let record = &run.record;
    let names = MetricNames::changed_in(&record.tags);
    let mut held = gate.enter();
    let mut metrics = store.metrics(run, left_out, report)?;
    held.add(metrics.values().map(Vec::len).sum());
    points::sort(&mut metrics);
    let (listed, folders) = match import.artifacts {
        true => listed(context, run, report),
        false => Default::default(),
    };
    let all = Files::of(store, record, &listed.files)?;
    let folder = if replaces { Folder::replace(dir)? } else { Folder::create(dir)? };
    let copied =
        files::copy(store, &all, Target::Folder(&folder), Path::new(ARTIFACTS), |_| false, report)?;
    let has_events = !copied.event_files.is_empty();
    let mut done = ImportedRun {
        is_unfinished: record.status.is_none_or(|status| !status.is_final()),
        event_files: u64::try_from(copied.event_files.len()).unwrap_or(u64::MAX),
        is_in_table: points::fit_into_table(&metrics),
        models: run.models.iter().map(|model| model.id.clone()).collect(),
        ..ImportedRun::of(experiment, run, dir)
    };
    done.count(&copied);

    let mut meta = crate::trackers::mlflow::meta(record, Some(&experiment.name), all.exported);
    // A parent that tbx had exported has a different id here.
    let parent = plan::parent(run);
    meta.parent = parent.and_then(|parent| known.id(parent)).or(meta.parent);
    meta.name.get_or_insert_with(|| done.name.clone());
    meta.summary.extend(points::exact(&metrics, &names));
    files::join(&mut meta, copied.artifacts.clone());
    meta.other.insert(MLFLOW.into(), facts(about, &folders));
    let mut own_files = copied.event_files.clone();
    if import.event_files == EventFiles::Runs {
        let made = event_files::as_runs(Target::Folder(&folder), &copied.artifacts)?;
        done.event_runs = made.new;
        own_files.extend(made.files);
    }
    note_event_files(&mut meta, &own_files);
    done.is_incomplete =
        !import.artifacts || listed.is_cut || copied.missing > 0 || !listed.elsewhere.is_empty();
    tree::set_incomplete(&mut meta, done.is_incomplete);
    done.elsewhere = listed.elsewhere;
    meta.process = None;
    meta.updated_at = Some(meta::now());
    if done.is_unfinished {
        tree::seal(&mut meta);
    }
    log(context, about, &folder, &meta, has_events, metrics, &copied, &mut done)?;
    meta.write(folder.path())?;
    folder.finish()?;
    done.meta_id = meta.id.unwrap_or_default();
    Ok(done)
}

/// Writes the event file of a run. If tbx had exported event files, only points that they lack are
/// written.
#[expect(clippy::too_many_arguments, reason = "the parts of a run")]
fn log(
    context: &Context<'_>,
    about: &About<'_>,
    folder: &Folder,
    meta: &RunMeta,
    has_events: bool,
    mut metrics: Metrics,
    copied: &Copied,
    done: &mut ImportedRun,
) -> Result<()> {
    let float64 = context.import.float64;
    let record = &about.run.record;
    let names = MetricNames::changed_in(&record.tags);
    // Without a start time, uses the time of the first point.
    let first = metrics.values().flatten().map(|point| point.timestamp).min();
    let start = record.start_time.or(first).map_or(0.0, seconds);
    // Files are read in the order of their creation times.
    let start = if has_events { meta::now() } else { start };
    if has_events {
        points::without_those_in(folder, &mut metrics, &names)?;
        if metrics.is_empty() {
            return Ok(());
        }
    }
    let options = SummaryWriter::options().host(HOST).clock(move || start).in_folder(folder);
    let writer = options.double_precision(float64).create(folder.path())?;
    if !has_events {
        writer.add_meta(meta)?;
        if done.is_in_table {
            writer.add_hparams(hparams(meta), [])?;
        }
        writer.add_text(CARD, card(meta)?, 0)?;
    }
    let written = points::write(&writer, &metrics, &names, float64)?;
    (done.points, done.rounded, done.same_step) =
        (written.points, written.rounded, written.same_step);
    if !has_events {
        images::write(&writer, folder.path(), &copied.artifacts)?;
    }
    close(&writer, meta)
}

/// Adds the artifacts that the run in its directory lacks, and turns its event files into runs if
/// requested.
pub(super) fn complete(
    context: &Context<'_>,
    about: &About<'_>,
    is_incomplete: bool,
    report: &mut Report,
) -> Result<ImportedRun> {
    let Context { import, store, .. } = *context;
    let About { experiment, run, dir } = *about;
    let mut done =
        ImportedRun { was_there: true, is_in_table: true, ..ImportedRun::of(experiment, run, dir) };
    let as_runs = import.event_files == EventFiles::Runs;
    let is_incomplete = is_incomplete && import.artifacts;
    if !is_incomplete && !as_runs {
        return Ok(done);
    }
    let meta = RunMeta::read(dir)?.unwrap_or_default();
    let known_files = tree::event_files(&meta);
    let mut artifacts = meta.artifacts;
    let mut new = Vec::new();
    if is_incomplete {
        let (listed, _) = listed(context, run, report);
        let all = Files::of(store, &run.record, &listed.files)?;
        let has = |name: &str| {
            artifacts.iter().any(|known| known.name.as_deref().unwrap_or(&known.path) == name)
        };
        let all = all.without_events();
        let copied =
            files::copy(store, &all, Target::Directory(dir), Path::new(ARTIFACTS), has, report)?;
        done.count(&copied);
        done.is_incomplete = listed.is_cut || copied.missing > 0 || !listed.elsewhere.is_empty();
        done.elsewhere = listed.elsewhere;
        new = copied.artifacts;
        artifacts.extend(new.iter().cloned());
    }
    let made = match as_runs {
        true => event_files::as_runs(Target::Directory(dir), &artifacts)?,
        false => event_files::Made::default(),
    };
    done.event_runs = made.new;
    let is_known = |files: &[PathBuf]| files.iter().all(|file| known_files.contains(file));
    if new.is_empty() && is_known(&made.files) && done.is_incomplete == is_incomplete {
        return Ok(done);
    }
    RunMeta::update(dir, |meta| {
        let is_sealed = tree::is_sealed(meta);
        files::join(meta, new);
        note_event_files(meta, &made.files);
        if is_incomplete {
            tree::set_incomplete(meta, done.is_incomplete);
        }
        if is_sealed {
            tree::seal(meta);
        }
    })?;
    Ok(done)
}

/// Records which event files an import has placed in directories of the run.
fn note_event_files(meta: &mut RunMeta, files: &[PathBuf]) {
    if files.is_empty() {
        return;
    }
    let known = meta.other.get_mut(MLFLOW).and_then(Value::as_object_mut);
    let known = known.map(|known| known.entry(EVENT_FILES).or_insert_with(|| json!([])));
    let Some(known) = known.and_then(Value::as_array_mut) else { return };
    for file in files {
        let names: Vec<_> = file.iter().map(|name| name.to_string_lossy()).collect();
        let name = Value::from(names.join("/"));
        if !known.contains(&name) {
            known.push(name);
        }
    }
}

/// Records the final status and the end time of the run.
fn close(writer: &SummaryWriter, meta: &RunMeta) -> Result<()> {
    let status = match meta.status {
        Some(Status::Finished) => SessionStatus::Success,
        Some(Status::Failed | Status::Killed) => SessionStatus::Failure,
        Some(Status::Running | Status::Scheduled) | None => SessionStatus::Running,
    };
    match meta.end_time {
        Some(end) => writer.with_wall_time(end)?.close_as(status),
        None => writer.close_as(status),
    }
}

/// Facts about the run that only MLflow has; `folders` are the directories of its models' files.
fn facts(about: &About<'_>, folders: &[String]) -> Value {
    let About { experiment, run, .. } = about;
    let mut facts = Map::new();
    facts.insert("run_id".into(), run.record.id.clone().into());
    facts.insert("experiment_id".into(), experiment.id.clone().into());
    if let Some(uri) = &run.record.artifact_uri {
        facts.insert("artifact_uri".into(), uri.clone().into());
    }
    if run.record.is_deleted || experiment.is_deleted {
        facts.insert("deleted".into(), true.into());
    }
    if !run.models.is_empty() {
        let mut models: Vec<_> = run.models.iter().map(|model| model.facts()).collect();
        for (model, folder) in models.iter_mut().zip(folders) {
            model.insert("folder".into(), folder.clone().into());
        }
        facts.insert(LOGGED_MODELS.into(), models.into());
    }
    if !run.model_inputs.is_empty() {
        facts.insert("model_inputs".into(), run.model_inputs.clone().into());
    }
    if !run.model_outputs.is_empty() {
        let output = |(id, step): &(String, i64)| json!({ "id": id, "step": step });
        let outputs: Vec<_> = run.model_outputs.iter().map(output).collect();
        facts.insert("model_outputs".into(), outputs.into());
    }
    Value::Object(facts)
}
