//! Reads the rows of a table in CSV or JSON Lines, one at a time.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use csv::{ByteRecord, StringRecord};

use super::super::python_json::{self, Plain, fields, plain};
use tbx::error::ErrorKind;
use tbx::store::File;

/// Maximum size of a row in bytes. A row is held in memory.
pub(super) const MAX_ROW: u64 = 32 << 20;
/// Maximum number of columns.
pub(super) const MAX_COLUMNS: usize = 100_000;
/// Number of bytes that are read at a time.
const BUFFER: usize = 1 << 16;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Comma-separated values, with this delimiter.
    Csv(u8),
    /// One object per line.
    Json,
}

/// The rows of a file, or of parts of it.
pub(super) struct Rows {
    from: From,
    /// The names of the columns. Rows in JSON may add some.
    pub(super) columns: Vec<String>,
    record: StringRecord,
    /// The cells of a row in JSON that are not missing, by column.
    sparse: Vec<(usize, String)>,
    /// Number of rows that are not readable, and the reason for the first one.
    pub(super) unreadable: Option<(u64, String)>,
}

enum From {
    Csv {
        reader: Box<csv::Reader<Guard>>,
        /// Number of bytes read since the last row.
        since: Rc<Cell<u64>>,
    },
    Json {
        reader: BufReader<Parts>,
        line: Vec<u8>,
        /// Offset of the next line.
        offset: u64,
        places: HashMap<String, usize>,
    },
}

impl Rows {
    /// The rows in these parts of a file, each from one offset to another, which consist of whole rows.
    pub(super) fn new(
        file: File,
        format: Format,
        parts: Vec<(u64, u64)>,
        columns: Vec<String>,
    ) -> Self {
        let parts = Parts { file, parts: parts.into_iter().rev().collect() };
        let from = match format {
            Format::Csv(delimiter) => {
                let since = Rc::new(Cell::new(0));
                let guard = Guard { inner: parts, since: since.clone() };
                let mut builder = csv::ReaderBuilder::new();
                builder.has_headers(false).flexible(true).delimiter(delimiter);
                let reader = builder.buffer_capacity(BUFFER).from_reader(guard);
                From::Csv { reader: Box::new(reader), since }
            }
            Format::Json => {
                let reader = BufReader::with_capacity(BUFFER, parts);
                let places = columns.iter().cloned().zip(0..).collect();
                From::Json { reader, line: Vec::new(), offset: 0, places }
            }
        };
        Self { from, columns, record: StringRecord::new(), sparse: Vec::new(), unreadable: None }
    }

    /// Reads the next row. Returns its offset in the parts; `None` at the end.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the row is too long.
    pub(super) fn read(&mut self) -> Result<Option<u64>, ErrorKind> {
        match &mut self.from {
            From::Csv { reader, since } => {
                let mut bytes = std::mem::take(&mut self.record).into_byte_record();
                let at = reader.position().byte();
                since.set(0);
                let is_there = reader.read_byte_record(&mut bytes).map_err(of_csv)?;
                self.record = text_of(bytes);
                Ok(is_there.then_some(at))
            }
            From::Json { reader, line, offset, places } => loop {
                line.clear();
                let at = *offset;
                let read = reader.by_ref().take(MAX_ROW).read_until(b'\n', line)?;
                let read = u64::try_from(read).unwrap_or(u64::MAX);
                *offset = offset.saturating_add(read);
                if read == 0 {
                    return Ok(None);
                }
                if read >= MAX_ROW {
                    return Err(too_long());
                }
                if line.trim_ascii().is_empty() {
                    continue;
                }
                match row(line, places, &mut self.columns, &mut self.sparse) {
                    Ok(()) => return Ok(Some(at)),
                    Err(error) => {
                        let why = || format!("the line at byte {at}: {error}");
                        let (count, _) = self.unreadable.get_or_insert_with(|| (0, why()));
                        *count += 1;
                    }
                }
            },
        }
    }

    /// The offset at which the next row begins, in the parts.
    pub(super) fn offset(&self) -> u64 {
        match &self.from {
            From::Csv { reader, .. } => reader.position().byte(),
            From::Json { offset, .. } => *offset,
        }
    }

