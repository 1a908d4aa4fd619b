//! A table with one row per run.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Serialize, Serializer};

use super::Cell;
use super::curve::{Curve, CurveOrder};
use super::fold::{self, Directory, Folding, Parts};
use super::number::exact_or_none;
use super::stats::ScalarStats;
use tbx::error::{Issue, Report, Result};
use tbx::logdir::{LoadOptions, Logdir, Payloads, Run, TimeSeries};
use tbx::meta::{Param, Status, now};
use tbx::summary::Kind;

/// A table with one row per run: its parameters, and a few statistics of each scalar.
///
/// ```
/// use tbx_runs::table::{RunTable, TableOptions};
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let table = RunTable::load(&logdir, &LoadOptions::new(), &TableOptions::new())?;
/// // `train` and `validation` are parts of one run.
/// assert_eq!(table.rows.len(), 1);
/// let loss = table.rows[0].metrics["validation/epoch_loss"];
/// println!("{} points, the best {} at step {}", loss.count, loss.min, loss.min_step);
/// # Ok::<(), tbx::Error>(())
/// ```
///
/// The table serializes as a list of its rows, with numbers exact to the last bit, and NaN and
/// infinities as strings. With the feature `arrow`, `to_record_batch` passes the columns to Arrow.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RunTable {
    /// The rows, sorted by name.
    pub rows: Vec<RunRow>,
    /// Data that was damaged or dropped during loading.
    pub report: Report,
}

/// How directories become the rows of a [`RunTable`], and what the rows contain.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableOptions {
    folding: Folding,
    curves: Option<CurveOrder>,
}

impl TableOptions {
    /// Folds the known directories, and keeps no points.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which directories are parts of a run. Default: [`Folding::Known`].
    #[must_use]
    pub fn folding(self, folding: Folding) -> Self {
        Self { folding, ..self }
    }

    /// Keeps the points of the scalars: in the order of steps, with a policy for several points at one
    /// step, or in the order of wall times. Default: no points.
    #[must_use]
    pub fn curves(self, order: impl Into<CurveOrder>) -> Self {
        Self { curves: Some(order.into()), ..self }
    }
}

/// A run in a [`RunTable`].
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct RunRow {
    /// The run's name: the path of its directory in the log directory, `.` for the log directory
    /// itself.
    pub name: String,
    /// The names of the directories that were folded into it, except its own.
    pub parts: Vec<String>,
    /// The start time from the run's metadata, otherwise the earliest wall time of an event; in
    /// seconds since the Unix epoch.
    #[serde(serialize_with = "exact_or_none")]
    pub start_time: Option<f64>,
    /// The end time from the run's metadata, otherwise the latest wall time among the last points
    /// of its series.
    #[serde(serialize_with = "exact_or_none")]
    pub end_time: Option<f64>,
    /// The status, from the run's metadata and `hparams` records.
    #[serde(serialize_with = "status_name")]
    pub status: Option<Status>,
    /// The largest step of a scalar.
    pub last_step: Option<i64>,
    /// The hyperparameters, by name.
    #[serde(serialize_with = "values")]
    pub params: BTreeMap<String, Param>,
    /// The scalars, by tag. Tags from a folded directory have its name as a prefix.
    #[serde(serialize_with = "by_tag")]
    pub metrics: BTreeMap<Arc<str>, ScalarStats>,
    /// The points of the scalars, by the same tags; empty unless loaded with
    /// [`TableOptions::curves`].
    #[serde(serialize_with = "by_tag", skip_serializing_if = "BTreeMap::is_empty")]
    pub curves: BTreeMap<Arc<str>, Curve>,
}

