//! Writes tables to files.

use std::fs;
use std::path::{Path, PathBuf};

use super::batch::{Batch, Column};
use super::output::Output;
use super::tables::Rows;
use super::{Export, Settings, Sheet, Target};
use crate::progress::Progress;
use tbx::error::{Error, Report, Result, failed};
use tbx::logdir::{LoadOptions, Logdir, Payloads};
use tbx::store;
use tbx::summary::Kind;

/// An export whose files do not have their final names yet. [`finish`](Self::finish) renames them;
/// otherwise they are removed.
#[must_use]
#[non_exhaustive]
pub struct Exported {
    /// Number of runs that were read.
    pub runs: usize,
    /// The tables that were written.
    pub tables: Vec<ExportedTable>,
    /// Data that was damaged or dropped during loading.
    pub report: Report,
    outputs: Vec<Output>,
    _folder: Option<NewFolder>,
}

/// A table of an [`Exported`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportedTable {
    /// The table's name.
    pub name: &'static str,
    /// The final path of the file; `-` for the standard output.
    pub path: PathBuf,
    /// Number of rows.
    pub rows: u64,
    /// Number of bytes; `None` if the output is not a file.
    pub bytes: Option<u64>,
}

impl Exported {
    /// Gives all files their names. Files that appeared there meanwhile are kept, unless they may
    /// be overwritten.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io).
    pub fn finish(self) -> Result<()> {
        Output::finish_all(self.outputs)
    }
}

impl std::fmt::Debug for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { runs, tables, report, .. } = self;
        f.debug_struct("Exported")
            .field("runs", runs)
            .field("tables", tables)
            .field("report", report)
            .finish_non_exhaustive()
    }
}

/// A directory that is removed again if it stays empty.
struct NewFolder(PathBuf);

impl Drop for NewFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0); // fails if it is not empty
    }
}

/// A table that is being written to its file.
struct Carrier {
    rows: Box<dyn Rows>,
    sink: Sink,
}

struct Sink {
    target: &'static Target,
    table: ExportedTable,
    /// `None` until the first rows arrive and determine the columns.
    output: Option<Output>,
    sheet: Option<Box<dyn Sheet>>,
}

impl Sink {
    fn take(&mut self, columns: &[Column], batch: Batch) -> Result<()> {
        if batch.rows == 0 {
            return Ok(());
        }
        self.table.rows = self.table.rows.saturating_add(batch.rows.try_into().unwrap_or(u64::MAX));
        self.open(columns)?;
        self.sheet.as_mut().map_or(Ok(()), |sheet| sheet.rows(batch))
    }

    fn open(&mut self, columns: &[Column]) -> Result<()> {
        if let Some(output) = self.output.take() {
            self.sheet = Some((self.target.open)(columns, output)?);
        }
        Ok(())
    }
}

impl Export {
    /// Writes the tables of `logdir`, in the order of runs, tags and the log. A single table
    /// becomes the file `out`, or the standard output if that is `-`. Several tables become files
    /// in the directory `out`, each named after its table. With a [shard](LoadOptions::shard), file
    /// names include the shard, such as `scalars-2-of-8.csv`.
    ///
    /// Memory is limited to a few runs at a time, without values that are not scalars; the table
    /// `runs` also keeps one row per run.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): a file cannot be written, or exists;
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there is no table, several tables would
    /// go to the standard output, or several points have one step and that is refused; otherwise
    /// the same as for [`Logdir::load`].
    pub fn run(&self, logdir: &Logdir, options: &LoadOptions, out: &Path) -> Result<Exported> {
        let mut folder = None;
        if self.tables.len() != 1 {
            if self.tables.is_empty() || out == Path::new("-") {
                let what = "write several tables to a directory, and choose at least one table";
                return Err(Error::argument(what));
            }
            if !store::is_url(out) {
                folder = (!out.exists()).then(|| NewFolder(out.to_owned()));
                fs::create_dir_all(out).map_err(|error| failed(error, out))?;
            }
        }
        let settings = Settings { strict: options.is_strict(), ..self.settings };
        let mut carriers = Vec::new();
        for table in &self.tables {
            let path = self.path(table.name, options, out);
            let output = Some(Output::create(&path, self.overwrite, self.target.text)?);
            let rows = (table.make)(&settings, logdir, options)?;
            let table = ExportedTable { name: table.name, path, rows: 0, bytes: None };
            let sink = Sink { target: self.target, table, output, sheet: None };
            carriers.push(Carrier { rows, sink });
        }
        let has_values = self.tables.iter().any(|table| table.has_values);
        let options = options.clone();
        let mut options = if has_values {
            options.payloads(Payloads::Placed)
        } else {
            options.payloads(Payloads::Dropped)
        };
        if self.tables.iter().all(|table| !table.kinds.is_empty()) {
            options = options.kinds(self.tables.iter().flat_map(|table| table.kinds).copied());
        }
        if self.tables.iter().any(|table| table.kinds.contains(&Kind::Meta)) {
            options = options.with_run_meta();
        }
        let all_runs = logdir.count_runs(&options);
        let mut runs = 0;
        let mut report = logdir.for_each_run(&options, |run| {
            for Carrier { rows, sink } in &mut carriers {
                rows.run(&run, &mut |columns, batch| sink.take(columns, batch))?;
            }
            runs += 1;
            let rows = carriers.iter().map(|carrier| carrier.sink.table.rows).sum();
            self.on_progress.call(Progress { runs, all_runs, rows, ..Progress::default() });
            Ok::<_, Error>(())
        })?;
        let (mut tables, mut outputs) = (Vec::new(), Vec::new());
        for (Carrier { mut rows, mut sink }, table) in carriers.into_iter().zip(&self.tables) {
            rows.finish(&mut |columns, batch| sink.take(columns, batch))?;
            report.merge(rows.report());
            if sink.table.rows == 0 && table.is_rare && self.leaves_out_rare {
                continue;
            }
            sink.open(&rows.columns())?;
            if let Some(sheet) = sink.sheet {
                let mut output = sheet.finish()?;
                output.complete()?;
                sink.table.bytes = output.bytes();
                outputs.push(output);
            }
            tables.push(sink.table);
        }
        report.sort();
        Ok(Exported { runs, tables, report, outputs, _folder: folder })
    }

    /// The path of a table's file.
    fn path(&self, table: &str, options: &LoadOptions, out: &Path) -> PathBuf {
        let path = match self.tables.len() {
            1 => out.to_owned(),
            _ => out.join(format!("{table}.{}", self.target.extension)),
        };
        let Some(shard) = options.shard_of_runs().filter(|_| out != Path::new("-")) else {
            return path;
        };
        // Pads the index to the number of digits of the last one, so that names sort in order.
        let digits = shard.count().to_string().len();
        let part = format!("-{:0digits$}-of-{}", shard.index(), shard.count());
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(part);
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        path.with_file_name(name)
    }
}
