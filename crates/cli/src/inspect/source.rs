//! The view of a tracker's files, such as a `run-<id>.wandb`, without an import.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Args, problems, tag_table};
use crate::output::Format;
use crate::render::{BOLD, DIM, NotShown, RED, counted, date, duration, name, styled};
use crate::{FAILED, FINE, fail, print, print_json};
use tbx::error::Result;
use tbx::meta::RunMeta;
use tbx_runs::trackers::{SourceOverview, SourceRunOverview};

/// Maximum number of listed parameters, and of tags.
const MAX_LISTED: usize = 50;

/// Shows what is at `path`. Returns the exit code.
pub(super) fn run(path: &Path, has_others: bool, args: &Args) -> Result<u8> {
    let loaded = SourceOverview::load(&path.to_string_lossy(), args.logs.follows_links());
    let mut overview = match loaded {
        Ok(overview) => overview,
        Err(error) => {
            fail(&error);
            return Ok(FAILED);
        }
    };
    overview.runs.retain(|run| args.logs.has_run_like(&run.overview.name));
    for run in &mut overview.runs {
        run.overview.tags.retain(|tag| {
            let is_kind = args.kind.is_empty() || args.kind.contains(&tag.kind);
            is_kind && args.logs.has_tag_like(&tag.tag)
        });
    }
    match args.format {
        Format::Json => print_json(&overview)?,
        Format::Text => {
            let blank = if has_others { "\n" } else { "" };
            print(&format!("{blank}{}", text(&overview)))?;
        }
    }
    Ok(if overview.is_lossless { FINE } else { FAILED })
}

fn text(overview: &SourceOverview) -> String {
    let mut not_shown = NotShown::default();
    let points = overview.runs.iter().flat_map(|run| &run.overview.tags).map(|tag| tag.count).sum();
    let mut text = format!(
        "{}: {}, {}, {}",
        styled(BOLD, &name(&overview.source)),
        overview.tracker,
        counted(overview.runs.len(), "run"),
        counted(points, "point"),
    );
    let losses = overview.issues.iter().filter(|issue| issue.lost).count();
    if losses > 0 {
        text += &styled(RED, &format!(", {}", counted(losses, "problem")));
    }
    text += "\n";
    let tags: BTreeSet<_> =
        overview.runs.iter().flat_map(|run| &run.overview.tags).map(|tag| name(&tag.tag)).collect();
    for run in &overview.runs {
        text += "\n";
        text += &run_text(run, &tags, &mut not_shown);
    }
    text += &not_shown.note("--format json");
    text + &problems(&overview.issues)
}

fn run_text(run: &SourceRunOverview, tags: &BTreeSet<String>, not_shown: &mut NotShown) -> String {
    let (overview, meta) = (&run.overview, &run.meta);
    let mut text = styled(BOLD, &name(&overview.name));
    if let Some(start) = overview.start_time {
        text += &format!("  {}", date(start.0));
        if let Some(end) = meta.end_time.filter(|end| *end > start.0) {
            text += &format!(" +{}", duration(end - start.0));
        }
    }
    let status = meta.status.map_or("", |status| status.name());
    text += &styled(DIM, &format!("  {status}, id {}", name(&run.id)));
    text += "\n";
    for (title, value) in facts(meta) {
        text += &format!("  {title}: {}\n", name(&value));
    }
    let shown = meta.params.iter().take(MAX_LISTED);
    let params: Vec<_> =
        shown.map(|(key, value)| format!("{}={}", name(key), name(&value.to_string()))).collect();
    if !params.is_empty() {
        let more = meta.params.len().saturating_sub(MAX_LISTED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        text += &format!("  parameters: {}{more}\n", params.join(", "));
    }
    text += &tag_table(&overview.tags, tags, not_shown);
    for left in &run.left_out {
        text +=
            &styled(DIM, &format!("  no place in a log: {} {}\n", left.count, name(&left.kind)));
    }
    text
}

/// The known facts about the run, except its name and its status.
fn facts(meta: &RunMeta) -> Vec<(&str, String)> {
    let mut facts = Vec::new();
    if !meta.labels.is_empty() {
        let labels: Vec<_> = meta.labels.iter().map(String::as_str).collect();
        facts.push(("tags", labels.join(", ")));
    }
    facts.extend(meta.tags.iter().map(|(key, value)| (key.as_str(), value.clone())));
    facts.extend(meta.description.iter().map(|text| ("description", text.clone())));
    facts.extend(
        meta.failure
            .iter()
            .map(|failure| ("failure", format!("{}: {}", failure.kind, failure.message))),
    );
    let git = meta.git.as_ref().and_then(|git| git.commit.clone());
    facts.extend(git.map(|commit| ("commit", commit)));
    let environment = meta.environment.as_ref();
    let command = environment.map(|known| known.command.join(" ")).filter(|text| !text.is_empty());
    facts.extend(command.map(|command| ("command", command)));
    facts.extend(environment.and_then(|known| known.host.clone()).map(|host| ("host", host)));
    facts
}
