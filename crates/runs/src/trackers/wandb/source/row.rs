//! Reads a row of the history.

use std::collections::BTreeMap;

use prost::Message;
use serde_json::{Map, Value};

use super::history::{History, Role, TYPE};
use super::{json, tree};
use tbx::event::Malformed;
use tbx::wandb::items::Step;
use tbx::wandb::view::{self, Part, ValueView};

/// The field of a row with its step.
const STEP: u32 = 2;

/// Maximum number of keys around an object with a type.
const MAX_DEPTH: usize = 32;

/// Reads rows. It keeps its buffer between them.
#[derive(Default)]
pub(super) struct RowReader {
    numbers: Vec<(usize, f64)>,
}

/// A value that is no number, as it is in the file.
enum Raw<'a> {
    Text(&'a str),
    Json(&'a str),
}

impl Raw<'_> {
    fn len(&self) -> usize {
        let (Self::Text(text) | Self::Json(text)) = self;
        text.len()
    }

    fn value(&self) -> Option<Value> {
        match self {
            Self::Text(text) => Some(Value::from(*text)),
            Self::Json(text) => json::parse(text).ok(),
        }
    }
}

impl RowReader {
    /// Adds the row to `history`.
    ///
    /// # Errors
    ///
    /// The bytes are not a row.
    pub(super) fn read(
        &mut self,
        mut content: &[u8],
        history: &mut History,
    ) -> Result<(), Malformed> {
        self.numbers.clear();
        let (mut others, mut step, mut has_type) = (Vec::new(), None, false);
        let (mut step_item, mut time) = (None, None);
        while let Some(part) = view::next_part(&mut content, 1)? {
            let bytes = match part {
                Part::Item(bytes) => bytes,
                Part::Message(STEP, bytes) => {
                    let message = Step::decode(bytes);
                    step = Some(message.map_err(|_| Malformed("a step is not a message"))?.num);
                    continue;
                }
                Part::Message(..) => continue,
            };
            let item = view::item(bytes)?;
            let Some(column) = history.column(item.key)? else {
                history.counts.dropped = history.counts.dropped.saturating_add(1);
                continue;
            };
            let number = match item.value {
                None | Some(ValueView::None) => {
                    history.counts.nulls = history.counts.nulls.saturating_add(1);
                    continue;
                }
                Some(ValueView::Number(number)) => Some(number),
                Some(ValueView::Boolean(value)) => Some(f64::from(u8::from(value))),
                Some(ValueView::Integer(value)) => {
                    let text = value.to_string();
                    history.counts.rounded += u64::from(json::is_rounded(&text));
                    json::number_of_text(&text)
                }
                Some(ValueView::Text(text)) => {
                    others.push((column, Raw::Text(text)));
                    None
                }
                Some(ValueView::Json(text)) => {
                    let number = json::number_of_text(text);
                    match number {
                        Some(_) => history.counts.rounded += u64::from(json::is_rounded(text)),
                        None => others.push((column, Raw::Json(text))),
                    }
                    number
                }
            };
            let role = history.role(column);
            has_type |= role == Role::Type;
            let Some(number) = number else { continue };
            match role {
                Role::Step => step_item = whole(number),
                Role::Time if number.is_finite() => time = Some(number),
                Role::Time | Role::Runtime => {}
                Role::Value | Role::Type => self.numbers.push((column, number)),
            }
        }
        let next = || history.last_step().map_or(0, |step| step.saturating_add(1));
        let step = step.or(step_item).unwrap_or_else(next);
        let time = time.unwrap_or(history.last_time());
        let Some(row) = history.begin(step, time) else {
            let count = self.numbers.len().saturating_add(others.len());
            history.counts.dropped += u64::try_from(count).unwrap_or(u64::MAX);
            return Ok(());
        };
        if has_type {
            self.objects(row, others, history);
            return Ok(());
        }
        for (column, number) in &self.numbers {
            history.push(row, *column, *number);
        }
        for (column, raw) in others {
            add(row, column, &raw, history);
        }
        Ok(())
    }

