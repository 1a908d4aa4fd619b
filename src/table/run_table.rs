//! A table with a row a run.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Serialize, Serializer};

use super::Cell;
use super::curve::{Curve, Duplicates};
use super::fold::{self, Folding};
use super::number::exact_or_none;
use super::stats::ScalarStats;
use crate::error::{Report, Result};
use crate::logdir::{LoadOptions, Logdir, Run, TimeSeries};
use crate::meta::{Param, yaml};
use crate::summary::Kind;
use crate::summary::hparams::{HparamValue, HparamsRecord, SessionStatus};

/// A table with a row a run: its parameters, and of each scalar tag a few numbers.
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
    /// The earliest wall time of an event, in seconds since the Unix epoch.
    #[serde(serialize_with = "exact_or_none")]
    pub start_time: Option<f64>,
    /// The latest wall time of a series' last point.
    #[serde(serialize_with = "exact_or_none")]
    pub end_time: Option<f64>,
    /// How it ended, as far as the log says.
    #[serde(serialize_with = "status_name")]
    pub status: Option<SessionStatus>,
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
    /// Parameters come from `hparams` records, and from Lightning's `hparams.yaml` beside the
    /// event files where those have none of that name.
    ///
    /// # Errors
    ///
    /// As [`Logdir::load`].
    pub fn load(logdir: &Logdir, options: &LoadOptions, folding: Folding) -> Result<Self> {
        Self::load_rows(logdir, options, folding, None)
    }

    /// The same with the points of the scalars.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): a tag has two points at a step, and
    /// `duplicates` refuses that; else as [`Logdir::load`].
    pub fn load_curves(
        logdir: &Logdir,
        options: &LoadOptions,
        folding: Folding,
        duplicates: Duplicates,
    ) -> Result<Self> {
        Self::load_rows(logdir, options, folding, Some(duplicates))
    }

    fn load_rows(
        logdir: &Logdir,
        options: &LoadOptions,
        folding: Folding,
        curves: Option<Duplicates>,
    ) -> Result<Self> {
        let options = options.clone().kinds([Kind::Scalar, Kind::Hparams]).payloads(false);
        let names = Names::default();
        let (rows, report) = logdir.map_runs(&options, |run| RunRow::of(&run, &names, curves))?;
        let rows: Vec<RunRow> = rows.into_iter().collect::<Result<_>>()?;
        let rows = match folding {
            Folding::Known => fold::fold(rows),
            Folding::None => rows,
        };
        Ok(Self { rows, report })
    }

    /// The rows of directories folded into those of runs, without points.
    pub fn folded(&self, folding: Folding) -> Vec<RunRow> {
        let without_points = |row: &RunRow| RunRow {
            name: row.name.clone(),
            parts: row.parts.clone(),
            params: row.params.clone(),
            metrics: row.metrics.clone(),
            curves: BTreeMap::new(),
            ..*row
        };
        let rows = self.rows.iter().map(without_points).collect();
        match folding {
            Folding::Known => fold::fold(rows),
            Folding::None => rows,
        }
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

impl Serialize for RunTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows.serialize(serializer)
    }
}

fn status_name<S: Serializer>(
    status: &Option<SessionStatus>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    status.map(SessionStatus::name).serialize(serializer)
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
    pub(crate) fn of(run: &Run, names: &Names, curves: Option<Duplicates>) -> Result<Self> {
        let mut row =
            Self { name: run.name.clone(), start_time: run.start_time, ..Self::default() };
        row.params = Self::params_of(run);
        let is_used = |series: &&TimeSeries| matches!(series.kind(), Kind::Scalar | Kind::Hparams);
        for series in run.series.iter().filter(is_used) {
            if let Some(HparamsRecord::End(end)) = record(series) {
                row.status = Some(end.status);
            }
            let times = series.wall_times().last().filter(|time| time.is_finite());
            row.end_time = row.end_time.into_iter().chain(times.copied()).reduce(f64::max);
            row.last_step = row.last_step.max(series.steps().iter().max().copied());
            if let Some(stats) = ScalarStats::of(series) {
                let tag = names.get(series.tag());
                if let Some(duplicates) = curves {
                    row.curves.insert(tag.clone(), Curve::of(series, duplicates)?);
                }
                row.metrics.insert(tag, stats);
            }
        }
        Ok(row)
    }

    /// The parameters of a run.
    pub(crate) fn params_of(run: &Run) -> BTreeMap<String, Param> {
        let mut params = yaml::read(&run.path);
        for series in &run.series {
            if let Some(HparamsRecord::Start(start)) = record(series) {
                params.extend(params_of(start.values));
            }
        }
        params
    }

    /// From the first event to the last, in seconds.
    pub fn duration(&self) -> Option<f64> {
        let seconds = self.end_time? - self.start_time?;
        (seconds >= 0.0).then_some(seconds)
    }
}

/// A record of hyperparameters; none of another series. What cannot be read says nothing.
fn record(series: &TimeSeries) -> Option<HparamsRecord> {
    let metadata = Some(series.metadata()).filter(|metadata| metadata.kind == Kind::Hparams)?;
    HparamsRecord::read(metadata).ok()
}

fn params_of(values: BTreeMap<String, HparamValue>) -> impl Iterator<Item = (String, Param)> {
    let param = |value| match value {
        HparamValue::Unset => None,
        HparamValue::Bool(value) => Some(Param::Bool(value)),
        HparamValue::Number(value) => Some(Param::Number(value)),
        HparamValue::Text(text) => Some(Param::Text(text)),
    };
    values.into_iter().filter_map(move |(name, value)| Some((name, param(value)?)))
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
