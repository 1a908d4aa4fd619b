//! `tbx reduce`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{ValueEnum, value_parser};

use super::grid::{Format, Grid};
use super::render::{counted, name};
use super::runs::Runs;
use super::{FAILED, FINE, print_note, report, say, warn};
use crate::error::{Error, Result};
use crate::export::Folder;
use crate::safe_name;
use crate::table::{
    Align, Cell, Curve, Duplicates, GroupBy, Names, Reduced, Reduction, RunRow, reduce,
};
use crate::writer::SummaryWriter;

#[derive(clap::Args)]
#[command(after_help = "Operations: mean, std, min, max, median, count, and q0.25 for a quantile.
NaN counts in none of them.

Examples:
  tbx reduce runs --tag loss                        the mean and deviation of all runs
  tbx reduce seed_1 seed_2 seed_3 --op mean,std --out reduced
  tbx reduce runs --group-by 'run~^(.*)/seed' --op median,q0.25,q0.75 --format csv")]
pub(super) struct Args {
    #[command(flatten)]
    runs: Runs,

    /// What several values at a step become.
    #[arg(long, value_name = "OPERATION", value_delimiter = ',', default_value = "mean,std")]
    op: Vec<String>,

    /// Reduce the runs of each group: those that have the same in this column, or in the part of
    /// their names that run~REGEX finds.
    #[arg(short, long, value_name = "COLUMN")]
    group_by: Option<String>,

    /// At which steps runs are compared.
    #[arg(long, value_enum, default_value = "inner")]
    align: Align,

    /// What becomes of several points at one step in one run.
    #[arg(long, value_enum, default_value = "keep-last")]
    duplicates: Duplicates,

    /// Degrees of freedom of the standard deviation: 1 as pandas, 0 as NumPy.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u8).range(0..=1))]
    ddof: u8,

    /// Leave out tags that fewer runs of a group have; by default those that not all have.
    #[arg(long, value_name = "N")]
    min_runs: Option<usize>,

    /// Write runs into this new folder: one an operation, for TensorBoard.
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// The format. As text, the last step of each tag.
    #[arg(long, value_enum, default_value = "text", conflicts_with = "out")]
    format: Format,
}

