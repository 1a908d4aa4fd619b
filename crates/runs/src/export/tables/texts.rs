//! One row per text.

use super::Table;
use super::rows::count;
use super::values::ValueRows;
use crate::export::batch::Type;
use crate::table::Cell;
use tbx::error::ErrorKind;
use tbx::summary::text::Text;
use tbx::summary::{Kind, RawValue};

pub(super) const TABLE: Table = Table {
    name: "texts",
    about: "one row per text, or per cell of a table: run, tag, step, wall_time, index, text",
    is_rare: true,
    has_values: true,
    kinds: &[Kind::Text],
    make: |settings, _, _| Ok(Box::new(ValueRows::new(Kind::Text, &COLUMNS, rows, settings))),
};

const COLUMNS: [(&str, Type); 2] = [("index", Type::Int), ("text", Type::Text)];

fn rows(value: &RawValue) -> Result<Vec<Vec<Cell>>, ErrorKind> {
    let texts = Text::read(value)?.strings.into_iter().enumerate();
    Ok(texts.map(|(i, text)| vec![count(i), Cell::Text(text)]).collect())
}
