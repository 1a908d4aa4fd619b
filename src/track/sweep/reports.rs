//! The values that a trial has reported, in a file next to its log: a line per report, `STEP VALUE`.
//!
//! The log has them, too. But every worker reads the reports of all trials, and their logs may be large.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Result, failed};
use crate::replace::disk;
use crate::store::{open_no_link, open_to_write};

/// The file.
const FILE: &str = crate::file_names::REPORTS;
/// Maximum number of bytes that are read; about 300,000 reports.
const MAX_BYTES: u64 = 8 << 20;

/// Reports of a trial, with the file that keeps them.
#[derive(Debug)]
pub(super) struct Reports {
    pub(super) values: Vec<(i64, f64)>,
    file: File,
}

impl Reports {
    /// Continues the reports of the trial in `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let file = open(&path).map_err(|error| failed(error, &path))?;
        Ok(Self { values: read(dir)?, file })
    }

    pub(super) fn add(&mut self, dir: &Path, step: i64, value: f64) -> Result<()> {
        // One call writes the line. A line that a killed program did not end is not read.
        let line = format!("\n{step} {value:?}\n");
        self.file.write_all(line.as_bytes()).map_err(|error| failed(error, dir.join(FILE)))?;
        push(&mut self.values, step, value);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut file = match disk::create_new(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open_to_write(path)?,
        created => created?,
    };
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// Adds a report. A trial that goes back to an earlier step repeats the steps from there on.
fn push(values: &mut Vec<(i64, f64)>, step: i64, value: f64) {
    let earlier = values.partition_point(|(other, _)| *other < step);
    values.truncate(earlier);
    values.push((step, value));
}

/// The reports of the trial in `dir`; none if it has not reported anything.
pub(super) fn read(dir: &Path) -> Result<Vec<(i64, f64)>> {
    let path = dir.join(FILE);
    let mut bytes = Vec::new();
    match open_no_link(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        opened => {
            let (file, _) = opened.map_err(|error| failed(error, &path))?;
            file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| failed(error, &path))?;
        }
    }
    let mut values = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").and_then(|line| str::from_utf8(line).ok());
        let report = line.and_then(|line| line.split_once(' '));
        if let Some((Ok(step), Ok(value))) =
            report.map(|(step, value)| (step.parse(), value.parse()))
        {
            push(&mut values, step, value);
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_again_and_half_a_line_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), []);
        let mut reports = Reports::open(dir.path()).unwrap();
        for (step, value) in [(1, 0.5), (2, f64::INFINITY), (3, 0.1 + 0.2)] {
            reports.add(dir.path(), step, value).unwrap();
        }
        reports.file.write_all(b"4 0.1").unwrap();
        assert_eq!(read(dir.path()).unwrap(), reports.values);
        let mut again = Reports::open(dir.path()).unwrap();
        again.add(dir.path(), 2, 0.25).unwrap();
        assert_eq!(again.values, [(1, 0.5), (2, 0.25)]);
        assert_eq!(read(dir.path()).unwrap(), again.values);
        std::fs::write(dir.path().join(FILE), b"\xff\xff 1\nx y\n7 nan\n1 2 3\n9 1").unwrap();
        let read = read(dir.path()).unwrap();
        assert!(matches!(read[..], [(7, value)] if value.is_nan()), "{read:?}");
    }
}
