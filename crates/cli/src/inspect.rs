//! `tbx inspect`

mod source;
mod tags;

use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum;

use super::empty::NO_LOGS;
use super::logs::{self, Logs};
use super::output::Format;
use super::render::{
    BOLD, DIM, Fit, NotShown, RED, Table, YELLOW, bytes, count, counted, date, duration, name,
    number, styled,
};
use super::{FAILED, FINE, fail, print, print_json};
use tbx::error::Result;
use tbx::logdir::Logdir;
use tbx::summary::Kind;
use tbx_runs::table::{IssueRow, Overview, RunOverview, TagOverview};
use tbx_runs::trackers::SourceOverview;

/// With more runs than this, each tag is shown once for all runs.
const FEW_RUNS: usize = 12;
/// Maximum number of listed runs, and of listed problems.
const MAX_LISTED: usize = 20;
/// Columns of tags that a narrow terminal omits, the first ones first.
const SPARE: [&str; 9] =
    ["MIN", "MAX", "STEPS", "KIND", "POINTS", "COUNT", "RUNS", "MEDIAN LAST", "LAST"];

#[derive(clap::Args)]
#[command(
    after_help = "Exit code: 0; 1 if a log directory has no logs; 2 if one cannot be read or if data was lost, because
of damage or because a log is compressed or a Git LFS pointer. An unfinished record at the end of a file is not
damage. Files next to logs with \"tfevents\" in their names (.dvc, .meta, ...) are listed as notes."
)]
pub(super) struct Args {
    #[command(flatten)]
    logs: Logs,

    /// Only values of these kinds.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = logs::kind_parser())]
    kind: Vec<Kind>,

    /// Show the tags of each run, or each tag for all runs together.
    #[arg(long, value_enum, default_value = "auto")]
    by: By,

    /// Do not read large values (images, audio, ...) completely to verify their checksums, and do not check
    /// values.
    #[arg(long)]
    no_checksum: bool,

    /// Text, or JSON: one object per log directory, one per line.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// By run if there are at most 12 runs.
    Auto,
    /// The tags of each run.
    Run,
    /// Each tag for all runs.
    Tag,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let checksums = logs::checksums(args.no_checksum);
    let mut options = args.logs.options().checksums(checksums).check_values(!args.no_checksum);
    if !args.kind.is_empty() {
        options = options.kinds(args.kind.iter().copied());
    }
    let mut code = FINE;
    for (i, logdir) in args.logs.logdirs.iter().enumerate() {
        if is_source(logdir) {
            code = code.max(source::run(logdir, i > 0, args)?);
            continue;
        }
        let mut has_logs = true;
        let loaded = Logdir::open(logdir).and_then(|logdir| {
            has_logs = logdir.has_logs();
            Overview::load(&logdir, &options)
        });
        let overview = match loaded {
            Ok(overview) => chosen(overview, args),
            Err(error) => {
                // The other log directories are shown anyway.
                fail(&error);
                code = FAILED;
                continue;
            }
        };
        if !overview.is_lossless {
            code = FAILED;
        }
        if !has_logs {
            code = code.max(args.logs.empty.code());
        }
        match args.format {
            Format::Json => print_json(&overview)?,
            // The runs that `--run` selects may be in another log directory.
            Format::Text if overview.runs.is_empty() && args.logs.has_run() => {}
            Format::Text => {
                let blank = if i > 0 { "\n" } else { "" };
                let text = format!("{blank}{}", text(&overview, args.by));
                print(&text)?;
            }
        }
    }
    args.logs.check()?;
    Ok(code)
}

/// Whether a path has the files of a tracker, and no logs.
fn is_source(path: &Path) -> bool {
    let has_logs = || Logdir::open(path).is_ok_and(|logdir| logdir.has_logs());
    SourceOverview::is_here(path) && (path.is_file() || !has_logs())
}

/// Drops embeddings that no option selects: they have no kind, and their names begin with a tag.
fn chosen(mut overview: Overview, args: &Args) -> Overview {
    for run in &mut overview.runs {
        run.embeddings.retain(|embedding| {
            let tag = embedding.name.rsplit_once(':').map_or("", |(tag, _)| tag);
            args.kind.is_empty()
                && [&embedding.name, tag].iter().any(|name| args.logs.has_tag_like(name))
        });
    }
    overview
}

fn text(overview: &Overview, by: By) -> String {
    let runs = &overview.runs;
    let mut text = head(overview);
    let mut not_shown = NotShown::default();
    if runs.is_empty() {
        return text;
    }
    let by_run = by == By::Run || by == By::Auto && runs.len() <= FEW_RUNS;
    if by_run {
        let tags: BTreeSet<_> =
            runs.iter().flat_map(|run| &run.tags).map(|tag| name(&tag.tag)).collect();
        for run in runs {
            text += "\n";
            text += &run_text(run, &tags, &mut not_shown);
        }
    } else {
        text += "\n";
        text += &tags::text(runs, &mut not_shown);
        let embeddings = embeddings_text(runs, 0, &mut not_shown);
        if !embeddings.is_empty() {
            text += &format!("\n{embeddings}");
        }
        text += "\n";
        text += &run_names(overview, &mut not_shown);
    }
    text += &not_shown.note("--format json");
    text + &problems(&overview.issues)
}

