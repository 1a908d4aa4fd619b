//! Run metadata: the copies of `tbx.json`.

use super::Extractor;
use super::piece::{Part, Piece, numbered};
use tbx::error::ErrorKind;
use tbx::summary::Kind;

pub(super) const EXTRACTOR: Extractor = Extractor {
    name: "meta",
    about: "run metadata: the copies of tbx.json in the logs",
    kind: Some(Kind::Meta),
    make,
};

fn make(parts: &[Part<'_>]) -> Result<Vec<Piece>, ErrorKind> {
    let [part] = parts else { return Ok(Vec::new()) };
    let piece = |bytes| Piece { extension: "json", bytes, ..Piece::default() };
    Ok(numbered(part.value.strings()?.0, piece))
}
