//! Texts as Markdown files, since they are Markdown; tables of texts as CSV, which keeps every cell
//! unchanged.

use std::io;

use bytes::Bytes;

use super::Extractor;
use super::piece::{Facts, Part, Piece, check_size, total};
use tbx::error::ErrorKind;
use tbx::summary::Kind;

pub(super) const EXTRACTOR: Extractor = Extractor {
    name: "text",
    about: "texts as Markdown, tables of texts as CSV",
    kind: Some(Kind::Text),
    make,
};

fn make(parts: &[Part<'_>]) -> Result<Vec<Piece>, ErrorKind> {
    let [part] = parts else { return Ok(Vec::new()) };
    let (strings, shape) = part.value.strings()?;
    let facts = |shape| Facts { shape: Some(shape), ..Facts::default() };
    // PyTorch writes a single text as a list of one.
    if let ([text], 0 | 1) = (strings.as_slice(), shape.len()) {
        let piece = Piece { extension: "md", bytes: text.clone(), ..Piece::default() };
        return Ok(vec![Piece { facts: facts(shape), ..piece }]);
    }
    let piece =
        Piece { extension: "csv", bytes: csv(parts, &strings, &shape)?, ..Piece::default() };
    Ok(vec![Piece { facts: facts(shape), ..piece }])
}

/// Writes texts of this shape as a table. A list has one column; with more than two dimensions, the
/// last one is the columns.
pub(super) fn csv(
    parts: &[Part<'_>],
    strings: &[Bytes],
    shape: &[usize],
) -> Result<Bytes, ErrorKind> {
    // Each text is followed by a comma or a line end.
    check_size(parts, 1, total(strings).saturating_add(strings.len()))?;
    let columns = if shape.len() < 2 { 1 } else { shape.last().copied().unwrap_or(1) };
    let mut csv = csv::Writer::from_writer(Vec::new());
    for row in strings.chunks(columns.max(1)) {
        csv.write_record(row).map_err(io::Error::from)?;
    }
    Ok(csv.into_inner().map_err(|error| error.into_error())?.into())
}
