//! `tbx reduce`

use crate::variants::{Variants, variant};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::value_parser;

use super::grid::{Format, Grid};
use super::render::{counted, name};
use super::runs::Runs;
use super::{FAILED, FINE, NO, print_note, report, say, warn};
use tbx::error::{Error, Result};
use tbx::safe_name;
use tbx::writer::SummaryWriter;
use tbx_runs::export::Folder;
use tbx_runs::table::{
    Align, Cell, ColumnNames, Curve, CurveOrder, Duplicates, Group, GroupBy, MAX_TIMES, Reduced,
    Reduction, reduce, smooth,
};

/// Maximum number of names of omitted tags.
const MAX_NAMES: usize = 5;

#[derive(clap::Args)]
#[command(
    after_help = "Operations: mean, std, min, max, median, count, and q0.25 for a quantile, as in NumPy.
NaN is ignored.

By default, curves are compared at the steps that all runs have. Exit code: 0 if there are such steps, 1 if there
are none, 2 for an error.

--align time compares curves at equal times since their first point, as tbx plot --x relative shows them. At each
time at which a run has a point, the other runs count with the linearly interpolated value, but not after their
last point. If a tag has more than 10,000 times, 10,000 evenly spaced ones are used. Points at the same step all
count.

--smooth smooths each run before it is reduced, as TensorBoard and tbx plot do.

Examples:
  tbx reduce runs --tag loss                        mean and deviation over all runs
  tbx reduce seed_1 seed_2 seed_3 --op mean,std --out reduced
  tbx reduce runs --tag reward --align time --smooth 0.9 --format csv
  tbx reduce runs --group-by 'run~^(.*)/seed' --op median,q0.25,q0.75 --format csv"
)]
pub(super) struct Args {
    #[command(flatten)]
    runs: Runs,

    /// Operations on the values at one step, separated by commas.
    #[arg(long, value_name = "OPERATION", value_delimiter = ',', default_value = "mean,std")]
    op: Vec<String>,

    /// Reduce the runs of each group: runs with the same value in this column, or the same match of
    /// run~REGEX in their names.
    #[arg(short, long, value_name = "COLUMN")]
    group_by: Option<String>,

    /// Steps or times at which runs are compared.
    #[arg(long, value_parser = variant::<Align>(), default_value = "inner")]
    align: Align,

    /// Smooth each run first, as TensorBoard does, with this weight from 0 to 1.
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = super::plot::weight)]
    smooth: f64,

    /// Rule for several points at one step of a run; not used with --align time.
    #[arg(long, value_parser = variant::<Duplicates>(), default_value = "keep-last")]
    duplicates: Duplicates,

    /// Degrees of freedom of the standard deviation: 1 as in pandas, 0 as in NumPy.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u8).range(0..=1))]
    ddof: u8,

    /// Leave out tags that fewer runs of a group have [default: the number of runs].
    #[arg(long, value_name = "N")]
    min_runs: Option<usize>,

    /// Write runs to this new directory, one per operation, for TensorBoard. With --align time, the
    /// step is the time in microseconds: choose the relative axis there.
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Output format. Text shows the last step of each tag.
    #[arg(long, value_enum, default_value = "text", conflicts_with = "out")]
    format: Format,
}

impl Variants for Align {
    const ALL: &'static [Self] = Self::ALL;

    fn described(self) -> (&'static str, &'static str) {
        (self.name(), self.about())
    }
}

impl Variants for Duplicates {
    const ALL: &'static [Self] = Self::ALL;

    fn described(self) -> (&'static str, &'static str) {
        (self.name(), self.about())
    }
}

/// The curves of a group, reduced.
struct ReducedGroup {
    key: Cell,
    runs: usize,
    /// The wall time of its first point.
    start: f64,
    tags: BTreeMap<String, (usize, Reduced)>,
}

