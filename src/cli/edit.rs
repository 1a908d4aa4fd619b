//! `tbx edit`

use std::path::PathBuf;

use clap::ArgAction;
use regex::Regex;
use serde::Serialize;

use super::destination::{To, others};
use super::output::Format;
use super::render::{DIM, Table, bytes, count, counted, name, styled, terminal_width};
use super::{FAILED, FINE, print, print_json, report, warn};
use crate::edit::{Edit, Edited, SideFiles, TagChange};
use crate::error::{Error, ErrorKind, Issue, Result};
use crate::logdir::RestartPolicy;
use crate::summary::Kind;
use crate::table::Sampling;

/// So many changes are listed.
const MAX_LISTED: usize = 40;

#[derive(clap::Args)]
#[command(
    after_help = "REGEX finds a part of a tag or a run's name: ^ and $ stand for its ends. $1 in \
NEW and NAME is the first group, ${1} before a letter, a digit or _. Tags are those of the original everywhere; --rename comes last.
What is not changed keeps its bytes, also what this program does not know.

Examples:
  tbx edit runs --out new --rename '^train/' 'training/' --drop-tag '^grad/'
  tbx edit runs --out new --sample scalar=minmax:1000
  tbx edit runs --out new --split-tags '^(train|val)/' '$1'
  tbx edit runs --out new --compact --merge
  tbx edit runs --in-place --drop-run '^debug' --dry-run"
)]
pub(super) struct Args {
    /// A log folder, or a single event file.
    #[arg(value_name = "LOGDIR")]
    logdir: PathBuf,

    #[command(flatten)]
    to: To,

    /// Replace what REGEX finds in tags. Tags of a run that would become one are an error.
    #[arg(long, num_args = 2, value_names = ["REGEX", "NEW"], action = ArgAction::Append, allow_hyphen_values = true)]
    rename: Vec<String>,

    /// Leave out values of these tags.
    #[arg(long, value_name = "REGEX")]
    drop_tag: Vec<Regex>,

    /// Leave out values of all other tags.
    #[arg(long, value_name = "REGEX")]
    keep_tag: Vec<Regex>,

    /// Leave out these runs.
    #[arg(long, value_name = "REGEX")]
    drop_run: Vec<Regex>,

    /// Leave out all other runs.
    #[arg(long, value_name = "REGEX")]
    keep_run: Vec<Regex>,

    /// Make one file of each run's files.
    #[arg(long)]
    merge: bool,

    /// Split files that are longer than this, for example 100MB.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    split_size: Option<u64>,

    /// Move these tags to a run called NAME below their own.
    #[arg(long, num_args = 2, value_names = ["REGEX", "NAME"], action = ArgAction::Append, allow_hyphen_values = true)]
    split_tags: Vec<String>,

    /// Add this to every step.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    shift_steps: i64,

    /// Add so many seconds to every wall time.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0.0,
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    shift_time: f64,

    /// Thin out series, of one kind or of all: reservoir:N keeps N points at random, as TensorBoard
    /// does; minmax:N keeps N that show all peaks, lttb:N those that show the line's shape
    /// (scalars); every:N keeps each N-th. The last point stays.
    #[arg(long, value_name = "[KIND=]METHOD:N", value_parser = sample)]
    sample: Vec<(Option<Kind>, Sampling)>,

    /// Leave out points that a restart made void, and metadata that is repeated.
    #[arg(long)]
    compact: bool,

    /// Which points those are.
    #[arg(
        long,
        value_name = "POLICY",
        value_enum,
        default_value = "session-start",
        requires = "compact"
    )]
    restart: RestartPolicy,
}

/// A number of bytes: `100MB`, `1.5GiB`, `4096`.
fn size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let unit = text.get(digits.len()..).unwrap_or("").trim().to_lowercase();
    let unit: f64 = match unit.as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        unit => return Err(format!("there is no unit {unit:?}; try kB, MB or GB")),
    };
    let number: f64 = digits.parse().map_err(|_| "not a number of bytes".to_owned())?;
    #[expect(clippy::as_conversions, reason = "saturates, and takes NaN to 0")]
    let bytes = (number * unit) as u64;
    if bytes == 0 { Err("less than a byte".into()) } else { Ok(bytes) }
}

