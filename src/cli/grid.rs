//! Rows and columns in every format in which the program prints them.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serializer;
use unicode_width::UnicodeWidthStr;

use super::output::stdout;
use super::render::{Table, date, duration, name, number, terminal_width};
use super::{print, progress};
use crate::error::{ErrorKind, Result};
use crate::printable::{Escape, is_active};
use crate::table::Cell;

/// The formats of tables.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people; as wide as the terminal.
    Text,
    /// Comma-separated values: every column, exact numbers.
    Csv,
    /// JSON Lines: an object a row, exact numbers, NaN and infinities as strings.
    Json,
    /// A Markdown table.
    Md,
}

/// Rows and columns.
pub(super) struct Grid {
    columns: Vec<Head>,
    rows: Vec<Vec<Cell>>,
}

struct Head {
    name: String,
    is_numeric: bool,
}

impl Grid {
    pub(super) fn new() -> Self {
        Self { columns: Vec::new(), rows: Vec::new() }
    }

    pub(super) fn column(&mut self, name: impl Into<String>, is_numeric: bool) {
        self.columns.push(Head { name: name.into(), is_numeric });
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints the rows; how many columns did not fit.
    pub(super) fn print(&self, format: Format) -> Result<usize> {
        progress::end();
        let printed = match format {
            Format::Text => return self.print_text(),
            Format::Csv => self.csv(&mut stdout(Escape::Csv)),
            Format::Json => self.json(&mut stdout(Escape::Json)),
            Format::Md => self.markdown(&mut io::stdout().lock()),
        };
        printed.map(|()| 0).map_err(|error| ErrorKind::from(error).into())
    }

    fn print_text(&self) -> Result<usize> {
        let texts: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(short).collect()).collect();
        let shown = self.fitting(&texts, terminal_width());
        let heads: Vec<_> = self.columns.iter().take(shown).collect();
        let names = heads.iter().map(|head| (name(&head.name), head.is_numeric));
        let mut table = Table::new(names, 0);
        for row in texts {
            table.row(row.into_iter().take(shown).collect());
        }
        print(&table.render(terminal_width()))?;
        Ok(self.columns.len() - shown)
    }

    /// How many columns fit: at least two.
    fn fitting(&self, texts: &[Vec<String>], width: Option<usize>) -> usize {
        let Some(mut room) = width else { return self.columns.len() };
        for (i, head) in self.columns.iter().enumerate() {
            let cells = texts.iter().filter_map(|row| row.get(i)).map(|cell| cell.width());
            let widest = cells.max().unwrap_or(0).max(head.name.width());
            // The first column can be shortened.
            let least = if i == 0 { widest.min(24) } else { widest + 2 };
            match room.checked_sub(least) {
                Some(left) => room = left,
                None if i < 2 => return 2.min(self.columns.len()),
                None => return i,
            }
        }
        self.columns.len()
    }

    fn csv(&self, out: &mut impl Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(self.columns.iter().map(|head| &head.name))?;
        for row in &self.rows {
            csv.write_record(row.iter().map(ToString::to_string))?;
        }
        csv.flush()
    }

    fn json(&self, out: &mut impl Write) -> io::Result<()> {
        let mut out = io::BufWriter::new(out);
        for row in &self.rows {
            let pairs = self.columns.iter().map(|head| &head.name).zip(row);
            (&mut serde_json::Serializer::new(&mut out)).collect_map(pairs)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    fn markdown(&self, out: &mut impl Write) -> io::Result<()> {
        let mut out = io::BufWriter::new(out);
        let mut line = |cells: Vec<String>| writeln!(out, "| {} |", cells.join(" | "));
        line(self.columns.iter().map(|head| escaped(&head.name)).collect())?;
        let rule = |head: &Head| if head.is_numeric { "---:" } else { "---" }.to_owned();
        line(self.columns.iter().map(rule).collect())?;
        for row in &self.rows {
            line(row.iter().map(|cell| escaped(&short(cell))).collect())?;
        }
        out.flush()
    }
}

/// A cell for people.
pub(super) fn short(cell: &Cell) -> String {
    match cell {
        Cell::Number(value) => number(*value),
        Cell::Time(seconds) => date(*seconds),
        Cell::Duration(seconds) => duration(*seconds),
        Cell::Text(text) if !text.is_empty() => name(text),
        other => other.to_string(),
    }
}

/// Printable text that neither ends a cell of a Markdown table nor begins something else in it.
/// Different texts stay different.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '<' | '`' | '*' | '[' => escaped.extend(['\\', c]),
            c if is_active(c) => escaped.extend(c.escape_default()),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_stay_different_in_markdown() {
        let names = ["a\nb", "a\\nb", "a\\\\nb", "a b", "a|b", "a\\|b", "a\u{1b}b", "a\\u{1b}b"];
        let escaped: std::collections::BTreeSet<_> =
            names.iter().map(|name| escaped(name)).collect();
        assert_eq!(escaped.len(), names.len(), "{escaped:?}");
        assert!(escaped.iter().all(|name| !name.contains('\n')));
    }
}
