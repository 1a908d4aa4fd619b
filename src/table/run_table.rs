//! A table with one row per run.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Serialize, Serializer};

use super::Cell;
use super::curve::{Curve, CurveOrder};
use super::fold::{self, Directory, Folding, Parts};
use super::number::exact_or_none;
use super::stats::ScalarStats;
use crate::error::{Issue, Report, Result};
use crate::logdir::{LoadOptions, Logdir, Run, TimeSeries};
use crate::meta::{Param, Status, now};
use crate::summary::Kind;

/// A table with one row per run: its parameters, and a few numbers of each scalar.
///
/// ```
/// use tbx::table::{Folding, RunTable};
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let table = RunTable::load(&logdir, &LoadOptions::new(), Folding::Known)?;
/// // `train` and `validation` are parts of one run.
/// assert_eq!(table.rows.len(), 1);
/// let loss = table.rows[0].metrics["validation/epoch_loss"];
/// println!("{} points, the best {} at step {}", loss.count, loss.min, loss.min_step);
/// # Ok::<(), tbx::Error>(())
/// ```
///
/// It serializes as a list of its rows: numbers to the last bit, NaN and infinities as strings. With
/// the feature `arrow`, `to_record_batch` gives the columns to Arrow.
#[derive(Debug)]
pub struct RunTable {
    /// The rows, sorted by name.
    pub rows: Vec<RunRow>,
    /// What was damaged or dropped on the way.
    pub report: Report,
}

/// A run in a [`RunTable`].
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct RunRow {
    /// Its name: the path of its directory in the log directory, `.` for that itself.
    pub name: String,
    /// The names of the directories that were folded into it, apart from its own.
    pub parts: Vec<String>,
    /// When it began, as its metadata says, else the earliest wall time of an event; in seconds since
    /// the Unix epoch.
    #[serde(serialize_with = "exact_or_none")]
    pub start_time: Option<f64>,
    /// When it ended, as its metadata says, else the latest wall time of a series' last point.
    #[serde(serialize_with = "exact_or_none")]
    pub end_time: Option<f64>,
    /// How it is doing, as its metadata and `hparams` records say.
    #[serde(serialize_with = "status_name")]
    pub status: Option<Status>,
    /// The largest step of a scalar.
    pub last_step: Option<i64>,
    /// Its hyperparameters, by name.
    #[serde(serialize_with = "values")]
    pub params: BTreeMap<String, Param>,
    /// Its scalars, by tag. Those of a folded directory have its name before them.
    #[serde(serialize_with = "by_tag")]
    pub metrics: BTreeMap<Arc<str>, ScalarStats>,
    /// The points of its scalars, by the same tags; empty unless they were
    /// [asked for](RunTable::load_curves).
    #[serde(serialize_with = "by_tag", skip_serializing_if = "BTreeMap::is_empty")]
    pub curves: BTreeMap<Arc<str>, Curve>,
}

impl RunTable {
    /// Loads the runs of `logdir` and sums each up; no more than a few are in memory at a time.
    ///
    /// What a run is comes from [`Run::meta`]: `tbx.json`, its copy in the log, `hparams` records and
    /// Lightning's `hparams.yaml`. Tags that were asked for are those of scalars.
    ///
    /// # Errors
    ///
    /// As [`Logdir::load`].
    pub fn load(logdir: &Logdir, options: &LoadOptions, folding: Folding) -> Result<Self> {
        Self::load_rows(logdir, options, folding, None)
    }

    /// The same with the points of the scalars: in the order of steps, with a rule for several
    /// points at one step, or in the order of wall times.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): a tag has two points at a step, and
    /// `order` refuses that; otherwise as [`Logdir::load`].
    pub fn load_curves(
        logdir: &Logdir,
        options: &LoadOptions,
        folding: Folding,
        order: impl Into<CurveOrder>,
    ) -> Result<Self> {
        Self::load_rows(logdir, options, folding, Some(order.into()))
    }

    /// The directories, each with its points, and the runs that they are or belong to, without.
    #[cfg(feature = "plot")]
    pub(crate) fn load_apart(
        logdir: &Logdir,
        options: &LoadOptions,
        folding: Folding,
        order: CurveOrder,
    ) -> Result<(Self, Self)> {
        let Read { rows, directories, report } = Read::load(logdir, options, Some(order))?;
        let without_points = |row: &RunRow| RunRow {
            name: row.name.clone(),
            parts: Vec::new(),
            params: row.params.clone(),
            metrics: row.metrics.clone(),
            curves: BTreeMap::new(),
            ..*row
        };
        let runs = rows.iter().map(without_points).collect();
        let runs = fold::fold(runs, &directories, &Parts::of(logdir, &directories, folding));
        Ok((Self { rows, report }, Self { rows: runs, report: Report::default() }))
    }

    fn load_rows(
        logdir: &Logdir,
        options: &LoadOptions,
        folding: Folding,
        curves: Option<CurveOrder>,
    ) -> Result<Self> {
        let Read { rows, directories, report } = Read::load(logdir, options, curves)?;
        let parts = Parts::of(logdir, &directories, folding);
        Ok(Self { rows: fold::fold(rows, &directories, &parts), report })
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

/// The directories of a logdir: their rows, and what decides whether they are parts of a run.
struct Read {
    rows: Vec<RunRow>,
    directories: Vec<Directory>,
    report: Report,
}

impl Read {
    fn load(logdir: &Logdir, options: &LoadOptions, curves: Option<CurveOrder>) -> Result<Self> {
        let options = options.clone().kinds(RunRow::KINDS.iter().copied());
        let options = options.with_run_meta().places();
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
    /// The kinds of data that a row is made of. Of other kinds than scalars their places will do.
    pub(crate) const KINDS: &[Kind] = &[Kind::Scalar, Kind::Hparams, Kind::Meta];

    /// The row of a directory, what decides whether that is a run, and what of its metadata could
    /// not be read.
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
            row.last_step = row.last_step.max(series.steps().iter().max().copied());
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

    /// From its beginning to its end, in seconds.
    pub fn duration(&self) -> Option<f64> {
        let seconds = self.end_time? - self.start_time?;
        (seconds >= 0.0).then_some(seconds)
    }
}

/// Each tag once: a hundred thousand runs have the same few.
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
