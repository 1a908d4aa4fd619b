//! Nested objects by path, and changes of them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::json;
use tbx::event::Malformed;
use tbx::wandb::view::{self, Part, ValueView};

/// Maximum number of keys in a path; the last ones are joined.
const MAX_DEPTH: usize = 32;

/// Maximum number of bytes of keys and values that are kept.
const MAX_BYTES: usize = 256 << 20;

/// Puts a value at a path of nested objects. What is on the way and no object is replaced.
pub(super) fn set(mut object: &mut Map<String, Value>, path: &[String], value: Value) {
    let (inner, joined) = split(path);
    for key in inner {
        let next = object.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
        if !next.is_object() {
            *next = Value::Object(Map::new());
        }
        let Some(next) = next.as_object_mut() else { return };
        object = next;
    }
    object.insert(joined, value);
}

/// Removes what is at a path.
fn remove(mut object: &mut Map<String, Value>, path: &[String]) {
    let (inner, joined) = split(path);
    for key in inner {
        let Some(next) = object.get_mut(key).and_then(Value::as_object_mut) else { return };
        object = next;
    }
    object.remove(&joined);
}

/// The keys of the objects around a value, and its own key.
fn split(path: &[String]) -> (&[String], String) {
    let inner = path.len().saturating_sub(1).min(MAX_DEPTH);
    let (inner, last) = path.split_at_checked(inner).unwrap_or((&[], path));
    (inner, last.join("."))
}

/// Calls `each` with the path of each value that is no object with content. An object that `is_leaf` is a value.
pub(super) fn leaves(
    path: &mut Vec<String>,
    value: Value,
    is_leaf: fn(&Map<String, Value>) -> bool,
    each: &mut dyn FnMut(&[String], Value),
) {
    match value {
        // The depth has the limit of the parser, and that of paths.
        Value::Object(object) if !object.is_empty() && !is_leaf(&object) => {
            for (key, value) in object {
                path.push(key);
                leaves(path, value, is_leaf, each);
                path.pop();
            }
        }
        value => each(path, value),
    }
}

/// Changes of the configuration or the summary. Only the last value of each key is kept, as text.
#[derive(Default)]
pub(super) struct Changes {
    last: HashMap<Box<[u8]>, Change>,
    count: u64,
    bytes: usize,
    /// Number of changes that were dropped because there are too many.
    pub(super) dropped: u64,
}

/// The last change of a key.
struct Change {
    /// Its number.
    number: u64,
    /// The value; `None` if the key is removed.
    value: Option<String>,
}

impl Changes {
    /// Adds the changes of a record.
    ///
    /// # Errors
    ///
    /// The bytes are not a message.
    pub(super) fn add(&mut self, mut content: &[u8]) -> Result<(), Malformed> {
        while let Some(part) = view::next_part(&mut content, 1)? {
            match part {
                Part::Item(bytes) => {
                    let item = view::item(bytes)?;
                    let Some(ValueView::Json(text)) = item.value else { continue };
                    self.put(item.key, Some(text));
                }
                Part::Message(2, bytes) => self.put(view::item(bytes)?.key, None),
                Part::Message(..) => {}
            }
        }
        Ok(())
    }

    fn put(&mut self, key: &[u8], text: Option<&str>) {
        self.count = self.count.saturating_add(1);
        let len = text.map_or(0, str::len);
        if let Some(known) = self.last.get_mut(key) {
            let old = known.value.as_ref().map_or(0, String::len);
            let bytes = self.bytes.saturating_sub(old).saturating_add(len);
            if bytes > MAX_BYTES && len > old {
                self.dropped = self.dropped.saturating_add(1);
                return;
            }
            self.bytes = bytes;
            *known = Change { number: self.count, value: text.map(str::to_owned) };
            return;
        }
        let bytes = self.bytes.saturating_add(len).saturating_add(key.len()).saturating_add(64);
        if bytes > MAX_BYTES {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes = bytes;
        self.last.insert(key.into(), Change { number: self.count, value: text.map(str::to_owned) });
    }

    /// The object that results from all changes, and the keys whose values are not JSON.
    pub(super) fn finish(self) -> (Map<String, Value>, Vec<String>) {
        let mut changes: Vec<_> = self.last.into_iter().collect();
        changes.sort_by_key(|(_, change)| change.number);
        let (mut object, mut broken) = (Map::new(), Vec::new());
        for (key, change) in changes {
            let path = view::path(&key).unwrap_or_default();
            match change.value.map(|text| json::parse(&text)) {
                None => remove(&mut object, &path),
                Some(Ok(value)) => set(&mut object, &path, value),
                Some(Err(_)) => broken.push(path.join(".")),
            }
        }
        (object, broken)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use serde_json::json;

    use super::*;
    use tbx::wandb::items::{Item, Update};

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    fn item(path_text: &str, value: &str) -> Item {
        match path(path_text).as_slice() {
            [key] => Item { key: key.clone(), value_json: value.into(), ..Item::default() },
            _ => Item { nested_key: path(path_text), value_json: value.into(), ..Item::default() },
        }
    }

    #[test]
    fn the_last_change_of_a_key_counts() {
        let mut changes = Changes::default();
        for (update, remove) in [
            (vec![item("a", "1"), item("o", r#"{"x":1,"y":2}"#), item("gone", "1")], vec![]),
            (vec![item("a", "2"), item("o/x", "NaN"), item("bad", "{")], vec![item("gone", "")]),
            (vec![item("n/m/k", "[1]")], vec![item("o/y", "")]),
        ] {
            changes.add(&Update { update, remove }.encode_to_vec()).unwrap();
        }
        let (object, broken) = changes.finish();
        assert_eq!(broken, ["bad"]);
        let object = json::plain(Value::Object(object));
        assert_eq!(object, json!({"a": 2, "o": {"x": "NaN"}, "n": {"m": {"k": [1]}}}));
    }

    #[test]
    fn deep_paths_do_not_nest_deep() {
        let mut object = Map::new();
        let deep = vec!["k".to_owned(); 100_000];
        set(&mut object, &deep, json!(1));
        let mut found = 0;
        leaves(&mut Vec::new(), Value::Object(object), |_| false, &mut |path, value| {
            assert_eq!((path.len(), value), (MAX_DEPTH + 1, json!(1)));
            found += 1;
        });
        assert_eq!(found, 1);
    }
}
