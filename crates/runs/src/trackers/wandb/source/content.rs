//! Makes the content of a run from the segments of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::artifacts::RunFiles;
use super::axis::{Axes, Steps};
use super::exported;
use super::facts::{Known, start_time};
use super::file::RunFile;
use super::history::{Column, Counts, History, Row};
use super::media::{Adder, Files, Values, When};
use super::row::whole;
use super::times::WallTimes;
use crate::trackers::source::{At, Content, LeftOut, Points, Series, SourceOptions};
use tbx::error::{Effect, ErrorKind, Issue, Location, Report};
use tbx::store::Root;
use tbx::wandb::offline::X_AXIS;

/// The key of the times that the package adds itself.
const TIME: &str = "_timestamp";

/// The start of the tags of measurements of the machine.
const SYSTEM: &str = "system/";

/// Maximum number of metrics that a note names.
const MAX_NAMED: usize = 5;

/// Makes the content of a run.
pub(super) struct Builder<'a> {
    pub(super) root: &'a Root,
    pub(super) options: &'a SourceOptions,
    /// The identifier of the run.
    pub(super) id: &'a str,
    /// The name of the run.
    pub(super) name: &'a str,
    /// Whether files are wanted.
    pub(super) artifacts: bool,
    /// Seconds since the Unix epoch.
    pub(super) now: f64,
}

