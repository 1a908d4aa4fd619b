//! The rows of an offline directory: keys, history and summary.

use std::mem;

use super::{KeyId, Known, Last, OfflineRun};
use crate::error::Result;
use crate::summary::Kind;
use crate::wandb::encode::{Items, Key, number};
use crate::wandb::media::{self, MAX_ROW, Media};

/// The key of an empty tag.
const NO_TAG: &str = "(no tag)";
/// The field of a history in a record.
const HISTORY: u32 = 2;
/// The field of a summary in a record.
const SUMMARY: u32 = 3;
/// The field of a configuration in a record.
const CONFIG: u32 = 5;

impl OfflineRun {
    /// The key for the values of a kind of a tag, and its definition. A name that the package uses itself, or that
    /// another kind has, gets a suffix.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn key(&mut self, kind: Kind, tag: &str) -> Result<KeyId> {
        let of_kind = (kind, tag.to_owned());
        if let Some(known) = self.by_tag.get(&of_kind) {
            return Ok(*known);
        }
        let id = self.new_key(if tag.is_empty() { NO_TAG } else { tag })?;
        self.by_tag.insert(of_kind, id);
        Ok(id)
    }

    fn new_key(&mut self, wanted: &str) -> Result<KeyId> {
        let mut name = wanted.to_owned();
        while !self.names.insert(name.clone()) {
            name.push('_');
        }
        self.define(&name, true)?;
        let id = KeyId(self.keys.len());
        let key = Key::of(&[&name]);
        self.keys.push(Known { name, key, last: Last::None, is_new: false, table: None });
        Ok(id)
    }

    /// Begins a row. `wall_time` is in seconds since the Unix epoch.
    pub fn begin(&mut self, step: i64, wall_time: f64) {
        let time = if wall_time.is_finite() { wall_time } else { self.last_time };
        self.at = (step, time);
    }

    /// The `_step` of the current row: its step, or the next one after the last row. It must rise within a file.
    pub fn step(&self) -> i64 {
        let next = self.last_step.map_or(0, |last| last.saturating_add(1));
        self.at.0.max(next)
    }

    /// Adds a number to the current row.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    #[inline]
    pub fn number(&mut self, key: KeyId, value: f64) -> Result<()> {
        self.make_room(0)?;
        let Some(known) = self.keys.get_mut(key.0) else { return Ok(()) };
        self.text.clear();
        number(value, &mut self.text);
        self.row.put(&known.key, &self.text);
        known.last = Last::Number(value);
        if !mem::replace(&mut known.is_new, true) {
            self.changed.push(key);
        }
        self.counts.numbers = self.counts.numbers.saturating_add(1);
        Ok(())
    }

    /// Adds another value to the current row, and writes its files. They were made for [`step`](Self::step).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn media(&mut self, key: KeyId, media: Media) -> Result<()> {
        let len = media.len();
        let Media { fields, files, is_chart, is_coarser } = media;
        for file in files {
            self.file(&file.path, &file.bytes, 0)?;
        }
        let key = if is_chart { self.table(key)? } else { key };
        self.make_room(len)?;
        let Some(known) = self.keys.get_mut(key.0) else { return Ok(()) };
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(field, json)| (Key::of(&[&known.name, field]), json))
            .collect();
        fields.iter().for_each(|(key, json)| self.row.put(key, json.as_bytes()));
        known.last = Last::Fields(fields);
        if !mem::replace(&mut known.is_new, true) {
            self.changed.push(key);
        }
        self.counts.media = self.counts.media.saturating_add(1);
        self.counts.coarser = self.counts.coarser.saturating_add(u64::from(is_coarser));
        Ok(())
    }

    /// The key of the table for a chart. The first time, the configuration gets the chart.
    fn table(&mut self, key: KeyId) -> Result<KeyId> {
        let Some(known) = self.keys.get(key.0) else { return Ok(key) };
        if let Some(table) = known.table {
            return Ok(table);
        }
        let name = known.name.clone();
        let table = self.new_key(&format!("{name}_table"))?;
        let table_name = self.keys.get(table.0).map(|known| known.name.as_str());
        let chart = media::pr_curve_chart(&name, table_name.unwrap_or_default());
        let mut items = Items::default();
        items.put(&Key::of(&["_wandb", "visualize", &name]), chart.as_bytes());
        self.put_encoded(CONFIG, items.bytes())?;
        if let Some(known) = self.keys.get_mut(key.0) {
            known.table = Some(table);
        }
        Ok(table)
    }

    /// Ends a row that is full. What follows has the same step in [`X_AXIS`](super::X_AXIS).
    fn make_room(&mut self, more: usize) -> Result<()> {
        if !self.row.is_empty() && self.row.bytes().len().saturating_add(more) > MAX_ROW {
            return self.end();
        }
        Ok(())
    }

    /// Ends the current row. A row without values is not written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn end(&mut self) -> Result<()> {
        if self.row.is_empty() {
            return Ok(());
        }
        let step = self.step();
        self.last_step = Some(step);
        self.last_time = self.at.1;
        let mut row = mem::take(&mut self.row);
        self.fixed(&mut row, step);
        row.put_step(step);
        let put = self.put_encoded(HISTORY, row.bytes());
        row.clear();
        self.row = row;
        self.counts.rows = self.counts.rows.saturating_add(1);
        put?;
        self.write_times()
    }

    /// Adds the items that each row and each summary has.
    fn fixed(&mut self, items: &mut Items, step: i64) {
        let [step_key, axis, timestamp, runtime] = &self.fixed;
        let text = &mut self.text;
        for (key, value) in [(step_key, step), (axis, self.at.0)] {
            text.clear();
            let written = serde_json::to_writer(&mut *text, &value);
            debug_assert!(written.is_ok(), "memory does not fail");
            items.put(key, text);
        }
        for (key, value) in [(timestamp, self.at.1), (runtime, self.at.1 - self.start)] {
            text.clear();
            number(value, text);
            items.put(key, text);
        }
    }

    /// Writes the last values of all keys that changed since the last summary, and `more`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn summarize(&mut self, more: Items) -> Result<()> {
        if self.changed.is_empty() && more.is_empty() {
            return Ok(());
        }
        let mut items = Items::default();
        for key in mem::take(&mut self.changed) {
            let Some(known) = self.keys.get_mut(key.0) else { continue };
            known.is_new = false;
            match &known.last {
                Last::None => {}
                Last::Number(value) => {
                    self.text.clear();
                    number(*value, &mut self.text);
                    items.put(&known.key, &self.text);
                }
                Last::Fields(fields) => {
                    fields.iter().for_each(|(key, json)| items.put(key, json.as_bytes()));
                }
            }
            if items.bytes().len() > MAX_ROW {
                self.put_encoded(SUMMARY, items.bytes())?;
                items.clear();
            }
        }
        if let Some(step) = self.last_step {
            self.fixed(&mut items, step);
        }
        let mut content = items.bytes().to_vec();
        content.extend_from_slice(more.bytes());
        self.put_encoded(SUMMARY, &content)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use prost::Message;

    use super::super::X_AXIS;
    use super::*;
    use crate::wandb::block::{Found, Records};
    use crate::wandb::items::History;
    use crate::wandb::record::{Content, Record};

    fn rows(dir: &Path) -> Vec<History> {
        let file = File::open(dir.join("run-x.wandb")).unwrap();
        let (mut records, mut rows) = (Records::new(file).unwrap(), Vec::new());
        while let Some(found) = records.next().unwrap() {
            let Found::Record { bytes, .. } = found else { panic!("{found:?}") };
            if let Some(Content::History(row)) = Record::decode(bytes).unwrap().content {
                rows.push(row);
            }
        }
        rows
    }

    /// The package skips rows of more than 10 MiB less 100 KiB.
    #[test]
    fn a_row_that_is_too_long_is_two_rows() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = OfflineRun::create(dir.path(), "x", 0.0).unwrap();
        let keys: Vec<_> = (0..5000)
            .map(|i| out.key(Kind::Scalar, &format!("{}{i}", "long".repeat(600))).unwrap())
            .collect();
        out.begin(7, 1.0);
        keys.iter().for_each(|key| out.number(*key, 0.5).unwrap());
        out.end().unwrap();
        out.begin(8, 2.0);
        out.number(keys[0], 1.0).unwrap();
        out.end().unwrap();
        out.summarize(Items::default()).unwrap();
        assert_eq!(out.finish(Some(0), 3.0).unwrap().rows, 3);
        let rows = rows(dir.path());
        let steps: Vec<_> = rows.iter().map(|row| row.step.unwrap().num).collect();
        assert_eq!(steps, [7, 8, 9]);
        assert_eq!(rows.iter().map(|row| row.item.len()).sum::<usize>(), 5001 + 3 * 4);
        assert!(rows.iter().all(|row| row.encoded_len() < (10 << 20) - (100 << 10)));
        let axis = |row: &History| {
            let item = row.item.iter().find(|item| item.nested_key == [X_AXIS]).unwrap();
            item.value_json.clone()
        };
        assert_eq!(rows.iter().map(axis).collect::<Vec<_>>(), ["7", "7", "8"]);
    }

    #[test]
    fn kinds_of_one_tag_have_keys_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = OfflineRun::create(dir.path(), "x", 0.0).unwrap();
        let number = out.key(Kind::Scalar, "x").unwrap();
        let text = out.key(Kind::Text, "x").unwrap();
        assert_ne!(number, text);
        assert_eq!(out.key(Kind::Text, "x").unwrap(), text);
        assert_eq!(out.renamed().collect::<Vec<_>>(), [("x", "x_")]);
    }
}
