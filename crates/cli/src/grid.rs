//! Rows and columns, in every format that the program prints.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serializer;

use super::output::stdout;
use super::render::{Fit, NotShown, Table, date, duration, has_colors, is_terminal, name, number};
use super::{print, progress};
use tbx::error::{ErrorKind, Result};
use tbx_runs::printable::{Escape, is_active};
use tbx_runs::table::Cell;

/// Output formats of tables.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text, as wide as the terminal.
    Text,
    /// Comma-separated values: every column, exact numbers.
    Csv,
    /// JSON Lines: one object per row, exact numbers, NaN and infinities as strings.
    Json,
    /// A Markdown table.
    Md,
}

/// Style of the best cell of a column.
const BEST: Style = AnsiColor::Green.on_default().bold();

/// Rows and columns.
pub(super) struct Grid {
    columns: Vec<Head>,
    rows: Vec<Vec<Cell>>,
    /// Columns, the most important first.
    order: Vec<usize>,
    /// How text columns shrink, except the first.
    texts: Fit,
    /// The best cells of their columns, by row and column.
    best: BTreeSet<(usize, usize)>,
    /// The option that shows columns that do not fit on a terminal.
    otherwise: &'static str,
}

struct Head {
    name: String,
    is_numeric: bool,
    /// True if the column is meaningless without the one before it.
    is_bound: bool,
}

impl Grid {
    pub(super) fn new() -> Self {
        Self {
            columns: Vec::new(),
            rows: Vec::new(),
            order: Vec::new(),
            texts: Fit::Name,
            best: BTreeSet::new(),
            otherwise: "--format csv",
        }
    }

    /// Sets which columns stay longest when not all fit. By default, the first ones stay.
    pub(super) fn keep(&mut self, order: Vec<usize>) {
        self.order = order;
    }

    /// Sets the option that shows columns that do not fit on a terminal.
    pub(super) fn otherwise(&mut self, otherwise: &'static str) {
        self.otherwise = otherwise;
    }

    /// Marks the best cells of their columns, by row and column.
    pub(super) fn mark(&mut self, best: BTreeSet<(usize, usize)>) {
        self.best = best;
    }

    pub(super) fn column(&mut self, name: impl Into<String>, is_numeric: bool) {
        self.columns.push(Head { name: name.into(), is_numeric, is_bound: false });
    }

    /// Adds a column of numbers that is meaningless without the one before it.
    pub(super) fn bound_column(&mut self, name: impl Into<String>) {
        self.columns.push(Head { name: name.into(), is_numeric: true, is_bound: true });
    }

    /// Wraps texts that do not fit, instead of shortening them in the middle.
    pub(super) fn wrap_texts(&mut self) {
        self.texts = Fit::Text;
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints the rows. Returns whether the best ones are marked with a sign.
    pub(super) fn print(&self, format: Format) -> Result<bool> {
        progress::end();
        let printed = match format {
            Format::Text => return self.print_text(),
            Format::Csv => self.csv(&mut stdout(Escape::Csv)),
            Format::Json => self.json(&mut stdout(Escape::Json)),
            Format::Md => self.markdown(&mut io::stdout().lock()),
        };
        printed.map(|()| false).map_err(|error| ErrorKind::from(error).into())
    }

    fn print_text(&self) -> Result<bool> {
        let mut table = Table::new();
        for (i, head) in self.columns.iter().enumerate() {
            let mut cells = self.rows.iter().filter_map(|row| row.get(i));
            // A date cannot be shortened.
            let is_text = !head.is_numeric && cells.any(|cell| matches!(cell, Cell::Text(_)));
            let fit = match (is_text, i) {
                (false, _) => Fit::Whole,
                (true, 0) => Fit::Name,
                (true, _) => self.texts,
            };
            table.column(name(&head.name), head.is_numeric, fit);
            if head.is_bound {
                table.bind();
            }
        }
        // Without colors, a terminal shows a sign; a file gets neither.
        let has_colors = has_colors();
        let has_sign = !has_colors && is_terminal() && !self.best.is_empty();
        for (i, row) in self.rows.iter().enumerate() {
            let texts = row.iter().enumerate().map(|(j, cell)| {
                let is_marked = self.best.iter().any(|(_, column)| *column == j);
                let sign = match (has_sign && is_marked, self.best.contains(&(i, j))) {
                    (true, true) => "*",
                    (true, false) => " ",
                    (false, _) => "",
                };
                short(cell) + sign
            });
            table.row(texts.collect());
            let best = self.best.range((i, 0)..(i + 1, 0)).filter(|_| has_colors);
            best.for_each(|(_, column)| table.style(*column, BEST));
        }
        let mut order = self.order.clone();
        order.extend((0..self.columns.len()).filter(|i| !self.order.contains(i)));
        // The first column and the most important other one always stay.
        let mut spare: Vec<_> = order.into_iter().filter(|i| *i > 0).skip(1).collect();
        spare.reverse();
        let mut not_shown = NotShown::default();
        let text = table.spare_columns(spare).shown(&mut not_shown);
        print(&(text + &not_shown.note(self.otherwise)))?;
        Ok(has_sign)
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

/// A cell for display.
pub(super) fn short(cell: &Cell) -> String {
    match cell {
        Cell::Number(value) => number(*value),
        Cell::Time(seconds) => date(*seconds),
        Cell::Duration(seconds) => duration(*seconds),
        Cell::Text(text) if !text.is_empty() => name(text),
        other => other.to_string(),
    }
}

/// Printable text that neither ends a cell of a Markdown table nor starts other markup. Different texts
/// stay different.
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
