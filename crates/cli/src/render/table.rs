//! Tables for people, in the width of a terminal.
//!
//! If not everything fits, names come first: different names never look alike. Columns are omitted in the
//! caller's order, and a note names them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::elide::{elided, least_width};
use super::terminal::terminal_width;
use super::{DIM, counted, name, styled, wrapped};

/// Minimum width of a column of names.
const LEAST_NAME: usize = 12;
/// Minimum width of wrapped text.
const LEAST_TEXT: usize = 16;
/// Maximum number of lines of a column heading.
const MAX_HEAD: usize = 4;
/// Maximum number of omitted columns that are named, and maximum total width of these names.
const MAX_LISTED: usize = 6;
const MAX_LISTED_WIDTH: usize = 72;

/// How a column shrinks if not everything fits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Not at all: numbers, dates.
    Whole,
    /// Cells are shortened; different ones stay different.
    Name,
    /// Cells are wrapped.
    Text,
}

/// A table whose columns are as wide as their content, if there is room.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    styles: BTreeMap<(usize, usize), Style>,
    /// Columns that may be omitted, in this order.
    spare: Vec<usize>,
    /// Names in the first column of tables next to this one: no name here may look like one of them.
    others: BTreeSet<String>,
    indent: usize,
}

struct Column {
    head: String,
    /// True if it has numbers, aligned right.
    is_numeric: bool,
    fit: Fit,
    /// True if the column is meaningless without the one before it.
    is_bound: bool,
}

/// Names of the omitted columns.
#[derive(Default)]
pub(crate) struct NotShown(Vec<String>);

impl NotShown {
    /// A line that names the omitted columns; empty if there are none. The option `otherwise` shows them.
    pub(crate) fn note(&self, otherwise: &str) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut names: Vec<_> =
            self.0.iter().take(MAX_LISTED).map(|head| name(head.trim())).collect();
        while names.len() > 1
            && names.iter().map(|name| name.width()).sum::<usize>() > MAX_LISTED_WIDTH
        {
            names.pop();
        }
        let more = self.0.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let columns = counted(self.0.len(), "column");
        let names = names.join(", ");
        let line =
            format!("{columns} not shown: {names}{more}; widen the terminal or use {otherwise}");
        styled(DIM, &line) + "\n"
    }

    fn add(&mut self, head: &str) {
        if !self.0.iter().any(|known| known == head) {
            self.0.push(head.to_owned());
        }
    }
}

impl Table {
    /// A table with these columns; headings of numeric columns start with `>`. The first column has names.
    pub(crate) fn of(columns: &[&str], indent: usize) -> Self {
        let mut table = Self::empty(indent);
        for (i, head) in columns.iter().enumerate() {
            let fit = if i == 0 { Fit::Name } else { Fit::Whole };
            match head.strip_prefix('>') {
                Some(head) => table.column(head.to_owned(), true, Fit::Whole),
                None => table.column((*head).to_owned(), false, fit),
            }
        }
        table
    }

    /// A table without columns, indented.
    pub(super) fn empty(indent: usize) -> Self {
        let (columns, rows) = (Vec::new(), Vec::new());
        let (styles, spare, others) = Default::default();
        Self { columns, rows, styles, spare, others, indent }
    }

    /// A table without columns or indentation.
    pub(crate) fn new() -> Self {
        Self::empty(0)
    }

    /// Adds a column.
    pub(crate) fn column(&mut self, head: String, is_numeric: bool, fit: Fit) {
        self.columns.push(Column { head, is_numeric, fit, is_bound: false });
    }

    /// Makes the last column depend on the one before it: either both are shown, or none.
    pub(crate) fn bind(&mut self) {
        self.columns.iter_mut().last().into_iter().for_each(|column| column.is_bound = true);
    }

    /// Sets how these columns shrink.
    pub(crate) fn fit(mut self, heads: &[&str], fit: Fit) -> Self {
        let columns = self.columns.iter_mut();
        columns.filter(|c| heads.contains(&c.head.as_str())).for_each(|column| column.fit = fit);
        self
    }

    /// Sets the columns that may be omitted, by name, in this order.
    pub(crate) fn spare(self, heads: &[&str]) -> Self {
        let place = |head: &&str| self.columns.iter().position(|column| column.head == *head);
        let spare = heads.iter().filter_map(place).collect();
        Self { spare, ..self }
    }

