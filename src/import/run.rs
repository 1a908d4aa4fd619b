//! A run of MLflow becomes one here.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::mlflow::{Experiment, Files, Store, StoredRun};
use super::tree::{Tree, seconds};
use super::{Import, ImportedRun, files, images, plan, points, tree};
use crate::error::{Report, Result};
use crate::meta::{self, RunMeta, Status};
use crate::mlflow::Names;
use crate::replace::Folder;
use crate::summary::hparams::SessionStatus;
use crate::summary::meta::{CARD, card, hparams};
use crate::writer::SummaryWriter;

/// What stands for the machine in names of event files.
const HOST: &str = "mlflow";

/// Whether a file of this name in the directory of a run is one that an import wrote.
pub(super) fn is_event_file(name: &OsStr) -> bool {
    crate::event::is_event_file(name) && name.to_string_lossy().contains(&format!(".{HOST}."))
}

/// What becomes of a run.
pub(super) struct About<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) run: &'a StoredRun,
    /// Its directory.
    pub(super) dir: &'a Path,
}

/// Makes the run in its directory, where it appears when it is complete.
pub(super) fn write(
    import: &Import,
    store: &mut dyn Store,
    about: &About<'_>,
    known: &Tree,
    report: &mut Report,
) -> Result<ImportedRun> {
    let About { experiment, run, dir, .. } = *about;
    let record = &run.record;
    let names = Names::changed_in(&record.tags);
    let mut metrics = store.metrics(run, report)?;
    points::sort(&mut metrics);
    let folder = match known.is_unfinished(&record.id) {
        true => Folder::replace(dir)?,
        false => Folder::create(dir)?,
    };
    let Files { files, is_found } = match import.artifacts {
        true => store.files(run, report)?,
        false => Files { is_found: true, ..Files::default() },
    };
    let exported = files::exported(store, &files, report);
    let copied = files::copy(store, &files, &folder, report)?;
    let has_events = copied.event_files > 0;
    let mut done = ImportedRun {
        id: record.id.clone(),
        name: plan::name(run),
        experiment: experiment.name.clone(),
        dir: dir.to_owned(),
        is_unfinished: record.status.is_none_or(|status| !status.is_final()),
        artifacts: u64::try_from(copied.artifacts.len()).unwrap_or(u64::MAX),
        bytes: copied.artifacts.iter().map(|artifact| artifact.size).sum(),
        event_files: copied.event_files,
        lacks_artifacts: !is_found,
        is_in_table: points::fit_into_table(&metrics),
        ..ImportedRun::default()
    };

    let mut meta = crate::mlflow::meta(record, Some(&experiment.name), exported);
    // A parent that was exported by tbx has another id here than there.
    let parent = plan::parent(run);
    meta.parent = parent.and_then(|parent| known.id(parent)).or(meta.parent);
    meta.name.get_or_insert_with(|| done.name.clone());
    meta.summary.extend(points::exact(&metrics, &names));
    files::join(&mut meta, copied.artifacts.clone());
    meta.other.insert("mlflow".into(), ids(about));
    meta.process = None;
    meta.updated_at = Some(meta::now());
    if done.is_unfinished {
        tree::seal(&mut meta);
    }

    // Without a time of its own, that of its first point.
    let first = metrics.values().flatten().map(|point| point.timestamp).min();
    let start = record.start_time.or(first).map_or(0.0, seconds);
    // A file is read in the order of the times when they were made.
    let start = if has_events { meta::now() } else { start };
    if has_events {
        points::without_those_in(&folder, &mut metrics, &names)?;
    }
    if !has_events || !metrics.is_empty() {
        let options = SummaryWriter::options().host(HOST).clock(move || start).in_folder(&folder);
        let writer = options.double_precision(import.float64).create(folder.path())?;
        if !has_events {
            writer.add_meta(&meta)?;
            if done.is_in_table {
                writer.add_hparams(hparams(&meta), [])?;
            }
            writer.add_text(CARD, card(&meta)?, 0)?;
        }
        let written = points::write(&writer, &metrics, &names, import.float64)?;
        (done.points, done.rounded, done.same_step) =
            (written.points, written.rounded, written.same_step);
        if !has_events {
            images::write(&writer, folder.path(), &copied.artifacts)?;
        }
        close(&writer, &meta)?;
    }
    meta.write(folder.path())?;
    folder.finish()?;
    done.meta_id = meta.id.unwrap_or_default();
    Ok(done)
}

/// Says how the run ended, and when.
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

/// What only MLflow knows of the run.
fn ids(about: &About<'_>) -> Value {
    let About { experiment, run, .. } = about;
    let mut ids = Map::new();
    ids.insert("run_id".into(), run.record.id.clone().into());
    ids.insert("experiment_id".into(), experiment.id.clone().into());
    if let Some(uri) = &run.record.artifact_uri {
        ids.insert("artifact_uri".into(), uri.clone().into());
    }
    if run.record.is_deleted || experiment.is_deleted {
        ids.insert("deleted".into(), true.into());
    }
    let model = |model: &super::mlflow::LoggedModel| json!({"id": model.id, "name": model.name, "params": model.params, "tags": model.tags});
    let models: Vec<_> = run.models.iter().map(model).collect();
    if !models.is_empty() {
        ids.insert("logged_models".into(), models.into());
    }
    Value::Object(ids)
}
