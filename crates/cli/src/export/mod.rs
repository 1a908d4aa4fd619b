//! `tbx export`

mod lines;
mod mlflow;
mod options;
mod wandb;

use crate::variants::variant;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ArgMatches;
use clap::builder::{PossibleValue, PossibleValuesParser};
use unicode_width::UnicodeWidthStr;

use self::options::{Given, TargetKind};
use super::logs::Logs;
use super::options_of::with_options;
use super::progress;
use super::render::{bytes, count, counted, name};
use super::{FAILED, report, restarts, say};
use tbx::error::{Error, Result};
use tbx::logdir::{Logdir, Shard};
use tbx_runs::export::{Export, Exported, ExportedTable, TABLES, TARGETS, Table, Target};
use tbx_runs::table::{Duplicates, Sampling};

/// Name that selects all tables.
const ALL: &str = "all";

#[derive(clap::Args)]
#[command(
    after_help = "Wall times are seconds since the Unix epoch. NaN and infinities are kept: JSON has the strings
NaN, Infinity and -Infinity. A missing value is empty in CSV and null elsewhere.

With several log directories, run names start with the path of their log directory, as in the other commands. In
MLflow, each log directory is an experiment unless --experiment is given.

Several tables become one file each in a directory. With --shard 2/8, out.csv becomes out-2-of-8.csv, so that
machines that share the work can write to one place. Files appear when they are complete.

MLflow gets one run per directory, with its parts: parameters, tags, scalars, images, artifacts, datasets,
status and times; texts, audio clips, PR curves, graphs and histograms become artifacts that its page shows. What
the target already has is not sent again, and what somebody changed or deleted there stays that way.
Credentials come from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or from MLFLOW_TRACKING_TOKEN.

Weights & Biases gets one offline directory per run, with one row per step; wandb sync uploads it.

Examples:
  tbx export runs --to csv --out points.csv
  tbx export monday tuesday --to parquet --table all --out data
  tbx export runs --to mlflow --uri http://127.0.0.1:5000
  tbx export runs --to mlflow --uri sqlite:///mlflow.db
  tbx export runs --to mlruns --out mlruns
  tbx export runs --to wandb --out wandb && wandb sync wandb/offline-run-*
  tbx export runs --to csv --out - --tag '^loss' --sample lttb:500 | head
  tbx export runs --to csv --wide --out steps.csv
  tbx export runs --to json --table meta --out - | jq .meta.git
  tbx export runs --to parquet --table all --out data
  tbx export runs --to parquet --table scalars,runs --shard 2/8 --out data

One query over all shards, in DuckDB:
  SELECT r.\"param.lr\", min(s.value) FROM 'data/scalars-*.parquet' s
  JOIN read_parquet('data/runs-*.parquet', union_by_name=true) r USING (run)
  WHERE s.tag = 'val/loss' GROUP BY ALL;"
)]
pub(super) struct Args {
    #[command(flatten)]
    logs: Logs,

    /// Output format or target.
    #[arg(long, value_name = "FORMAT", value_parser = targets())]
    to: String,

    /// File to write, its URL, or `-` for the standard output. For several tables, mlruns and wandb, the
    /// directory; for mlflow-db, the database.
    #[arg(short, long, value_name = "PATH", required_if_eq_any = needs_out())]
    out: Option<PathBuf>,

    /// Tables to write, separated by commas; all means every table except wide.
    #[arg(
        long,
        value_name = "TABLE",
        value_delimiter = ',',
        default_value = TABLES[0].name,
        value_parser = tables()
    )]
    table: Vec<String>,

    /// Same as --table wide: one column per scalar, at most 100,000.
    #[arg(long, conflicts_with = "table")]
    wide: bool,

    /// How to combine several points of a tag at one step, in the table wide.
    #[arg(long, value_parser = variant::<Duplicates>(), default_value = "keep-last")]
    duplicates: Duplicates,

    /// Thin out series: reservoir:N keeps N points, as TensorBoard with --load_fast=false does; every:N
    /// keeps every N-th. For scalars, minmax:N keeps N points with all peaks, lttb:N keeps N that preserve
    /// the shape of the line. The last point is always kept.
    #[arg(long, value_name = "METHOD:N", value_parser = str::parse::<Sampling>)]
    sample: Option<Sampling>,

    /// Add smoothed values to the tables scalars (column smoothed) and wide (columns smoothed.TAG), as
    /// TensorBoard shows them with this weight, from 0 to 1. The original values stay. Smoothing happens
    /// before --sample.
    #[arg(long, value_name = "WEIGHT", value_parser = super::plot::weight)]
    smooth: Option<f64>,

    /// Export only part I of N of the runs, counted from 1. The part that a run is in depends only on its
    /// name.
    #[arg(long, value_name = "I/N", value_parser = Shard::from_str)]
    shard: Option<Shard>,

    /// Overwrite files that exist; for wandb, directories that tbx wrote and whose run has changed.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    mlflow: mlflow::MlflowArgs,

    #[command(flatten)]
    wandb: wandb::WandbArgs,
}

