//! Tables of logs to files of other formats: one file a format, one line in the list; one file a
//! table, one line in [`TABLES`]. What is no table becomes files: [`extract`].

mod batch;
mod csv;
pub mod extract;
mod json;
mod lines;
#[cfg(feature = "mlflow")]
pub mod mlflow;
mod output;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "plot")]
pub mod plot;
mod tables;
mod write;

use std::fmt;

use self::batch::{Batch, Column};
use self::output::Output;
pub use self::tables::{TABLES, Table};
pub use self::write::{Exported, ExportedTable, Progress};
use crate::error::Result;
pub use crate::replace::Folder;
use crate::table::{Duplicates, Sampling};

/// A format that tables can be exported to.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, as the program takes it.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// What names of such files end in.
    pub extension: &'static str,
    open: Open,
}

/// Begins a file.
type Open = fn(&[Column], Output) -> Result<Box<dyn Sheet>>;

/// Every format.
pub const TARGETS: &[Target] = &[
    csv::TARGET,
    json::TARGET,
    #[cfg(feature = "parquet")]
    parquet::TARGET,
];

impl Target {
    /// The format of this name.
    pub fn from_name(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.name).finish()
    }
}

/// A file of some format, row by row.
trait Sheet: Send {
    fn rows(&mut self, batch: Batch) -> Result<()>;

    /// Writes what comes last.
    fn finish(self: Box<Self>) -> Result<Output>;
}

/// A format with a line a row.
#[derive(Clone, Copy)]
struct Style {
    head: fn(&[Column]) -> Result<Vec<u8>>,
    /// What stands before the value of a column, the first being 0.
    before: fn(usize, &Column) -> Result<Vec<u8>>,
    text: fn(&str, &mut Vec<u8>) -> Result<()>,
    /// Whether JSON stands there as it is.
    is_json: bool,
    missing: &'static [u8],
    end: &'static [u8],
}

/// Which tables are exported to which format, and how.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx::export::{Export, Table, Target};
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let target = Target::from_name("csv").ok_or("no such format")?;
/// let export = Export::new(target).tables(Table::all());
/// let exported = export.write(&logdir, &LoadOptions::new(), &dir.path().join("data"))?;
/// exported.finish()?;
/// let runs = std::fs::read_to_string(dir.path().join("data/runs.csv"))?;
/// assert_eq!(runs.lines().count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Export {
    target: &'static Target,
    tables: Vec<&'static Table>,
    settings: Settings,
    leaves_out_rare: bool,
    overwrite: bool,
}

/// What tables may look at.
#[derive(Debug, Clone, Copy, Default)]
struct Settings {
    sampling: Option<Sampling>,
    duplicates: Duplicates,
    /// Whether a value that cannot be read is an error.
    strict: bool,
}

impl Export {
    /// The table `scalars` to files of this format.
    pub fn new(target: &'static Target) -> Self {
        let tables = TABLES.iter().take(1).collect();
        let settings = Settings::default();
        Self { target, tables, settings, leaves_out_rare: false, overwrite: false }
    }

    /// These tables, each once. Default: `scalars`.
    #[must_use]
    pub fn tables(self, tables: impl IntoIterator<Item = &'static Table>) -> Self {
        let mut all: Vec<&Table> = Vec::new();
        for table in tables {
            if !all.iter().any(|known| known.name == table.name) {
                all.push(table);
            }
        }
        Self { tables: all, ..self }
    }

    /// Whether tables of kinds that few logs have get no file if they have no row. Default: false.
    #[must_use]
    pub fn leave_out_rare(self, leave_out: bool) -> Self {
        Self { leaves_out_rare: leave_out, ..self }
    }

    /// Thins out each scalar in `scalars` and `wide`; with a method that
    /// [needs no numbers](Sampling::needs_numbers), also series of other kinds. Default: every point.
    #[must_use]
    pub fn sample(mut self, sampling: Option<Sampling>) -> Self {
        self.settings.sampling = sampling;
        self
    }

    /// What becomes of several points of a tag with one step, in `wide`. Default: the last counts.
    #[must_use]
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.settings.duplicates = duplicates;
        self
    }

    /// Whether files that exist are replaced. Default: false.
    #[must_use]
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }
}