impl Builder<'_> {
    /// The content of a run with these segments, which are in order. A later segment replaces the points of earlier
    /// ones from its first step on.
    pub(super) fn build(&self, mut segments: Vec<RunFile>, report: &mut Report) -> Content {
        let mut content = Content::default();
        let mut left_out = Vec::new();
        let mut values = Values::default();
        let is_of_tbx: Vec<bool> = segments.iter_mut().map(take_own_steps).collect();
        let metrics: Vec<_> = segments.iter().flat_map(|file| file.metrics.clone()).collect();
        // That axis is the steps themselves.
        let is_own = |axis: &&str| *axis == X_AXIS && is_of_tbx.contains(&true);
        let chosen = self.options.step.as_deref().filter(|axis| !is_own(axis));
        let axes = Axes::new(&metrics, chosen);
        let mut scalars: BTreeMap<String, Vec<At<f64>>> = BTreeMap::new();
        let cuts = self.cuts(&segments);
        for ((segment, cut), is_of_tbx) in segments.iter_mut().zip(&cuts).zip(&is_of_tbx) {
            self.choose_times(segment, report);
            fill_times(segment);
            let has_own = *is_of_tbx && self.options.time.is_none();
            let times = match has_own {
                true => WallTimes::read(self.root, &segment.dir, report),
                false => WallTimes::default(),
            };
            self.history(
                segment,
                *cut,
                &axes,
                &times,
                &mut scalars,
                &mut values,
                &mut left_out,
                report,
            );
            segment.history.columns = Vec::new();
        }
        stats(&mut segments, &mut scalars);
        content.series.extend(scalars.into_iter().map(|(tag, points)| Series {
            tag,
            description: None,
            points: Points::Scalars(points),
        }));
        content.series.extend(values.take_series());
        content.series.sort_by(|a, b| a.tag.cmp(&b.tag));

        let mut console = String::new();
        let mut failure = None;
        let (mut config, mut summary) = (Map::new(), Map::new());
        for (segment, is_of_tbx) in segments.iter_mut().zip(is_of_tbx) {
            count(segment, &mut left_out);
            let (text, failed) = std::mem::take(&mut segment.console).into_parts();
            console.push_str(&text);
            failure = failed;
            for (all, changes, kind, own) in [
                (&mut config, &mut segment.config, "parameters", None),
                (&mut summary, &mut segment.summary, "values of the summary", Some(X_AXIS)),
            ] {
                let dropped = changes.dropped;
                let (mut object, broken) = std::mem::take(changes).finish();
                if let Some(own) = own.filter(|_| is_of_tbx) {
                    object.remove(own);
                }
                all.extend(object);
                let broken = u64::try_from(broken.len()).unwrap_or(u64::MAX);
                let what = format!("{kind} that are not JSON, or too many");
                LeftOut::count(&mut left_out, &what, broken.saturating_add(dropped), false);
            }
        }
        let last = segments.last().filter(|last| last.is_of_tbx());
        let before = last.and_then(|last| exported::meta(self.root, &last.dir, report));
        if let Some(before) = &before {
            console = exported::console(console, before);
        }
        if self.artifacts {
            let mut files = RunFiles::default();
            files.of_directories(self.root, &segments, &values.in_log, &values.facts, report);
            files.add_console(console);
            files.of_artifacts(self.root, &segments, self.options);
            content.files = files.files;
            content.elsewhere = files.elsewhere.into_iter().collect();
            content.is_cut = files.is_cut;
            left_out.extend(files.left_out);
        }
        let tensorboard = segments.iter().flat_map(|segment| segment.tensorboard.iter().cloned());
        content.elsewhere.extend(tensorboard);
        let known =
            Known { root: self.root, segments: &segments, config, summary, failure, now: self.now };
        content.meta = known.meta(&mut left_out);
        if let Some(before) = before {
            let now = std::mem::take(&mut content.meta);
            content.meta = exported::restored(before, now, &content.files);
        }
        let facts =
            content.meta.other.entry(super::facts::WANDB).or_insert_with(|| Map::new().into());
        if let Some(facts) = facts.as_object_mut() {
            facts.insert("run_id".into(), self.id.into());
        }
        for left in left_out.into_iter().chain(values.left_out) {
            LeftOut::count(&mut content.left_out, &left.kind, left.count, left.is_least);
        }
        content
    }

    /// For each segment, the step from which on a later segment has the points.
    fn cuts(&self, segments: &[RunFile]) -> Vec<i64> {
        let first = |segment: &RunFile| {
            let branch = segment.run.as_ref().and_then(|run| run.branch_point.as_ref());
            // The run goes back in itself.
            let branch = branch.filter(|point| point.run == segment.id());
            let branch =
                branch.and_then(|point| whole(point.value)).map(|step| step.saturating_add(1));
            let row = segment.history.rows.iter().map(|row| row.step).min();
            [branch, row].into_iter().flatten().min()
        };
        let mut cut = i64::MAX;
        let mut cuts: Vec<_> = segments
            .iter()
            .rev()
            .map(|segment| {
                let own = cut;
                cut = cut.min(first(segment).unwrap_or(i64::MAX));
                own
            })
            .collect();
        cuts.reverse();
        cuts
    }

    /// Gives rows the times that the user chose.
    fn choose_times(&self, segment: &mut RunFile, report: &mut Report) {
        let Some(key) = &self.options.time else { return };
        let history = &mut segment.history;
        let column = history.columns.iter().find(|column| column.name() == *key);
        let points = column.map(|column| column.points.as_slice()).unwrap_or_default();
        for (row, time) in points.iter().filter(|(_, time)| time.is_finite()) {
            let row = usize::try_from(*row).ok().and_then(|row| history.rows.get_mut(row));
            if let Some(row) = row {
                row.time = *time;
            }
        }
        if points.len() < history.rows.len() && key != TIME {
            let what = format!("{key} has no value in some rows: their times are those of {TIME}");
            let location = Location::of(segment.path.as_path()).with_run(self.name);
            report.issues.push(Issue::new(ErrorKind::Value(what), location, Effect::Kept));
        }
    }

    /// Adds the history of a segment, up to the step `cut`.
    #[expect(clippy::too_many_arguments, reason = "the parts of a run")]
    fn history(
        &self,
        segment: &mut RunFile,
        cut: i64,
        axes: &Axes,
        times: &WallTimes,
        scalars: &mut BTreeMap<String, Vec<At<f64>>>,
        values: &mut Values,
        left_out: &mut Vec<LeftOut>,
        report: &mut Report,
    ) {
        let others = std::mem::take(&mut segment.history.others);
        let history = &segment.history;
        let row = |row: u32| usize::try_from(row).ok().and_then(|row| history.rows.get(row));
        let is_kept = |at: u32| row(at).is_some_and(|row| row.step < cut);
        let time = |at: u32| row(at).map_or(0.0, |row| row.time);
        let mut steps = Steps::new(history, axes);
        let mut replaced = 0u64;
        for column in history.columns.iter().filter(|column| !column.points.is_empty()) {
            let name = column.name();
            let rows = column.points.iter().map(|(row, _)| *row);
            let found = steps.of(&name, rows);
            let own = times.of(&name);
            let points = scalars.entry(name).or_default();
            points.reserve_exact(column.points.len());
            for ((row, value), step) in column.points.iter().zip(found) {
                if is_kept(*row) {
                    let wall_time = own(step).unwrap_or_else(|| time(*row));
                    points.push(At { step, wall_time, value: *value });
                } else {
                    replaced = replaced.saturating_add(1);
                }
            }
        }
        let files =
            Files { root: self.root, dir: &segment.dir, draw_boxes: self.options.draw_boxes };
        let mut columns: BTreeMap<usize, Vec<(u32, Value)>> = BTreeMap::new();
        for other in others {
            if is_kept(other.row) {
                columns.entry(other.column).or_default().push((other.row, other.value));
            } else {
                replaced = replaced.saturating_add(1);
            }
        }
        for (column, of_column) in columns {
            let Some(column) = history.columns.get(column) else { continue };
            let name = column.name();
            let found = steps.of(&name, of_column.iter().map(|(row, _)| *row));
            let own = times.of(&name);
            for ((row, value), step) in of_column.into_iter().zip(found) {
                let when = When { step, time: own(step).unwrap_or_else(|| time(row)) };
                let (run, tag) = (self.name, name.as_str());
                Adder { files, run, tag, when, values, report }.add(value);
            }
        }
        LeftOut::count(left_out, "values that a resumed run logged again", replaced, false);
        for (axis, metrics) in &steps.unused {
            let more = metrics.len().saturating_sub(MAX_NAMED);
            let named: Vec<_> = metrics.iter().take(MAX_NAMED).map(String::as_str).collect();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let what = format!(
                "{axis} has no whole number at each value of {}{more}: their steps are those of _step",
                named.join(", ")
            );
            let location = Location::of(segment.path.as_path()).with_run(self.name);
            report.issues.push(Issue::new(ErrorKind::Value(what), location, Effect::Kept));
        }
    }
}

