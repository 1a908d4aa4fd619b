//! JSON Lines: one object and one line per row. NaN and infinities are strings; missing values are
//! null.

use super::batch::Column;
use super::lines::Lines;
use super::{Style, Target};
use crate::printable::Escape;
use tbx::error::{ErrorKind, Result};

pub(super) const TARGET: Target = Target {
    name: "json",
    about: "JSON Lines, one object per row",
    extension: "jsonl",
    text: Some(Escape::Json),
    open: |columns, output| Ok(Box::new(Lines::open(STYLE, columns, output)?)),
};

const STYLE: Style =
    Style { head: |_| Ok(Vec::new()), before, text, is_json: true, missing: b"null", end: b"}\n" };

fn before(i: usize, column: &Column) -> Result<Vec<u8>> {
    let mut before = vec![if i == 0 { b'{' } else { b',' }];
    text(&column.name, &mut before)?;
    before.push(b':');
    Ok(before)
}

fn text(text: &str, out: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(out, text)
        .map_err(|error| ErrorKind::from(std::io::Error::from(error)).into())
}
