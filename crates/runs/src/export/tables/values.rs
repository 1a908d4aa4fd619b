//! Rows made from values that are not scalars, which are read one by one.

use std::sync::Arc;

use super::rows::NamedRows;
use super::scalars::columns_of_points;
use super::{Rows, Take};
use crate::export::Settings;
use crate::export::batch::{Column, Type};
use crate::table::{Cell, Sampling};
use tbx::error::{Effect, ErrorKind, Issue, Location, Report, Result};
use tbx::logdir::{Run, ValueReader};
use tbx::summary::{self, Kind, RawValue};

/// The rows of a value: the cells after run, tag, step and wall time.
pub(in crate::export) type RowsOf = fn(&RawValue) -> Result<Vec<Vec<Cell>>, ErrorKind>;

pub(super) struct ValueRows {
    kind: Kind,
    columns: Vec<Column>,
    rows_of: RowsOf,
    sampling: Option<Sampling>,
    strict: bool,
    rows: NamedRows,
    report: Report,
}

impl ValueRows {
    pub(super) fn new(
        kind: Kind,
        columns: &[(&str, Type)],
        rows_of: RowsOf,
        settings: &Settings,
    ) -> Self {
        let own = columns.iter().map(|(name, data)| Column::nullable(*name, *data));
        Self {
            kind,
            columns: columns_of_points().into_iter().chain(own).collect(),
            rows_of,
            sampling: settings.sampling.filter(|sampling| !sampling.needs_numbers()),
            strict: settings.strict,
            rows: NamedRows::default(),
            report: Report::default(),
        }
    }

    /// Records a value that cannot be read or is damaged.
    fn flawed(&mut self, kind: ErrorKind, location: Location, effect: Effect) -> Result<()> {
        if self.strict {
            return Err(kind.at(location));
        }
        if self.report.issues.len() >= Report::MAX_ISSUES_PER_FILE {
            self.report.more_issues += 1;
            return Ok(());
        }
        self.report.issues.push(Issue::new(kind, location, effect));
        Ok(())
    }
}

impl Rows for ValueRows {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn run(&mut self, run: &Run, to: &mut Take<'_>) -> Result<()> {
        let name: Arc<str> = run.name.as_str().into();
        let (mut reader, kind) = (ValueReader::new(run), self.kind);
        for series in run.series.iter().filter(|series| series.kind() == kind) {
            let tag: Arc<str> = series.tag().into();
            let points = match self.sampling {
                Some(sampling) => sampling.keep(series.steps(), |_| f64::NAN),
                None => (0..series.len()).collect(),
            };
            for i in points {
                let read = reader.read(series, i);
                let read = read.and_then(|value| Ok(((self.rows_of)(&value)?, value)));
                let (rows, value) = match read {
                    Ok(read) => read,
                    Err(error) => {
                        let location = reader.location(series, i);
                        self.flawed(error.into_kind(), location, Effect::SkippedValue)?;
                        continue;
                    }
                };
                if let Some(damage) = summary::damage(kind, &value) {
                    self.flawed(damage, reader.location(series, i), Effect::DamagedValue)?;
                }
                let step = series.steps().get(i).map_or(Cell::Empty, |step| Cell::Int(*step));
                let time = series.wall_times().get(i).map_or(Cell::Empty, |t| Cell::Number(*t));
                for row in rows {
                    let point = [step.clone(), time.clone()];
                    self.rows.push([&name, &tag], point.into_iter().chain(row));
                    if self.rows.is_full() {
                        to(&self.columns, self.rows.take())?;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, to: &mut Take<'_>) -> Result<()> {
        to(&self.columns, self.rows.take())
    }

    fn report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }
}