fn sample(text: &str) -> std::result::Result<(Option<Kind>, Sampling), String> {
    let (kind, method) = match text.split_once('=') {
        Some((kind, method)) => {
            let found = Kind::from_name(kind).ok_or_else(|| {
                let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
                format!("there is no kind {kind:?}; there are {}", names.join(", "))
            })?;
            (Some(found), method)
        }
        None => (None, text),
    };
    let sampling = Sampling::parse(method).ok_or_else(|| {
        format!("{method:?} is none of {}:N, or N is too small", Sampling::NAMES.join(":N, "))
    })?;
    Ok((kind, sampling))
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let edit = edit(args)?;
    if edit.is_empty() {
        return Err(Error::argument("nothing to change; tbx edit --help shows what can be"));
    }
    let logdir = args.to.logs(&args.logdir)?;
    let edited = edit.apply(&logdir, args.to.destination())?;
    let is_lossless = report(&edited.report);
    let is_damaged =
        |issue: &Issue| issue.effect.is_loss() && !matches!(issue.kind, ErrorKind::NotEventFile(_));
    if edited.report.issues.iter().any(is_damaged) {
        warn("what is damaged was left out; tbx repair says more");
    }
    match args.to.format {
        Format::Text => print(&text(args, &edited))?,
        Format::Json => print_json(&row(args, &edited))?,
    }
    Ok(if is_lossless { FINE } else { FAILED })
}

fn edit(args: &Args) -> Result<Edit> {
    let mut edit = Edit::new()
        .merge(args.merge)
        .shift_steps(args.shift_steps)
        .shift_time(args.shift_time)
        .sidecars(args.to.sidecars() != SideFiles::Leave)
        .follow_links(args.to.sidecars() == SideFiles::FollowLinks);
    for (regex, new) in pairs(&args.rename)? {
        edit = edit.rename(regex, new);
    }
    for (regex, name) in pairs(&args.split_tags)? {
        edit = edit.sub_run(regex, name);
    }
    let all = |regexes: &[Regex], edit: Edit, add: fn(Edit, Regex) -> Edit| {
        regexes.iter().cloned().fold(edit, add)
    };
    edit = all(&args.drop_tag, edit, Edit::drop_tags);
    edit = all(&args.keep_tag, edit, Edit::keep_tags);
    edit = all(&args.drop_run, edit, Edit::drop_runs);
    edit = all(&args.keep_run, edit, Edit::keep_runs);
    if let Some(bytes) = args.split_size {
        edit = edit.max_file_bytes(bytes);
    }
    for (kind, sampling) in &args.sample {
        edit = edit.sample(*kind, *sampling);
    }
    Ok(if args.compact { edit.compact(args.restart) } else { edit })
}

/// Regular expressions and what belongs to each.
fn pairs(texts: &[String]) -> Result<Vec<(Regex, String)>> {
    let (all, _) = texts.as_chunks::<2>();
    let pair = |[regex, text]: &'_ [String; 2]| {
        let regex = Regex::new(regex).map_err(|error| Error::argument(error.to_string()))?;
        Ok((regex, text.clone()))
    };
    all.iter().map(pair).collect()
}

/// What was done, in JSON.
#[derive(Serialize)]
struct Row<'e> {
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

fn row<'e>(args: &Args, edited: &'e Edited) -> Row<'e> {
    let change = |change: &'e TagChange| ChangeRow {
        run: &change.run,
        tag: &change.tag,
        new_tag: change.new_tag.as_deref(),
        sub_run: change.sub_run.as_deref(),
        values: change.values,
        left: change.left,
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
    }
}

fn text(args: &Args, edited: &Edited) -> String {
    let mut text = String::new();
    let changes = edited.by_tag();
    let mut table = Table::of(&["TAG", "NOW", ">VALUES", ">RUNS"], 0);
    for run in edited.dropped_runs.iter().take(MAX_LISTED) {
        text += &format!("run {} is left out\n", name(run));
    }
    if edited.dropped_runs.len() > MAX_LISTED {
        let more = counted(edited.dropped_runs.len() - MAX_LISTED, "more run");
        text += &styled(DIM, &format!("... and {more}\n"));
    }
    for (change, runs) in changes.iter().take(MAX_LISTED) {
        let values = match change.left {
            left if left == change.values || left == 0 => count(change.values),
            left => format!("{} of {}", count(left), count(change.values)),
        };
        table.row(vec![name(&change.tag), now(change), values, runs.len().to_string()]);
    }
    if !changes.is_empty() {
        text += &table.render(terminal_width());
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
        parts.push(format!("{} of unfinished records left out", bytes(edited.unfinished_bytes)));
    }
    parts.extend(others(edited.sidecars));
    text + &format!("{}; {}\n", parts.join("; "), args.to.place())
}

/// What a tag is now.
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
