//! Reads a state.

use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::gathered::Gathered;
use super::super::local;
use super::super::python_json::{self, Plain, fields, items, plain};
use super::super::source::{At, Content, LeftOut, SourceOptions, SourceRun};
use super::super::time_text::{self, END};
use super::NAME;
use tbx::error::{Effect, ErrorKind, Report, Result, failed};
use tbx::meta::{RunMeta, Status, Summary};
use tbx::store::{Root, too_long};

/// Maximum size of a file in bytes. It is held in memory.
const MAX_BYTES: u64 = 256 << 20;
/// Maximum size in bytes of a value that becomes a fact.
const MAX_FACT: usize = 1 << 16;
/// Maximum number of facts.
const MAX_FACTS: usize = 1000;

/// Keys that are settings of the training, and become parameters.
const SETTINGS: [&str; 6] = [
    "eval_steps",
    "logging_steps",
    "max_steps",
    "num_train_epochs",
    "save_steps",
    "train_batch_size",
];
/// Keys that say nothing about the training, only about the process that wrote the file.
const OF_PROCESS: [&str; 2] = ["is_local_process_zero", "is_world_process_zero"];
/// The key of a step in a record of the log.
const STEP: &str = "step";

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The number of steps that were done.
    pub(super) step: i64,
    meta: RunMeta,
    facts: Map<String, Value>,
    values: Gathered,
    left_out: Vec<LeftOut>,
}

impl State {
    /// Reads the file at `path`.
    pub(super) fn read(
        root: &Root,
        path: &Path,
        options: &SourceOptions,
        report: &mut Report,
    ) -> Result<Self> {
        let mut read = || -> Result<Self, ErrorKind> {
            let (file, len) = root.open(path)?;
            if len > MAX_BYTES {
                return Err(too_long(len, MAX_BYTES).into());
            }
            let modified = local::modified(&file);
            let mut json = Vec::new();
            std::io::Read::read_to_end(&mut file.into_reader(len), &mut json)?;
            let json = String::from_utf8(python_json::strict(json)).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                ErrorKind::Value(format!("byte {at}: it is not UTF-8"))
            })?;
            let mut state = Self::default();
            let mut log = None;
            fields(&json, |key, value| match &*key {
                "log_history" => {
                    log = Some(value);
                    Ok(())
                }
                _ => state.field(&key, value),
            })?;
            let log = log.ok_or_else(|| {
                ErrorKind::Value("it has no list log_history: not the state of a training".into())
            })?;
            let mut reading = Log { options, modified, without_step: 0, end: None };
            items(log.get(), |record| reading.record(record, &mut state.values))?;
            if reading.end.is_some_and(|end| end >= state.step) {
                state.meta.status = Some(Status::Finished);
            }
            if reading.without_step > 0 {
                let what = format!(
                    "{} records of log_history have no whole number under {:?}",
                    reading.without_step,
                    reading.step_key()
                );
                local::issue(report, path, ErrorKind::Value(what), Effect::SkippedValue);
            }
            Ok(state)
        };
        read().map_err(|kind| failed(kind, path))
    }

    /// Takes a value next to the log.
    fn field(&mut self, key: &str, value: &RawValue) -> Result<(), ErrorKind> {
        let number = match plain(value) {
            Plain::Null => return Ok(()),
            Plain::Number(number) => Some(number),
            _ => None,
        };
        match key {
            "trial_params" => {
                // Parameters of the trial are what a person chose.
                let mut params = std::mem::take(&mut self.meta.params);
                let added = python_json::add_params(value.get(), &mut params);
                self.meta.params = params;
                return added;
            }
            "global_step" => self.step = number.and_then(whole).unwrap_or_default(),
            "best_metric" => {
                if let Some(number) = number {
                    let mut best = Summary::new(number);
                    best.statistic = Some("best".into());
                    best.step = self.meta.summary.remove(key).and_then(|known| known.step);
                    self.meta.summary.insert(key.into(), best);
                }
                return Ok(());
            }
            "best_global_step" => {
                // `json.dumps` with sorted keys writes it before `best_metric`.
                let best = self.meta.summary.entry("best_metric".into());
                best.or_insert_with(|| Summary::new(f64::NAN)).step = number.and_then(whole);
                return Ok(());
            }
            key if OF_PROCESS.contains(&key) => return Ok(()),
            key if SETTINGS.contains(&key) && number.is_some() => {
                let param = serde_json::from_str(value.get());
                let param = param.map_err(|error| ErrorKind::Value(error.to_string()))?;
                self.meta.params.entry(key.into()).or_insert(param);
                return Ok(());
            }
            _ => {}
        }
        let is_small = value.get().len() <= MAX_FACT && self.facts.len() < MAX_FACTS;
        match serde_json::from_str(value.get()) {
            Ok(fact) if is_small => drop(self.facts.insert(key.into(), fact)),
            _ => LeftOut::count(&mut self.left_out, "values of the trainer's state", 1, false),
        }
        Ok(())
    }

    /// The run that the state belongs to.
    pub(super) fn into_content(self, of: &SourceRun) -> Content {
        let Self { mut meta, facts, mut values, mut left_out, .. } = self;
        // A step without a metric.
        meta.summary.retain(|_, best| best.statistic.is_some());
        // In an object of their own: the import has its keys next to the id.
        meta.other.insert(NAME.into(), json!({ "run_id": of.id, "trainer": facts }));
        values.without_mixed("texts under tags of numbers");
        let (series, more) = values.into_series();
        left_out.extend(more);
        Content { meta, series, left_out, ..Content::default() }
    }
}