    /// Sets other names next to this table: no name in it may look like one of them.
    pub(crate) fn others(self, others: BTreeSet<String>) -> Self {
        Self { others, ..self }
    }

    /// Sets the columns that may be omitted, in this order.
    pub(crate) fn spare_columns(self, spare: Vec<usize>) -> Self {
        Self { spare, ..self }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Sets the style of a cell of the last row.
    pub(crate) fn style(&mut self, column: usize, style: Style) {
        self.styles.insert((self.rows.len().saturating_sub(1), column), style);
    }

    /// The table, fitted to the standard output.
    pub(crate) fn shown(&self, not_shown: &mut NotShown) -> String {
        self.lay_out(terminal_width(), not_shown)
    }

    /// The table in `width` columns, or as wide as it is without a width.
    pub(crate) fn render(&self, width: Option<usize>) -> String {
        self.lay_out(width, &mut NotShown::default())
    }

    fn lay_out(&self, width: Option<usize>, not_shown: &mut NotShown) -> String {
        let widths = self.widths(width, not_shown);
        let mut columns = Vec::new();
        for (i, (column, width)) in self.columns.iter().zip(&widths).enumerate() {
            columns.extend(width.map(|width| self.lines(i, column, width)));
        }
        let mut text = String::new();
        // Headings are aligned at the bottom.
        let heads = columns.iter().map(|column| column.head.len()).max().unwrap_or(0);
        for line in 0..heads {
            let cells = columns.iter().map(|column| {
                let above = heads - column.head.len();
                let head = line.checked_sub(above).and_then(|line| column.head.get(line));
                (head.map_or("", |head| head), Style::new())
            });
            self.line(&mut text, &columns, cells, DIM);
        }
        for row in 0..self.rows.len() {
            let cells = |column: &Lines| column.cells.get(row).map_or(0, Vec::len);
            let lines = columns.iter().map(cells).max().unwrap_or(0);
            for line in 0..lines.max(1) {
                let cells = columns.iter().map(|column| {
                    let cell = column.cells.get(row).and_then(|cell| cell.get(line));
                    let style = self.styles.get(&(row, column.place)).copied();
                    (cell.map_or("", |cell| cell), style.unwrap_or_default())
                });
                self.line(&mut text, &columns, cells, Style::new());
            }
        }
        text
    }

    /// One line of the table.
    fn line<'c>(
        &self,
        text: &mut String,
        columns: &[Lines],
        cells: impl Iterator<Item = (&'c str, Style)>,
        style: Style,
    ) {
        let mut line = " ".repeat(self.indent);
        let mut blank = 0;
        for (column, (cell, of_cell)) in columns.iter().zip(cells) {
            let padding = column.width.saturating_sub(cell.width());
            let (before, after) = if column.is_numeric { (padding, 0) } else { (0, padding) };
            if !cell.is_empty() {
                line += &" ".repeat(blank + before);
                line += &if of_cell == Style::new() { cell.into() } else { styled(of_cell, cell) };
                blank = after + 2;
            } else {
                blank += padding + 2;
            }
        }
        let _ = writeln!(text, "{style}{}{style:#}", line.trim_end());
    }

    /// The lines of a column at this width.
    fn lines(&self, place: usize, column: &Column, width: usize) -> Lines {
        let cells: Vec<&str> = self.cells(place).collect();
        let cells = match column.fit {
            Fit::Whole => cells.iter().map(|cell| vec![(*cell).to_owned()]).collect(),
            Fit::Name => {
                let (room, names) = (width.max(LEAST_NAME), self.names(place));
                let cut = elided(&names, room).or_else(|| {
                    let least = least_width(&names, room);
                    elided(&names, least)
                });
                let whole = || cells.iter().map(|cell| (*cell).to_owned()).collect();
                let cut = cut.unwrap_or_else(whole).into_iter();
                cut.take(cells.len()).map(|cell| vec![cell]).collect()
            }
            Fit::Text => {
                let lines = |cell: &&str| {
                    let lines = wrapped(cell, width, 0, 0);
                    lines.lines().map(str::to_owned).collect()
                };
                cells.iter().map(lines).collect()
            }
        };
        let head = broken(&column.head, width);
        Lines { place, head, cells, width, is_numeric: column.is_numeric }
    }

    /// The cells of a column.
    fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row.get(column).map_or("", String::as_str))
    }

    /// The cells of a column, and other names that they must not look like.
    fn names(&self, column: usize) -> Vec<&str> {
        let others = self.others.iter().filter(|_| column == 0).map(String::as_str);
        self.cells(column).chain(others).collect()
    }

    /// The width of each column; none if it is omitted.
    fn widths(&self, width: Option<usize>, not_shown: &mut NotShown) -> Vec<Option<usize>> {
        let cells: Vec<usize> = (0..self.columns.len())
            .map(|i| self.cells(i).map(UnicodeWidthStr::width).max().unwrap_or(0))
            .collect();
        let whole = cells.iter().zip(&self.columns);
        let whole: Vec<usize> = whole.map(|(cells, c)| c.head.width().max(*cells)).collect();
        // Columns are two spaces apart.
        let gaps = |columns: usize| self.indent + 2 * columns.saturating_sub(1);
        let Some(room) =
            width.filter(|room| whole.iter().sum::<usize>() + gaps(whole.len()) > *room)
        else {
            return whole.into_iter().map(Some).collect();
        };
        // The minimum, and the width to reach before another column is omitted.
        let least: Vec<(usize, usize)> = (0..self.columns.len())
            .zip(&self.columns)
            .zip(&cells)
            .map(|((i, column), cells)| {
                let head = head_width(&column.head);
                let (least, wanted) = match column.fit {
                    Fit::Whole => (*cells, *cells),
                    Fit::Text => ((*cells).min(LEAST_TEXT), (*cells).min(LEAST_TEXT)),
                    Fit::Name => {
                        let least = least_width(&self.names(i), LEAST_NAME).min(*cells);
                        // The first column says what each row is about.
                        let wanted = if i == 0 { (*cells).min(room * 2 / 5) } else { least };
                        (least, wanted.max(least))
                    }
                };
                (least.max(head), wanted.max(head))
            })
            .collect();
        let total = |chosen: &[usize], of: &dyn Fn(&(usize, usize)) -> usize| {
            chosen.iter().filter_map(|i| least.get(*i)).map(of).sum::<usize>() + gaps(chosen.len())
        };
        // A column whose cells are all empty is not missed.
        let is_empty = |i: &usize| !self.rows.is_empty() && cells.get(*i) == Some(&0);
        let mut chosen: Vec<usize> =
            (0..self.columns.len()).filter(|i| !self.spare.contains(i) && !is_empty(i)).collect();
        let mut left_out = Vec::new();
        let is_bound = |i: &usize| self.columns.get(*i).is_some_and(|column| column.is_bound);
        for i in self.spare.iter().rev().filter(|i| !is_bound(i)) {
            let before = chosen.len();
            chosen.push(*i);
            chosen.extend((*i + 1..).take_while(is_bound));
            if total(&chosen, &|(_, wanted)| *wanted) > room {
                left_out.extend(chosen.drain(before..).filter(|i| !is_empty(i)));
            }
        }
        left_out.sort_unstable();
        let heads = left_out.iter().filter_map(|i| self.columns.get(*i));
        heads.for_each(|column| not_shown.add(&column.head));
        let fits = total(&chosen, &|(_, wanted)| *wanted) <= room;
        let mut widths: Vec<Option<usize>> = vec![None; self.columns.len()];
        for i in &chosen {
            let width = least.get(*i).map(|(least, wanted)| if fits { *wanted } else { *least });
            if let Some(place) = widths.get_mut(*i) {
                *place = width;
            }
        }
        // The remaining room goes to names, then to texts, then to headings.
        let used = widths.iter().flatten().sum::<usize>() + gaps(chosen.len());
        let mut left = room.saturating_sub(used);
        for fit in [Fit::Name, Fit::Text, Fit::Whole] {
            let columns = self.columns.iter().zip(&whole).zip(&mut widths);
            for ((_, whole), width) in columns.filter(|((column, _), _)| column.fit == fit) {
                if let Some(width) = width {
                    let more = whole.saturating_sub(*width).min(left);
                    *width += more;
                    left -= more;
                }
            }
        }
        widths
    }
}

