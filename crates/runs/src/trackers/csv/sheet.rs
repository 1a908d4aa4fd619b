//! A file with a table: its format, its columns, and where its rows begin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use super::super::local;
use super::super::python_json::{Plain, add_params, fields, plain};
use super::super::time_text::END;
use super::rows::{Format, MAX_COLUMNS, Rows};
use tbx::error::ErrorKind;
use tbx::meta::Param;
use tbx::store::{File, Root};

/// Number of bytes at the start that say what a file is. A first line with the names of columns may be longer.
const HEAD: usize = 1 << 16;
/// The mark that text in UTF-8 may begin with.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file with a table.
#[derive(Debug)]
pub(super) struct Sheet {
    /// Its path with the name that it was given.
    pub(super) path: PathBuf,
    /// Its path, through which it is opened.
    place: PathBuf,
    format: Format,
    /// The names of the columns.
    pub(super) columns: Vec<String>,
    /// The time of the start, if the first line says it, as that of `monitor.csv` does.
    pub(super) start: Option<f64>,
    /// Other values in the first line.
    pub(super) params: BTreeMap<String, Param>,
    /// The rows: from one offset to another.
    pub(super) rows: (u64, u64),
    /// The time of its last change.
    pub(super) modified: f64,
}

impl Sheet {
    /// Opens the file at `path` and reads its columns.
    pub(super) fn open(root: &Root, path: &Path) -> Result<Self, ErrorKind> {
        let (file, len) = root.open(path)?;
        let head = head(&file, len)?;
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            let what = "it is in UTF-16; save it as UTF-8, such as \"CSV UTF-8\" in Excel";
            return Err(ErrorKind::Value(what.into()));
        }
        let skipped = if head.starts_with(BOM) { BOM.len() } else { 0 };
        let text = head.get(skipped..).unwrap_or_default();
        let (mut start, mut params, mut skipped) = (None, BTreeMap::new(), skipped);
        if text.starts_with(b"#{") {
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            start = first_line(line, &mut params)?;
            skipped = skipped.saturating_add(line.len()).saturating_add(1);
        }
        let text = head.get(skipped..).unwrap_or_default();
        let format = match text.trim_ascii_start().first() {
            None => {
                return Err(ErrorKind::Value("it is empty: it has no line with columns".into()));
            }
            Some(b'{') => Format::Json,
            Some(b'[') if path.extension().is_some_and(|name| name == "json") => {
                let what = "it is a list; one object per line can be read";
                return Err(ErrorKind::Value(what.into()));
            }
            Some(_) => Format::Csv(delimiter(text)),
        };
        let begin = u64::try_from(skipped).unwrap_or(u64::MAX);
        let mut rows = Rows::new(file.clone(), format, vec![(begin, len)], Vec::new());
        let found = rows.read()?;
        let (columns, begin) = match format {
            Format::Csv(_) => {
                let columns = rows.cells().map(|(_, name)| name.to_owned());
                (columns.collect(), begin.saturating_add(rows.offset()))
            }
            Format::Json => match (found, rows.unreadable) {
                (_, Some((_, why))) => return Err(ErrorKind::Value(why)),
                _ => (rows.columns, begin),
            },
        };
        if columns.len() > MAX_COLUMNS {
            let what = format!("it has {} columns; the limit is {MAX_COLUMNS}", columns.len());
            return Err(ErrorKind::Value(what));
        }
        let modified = local::modified(&file);
        let (path, place) = (path.to_owned(), path.to_owned());
        Ok(Self { path, place, format, columns, start, params, rows: (begin, len), modified })
    }

    /// The rows in these parts of the file.
    pub(super) fn read(&self, root: &Root, parts: Vec<(u64, u64)>) -> Result<Rows, ErrorKind> {
        let (file, _) = root.open(&self.place)?;
        Ok(Rows::new(file, self.format, parts, self.columns.clone()))
    }

    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// The name of the file.
    pub(super) fn name(&self) -> String {
        local::name_of(&self.path)
    }

    /// The names of the columns for people.
    pub(super) fn shown_columns(&self) -> String {
        let shown = self.columns.iter().take(20).map(|name| format!("{:?}", name.trim()));
        let shown: Vec<_> = shown.collect();
        let more = if self.columns.len() > shown.len() { ", ..." } else { "" };
        format!("{}{more}", shown.join(", "))
    }
}

/// The first bytes of a file.
pub(super) fn head(file: &File, len: u64) -> Result<Vec<u8>, ErrorKind> {
    let mut head = vec![0; usize::try_from(len).unwrap_or(HEAD).min(HEAD)];
    file.read_exact_at(&mut head, 0)?;
    Ok(head)
}

/// Reads the object in a first line such as `#{"t_start": 1700000000.5, "env_id": "CartPole-v1"}`. Returns the time
/// of the start.
fn first_line(line: &[u8], params: &mut BTreeMap<String, Param>) -> Result<Option<f64>, ErrorKind> {
    let json = String::from_utf8_lossy(line.trim_ascii_end().get(1..).unwrap_or_default());
    let at_start = |kind: ErrorKind| ErrorKind::Value(format!("the first line: {kind}"));
    add_params(&json, params).map_err(at_start)?;
    let mut start = None;
    fields(&json, |key, value: &RawValue| {
        if key == "t_start"
            && let Plain::Number(time) = plain(value)
        {
            start = Some(time).filter(|time| (0.0..END).contains(time));
        }
        Ok(())
    })
    .map_err(at_start)?;
    params.remove("t_start");
    Ok(start)
}

/// The delimiter: the one that the first line has most of, outside of quotation marks.
fn delimiter(text: &[u8]) -> u8 {
    let (mut counts, mut is_quoted) = ([(b',', 0usize), (b';', 0), (b'\t', 0)], false);
    for byte in text {
        match byte {
            b'\n' if !is_quoted => break,
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            byte => {
                for (delimiter, count) in &mut counts {
                    *count += usize::from(delimiter == byte);
                }
            }
        }
    }
    // The first one if several are equally frequent.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(byte, _)| byte)
}
