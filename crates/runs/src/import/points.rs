//! Writes scalars.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::table::{Directory, Parts, RunRow, TagNames};
use crate::trackers::source::{At, LeftOut, Points, Series};
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

/// Sorts points so that readers lose none of a series: TensorBoard's default loader drops points
/// that precede a lower or equal step. The sort keeps the logging order of points with the same
/// time. Points without a time that a log can have are left out.
pub(super) fn sort(all: &mut Vec<Series>, left_out: &mut Vec<LeftOut>) {
    for series in all.iter_mut() {
        match &mut series.points {
            Points::Scalars(points) => in_order(points, left_out),
            Points::Histograms(points) => in_order(points, left_out),
            Points::Images(points) => in_order(points, left_out),
            Points::Audio(points) => in_order(points, left_out),
            Points::Texts(points) => in_order(points, left_out),
            Points::Meshes(points) => in_order(points, left_out),
        }
    }
    all.retain(|series| series.points.len() > 0);
}

fn in_order<T>(points: &mut Vec<At<T>>, left_out: &mut Vec<LeftOut>) {
    let all = points.len();
    points.retain(|point| point.wall_time.is_finite());
    let without = u64::try_from(all - points.len()).unwrap_or(u64::MAX);
    LeftOut::count(left_out, "values without a time", without, false);
    points.sort_by(|a, b| a.step.cmp(&b.step).then(a.wall_time.total_cmp(&b.wall_time)));
}

/// The scalars of a series.
fn scalars(series: &Series) -> Option<(&String, &Vec<At<f64>>)> {
    match &series.points {
        Points::Scalars(points) => Some((&series.tag, points)),
        _ => None,
    }
}

/// Writes the points of a series.
pub(super) fn write(
    writer: &SummaryWriter,
    tag: &str,
    points: &[At<f64>],
    float64: bool,
    written: &mut Written,
) -> Result<()> {
    let mut last = None;
    for point in points {
        let at = writer.with_wall_time(point.wall_time)?;
        at.add_scalar(tag, point.value, point.step)?;
        written.points += 1;
        written.rounded += u64::from(!float64 && is_rounded(point.value));
        written.same_step += u64::from(last.replace(point.step) == Some(point.step));
    }
    Ok(())
}

/// The exact last values of scalars that float32 cannot represent.
pub(super) fn exact(all: &[Series]) -> BTreeMap<String, Summary> {
    let of = |(tag, points): (&String, &Vec<At<f64>>)| {
        let last = points.last().filter(|last| is_rounded(last.value))?;
        let mut summary = Summary::new(last.value);
        summary.statistic = Some("last".to_owned());
        summary.step = Some(last.step);
        Some((tag.clone(), summary))
    };
    all.iter().filter_map(scalars).filter_map(of).collect()
}

/// Whether TensorBoard's table of hyperparameters can show all scalars. It fails for all runs if
/// the last step of one metric exceeds 32 bits (`MetricValue` in `plugins/hparams/api.proto`).
pub(super) fn fit_into_table(all: &[Series]) -> bool {
    let mut last = all.iter().filter_map(scalars).filter_map(|(_, points)| points.last());
    last.all(|last| i32::try_from(last.step).is_ok())
}

/// Removes the series that are no scalars, and the points that the log in `folder` already has.
pub(super) fn without_those_in(folder: &Folder, all: &mut Vec<Series>) -> Result<()> {
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
    all.retain_mut(|series| {
        let Points::Scalars(points) = &mut series.points else { return false };
        if let Some(there) = there.get(&series.tag) {
            points.retain(|point| !there.contains(&(point.step, milliseconds(point.wall_time))));
        }
        !points.is_empty()
    });
    Ok(())
}

/// Trackers keep times in milliseconds, event files in float64 seconds.
#[expect(clippy::as_conversions, reason = "what is out of range becomes the nearest")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1e3).round() as i64
}

/// Whether float32 cannot represent the value.
#[expect(clippy::as_conversions, reason = "this loss is what is tested")]
fn is_rounded(value: f64) -> bool {
    !value.is_nan() && f64::from(value as f32) != value
}
