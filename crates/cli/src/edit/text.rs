//! The text of `tbx edit`.

use super::args::Args;
use crate::destination::others;
use crate::render::{DIM, Fit, NotShown, Table, bytes, count, counted, name, styled};
use tbx_runs::edit::{Edited, TagChange};

/// Maximum number of changes that are listed.
const MAX_LISTED: usize = 40;

/// Describes what was changed.
pub(super) fn text(args: &Args, edited: &Edited) -> String {
    let mut text = String::new();
    let changes = edited.by_tag();
    let mut table = Table::of(&["TAG", "NOW", ">VALUES", ">RUNS"], 0).fit(&["NOW"], Fit::Name);
    for run in edited.dropped_runs.iter().take(MAX_LISTED) {
        text += &format!("run {} is dropped\n", name(run));
    }
    if edited.dropped_runs.len() > MAX_LISTED {
        let more = counted(edited.dropped_runs.len() - MAX_LISTED, "more run");
        text += &styled(DIM, &format!("... and {more}\n"));
    }
    text += &sessions(args, edited);
    for (change, runs) in changes.iter().take(MAX_LISTED) {
        let values = match change.left {
            left if left == change.values || left == 0 => count(change.values),
            left => format!("{} of {}", count(left), count(change.values)),
        };
        table.row(vec![name(&change.tag), now(change), values, runs.len().to_string()]);
    }
    if !changes.is_empty() {
        text += &table.shown(&mut NotShown::default());
    }
    if changes.len() > MAX_LISTED {
        let more = counted(changes.len() - MAX_LISTED, "more tag");
        text += &styled(DIM, &format!("... and {more}: --format json lists all\n"));
    }
    let events = |n: u64| counted(usize::try_from(n).unwrap_or(usize::MAX), "event");
    let size =
        |files, size, n| format!("{}, {}, {}", counted(files, "file"), bytes(size), events(n));
    let before = size(edited.files_before, edited.bytes_before, edited.events_before);
    let after = size(edited.files_after, edited.bytes_after, edited.events_after);
    let mut parts = vec![format!("{}: {before} → {after}", counted(edited.runs, "run"))];
    if edited.unfinished_bytes > 0 {
        parts.push(format!("{} of unfinished records dropped", bytes(edited.unfinished_bytes)));
    }
    parts.extend(others(edited.sidecars));
    text + &format!("{}; {}\n", parts.join("; "), args.to.place())
}

/// Reports joined runs, and the new steps of sessions.
fn sessions(args: &Args, edited: &Edited) -> String {
    let mut lines = Vec::new();
    for joined in &edited.joined {
        let runs: Vec<_> = joined.runs.iter().map(|run| name(run)).collect();
        lines.push(format!("run {} is made of {}", name(&joined.run), runs.join(", ")));
    }
    for run in &edited.continued {
        let (tags, sessions) = (counted(run.tags, "tag"), counted(run.sessions, "session"));
        let ((first, last), (new_first, new_last)) = (run.steps, run.new_steps);
        let steps = format!("steps {first}..{last} are {new_first}..{new_last} now");
        lines.push(format!("run {}: {sessions}, {tags}, {steps}", name(&run.run)));
    }
    if args.continue_steps && edited.continued.is_empty() {
        lines.push("no session starts over: all steps stay".into());
    }
    if !args.set_param.is_empty() || !args.unset_param.is_empty() {
        let changed = usize::try_from(edited.sessions_changed).unwrap_or(usize::MAX);
        let changed = counted(changed, "run");
        lines.push(match edited.sessions_added {
            0 => format!("parameters changed in {changed}"),
            added => {
                format!("parameters changed in {changed}, and new in {}", counted(added, "run"))
            }
        });
    }
    let more = lines.len().saturating_sub(MAX_LISTED);
    lines.truncate(MAX_LISTED);
    if more > 0 {
        lines.push(styled(DIM, &format!("... and {more} more runs: --format json lists all")));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Where a tag is after the edit.
fn now(change: &TagChange) -> String {
    let tag = change.new_tag.as_deref().map(name);
    match (change.left, &change.sub_run, tag) {
        (0, _, _) => "dropped".into(),
        (_, Some(sub), Some(tag)) => format!("{tag} in run .../{}", name(sub)),
        (_, Some(sub), None) => format!("in run .../{}", name(sub)),
        (_, None, Some(tag)) => tag,
        (_, None, None) => "thinned out".into(),
    }
}
