//! An offline directory: `wandb sync` uploads it, and `wandb leet` opens it.
//!
//! ```text
//! offline-run-20231114_221320-<id>/run-<id>.wandb   records
//! offline-run-20231114_221320-<id>/files/           files that records name
//! ```

mod rows;
mod system;
mod times;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use super::describe;
use super::encode::{Items, Key, field, varint};
use super::identity;
use super::items::{Metric, MetricOptions, Stats};
use super::record::{Content, Exit, FileItem, Files, Header, Output, Record, VersionInfo};
use super::run::{Environment, Run};
use super::writer::Container;
use crate::error::{Result, failed};
use crate::replace::disk;
use crate::summary::Kind;
use times::Times;
pub use times::{Line, WALL_TIMES};

/// The x axis of all charts.
pub const X_AXIS: &str = "global_step";
/// The directory of the files of a run.
pub const FILES: &str = "files";
/// The file of a run with its metadata, for what W&B has no place for, in the directory of files.
pub const META: &str = "tbx/tbx.json";
/// The file of a run with versions of packages, in the directory of files.
pub const PACKAGES: &str = "requirements.txt";
/// The start of the producer in files that tbx writes; its version follows.
pub const PRODUCER: &str = "tbx/";
/// The version of the package that can read the records.
const MIN_CONSUMER: &str = "0.70.0";
/// Keys that the package writes itself.
const RESERVED: [&str; 5] = ["_step", "_timestamp", "_runtime", "_wandb", X_AXIS];

/// A key of the history, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(usize);

/// The values that were written for a key.
#[derive(Debug)]
struct Known {
    name: String,
    key: Key,
    last: Last,
    /// Whether `last` is newer than the last summary.
    is_new: bool,
    /// The key of the table, if a chart shows the values.
    table: Option<KeyId>,
}

/// The last value of a key.
#[derive(Debug)]
enum Last {
    None,
    Number(f64),
    Fields(Vec<(Key, String)>),
}

/// How much was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of rows.
    pub rows: u64,
    /// Number of numbers in rows.
    pub numbers: u64,
    /// Number of other values in rows.
    pub media: u64,
    /// Number of those that have fewer details than in the log.
    pub coarser: u64,
}

/// Writes an offline directory.
#[derive(Debug)]
pub struct OfflineRun {
    path: PathBuf,
    dir: PathBuf,
    out: Container<File>,
    num: i64,
    start: f64,
    keys: Vec<Known>,
    /// Keys by kind and tag: a tag may have values of several kinds.
    by_tag: HashMap<(Kind, String), KeyId>,
    names: HashSet<String>,
    /// Keys whose last values are newer than the last summary.
    changed: Vec<KeyId>,
    fixed: [Key; 4],
    /// The items of the current row.
    row: Items,
    /// The step and the time of the current row.
    at: (i64, f64),
    /// The last `_step`.
    last_step: Option<i64>,
    last_time: f64,
    times: Times,
    /// Measurements of the machine that were not written yet, by step.
    measured: BTreeMap<i64, Stats>,
    /// Buffers.
    text: Vec<u8>,
    record: Vec<u8>,
    counts: Counts,
}

