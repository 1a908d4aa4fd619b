//! Objects in JSON that are files and tables.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::super::python_json::{Plain, fields, items, plain};
use tbx::error::ErrorKind;

/// Maximum number of cells of a table. A longer one is cut, and says so.
const MAX_CELLS: usize = 100_000;

/// A file in the directory of media.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct File {
    /// Its path in that directory.
    pub(super) path: String,
    pub(super) caption: Option<String>,
}

/// The texts of an object by key.
pub(super) fn texts(object: &RawValue) -> Result<BTreeMap<String, String>, ErrorKind> {
    let mut texts = BTreeMap::new();
    fields(object.get(), |key, value| {
        if let Plain::Text(text) = plain(value) {
            texts.insert(key.into_owned(), text);
        }
        Ok(())
    })?;
    Ok(texts)
}

/// The file that an object names, if it does.
pub(super) fn file(object: &RawValue) -> Result<Option<File>, ErrorKind> {
    let mut texts = texts(object)?;
    let caption = texts.remove("caption").filter(|caption| !caption.is_empty());
    Ok(texts.remove("file_path").map(|path| File { path, caption }))
}

/// A table as Markdown. Its files are added to `files`.
pub(super) fn table(object: &RawValue, files: &mut Vec<File>) -> Result<String, ErrorKind> {
    let mut columns: Vec<String> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut cut = 0u64;
    fields(object.get(), |key, list| {
        if key != "_value" {
            return Ok(());
        }
        items(list.get(), |row| {
            if cut > 0 {
                cut += 1;
                return Ok(());
            }
            let mut named = Vec::new();
            fields(row.get(), |name, value| {
                named.push((name.into_owned(), value));
                Ok(())
            })?;
            // Each row has all columns in the end, those of later rows, too.
            let new = named.iter().filter(|(name, _)| !places.contains_key(name)).count();
            let width = columns.len().saturating_add(new).max(1);
            if rows.len().saturating_add(1).saturating_mul(width) > MAX_CELLS {
                cut = 1;
                return Ok(());
            }
            let mut line = Vec::new();
            for (name, value) in named {
                let place = *places.entry(name.clone()).or_insert_with(|| {
                    columns.push(name);
                    columns.len() - 1
                });
                if line.len() <= place {
                    line.resize(place + 1, String::new());
                }
                if let Some(slot) = line.get_mut(place) {
                    *slot = cell(value, files)?;
                }
            }
            rows.push(line);
            Ok(())
        })
    })?;
    let line = |cells: &[String]| {
        let cells = (0..columns.len()).map(|column| cells.get(column).map_or("", String::as_str));
        let cells: Vec<_> = cells.map(escaped).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut markdown = line(&columns) + &format!("|{}\n", "---|".repeat(columns.len()));
    for row in &rows {
        markdown += &line(row);
    }
    if cut > 0 {
        markdown += &format!("\n{cut} more rows\n");
    }
    Ok(markdown)
}

/// A cell as text. A file is its name.
fn cell(value: &RawValue, files: &mut Vec<File>) -> Result<String, ErrorKind> {
    Ok(match plain(value) {
        Plain::Null => String::new(),
        Plain::Text(text) => text,
        Plain::Object(object) => match file(object)? {
            Some(file) => {
                let name = file.path.rsplit('/').next().unwrap_or_default();
                let shown = file.caption.clone().unwrap_or_else(|| name.to_owned());
                files.push(file);
                shown
            }
            None => object.get().to_owned(),
        },
        Plain::List(list) => {
            let mut cells = Vec::new();
            items(list.get(), |value| {
                cells.push(match plain(value) {
                    Plain::Object(_) => cell(value, files)?,
                    _ => value.get().to_owned(),
                });
                Ok(())
            })?;
            cells.join(", ")
        }
        Plain::Number(_) => value.get().trim_matches('"').to_owned(),
    })
}

/// A cell of a table in Markdown.
fn escaped(cell: &str) -> String {
    cell.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn tables_are_markdown_and_their_files_are_known() {
        let json = r#"{"_type":"trackio.table","_value":[{"a":1,"b":"x|y"},
            {"a":2.5,"b":{"_type":"trackio.image","file_path":"p/r/1/u.png","caption":null},"c":"NaN"}]}"#;
        let mut files = Vec::new();
        let markdown = table(&raw(json), &mut files).unwrap();
        let expected = "| a | b | c |\n|---|---|---|\n| 1 | x\\|y |  |\n| 2.5 | u.png | NaN |\n";
        assert_eq!(markdown, expected);
        assert_eq!(files, [File { path: "p/r/1/u.png".into(), caption: None }]);
        let many: Vec<_> = (0..200_000).map(|i| format!("{{\"a\":{i}}}")).collect();
        let json = format!("{{\"_value\":[{}]}}", many.join(","));
        assert!(table(&raw(&json), &mut files).unwrap().ends_with("\n100000 more rows\n"));
        // Rows whose columns are all different take no more than the limit.
        let many: Vec<_> = (0..10_000).map(|i| format!("{{\"c{i}\":1}}")).collect();
        let json = format!("{{\"_value\":[{}]}}", many.join(","));
        assert!(table(&raw(&json), &mut files).unwrap().len() < 10 << 20);
        // Neither do narrow rows before a wide one.
        let wide: Vec<_> = (0..100_000).map(|i| format!("\"c{i}\":1")).collect();
        let json =
            format!("{{\"_value\":[{}{{{}}}]}}", "{\"a\":1},".repeat(99_999), wide.join(","));
        let markdown = table(&raw(&json), &mut files).unwrap();
        assert!(markdown.ends_with("\n1 more rows\n") && markdown.len() < 10 << 20);
        table(&raw(r#"{"_value": 5}"#), &mut files).unwrap_err();
    }
}
