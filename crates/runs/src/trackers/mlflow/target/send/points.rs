//! Sends points, and files for other values.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use super::super::media::{self, Exhibit};
use super::super::state::Sent;
use super::Export;
use crate::trackers::mlflow::{HistoryPoint, Metric, milliseconds, stored_bits};
use tbx::error::Result;
use tbx::logdir::{Run, TimeSeries};
use tbx::summary::Kind;

/// Number of requests per directory after which the progress is saved.
const SAVE_EVERY: usize = 50;

impl<'e> Export<'e> {
    /// Sends the points and other values of a directory.
    pub(super) fn values(&self, run: &Run) -> Result<()> {
        let mut batch = Batch::of(self);
        for series in &run.series {
            if series.kind() == Kind::Scalar
                && let Some((place, _, key)) = self.plan.metric(&run.name, series)
                && !self.is_left_out(place)
            {
                batch.place = place;
                self.metric(&mut batch, place, key, series)?;
            }
        }
        batch.flush()?;
        let skipped = media::each(self.plan, run, self.settings, |exhibit| self.show_in(exhibit))?;
        self.note(|notes| notes.skipped.join(skipped));
        Ok(())
    }

    /// Sends files that MLflow's page shows.
    fn show_in(&self, exhibit: Exhibit) -> Result<()> {
        let Exhibit { kind, place, files } = exhibit;
        if self.is_left_out(place) {
            return Ok(());
        }
        let is_image = kind == Kind::Image;
        self.remote(place, |remote| {
            remote.has_images |= is_image;
            if !is_image {
                remote.media.extend(files.iter().map(|file| file.path.clone()));
            }
        });
        for file in files {
            let is_new = self.artifact(place, &file)?.is_some();
            match is_image {
                true if is_new && file.path.ends_with(".png") => {
                    self.images.fetch_add(1, Ordering::Relaxed);
                }
                false if is_new => drop(self.media.fetch_add(1, Ordering::Relaxed)),
                _ => {}
            }
        }
        Ok(())
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
        // A log that was written anew starts over.
        let is_there = |sent: &Sent| {
            let last = sent.count.checked_sub(1);
            let point = last.and_then(|last| Some((*steps.get(last)?, *times.get(last)?)));
            point == Some(sent.last)
        };
        // If series are downsampled, each export may choose other points.
        let is_thin = self.settings.sampling.is_some();
        let skipped = sent.filter(is_there).map_or(0, |sent| if is_thin { 0 } else { sent.count });
        let mut there = HashSet::new();
        if is_unknown || (is_thin && sent.is_some()) {
            there.extend(self.store.points_there(&id, key)?.iter().map(HistoryPoint::key));
        }
        let chosen = self.settings.sampling.map(|sampling| {
            let value = |i| scalars.get(i).unwrap_or(f64::NAN);
            sampling.keep(steps, value).into_iter().collect::<HashSet<_>>()
        });
        batch.key = key.to_owned();
        let is_rising = steps.is_sorted_by(|a, b| a < b);
        let mut seen = HashSet::new();
        let mut expected = 0;
        for (i, ((step, time), value)) in steps.iter().zip(&times).zip(scalars.iter()).enumerate() {
            if chosen.as_ref().is_some_and(|chosen| !chosen.contains(&i)) {
                continue;
            }
            let point = (*step, *time, stored_bits(value));
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
        if is_thin {
            // Points in between are missing.
            self.remote(place, |remote| remote.synced.metrics.remove(key));
        } else if let (Some(step), Some(time)) = last {
            let sent = Sent { count: steps.len(), last: (step, time) };
            batch.sent.insert(key.to_owned(), sent);
        }
        Ok(())
    }
}

/// Points of one run that are being sent.
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
        let (metrics, sent) = (Vec::new(), BTreeMap::new());
        Self { export, place: 0, key: String::new(), metrics, sent, requests: 0 }
    }

    fn add(&mut self, metric: Metric, sent: Sent) -> Result<()> {
        self.metrics.push(metric);
        if self.metrics.len() < self.export.store.points_at_once() {
            return Ok(());
        }
        if self.export.settings.sampling.is_none() {
            self.sent.insert(self.key.clone(), sent);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        let export = self.export;
        let id = export.remote(self.place, |remote| remote.id.clone()).unwrap_or_default();
        if !self.metrics.is_empty() {
            let none = BTreeMap::new();
            let send = || export.store.log_batch(&id, &self.metrics, &none, &none);
            if export.unless_failed(send)?.is_none() {
                return Ok(()); // another request failed, so nothing was sent
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
