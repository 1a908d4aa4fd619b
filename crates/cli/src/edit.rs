//! `tbx edit`

use crate::variants::variant;
use std::path::{Path, PathBuf};

use clap::ArgAction;
use regex::Regex;
use serde::Serialize;

use super::destination::{To, others};
use super::empty::Empty;
use super::output::Format;
use super::render::{DIM, Fit, NotShown, Table, bytes, count, counted, name, styled};
use super::{FAILED, FINE, NO, print, print_json, report, say, warn};
use tbx::error::{Error, ErrorKind, Issue, Result};
use tbx::logdir::{LoadOptions, Logdir, Payloads, RestartPolicy, RunFiles};
use tbx::meta::{Param, RunMeta};
use tbx::summary::Kind;
use tbx::summary::hparams::HparamValue;
use tbx_runs::edit::{ContinuedRun, Edit, Edited, JoinedRun, StepNote, TagChange};
use tbx_runs::table::{RunTable, Sampling, TableOptions};

/// Maximum number of changes that are listed.
const MAX_LISTED: usize = 40;
/// Maximum number of listed files whose steps go back.
const MAX_NOTES: usize = 20;

#[derive(clap::Args)]
#[command(
    after_help = "REGEX matches any part of a tag or a run's name: ^ and $ match its ends. $1 in NEW and NAME is the
first group; write ${1} before a letter, a digit or _. Options refer to the original tags; --rename is applied last.
Records that do not change keep their bytes, including fields that tbx does not know.

--continue-steps is for programs that start at step 0 again, such as Keras with each fit(). All points are
kept. The steps of each session follow those of the session before, by the same offset for all tags. A session
that resumed from a checkpoint starts in the middle: its steps stay, and --compact --restart rustboard drops the
points that it replaced. --join does the same over several runs.

Examples:
  tbx edit runs --out new --rename '^train/' 'training/' --drop-tag '^grad/'
  tbx edit runs --out new --sample scalar=minmax:1000
  tbx edit runs --out new --split-tags '^(train|val)/' '$1'
  tbx edit runs --out new --compact --merge
  tbx edit runs --out new --continue-steps
  tbx edit runs --out new --join monday,tuesday --into week
  tbx edit runs/1 --in-place --set-param lr=0.1 --set-param optimizer=adam
  tbx edit runs --in-place --drop-run '^debug' --dry-run"
)]
pub(super) struct Args {
    /// Log directory, or a single event file.
    #[arg(value_name = "LOGDIR")]
    logdir: PathBuf,

    #[command(flatten)]
    to: To,

    #[command(flatten)]
    empty: Empty,

    /// Replace matches of REGEX in tags. It is an error if two tags of a run become the same.
    #[arg(long, num_args = 2, value_names = ["REGEX", "NEW"], action = ArgAction::Append, allow_hyphen_values = true)]
    rename: Vec<String>,

    /// Drop values of these tags.
    #[arg(long, value_name = "REGEX")]
    drop_tag: Vec<Regex>,

    /// Drop values of all other tags.
    #[arg(long, value_name = "REGEX")]
    keep_tag: Vec<Regex>,

    /// Drop these runs.
    #[arg(long, value_name = "REGEX")]
    drop_run: Vec<Regex>,

    /// Drop all other runs.
    #[arg(long, value_name = "REGEX")]
    keep_run: Vec<Regex>,

    /// Merge the files of each run into one.
    #[arg(long)]
    merge: bool,

    /// Make one curve of sessions that start at the first step again: their steps follow those of the
    /// session before. Wall times stay. In a run whose points are all at one step, each point of a tag gets
    /// its own step.
    #[arg(long)]
    continue_steps: bool,

    /// Treat train, validation and other parts of a run as runs. --continue-steps then looks for sessions
    /// in each of them, and --set-param adds a row for each.
    #[arg(long)]
    no_fold: bool,

    /// Join runs in this order, with steps that continue as with --continue-steps. If they are directories
    /// of runs, the runs of the same name in them are joined.
    #[arg(long, value_name = "RUN,RUN..", requires = "into")]
    join: Vec<String>,

    /// Name of the joined run.
    #[arg(long, value_name = "NAME", requires = "join")]
    into: Vec<String>,

    /// Split files that are longer than this, for example 100MB.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    split_size: Option<u64>,

    /// Move these tags to a run called NAME below their own run.
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