    /// Adds the values of a row with objects whose fields are items.
    fn objects(&self, row: u32, others: Vec<(usize, Raw<'_>)>, history: &mut History) {
        let mut objects = Objects::default();
        for (column, raw) in &others {
            if history.role(*column) == Role::Type && matches!(raw.value(), Some(Value::String(_)))
            {
                let path = path(*column, history);
                let outer = path.split_last().map(|(_, outer)| outer.to_vec());
                objects.0.entry(outer.unwrap_or_default()).or_default();
            }
        }
        objects.keep_outermost();
        for (column, number) in &self.numbers {
            let path = path(*column, history);
            match (objects.around(&path), serde_json::Number::from_f64(*number)) {
                (Some((object, inner)), Some(number)) => object.set(inner, number.into(), 0),
                _ => history.push(row, *column, *number),
            }
        }
        for (column, raw) in others {
            let path = path(column, history);
            match (objects.around(&path), raw.value()) {
                (Some((object, inner)), Some(value)) => object.set(inner, value, raw.len()),
                _ => add(row, column, &raw, history),
            }
        }
        for (path, object) in objects.0 {
            let value = Value::Object(object.fields);
            match history.column_at(&path) {
                Some(column) => history.push_other(row, column, value, object.len),
                None => history.counts.dropped = history.counts.dropped.saturating_add(1),
            }
        }
    }
}

/// The objects of a row, by path.
#[derive(Default)]
struct Objects(BTreeMap<Vec<String>, Object>);

/// An object whose fields are items.
#[derive(Default)]
struct Object {
    fields: Map<String, Value>,
    /// The length of its fields in the file, about.
    len: usize,
}

impl Object {
    fn set(&mut self, path: &[String], value: Value, len: usize) {
        self.len = self.len.saturating_add(len).saturating_add(64);
        tree::set(&mut self.fields, path, value);
    }
}

impl Objects {
    /// An object inside another one is a field of it.
    fn keep_outermost(&mut self) {
        let all: Vec<_> = self.0.keys().cloned().collect();
        // An outer path comes directly before those in it.
        let mut last: Option<Vec<String>> = None;
        for path in all {
            match &last {
                Some(outer) if path.starts_with(outer) => {
                    self.0.remove(&path);
                }
                _ => last = Some(path),
            }
        }
    }

    /// The object that a path leads into, and the rest of the path.
    fn around<'p>(&mut self, path: &'p [String]) -> Option<(&mut Object, &'p [String])> {
        let is_object =
            |len: &usize| path.get(..*len).is_some_and(|path| self.0.contains_key(path));
        // Longer paths have no objects of their own.
        let len = (1..path.len().min(MAX_DEPTH)).find(is_object)?;
        let (outer, inner) = path.split_at_checked(len)?;
        Some((self.0.get_mut(outer)?, inner))
    }
}

/// The path of a column.
fn path(column: usize, history: &History) -> Vec<String> {
    history.columns.get(column).map(|column| column.path.clone()).unwrap_or_default()
}

/// Adds a value that is no plain number. Nested objects are values of their own, except those with a type.
fn add(row: u32, column: usize, raw: &Raw<'_>, history: &mut History) {
    let Some(value) = raw.value() else {
        history.counts.broken = history.counts.broken.saturating_add(1);
        return;
    };
    if let Value::Object(_) = value {
        let mut outer = path(column, history);
        let is_typed = |object: &Map<String, Value>| object.get(TYPE).is_some_and(Value::is_string);
        let each = &mut |path: &[String], value: Value| match history.column_at(path) {
            Some(column) => add_value(row, column, value, raw.len(), history),
            None => history.counts.dropped = history.counts.dropped.saturating_add(1),
        };
        tree::leaves(&mut outer, value, is_typed, each);
        return;
    }
    add_value(row, column, value, raw.len(), history);
}

fn add_value(row: u32, column: usize, value: Value, len: usize, history: &mut History) {
    let number = match &value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        value => json::number(value),
    };
    match (number, value) {
        (Some(number), value) => {
            history.counts.rounded += u64::from(json::is_rounded(&value.to_string()));
            history.push(row, column, number);
        }
        (None, Value::Null) => history.counts.nulls = history.counts.nulls.saturating_add(1),
        (None, value) => history.push_other(row, column, value, len),
    }
}

