//! Sends points and images to a tracking server.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use super::super::pictures;
use super::super::sync::Sent;
use super::Export;
use crate::error::Result;
use crate::logdir::{Run, TimeSeries};
use crate::mlflow::{Metric, milliseconds};
use crate::summary::Kind;

/// Number of points per request.
const BATCH: usize = 1000;
/// Number of requests per directory after which the progress is saved.
const SAVE_EVERY: usize = 50;

impl<'e> Export<'e> {
    /// Sends the points and images of a directory.
    pub(super) fn values(&self, run: &Run) -> Result<()> {
        let mut batch = Batch::of(self);
        for series in &run.series {
            if series.kind() == Kind::Scalar
                && let Some((place, _, key)) = self.plan.metric(&run.name, series)
            {
                batch.place = place;
                self.metric(&mut batch, place, key, series)?;
            }
        }
        batch.flush()?;
        pictures::each(self.plan, run, |place, files| {
            self.remote(place, |remote| remote.has_images = true);
            let files = match files {
                Ok(files) => files,
                Err(error) => {
                    self.warn(format!("{error}: left out"));
                    return Ok(());
                }
            };
            for file in files {
                let is_new = self.artifact(place, &file)?;
                if is_new.is_some() && file.path.ends_with(".png") {
                    self.images.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        })
    }

    fn metric(
        &self,
        batch: &mut Batch<'_, 'e>,
        place: usize,
        key: &str,
        series: &TimeSeries,
    ) -> Result<()> {
        let Some(scalars) = series.scalars() else { return Ok(()) };
        let times: Vec<i64> = series.wall_times().iter().map(|time| milliseconds(*time)).collect();
        let steps = series.steps();
        let (id, sent, is_unknown) = self
            .remote(place, |remote| {
                let sent = remote.synced.metrics.get(key).copied();
                (remote.id.clone(), sent, remote.unknown.contains(key))
            })
            .unwrap_or_default();
        // A log that was rewritten starts over.
        let is_there = |sent: &Sent| {
            let last = sent.count.checked_sub(1);
            let point = last.and_then(|last| Some((*steps.get(last)?, *times.get(last)?)));
            point == Some(sent.last)
        };
        let skipped = sent.filter(is_there).map_or(0, |sent| sent.count);
        let mut there = HashSet::new();
        if is_unknown {
            let points = self.client.points(&id, key)?;
            there.extend(points.iter().map(|p| (p.step, p.timestamp, bits(p.value))));
        }
        batch.key = key.to_owned();
        let is_rising = steps.is_sorted_by(|a, b| a < b);
        let mut seen = HashSet::new();
        let mut expected = 0;
        for (i, ((step, time), value)) in steps.iter().zip(&times).zip(scalars.iter()).enumerate() {
            let point = (*step, *time, bits(value));
            if !is_rising && !seen.insert(point) {
                continue;
            }
            expected += 1;
            if i >= skipped && !there.contains(&point) {
                let sent = Sent { count: i + 1, last: (*step, *time) };
                let key = key.to_owned();
                batch.add(Metric { key, value, timestamp: *time, step: *step }, sent)?;
            }
        }
        self.remote(place, |remote| remote.expected.insert(key.to_owned(), expected));
        let last = (steps.last().copied(), times.last().copied());
        if let (Some(step), Some(time)) = last {
            let sent = Sent { count: steps.len(), last: (step, time) };
            batch.sent.insert(key.to_owned(), sent);
        }
        Ok(())
    }
}

/// Points of one run that are about to be sent.
struct Batch<'b, 'e> {
    export: &'b Export<'e>,
    place: usize,
    /// The metric that is being added.
    key: String,
    metrics: Vec<Metric>,
    /// The state once everything in `metrics` has been sent.
    sent: BTreeMap<String, Sent>,
    requests: usize,
}

impl<'b, 'e> Batch<'b, 'e> {
    fn of(export: &'b Export<'e>) -> Self {
        let (metrics, sent) = (Vec::with_capacity(BATCH), BTreeMap::new());
        Self { export, place: 0, key: String::new(), metrics, sent, requests: 0 }
    }

    fn add(&mut self, metric: Metric, sent: Sent) -> Result<()> {
        self.metrics.push(metric);
        if self.metrics.len() < BATCH {
            return Ok(());
        }
        self.sent.insert(self.key.clone(), sent);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        let export = self.export;
        let id = export.remote(self.place, |remote| remote.id.clone()).unwrap_or_default();
        if !self.metrics.is_empty() {
            let none = BTreeMap::new();
            let send = || export.client.log_batch(&id, &self.metrics, &none, &none);
            if export.unless_failed(send)?.is_none() {
                return Ok(()); // another thread failed: nothing was sent
            }
            let count = u64::try_from(self.metrics.len()).unwrap_or_default();
            export.points.fetch_add(count, Ordering::Relaxed);
            self.metrics.clear();
            self.requests += 1;
            export.show();
        }
        let sent = std::mem::take(&mut self.sent);
        export.remote(self.place, |remote| remote.synced.metrics.extend(sent));
        if self.requests >= SAVE_EVERY {
            self.requests = 0;
            export.save_run(self.place);
        }
        Ok(())
    }
}

/// Bits that distinguish values as MLflow's databases do: an infinity is the largest number.
fn bits(value: f64) -> u64 {
    match value {
        value if value.is_nan() => f64::NAN.to_bits(),
        f64::INFINITY => f64::MAX.to_bits(),
        f64::NEG_INFINITY => f64::MIN.to_bits(),
        0.0 => 0,
        value => value.to_bits(),
    }
}