    /// Add this number of seconds to every wall time.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0.0,
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    shift_time: f64,

    /// Set a parameter of each run in TensorBoard's hyperparameter table, and in tbx.json where a run has
    /// one. A run without hyperparameters gets a row in the table. Values are bools, numbers or texts, as
    /// in Python and JSON: 0.1, True, adam; double quotes make a text. To set a parameter of one run, use
    /// its directory as LOGDIR, or see tbx meta.
    #[arg(long, value_name = "NAME=VALUE", value_parser = param)]
    set_param: Vec<(String, Param)>,

    /// Remove a parameter from each run.
    #[arg(long, value_name = "NAME")]
    unset_param: Vec<String>,

    /// Thin out series of one kind, or of all: reservoir:N keeps N random points, as TensorBoard does;
    /// minmax:N keeps N points with all peaks, lttb:N keeps N that preserve the shape of the line
    /// (scalars); every:N keeps every N-th. The last point is always kept.
    #[arg(long, value_name = "[KIND=]METHOD:N", value_parser = sample)]
    sample: Vec<(Option<Kind>, Sampling)>,

    /// Drop points that a restart replaced, and repeated metadata.
    #[arg(long)]
    compact: bool,

    /// Restart policy of --compact.
    #[arg(
        long,
        value_name = "POLICY",
        value_parser = variant::<RestartPolicy>(),
        default_value = "session-start",
        requires = "compact"
    )]
    restart: RestartPolicy,
}

/// Parses a number of bytes: `100MB`, `1.5GiB`, `4096`.
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

/// Parses `NAME=VALUE`.
fn param(text: &str) -> std::result::Result<(String, Param), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), Param::inferred(value))),
        _ => Err(format!("{text:?} is not NAME=VALUE")),
    }
}