/// All targets that write files.
fn needs_out() -> Vec<(&'static str, &'static str)> {
    let runs = mlflow::TARGETS.iter().chain([&wandb::TARGET]).map(|(name, _)| *name);
    let runs = runs.filter(|name| *name != "mlflow");
    TARGETS.iter().map(|target| target.name).chain(runs).map(|name| ("to", name)).collect()
}

fn targets() -> PossibleValuesParser {
    let value = |target: &Target| PossibleValue::new(target.name).help(target.about);
    let runs = mlflow::TARGETS.iter().chain([&wandb::TARGET]);
    let runs = runs.map(|(name, about)| PossibleValue::new(*name).help(*about));
    PossibleValuesParser::new(TARGETS.iter().map(value).chain(runs))
}

fn tables() -> PossibleValuesParser {
    let value =
        |table: &Table| PossibleValue::new(table.name).help(with_options(table.about).into_owned());
    let all = PossibleValue::new(ALL)
        .help("all except wide; kinds that the logs do not have get no file");
    PossibleValuesParser::new(TABLES.iter().map(value).chain([all]))
}

impl Args {
    fn tables(&self) -> Vec<&'static Table> {
        let names =
            if self.wide { vec!["wide"] } else { self.table.iter().map(|t| &**t).collect() };
        let tables = |name| match name {
            ALL => Table::all().collect(),
            name => Vec::from_iter(Table::from_name(name)),
        };
        names.into_iter().flat_map(tables).collect()
    }
}

pub(super) fn run(args: &Args, matches: &ArgMatches) -> Result<u8> {
    let given = Given::of(matches);
    let to_mlflow = args.mlflow.to(&args.to);
    let to = match to_mlflow {
        Some(to) => TargetKind::Mlflow(to),
        None if args.to == wandb::TARGET.0 => TargetKind::Wandb,
        None => TargetKind::Tables,
    };
    given.check(to, &args.to)?;
    if to == TargetKind::Tables {
        given.check_tables(&args.tables(), args.sample)?;
    }
    let opened = match to_mlflow {
        Some(_) => args.logs.open_or(mlflow::has_experiment_or_model)?,
        None => args.logs.open()?,
    };
    if opened.is_empty {
        return Ok(opened.code);
    }
    let logdir = Logdir::all(opened.logdirs)?;
    let mut options = args.logs.options();
    if let Some(shard) = args.shard {
        options = options.shard(shard);
    }
    if let Some(to) = to_mlflow {
        let out = args.out.as_deref();
        let code = mlflow::run(&args.mlflow, to, &logdir, &options, out, args.sample)?;
        args.logs.check()?;
        return Ok(code.max(opened.code));
    }
    if to == TargetKind::Wandb {
        let (own, common, out) = (&args.wandb, &args.mlflow, args.out.as_deref());
        let code = wandb::run(own, common, &logdir, &options, out, args.sample, args.force)?;
        args.logs.check()?;
        return Ok(code.max(opened.code));
    }
    let target = Target::from_name(&args.to)?;
    let out = args.out.as_deref().unwrap_or(Path::new("-"));
    if target.name == "parquet" && out == Path::new("-") && io::stdout().is_terminal() {
        return Err(Error::argument(
            "Parquet cannot be shown on a terminal; give a file with --out",
        ));
    }
    let export = Export::new(target)
        .tables(args.tables())
        .leave_out_rare(args.table.iter().any(|table| table == ALL))
        .sample(args.sample)
        .duplicates(args.duplicates)
        .smooth(args.smooth)
        .overwrite(args.force)
        .on_progress(|done| {
            progress::runs(done.runs, done.all_runs, &format!("{} rows", count(done.rows)));
        });
    if out == Path::new("-") {
        progress::end();
    }
    let exported = export.run(&logdir, &options, out)?;
    let is_lossless = report(&exported.report);
    restarts(&exported.report, options.restart_policy());
    args.logs.check()?;
    let summary = summary(&exported, out);
    exported.finish()?;
    summary.lines().for_each(say);
    Ok(if is_lossless { opened.code } else { FAILED })
}

/// Describes what was written.
fn summary(exported: &Exported, out: &Path) -> String {
    let runs = counted(exported.runs, "run");
    let size = |table: &ExportedTable| table.bytes.map(bytes);
    if let [table] = exported.tables.as_slice() {
        let path = name(&table.path.to_string_lossy());
        let size = size(table).map(|size| format!(", {size}")).unwrap_or_default();
        return format!("{} of {runs} written to {path}{size}", rows(table.rows));
    }
    let lines = exported.tables.iter().map(|table| {
        let file = table.path.file_name().unwrap_or_default().to_string_lossy();
        [name(&file), rows(table.rows), size(table).unwrap_or_default()]
    });
    let lines: Vec<_> = lines.collect();
    let [file, rows, size] = [0, 1, 2].map(|i| {
        let widths = lines.iter().filter_map(|line| line.get(i)).map(|cell| cell.width());
        widths.max().unwrap_or(0)
    });
    let mut text = String::new();
    for [name, count, bytes] in &lines {
        text += &format!("{name:file$}  {count:>rows$}  {bytes:>size$}\n");
    }
    text + &format!("{runs} written to {}", name(&out.to_string_lossy()))
}

fn rows(n: u64) -> String {
    format!("{} {}", count(n), if n == 1 { "row" } else { "rows" })
}