    /// A cell of the row, unchanged; empty if it is missing.
    pub(super) fn cell(&self, column: usize) -> &str {
        match &self.from {
            From::Csv { .. } => self.record.get(column).unwrap_or_default(),
            From::Json { .. } => {
                let place = self.sparse.binary_search_by_key(&column, |(column, _)| *column);
                let cell = place.ok().and_then(|place| self.sparse.get(place));
                cell.map_or("", |(_, cell)| cell.as_str())
            }
        }
    }

    /// The cells of the row with their columns. Some may be empty.
    pub(super) fn cells(&self) -> impl Iterator<Item = (usize, &str)> {
        // Only one of them has any.
        let sparse = self.sparse.iter().map(|(column, cell)| (*column, cell.as_str()));
        self.record.iter().enumerate().chain(sparse)
    }
}

/// Replaces what is not UTF-8.
fn text_of(bytes: ByteRecord) -> StringRecord {
    match StringRecord::from_byte_record(bytes) {
        Ok(text) => text,
        Err(error) => StringRecord::from_byte_record_lossy(error.into_byte_record()),
    }
}

/// Reads an object into the cells of its columns.
fn row(
    line: &[u8],
    places: &mut HashMap<String, usize>,
    columns: &mut Vec<String>,
    cells: &mut Vec<(usize, String)>,
) -> Result<(), ErrorKind> {
    cells.clear();
    let json = String::from_utf8(python_json::strict(line.to_vec()));
    let json = json.map_err(|_| ErrorKind::Value("it is not UTF-8".into()))?;
    // Usually the keys are in the order of the columns.
    let mut next = 0;
    fields(&json, |key, value| {
        let place = match columns.get(next) {
            Some(name) if *name == *key => next,
            _ => match places.get(&*key) {
                Some(place) => *place,
                None if columns.len() >= MAX_COLUMNS => {
                    let what = format!("the file has more than {MAX_COLUMNS} columns");
                    return Err(ErrorKind::Value(what));
                }
                None => {
                    places.insert(key.clone().into_owned(), columns.len());
                    columns.push(key.into_owned());
                    columns.len() - 1
                }
            },
        };
        next = place + 1;
        match plain(value) {
            Plain::Null => {}
            Plain::Text(text) => cells.push((place, text)),
            _ => cells.push((place, value.get().trim_matches('"').to_owned())),
        }
        Ok(())
    })?;
    cells.sort_by_key(|(column, _)| *column);
    Ok(())
}

fn of_csv(error: csv::Error) -> ErrorKind {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|error| error.is::<TooLong>()) => {
            too_long()
        }
        csv::ErrorKind::Io(error) => error.into(),
        other => ErrorKind::Value(format!("{other:?}")),
    }
}

fn too_long() -> ErrorKind {
    let what = format!("a row has more than {MAX_ROW} bytes; is a quotation mark missing?");
    ErrorKind::Value(what)
}

/// Marks the error for a row that is too long.
#[derive(Debug)]
struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a row is too long")
    }
}

impl std::error::Error for TooLong {}

/// Stops at a row that is too long, which would be held in memory.
struct Guard {
    inner: Parts,
    since: Rc<Cell<u64>>,
}

impl Read for Guard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > MAX_ROW {
            return Err(io::Error::other(TooLong));
        }
        let read = self.inner.read(buffer)?;
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.since.set(self.since.get().saturating_add(bytes));
        Ok(read)
    }
}

/// Parts of a file, one after the other.
struct Parts {
    file: File,
    /// The parts that remain, the next one last.
    parts: Vec<(u64, u64)>,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some((start, end)) = self.parts.last_mut() {
            let left = usize::try_from(end.saturating_sub(*start)).unwrap_or(usize::MAX);
            let len = left.min(buffer.len());
            let read = match buffer.get_mut(..len) {
                Some(buffer) if !buffer.is_empty() => self.file.read_at(buffer, *start)?,
                _ => 0,
            };
            if read > 0 || buffer.is_empty() {
                *start = start.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                return Ok(read);
            }
            self.parts.pop();
        }
        Ok(0)
    }
}
