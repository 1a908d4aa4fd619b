//! The tables that can be exported: each has one file and one entry in the list.

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
    /// The table's name on the command line.
    pub name: &'static str,
    /// Description of its rows and columns.
    pub about: &'static str,
    /// Whether most logs have no rows for it.
    pub(super) is_rare: bool,
    /// Whether it reads values that are not scalars.
    pub(super) has_values: bool,
    /// The kinds of data that it is made from; empty for all.
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

/// The columns of the rows for a value of this kind, and the function that makes them; `None` for
/// other kinds.
#[cfg(feature = "mlflow")]
pub(crate) fn rows_of_value(kind: Kind) -> Option<(Vec<&'static str>, values::RowsOf)> {
    let (columns, rows): (&[_], values::RowsOf) = match kind {
        Kind::Histogram => (&histograms::COLUMNS, histograms::rows),
        Kind::PrCurve => (&pr_curves::COLUMNS, pr_curves::rows),
        _ => return None,
    };
    Some((columns.iter().map(|(name, _)| *name).collect(), rows))
}

impl Table {
    /// The table with this name.
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

    /// All tables except `wide`.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        TABLES.iter().filter(|table| table.name != wide::TABLE.name)
    }
}

/// Receives rows and their columns.
pub(super) type Take<'t> = dyn FnMut(&[Column], Batch) -> Result<()> + 't;

/// Makes the rows of a table, run by run.
pub(super) trait Rows: Send {
    /// The columns of the rows so far.
    fn columns(&self) -> Vec<Column>;

    /// Passes on the rows of a run, or keeps them.
    fn run(&mut self, run: &Run, to: &mut Take<'_>) -> Result<()>;

    /// Passes on the rows that were kept.
    fn finish(&mut self, to: &mut Take<'_>) -> Result<()>;

    /// Data that could not be read.
    fn report(&mut self) -> Report {
        Report::default()
    }
}
