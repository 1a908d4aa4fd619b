//! The x axis of a metric.

use std::collections::{BTreeMap, HashMap};

use super::history::{Column, History};
use super::row::whole;
use tbx::wandb::items::Metric;

/// The key of the steps that the package counts itself.
const STEP: &str = "_step";

/// The x axes of metrics.
pub(super) struct Axes {
    /// The one that the user chose for all metrics.
    chosen: Option<String>,
    /// Axes by name of a metric, and whether rows without a value have the last one.
    exact: HashMap<String, (String, bool)>,
    /// The same by the start of a name. The last one counts.
    patterns: Vec<(String, (String, bool))>,
}

impl Axes {
    /// The axes that a run defined, or the one that the user chose.
    pub(super) fn new<'m>(
        metrics: impl IntoIterator<Item = &'m Metric>,
        chosen: Option<&str>,
    ) -> Self {
        let mut axes =
            Self { chosen: chosen.map(str::to_owned), exact: HashMap::new(), patterns: Vec::new() };
        for metric in metrics.into_iter().filter(|metric| !metric.step_metric.is_empty()) {
            let is_synced = metric.options.is_some_and(|options| options.step_sync);
            let axis = (plain(&metric.step_metric), is_synced);
            match metric.glob_name.strip_suffix('*') {
                Some(start) => axes.patterns.push((plain(start), axis)),
                None => {
                    axes.exact.insert(plain(&metric.name), axis);
                }
            }
        }
        axes
    }

    /// The axis of a metric, and whether rows without a value of it have the last one.
    fn of(&self, name: &str) -> Option<(&str, bool)> {
        let (axis, is_synced) = match &self.chosen {
            Some(chosen) => (chosen.as_str(), true),
            None => {
                let pattern = || {
                    let mut patterns = self.patterns.iter().rev();
                    patterns.find(|(start, _)| name.starts_with(start)).map(|(_, axis)| axis)
                };
                let (axis, is_synced) = self.exact.get(name).or_else(pattern)?;
                (axis.as_str(), *is_synced)
            }
        };
        (axis != STEP && axis != name).then_some((axis, is_synced))
    }
}

/// The name of a metric in definitions: dots that are a part of a key have a backslash.
fn plain(name: &str) -> String {
    name.replace("\\.", ".")
}

/// Gives rows of a history their steps.
pub(super) struct Steps<'h> {
    history: &'h History,
    axes: &'h Axes,
    columns: HashMap<String, &'h Column>,
    /// Metrics that keep their own steps, by the axis that has no whole number for each of their rows.
    pub(super) unused: BTreeMap<String, Vec<String>>,
}

impl<'h> Steps<'h> {
    pub(super) fn new(history: &'h History, axes: &'h Axes) -> Self {
        let columns = history.columns.iter().filter(|column| !column.points.is_empty());
        let columns = columns.map(|column| (column.name(), column)).collect();
        Self { history, axes, columns, unused: BTreeMap::new() }
    }

    /// The steps of these rows, which are in order, for a metric.
    pub(super) fn of(&mut self, name: &str, rows: impl Iterator<Item = u32> + Clone) -> Vec<i64> {
        if let Some((axis, is_synced)) = self.axes.of(name) {
            let found = self.columns.get(axis);
            let found = found.and_then(|column| steps(&column.points, rows.clone(), is_synced));
            if let Some(found) = found {
                return found;
            }
            self.unused.entry(axis.to_owned()).or_default().push(name.to_owned());
        }
        let step = |row: u32| usize::try_from(row).ok().and_then(|row| self.history.rows.get(row));
        rows.map(|row| step(row).map_or(0, |row| row.step)).collect()
    }
}

/// The values of an axis at rows. Each must be a whole number, as steps are.
fn steps(
    axis: &[(u32, f64)],
    rows: impl Iterator<Item = u32>,
    is_synced: bool,
) -> Option<Vec<i64>> {
    // Number of points of the axis at or before the row.
    let mut before = 0usize;
    rows.map(|row| {
        let is_before = |(at, _): &(u32, f64)| *at <= row;
        let rest = axis.get(before..).unwrap_or_default();
        let more = match rest {
            // A metric with few rows need not walk through all points of the axis.
            [_, second, ..] if is_before(second) => rest.partition_point(is_before),
            [first, ..] => usize::from(is_before(first)),
            [] => 0,
        };
        before = before.saturating_add(more);
        let (at, value) = *axis.get(before.checked_sub(1)?)?;
        if at == row || is_synced { whole(value) } else { None }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tbx::wandb::items::MetricOptions;

    fn metric(name: &str, glob_name: &str, axis: &str, step_sync: bool) -> Metric {
        let options = Some(MetricOptions { step_sync, ..MetricOptions::default() });
        Metric {
            name: name.into(),
            glob_name: glob_name.into(),
            step_metric: axis.into(),
            options,
            ..Metric::default()
        }
    }

    #[test]
    fn a_definition_by_name_precedes_patterns() {
        let metrics = [
            metric("", "*", "all", true),
            metric("", "val/*", "epoch", true),
            metric("val/f1", "", "batch", false),
            metric("a\\.b", "", "_step", false),
        ];
        let axes = Axes::new(&metrics, None);
        assert_eq!(axes.of("val/f1"), Some(("batch", false)));
        assert_eq!(axes.of("val/acc"), Some(("epoch", true)));
        assert_eq!(axes.of("loss"), Some(("all", true)));
        assert_eq!(axes.of("all"), None);
        assert_eq!(axes.of("a.b"), None);
        let chosen = Axes::new(&metrics, Some("other"));
        assert_eq!(chosen.of("val/f1"), Some(("other", true)));
        assert_eq!(Axes::new(&metrics, Some("_step")).of("loss"), None);
    }

    #[test]
    fn an_axis_has_a_whole_number_for_each_row() {
        let axis = [(0, 0.0), (2, 100.0), (4, 200.0)];
        let rows = |rows: &[u32], is_synced| steps(&axis, rows.iter().copied(), is_synced);
        assert_eq!(rows(&[0, 2, 4], false), Some(vec![0, 100, 200]));
        assert_eq!(rows(&[0, 1, 5], true), Some(vec![0, 0, 200]));
        assert_eq!(rows(&[0, 1], false), None);
        assert_eq!(steps(&[(1, 5.0)], [0].into_iter(), true), None);
        assert_eq!(steps(&[(0, 0.5)], [0].into_iter(), true), None);
    }
}
