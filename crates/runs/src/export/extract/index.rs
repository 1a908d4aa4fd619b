//! The table of all files, which maps every file name to its run, tag and step.

use std::fmt::Write;

use super::piece::Facts;
use crate::table::number::Exact;
use tbx::error::{ErrorKind, Result};

/// Name of the index in the output directory.
pub(super) const INDEX_FILE: &str = "index.csv";

const COLUMNS: [&str; 14] = [
    "file",
    "run",
    "tag",
    "kind",
    "step",
    "wall_time",
    "bytes",
    "width",
    "height",
    "sample_rate",
    "channels",
    "frames",
    "dtype",
    "shape",
];

/// A row of the index.
pub(super) struct Row<'a> {
    pub(super) file: &'a str,
    pub(super) run: &'a str,
    pub(super) tag: &'a str,
    pub(super) kind: &'static str,
    /// Step and wall time, if known.
    pub(super) point: (Option<i64>, Option<f64>),
    pub(super) bytes: u64,
    pub(super) facts: &'a Facts,
}

/// The header line.
pub(super) fn head() -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(failed)?;
    Ok(writer.into_inner().map_err(|error| ErrorKind::from(error.into_error()))?)
}

/// The files listed in `index`, without `index` itself; `None` if it is not an index.
pub(super) fn files(index: &[u8]) -> Option<Vec<String>> {
    let mut reader = csv::Reader::from_reader(index);
    let is_index = reader.headers().is_ok_and(|found| *found == COLUMNS[..]);
    let file = |record: csv::Result<csv::StringRecord>| record.ok()?.get(0).map(str::to_owned);
    if is_index { reader.records().map(file).collect() } else { None }
}

/// Lines to append to an index.
pub(super) struct Lines(csv::Writer<Vec<u8>>);

impl Lines {
    pub(super) fn new() -> Self {
        Self(csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new()))
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<()> {
        let text = |number: Option<String>| number.unwrap_or_default();
        let Facts { size, sound, dtype, shape } = row.facts;
        let cells = [
            row.file,
            row.run,
            row.tag,
            row.kind,
            &text(row.point.0.map(|step| step.to_string())),
            &text(row.point.1.map(|wall_time| Exact(wall_time).to_string())),
            &row.bytes.to_string(),
            &text(size.map(|(width, _)| width.to_string())),
            &text(size.map(|(_, height)| height.to_string())),
            &text(sound.map(|sound| sound.sample_rate.to_string())),
            &text(sound.map(|sound| sound.channels.to_string())),
            &text(sound.map(|sound| sound.frames.to_string())),
            dtype.unwrap_or(""),
            &text(shape.as_deref().map(dimensions)),
        ];
        Ok(self.0.write_record(cells).map_err(failed)?)
    }

    pub(super) fn into_bytes(self) -> Result<Vec<u8>> {
        Ok(self.0.into_inner().map_err(|error| ErrorKind::from(error.into_error()))?)
    }
}

/// Formats a shape as `2x3`; `1` for a single number.
fn dimensions(shape: &[usize]) -> String {
    let mut text = String::new();
    for (i, size) in shape.iter().enumerate() {
        let separator = if i > 0 { "x" } else { "" };
        let _ = write!(text, "{separator}{size}");
    }
    if text.is_empty() { "1".into() } else { text }
}

fn failed(error: csv::Error) -> ErrorKind {
    std::io::Error::from(error).into()
}
