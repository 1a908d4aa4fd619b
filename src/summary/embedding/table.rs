//! The labels of an embedding's points: lines of cells separated by tabs. The format has no
//! escapes.

use std::io;

/// Labels, one or more for each point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Empty, or one name per column.
    header: Vec<String>,
    columns: usize,
    cells: Vec<String>,
}

impl Table {
    /// Creates a table with one label for each point.
    pub(super) fn of_labels<L: ToString>(labels: impl IntoIterator<Item = L>) -> Self {
        let cells = labels.into_iter().map(|label| label.to_string()).collect();
        Self { header: vec![], columns: 1, cells }
    }

    /// Creates a table with a row of labels for each point, and the names of the columns. Fails if
    /// a row has another number of labels.
    pub(super) fn new<H: ToString, R>(
        header: impl IntoIterator<Item = H>,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Self, String>
    where
        R: IntoIterator,
        R::Item: ToString,
    {
        let mut header: Vec<_> = header.into_iter().map(|name| name.to_string()).collect();
        let columns = header.len();
        let mut cells = Vec::new();
        for (i, row) in rows.into_iter().enumerate() {
            let before = cells.len();
            cells.extend(row.into_iter().map(|cell| cell.to_string()));
            let found = cells.len() - before;
            if found != columns {
                return Err(format!(
                    "a header of {columns} names, but metadata row {i} of {found}"
                ));
            }
        }
        if columns == 1 {
            // The projector takes a first line without a tab as a label.
            header.clear();
        }
        Ok(Self { header, columns, cells })
    }

    /// The first mistake, if any: something that a line cannot hold.
    pub(super) fn mistake(&self) -> Option<String> {
        let header = Some(self.header()).filter(|header| !header.is_empty());
        if let Some(what) = header.and_then(mistake) {
            return Some(format!("a header {what}"));
        }
        let mut rows = self.rows().enumerate();
        rows.find_map(|(i, row)| Some(format!("labels of point {i} {}", mistake(row)?)))
    }

    /// Parses a table, which has a header if its first line contains a tab. Like the projector, it
    /// cuts longer rows, pads shorter rows with empty labels and skips blank lines.
    pub(super) fn read(text: &str) -> Self {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
        let mut header = Vec::new();
        if let Some(first) = lines.next_if(|line| line.contains('\t')) {
            header = first.split('\t').map(str::to_owned).collect();
        }
        let columns = header.len().max(1);
        let mut cells = Vec::new();
        for line in lines {
            let mut row = line.split('\t');
            cells.extend((0..columns).map(|_| row.next().unwrap_or("").to_owned()));
        }
        Self { header, columns, cells }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len() / self.columns.max(1)
    }

    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[String]> {
        self.cells.chunks(self.columns.max(1))
    }

    pub(super) fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        let header = Some(self.header.as_slice()).filter(|header| !header.is_empty());
        for row in header.into_iter().chain(self.rows()) {
            let mut separator = "";
            for cell in row {
                write!(out, "{separator}{cell}")?;
                separator = "\t";
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// The mistake in a line of these cells, if any. A line without visible characters would be skipped
/// (`vz_projector/data-provider.ts`, `parseMetadata`), and all later labels would move up by one
/// point.
fn mistake(cells: &[String]) -> Option<String> {
    if let Some(cell) = cells.iter().find(|cell| cell.contains(['\t', '\n', '\r'])) {
        return Some(format!("with a tab or a line break: {cell:?}"));
    }
    let is_blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    let nothing = cells.iter().all(|cell| cell.chars().all(is_blank));
    nothing.then(|| "without a visible character".into())
}
