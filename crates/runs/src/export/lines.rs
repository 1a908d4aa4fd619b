//! Formats with one line per row.

use std::ops::Range;

use rayon::prelude::*;

use super::batch::{Batch, Column, Values};
use super::output::Output;
use super::{Sheet, Style};
use crate::table::Cell;
use crate::table::number::Exact;
use tbx::error::Result;

/// Number of rows that a thread converts to text at a time.
const PART: usize = 1 << 14;

/// A table as text.
pub(super) struct Lines {
    style: Style,
    /// The bytes before each value.
    before: Vec<Vec<u8>>,
    output: Output,
}

/// The values of a column; names are already encoded as text.
enum Text<'b> {
    /// Names, each with the row at which it ends.
    Names(Vec<(Vec<u8>, usize)>),
    Ints(&'b [i64]),
    Floats(&'b [f64]),
    Cells(&'b [Cell]),
    /// JSON, written unchanged.
    Json(&'b [Cell]),
}

impl Lines {
    pub(super) fn open(style: Style, columns: &[Column], mut output: Output) -> Result<Self> {
        output.write((style.head)(columns)?)?;
        let before = columns.iter().enumerate();
        let before = before.map(|(i, column)| (style.before)(i, column)).collect::<Result<_>>()?;
        Ok(Self { style, before, output })
    }

    fn text<'b>(&self, values: &'b Values) -> Result<Text<'b>> {
        Ok(match values {
            Values::Names(names) => {
                let mut end = 0;
                let mut text = Vec::with_capacity(names.len());
                for (name, rows) in names {
                    end += rows;
                    let mut quoted = Vec::new();
                    (self.style.text)(name, &mut quoted)?;
                    text.push((quoted, end));
                }
                Text::Names(text)
            }
            Values::Ints(numbers) => Text::Ints(numbers),
            Values::Floats(numbers) => Text::Floats(numbers),
            Values::Json(cells) if self.style.is_json => Text::Json(cells),
            Values::Cells(cells) | Values::Json(cells) => Text::Cells(cells),
        })
    }

    fn part(&self, columns: &[Text<'_>], rows: Range<usize>) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(rows.len() * 16 * columns.len());
        let mut line = Line { style: &self.style, ints: itoa::Buffer::new(), out: &mut out };
        // Index of the current name of each column.
        let place = |column: &Text<'_>| match column {
            Text::Names(names) => names.partition_point(|(_, end)| *end <= rows.start),
            _ => 0,
        };
        let mut places: Vec<usize> = columns.iter().map(place).collect();
        for row in rows {
            for ((column, before), place) in columns.iter().zip(&self.before).zip(&mut places) {
                line.out.extend_from_slice(before);
                match column {
                    Text::Names(names) => {
                        while names.get(*place).is_some_and(|(_, end)| *end <= row) {
                            *place += 1;
                        }
                        let name = names.get(*place).map_or(&[][..], |(name, _)| name);
                        line.out.extend_from_slice(name);
                    }
                    Text::Ints(numbers) => line.int(numbers.get(row).copied().unwrap_or(0)),
                    Text::Floats(numbers) => {
                        line.float(numbers.get(row).copied().unwrap_or(f64::NAN))?;
                    }
                    Text::Json(cells) => match cells.get(row) {
                        Some(Cell::Text(json)) => line.out.extend_from_slice(json.as_bytes()),
                        other => line.cell(other.unwrap_or(&Cell::Empty))?,
                    },
                    Text::Cells(cells) => line.cell(cells.get(row).unwrap_or(&Cell::Empty))?,
                }
            }
            line.out.extend_from_slice(self.style.end);
        }
        Ok(out)
    }
}

struct Line<'l> {
    style: &'l Style,
    ints: itoa::Buffer,
    out: &'l mut Vec<u8>,
}

impl Line<'_> {
    fn int(&mut self, number: i64) {
        self.out.extend_from_slice(self.ints.format(number).as_bytes());
    }

    fn float(&mut self, number: f64) -> Result<()> {
        match Exact(number).name() {
            Some(name) => (self.style.text)(name, self.out),
            None => {
                let mut buffer = zmij::Buffer::new();
                self.out.extend_from_slice(buffer.format_finite(number).as_bytes());
                Ok(())
            }
        }
    }

    fn cell(&mut self, cell: &Cell) -> Result<()> {
        match cell {
            Cell::Empty => self.out.extend_from_slice(self.style.missing),
            Cell::Bool(true) => self.out.extend_from_slice(b"true"),
            Cell::Bool(false) => self.out.extend_from_slice(b"false"),
            Cell::Int(number) => self.int(*number),
            Cell::Number(number) | Cell::Time(number) | Cell::Duration(number) => {
                self.float(*number)?;
            }
            Cell::Text(text) => (self.style.text)(text, self.out)?,
        }
        Ok(())
    }
}

impl Sheet for Lines {
    fn rows(&mut self, batch: Batch) -> Result<()> {
        let columns = batch.values.iter().map(|values| self.text(values));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        if batch.rows <= PART {
            let text = self.part(&columns, 0..batch.rows)?;
            return self.output.write(text);
        }
        let parts: Vec<_> = (0..batch.rows).step_by(PART).collect();
        let part = |start: &usize| self.part(&columns, *start..(start + PART).min(batch.rows));
        let parts: Vec<_> = parts.par_iter().map(part).collect();
        parts.into_iter().try_for_each(|part| self.output.write(part?))
    }

    fn finish(self: Box<Self>) -> Result<Output> {
        Ok(self.output)
    }
}
