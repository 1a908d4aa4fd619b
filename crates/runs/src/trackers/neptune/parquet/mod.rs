//! Files of Neptune's exporter: one table per run with a row per value of an attribute, and the files of runs in a
//! directory next to it.
//!
//! The layout is that of `src/neptune_exporter/storage.py` and `model.py`. Projects and runs have the names that the
//! columns say: those of directories are changed, and end in a digest.

mod bytes;
mod columns;
mod rows;
mod schema;
mod slots;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};

use self::bytes::ParquetFile;
use self::rows::{Counts, Owner};
use self::schema::Schema;
use self::slots::Slots;
use super::about::{About, ObjectKind};
use super::attributes::{Attribute, Attributes};
use super::find::ExportedParts;
use super::issues::issue;
use super::locate::{Folder, name_of, sizes};
use super::metadata::{param, seconds};
use tbx::error::{Effect, ErrorKind, Report, Result, failed};
use tbx::meta::Param;
use tbx::store::Root;

/// Maximum number of rows of a run that are read: a few bytes can encode any number of equal rows.
const MAX_ROWS: u64 = 1 << 28;

/// A run, a model or a version of a model that the exporter wrote.
pub(super) struct Exported {
    root: Root,
    parts: ExportedParts,
    owner: Owner,
    files: Folder,
}

impl Exported {
    /// Opens the files, which are in `root`. `files` is the directory of the project's files.
    pub(super) fn open(root: &Root, parts: ExportedParts, files: Folder) -> Result<Option<Self>> {
        let Some(first) = parts.parts.values().next() else { return Ok(None) };
        let (file, schema) = open(root, first)?;
        let group = |index| file.get_row_group(index).map_err(|error| bad(&error, first));
        let owner = match file.num_row_groups() {
            0 => Owner { project: Vec::new(), run: Vec::new() },
            _ => {
                let group = group(0)?;
                guarded(|| rows::owner(&*group, &schema)).map_err(|error| bad(&error, first))?
            }
        };
        Ok(Some(Self { root: root.clone(), parts, owner, files }))
    }

    /// The name of the project.
    pub(super) fn project(&self) -> String {
        match self.owner.project.is_empty() {
            true => last_name(&self.parts.project),
            false => String::from_utf8_lossy(&self.owner.project).into_owned(),
        }
    }

    /// A text that changes when values are added.
    pub(super) fn state(&self) -> String {
        sizes(self.parts.parts.values())
    }

    /// Reports files that are missing.
    pub(super) fn check(&self, report: &mut Report) {
        for path in &self.parts.temporary {
            report_temporary(path, report);
        }
        let mut expected = 0u32;
        for (number, path) in &self.parts.parts {
            if *number != expected {
                let what = format!(
                    "part {expected} of this run is missing: the export did not end, or its files were not all copied"
                );
                issue(report, path, ErrorKind::Value(what), Effect::SkippedValue);
            }
            expected = number.saturating_add(1);
        }
    }

    /// The facts that are known without reading the points.
    pub(super) fn about(&self, report: &mut Report) -> About {
        let sys = self.read(true, report);
        self.about_with(&sys)
    }

    fn about_with(&self, attributes: &Attributes) -> About {
        let kind = self.parts.kind;
        let id = match self.owner.run.is_empty() {
            true => last_name(self.parts.parts.values().next().unwrap_or(&self.parts.project)),
            false => String::from_utf8_lossy(&self.owner.run).into_owned(),
        };
        let parent = match kind {
            ObjectKind::ModelVersion => "sys/model_id",
            _ => "sys/forking/parent",
        };
        let created = match attributes.get("sys/creation_time") {
            Some(Attribute::Time(time)) => Some(seconds(*time)),
            _ => None,
        };
        let fork_step = attributes.get("sys/forking/step").and_then(param);
        About {
            kind,
            project: Some(self.project()),
            id,
            other_id: attributes.text("sys/id"),
            name: attributes.text("sys/name"),
            parent: attributes.text(parent).map(|id| (None, id)),
            fork_step: fork_step.as_ref().and_then(Param::number),
            created,
            is_over: true,
            format: "export",
            is_deleted: attributes.get("sys/trashed") == Some(&Attribute::Bool(true)),
            ..About::default()
        }
    }