/// Reads the records of the log.
struct Log<'o> {
    options: &'o SourceOptions,
    /// The wall time of points: the file has none.
    modified: f64,
    /// Number of records without a step.
    without_step: u64,
    /// The step at which the training ended: its record has the time that it took (`Trainer._inner_training_loop`).
    end: Option<i64>,
}

impl Log<'_> {
    fn step_key(&self) -> &str {
        self.options.step.as_deref().unwrap_or(STEP)
    }

    fn record(&mut self, record: &RawValue, values: &mut Gathered) -> Result<(), ErrorKind> {
        if !matches!(plain(record), Plain::Object(_)) {
            self.without_step += 1;
            return Ok(());
        }
        // The step may come last.
        let options = self.options;
        let step_key = options.step.as_deref().unwrap_or(STEP);
        let time_key = options.time.as_deref();
        let (mut step, mut wall_time) = (None, self.modified);
        // The step that the trainer counts, which `--step` may replace with another number.
        let (mut own, mut is_end) = (None, false);
        fields(record.get(), |key, value| {
            is_end |= key == "train_runtime";
            if key == STEP
                && let Plain::Number(number) = plain(value)
            {
                own = whole(number);
            }
            if key == step_key
                && let Plain::Number(number) = plain(value)
            {
                step = whole(number);
            }
            if time_key == Some(&*key) {
                let time = match plain(value) {
                    Plain::Number(number) => Some(number),
                    Plain::Text(text) => time_text::seconds(&text),
                    _ => None,
                };
                wall_time = time.filter(|time| (0.0..END).contains(time)).unwrap_or(wall_time);
            }
            Ok(())
        })?;
        if is_end {
            self.end = own;
        }
        let Some(step) = step else {
            self.without_step += 1;
            return Ok(());
        };
        fields(record.get(), |key, value| {
            if key == STEP || key == step_key || time_key == Some(&*key) {
                return Ok(());
            }
            match plain(value) {
                Plain::Number(value) => values.scalar(&tag(&key), At { step, wall_time, value }),
                Plain::Text(value) => values.text(&tag(&key), At { step, wall_time, value }),
                Plain::Null => {}
                Plain::Object(_) => values.count("objects in the trainer's log"),
                Plain::List(_) => values.count("lists in the trainer's log"),
            }
            Ok(())
        })
    }
}

/// The tag that `Trainer`'s own callback for TensorBoard gives to a value: `train_loss` becomes `train/train_loss`
/// (`rewrite_logs` in `integrations/integration_utils.py`).
fn tag(key: &str) -> String {
    for group in ["eval", "test"] {
        if let Some(name) = key.strip_prefix(group).and_then(|rest| rest.strip_prefix('_')) {
            return format!("{group}/{name}");
        }
    }
    format!("train/{key}")
}

/// A number as an integer, if it is one.
#[expect(clippy::as_conversions, reason = "a whole number that fits into an i64")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9.2e18).then_some(number as i64)
}