/// One line about the whole log directory.
fn head(overview: &Overview) -> String {
    let runs = &overview.runs;
    let logdir = styled(BOLD, &name(&overview.logdir));
    if runs.is_empty() {
        return format!("{logdir}: {NO_LOGS}\n{}", problems(&overview.issues));
    }
    let files = || runs.iter().flat_map(|run| &run.files);
    let size = files().map(|file| file.bytes).sum();
    let events = files().map(|file| file.events).sum();
    let mut line = format!(
        "{logdir}: {}, {}, {}, {} events",
        counted(runs.len(), "run"),
        counted(files().count(), "file"),
        bytes(size),
        count(events),
    );
    let losses = overview.issues.iter().filter(|issue| issue.lost).count();
    if losses > 0 {
        line += &styled(RED, &format!(", {}", counted(losses, "problem")));
    }
    line + "\n"
}

/// A run; `tags` are the tags of all runs.
fn run_text(run: &RunOverview, tags: &BTreeSet<String>, not_shown: &mut NotShown) -> String {
    let mut text = styled(BOLD, &name(&run.name));
    if let Some(start) = run.start_time {
        text += &format!("  {}", date(start.0));
        if let Some(end) = run.end_time().filter(|end| *end > start.0) {
            text += &format!(" +{}", duration(end - start.0));
        }
    }
    let events: u64 = run.files.iter().map(|file| file.events).sum();
    let size = run.files.iter().map(|file| file.bytes).sum();
    let files = counted(run.files.len(), "file");
    let events = counted(usize::try_from(events).unwrap_or(usize::MAX), "event");
    let line = format!("  {files}, {}, {events}", bytes(size));
    text += &styled(DIM, &line);
    text += "\n";
    text += &tag_table(&run.tags, tags, not_shown);
    text += &embeddings_text([run], 2, not_shown);
    for file in run.files.iter().filter(|file| file.pending_bytes > 0) {
        let line = format!(
            "  {} ends with {} of an unfinished record: the program is still writing it, or was killed\n",
            name(&file.name),
            bytes(file.pending_bytes)
        );
        text += &styled(YELLOW, &line);
    }
    text
}

/// The tags of a run; `all` are the tags of all runs.
fn tag_table(tags: &[TagOverview], all: &BTreeSet<String>, not_shown: &mut NotShown) -> String {
    if tags.is_empty() {
        return String::new();
    }
    let columns = ["TAG", "KIND", ">COUNT", ">STEPS", ">LAST", ">MIN", ">MAX", "NOTES"];
    let table = Table::of(&columns, 2).fit(&["NOTES"], Fit::Text).spare(&SPARE);
    let mut table = table.others(all.clone());
    for tag in tags {
        table.row(tag_row(tag));
    }
    table.shown(not_shown)
}

fn tag_row(tag: &TagOverview) -> Vec<String> {
    let shown =
        |value: Option<tbx_runs::table::number::Exact>| value.map_or("".into(), |v| number(v.0));
    let scalars = &tag.scalars;
    vec![
        name(&tag.tag),
        kind(tag),
        count(u64::try_from(tag.count).unwrap_or(u64::MAX)),
        steps(tag.min_step, tag.max_step),
        shown(scalars.last),
        shown(scalars.min),
        shown(scalars.max),
        notes(tag),
    ]
}

/// The embeddings of some runs; empty if there are none.
fn embeddings_text<'r>(
    runs: impl IntoIterator<Item = &'r RunOverview>,
    indent: usize,
    not_shown: &mut NotShown,
) -> String {
    // The heading above already names the run.
    let heads: &[&str] = match indent {
        0 => &["EMBEDDING", "RUN", ">SHAPE", "FILES"],
        _ => &["EMBEDDING", ">SHAPE", "FILES"],
    };
    let mut table = Table::of(heads, indent).fit(&["RUN"], Fit::Name).fit(&["FILES"], Fit::Text);
    let mut rows = 0;
    for run in runs {
        for embedding in &run.embeddings {
            let files = embedding.files.iter().map(|file| {
                let size = file.bytes.map_or("missing".into(), bytes);
                format!("{} ({size})", name(&file.path))
            });
            let files = files.collect::<Vec<_>>().join(", ");
            let shape = embedding.shape.map(|[points, numbers]| format!("{points}×{numbers}"));
            let mut row = vec![name(&embedding.name)];
            row.extend((indent == 0).then(|| name(&run.name)));
            row.extend([shape.unwrap_or_default(), files]);
            if rows < MAX_LISTED {
                table.row(row);
            }
            rows += 1;
        }
    }
    if rows == 0 {
        return String::new();
    }
    let mut text = table.shown(not_shown);
    if rows > MAX_LISTED {
        let more = counted(rows - MAX_LISTED, "more embedding");
        text += &format!("{:indent$}{}\n", "", styled(DIM, &format!("... and {more}")));
    }
    text
}