    /// All attributes.
    pub(super) fn attributes(&self, report: &mut Report) -> (About, Attributes) {
        let attributes = self.read(false, report);
        (self.about_with(&attributes), attributes)
    }

    /// Reads the rows of all files; with `only_sys`, those of the attributes that Neptune sets.
    fn read(&self, only_sys: bool, report: &mut Report) -> Attributes {
        let mut slots = Slots::new(only_sys);
        let mut counts = Counts::default();
        for path in self.parts.parts.values() {
            if let Err(error) = self.read_part(path, &mut slots, &mut counts, report) {
                match only_sys {
                    true => {}
                    false => report.issues.push(error.into_issue(Effect::SkippedFile)),
                }
            }
        }
        let mut attributes = slots.finish();
        attributes.leave_out("rows of other runs in the same file", counts.of_others);
        if counts.rows >= MAX_ROWS {
            attributes
                .leave_out_at_least(&format!("rows beyond the limit of {MAX_ROWS} per run"), 1);
        }
        attributes
    }

    fn read_part(
        &self,
        path: &Path,
        slots: &mut Slots,
        counts: &mut Counts,
        report: &mut Report,
    ) -> Result<()> {
        let (file, schema) = open(&self.root, path)?;
        for index in 0..file.num_row_groups() {
            let mut read = || {
                let group = file.get_row_group(index)?;
                if slots.only_sys && rows::has_only_points(&*group, &schema) {
                    return Ok(());
                }
                let most = MAX_ROWS.saturating_sub(counts.rows);
                rows::read(&*group, &schema, &self.owner, most, counts, |row| {
                    slots.add(&row, &schema, &self.files, report)
                })
            };
            if let Err(error) = guarded(&mut read)
                && !slots.only_sys
            {
                let what = format!("row group {index} cannot be read to its end: {error}");
                issue(report, path, ErrorKind::Value(what), Effect::SkippedValue);
            }
        }
        Ok(())
    }
}

/// Reports a file that the exporter did not complete.
pub(super) fn report_temporary(path: &Path, report: &mut Report) {
    let what = "the export of this run did not end, so that data of it is missing";
    issue(report, path, ErrorKind::Value(what.into()), Effect::SkippedFile);
}

/// Calls `read`. The crate panics at some damaged files (`Decoder for dict should have been set`), which is an error
/// like any other here. What was read before stays.
fn guarded<T>(read: impl FnOnce() -> parquet::errors::Result<T>) -> parquet::errors::Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(parquet::errors::ParquetError::General("its data is damaged".into()))
    })
}

fn open(root: &Root, path: &Path) -> Result<(SerializedFileReader<ParquetFile>, Schema)> {
    let file = root.open(path).map_err(|error| failed(error, path))?;
    let file = guarded(|| SerializedFileReader::new(ParquetFile::new(file)?))
        .map_err(|error| bad(&error, path))?;
    let schema = Schema::of(file.metadata().file_metadata().schema_descr());
    let schema = schema.map_err(|what| {
        let what = format!("{what}: it is not a file of Neptune's exporter");
        failed(ErrorKind::Value(what), path)
    })?;
    Ok((file, schema))
}

fn bad(error: &parquet::errors::ParquetError, path: &Path) -> tbx::error::Error {
    failed(ErrorKind::Value(format!("it cannot be read as Parquet: {error}")), path)
}

/// The name of a file or directory, without the digest or the number that the exporter adds.
fn last_name(path: &Path) -> String {
    let name = name_of(path);
    let stem = name.split_once("_part_").map_or(name.as_str(), |(stem, _)| stem);
    if stem.is_empty() { name } else { stem.to_owned() }
}