/// Tags, points and times that are missing from the result.
#[derive(Default)]
struct LeftOut {
    /// Tags that too few runs have.
    rare: BTreeSet<String>,
    /// Tags without a step that all runs have.
    apart: BTreeSet<String>,
    /// Number of points without a wall time.
    timeless: usize,
    /// Number of times beyond the maximum.
    times: usize,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let operations = operations(args)?;
    let order = match args.align {
        Align::Time => CurveOrder::Times,
        _ => args.duplicates.into(),
    };
    let opened = args.runs.logs.open()?;
    if opened.is_empty {
        return Ok(opened.code);
    }
    let table = args.runs.load(&opened, Some(order))?;
    let code = if report(&table.report) { opened.code } else { FAILED };
    args.runs.logs.check()?;
    let names = ColumnNames::of(&table);
    let by = args.group_by.as_deref().map(|by| GroupBy::parse(by, &names)).transpose()?;
    let groups = match &by {
        Some(by) => by.groups(&table.rows),
        None => vec![Group::all(&table.rows)],
    };
    let mut left_out = LeftOut::default();
    let reduced: Vec<_> =
        groups.iter().map(|group| reduce_group(args, group, &operations, &mut left_out)).collect();
    tell(args, &left_out, &reduced)?;
    if reduced.iter().all(|group| group.tags.is_empty()) {
        if table.rows.is_empty() && code == FINE {
            return Ok(FINE);
        }
        if left_out.apart.is_empty() {
            warn("no run has matching scalars");
        }
        return Ok(if code == FINE { NO } else { code });
    }
    match &args.out {
        Some(out) => write(args, out, &reduced, &operations)?,
        None => {
            let heads = heads(args, &operations);
            let heads: Vec<_> = heads.iter().map(String::as_str).collect();
            let key = by.map(|by| by.head(&names, &heads));
            print_groups(args, key, &reduced, &operations)?;
        }
    }
    Ok(code)
}

/// The operations, each once.
fn operations(args: &Args) -> Result<Vec<Reduction>> {
    let mut operations: Vec<Reduction> = Vec::new();
    for name in &args.op {
        let operation = Reduction::parse(name, args.ddof)?;
        if !operations.contains(&operation) {
            operations.push(operation);
        }
    }
    Ok(operations)
}

/// Warns about data that is missing from the result.
fn tell(args: &Args, left_out: &LeftOut, reduced: &[ReducedGroup]) -> Result<()> {
    let names = |tags: &BTreeSet<String>| {
        let names: Vec<_> = tags.iter().take(MAX_NAMES).map(|tag| name(tag)).collect();
        let more = if tags.len() > MAX_NAMES { ", ..." } else { "" };
        format!("{}{more}", names.join(", "))
    };
    let LeftOut { rare, apart, timeless, times } = left_out;
    if !rare.is_empty() {
        let names = names(rare);
        let enough =
            args.min_runs.map_or_else(|| "all".to_owned(), |least| format!("at least {least}"));
        let hint = "--min-runs 1 includes them";
        if apart.is_empty() && reduced.iter().all(|group| group.tags.is_empty()) {
            let what = format!("no tag is in {enough} runs: {names}; {hint}");
            return Err(Error::argument(what));
        }
        let tags = counted(rare.len(), "tag");
        warn(format!("{tags} left out, not in {enough} runs: {names}; {hint}"));
    }
    if !apart.is_empty() {
        let tags = counted(apart.len(), "tag");
        let names = names(apart);
        warn(format!(
            "{tags} left out, since the runs have no step in common: {names}; use --align outer, nearest, \
             interpolated or time"
        ));
    }
    if *timeless > 0 {
        warn(format!("{} without a wall time left out", counted(*timeless, "point")));
    }
    if *times > 0 {
        let most = counted(MAX_TIMES, "time");
        warn(format!("more than {most} of a tag: {} left out", counted(*times, "time")));
    }
    Ok(())
}

