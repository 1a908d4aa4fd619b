//! Parses the fields of a `meta.yaml`.

use std::collections::BTreeMap;

use tbx::error::{ErrorKind, Result};
use tbx::yaml::{Document, Value, View};

/// Maximum size of a file: the longest that MLflow writes are dataset profiles, for which it allows
/// 16 MB.
pub(super) const MAX_BYTES: u64 = 20 << 20;

/// Fields by name, as text. Fields of a nested map have its name and a `/` as a prefix. Lists and
/// `null` are left out.
pub(super) type Fields = BTreeMap<String, String>;

/// Parses the fields in a text. Values stay text, because a name or an id may look like a number
/// (`1e10`).
pub(super) fn fields(text: &str) -> Result<Fields, ErrorKind> {
    let document = Document::parse(text)?;
    let mut fields = Fields::new();
    if let Some(value) = document.value() {
        add("", value, &document, &mut fields)?;
    }
    if fields.is_empty() {
        return Err(ErrorKind::Value("it has no fields".into()));
    }
    Ok(fields)
}

fn add(
    name: &str,
    value: Value<'_, '_>,
    document: &Document<'_>,
    fields: &mut Fields,
) -> Result<(), ErrorKind> {
    match value.view()? {
        View::Map(mut map) => {
            while let Some((key, value)) = map.next_pair() {
                let View::Scalar(key) = key.view()? else { continue };
                let key = &key.text;
                let name = if name.is_empty() { key.to_string() } else { format!("{name}/{key}") };
                document.charge(name.len())?;
                add(&name, value, document, fields)?;
            }
        }
        View::Scalar(scalar) if !name.is_empty() && !scalar.is_null() => {
            fields.insert(name.into(), scalar.text.to_string());
        }
        View::Scalar(_) | View::List(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_text_whatever_they_look_like() {
        let text = "run_id: 12e45678901234567890123456789012\nexperiment_id: '0'\nname: \"1e5\"\n\
                    end_time: null\nstart_time: 12\ntags: []\nsource_name: ''\nnone: ~\nquoted: 'null'\n\
                    more:\n  a: 1\n  b: {c: d}\nlist:\n- x: 1\n? {k: v}\n: w\nlast: é\n";
        let fields = fields(text).unwrap();
        let expected = [
            ("experiment_id", "0"),
            ("last", "é"),
            ("more/a", "1"),
            ("more/b/c", "d"),
            ("name", "1e5"),
            ("quoted", "null"),
            ("run_id", "12e45678901234567890123456789012"),
            ("source_name", ""),
            ("start_time", "12"),
        ];
        for (name, value) in expected {
            assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}: {fields:?}");
        }
        for name in ["end_time", "none", "tags", "list"] {
            assert!(!fields.contains_key(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_map_is_an_error() {
        let deep = "[".repeat(100_000);
        let maps = "{a: ".repeat(100_000);
        for text in ["", "- a\n", "text", "a: [", "a: b: c", "\t", &deep, &maps] {
            assert!(fields(text).is_err(), "{:?}", text.get(..10));
        }
    }
}
