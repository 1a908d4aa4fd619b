//! What can be exported: one file a table, one line in the list.

mod audio;
mod histograms;
mod hparams;
mod images;
mod meta;
mod points;
mod pr_curves;
mod rows;
mod runs;
mod scalars;
mod tags;
mod texts;
mod values;
mod wide;

use super::Settings;
use super::batch::{Batch, Column};
use crate::table::meant;
use tbx::error::{Error, Report, Result};
use tbx::logdir::{LoadOptions, Logdir, Run};
use tbx::summary::Kind;

/// A table that can be exported.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Table {
    /// Its name, as the program takes it.
    pub name: &'static str,
    /// What a row is, and which columns there are.
    pub about: &'static str,
    /// Whether few logs have any row for it.
    pub(super) is_rare: bool,
    /// Whether it reads values that are no scalars.
    pub(super) has_values: bool,
    /// Of which kinds of data it is made; none for all.
    pub(super) kinds: &'static [Kind],
    pub(super) make: fn(&Settings, &Logdir, &LoadOptions) -> Result<Box<dyn Rows>>,
}

/// Every table. `wide` is `scalars` in another shape.
pub const TABLES: &[Table] = &[
    scalars::TABLE,
    wide::TABLE,
    runs::TABLE,
    tags::TABLE,
    hparams::TABLE,
    meta::TABLE,
    histograms::TABLE,
    pr_curves::TABLE,
    texts::TABLE,
    images::TABLE,
    audio::TABLE,
];

/// The columns of the rows that a value of this kind becomes, and how; none for other kinds.
#[cfg(feature = "mlflow")]
pub(super) fn rows_of_value(kind: Kind) -> Option<(Vec<&'static str>, values::RowsOf)> {
    let (columns, rows): (&[_], values::RowsOf) = match kind {
        Kind::Histogram => (&histograms::COLUMNS, histograms::rows),
        Kind::PrCurve => (&pr_curves::COLUMNS, pr_curves::rows),
        _ => return None,
    };
    Some((columns.iter().map(|(name, _)| *name).collect(), rows))
}

impl Table {
    /// The table of this name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there is no such table; the error lists the
    /// tables.
    pub fn from_name(name: &str) -> Result<&'static Self> {
        let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        let unknown =
            || Error::argument(format!("there is no table {name:?}; {}", meant(name, &names)));
        TABLES.iter().find(|table| table.name == name).ok_or_else(unknown)
    }

    /// All but `wide`.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        TABLES.iter().filter(|table| table.name != wide::TABLE.name)
    }
}

/// Takes rows, and their columns.
pub(super) type Take<'t> = dyn FnMut(&[Column], Batch) -> Result<()> + 't;

/// Makes the rows of a table, run by run.
pub(super) trait Rows: Send {
    /// The columns of the rows that came.
    fn columns(&self) -> Vec<Column>;

    /// Hands over the rows of a run, or keeps them.
    fn run(&mut self, run: &Run, to: &mut Take<'_>) -> Result<()>;

    /// Hands over what was kept.
    fn finish(&mut self, to: &mut Take<'_>) -> Result<()>;

    /// What could not be read.
    fn report(&mut self) -> Report {
        Report::default()
    }
}
