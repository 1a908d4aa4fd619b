//! Comma-separated values (RFC 4180): a header, then one line per row. Missing values are empty.

use super::batch::Column;
use super::lines::Lines;
use super::{Style, Target};
use crate::printable::Escape;
use tbx::error::Result;

pub(super) const TARGET: Target = Target {
    name: "csv",
    about: "comma-separated values, with a header",
    extension: "csv",
    text: Some(Escape::Csv),
    open: |columns, output| Ok(Box::new(Lines::open(STYLE, columns, output)?)),
};

const STYLE: Style = Style { head, before, text, is_json: false, missing: b"", end: b"\n" };

fn head(columns: &[Column]) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    for (i, column) in columns.iter().enumerate() {
        line.extend(before(i, column)?);
        text(&column.name, &mut line)?;
    }
    line.push(b'\n');
    Ok(line)
}

fn before(i: usize, _: &Column) -> Result<Vec<u8>> {
    Ok(if i == 0 { Vec::new() } else { vec![b','] })
}

#[expect(clippy::unnecessary_wraps, reason = "as all styles")]
fn text(text: &str, out: &mut Vec<u8>) -> Result<()> {
    if !text.contains([',', '"', '\n', '\r']) {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_are_quoted_where_they_must_be() {
        let quoted = |text: &str| {
            let mut out = Vec::new();
            super::text(text, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let plain = ["a/b", "", " ", "=1+1", "été"];
        assert_eq!(plain.map(quoted), plain);
        let quotes = ["\"a,b\"", "\"l\"\"o\"\"ss\"", "\"a\nb\"", "\"a\r\""];
        assert_eq!(["a,b", "l\"o\"ss", "a\nb", "a\r"].map(quoted), quotes);
    }
}
