//! Reads the rows of a run.

use serde_json::value::RawValue;

use super::super::gathered::Gathered;
use super::super::local::Local;
use super::super::python_json::{Plain, fields, plain};
use super::super::source::{At, Content};
use super::super::sqlite::{Sqlite, bytes, integer, text};
use super::super::time_text;
use super::media::Media;
use super::runs::{MAX_JSON, Run, json};
use tbx::error::{ErrorKind, Result};

/// Maximum number of objects around a value.
const MAX_DEPTH: usize = 32;
/// Maximum length in bytes of a tag that is made of the names of objects.
const MAX_TAG: usize = 4096;

/// The values of a run.
#[derive(Default)]
struct Values {
    gathered: Gathered,
    media: Media,
    /// Number of rows that are not readable, and the reason for the first one.
    unreadable: (u64, String),
}

/// Reads all values of a run.
pub(super) fn read(
    database: &Sqlite,
    source: &Local,
    run: &Run,
    flaws: &mut Vec<String>,
) -> Result<Content> {
    let mut values = Values::default();
    values.metrics(database, run)?;
    values.system(database, run)?;
    values.alerts(database, run)?;
    let Values { mut gathered, media, unreadable: (count, why) } = values;
    if count > 0 {
        flaws.push(format!("{count} rows are skipped; of the first one, {why}"));
    }
    gathered.without_mixed("texts under tags of numbers");
    let (mut series, left_out) = gathered.into_series();
    let mut content = Content { left_out, ..Content::default() };
    media.finish(source, &mut series, &mut content);
    content.series = series;
    Ok(content)
}

impl Values {
    fn metrics(&mut self, database: &Sqlite, run: &Run) -> Result<()> {
        let query = format!(
            "SELECT timestamp, step, CASE WHEN length(metrics) <= {MAX_JSON} THEN metrics END FROM metrics{} \
             ORDER BY id",
            run.condition()
        );
        let query = ordered(query, database.has("metrics", &["id"]));
        let mut last = run.start.unwrap_or_default();
        database.rows(&query, &[&run.key()], |row| {
            let time = text(row, 0).and_then(|time| time_text::seconds(&time));
            last = time.unwrap_or(last);
            let (wall_time, step) = (last, integer(row, 1));
            let read = json(bytes(row, 2)).and_then(|json| {
                let step =
                    step.ok_or_else(|| ErrorKind::Value("the step is not an integer".into()))?;
                self.object(&json, "", 0, step, wall_time)
            });
            self.check(read);
        })
    }

    /// Metrics of the machine have no steps: they are numbered.
    fn system(&mut self, database: &Sqlite, run: &Run) -> Result<()> {
        if !database.has("system_metrics", &["timestamp", "metrics", "run_name"]) {
            return Ok(());
        }
        let query = format!(
            "SELECT timestamp, CASE WHEN length(metrics) <= {MAX_JSON} THEN metrics END FROM system_metrics{} \
             ORDER BY id",
            run.condition()
        );
        let query = ordered(query, database.has("system_metrics", &["id"]));
        let (mut last, mut step) = (run.start.unwrap_or_default(), -1i64);
        database.rows(&query, &[&run.key()], |row| {
            last = text(row, 0).and_then(|time| time_text::seconds(&time)).unwrap_or(last);
            step = step.saturating_add(1);
            let (step, wall_time) = (step, last);
            let read = json(bytes(row, 1))
                .and_then(|json| self.object(&json, "system", 0, step, wall_time));
            self.check(read);
        })
    }

    /// Alerts are texts, by their level.
    fn alerts(&mut self, database: &Sqlite, run: &Run) -> Result<()> {
        if !database.has("alerts", &["run_name", "title"]) {
            return Ok(());
        }
        let query = database.select("alerts", &["timestamp", "step", "level", "title", "text"])
            + run.condition();
        database.rows(&query, &[&run.key()], |row| {
            let time = text(row, 0).and_then(|time| time_text::seconds(&time));
            let wall_time = time.or(run.start).unwrap_or_default();
            let step = integer(row, 1).unwrap_or_default();
            let level = text(row, 2).unwrap_or_else(|| "warn".into());
            let title = text(row, 3).unwrap_or_default();
            let value = match text(row, 4).filter(|text| !text.is_empty()) {
                Some(text) => format!("**{title}**\n\n{text}"),
                None => format!("**{title}**"),
            };
            self.gathered.text(&format!("alerts/{level}"), At { step, wall_time, value });
        })
    }

    fn check(&mut self, read: Result<(), ErrorKind>) {
        if let Err(error) = read {
            if self.unreadable.0 == 0 {
                self.unreadable.1 = error.to_string();
            }
            self.unreadable.0 += 1;
        }
    }

    /// Takes the values of an object. Names of nested ones are joined by `/`.
    fn object(
        &mut self,
        json: &str,
        before: &str,
        depth: usize,
        step: i64,
        wall_time: f64,
    ) -> Result<(), ErrorKind> {
        fields(json, |key, value| {
            let tag = match before.is_empty() {
                true => key.into_owned(),
                false => format!("{before}/{key}"),
            };
            match plain(value) {
                Plain::Null => {}
                Plain::Number(value) => self.gathered.scalar(&tag, At { step, wall_time, value }),
                Plain::Text(value) => self.gathered.text(&tag, At { step, wall_time, value }),
                Plain::List(_) => self.gathered.count("lists"),
                Plain::Object(value) => {
                    if let Some(kind) = kind(value) {
                        let at = At { step, wall_time, value };
                        self.media.add(&kind, &tag, at, &mut self.gathered)?;
                    } else if depth >= MAX_DEPTH || tag.len() > MAX_TAG {
                        self.gathered.count("objects that are nested too deeply");
                    } else {
                        self.object(value.get(), &tag, depth + 1, step, wall_time)?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// The kind of an object that is a value, such as `trackio.image`.
fn kind(object: &RawValue) -> Option<String> {
    // Most objects are not one.
    if !object.get().contains("\"_type\"") {
        return None;
    }
    let mut kind = None;
    let _ = fields(object.get(), |key, value| {
        if key == "_type"
            && let Plain::Text(text) = plain(value)
        {
            kind = Some(text);
        }
        Ok(())
    });
    kind
}

/// A query in the order of insertion.
fn ordered(query: String, has_id: bool) -> String {
    if has_id { query } else { query.replace("ORDER BY id", "ORDER BY rowid") }
}
