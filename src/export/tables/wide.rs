//! A row a step of a run, a column a scalar.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::{Rows, Table, Take};
use crate::error::{Error, Result};
use crate::export::batch::{Batch, Column, Type, Values};
use crate::logdir::Run;
use crate::summary::Kind;
use crate::table::{Cell, Curve, Duplicates, Sampling};

pub(super) const TABLE: Table = Table {
    name: "wide",
    about: "a row a step of a run, a column a scalar: run, step, wall_time (the latest), TAG, ..",
    is_rare: false,
    has_values: false,
    kinds: &[Kind::Scalar],
    make: |settings, logdir, options| {
        // The columns are those of all runs, so all are looked through first.
        let options = options.clone().kinds([Kind::Scalar]).payloads(false);
        let tags = |run: Run| run.series.iter().map(|s| s.tag().to_owned()).collect::<Vec<_>>();
        let (tags, _) = logdir.map_runs(&options, tags)?;
        let tags: BTreeSet<String> = tags.into_iter().flatten().collect();
        let mut columns = vec![
            Column::required("run", Type::Name),
            Column::required("step", Type::Int),
            Column::required("wall_time", Type::Float),
        ];
        columns.extend(names(&tags).into_iter().map(|name| Column::nullable(name, Type::Float)));
        let places = tags.into_iter().zip(0..).collect();
        let (duplicates, sampling) = (settings.duplicates, settings.sampling);
        Ok(Box::new(WideRows { columns, places, duplicates, sampling }))
    },
};

/// So many cells are handed over at a time.
const CELLS: usize = 1 << 18;

struct WideRows {
    columns: Vec<Column>,
    /// Which of the tags' columns is that of a tag.
    places: BTreeMap<String, usize>,
    duplicates: Duplicates,
    sampling: Option<Sampling>,
}

/// The columns of tags: `metric.` stands before one that is called like another column.
fn names(tags: &BTreeSet<String>) -> Vec<String> {
    let mut taken: HashSet<String> = ["run", "step", "wall_time"].map(str::to_owned).into();
    let fixed = taken.clone();
    taken.extend(tags.iter().cloned());
    let name = |tag: &String| {
        let mut name = tag.clone();
        if fixed.contains(tag) {
            while taken.contains(&name) {
                name.insert_str(0, "metric.");
            }
            taken.insert(name.clone());
        }
        name
    };
    tags.iter().map(name).collect()
}

impl Rows for WideRows {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn run(&mut self, run: &Run, to: &mut Take<'_>) -> Result<()> {
        let name: Arc<str> = run.name.as_str().into();
        let mut curves = BTreeMap::new();
        for series in run.series.iter().filter(|series| series.scalars().is_some()) {
            // A tag that came only now, in a log that grows, has no column.
            let Some(place) = self.places.get(series.tag()) else { continue };
            let curve = Curve::of(series, self.duplicates);
            let in_run = |error: Error| Error::argument(format!("run {:?}: {error}", run.name));
            let mut curve = curve.map_err(in_run)?;
            if let Some(sampling) = self.sampling {
                thin_out(&mut curve, sampling);
            }
            curves.insert(*place, Cursor { curve, next: 0 });
        }
        let steps = curves.values().flat_map(|cursor| cursor.curve.steps.iter().copied());
        let mut steps: Vec<i64> = steps.collect();
        steps.sort_unstable();
        steps.dedup();
        for steps in steps.chunks((CELLS / self.columns.len().max(1)).max(1)) {
            let mut wall_times = vec![f64::NAN; steps.len()];
            let mut columns = Vec::with_capacity(self.places.len());
            for place in 0..self.places.len() {
                columns.push(match curves.get_mut(&place) {
                    Some(cursor) => cursor.column(steps, &mut wall_times),
                    None => vec![Cell::Empty; steps.len()],
                });
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

fn thin_out(curve: &mut Curve, sampling: Sampling) {
    let number = |i: usize| curve.values.get(i).copied().unwrap_or(f64::NAN);
    let kept = sampling.keep(&curve.steps, number);
    let of = |numbers: &[f64]| kept.iter().filter_map(|i| numbers.get(*i).copied()).collect();
    *curve = Curve {
        steps: kept.iter().filter_map(|i| curve.steps.get(*i).copied()).collect(),
        values: of(&curve.values),
        wall_times: of(&curve.wall_times),
    };
}

/// A curve, and its next point.
struct Cursor {
    curve: Curve,
    next: usize,
}

impl Cursor {
    /// Its values at these steps, the next ones; and rows get later wall times.
    fn column(&mut self, steps: &[i64], wall_times: &mut [f64]) -> Vec<Cell> {
        let at = |(step, wall_time): (&i64, &mut f64)| {
            if self.curve.steps.get(self.next) != Some(step) {
                return Cell::Empty;
            }
            let own = self.curve.wall_times.get(self.next).copied().unwrap_or(f64::NAN);
            *wall_time = wall_time.max(own); // of NaN and a time, the time
            let value = self.curve.values.get(self.next).copied().unwrap_or(f64::NAN);
            self.next += 1;
            Cell::Number(value)
        };
        steps.iter().zip(wall_times).map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn tags_that_are_called_like_columns_get_others() {
        let tags = ["a", "metric.step", "run", "step"].map(str::to_owned).into();
        assert_eq!(names(&tags), ["a", "metric.step", "metric.run", "metric.metric.step"]);
    }
}
