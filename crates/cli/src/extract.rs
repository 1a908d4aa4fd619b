//! `tbx extract`

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::ArgAction;
use clap::builder::{PossibleValue, PossibleValuesParser};
use serde::Serialize;

use super::logs::Logs;
use super::output::Format;
use super::render::{self, NotShown, Table, bytes, count, counted, name};
use super::{FAILED, NO, print, print_json, progress, report, restarts};
use tbx::error::Result;
use tbx::logdir::Logdir;
use tbx_runs::export::extract::{EXTRACTORS, Extracted, ExtractedKind, Extraction, Extractor};

#[derive(clap::Args)]
#[command(
    after_help = "Files are written as DIR/RUN/TAG/STEP.EXTENSION, with the bytes from the log: nothing is
encoded again. Characters that a file name cannot have become %2f and so on. DIR/index.csv lists
run, tag, step, time and size of every file.

Examples:
  tbx extract runs --out files                       everything there is
  tbx extract runs --out files --kind image --tag '^val/' --last 1
  tbx extract runs --out files --step 1000:2000 --every 10
  tbx extract runs --out files --kind graph --run 'seed_3'"
)]
pub(super) struct Args {
    #[command(flatten)]
    logs: Logs,

    /// New directory; nothing may be there yet. It appears when it is complete.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,

    /// Replace the directory if it has only files of an earlier extraction.
    #[arg(long)]
    force: bool,

    /// Only these kinds [default: all].
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kinds())]
    kind: Vec<String>,

    /// Only these steps: one step, or a range that includes both ends; either end may be omitted.
    #[arg(
        long,
        value_name = "FROM:TO",
        value_parser = steps,
        action = ArgAction::Append,
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    step: Vec<RangeInclusive<i64>>,

    /// Of those, the first of each tag and every N-th after it.
    #[arg(long, value_name = "N", value_parser = at_least_one, default_value = "1", hide_default_value = true)]
    every: usize,

    /// Of those, the last N of each tag.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    last: Option<usize>,

    /// Text, or JSON: one object.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn kinds() -> PossibleValuesParser {
    let value = |kind: &Extractor| PossibleValue::new(kind.name).help(kind.about);
    PossibleValuesParser::new(EXTRACTORS.iter().map(value))
}

fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "must be a number of at least 1".into())
}

/// `7`, `7:9`, `:9`, `7:`
fn steps(text: &str) -> std::result::Result<RangeInclusive<i64>, String> {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let end = |text: &str, open| match text.trim() {
        "" if text != from || text != to => Ok(open),
        text => text.parse().map_err(|_| format!("{text:?} is not a step")),
    };
    let range = end(from, i64::MIN)?..=end(to, i64::MAX)?;
    if range.is_empty() { Err("the range ends before it begins".into()) } else { Ok(range) }
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let mut extraction = Extraction::new()
        .steps(args.step.iter().cloned())
        .every(args.every)
        .overwrite(args.force)
        .on_progress(|done| {
            let files = count(done.files);
            progress::work(|| format!("{files} files, {}", render::bytes(done.bytes)));
        });
    if !args.kind.is_empty() {
        let is_chosen =
            |extractor: &&Extractor| args.kind.iter().any(|kind| kind == extractor.name);
        let chosen: Vec<_> = EXTRACTORS.iter().filter(is_chosen).collect();
        extraction = extraction
            .kinds(chosen.iter().filter_map(|extractor| extractor.kind))
            .embeddings(chosen.iter().any(|extractor| extractor.kind.is_none()));
    }
    if let Some(last) = args.last {
        extraction = extraction.last(last);
    }
    let opened = args.logs.open()?;
    if opened.is_empty {
        return Ok(opened.code);
    }
    let logdirs = &opened.logdirs;
    let options = args.logs.options();
    let extracted = extraction.run(logdirs, &options, &args.out)?;
    let is_lossless = report(&extracted.report);
    restarts(&extracted.report, options.restart_policy());
    args.logs.check()?;
    match args.format {
        Format::Text => print(&text(args, &extracted))?,
        Format::Json => print_json(&row(args, &extracted))?,
    }
    Ok(match (is_lossless, extracted.files()) {
        (false, _) => FAILED,
        (true, 0) if logdirs.iter().any(Logdir::has_logs) => NO,
        (true, _) => opened.code,
    })
}

fn text(args: &Args, extracted: &Extracted) -> String {
    if extracted.files() == 0 {
        return "nothing to extract\n".into();
    }
    let mut table = Table::of(&["KIND", ">FILES", ">SIZE", ">RUNS", ">TAGS", ">STEPS"], 0);
    for kind in &extracted.kinds {
        let ExtractedKind { name, files, bytes: size, runs, tags, steps, .. } = kind;
        let steps = match steps {
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first}..{last}"),
            None => "-".into(),
        };
        let tags = u64::try_from(tags.len()).unwrap_or(u64::MAX);
        let [files, runs, tags] = [*files, *runs, tags].map(count);
        table.row(vec![(*name).into(), files, bytes(*size), runs, tags, steps]);
    }
    let files = counted(usize::try_from(extracted.files()).unwrap_or(usize::MAX), "file");
    let (size, out) = (bytes(extracted.bytes()), name(&args.out.to_string_lossy()));
    let table = table.shown(&mut NotShown::default());
    table + &format!("{files}, {size}, written to {out}\n")
}

/// The result in JSON.
#[derive(Serialize)]
struct Row<'e> {
    out: String,
    files: u64,
    bytes: u64,
    kinds: Vec<KindRow<'e>>,
}

#[derive(Serialize)]
struct KindRow<'e> {
    kind: &'e str,
    files: u64,
    bytes: u64,
    runs: u64,
    tags: usize,
    first_step: Option<i64>,
    last_step: Option<i64>,
}

fn row<'e>(args: &Args, extracted: &'e Extracted) -> Row<'e> {
    let kind = |kind: &'e ExtractedKind| KindRow {
        kind: kind.name,
        files: kind.files,
        bytes: kind.bytes,
        runs: kind.runs,
        tags: kind.tags.len(),
        first_step: kind.steps.map(|(first, _)| first),
        last_step: kind.steps.map(|(_, last)| last),
    };
    Row {
        out: args.out.to_string_lossy().into_owned(),
        files: extracted.files(),
        bytes: extracted.bytes(),
        kinds: extracted.kinds.iter().map(kind).collect(),
    }
}
