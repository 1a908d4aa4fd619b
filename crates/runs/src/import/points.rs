//! Converts metrics to scalars.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::mlflow::Metrics;
use crate::table::{Directory, Parts, RunRow, TagNames};
use crate::trackers::mlflow::{HistoryPoint, milliseconds, seconds};
use tbx::error::Result;
use tbx::logdir::{LoadOptions, Logdir, Payloads, RestartPolicy};
use tbx::meta::Summary;
use tbx::replace::Folder;
use tbx::summary::Kind;
use tbx::writer::SummaryWriter;

/// Counts of the points that were written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) points: u64,
    pub(super) rounded: u64,
    pub(super) same_step: u64,
}

/// Sorts points so that readers lose none of a metric: TensorBoard's default loader drops points
/// that precede a lower or equal step. The sort keeps the logging order of points with the same
/// time.
pub(super) fn sort(metrics: &mut Metrics) {
    for points in metrics.values_mut() {
        points.sort_by_key(|point| (point.step, point.timestamp));
    }
}

/// Writes the points, one metric after another; `names` holds the original names of some metrics.
pub(super) fn write(
    writer: &SummaryWriter,
    metrics: &Metrics,
    names: &BTreeMap<String, String>,
    float64: bool,
) -> Result<Written> {
    let mut written = Written::default();
    for (name, points) in metrics {
        let tag = names.get(name).unwrap_or(name);
        let mut last = None;
        for point in points {
            let at = writer.with_wall_time(seconds(point.timestamp))?;
            at.add_scalar(tag, point.value, point.step)?;
            written.points += 1;
            written.rounded += u64::from(!float64 && is_rounded(point.value));
            written.same_step += u64::from(last.replace(point.step) == Some(point.step));
        }
    }
    Ok(written)
}

/// The exact last values of metrics that float32 cannot represent.
pub(super) fn exact(
    metrics: &Metrics,
    names: &BTreeMap<String, String>,
) -> BTreeMap<String, Summary> {
    let of = |(name, points): (&String, &Vec<HistoryPoint>)| {
        let last = points.last().filter(|last| is_rounded(last.value))?;
        let mut summary = Summary::new(last.value);
        summary.statistic = Some("last".to_owned());
        summary.step = Some(last.step);
        Some((names.get(name).unwrap_or(name).clone(), summary))
    };
    metrics.iter().filter_map(of).collect()
}

/// Whether TensorBoard's table of hyperparameters can show all metrics. It fails for all runs if
/// the last step of one metric exceeds 32 bits (`MetricValue` in `plugins/hparams/api.proto`).
pub(super) fn fit_into_table(metrics: &Metrics) -> bool {
    let mut last = metrics.values().filter_map(|points| points.last());
    last.all(|last| i32::try_from(last.step).is_ok())
}

/// Removes the points that the log in `folder` already has.
pub(super) fn without_those_in(
    folder: &Folder,
    metrics: &mut Metrics,
    names: &BTreeMap<String, String>,
) -> Result<()> {
    let options =
        LoadOptions::new().kinds(RunRow::KINDS.iter().copied()).payloads(Payloads::Placed);
    let loaded = Logdir::of_folder(folder)?.load(&options.restart(RestartPolicy::KeepAll))?;
    // Directories such as `train` were exported as parts of the run.
    let mut directories = Vec::with_capacity(loaded.runs.len());
    for run in &loaded.runs {
        directories.push(RunRow::of(run, &TagNames::default(), None)?.1);
    }
    if loaded.runs.iter().all(|run| run.name != ".") {
        directories.push(Directory::of_run("."));
    }
    let parts = Parts::among(&directories.iter().collect::<Vec<_>>());
    let mut there: HashMap<String, HashSet<(i64, i64)>> = HashMap::new();
    for run in &loaded.runs {
        for series in run.series.iter().filter(|series| series.kind() == Kind::Scalar) {
            let (_, tag) = parts.place(&run.name, series.tag());
            let points = there.entry(tag).or_default();
            let times = series.wall_times().iter().map(|time| milliseconds(*time));
            points.extend(series.steps().iter().copied().zip(times));
        }
    }
    for (name, points) in metrics.iter_mut() {
        let tag = names.get(name).unwrap_or(name);
        if let Some(there) = there.get(tag) {
            points.retain(|point| !there.contains(&(point.step, point.timestamp)));
        }
    }
    metrics.retain(|_, points| !points.is_empty());
    Ok(())
}

/// Whether float32 cannot represent the value.
#[expect(clippy::as_conversions, reason = "this loss is what is tested")]
fn is_rounded(value: f64) -> bool {
    !value.is_nan() && f64::from(value as f32) != value
}
