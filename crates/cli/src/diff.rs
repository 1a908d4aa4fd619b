//! `tbx diff`

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::empty::Empty;
use super::logs::Choice;
use super::output::Format;
use super::render::{BOLD, DIM, Fit, NotShown, Table, counted, name, number, styled};
use super::runs::folding;
use super::{FAILED, FINE, NO, print, print_json, report, restarts_in_short};
use tbx::error::{Error, Result};
use tbx_runs::table::{Cell, Duplicates, RunDiff, RunRow, RunTable, TableOptions, Tolerance};

/// Maximum number of rows per run.
const MAX_LISTED: usize = 20;

#[derive(clap::Args)]
#[command(
    after_help = "If both log directories have one run, these two are compared, whatever their names.
Otherwise runs of the same name are compared. Exit code: 0 if there is no difference, 1 if there is, 2 for an error.

Examples:
  tbx diff runs/a runs/b
  tbx diff before after --rtol 1e-5 --tag loss"
)]
pub(super) struct Args {
    /// Log directory, run directory or event file.
    a: PathBuf,

    /// The one to compare it with.
    b: PathBuf,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    empty: Empty,

    /// Treat every directory as a run: do not fold train, validation and similar ones.
    #[arg(long, help_heading = super::COMMON)]
    no_fold: bool,

    /// Largest absolute difference between numbers that count as equal.
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    atol: f64,

    /// Largest difference between numbers that count as equal, relative to the larger one.
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    rtol: f64,

