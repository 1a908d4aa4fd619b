//! Imports a single run.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::files::{self, Copied, Target};
use super::tree::{EVENT_FILES, Tree};
use super::{EventFiles, Import, ImportedRun, event_files, plan, points, tree, values};
use crate::trackers::source::{Content, LeftOut, Source, SourceExperiment, SourceRun};
use crate::work::Gate;
use tbx::error::{Report, Result};
use tbx::meta::{self, ARTIFACTS, RunMeta, Status};
use tbx::replace::Folder;
use tbx::summary::hparams::SessionStatus;
use tbx::summary::meta::{CARD, card, hparams};
use tbx::writer::SummaryWriter;

/// Number of hex digits of an id that is made here.
const ID_DIGITS: usize = 32;

/// Data that all runs of an import share.
pub(super) struct Context<'a> {
    pub(super) import: &'a Import,
    pub(super) source: &'a dyn Source,
    pub(super) tree: &'a Tree,
    /// Limits the number of points in memory.
    pub(super) gate: &'a Gate,
}

/// The run to import, and where it goes.
pub(super) struct About<'a> {
    pub(super) experiment: &'a SourceExperiment,
    pub(super) run: &'a SourceRun,
    /// The directory of the run.
    pub(super) dir: &'a Path,
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
    let Context { import, source, gate, .. } = *context;
    let About { experiment, run, dir } = *about;
    let tracker = source.tracker();
    let mut held = gate.enter();
    let mut content = source.content(run, import.artifacts, report)?;
    held.add(content.series.iter().map(|series| values::weight(&series.points)).sum());
    for left_out_here in std::mem::take(&mut content.left_out) {
        left_out_here.join(left_out);
    }
    points::sort(&mut content.series, left_out);
    let folder = if replaces { Folder::replace(dir)? } else { Folder::create(dir)? };
    let (target, into) = (Target::Folder(&folder), Path::new(ARTIFACTS));
    let (listed, events) = (&content.files, &content.event_files);
    let copied = files::copy(source, listed, events, target, into, |_| false, report)?;
    let mut done = ImportedRun {
        event_files: u64::try_from(copied.event_files.len()).unwrap_or(u64::MAX),
        is_in_table: points::fit_into_table(&content.series),
        groups: run.groups.iter().map(|group| group.id.clone()).collect(),
        ..ImportedRun::of(experiment, run, dir)
    };
    done.count(&copied);

    let mut meta = described(context, about, &mut content);
    // Where the tracker says the state of the data, no status means that it has no such thing.
    done.is_unfinished = meta.status.map_or(run.state.is_none(), |status| !status.is_final());
    meta.summary.extend(points::exact(&content.series));
    files::join(&mut meta, copied.artifacts.clone());
    let mut own_files = copied.event_files.clone();
    if import.event_files == EventFiles::Runs {
        let made = event_files::as_runs(Target::Folder(&folder), &copied.artifacts)?;
        done.event_runs = made.new;
        own_files.extend(made.files);
    }
    note_event_files(&mut meta, tracker, &own_files);
    done.is_incomplete =
        !import.artifacts || content.is_cut || copied.missing > 0 || !content.elsewhere.is_empty();
    tree::set_incomplete(&mut meta, tracker, done.is_incomplete);
    done.elsewhere = std::mem::take(&mut content.elsewhere);
    meta.process = None;
    meta.updated_at = Some(meta::now());
    if done.is_unfinished || run.state.is_some() {
        tree::seal(&mut meta, tracker);
    }
    log(context, about, &folder, &meta, content, &copied, &mut done, left_out, report)?;
    meta.write(folder.path())?;
    folder.finish()?;
    done.meta_id = meta.id.unwrap_or_default();
    Ok(done)
}

/// The metadata of a run, with what every import says.
fn described(context: &Context<'_>, about: &About<'_>, content: &mut Content) -> RunMeta {
    let About { experiment, run, .. } = *about;
    let tracker = context.source.tracker();
    let mut meta = std::mem::take(&mut content.meta);
    let made = || {
        let id = format!("{tracker}\0{}\0{}", experiment.id, run.id);
        tbx::digest::sha256(id).chars().take(ID_DIGITS).collect()
    };
    meta.id.get_or_insert_with(made);
    meta.name.get_or_insert_with(|| run.name.clone());
    meta.experiment.get_or_insert_with(|| experiment.name.clone());
    // A parent that tbx had exported has a different id here.
    let parent = plan::parent(run).and_then(|parent| context.tree.id(parent));
    meta.parent = parent.or(meta.parent.take());
    tree::identify(&mut meta, tracker, run);
    meta
}

