//! One row per step of a run, one column per scalar.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Rows, Table, Take};
use crate::export::Settings;
use crate::export::batch::{Batch, Column, Type, Values};
use crate::table::column::{Heads, METRIC, heads};
use crate::table::{self, Cell, Curve, Sampling, Stat, frame, smooth};
use tbx::error::{Error, Result};
use tbx::logdir::{Payloads, Run};
use tbx::summary::Kind;

pub(super) const TABLE: Table = Table {
    name: "wide",
    about: "one row per step of a run: run, step, wall_time (the latest), TAG, ..; smoothed.TAG with `Export::smooth`",
    is_rare: false,
    has_values: false,
    kinds: &[Kind::Scalar],
    make: |settings, logdir, options| {
        // The columns are those of all runs, so a first pass finds all tags.
        let options = options.clone().kinds([Kind::Scalar]).payloads(Payloads::Dropped);
        let tags = |run: Run| run.series.iter().map(|s| s.tag().to_owned()).collect::<Vec<_>>();
        let (tags, _) = logdir.map_runs(&options, tags)?;
        let tags: BTreeSet<String> = tags.into_iter().flatten().collect();
        let types = [Type::Name, Type::Int, Type::Float];
        let per_tag = if settings.smoothing.is_some() { 2 } else { 1 };
        frame::check_columns(FIXED.len() + tags.len().saturating_mul(per_tag))?;
        let fixed = FIXED.into_iter().zip(types);
        let mut columns: Vec<_> = fixed.map(|(name, data)| Column::required(name, data)).collect();
        for (name, tag) in names(&tags).into_iter().zip(&tags) {
            columns.push(Column::nullable(name, Type::Float));
            if settings.smoothing.is_some() {
                columns.push(Column::nullable(format!("{SMOOTHED}{tag}"), Type::Float));
            }
        }
        let places = tags.into_iter().zip(0..).collect();
        Ok(Box::new(WideRows { columns, places, settings: *settings }))
    },
};

/// Number of cells that are passed on at a time.
const CELLS: usize = 1 << 18;

struct WideRows {
    columns: Vec<Column>,
    /// The index of each tag's column.
    places: BTreeMap<String, usize>,
    settings: Settings,
}

/// The columns that are not tags.
const FIXED: [&str; 3] = ["run", "step", "wall_time"];
/// Prefix of the name of a column of smoothed values.
const SMOOTHED: &str = "smoothed.";

/// The column names of tags.
fn names(tags: &BTreeSet<String>) -> Vec<String> {
    let column = |tag: &String| table::Column::Metric(tag.clone(), Stat::Last);
    let columns: Vec<_> = tags.iter().map(column).collect();
    // Only tags count: no field, parameter or statistic.
    let meaning = |name: &str| {
        let prefixed = name.strip_prefix(METRIC).and_then(|tag| tags.get(tag));
        prefixed.or_else(|| tags.get(name)).map(column)
    };
    let smoothed: Vec<_> = tags.iter().map(|tag| format!("{SMOOTHED}{tag}")).collect();
    let fixed = FIXED.into_iter().chain(smoothed.iter().map(String::as_str));
    heads(&columns, &Heads::Short { fixed: &fixed.collect::<Vec<_>>(), meaning: &meaning })
}