/// Reduces the tags of a group that enough of its runs have.
fn reduce_group(
    args: &Args,
    group: &Group<'_>,
    operations: &[Reduction],
    left_out: &mut LeftOut,
) -> ReducedGroup {
    let mut reduced = ReducedGroup {
        key: group.key.clone(),
        runs: group.rows.len(),
        start: f64::INFINITY,
        tags: BTreeMap::new(),
    };
    let mut curves: BTreeMap<&str, Vec<Curve>> = BTreeMap::new();
    for row in &group.rows {
        for (tag, curve) in &row.curves {
            let mut curve = curve.clone();
            if args.smooth > 0.0 {
                curve.values = smooth(&curve.values, args.smooth);
            }
            if args.align == Align::Time {
                let timeless = curve.wall_times.iter().filter(|time| !time.is_finite());
                left_out.timeless += timeless.count();
                reduced.start = reduced.start.min(curve.start().unwrap_or(f64::INFINITY));
                curve = curve.by_time();
            }
            curves.entry(tag).or_default().push(curve);
        }
    }
    // Runs without any scalar are ignored.
    let with_curves = group.rows.iter().filter(|row| !row.curves.is_empty()).count();
    let least = args.min_runs.unwrap_or(with_curves);
    for (tag, curves) in curves {
        if curves.len() < least {
            left_out.rare.insert(tag.to_owned());
            continue;
        }
        let of_tag = reduce(&curves, args.align, operations);
        left_out.times += of_tag.left_out;
        match of_tag.steps.is_empty() {
            true => drop(left_out.apart.insert(tag.to_owned())),
            false => drop(reduced.tags.insert(tag.to_owned(), (curves.len(), of_tag))),
        }
    }
    reduced
}

/// The names of the columns after the key.
fn heads(args: &Args, operations: &[Reduction]) -> Vec<String> {
    let place = if args.align == Align::Time { "time" } else { "step" };
    let fixed = ["tag", "runs", place].map(str::to_owned);
    fixed.into_iter().chain(operations.iter().map(|operation| operation.name())).collect()
}

fn print_groups(
    args: &Args,
    key: Option<String>,
    groups: &[ReducedGroup],
    operations: &[Reduction],
) -> Result<()> {
    let mut grid = Grid::new();
    let has_key = key.is_some();
    if let Some(key) = key {
        grid.column(key, false);
    }
    for (i, head) in heads(args, operations).into_iter().enumerate() {
        grid.column(head, i > 0);
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
                if has_key {
                    row.push(group.key.clone());
                }
                let number =
                    |column: &Vec<f64>| column.get(i).map_or(Cell::Empty, |n| Cell::Number(*n));
                let place = match args.align {
                    Align::Time => number(&reduced.wall_times),
                    _ => reduced.steps.get(i).map_or(Cell::Empty, |step| Cell::Int(*step)),
                };
                let runs = i64::try_from(*runs).unwrap_or(i64::MAX);
                row.extend([tag.as_str().into(), Cell::Int(runs), place]);
                row.extend(reduced.columns.iter().map(number));
                grid.row(row);
            }
        }
    }
    grid.print(args.format)?;
    if args.format == Format::Text {
        let runs: usize = groups.iter().map(|group| group.runs).sum();
        let runs = counted(runs, "run");
        let unit = if args.align == Align::Time { "time" } else { "step" };
        print_note(&format!(
            "{runs}; the last of {}: --format csv has all, --out writes runs",
            counted(steps, unit)
        ))?;
    }
    Ok(())
}

/// One run per operation, in the directory of its group.
fn write(args: &Args, out: &Path, groups: &[ReducedGroup], operations: &[Reduction]) -> Result<()> {
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
                    let start = if args.align == Align::Time { group.start } else { 0.0 };
                    let wall_time = Some(start + wall_time).filter(|time| time.is_finite());
                    let wall_time = wall_time.unwrap_or(0.0);
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