/// Writes the event file of a run. If tbx had exported event files, only scalars that they lack are
/// written.
#[expect(clippy::too_many_arguments, reason = "the parts of a run")]
fn log(
    context: &Context<'_>,
    about: &About<'_>,
    folder: &Folder,
    meta: &RunMeta,
    mut content: Content,
    copied: &Copied,
    done: &mut ImportedRun,
    left_out: &mut Vec<LeftOut>,
    report: &mut Report,
) -> Result<()> {
    let Context { import, source, .. } = *context;
    let has_events = !copied.event_files.is_empty();
    // Without a start time, uses the time of the first point.
    let first = values::first_time(&content.series);
    let start = about.run.start_time.or(first).unwrap_or(0.0);
    // Files are read in the order of their creation times.
    let start = if has_events { meta::now() } else { start };
    if has_events {
        points::without_those_in(folder, &mut content.series)?;
        if content.series.is_empty() {
            return Ok(());
        }
    }
    let options = SummaryWriter::options().host(source.tracker()).clock(move || start);
    let options = options.in_folder(folder).double_precision(import.float64);
    let writer = options.create(folder.path())?;
    if !has_events {
        writer.add_meta(meta)?;
        if done.is_in_table {
            writer.add_hparams(hparams(meta), [])?;
        }
        writer.add_text(CARD, card(meta)?, 0)?;
    }
    let media = values::Media {
        source,
        copies: values::Copies::new(folder.path(), &content.files, copied),
        draw_boxes: import.draw_boxes,
        run: &about.run.name,
    };
    let written =
        values::write(&writer, &content.series, import.float64, &media, left_out, report)?;
    (done.points, done.rounded, done.same_step) =
        (written.scalars.points, written.scalars.rounded, written.scalars.same_step);
    done.values = written.others;
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
    let Context { import, source, .. } = *context;
    let About { experiment, run, dir } = *about;
    let tracker = source.tracker();
    let mut done =
        ImportedRun { was_there: true, is_in_table: true, ..ImportedRun::of(experiment, run, dir) };
    let as_runs = import.event_files == EventFiles::Runs;
    let is_incomplete = is_incomplete && import.artifacts;
    if !is_incomplete && !as_runs {
        return Ok(done);
    }
    let meta = RunMeta::read(dir)?.unwrap_or_default();
    let known_files = tree::event_files(&meta, tracker);
    let mut artifacts = meta.artifacts;
    let mut new = Vec::new();
    if is_incomplete {
        let content = source.files(run, report)?;
        let has = |name: &str| {
            artifacts.iter().any(|known| known.name.as_deref().unwrap_or(&known.path) == name)
        };
        let (target, into) = (Target::Directory(dir), Path::new(ARTIFACTS));
        // Event files are imported together with the run itself.
        let copied = files::copy(source, &content.files, &[], target, into, has, report)?;
        done.count(&copied);
        done.is_incomplete = content.is_cut || copied.missing > 0 || !content.elsewhere.is_empty();
        done.elsewhere = content.elsewhere;
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
        let is_sealed = tree::is_sealed(meta, tracker);
        files::join(meta, new);
        note_event_files(meta, tracker, &made.files);
        if is_incomplete {
            tree::set_incomplete(meta, tracker, done.is_incomplete);
        }
        if is_sealed {
            tree::seal(meta, tracker);
        }
    })?;
    Ok(done)
}

/// Records which event files an import has placed in directories of the run.
fn note_event_files(meta: &mut RunMeta, tracker: &str, files: &[PathBuf]) {
    if files.is_empty() {
        return;
    }
    let known = meta.other.get_mut(tracker).and_then(Value::as_object_mut);
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
    let status = SessionStatus::from(meta.status.unwrap_or(Status::Running));
    match meta.end_time {
        Some(end) => writer.with_wall_time(end)?.close_as(status),
        None => writer.close_as(status),
    }
}