fn sample(text: &str) -> std::result::Result<(Option<Kind>, Sampling), String> {
    let (kind, method) = match text.split_once('=') {
        Some((kind, method)) => {
            let kind = kind.parse().map_err(|error: Error| error.to_string())?;
            (Some(kind), method)
        }
        None => (None, text),
    };
    let sampling = method.parse::<Sampling>().map_err(|error| error.to_string())?;
    Ok((kind, sampling))
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let mut edit = edit(args)?;
    if edit.is_empty() && args.join.is_empty() {
        return Err(Error::argument("nothing to change; tbx edit --help lists the options"));
    }
    let logdir = args.to.logs(&args.logdir)?;
    if !logdir.has_logs() && args.empty.say(&args.logdir) == NO {
        return Ok(NO);
    }
    let groups = args.continue_steps || !args.set_param.is_empty();
    if groups && !args.no_fold {
        edit = parts(&logdir)?.into_iter().fold(edit, Edit::parts);
    }
    if args.join.len() != args.into.len() {
        return Err(Error::argument("each --join needs an --into, and each --into a --join"));
    }
    for (join, into) in args.join.iter().zip(&args.into) {
        edit = edit.join(split_names(join, logdir.runs()), into);
    }
    let edited = edit.run_then(&logdir, args.to.destination(), |joined| {
        let root = args.to.root(&logdir);
        joined.iter().try_for_each(|joined| end(joined, &root))?;
        sidecars(args, &root)
    })?;
    let is_lossless = report(&edited.report);
    notes(&edited.step_notes);
    let is_damaged =
        |issue: &Issue| issue.effect.is_loss() && !matches!(issue.kind, ErrorKind::NotEventFile(_));
    if edited.report.issues.iter().any(is_damaged) {
        warn("damaged records were left out; tbx repair shows details");
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
        .continue_steps(args.continue_steps)
        .shift_steps(args.shift_steps)
        .shift_time(args.shift_time)
        .side_files(args.to.sidecars());
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
    for (name, value) in &args.set_param {
        edit = edit.param(name, HparamValue::from(value));
    }
    for name in &args.unset_param {
        edit = edit.param(name, HparamValue::Unset);
    }
    for (kind, sampling) in &args.sample {
        edit = edit.sample(*kind, *sampling);
    }
    Ok(if args.compact { edit.compact(args.restart) } else { edit })
}

/// The names of runs that are parts of one run, as other commands fold them.
fn parts(logdir: &Logdir) -> Result<Vec<Vec<String>>> {
    let options = LoadOptions::new().payloads(Payloads::Dropped);
    let rows = RunTable::load(logdir, &options, &TableOptions::new())?.rows;
    let rows = rows.into_iter().filter(|row| !row.parts.is_empty());
    Ok(rows.map(|row| [vec![row.name], row.parts].concat()).collect())
}

/// Splits a list of run names at its commas. A name may contain commas: the longest match with a run, or
/// with a directory that has runs below it, wins.
fn split_names(text: &str, runs: &[RunFiles]) -> Vec<String> {
    let is_known = |name: &str| {
        let below = |run: &RunFiles| {
            run.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        runs.iter().any(below)
    };
    let pieces: Vec<&str> = text.split(',').collect();
    let mut names = Vec::new();
    let mut from = 0;
    while from < pieces.len() {
        let name = |to: usize| pieces.get(from..to).unwrap_or(&[]).join(",");
        let longest = (from + 1..=pieces.len()).rev().find(|to| is_known(&name(*to)));
        let to = longest.unwrap_or(from + 1);
        names.push(name(to));
        from = to;
    }
    names
}

/// Copies the end of the last joined run to the new run. All other metadata comes from the first one.
fn end(joined: &JoinedRun, root: &Path) -> Result<()> {
    let dir = if joined.run == "." { root.to_owned() } else { root.join(&joined.run) };
    let last = joined.dirs.last().map(|dir| RunMeta::read(dir)).transpose()?.flatten();
    let (Some(last), Some(_)) = (last, RunMeta::read(&dir)?) else { return Ok(()) };
    RunMeta::update(&dir, |meta| {
        (meta.status, meta.end_time, meta.process) = (last.status, last.end_time, last.process);
    })
}

/// Writes the parameters to `tbx.json` of runs that have one, or a copy of one in the log: it takes
/// precedence over the log.
fn sidecars(args: &Args, root: &Path) -> Result<()> {
    if args.set_param.is_empty() && args.unset_param.is_empty() {
        return Ok(());
    }
    let options = LoadOptions::new().kinds([Kind::Meta]).payloads(Payloads::Placed);
    let is_file = args.logdir.is_file();
    let (done, _) = Logdir::open(root)?.map_runs(&options, |run| {
        let is_kept = args.keep_run.is_empty() || any(&args.keep_run, &run.name);
        let is_edited = is_kept && !any(&args.drop_run, &run.name) && (!is_file || run.name == ".");
        if !is_edited || !run.has_own_meta() {
            return Ok(());
        }
        run.update_meta(|meta| {
            for (name, value) in &args.set_param {
                meta.params.insert(name.clone(), value.clone());
            }
            for name in &args.unset_param {
                meta.params.remove(name);
            }
        })
    })?;
    done.into_iter().collect()
}

fn any(regexes: &[Regex], name: &str) -> bool {
    regexes.iter().any(|regex| regex.is_match(name))
}

/// Reports steps that go back and were not changed.
fn notes(notes: &[StepNote]) {
    notes.iter().take(MAX_NOTES).for_each(|note| say(&note.to_string()));
    if notes.len() > MAX_NOTES {
        let more = notes.len() - MAX_NOTES;
        say(&format!("... and {more} more files whose steps go back; --format json lists all"));
    }
}

/// Parses pairs of a regular expression and its argument.
fn pairs(texts: &[String]) -> Result<Vec<(Regex, String)>> {
    let (all, _) = texts.as_chunks::<2>();
    let pair = |[regex, text]: &'_ [String; 2]| {
        let regex = Regex::new(regex).map_err(|error| Error::argument(error.to_string()))?;
        Ok((regex, text.clone()))
    };
    all.iter().map(pair).collect()
}

/// The result in JSON.
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

fn row<'e>(args: &Args, edited: &'e Edited) -> Row<'e> {
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

fn text(args: &Args, edited: &Edited) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_are_found_in_a_list() {
        let run = |name: &str| RunFiles::new(name.into(), Path::new("logs").join(name), Vec::new());
        let runs = ["a", "lr=1,bs=2", "lr=1", "deep/train"].map(run);
        let split = |text| split_names(text, &runs);
        assert_eq!(split("a,lr=1,bs=2,deep"), ["a", "lr=1,bs=2", "deep"]);
        assert_eq!(split("lr=1,a"), ["lr=1", "a"]);
        assert_eq!(split("b,a"), ["b", "a"]);
    }
}
