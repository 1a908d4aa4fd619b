//! Exports the tables of logs to other file formats. Each format has one file here and one entry in
//! [`TARGETS`]; each table has one file and one entry in [`TABLES`]. Data that is not tabular is
//! written to files: see [`extract`].

mod batch;
mod csv;
pub mod extract;
mod json;
mod lines;
mod output;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "plot")]
pub mod plot;
pub(crate) mod tables;
mod write;

use std::fmt;

use self::batch::{Batch, Column};
use self::output::Output;
pub use self::tables::{TABLES, Table};
pub use self::write::{Exported, ExportedTable};
use crate::printable::Escape;
use crate::progress::{OnProgress, Progress};
use crate::table::{Duplicates, Sampling, meant};
use tbx::error::{Error, Result};
#[doc(hidden)]
pub use tbx::replace::Folder;

/// A format that tables can be exported to.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Target {
    /// The format's name on the command line.
    pub name: &'static str,
    /// One-line description.
    pub about: &'static str,
    /// The extension of its files.
    pub extension: &'static str,
    /// How its text is escaped on a terminal; `None` if the format is binary.
    text: Option<Escape>,
    open: Open,
}

/// Creates a file.
type Open = fn(&[Column], Output) -> Result<Box<dyn Sheet>>;

/// Every format.
pub const TARGETS: &[Target] = &[
    csv::TARGET,
    json::TARGET,
    #[cfg(feature = "parquet")]
    parquet::TARGET,
];

impl Target {
    /// The format with this name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there is no such format; the error lists the
    /// formats.
    pub fn from_name(name: &str) -> Result<&'static Self> {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        let unknown =
            || Error::argument(format!("there is no format {name:?}; {}", meant(name, &names)));
        TARGETS.iter().find(|target| target.name == name).ok_or_else(unknown)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.name).finish()
    }
}

/// A file of some format, written row by row.
trait Sheet: Send {
    fn rows(&mut self, batch: Batch) -> Result<()>;

    /// Writes the end of the file.
    fn finish(self: Box<Self>) -> Result<Output>;
}

/// A format with one line per row.
#[derive(Clone, Copy)]
struct Style {
    head: fn(&[Column]) -> Result<Vec<u8>>,
    /// The bytes before the value of a column; the first column is 0.
    before: fn(usize, &Column) -> Result<Vec<u8>>,
    text: fn(&str, &mut Vec<u8>) -> Result<()>,
    /// Whether JSON is written unescaped.
    is_json: bool,
    missing: &'static [u8],
    end: &'static [u8],
}

/// The tables to export, the format and the options.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx_runs::export::{Export, Table, Target};
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let export = Export::new(Target::from_name("csv")?).tables(Table::all());
/// let exported = export.run(&logdir, &LoadOptions::new(), &dir.path().join("data"))?;
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
    on_progress: OnProgress,
}

/// Settings that tables may use.
#[derive(Debug, Clone, Copy, Default)]
struct Settings {
    sampling: Option<Sampling>,
    duplicates: Duplicates,
    /// The weight of the past in smoothed values, if values are smoothed.
    smoothing: Option<f64>,
    /// Whether an unreadable value is an error.
    strict: bool,
}

impl Export {
    /// Exports the table `scalars` to this format.
    pub fn new(target: &'static Target) -> Self {
        let tables = TABLES.iter().take(1).collect();
        let settings = Settings::default();
        let on_progress = OnProgress::default();
        Self { target, tables, settings, leaves_out_rare: false, overwrite: false, on_progress }
    }

    /// Exports these tables, each once. Default: `scalars`.
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

    /// Whether tables of rare kinds get no file if they have no rows. Default: false.
    #[must_use]
    pub fn leave_out_rare(self, leave_out: bool) -> Self {
        Self { leaves_out_rare: leave_out, ..self }
    }

    /// Downsamples each scalar in `scalars` and `wide`. With a method that [needs no
    /// numbers](Sampling::needs_numbers), also downsamples series of other kinds. Default: every
    /// point.
    #[must_use]
    pub fn sample(mut self, sampling: impl Into<Option<Sampling>>) -> Self {
        self.settings.sampling = sampling.into();
        self
    }

    /// The treatment of several points of a tag at one step, in `wide`. Default: the last point
    /// wins.
    #[must_use]
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.settings.duplicates = duplicates;
        self
    }

    /// Adds smoothed values to the tables `scalars` (column `smoothed`) and `wide` (columns
    /// `smoothed.TAG`), with this weight of the past; see [`smooth`](crate::table::smooth). Values
    /// are smoothed before series are downsampled. Default: none.
    #[must_use]
    pub fn smooth(mut self, weight: impl Into<Option<f64>>) -> Self {
        self.settings.smoothing = weight.into();
        self
    }

    /// Whether existing files are replaced. Default: false.
    #[must_use]
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// Calls `f` with the progress of the job, from any thread.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }
}