impl OfflineRun {
    /// Starts the run `id` in the new directory `dir`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn create(dir: &Path, id: &str, start: f64) -> Result<Self> {
        let files = dir.join(FILES);
        disk::create_dir_all(&files).map_err(|error| failed(error, &files))?;
        let path = dir.join(identity::file(id));
        let file = disk::create_new(&path).map_err(|error| failed(error, &path))?;
        let start = if start.is_finite() { start } else { 0.0 };
        let mut run = Self {
            out: Container::new(file),
            path,
            dir: dir.to_owned(),
            num: 0,
            start,
            keys: Vec::new(),
            by_tag: HashMap::new(),
            names: RESERVED.map(str::to_owned).into(),
            changed: Vec::new(),
            fixed: ["_step", X_AXIS, "_timestamp", "_runtime"].map(|name| Key::of(&[name])),
            row: Items::default(),
            at: (0, start),
            last_step: None,
            last_time: start,
            times: Times::default(),
            measured: BTreeMap::new(),
            text: Vec::new(),
            record: Vec::new(),
            counts: Counts::default(),
        };
        let version = VersionInfo {
            producer: format!("{PRODUCER}{}", env!("CARGO_PKG_VERSION")),
            min_consumer: MIN_CONSUMER.into(),
        };
        run.put(Content::Header(Header { version_info: Some(version) }))?;
        Ok(run)
    }

    /// How much was written.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds the records that describe the run, before any row.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn describe(&mut self, run: Run, environment: Option<Environment>) -> Result<()> {
        self.put(Content::Run(Box::new(run)))?;
        if let Some(environment) = environment {
            self.put(Content::Environment(Box::new(environment)))?;
        }
        self.define(X_AXIS, false)
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn put(&mut self, content: Content) -> Result<()> {
        self.num = self.num.saturating_add(1);
        let record = Record { num: self.num, content: Some(content), info: None };
        let bytes = record.encode_to_vec();
        self.out.append(&bytes).map_err(|error| failed(error, &self.path))
    }

    /// Adds a record that consists of encoded fields.
    fn put_encoded(&mut self, number: u32, content: &[u8]) -> Result<()> {
        self.num = self.num.saturating_add(1);
        self.record.clear();
        varint(1, self.num, &mut self.record);
        field(number, content, &mut self.record);
        self.out.append(&self.record).map_err(|error| failed(error, &self.path))
    }

    fn define(&mut self, name: &str, has_axis: bool) -> Result<()> {
        let options = MetricOptions { step_sync: has_axis, defined: true, ..Default::default() };
        self.put(Content::Metric(Metric {
            name: name.into(),
            step_metric: if has_axis { X_AXIS.into() } else { String::new() },
            options: Some(options),
            ..Metric::default()
        }))
    }

    /// Writes a file of the run, and the record that makes `wandb sync` upload it. `kind` is the number of a type of
    /// files.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn file(&mut self, path: &str, bytes: &[u8], kind: i32) -> Result<()> {
        let to = self.dir.join(FILES).join(path);
        let written = to.parent().map_or(Ok(()), disk::create_dir_all);
        let written = written.and_then(|()| match disk::create_new(&to) {
            // Its name has a digest of its content: it is the same file.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            created => created.and_then(|mut file| file.write_all(bytes)),
        });
        written.map_err(|error| failed(error, &to))?;
        let file = FileItem { path: path.into(), policy: 0, r#type: kind };
        self.put(Content::Files(Files { files: vec![file] }))
    }

    /// Adds lines of the console. `is_error` says whether they are from the standard error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn console(&mut self, text: &str, is_error: bool, time: f64) -> Result<()> {
        for line in text.split_inclusive('\n') {
            self.put(Content::OutputRaw(Output {
                output_type: i32::from(!is_error),
                timestamp: Some(describe::timestamp(time)),
                line: line.into(),
            }))?;
        }
        Ok(())
    }

    /// Passes everything to the operating system.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn flush(&mut self) -> Result<()> {
        self.flush_times()?;
        self.end_measurements()?;
        self.out.flush().map_err(|error| failed(error, &self.path))
    }

    /// Writes the exit code, if the run has ended, and closes the file. `end` is in seconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn finish(mut self, exit_code: Option<i32>, end: f64) -> Result<Counts> {
        if let Some(exit_code) = exit_code {
            let runtime = (end - self.start).clamp(0.0, f64::from(i32::MAX));
            #[expect(clippy::as_conversions, reason = "in the range of i32, or NaN, which is 0")]
            let runtime = runtime as i32;
            self.put(Content::Exit(Exit { exit_code, runtime, not_complete: false }))?;
        }
        self.flush()?;
        Ok(self.counts)
    }

    /// Tags that got other keys, with the keys.
    pub fn renamed(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.by_tag.iter();
        let all =
            names.filter_map(|((_, tag), id)| Some((&**tag, self.keys.get(id.0)?.name.as_str())));
        all.filter(|(tag, name)| tag != name)
    }
}
