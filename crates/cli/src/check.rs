//! `tbx check`

use std::collections::{BTreeMap, BTreeSet};

use super::grid::{Format, Grid};
use super::render::{counted, name};
use super::runs::Runs;
use super::{FAILED, NO, print_json, print_note};
use tbx::error::Result;
use tbx::meta::checklist::CHECKLIST;
use tbx_runs::table::{Cell, CheckedRun};

/// Maximum number of names that are listed per problem.
const MAX_NAMES: usize = 5;

#[derive(clap::Args)]
#[command(
    after_help = "Metadata comes from tbx.json, which tbx::track::ActiveRun writes, and from hparams records. Required
are parameters, seeds, a commit without local changes, and package versions. A digest of the data and the
hardware are advised. Names that cause problems only get a warning.

Exit code: 0 if no run lacks what is required, 1 if one does, 2 for an error.

Examples:
  tbx check runs
  tbx check runs --run '^final' --format json"
)]
pub(super) struct Args {
    #[command(flatten)]
    runs: Runs,

    /// Output format.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let opened = args.runs.logs.open()?;
    if opened.is_empty {
        return Ok(opened.code);
    }
    let (runs, is_lossless) = args.runs.check(&opened)?;
    if args.format == Format::Json {
        runs.iter().try_for_each(|run| print_json(&Row::of(run)))?;
    } else {
        table(args.format, &runs)?;
    }
    let lacking = runs.iter().filter(|run| !run.is_complete()).count();
    if args.format == Format::Text {
        legend(&runs, lacking)?;
    }
    Ok(match (is_lossless, lacking) {
        (false, _) => FAILED,
        (true, 0) => opened.code,
        (true, _) => NO,
    })
}

/// A run in JSON.
#[derive(serde::Serialize)]
struct Row<'a> {
    run: &'a str,
    complete: bool,
    missing: Vec<&'static str>,
    advised: Vec<&'static str>,
    names: Vec<Named<'a>>,
}

#[derive(serde::Serialize)]
struct Named<'a> {
    name: &'a str,
    problem: &'static str,
}

impl<'a> Row<'a> {
    fn of(run: &'a CheckedRun) -> Self {
        let names = run.names.iter().map(|(name, lint)| Named { name, problem: lint.about() });
        Self {
            run: &run.name,
            complete: run.is_complete(),
            missing: missing(run, true),
            advised: missing(run, false),
            names: names.collect(),
        }
    }
}

fn missing(run: &CheckedRun, is_required: bool) -> Vec<&'static str> {
    let items = run.missing.iter().filter(|item| item.is_required == is_required);
    items.map(|item| item.name).collect()
}

fn table(format: Format, runs: &[CheckedRun]) -> Result<()> {
    let mut grid = Grid::new();
    grid.wrap_texts();
    for column in ["run", "missing", "advised", "names"] {
        grid.column(column, false);
    }
    for run in runs {
        let of = |is_required| Cell::from(missing(run, is_required).join(" ").as_str());
        let names: BTreeSet<_> = run.names.iter().map(|(name, _)| name.as_str()).collect();
        let names = match format {
            Format::Text if names.len() > 2 => counted(names.len(), "name"),
            _ => names.into_iter().collect::<Vec<_>>().join(" "),
        };
        grid.row(vec![run.name.as_str().into(), of(true), of(false), names.as_str().into()]);
    }
    grid.print(format)?;
    Ok(())
}

/// Lists everything that is missing, and what to do about it.
fn legend(runs: &[CheckedRun], lacking: usize) -> Result<()> {
    let required = match lacking {
        0 => "none lacks what is required".to_owned(),
        1 => "1 lacks what is required".to_owned(),
        _ => format!("{lacking} lack what is required"),
    };
    print_note(&format!("{}: {required}", counted(runs.len(), "run")))?;
    let missing: BTreeSet<_> = runs.iter().flat_map(|run| &run.missing).map(|i| i.name).collect();
    for item in CHECKLIST.iter().filter(|item| missing.contains(item.name)) {
        print_note(&format!("{}: {}", item.name, item.about))?;
    }
    let mut lints: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for (name, lint) in runs.iter().flat_map(|run| &run.names) {
        lints.entry(*lint).or_default().insert(name);
    }
    for (lint, names) in lints {
        let shown: Vec<_> = names.iter().take(MAX_NAMES).map(|shown| name(shown)).collect();
        let more = if names.len() > MAX_NAMES { ", ..." } else { "" };
        print_note(&format!("names {}{more}: {}", shown.join(", "), lint.about()))?;
    }
    Ok(())
}
