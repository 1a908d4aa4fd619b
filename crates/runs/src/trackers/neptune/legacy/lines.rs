//! Reads `data-<version>.log`: one operation per line, as JSON.
//!
//! The form is that of `neptune/core/components/queue/disk_queue.py` and `neptune/internal/operation.py` 1.14.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use serde::Deserialize;
use serde_json::value::RawValue;

/// Maximum length of a line in bytes. Clients keep larger files outside of it.
const MAX_LINE: u64 = 64 << 20;
/// Size of the buffer for reading.
const BUFFER: usize = 1 << 16;

/// A line of a log.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) obj: Operation<'a>,
    #[serde(default)]
    pub(super) version: Option<u64>,
    /// Time in seconds since the Unix epoch.
    #[serde(borrow, default)]
    pub(super) at: Option<&'a RawValue>,
}

/// An operation: the fields of all types.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Operation<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    pub(super) path: Option<Vec<String>>,
    #[serde(borrow)]
    pub(super) value: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) values: Option<&'a RawValue>,
    pub(super) hash: Option<String>,
    pub(super) ext: Option<String>,
    pub(super) file_path: Option<String>,
    pub(super) tmp_file_name: Option<String>,
    pub(super) file_content: Option<String>,
    pub(super) file_globs: Option<Vec<String>>,
    pub(super) reset: Option<serde_json::Value>,
    pub(super) file_paths: Option<Vec<String>>,
    pub(super) entries: Option<serde_json::Value>,
    pub(super) container_id: Option<String>,
    pub(super) source_path: Option<Vec<String>>,
    #[serde(borrow)]
    pub(super) min: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) max: Option<&'a RawValue>,
    pub(super) unit: Option<String>,
}

/// A point of a series.
#[derive(Debug, Deserialize)]
pub(super) struct Point<'a> {
    #[serde(borrow)]
    pub(super) value: &'a RawValue,
    #[serde(borrow, default)]
    pub(super) step: Option<&'a RawValue>,
    /// Time in seconds since the Unix epoch.
    #[serde(borrow, default)]
    pub(super) ts: Option<&'a RawValue>,
}

/// The result of reading a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is no operation: the reason.
    Damaged(String),
    /// The file ends in it.
    Cut,
    /// It is too long.
    TooLong,
}

