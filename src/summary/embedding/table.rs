//! The labels of an embedding's points: lines with tabs between their cells. The format has no
//! escapes.

use std::io;

/// Labels, one or more for each point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// None, or as many as there are columns.
    header: Vec<String>,
    columns: usize,
    cells: Vec<String>,
}

impl Table {
    /// A label for each point.
    pub(super) fn of_labels<L: ToString>(labels: impl IntoIterator<Item = L>) -> Self {
        let cells = labels.into_iter().map(|label| label.to_string()).collect();
        Self { header: vec![], columns: 1, cells }
    }

    /// A row of labels for each point, and their names; what is wrong if a row has not as many.
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
                    "a header of {columns} names, and metadata row {i} of {found}"
                ));
            }
        }
        if columns == 1 {
            // The projector takes a first line without a tab for a label.
            header.clear();
        }
        Ok(Self { header, columns, cells })
    }

    /// What no line can hold, if there is any.
    pub(super) fn mistake(&self) -> Option<String> {
        let header = Some(self.header()).filter(|header| !header.is_empty());
        if let Some(what) = header.and_then(mistake) {
            return Some(format!("a header {what}"));
        }
        let mut rows = self.rows().enumerate();
        rows.find_map(|(i, row)| Some(format!("labels of point {i} {}", mistake(row)?)))
    }

    /// The table in `text`: with a header if its first line has a tab in it. A row of other
    /// length is cut, or filled up with empty labels, and blank lines are no rows: so the
    /// projector has it.
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

/// What is wrong with a line of these cells. One of nothing that is seen is skipped
/// (`vz_projector/data-provider.ts`, `parseMetadata`), and all labels after it would be those of
/// the point before.
fn mistake(cells: &[String]) -> Option<String> {
    if let Some(cell) = cells.iter().find(|cell| cell.contains(['\t', '\n', '\r'])) {
        return Some(format!("with a tab or the end of a line in them: {cell:?}"));
    }
    let is_blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    let nothing = cells.iter().all(|cell| cell.chars().all(is_blank));
    nothing.then(|| "in which there is nothing to be seen".into())
}