/// A whole number as a step.
pub(super) fn whole(value: f64) -> Option<i64> {
    const MAX: f64 = 9_007_199_254_740_992.0;
    let is_whole = value.fract() == 0.0 && value.abs() <= MAX;
    #[expect(clippy::as_conversions, reason = "a whole number that fits into an i64")]
    is_whole.then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use tbx::wandb::items::{History as Message_, HistoryItem, Typed};

    fn item(path: &[&str], value: &str) -> HistoryItem {
        let nested_key = path.iter().map(|key| (*key).to_owned()).collect();
        HistoryItem { nested_key, value_json: value.into(), ..HistoryItem::default() }
    }

    fn read(rows: &[(Option<i64>, Vec<HistoryItem>)]) -> History {
        let (mut history, mut reader) = (History::default(), RowReader::default());
        for (step, item) in rows {
            let step = step.map(|num| Step { num });
            let row = Message_ { item: item.clone(), step };
            reader.read(&row.encode_to_vec(), &mut history).unwrap();
        }
        history
    }

    fn numbers(history: &History) -> Vec<(String, Vec<(u32, f64)>)> {
        let columns = history.columns.iter().filter(|column| !column.points.is_empty());
        columns.map(|column| (column.name(), column.points.clone())).collect()
    }

    fn others(history: &History) -> Vec<(String, Value)> {
        let name = |other: &super::super::history::Other| history.columns[other.column].name();
        let mut others: Vec<_> =
            history.others.iter().map(|other| (name(other), other.value.clone())).collect();
        others.sort_by(|a, b| a.0.cmp(&b.0));
        others
    }

    #[test]
    fn steps_and_times_come_from_the_row_or_its_items() {
        let history = read(&[
            (Some(3), vec![item(&["_step"], "9"), item(&["a"], "1")]),
            (None, vec![item(&["_timestamp"], "12.5"), item(&["_step"], "7"), item(&["a"], "2")]),
            (None, vec![item(&["a"], "true"), item(&["_runtime"], "1")]),
        ]);
        assert_eq!(history.rows.iter().map(|row| row.step).collect::<Vec<_>>(), [3, 7, 8]);
        assert!(history.rows[0].time.is_nan());
        assert_eq!(history.rows[2].time, 12.5);
        assert_eq!(numbers(&history), [("a".into(), vec![(0, 1.0), (1, 2.0), (2, 1.0)])]);
    }

    #[test]
    fn nested_values_are_the_same_in_all_forms() {
        let nested =
            read(&[(Some(0), vec![item(&["n", "a", "b"], "1"), item(&["n", "t"], "\"x\"")])]);
        let object = HistoryItem {
            key: "n".into(),
            value_json: r#"{"a":{"b":1},"t":"x"}"#.into(),
            ..HistoryItem::default()
        };
        let object = read(&[(Some(0), vec![object])]);
        for history in [nested, object] {
            assert_eq!(numbers(&history), [("n.a.b".into(), vec![(0, 1.0)])]);
            assert_eq!(others(&history), [("n.t".into(), json!("x"))]);
        }
    }

    #[test]
    fn typed_values_take_precedence() {
        let typed = |value: Typed| vec![HistoryItem { typed: Some(value), ..item(&["a"], "7") }];
        let rows = [
            typed(Typed::Integer(-5)),
            typed(Typed::Number(0.5)),
            typed(Typed::Boolean(true)),
            typed(Typed::Json("NaN".into())),
            typed(Typed::Text("1".into())),
            typed(Typed::None(0)),
        ];
        let rows: Vec<_> = rows.into_iter().map(|row| (None, row)).collect();
        let history = read(&rows);
        let (name, points) = numbers(&history).remove(0);
        assert_eq!((name.as_str(), &points[..3]), ("a", &[(0, -5.0), (1, 0.5), (2, 1.0)][..]));
        assert!(points[3].1.is_nan() && points.len() == 4);
        assert_eq!(others(&history), [("a".into(), json!("1"))]);
        assert_eq!(history.counts.nulls, 1);
    }

    #[test]
    fn an_object_with_a_type_is_one_value() {
        let history = read(&[(
            Some(0),
            vec![
                item(&["img", "width"], "4"),
                item(&["loss"], "1"),
                item(&["img", "boxes", "pred", "_type"], "\"boxes2D\""),
                item(&["img", "_type"], "\"image-file\""),
                item(&["val", "deep", "_type"], "\"histogram\""),
                item(&["val", "acc"], "0.5"),
                item(&["val", "deep", "bins"], "[0,1]"),
                item(&["odd", "_type"], "3"),
            ],
        )]);
        assert_eq!(
            numbers(&history),
            [
                ("loss".into(), vec![(0, 1.0)]),
                ("val.acc".into(), vec![(0, 0.5)]),
                ("odd._type".into(), vec![(0, 3.0)])
            ]
        );
        let image =
            json!({"width": 4.0, "boxes": {"pred": {"_type": "boxes2D"}}, "_type": "image-file"});
        let histogram = json!({"_type": "histogram", "bins": [0, 1]});
        assert_eq!(others(&history), [("img".into(), image), ("val.deep".into(), histogram)]);
    }

    #[test]
    fn what_is_no_value_is_counted() {
        let history = read(&[(
            Some(0),
            vec![
                item(&["a"], "null"),
                item(&["b"], "{"),
                item(&["c"], "9007199254740993"),
                item(&["d"], "[1,2]"),
                item(&[], "1"),
            ],
        )]);
        let counts = history.counts;
        assert_eq!((counts.nulls, counts.broken, counts.rounded, counts.dropped), (1, 1, 1, 1));
        assert_eq!(others(&history), [("d".into(), json!([1, 2]))]);
    }
}