    /// Text, or JSON: one object.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// The differences of two log directories.
#[derive(serde::Serialize)]
struct Diff {
    /// Pairs of runs: their names, and how they differ.
    runs: Vec<Pair>,
    only_in_a: Vec<String>,
    only_in_b: Vec<String>,
}

#[derive(serde::Serialize)]
struct Pair {
    a: String,
    b: String,
    #[serde(flatten)]
    diff: RunDiff,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    for tolerance in [args.atol, args.rtol] {
        if tolerance.is_nan() || tolerance < 0.0 {
            return Err(Error::argument(format!("a tolerance cannot be {tolerance}")));
        }
    }
    let tolerance = Tolerance::new().absolute(args.atol).relative(args.rtol);
    let opened = args.empty.open(&[args.a.clone(), args.b.clone()])?;
    let [a, b] = opened.logdirs.as_slice() else { return Ok(opened.code) };
    if opened.code == NO {
        return Ok(NO);
    }
    let load = |logdir| {
        let table = TableOptions::new().folding(folding(args.no_fold)).curves(Duplicates::KeepLast);
        RunTable::load(logdir, &args.choice.options(), &table)
    };
    let (a, b) = (load(a)?, load(b)?);
    let is_lossless = report(&a.report) & report(&b.report);
    for table in [&a, &b] {
        restarts_in_short(&table.report, args.choice.options().restart_policy());
    }
    args.choice.check()?;
    let diff = compare(&a.rows, &b.rows, tolerance);
    match args.format {
        Format::Text => print(&text(&diff, args))?,
        Format::Json => print_json(&diff)?,
    }
    let is_same = diff.only_in_a.is_empty()
        && diff.only_in_b.is_empty()
        && diff.runs.iter().all(|pair| pair.diff.is_same());
    Ok(match (is_lossless, is_same) {
        (false, _) => FAILED,
        (true, true) => FINE,
        (true, false) => NO,
    })
}

fn compare(a: &[RunRow], b: &[RunRow], tolerance: Tolerance) -> Diff {
    let pair = |a: &RunRow, b: &RunRow| Pair {
        a: a.name.clone(),
        b: b.name.clone(),
        diff: RunDiff::of(a, b, tolerance),
    };
    if let ([a], [b]) = (a, b) {
        return Diff { runs: vec![pair(a, b)], only_in_a: Vec::new(), only_in_b: Vec::new() };
    }
    let mut diff = Diff { runs: Vec::new(), only_in_a: Vec::new(), only_in_b: Vec::new() };
    let names: BTreeSet<&str> = a.iter().chain(b).map(|row| row.name.as_str()).collect();
    for name in names {
        // Rows are sorted by name.
        let find = |rows: &[RunRow]| rows.binary_search_by(|row| row.name.as_str().cmp(name)).ok();
        match (find(a).and_then(|i| a.get(i)), find(b).and_then(|i| b.get(i))) {
            (Some(a), Some(b)) => diff.runs.push(pair(a, b)),
            (Some(_), None) => diff.only_in_a.push(name.into()),
            (None, _) => diff.only_in_b.push(name.into()),
        }
    }
    diff
}

fn text(diff: &Diff, args: &Args) -> String {
    let (mut text, mut not_shown) = (String::new(), NotShown::default());
    let (same, other): (Vec<_>, Vec<_>) = diff.runs.iter().partition(|pair| pair.diff.is_same());
    let tags = other.iter().flat_map(|pair| pair.diff.metrics.iter().take(MAX_LISTED));
    let tags: BTreeSet<String> = tags.map(|metric| name(&metric.tag)).collect();
    for pair in &other {
        if !text.is_empty() {
            text += "\n";
        }
        text += &pair_text(pair, &tags, &mut not_shown);
    }
    text += &not_shown.note("--format json");
    if !same.is_empty() {
        text += &styled(DIM, &format!("{} the same", counted(same.len(), "run")));
        text += "\n";
    }
    for (path, runs) in [(&args.a, &diff.only_in_a), (&args.b, &diff.only_in_b)] {
        if runs.is_empty() {
            continue;
        }
        let shown: Vec<_> = runs.iter().take(MAX_LISTED).map(|run| name(run)).collect();
        let more = match runs.len().saturating_sub(MAX_LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let path = name(&path.to_string_lossy());
        text += &format!("only in {path}: {}{more}\n", shown.join(", "));
    }
    text
}

/// How two runs differ; `tags` are the tags of all pairs.
fn pair_text(pair: &Pair, tags: &BTreeSet<String>, not_shown: &mut NotShown) -> String {
    let names = match pair.a == pair.b {
        true => name(&pair.a),
        false => format!("{} and {}", name(&pair.a), name(&pair.b)),
    };
    let mut text = styled(BOLD, &names) + "\n";
    let diff = &pair.diff;
    if !diff.params.is_empty() {
        let mut table = Table::of(&["PARAMETER", ">A", ">B"], 2).fit(&["A", "B"], Fit::Text);
        for param in diff.params.iter().take(MAX_LISTED) {
            table.row(vec![name(&param.name), short(&param.a), short(&param.b)]);
        }
        text += &table.shown(not_shown);
        text += &more(diff.params.len());
    }
    if !diff.metrics.is_empty() {
        let columns = ["LAST VALUE", ">A", ">B", ">B - A", ">DIFFERS FROM STEP"];
        let mut table = Table::of(&columns, 2).spare(&["B - A"]).others(tags.clone());
        for metric in diff.metrics.iter().take(MAX_LISTED) {
            let by = metric.a.number().zip(metric.b.number()).map(|(a, b)| b - a);
            table.row(vec![
                name(&metric.tag),
                short(&metric.a),
                short(&metric.b),
                by.map_or(String::new(), number),
                short(&metric.parts_at),
            ]);
        }
        text += &table.shown(not_shown);
        text += &more(diff.metrics.len());
    }
    let same = [(diff.same_params, "parameter"), (diff.same_metrics, "tag")];
    let same = same.iter().filter(|(n, _)| *n > 0).map(|(n, what)| counted(*n, what));
    let same: Vec<_> = same.collect();
    if !same.is_empty() {
        text += &styled(DIM, &format!("  {} the same", same.join(" and ")));
        text += "\n";
    }
    text
}

fn more(all: usize) -> String {
    match all.saturating_sub(MAX_LISTED) {
        0 => String::new(),
        more => styled(DIM, &format!("  ... and {more} more: --format json has all")) + "\n",
    }
}

fn short(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "-".into(),
        cell => super::grid::short(cell),
    }
}