/// The kind; for values that no dashboard shows, also the plugin.
fn kind(tag: &TagOverview) -> String {
    match (tag.kind, tag.plugin.as_str()) {
        (Kind::Tensor, "") => "tensor, no plugin".into(),
        (Kind::Tensor, plugin) if plugin != Kind::Tensor.plugin() => {
            format!("tensor, {}", name(plugin))
        }
        (kind, _) => kind.name().into(),
    }
}

fn steps(min: i64, max: i64) -> String {
    if min == max { min.to_string() } else { format!("{min}..{max}") }
}

fn notes(tag: &TagOverview) -> String {
    let mut notes = Vec::new();
    let mut note = |n: Option<usize>, unit: &str| match n {
        None | Some(0) => {}
        Some(n) => notes.push(format!("{} {unit}", count(u64::try_from(n).unwrap_or(u64::MAX)))),
    };
    note(tag.scalars.nan, "NaN");
    note(tag.scalars.inf, "inf");
    note(Some(tag.restarts), if tag.restarts == 1 { "restart" } else { "restarts" });
    if let Some((before, after)) = tag.first_gap {
        let more = if tag.gaps > 1 { format!(" +{} gaps", tag.gaps - 1) } else { String::new() };
        notes.push(format!("gap {before}→{after}{more}"));
    }
    notes.join(", ")
}

/// The first runs, those with problems first.
fn run_names(overview: &Overview, not_shown: &mut NotShown) -> String {
    let problems = |run: &RunOverview| {
        let of_run = |issue: &&IssueRow| issue.run.as_ref() == Some(&run.name);
        overview.issues.iter().filter(|issue| issue.lost).filter(of_run).count()
    };
    let mut runs: Vec<_> = overview.runs.iter().map(|run| (problems(run), run)).collect();
    runs.sort_by_key(|(problems, _)| *problems == 0);
    let table = Table::of(&["RUN", "START (UTC)", ">TIME", ">EVENTS", ">TAGS", ""], 0);
    let mut table = table.spare(&["TIME", "START (UTC)", "TAGS", "EVENTS"]);
    for (problems, run) in runs.iter().take(MAX_LISTED) {
        let start = run.start_time.map(|start| start.0);
        let end = run.end_time();
        let span = start.zip(end).map(|(start, end)| duration((end - start).max(0.0)));
        let pending: u64 = run.files.iter().map(|file| file.pending_bytes).sum();
        table.row(vec![
            name(&run.name),
            start.map_or("".into(), date),
            span.unwrap_or_default(),
            count(run.files.iter().map(|file| file.events).sum()),
            run.tags.len().to_string(),
            [
                (*problems > 0).then(|| counted(*problems, "problem")),
                (pending > 0).then(|| format!("{} unfinished", bytes(pending))),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", "),
        ]);
    }
    let mut text = table.shown(not_shown);
    if runs.len() > MAX_LISTED {
        let more = counted(runs.len() - MAX_LISTED, "more run");
        let line =
            format!("... and {more}: --run REGEX selects runs, --by run shows the tags of each");
        text += &styled(DIM, &line);
        text += "\n";
    }
    text
}

fn problems(all: &[IssueRow]) -> String {
    let mut text = String::new();
    let (losses, others): (Vec<_>, Vec<_>) = all.iter().partition(|issue| issue.lost);
    let (restarts, notes) = others.into_iter().partition(|issue| issue.kind == "restart");
    for (issues, title, style) in [
        (restarts, "dropped after restarts", YELLOW),
        (notes, "notes", DIM),
        (losses, "problems", RED),
    ] {
        if issues.is_empty() {
            continue;
        }
        text += &format!("\n{}\n", styled(style, title));
        for issue in issues.iter().take(MAX_LISTED) {
            text += &format!("  {}\n", issue_line(issue));
        }
        if issues.len() > MAX_LISTED {
            let more = count(u64::try_from(issues.len() - MAX_LISTED).unwrap_or(u64::MAX));
            text += &styled(DIM, &format!("  ... and {more} more: --format json lists all\n"));
        }
    }
    text
}

fn issue_line(issue: &IssueRow) -> String {
    let mut place = match (&issue.path, &issue.run) {
        (Some(path), _) => name(path),
        (None, Some(run)) => format!("run {}", name(run)),
        (None, None) => String::new(),
    };
    if let Some(offset) = issue.offset {
        place += &format!(" at byte {offset}");
    }
    if let Some(tag) = &issue.tag {
        place += &format!(", tag {}", name(tag));
    }
    if let (Some(step), true) = (issue.step, issue.kind != "restart") {
        place += &format!(", step {step}");
    }
    let separator = if place.is_empty() { "" } else { ": " };
    format!("{place}{separator}{}", issue.message)
}
