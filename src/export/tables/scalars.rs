//! A row a point of a scalar.

use std::sync::Arc;

use super::points::Points;
use super::{Rows, Table, Take};
use crate::error::Result;
use crate::export::batch::{Column, Type};
use crate::logdir::Run;
use crate::summary::Kind;
use crate::table::Sampling;

pub(super) const TABLE: Table = Table {
    name: "scalars",
    about: "a row a point: run, tag, step, wall_time, value",
    is_rare: false,
    has_values: false,
    kinds: &[Kind::Scalar],
    make: |settings, _, _| {
        Ok(Box::new(ScalarRows { sampling: settings.sampling, points: Points::default() }))
    },
};

struct ScalarRows {
    sampling: Option<Sampling>,
    points: Points,
}

/// The columns of every table with a row a point, before those of the value.
pub(super) fn columns_of_points() -> Vec<Column> {
    vec![
        Column::required("run", Type::Name),
        Column::required("tag", Type::Name),
        Column::required("step", Type::Int),
        Column::required("wall_time", Type::Float),
    ]
}

impl Rows for ScalarRows {
    fn columns(&self) -> Vec<Column> {
        let mut columns = columns_of_points();
        columns.push(Column::required("value", Type::Float));
        columns
    }

    fn run(&mut self, run: &Run, to: &mut Take<'_>) -> Result<()> {
        let name: Arc<str> = run.name.as_str().into();
        for series in &run.series {
            let Some(scalars) = series.scalars() else { continue };
            let tag: Arc<str> = series.tag().into();
            let number = |i: usize| scalars.get(i).unwrap_or(f64::NAN);
            let kept = self.sampling.map(|sampling| sampling.keep(series.steps(), number));
            let all = kept.as_ref().map_or(series.len(), Vec::len);
            let mut done = 0;
            while done < all {
                let rows = self.points.room().min(all - done);
                let next = done..done + rows;
                match &kept {
                    None => next.for_each(|i| self.points.push(series, scalars, i)),
                    Some(kept) => kept
                        .iter()
                        .skip(done)
                        .take(rows)
                        .for_each(|i| self.points.push(series, scalars, *i)),
                }
                self.points.names(&name, &tag, rows);
                done += rows;
                if self.points.room() == 0 {
                    to(&self.columns(), self.points.take())?;
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, to: &mut Take<'_>) -> Result<()> {
        to(&self.columns(), self.points.take())
    }
}