/// Calls `take` with each line for which `is_wanted`, and `failed` with the offset and the length of each one that
/// cannot be read.
pub(super) fn read(
    file: impl Read,
    is_wanted: impl Fn(&[u8]) -> bool,
    mut take: impl FnMut(Line<'_>),
    mut failed: impl FnMut(u64, u64, Problem),
) -> io::Result<()> {
    let mut file = BufReader::with_capacity(BUFFER, file);
    let (mut line, mut offset) = (Vec::new(), 0u64);
    loop {
        line.clear();
        let read = file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let mut len = u64::try_from(read).unwrap_or(u64::MAX);
        let is_whole = line.ends_with(b"\n");
        if !is_whole && len >= MAX_LINE {
            let rest = skip_line(&mut file)?;
            len = len.saturating_add(rest);
            failed(offset, len, Problem::TooLong);
        } else if is_wanted(&line) && !line.trim_ascii().is_empty() {
            match parse(&line) {
                Ok(found) => take(found),
                Err(_) if !is_whole => failed(offset, len, Problem::Cut),
                Err(error) => match with_named_numbers(&line) {
                    Some(changed) => match parse(&changed) {
                        Ok(found) => take(found),
                        Err(error) => failed(offset, len, Problem::Damaged(error)),
                    },
                    None => failed(offset, len, Problem::Damaged(error)),
                },
            }
        }
        offset = offset.saturating_add(len);
    }
}

fn parse(line: &[u8]) -> Result<Line<'_>, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

/// Skips the rest of a line. Returns its length.
fn skip_line(file: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0u64;
    loop {
        let buffer = file.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
        let len = end.unwrap_or(buffer.len());
        let is_end = end.is_some() || buffer.is_empty();
        file.consume(len);
        skipped = skipped.saturating_add(u64::try_from(len).unwrap_or_default());
        if is_end {
            return Ok(skipped);
        }
    }
}

/// The line with the numbers that JSON lacks, such as `NaN`, as strings. `None` if it has none.
fn with_named_numbers(line: &[u8]) -> Option<Vec<u8>> {
    let mut changed = Vec::with_capacity(line.len());
    let (mut rest, mut is_text, mut is_any) = (line, false, false);
    while let Some((byte, after)) = rest.split_first() {
        let names: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
        let name = names.iter().find(|name| !is_text && rest.starts_with(name));
        if let Some((name, after)) = name.and_then(|name| Some((name, rest.strip_prefix(*name)?))) {
            changed.push(b'"');
            changed.extend_from_slice(name);
            changed.push(b'"');
            (rest, is_any) = (after, true);
            continue;
        }
        changed.push(*byte);
        rest = after;
        match (byte, after.split_first()) {
            (b'\\', Some((escaped, after))) if is_text => {
                changed.push(*escaped);
                rest = after;
            }
            (b'"', _) => is_text = !is_text,
            _ => {}
        }
    }
    is_any.then_some(changed)
}

/// A number in JSON, or the name of one that JSON lacks.
pub(super) fn number(raw: &RawValue) -> Option<f64> {
    match raw.get().trim_matches('"') {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => raw.get().parse().ok(),
    }
}

/// A value of some type.
pub(super) fn value<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> (Vec<String>, Vec<(u64, u64, Problem)>) {
        let (mut kinds, mut problems) = (Vec::new(), Vec::new());
        let take = |line: Line<'_>| kinds.push(line.obj.kind.into_owned());
        read(bytes, |_| true, take, |at, len, problem| problems.push((at, len, problem))).unwrap();
        (kinds, problems)
    }

    #[test]
    fn a_log_that_is_cut_anywhere_keeps_its_whole_lines() {
        let line = r#"{"obj": {"type": "AssignFloat", "path": ["a"], "value": 1.0}, "version": 1, "at": 1.5}"#;
        let log = format!("{line}\n{line}\n");
        for end in 0..=log.len() {
            let (kinds, problems) = read_all(&log.as_bytes()[..end]);
            // A line is whole without the end of the line, too.
            let whole = (end + 1) / (line.len() + 1);
            assert_eq!(kinds.len(), whole, "{end}");
            let is_cut = end > whole * (line.len() + 1);
            assert_eq!(problems.len(), usize::from(is_cut), "{end}");
            assert!(problems.iter().all(|(.., problem)| *problem == Problem::Cut));
        }
    }

    #[test]
    fn damaged_lines_are_skipped_and_numbers_that_json_lacks_are_read() {
        let log = concat!(
            "\n{\"obj\": {\"type\": \"A\", \"value\": NaN, \"unit\": \"a \\\"NaN\"}}\n",
            "garbage\n[1]\n{}\n{\"obj\": 1}\n{\"obj\": {\"type\": \"B\", \"values\": [-Infinity, Infinity]}}"
        );
        let (kinds, problems) = read_all(log.as_bytes());
        assert_eq!(kinds, ["A"]);
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert_eq!(problems.last().unwrap().2, Problem::Cut);
        let (kinds, _) = read_all(format!("{log}\n").as_bytes());
        assert_eq!(kinds, ["A", "B"]);
        let text = String::from_utf8(with_named_numbers(log.as_bytes()).unwrap()).unwrap();
        assert!(text.contains(r#""value": "NaN", "unit": "a \"NaN""#), "{text}");
        assert_eq!(with_named_numbers(b"{\"NaN\": 1}"), None);
    }

    #[test]
    fn a_line_without_an_end_is_skipped() {
        let long = io::repeat(b'x').take(MAX_LINE + 10);
        let after = b"\n{\"obj\": {\"type\": \"A\"}}\n";
        let (mut kinds, mut problems) = (0, Vec::new());
        let failed = |at, len, problem| problems.push((at, len, problem));
        read(long.chain(&after[..]), |_| true, |_| kinds += 1, failed).unwrap();
        assert_eq!((kinds, problems), (1, vec![(0, MAX_LINE + 11, Problem::TooLong)]));
    }
}
