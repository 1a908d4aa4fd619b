//! The fields of a `meta.yaml`.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::error::{ErrorKind, Result};

/// Profiles of datasets are the longest that MLflow writes: it allows 16 MB.
pub(super) const MAX_BYTES: u64 = 20 << 20;

/// Fields by name, as text; those of a map in it have its name and a `/` before theirs. Lists and
/// `null` are left out.
pub(super) type Fields = BTreeMap<String, String>;

/// Where the parser is: inside a list, or inside a map with this before its names.
enum Level {
    List,
    Map { prefix: String, key: Option<String> },
}

/// The events of the parser are used rather than its tree: that has numbers where a name or an id
/// happens to look like one (`1e10`), and is as deep as the file says.
pub(super) fn fields(text: &str) -> Result<Fields, ErrorKind> {
    let mut fields = Fields::new();
    let mut levels: Vec<Level> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| ErrorKind::Value(format!("no YAML: {error}")))?;
        match event {
            Event::MappingStart(..) => {
                let name = next(&mut levels);
                let prefix = name.map_or_else(String::new, |name| format!("{name}/"));
                levels.push(Level::Map { prefix, key: None });
            }
            Event::SequenceStart(..) => {
                next(&mut levels);
                levels.push(Level::List);
            }
            Event::MappingEnd | Event::SequenceEnd => drop(levels.pop()),
            Event::Alias(_) => drop(next(&mut levels)),
            Event::Scalar(text, style, ..) => match levels.last_mut() {
                Some(Level::Map { prefix, key: key @ None }) => {
                    *key = Some(format!("{prefix}{text}"))
                }
                Some(Level::Map { key, .. }) => {
                    let is_null = style == ScalarStyle::Plain
                        && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                    if let Some(key) = key.take().filter(|_| !is_null) {
                        fields.insert(key, text.into_owned());
                    }
                }
                Some(Level::List) | None => {}
            },
            _ => {}
        }
    }
    if fields.is_empty() {
        return Err(ErrorKind::Value("it has no fields".into()));
    }
    Ok(fields)
}

/// The name of what comes next; none if that is no value of a map.
fn next(levels: &mut [Level]) -> Option<String> {
    let Some(Level::Map { prefix, key }) = levels.last_mut() else { return None };
    if key.is_none() {
        // A map as a key: what follows is its value.
        *key = Some(prefix.clone());
        return None;
    }
    key.take()
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
