//! The JSON of `tbx edit`.

use serde::Serialize;

use super::args::Args;
use tbx_runs::edit::{ContinuedRun, Edited, JoinedRun, StepNote, TagChange};

/// The result in JSON.
#[derive(Serialize)]
pub(super) struct Row<'e> {
    logdir: String,
    dry_run: bool,
    runs: usize,
    dropped_runs: &'e [String],
    files_before: usize,
    files_after: usize,
    bytes_before: u64,
    bytes_after: u64,
    events_before: u64,
    events_after: u64,
    changes: Vec<ChangeRow<'e>>,
    joined: Vec<JoinedRow<'e>>,
    continued: Vec<ContinuedRow<'e>>,
    steps_back: Vec<NoteRow<'e>>,
    sessions_changed: u64,
    sessions_added: usize,
}

#[derive(Serialize)]
struct JoinedRow<'e> {
    run: &'e str,
    runs: &'e [String],
}

#[derive(Serialize)]
struct ContinuedRow<'e> {
    run: &'e str,
    tags: usize,
    sessions: usize,
    first_step: i64,
    last_step: i64,
    new_first_step: i64,
    new_last_step: i64,
}

#[derive(Serialize)]
struct NoteRow<'e> {
    run: &'e str,
    path: String,
    message: String,
}

#[derive(Serialize)]
struct ChangeRow<'e> {
    run: &'e str,
    tag: &'e str,
    new_tag: Option<&'e str>,
    sub_run: Option<&'e str>,
    values: u64,
    left: u64,
}

pub(super) fn row<'e>(args: &Args, edited: &'e Edited) -> Row<'e> {
    let change = |change: &'e TagChange| ChangeRow {
        run: &change.run,
        tag: &change.tag,
        new_tag: change.new_tag.as_deref(),
        sub_run: change.sub_run.as_deref(),
        values: change.values,
        left: change.left,
    };
    let joined = |joined: &'e JoinedRun| JoinedRow { run: &joined.run, runs: &joined.runs };
    let continued = |run: &'e ContinuedRun| ContinuedRow {
        run: &run.run,
        tags: run.tags,
        sessions: run.sessions,
        first_step: run.steps.0,
        last_step: run.steps.1,
        new_first_step: run.new_steps.0,
        new_last_step: run.new_steps.1,
    };
    let note = |note: &'e StepNote| NoteRow {
        run: &note.run,
        path: note.path.to_string_lossy().into_owned(),
        message: note.to_string(),
    };
    Row {
        logdir: args.logdir.to_string_lossy().into_owned(),
        dry_run: args.to.dry_run,
        runs: edited.runs,
        dropped_runs: &edited.dropped_runs,
        files_before: edited.files_before,
        files_after: edited.files_after,
        bytes_before: edited.bytes_before,
        bytes_after: edited.bytes_after,
        events_before: edited.events_before,
        events_after: edited.events_after,
        changes: edited.changes.iter().map(change).collect(),
        joined: edited.joined.iter().map(joined).collect(),
        continued: edited.continued.iter().map(continued).collect(),
        steps_back: edited.step_notes.iter().map(note).collect(),
        sessions_changed: edited.sessions_changed,
        sessions_added: edited.sessions_added,
    }
}