impl Rows for WideRows {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn run(&mut self, run: &Run, to: &mut Take<'_>) -> Result<()> {
        let name: Arc<str> = run.name.as_str().into();
        let mut curves = BTreeMap::new();
        for series in run.series.iter().filter(|series| series.scalars().is_some()) {
            // A tag that appeared after the first pass, in a growing log, has no column.
            let Some(place) = self.places.get(series.tag()) else { continue };
            let curve = Curve::of(series, self.settings.duplicates);
            let in_run = |error: Error| Error::argument(format!("run {:?}: {error}", run.name));
            let curve = curve.map_err(in_run)?;
            let smoothed = self.settings.smoothing.map(|weight| smooth(&curve.values, weight));
            let mut cursor = Cursor { curve, smoothed, next: 0 };
            if let Some(sampling) = self.settings.sampling {
                cursor.thin_out(sampling);
            }
            curves.insert(*place, cursor);
        }
        let steps = curves.values().flat_map(|cursor| cursor.curve.steps.iter().copied());
        let mut steps: Vec<i64> = steps.collect();
        steps.sort_unstable();
        steps.dedup();
        for steps in steps.chunks((CELLS / self.columns.len().max(1)).max(1)) {
            let mut wall_times = vec![f64::NAN; steps.len()];
            let mut columns = Vec::with_capacity(self.places.len());
            for place in 0..self.places.len() {
                let smoothed = match curves.get_mut(&place) {
                    Some(cursor) => {
                        let (values, smoothed) = cursor.columns(steps, &mut wall_times);
                        columns.push(values);
                        smoothed
                    }
                    None => {
                        columns.push(vec![Cell::Empty; steps.len()]);
                        vec![Cell::Empty; steps.len()]
                    }
                };
                if self.settings.smoothing.is_some() {
                    columns.push(smoothed);
                }
            }
            let mut values = vec![
                Values::Names(vec![(name.clone(), steps.len())]),
                Values::Ints(steps.into()),
                Values::Floats(wall_times),
            ];
            values.extend(columns.into_iter().map(Values::Cells));
            to(&self.columns, Batch { rows: steps.len(), values })?;
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Take<'_>) -> Result<()> {
        Ok(())
    }
}

/// A curve and its next point.
struct Cursor {
    curve: Curve,
    smoothed: Option<Vec<f64>>,
    next: usize,
}

impl Cursor {
    fn thin_out(&mut self, sampling: Sampling) {
        let Self { curve, smoothed, .. } = self;
        let number = |i: usize| curve.values.get(i).copied().unwrap_or(f64::NAN);
        let kept = sampling.keep(&curve.steps, number);
        let of = |numbers: &[f64]| kept.iter().filter_map(|i| numbers.get(*i).copied()).collect();
        *curve = Curve {
            steps: kept.iter().filter_map(|i| curve.steps.get(*i).copied()).collect(),
            values: of(&curve.values),
            wall_times: of(&curve.wall_times),
        };
        *smoothed = smoothed.as_deref().map(of);
    }

    /// Its values at these steps and the smoothed ones. Also raises the wall times of rows to those
    /// of its points.
    fn columns(&mut self, steps: &[i64], wall_times: &mut [f64]) -> (Vec<Cell>, Vec<Cell>) {
        let at = |(step, wall_time): (&i64, &mut f64)| {
            if self.curve.steps.get(self.next) != Some(step) {
                return (Cell::Empty, Cell::Empty);
            }
            let own = self.curve.wall_times.get(self.next).copied().unwrap_or(f64::NAN);
            *wall_time = wall_time.max(own); // the other one if one is NaN
            let value = self.curve.values.get(self.next).copied().unwrap_or(f64::NAN);
            let smoothed = self.smoothed.as_ref().and_then(|smoothed| smoothed.get(self.next));
            self.next += 1;
            (Cell::Number(value), smoothed.map_or(Cell::Empty, |value| Cell::Number(*value)))
        };
        steps.iter().zip(wall_times).map(at).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn tags_that_are_called_like_columns_get_others() {
        let tags = ["a", "a:min", "metric.step", "run", "start", "step", "± a"];
        let heads = names(&tags.map(str::to_owned).into());
        let expected =
            ["a", "a:min", "metric.metric.step", "metric.run", "start", "metric.step", "± a"];
        assert_eq!(heads, expected);
        let tags = ["loss", "smoothed.loss", "smoothed.other"].map(str::to_owned).into();
        assert_eq!(names(&tags), ["loss", "metric.smoothed.loss", "smoothed.other"]);
    }
}
