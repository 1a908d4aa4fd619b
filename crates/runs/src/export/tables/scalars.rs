//! One row per point of a scalar.

use std::sync::Arc;

use super::points::Points;
use super::{Rows, Table, Take};
use crate::export::Settings;
use crate::export::batch::{Column, Type};
use crate::table::{Sampling, smooth};
use tbx::error::Result;
use tbx::logdir::Run;
use tbx::summary::Kind;

pub(super) const TABLE: Table = Table {
    name: "scalars",
    about: "one row per point: run, tag, step, wall_time, value; smoothed with `Export::smooth`",
    is_rare: false,
    has_values: false,
    kinds: &[Kind::Scalar],
    make: |settings, _, _| {
        let Settings { sampling, smoothing, .. } = *settings;
        Ok(Box::new(ScalarRows { sampling, smoothing, points: Points::default() }))
    },
};

struct ScalarRows {
    sampling: Option<Sampling>,
    smoothing: Option<f64>,
    points: Points,
}

/// The columns that every table with one row per point has before the value.
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
        if self.smoothing.is_some() {
            columns.push(Column::required("smoothed", Type::Float));
        }
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
            let smoothed =
                self.smoothing.map(|weight| smooth(&scalars.iter().collect::<Vec<_>>(), weight));
            let mut done = 0;
            while done < all {
                let rows = self.points.room().min(all - done);
                for row in done..done + rows {
                    let i = match &kept {
                        Some(kept) => kept.get(row).copied().unwrap_or(usize::MAX),
                        None => row,
                    };
                    self.points.push(series, scalars, i);
                    if let Some(smoothed) = &smoothed {
                        self.points.push_smoothed(smoothed.get(i).copied().unwrap_or(f64::NAN));
                    }
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