/// The lines of a column.
struct Lines {
    place: usize,
    head: Vec<String>,
    cells: Vec<Vec<String>>,
    width: usize,
    is_numeric: bool,
}

/// A heading in lines of at most `width` columns if possible, broken at the separators of a tag.
fn broken(head: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut rest = head;
    if head.width() <= width {
        return vec![head.to_owned()];
    }
    while !rest.is_empty() {
        let is_end = |(_, c): &(usize, char)| "/_.:- =,".contains(*c);
        let end = rest.char_indices().find(is_end).map_or(rest.len(), |(i, c)| i + c.len_utf8());
        let (piece, after) = rest.split_at(end);
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.width() + piece.trim_end().width() <= width => {
                line.push_str(piece);
            }
            _ => lines.push(piece.to_owned()),
        }
        rest = after;
    }
    lines
}

/// The minimum width of a heading in a few lines.
fn head_width(head: &str) -> usize {
    let widest = |width| broken(head, width).iter().map(|line| line.width()).max().unwrap_or(0);
    let fits = |width: &usize| broken(head, *width).len() <= MAX_HEAD && widest(*width) <= *width;
    (1..head.width()).find(fits).unwrap_or(head.width())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let table = Table::of(&["TAG", ">LAST", "NOTES", ">MIN"], 2).fit(&["NOTES"], Fit::Text);
        let mut table = table.spare(&["MIN"]);
        for (tag, notes) in
            [("a/long/name/of/a/tag/1/x", ""), ("a/long/name/of/a/tag/2/x", "3 NaN")]
        {
            table.row(vec![tag.into(), "0.5".into(), notes.into(), "0.25".into()]);
        }
        table
    }

    fn lines(text: &str) -> Vec<String> {
        let text = anstream::adapter::strip_str(text).to_string();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_table_is_whole_where_there_is_room() {
        let expected = [
            "  TAG                       LAST  NOTES   MIN",
            "  a/long/name/of/a/tag/1/x   0.5         0.25",
            "  a/long/name/of/a/tag/2/x   0.5  3 NaN  0.25",
        ];
        for width in [None, Some(45), Some(200)] {
            assert_eq!(lines(&table().render(width)), expected);
        }
    }

    #[test]
    fn columns_go_before_names_are_alike() {
        let mut not_shown = NotShown::default();
        let narrow = table().lay_out(Some(30), &mut not_shown);
        assert_eq!(
            lines(&narrow),
            [
                "  TAG              LAST  NOTES",
                "  a/long/…tag/1/x   0.5",
                "  a/long/…tag/2/x   0.5  3 NaN",
            ]
        );
        let note = lines(&not_shown.note("--format json")).concat();
        assert_eq!(note, "1 column not shown: MIN; widen the terminal or use --format json");
        // A name stays recognizable at any width.
        let text = table().render(Some(5));
        assert!(text.contains("1/x") && text.contains("2/x"), "{text}");
    }

    #[test]
    fn what_belongs_together_stays_or_goes_together() {
        let mut table = Table::new();
        table.column("RUN".into(), false, Fit::Name);
        for head in ["a_long_head_without_end", "b"] {
            table.column(head.replace('_', ""), true, Fit::Whole);
            table.column("±".into(), true, Fit::Whole);
            table.bind();
        }
        table.row(["x", "1", "2", "3", "4"].map(String::from).into());
        let table = table.spare_columns(vec![4, 3, 2, 1]);
        assert_eq!(lines(&table.render(Some(20))), ["RUN  b  ±", "x    3  4"]);
        assert_eq!(lines(&table.render(Some(30)))[0], "RUN  alongheadwithoutend  ±");
    }

    #[test]
    fn heads_and_texts_take_more_lines() {
        let mut table = Table::of(&["RUN", ">train/encoder/loss", "WHAT"], 0);
        table = table.fit(&["WHAT"], Fit::Text);
        table.row(vec!["a".into(), "0.5".into(), "one two three four five six seven eight".into()]);
        assert_eq!(
            lines(&table.render(Some(36))),
            [
                "       train/",
                "     encoder/",
                "RUN      loss  WHAT",
                "a         0.5  one two three four",
                "               five six seven eight",
            ]
        );
        assert_eq!(broken("a_b", 1), ["a_", "b"]);
    }
}