impl ValueEnum for Align {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Inner => "at steps that all have",
            Self::Outer => "at steps that any has, over those that have it",
            Self::Nearest => "at steps that any has, others by their nearest step",
            Self::Interpolated => "at steps that any has, others on the line between two",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl ValueEnum for Duplicates {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::KeepLast => "the last in the log counts, as in TensorBoard",
            Self::KeepFirst => "the first in the log counts",
            Self::Mean => "their mean counts",
            Self::Refuse => "an error",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

/// The curves of a group, reduced.
struct ReducedGroup {
    key: Cell,
    runs: usize,
    tags: BTreeMap<String, (usize, Reduced)>,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let operations = operations(args)?;
    let table = args.runs.load(Some(args.duplicates))?;
    let code = if report(&table.report) { FINE } else { FAILED };
    args.runs.logs.check()?;
    let groups = match &args.group_by {
        Some(by) => GroupBy::parse(by, &Names::of(&table))?.groups(&table.rows),
        None => vec![crate::table::Group { key: Cell::Empty, rows: table.rows.iter().collect() }],
    };
    let mut left_out = BTreeSet::new();
    let reduced = groups.iter().map(|group| {
        let (tags, without) = reduce_group(args, &group.rows, &operations);
        left_out.extend(without);
        ReducedGroup { key: group.key.clone(), runs: group.rows.len(), tags }
    });
    let reduced: Vec<_> = reduced.collect();
    if !left_out.is_empty() {
        let names: Vec<_> = left_out.iter().take(5).map(|tag| name(tag)).collect();
        let enough = args.min_runs.map_or_else(|| "all".to_owned(), |least| least.to_string());
        let more = if left_out.len() > 5 { ", ..." } else { "" };
        let names = format!("{}{more}; --min-runs 1 takes them, too", names.join(", "));
        if reduced.iter().all(|group| group.tags.is_empty()) {
            return Err(Error::argument(format!("no tag that {enough} runs have: {names}")));
        }
        let tags = counted(left_out.len(), "tag");
        warn(format!("{tags} left out, not {enough} runs have them: {names}"));
    }
    match &args.out {
        Some(out) => write(out, &reduced, &operations)?,
        None => print_groups(args, &reduced, &operations)?,
    }
    Ok(code)
}

fn operations(args: &Args) -> Result<Vec<Reduction>> {
    let operation = |name: &String| {
        Reduction::from_name(name, args.ddof)
            .ok_or_else(|| Error::argument(format!("there is no operation {name:?}")))
    };
    args.op.iter().map(operation).collect()
}

/// The tags of a group with their curves, and the tags that too few runs have.
fn reduce_group(
    args: &Args,
    rows: &[&RunRow],
    operations: &[Reduction],
) -> (BTreeMap<String, (usize, Reduced)>, Vec<String>) {
    let mut curves: BTreeMap<&str, Vec<Curve>> = BTreeMap::new();
    for row in rows {
        for (tag, curve) in &row.curves {
            curves.entry(tag).or_default().push(curve.clone());
        }
    }
    // Runs without any scalar, such as the folder of trials, count for nothing.
    let with_curves = rows.iter().filter(|row| !row.curves.is_empty()).count();
    let least = args.min_runs.unwrap_or(with_curves);
    let (mut reduced, mut left_out) = (BTreeMap::new(), Vec::new());
    for (tag, curves) in curves {
        if curves.len() < least {
            left_out.push(tag.to_owned());
        } else {
            reduced.insert(tag.to_owned(), (curves.len(), reduce(&curves, args.align, operations)));
        }
    }
    (reduced, left_out)
}

fn print_groups(args: &Args, groups: &[ReducedGroup], operations: &[Reduction]) -> Result<()> {
    let mut grid = Grid::new();
    if let Some(by) = &args.group_by {
        grid.column(by, false);
    }
    grid.column("tag", false);
    grid.column("runs", true);
    grid.column("step", true);
    for operation in operations {
        grid.column(operation.name(), true);
    }
    let mut steps = 0;
    for group in groups {
        for (tag, (runs, reduced)) in &group.tags {
            steps += reduced.steps.len();
            let all = match args.format {
                Format::Text => reduced.steps.len().saturating_sub(1)..reduced.steps.len(),
                _ => 0..reduced.steps.len(),
            };
            for i in all {
                let mut row = Vec::new();
                if args.group_by.is_some() {
                    row.push(group.key.clone());
                }
                let runs = i64::try_from(*runs).unwrap_or(i64::MAX);
                let step = reduced.steps.get(i).map_or(Cell::Empty, |step| Cell::Int(*step));
                row.extend([tag.as_str().into(), Cell::Int(runs), step]);
                let number =
                    |column: &Vec<f64>| column.get(i).map_or(Cell::Empty, |n| Cell::Number(*n));
                row.extend(reduced.columns.iter().map(number));
                grid.row(row);
            }
        }
    }
    grid.print(args.format)?;
    if args.format == Format::Text {
        let runs: usize = groups.iter().map(|group| group.runs).sum();
        let runs = counted(runs, "run");
        print_note(&format!(
            "{runs}; the last of {}: --format csv has all, --out writes runs",
            counted(steps, "step")
        ))?;
    }
    Ok(())
}

/// A run an operation, below the folder of its group.
fn write(out: &Path, groups: &[ReducedGroup], operations: &[Reduction]) -> Result<()> {
    let folder = Folder::create(out)?;
    let mut runs = 0;
    for group in groups {
        let dir = match &group.key {
            Cell::Empty => folder.path().to_owned(),
            key => folder.path().join(safe_name::encode(&key.to_string())),
        };
        for (i, operation) in operations.iter().enumerate() {
            let writer = SummaryWriter::options().host("tbx").in_folder(&folder);
            let writer = writer.create(dir.join(operation.name()))?;
            for (tag, (_, reduced)) in &group.tags {
                let Some(column) = reduced.columns.get(i) else { continue };
                let points = reduced.steps.iter().zip(&reduced.wall_times).zip(column);
                for ((step, wall_time), value) in points {
                    let wall_time = if wall_time.is_finite() { *wall_time } else { 0.0 };
                    writer.with_wall_time(wall_time)?.add_scalar(tag, *value, *step)?;
                }
            }
            writer.close()?;
            runs += 1;
        }
    }
    folder.finish()?;
    say(&format!("{} written to {}", counted(runs, "run"), out.display()));
    Ok(())
}
