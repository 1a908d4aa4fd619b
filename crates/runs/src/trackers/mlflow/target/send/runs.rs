//! Sends the metadata of runs: parameters, tags, datasets, end status.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::super::attachments::{self, Attachments};
use super::super::media::images;
use super::super::memory::Counterpart;
use super::super::merge::{Change, Merge};
use super::super::plan::Planned;
use super::find::There;
use super::{Export, Remote};
use crate::trackers::mlflow::{
    DatasetInput, FoundRun, MAX_PARAM, MAX_TAG, MetricNames, RunRecord, RunUpdate, Tags,
    number_or_text, tags,
};
use tbx::error::Result;
use tbx::meta::Status;

/// Maximum number of parameters or tags in a request.
const PAIRS: usize = 100;
/// Maximum size of these in bytes, less than the 1 MB that a request may have.
const MAX_BYTES: usize = 800_000;
/// Fields of a run that are not tags.
const NAME: &str = "name";
const STATUS: &str = "status";
const LIFECYCLE: &str = "lifecycle";
/// Values of the last field.
const ACTIVE: &str = "active";
const DELETED: &str = "deleted";

impl Export<'_> {
    /// Finds or creates runs, with their parameters, tags and datasets.
    pub(super) fn level(&self, runs: Range<usize>) -> Result<()> {
        let (mut new, mut known) = (Vec::new(), Vec::new());
        for i in runs {
            match self.known.runs.get(&i) {
                Some(There::Active(found)) => known.push((i, found.clone())),
                Some(There::Unchanged(there)) => self.skip(i, there.clone()),
                // Also deleted in MLflow before it was imported.
                Some(There::Deleted(id)) if self.is_deleted(i) => self.skip(i, deleted(id)),
                Some(There::Deleted(id)) => match (id, self.settings.recreate_deleted) {
                    (Some(id), true) => {
                        self.store.restore_run(id)?;
                        let found = self.store.run(id)?.unwrap_or_default();
                        known.push((i, Box::new(found)));
                    }
                    (None, true) => new.push(i),
                    (id, false) => self.leave_out(i, id),
                },
                Some(There::Begun(_)) | None => new.push(i),
            }
        }
        known
            .par_iter()
            .try_for_each(|(i, found)| self.of_run(*i, || self.go_on(*i, found)).map(drop))?;
        self.claim(&new)
    }

    /// Sends nothing for a run that somebody deleted.
    fn leave_out(&self, i: usize, id: &Option<String>) {
        self.deleted_runs.fetch_add(1, Ordering::Relaxed);
        self.skip(i, deleted(id));
        let known = self.plan.runs.get(i).and_then(|run| self.state.read(&run.key, &run.dir));
        // A server that removes deleted runs for good does not have it later.
        if let Some(mut known) = known.filter(|known| Some(&known.run_id) == id.as_ref()) {
            known.is_deleted = true;
            self.remote(i, |remote| remote.synced = known);
        }
    }

    /// Whether a run was deleted in the MLflow store that it was imported from.
    fn is_deleted(&self, i: usize) -> bool {
        self.plan.runs.get(i).is_some_and(|run| run.record.is_deleted)
    }

    fn skip(&self, i: usize, there: Counterpart) {
        let is_unchanged = matches!(self.known.runs.get(&i), Some(There::Unchanged(_)));
        self.remote(i, |remote| {
            remote.is_left_out = true;
            remote.is_done = true;
            remote.is_deleted = there.is_deleted;
            remote.is_unchanged = is_unchanged;
            // Its children still name it as their parent, in case somebody restores it.
            remote.id = there.id.unwrap_or_default();
            remote.artifact_uri = there.artifact_uri;
            remote.tags.extend(there.models.map(|models| (tags::MODELS.to_owned(), models)));
        });
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// The record of a run in the form for MLflow: in its experiment, below its parent, with values
    /// of valid lengths.
    pub(super) fn fitting(&self, i: usize, run: &Planned) -> RunRecord {
        let mut record = run.record.clone();
        let parent = match run.parent {
            Some(parent) => self.remote(parent, |remote| remote.id.clone()),
            // It may have been exported before.
            None => {
                let parent = run.meta.parent.as_ref();
                parent.and_then(|parent| self.known.id(&run.experiment, parent).cloned())
            }
        };
        let parent = parent.filter(|parent| !parent.is_empty());
        record.tags.extend(parent.map(|parent| (tags::PARENT.to_owned(), parent)));
        record.experiment_id = self.place(run).map(|place| place.id.clone()).unwrap_or_default();
        let is_first = self.remote(i, |remote| !std::mem::replace(&mut remote.is_cut, true));
        for (what, values, max) in
            [("parameter", &mut record.params, MAX_PARAM), ("tag", &mut record.tags, MAX_TAG)]
        {
            for (name, value) in values {
                if value.chars().count() > max {
                    *value = value.chars().take(max).collect();
                    if is_first == Some(true) {
                        let key = (what, name.clone(), max);
                        self.note(|notes| *notes.cut.entry(key).or_default() += 1);
                    }
                }
            }
        }
        record
    }

    /// Records a run that this export created.
    pub(super) fn begin(&self, i: usize, id: &str, artifact_uri: String, record: &RunRecord) {
        let mut merge = Merge::default();
        merge.wrote(NAME, record.name.as_deref().unwrap_or_default());
        // Its status at the end of the export; until then it is running in MLflow.
        merge.wrote(STATUS, &status_text(record.status, record.end_time));
        if record.is_deleted {
            merge.wrote(LIFECYCLE, ACTIVE);
        }
        for (name, value) in record.tags.iter().filter(|(name, _)| !tags::is_hidden(name)) {
            merge.wrote(&format!("tag {name}"), value);
        }
        let mut remote = Remote {
            id: id.to_owned(),
            artifact_uri,
            status: status_text(Some(Status::Running), None),
            merge,
            is_cut: true,
            ..Remote::default()
        };
        self.told(i, &mut remote);
        self.remote(i, |place| *place = remote);
    }

    /// Records the run's id and experiment.
    fn told(&self, i: usize, remote: &mut Remote) {
        let place = self.plan.runs.get(i).and_then(|run| self.place(run));
        remote.synced.run_id.clone_from(&remote.id);
        remote.synced.experiment = place.and_then(|place| Some((place.id.clone(), place.created?)));
    }

    /// Sends the remaining data of a new run.
    pub(super) fn fill(&self, i: usize) -> Result<()> {
        let Some(run) = self.plan.runs.get(i) else { return Ok(()) };
        let record = self.fitting(i, run);
        let id = self.remote(i, |remote| remote.id.clone()).unwrap_or_default();
        // The first ones were sent with its ticket.
        for params in chunks(record.params).into_iter().skip(1) {
            self.store.log_batch(&id, &[], &params, &Tags::new())?;
        }
        if !record.datasets.is_empty() {
            self.store.log_inputs(&id, &record.datasets)?;
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.show();
        Ok(())
    }

    /// Sends the data that an existing run lacks, and local changes.
    pub(super) fn go_on(&self, i: usize, found: &FoundRun) -> Result<()> {
        let Some(run) = self.plan.runs.get(i) else { return Ok(()) };
        let mut record = self.fitting(i, run);
        let there = &found.record;
        let mut merge = Merge::with(&there.tags, self.settings.overwrite);
        // MLflow keeps this tag in sync with the name.
        record.tags.remove(tags::RUN_NAME);
        let mut of_there = there.tags.clone();
        of_there.remove(tags::RUN_NAME);
        let (name, name_there) = (record.name.as_deref(), there.name.as_deref());
        let name = merge.field(NAME, name, name_there).flatten();
        let changes = merge.tags(&record.tags, &of_there);
        self.keep(&format!("run {:?}", run.name), &std::mem::take(&mut merge.kept));

        let id = there.id.clone();
        let mut remote = Remote {
            id: id.clone(),
            artifact_uri: there.artifact_uri.clone().unwrap_or_default(),
            tags: there.tags.clone(),
            status: status_text(there.status, there.end_time),
            merge,
            is_cut: true,
            ..Remote::default()
        };
        let mut known = run.keys().filter_map(|key| self.state.read(key, &run.dir));
        remote.synced = known.find(|synced| synced.run_id == id).unwrap_or_default();
        remote.synced.is_deleted = false;
        remote.distrust(&found.metrics);
        let is_unknown = |key: &&String| !remote.synced.metrics.contains_key(*key);
        remote.unknown = found.metrics.keys().filter(is_unknown).cloned().collect();
        remote.last_points = found.metrics.clone();
        self.told(i, &mut remote);
        self.remote(i, |place| *place = remote);

        let (params, datasets) = self.news(run, &record, there);
        for params in chunks(params) {
            self.store.log_batch(&id, &[], &params, &Tags::new())?;
        }
        if let Some(name) = name {
            self.store.update_run(&id, &RunUpdate { name: Some(name), ..RunUpdate::default() })?;
        }
        self.set_tags(&id, changes)?;
        if !datasets.is_empty() {
            self.store.log_inputs(&id, &datasets)?;
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.show();
        Ok(())
    }

    fn set_tags(&self, id: &str, changes: BTreeMap<String, Change>) -> Result<()> {
        let (set, gone): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(_, value)| value.is_some());
        let set = set.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        for tags in chunks(set) {
            self.store.log_batch(id, &[], &Tags::new(), &tags)?;
        }
        gone.iter().try_for_each(|(name, _)| self.store.delete_tag(id, name))
    }

    /// Parameters and datasets that a run in MLflow lacks.
    fn news(
        &self,
        run: &Planned,
        record: &RunRecord,
        there: &RunRecord,
    ) -> (Tags, Vec<DatasetInput>) {
        let mut params = record.params.clone();
        params.retain(|name, value| match there.params.get(name) {
            None => true,
            Some(was) => {
                // The first releases formatted some texts differently.
                if number_or_text(was) != number_or_text(value) {
                    self.warn(format!(
                        "run {:?}: parameter {name:?} keeps its value {was:?} in MLflow; it is now \
                         {value:?} in the logs",
                        run.name
                    ));
                }
                false
            }
        });
        let is_known = |data: &&DatasetInput| {
            let mut known = there.datasets.iter();
            known.any(|known| known.name == data.name && known.digest == data.digest)
        };
        let datasets = record.datasets.iter().filter(|data| !is_known(data)).cloned().collect();
        (params, datasets)
    }

    /// Sends the data that follows after all points.
    pub(super) fn end(&self, i: usize, run: &Planned) -> Result<()> {
        if self.is_left_out(i) {
            return Ok(());
        }
        let media = self.remote(i, |remote| std::mem::take(&mut remote.media)).unwrap_or_default();
        let Attachments { files, left, renamed } = match run.is_open(self.settings) {
            true => Attachments::default(),
            false => attachments::of(run, self.settings, self.plan.links, self.kind, &media)?,
        };
        self.note(|notes| notes.left.extend(left));
        for file in files {
            if let Some(size) = self.artifact(i, &file)? {
                self.artifacts.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(size, Ordering::Relaxed);
            }
        }
        let state = |remote: &mut Remote| {
            let merge = std::mem::take(&mut remote.merge);
            let there = (remote.tags.clone(), remote.status.clone());
            (remote.id.clone(), remote.has_images, merge, there, remote.synced.status.clone())
        };
        let (id, has_images, mut merge, (tags_there, status_there), status_was) =
            self.remote(i, state).unwrap_or_default();
        let mut changes = BTreeMap::new();
        if has_images && !tags_there.contains_key(images::TAG.0) {
            changes.insert(images::TAG.0.to_owned(), Some(images::TAG.1.to_owned()));
        }
        if !renamed.is_empty() {
            let mut all = MetricNames::changed_in(&run.record.tags);
            all.extend(renamed.clone());
            let names = MetricNames::tags_of(&all).into_iter();
            changes.extend(names.map(|(name, value)| (name, Some(value))));
            self.note(|notes| notes.renamed.extend(renamed));
        }
        let status = status_text(run.record.status, run.record.end_time);
        // The digest is written before the status, so an export that was killed in between has left the status of
        // before: the one of the last complete export, or of a new run.
        let running = status_text(Some(Status::Running), None);
        if status_there == status_was.unwrap_or(running) {
            merge.wrote(STATUS, &status_there);
        }
        let is_new = merge.field(STATUS, Some(&status), Some(&status_there)).is_some();
        let goes =
            self.is_deleted(i) && merge.field(LIFECYCLE, Some(DELETED), Some(ACTIVE)).is_some();
        self.keep(&format!("run {:?}", run.name), &merge.kept);
        changes.extend(merge.digests(&tags_there));
        self.set_tags(&id, changes)?;
        if is_new && let Some(status) = run.record.status {
            let update =
                RunUpdate { status: Some((status, run.record.end_time)), ..RunUpdate::default() };
            self.store.update_run(&id, &update)?;
        }
        if goes {
            self.store.delete_run(&id)?;
        }
        self.remote(i, |remote| {
            if is_new || status == status_there {
                remote.synced.status = Some(status);
            }
            remote.synced.is_sending = false;
            // Otherwise, once its points have been checked.
            remote.is_done = run.is_open(self.settings);
        });
        self.save_run(i);
        Ok(())
    }
}

/// A run that somebody deleted.
fn deleted(id: &Option<String>) -> Counterpart {
    Counterpart { id: id.clone(), is_deleted: true, ..Counterpart::default() }
}

/// The status of a run and its end time. Without an end, the time of an earlier one may still be there.
fn status_text(status: Option<Status>, end: Option<i64>) -> String {
    let name = status.map(Status::name).unwrap_or_default().to_uppercase();
    match end.filter(|_| status.is_some_and(Status::is_final)) {
        Some(end) => format!("{name}, ended at {end}"),
        None => name,
    }
}

/// Splits a map into parts that each fit into a request.
pub(super) fn chunks(map: Tags) -> Vec<Tags> {
    let (mut chunks, mut bytes) = (vec![BTreeMap::new()], 0);
    for (name, value) in map {
        bytes += name.len() + value.len();
        if bytes > MAX_BYTES || chunks.last().is_some_and(|chunk| chunk.len() >= PAIRS) {
            bytes = name.len() + value.len();
            chunks.push(BTreeMap::new());
        }
        if let Some(chunk) = chunks.last_mut() {
            chunk.insert(name, value);
        }
    }
    chunks.retain(|chunk| !chunk.is_empty());
    chunks
}
