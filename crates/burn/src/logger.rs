//! The metrics of a training.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn_train::logger::MetricLogger;
use burn_train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn_train::metric::{MetricDefinition, MetricEntry, MetricId, NumericEntry};
use tbx::{Error, SummaryWriter};

/// Logs the metrics of a training of burn.
///
/// | burn | tag | step |
/// |---|---|---|
/// | a number of each batch | `train/loss`, `valid/loss`, `test/loss` | batches of the split since the start, from 0 |
/// | the number of an epoch | `train/epoch_loss`, `valid/epoch_loss` | the epoch, from 1 |
/// | a metric that is text | `train/<name>` as text | as a number |
///
/// Names are in lower case with underscores: `Learning Rate` becomes `learning_rate`. A test set with a name has it
/// between the split and the metric: `test/clean/loss`.
///
/// Clones share everything: pass one to the training, and keep one to [`check`](Self::check) afterwards.
///
/// burn asks its first logger for earlier values, for example to stop early. This one has the mean of each epoch of its
/// process. A training that continues from a checkpoint and decides by earlier epochs needs burn's `FileMetricLogger`
/// before it, which reads them from its files.
#[derive(Clone)]
pub struct SummaryLogger {
    shared: Arc<Mutex<State>>,
}

struct State {
    writer: SummaryWriter,
    first_iteration: i64,
    names: HashMap<MetricId, Name>,
    splits: HashMap<Split, Progress>,
    epochs: HashMap<Key, Mean>,
    /// The first error of the writer.
    failure: Option<Error>,
}

struct Name {
    /// Burn's name.
    full: Arc<String>,
    /// The last part of the tag.
    tag: String,
}

/// How far a split is.
#[derive(Default)]
struct Progress {
    batches: i64,
}

/// The values of a metric in an epoch.
#[derive(Clone, Eq, Hash, PartialEq)]
struct Key {
    name: String,
    epoch: usize,
    split: Split,
}

#[derive(Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: usize,
    /// The value that the metric itself says at the end of the epoch.
    last: Option<f64>,
}

impl SummaryLogger {
    /// Creates a logger that writes with `writer`.
    pub fn new(writer: SummaryWriter) -> Self {
        let state = State {
            writer,
            first_iteration: 0,
            names: HashMap::new(),
            splits: HashMap::new(),
            epochs: HashMap::new(),
            failure: None,
        };
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    /// Sets the step of the first batch of each split, for a training that continues from a checkpoint. The default is
    /// 0.
    #[must_use]
    pub fn first_iteration(self, iteration: i64) -> Self {
        self.lock().first_iteration = iteration;
        self
    }

    /// Returns the first error of the log, once. A training goes on without its log if that cannot be written, since
    /// burn's loggers have no way to stop it. The error is also said by [`log::error`].
    ///
    /// # Errors
    ///
    /// Those of [`SummaryWriter::add_scalar`].
    pub fn check(&self) -> Result<(), Error> {
        self.lock().failure.take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MetricLogger for SummaryLogger {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        self.lock().log(&update, epoch, split);
    }

    fn read_numeric(
        &mut self,
        name: &str,
        epoch: usize,
        split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        let key = Key { name: name.into(), epoch, split: split.clone() };
        // An error would end the training. An epoch without values has none.
        Ok(self.lock().epochs.get(&key).map(Mean::entry).into_iter().collect())
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        let name = Name { tag: tag_of(&definition.name), full: definition.name };
        self.lock().names.insert(definition.metric_id, name);
    }

    fn log_epoch_summary(&mut self, _: EpochSummary) {
        let mut state = self.lock();
        let flushed = state.writer.flush();
        state.note(flushed);
    }
}

impl State {
    fn log(&mut self, update: &MetricsUpdate, epoch: usize, split: &Split) {
        // The values of the whole epoch come in an update of their own.
        let is_end = update
            .entries_numeric
            .iter()
            .any(|metric| matches!(metric.numeric_entry, Some(NumericEntry::Final(_))));
        let progress = self.splits.entry(split.clone()).or_default();
        let step = if is_end {
            i64::try_from(epoch).unwrap_or(i64::MAX)
        } else {
            let step = self.first_iteration.saturating_add(progress.batches);
            progress.batches += 1;
            step
        };
        let prefix = match split {
            Split::Test(Some(name)) => format!("{split}/{}", tag_of(name)),
            split => split.to_string(),
        };
        for metric in &update.entries_numeric {
            let Some(value) = &metric.numeric_entry else { continue };
            let id = &metric.entry.metric_id;
            let Some((tag, name)) = self.tag(&prefix, id, is_end) else { continue };
            let key = Key { name, epoch, split: split.clone() };
            self.epochs.entry(key).or_default().add(value);
            let added = self.writer.add_scalar(&tag, value.current(), step);
            self.note(added);
        }
        for MetricEntry { metric_id, serialized_entry, .. } in &update.entries {
            if serialized_entry.is_not_available() {
                continue;
            }
            let Some((tag, _)) = self.tag(&prefix, metric_id, is_end) else { continue };
            let added = self.writer.add_text(&tag, serialized_entry.serialized.as_str(), step);
            self.note(added);
        }
    }

    /// The tag of a metric, and burn's name of it.
    fn tag(&self, prefix: &str, id: &MetricId, is_end: bool) -> Option<(String, String)> {
        let name = self.names.get(id)?;
        let epoch = if is_end { "epoch_" } else { "" };
        Some((format!("{prefix}/{epoch}{}", name.tag), name.full.to_string()))
    }

    fn note(&mut self, result: Result<(), Error>) {
        let Err(error) = result else { return };
        if self.failure.is_none() {
            log::error!("the training is not logged: {error}");
            self.failure = Some(error);
        }
    }
}

impl Mean {
    fn add(&mut self, value: &NumericEntry) {
        match value {
            NumericEntry::Value(value) => {
                self.sum += value;
                self.count += 1;
            }
            NumericEntry::Aggregated { aggregated_value, count } => {
                self.sum += aggregated_value * to_f64(*count);
                self.count += count;
            }
            NumericEntry::Final(value) => self.last = Some(*value),
        }
    }

    fn entry(&self) -> NumericEntry {
        match self.last {
            Some(value) => NumericEntry::Final(value),
            None => NumericEntry::Aggregated {
                aggregated_value: self.sum / to_f64(self.count),
                count: self.count,
            },
        }
    }
}

#[expect(clippy::as_conversions, reason = "counts beyond 2^53 may be rounded")]
fn to_f64(count: usize) -> f64 {
    count as f64
}

/// `Top-K Accuracy @ 5` becomes `top_k_accuracy_5`.
fn tag_of(name: &str) -> String {
    let mut tag = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            c if c.is_alphanumeric() || c == '/' || c == '.' => tag.extend(c.to_lowercase()),
            _ if tag.is_empty() || tag.ends_with('_') => {}
            _ => tag.push('_'),
        }
    }
    tag.truncate(tag.trim_end_matches('_').len());
    tag
}