impl RunTable {
    /// Loads the runs of `logdir` and summarizes each; only a few runs are in memory at a time.
    ///
    /// The metadata of a run comes from [`Run::meta`]: `tbx.json`, its copy in the log, `hparams`
    /// records and Lightning's `hparams.yaml`. A filter on tags applies to scalars only.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): a tag has several points at one step, and the
    /// order of [`curves`](TableOptions::curves) refuses that; otherwise the same as for
    /// [`Logdir::load`].
    pub fn load(logdir: &Logdir, options: &LoadOptions, table: &TableOptions) -> Result<Self> {
        let Read { rows, directories, report } = Read::load(logdir, options, table.curves)?;
        let parts = Parts::of(logdir, &directories, table.folding);
        Ok(Self { rows: fold(rows, &directories, &parts), report })
    }

    /// The directories, each with its points, and the runs that they are or belong to, without
    /// points.
    #[cfg(feature = "plot")]
    #[doc(hidden)]
    pub fn load_apart(
        logdir: &Logdir,
        options: &LoadOptions,
        table: &TableOptions,
    ) -> Result<(Self, Self)> {
        let Read { rows, directories, report } = Read::load(logdir, options, table.curves)?;
        let without_points = |row: &RunRow| RunRow {
            name: row.name.clone(),
            parts: Vec::new(),
            params: row.params.clone(),
            metrics: row.metrics.clone(),
            curves: BTreeMap::new(),
            ..*row
        };
        let runs = rows.iter().map(without_points).collect();
        let runs = fold(runs, &directories, &Parts::of(logdir, &directories, table.folding));
        Ok((Self { rows, report }, Self { rows: runs, report: Report::default() }))
    }

    /// The names of all parameters.
    pub fn params(&self) -> BTreeSet<&str> {
        self.rows.iter().flat_map(|row| row.params.keys()).map(String::as_str).collect()
    }

    /// The tags of all scalars.
    pub fn metrics(&self) -> BTreeSet<&str> {
        self.rows.iter().flat_map(|row| row.metrics.keys()).map(AsRef::as_ref).collect()
    }
}

/// The directories of a logdir: their rows, and the facts that decide whether they are parts of a
/// run.
struct Read {
    rows: Vec<RunRow>,
    directories: Vec<Directory>,
    report: Report,
}

impl Read {
    fn load(logdir: &Logdir, options: &LoadOptions, curves: Option<CurveOrder>) -> Result<Self> {
        let options = options.clone().kinds(RunRow::KINDS.iter().copied());
        let options = options.with_run_meta().payloads(Payloads::Placed);
        let names = Names::default();
        let of_run = |run: Run| RunRow::of(&run, &names, curves);
        let (found, mut report) = logdir.map_runs(&options, of_run)?;
        let mut read =
            Self { rows: Vec::new(), directories: Vec::new(), report: Report::default() };
        for found in
            found.into_iter().chain(fold::without_logs(logdir, &options).into_iter().map(of_run))
        {
            let (row, directory, issues) = found?;
            read.rows.push(row);
            read.directories.push(directory);
            report.issues.extend(issues);
        }
        Ok(Self { report, ..read })
    }
}

impl Serialize for RunTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows.serialize(serializer)
    }
}

fn status_name<S: Serializer>(status: &Option<Status>, serializer: S) -> Result<S::Ok, S::Error> {
    status.map(Status::name).serialize(serializer)
}

fn values<S: Serializer>(
    params: &BTreeMap<String, Param>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(params.iter().map(|(name, value)| (name, Cell::from(value))))
}

fn by_tag<S: Serializer>(
    of_tag: &BTreeMap<Arc<str>, impl Serialize>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(of_tag.iter().map(|(tag, value)| (&**tag, value)))
}

impl RunRow {
    /// The kinds of data that a row consists of. For kinds other than scalars, places are enough.
    pub(crate) const KINDS: &[Kind] = &[Kind::Scalar, Kind::Hparams, Kind::Meta];