/// Gives the rows of a file that tbx wrote the steps of its log, which are values there because `_step` must rise.
/// Returns whether it is such a file.
fn take_own_steps(segment: &mut RunFile) -> bool {
    if !segment.is_of_tbx() {
        return false;
    }
    let History { columns, rows, .. } = &mut segment.history;
    let is_axis = |column: &&mut Column| matches!(column.path.as_slice(), [key] if key == X_AXIS);
    for column in columns.iter_mut().filter(is_axis) {
        for (row, step) in std::mem::take(&mut column.points) {
            let row = usize::try_from(row).ok().and_then(|row| rows.get_mut(row));
            // A step that a float64 cannot have is the same in `_step`, unless earlier ones repeat.
            if let Some((row, step)) = row.zip(whole(step)) {
                row.step = step;
            }
        }
    }
    segment.metrics.retain(|metric| metric.name != X_AXIS);
    for metric in &mut segment.metrics {
        if metric.step_metric == X_AXIS {
            metric.step_metric.clear();
        }
    }
    true
}

/// Gives rows before the first time that time, or the start of the run.
fn fill_times(segment: &mut RunFile) {
    let first = segment.history.rows.iter().map(|row| row.time).find(|time| time.is_finite());
    let first = first.or_else(|| start_time(segment)).unwrap_or_default();
    let is_before = |row: &&mut Row| !row.time.is_finite();
    for row in segment.history.rows.iter_mut().take_while(is_before) {
        row.time = first;
    }
}

/// Adds the measurements of the machine. They have no steps: the step is the number of the measurement.
fn stats(segments: &mut [RunFile], scalars: &mut BTreeMap<String, Vec<At<f64>>>) {
    let mut before = 0i64;
    for segment in segments {
        for (key, points) in std::mem::take(&mut segment.stats) {
            let series = scalars.entry(format!("{SYSTEM}{key}")).or_default();
            series.extend(points.into_iter().map(|(index, wall_time, value)| At {
                step: before.saturating_add(index),
                wall_time,
                value,
            }));
        }
        before = before.saturating_add(segment.stats_count);
    }
}

/// Counts what is not kept of a segment.
fn count(segment: &RunFile, left_out: &mut Vec<LeftOut>) {
    let Counts { nulls, rounded, dropped, broken } = segment.history.counts;
    for (what, count) in [
        ("values that are null", nulls),
        ("integers that were rounded to float64", rounded),
        ("values beyond a limit", dropped),
        ("values that are not JSON", broken),
        ("records of unknown kinds", segment.unknown),
        ("objects beyond a limit", segment.dropped),
        ("bytes of console output beyond a limit", segment.console.dropped),
    ] {
        LeftOut::count(left_out, what, count, false);
    }
}