#[cfg(test)]
mod tests {
    use burn_train::metric::store::NumericMetricUpdate;
    use burn_train::metric::{MetricAttributes, SerializedEntry};

    use super::*;

    #[test]
    fn names_become_tags() {
        for (name, tag) in [
            ("Loss", "loss"),
            ("Learning Rate", "learning_rate"),
            ("Top-K Accuracy @ 5", "top_k_accuracy_5"),
            ("CPU Usage", "cpu_usage"),
            ("FBetaScore (beta=1) [Macro]", "fbetascore_beta_1_macro"),
            ("  ", ""),
        ] {
            assert_eq!(tag_of(name), tag, "{name}");
        }
    }

    /// Burn stops early by the values that its first logger has.
    #[test]
    fn epochs_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut logger = SummaryLogger::new(SummaryWriter::create(dir.path()).unwrap());
        let id = MetricId::new(Arc::new("Loss".into()));
        logger.log_metric_definition(MetricDefinition {
            metric_id: id.clone(),
            name: Arc::new("Loss".into()),
            description: None,
            attributes: MetricAttributes::None,
        });
        let update = |value: NumericEntry| {
            let entry = MetricEntry::new(
                id.clone(),
                SerializedEntry::new(value.serialize(), value.serialize()),
            );
            MetricsUpdate::new(vec![], vec![NumericMetricUpdate::new(entry, Some(value), None)])
        };
        for (epoch, values) in [(1, [3.0, 1.0]), (2, [1.0, 0.0])] {
            for value in values {
                logger.log(update(NumericEntry::Value(value)), epoch, &Split::Valid);
            }
        }
        logger.log(update(NumericEntry::Final(0.25)), 2, &Split::Valid);
        let mut read = |epoch| {
            let found = logger.read_numeric("Loss", epoch, &Split::Valid).unwrap();
            found.last().map(NumericEntry::current)
        };
        assert_eq!([read(1), read(2), read(3)], [Some(2.0), Some(0.25), None]);
        logger.check().unwrap();
    }

    #[test]
    fn an_error_of_the_log_is_returned_once() {
        let writer = SummaryWriter::noop();
        let logger = SummaryLogger::new(writer);
        logger.lock().note(Err(tbx::ErrorKind::Argument("no space".into()).into()));
        assert!(logger.check().is_err());
        assert!(logger.check().is_ok());
    }

    #[test]
    fn means_are_weighted() {
        let mut mean = Mean::default();
        mean.add(&NumericEntry::Aggregated { aggregated_value: 1.0, count: 3 });
        mean.add(&NumericEntry::Value(5.0));
        assert_eq!(mean.entry().current(), 2.0);
        mean.add(&NumericEntry::Final(2.5));
        assert_eq!(mean.entry().current(), 2.5);
    }
}