    /// The row of a directory, the facts that decide whether it is a run, and the errors in reading
    /// its metadata.
    pub(crate) fn of(
        run: &Run,
        names: &Names,
        curves: Option<CurveOrder>,
    ) -> Result<(Self, Directory, Vec<Issue>)> {
        let (meta, issues) = run.meta();
        let directory = Directory::of(run, &meta, &issues);
        let mut row = Self {
            name: run.name.clone(),
            status: meta.status_at(now()),
            params: meta.params,
            ..Self::default()
        };
        let is_used = |series: &&TimeSeries| matches!(series.kind(), Kind::Scalar | Kind::Hparams);
        for series in run.series.iter().filter(is_used) {
            let times = series.wall_times().last().filter(|time| time.is_finite());
            row.end_time = row.end_time.into_iter().chain(times.copied()).reduce(f64::max);
            // Steps of measurements of the machine are seconds, or numbers of measurements.
            if !series.tag().starts_with("system/") {
                row.last_step = row.last_step.max(series.steps().iter().max().copied());
            }
            if let Some(stats) = ScalarStats::of(series) {
                let tag = names.get(series.tag());
                if let Some(order) = curves {
                    row.curves.insert(tag.clone(), Curve::of(series, order)?);
                }
                row.metrics.insert(tag, stats);
            }
        }
        row.start_time = meta.start_time.or(run.start_time);
        row.end_time = meta.end_time.or(row.end_time);
        Ok((row, directory, issues))
    }

    /// The time from start to end, in seconds.
    pub fn duration(&self) -> Option<f64> {
        let seconds = self.end_time? - self.start_time?;
        (seconds >= 0.0).then_some(seconds)
    }
}

/// Folds the rows of `directories`; the result is sorted by name.
pub(super) fn fold(rows: Vec<RunRow>, directories: &[Directory], parts: &Parts) -> Vec<RunRow> {
    let runs = parts.runs(directories);
    let (mut folded, mut left): (BTreeMap<String, RunRow>, Vec<RunRow>) = Default::default();
    for row in rows {
        match runs.contains(&row.name) {
            true => drop(folded.insert(row.name.clone(), row)),
            false => left.push(row),
        }
    }
    // The directories nearest to the run come first.
    left.sort_by(|a, b| {
        fold::depth(&a.name).cmp(&fold::depth(&b.name)).then_with(|| a.name.cmp(&b.name))
    });
    for row in left {
        let name = parts.run_of(&row.name);
        if name != row.name {
            let run = folded.entry(name.clone());
            let run = run.or_insert_with(|| RunRow { name, ..RunRow::default() });
            merge(run, renamed(row, parts));
        }
    }
    folded.into_values().collect()
}

fn renamed(row: RunRow, parts: &Parts) -> RunRow {
    let RunRow { name, metrics, curves, .. } = row;
    let new = |tag: Arc<str>| -> Arc<str> { parts.place(&name, &tag).1.into() };
    let metrics = metrics.into_iter().map(|(tag, stats)| (new(tag), stats)).collect();
    let curves = curves.into_iter().map(|(tag, curve)| (new(tag), curve)).collect();
    RunRow { name, metrics, curves, ..row }
}

/// Adds the contents of `part` to `run`. They have nothing in common, see [`mod@fold`].
fn merge(run: &mut RunRow, part: RunRow) {
    run.parts.push(part.name);
    run.start_time = [run.start_time, part.start_time].into_iter().flatten().reduce(f64::min);
    run.end_time = [run.end_time, part.end_time].into_iter().flatten().reduce(f64::max);
    run.last_step = run.last_step.max(part.last_step);
    run.status = run.status.or(part.status);
    for (name, value) in part.params {
        run.params.entry(name).or_insert(value);
    }
    for (tag, stats) in part.metrics {
        run.metrics.entry(tag).or_insert(stats);
    }
    for (tag, curve) in part.curves {
        run.curves.entry(tag).or_insert(curve);
    }
}

/// Stores each tag once: a hundred thousand runs usually have the same few.
#[derive(Default)]
pub(crate) struct Names(Mutex<HashSet<Arc<str>>>);

impl Names {
    fn get(&self, name: &str) -> Arc<str> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        names.insert(name.clone());
        name
    }
}
