//! Sends points, and files for other values.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use super::super::media::{self, Exhibit};
use super::super::state::Sent;
use super::{Expected, Export};
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
        let earlier = |place: usize, tag: &str| {
            self.remote(place, |remote| {
                let sent = remote.synced.images.get(tag).copied();
                remote.has_images |= sent.is_some();
                sent
            })?
        };
        let show_in = |exhibit| self.show_in(exhibit);
        let skipped = media::each(self.plan, run, self.settings, &earlier, show_in)?;
        self.note(|notes| notes.skipped.join(skipped));
        Ok(())
    }

    /// Sends files that MLflow's page shows.
    fn show_in(&self, exhibit: Exhibit) -> Result<()> {
        let Exhibit { kind, place, files, sent } = exhibit;
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
        let mut is_there = true;
        for file in files {
            let is_new = self.artifact(place, &file)?.is_some();
            match is_image {
                true if is_new && file.path.ends_with(".png") => {
                    self.images.fetch_add(1, Ordering::Relaxed);
                }
                false if is_new => drop(self.media.fetch_add(1, Ordering::Relaxed)),
                _ => {}
            }
            is_there &= self
                .remote(place, |remote| remote.synced.artifacts.contains_key(&file.path))
                .unwrap_or_default();
        }
        if let Some((tag, sent)) = sent.filter(|_| is_there) {
            self.remote(place, |remote| {
                let before = remote.synced.images.get(&tag).map_or(0, |sent| sent.count);
                // Without a gap, which the next export fills.
                if before + 1 == sent.count || sent.count <= before {
                    remote.synced.images.insert(tag, sent);
                }
            });
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
        let (id, sent, is_unknown, last_there) = self
            .remote(place, |remote| {
                let sent = remote.synced.metrics.get(key).copied();
                let last_there = remote.last_points.get(key).copied();
                (remote.id.clone(), sent, remote.unknown.contains(key), last_there)
            })
            .unwrap_or_default();
        let is_of = |sent: Sent| sent.skipped(steps, |i| times.get(i).copied());
        // If series are downsampled, each export may choose other points.
        let is_thin = self.settings.sampling.is_some();
        let mut skipped = sent.filter(|_| !is_thin).map_or(0, is_of);
        let chosen = self.settings.sampling.map(|sampling| {
            let value = |i| scalars.get(i).unwrap_or(f64::NAN);
            sampling.keep(steps, value).into_iter().collect::<HashSet<_>>()
        });
        batch.key = key.to_owned();
        let is_rising = steps.is_sorted_by(|a, b| a < b);
        let mut seen = HashSet::new();
        let mut expected = Expected::default();
        let is_chosen = |i: usize| chosen.as_ref().is_none_or(|chosen| chosen.contains(&i));
        for (i, point) in steps.iter().copied().zip(times.iter().copied()).enumerate() {
            if is_chosen(i) {
                expected.see(point);
            }
        }
        // Points of an earlier log, which a program that was resumed has removed: a number alone would prove nothing.
        let is_open = self.plan.runs.get(place).is_some_and(|run| run.is_open(self.settings));
        let has_more = !is_open && last_there > expected.last;
        let mut there = HashSet::new();
        if is_unknown || has_more || (is_thin && sent.is_some()) {
            there.extend(self.store.points_there(&id, key)?.iter().map(HistoryPoint::key));
            skipped = 0;
        }
        expected.count = there.len();
        let mut max = None;
        for (i, ((step, time), value)) in steps.iter().zip(&times).zip(scalars.iter()).enumerate() {
            if !is_chosen(i) {
                continue;
            }
            let point = (*step, *time, stored_bits(value));
            if !is_rising && !seen.insert(point) {
                continue;
            }
            max = max.max(Some((*step, *time)));
            if there.contains(&point) {
                continue;
            }
            expected.count += 1;
            if i >= skipped {
                let sent = Sent { count: i + 1, last: (*step, *time), max };
                let key = key.to_owned();
                batch.has_witness |= expected.is_witness((*step, *time));
                batch.add(Metric { key, value, timestamp: *time, step: *step }, sent)?;
            }
        }
        self.remote(place, |remote| remote.expected.insert(key.to_owned(), expected));
        let last = (steps.last().copied(), times.last().copied());
        if is_thin {
            // Points in between are missing.
            self.remote(place, |remote| remote.synced.metrics.remove(key));
        } else if let (Some(step), Some(time)) = last {
            let sent = Sent { count: steps.len(), last: (step, time), max };
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
    /// Whether `metrics` has the last point of some metric: then a check of last points notices if they are lost.
    has_witness: bool,
}

impl<'b, 'e> Batch<'b, 'e> {
    fn of(export: &'b Export<'e>) -> Self {
        let (metrics, sent) = (Vec::new(), BTreeMap::new());
        let key = String::new();
        Self { export, place: 0, key, metrics, sent, requests: 0, has_witness: false }
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
            let is_first = export.remote(self.place, |remote| {
                !std::mem::replace(&mut remote.synced.is_sending, true)
            });
            // If this export is killed, the next one must not rely on the numbers that were saved before.
            if is_first == Some(true) {
                export.save_run(self.place);
            }
            let none = BTreeMap::new();
            let send = || export.store.log_batch(&id, &self.metrics, &none, &none);
            if export.unless_failed(send)?.is_none() {
                return Ok(()); // another request failed, so nothing was sent
            }
            let count = u64::try_from(self.metrics.len()).unwrap_or_default();
            export.points.fetch_add(count, Ordering::Relaxed);
            let keys = self.metrics.drain(..).map(|metric| metric.key);
            let is_seen = std::mem::take(&mut self.has_witness);
            export.remote(self.place, |remote| {
                remote.has_new_points = true;
                remote.synced.to_count.extend(keys.filter(|_| !is_seen));
            });
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
