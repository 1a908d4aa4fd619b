//! An MLflow tracking server.

use std::io::{self, Read};
use std::path::PathBuf;

use super::{Files, MODEL, Metrics, Store, StoredExperiment, StoredRun, StoredRuns};
use crate::trackers::mlflow::{
    Client, ClientSettings, HistoryPoint, ListedFile, LoggedModelRecord, RegisteredModelRecord,
    number,
};
use crate::trackers::source::{LeftOut, Place, SourceFile};
use crate::work::{self, Slot, Slots};
use tbx::error::{Effect, Error, Issue, Report, Result};

/// The kind of object that a file of a run belongs to.
const RUN: &str = "run";

pub(super) struct Server {
    client: Client,
    connections: usize,
    /// One slot per concurrent request.
    slots: Slots,
}

impl Server {
    pub(super) fn open(uri: &str, connections: usize) -> Result<Self> {
        let client = Client::new(ClientSettings::from_env(Some(uri))?)?;
        let connections = connections.max(1);
        Ok(Self { client, connections, slots: Slots::new(connections) })
    }

    fn points(&self, run: &str, key: &str) -> Result<Vec<HistoryPoint>> {
        let _slot = self.slots.take();
        let mut points = self.client.points(run, key)?;
        for point in &mut points {
            point.value = number(point.value);
        }
        Ok(points)
    }

    /// Adds the files that the server lists. If the listing fails, only these files are missing.
    fn add(
        &self,
        listed: Result<Vec<ListedFile>>,
        files: &mut Files,
        report: &mut Report,
        file: impl Fn(ListedFile) -> SourceFile,
    ) {
        match listed {
            Ok(listed) => files.files.extend(listed.into_iter().map(file)),
            Err(error) => {
                skip(report, error);
                files.is_cut = true;
            }
        }
    }
}

impl Store for Server {
    fn experiments(&self, _: &mut Report) -> Result<Vec<StoredExperiment>> {
        let _slot = self.slots.take();
        let experiments = self.client.experiments(true)?.into_iter();
        let stored = |record| StoredExperiment { record, dir: PathBuf::new() };
        Ok(experiments.map(stored).collect())
    }

    fn content(&self, of: &StoredExperiment, report: &mut Report) -> Result<StoredRuns> {
        let slot = self.slots.take();
        let models = match self.client.logged_models(&of.record.id) {
            Ok(models) => models,
            Err(error) => {
                skip(report, error);
                Vec::new()
            }
        };
        let found = self.client.runs(&of.record.id, "", true)?;
        drop(slot);
        let mut runs: Vec<_> = found
            .into_iter()
            .map(|found| StoredRun {
                record: found.record,
                metrics: found.metrics.into_keys().collect(),
                model_inputs: found.model_inputs,
                model_outputs: found.model_outputs,
                ..StoredRun::default()
            })
            .collect();
        // A search does not report which models a run used and produced.
        if !models.is_empty() {
            let ask = |run: &StoredRun| {
                let _slot = self.slots.take();
                self.client.models_of_run(&run.record.id)
            };
            let asked = work::map(&runs, self.connections, ask, |_| ());
            for (run, asked) in runs.iter_mut().zip(asked) {
                match asked {
                    Ok((inputs, outputs)) => {
                        (run.model_inputs, run.model_outputs) = (inputs, outputs);
                    }
                    Err(error) => skip(report, error),
                }
            }
        }
        Ok(StoredRuns::new(runs, models))
    }

    fn metrics(&self, of: &StoredRun, _: &mut Vec<LeftOut>, _: &mut Report) -> Result<Metrics> {
        let points = |key: &String| self.points(&of.record.id, key);
        let all = work::map(&of.metrics, self.connections, points, |_| ());
        of.metrics.iter().zip(all).map(|(key, points)| Ok((key.clone(), points?))).collect()
    }

    fn files(&self, of: &StoredRun, report: &mut Report) -> Files {
        let _slot = self.slots.take();
        let id = &of.record.id;
        let mut files = Files::default();
        self.add(self.client.artifacts(id), &mut files, report, |listed| {
            SourceFile::remote(listed.path.clone(), RUN, id, listed.path, listed.size)
        });
        files
    }

    fn model_files(
        &self,
        of: &LoggedModelRecord,
        prefix: &str,
        files: &mut Files,
        report: &mut Report,
    ) {
        let _slot = self.slots.take();
        self.add(self.client.model_files(&of.id), files, report, |listed| {
            let name = format!("{prefix}{}", listed.path);
            let mut file = SourceFile::remote(name, MODEL, &of.id, listed.path, listed.size);
            file.kind = Some(MODEL.to_owned());
            file.facts.insert(MODEL.to_owned(), of.id.clone().into());
            file
        });
    }

    fn open(&self, file: &SourceFile) -> Result<Box<dyn Read + '_>> {
        let slot = self.slots.take();
        let content: Box<dyn Read> = match &file.place {
            Place::Remote { of: MODEL, id, path } => {
                Box::new(self.client.model_file(id, path, file.size)?)
            }
            Place::Remote { id, path, .. } => Box::new(self.client.artifact(id, path, file.size)?),
            Place::Local(..) | Place::Bytes(_) => {
                return Err(Error::argument(format!("{} is not on a server", file.name)));
            }
        };
        Ok(Box::new(Download { content, _slot: slot }))
    }

    fn models(&self, _: &mut Report) -> Result<Vec<RegisteredModelRecord>> {
        let _slot = self.slots.take();
        self.client.registered_models()
    }

    fn left_out(&self, of: &[StoredExperiment], report: &mut Report) -> Result<Vec<LeftOut>> {
        let traces = |experiment: &StoredExperiment| {
            let _slot = self.slots.take();
            self.client.traces(&experiment.record.id)
        };
        let mut all = Vec::new();
        for traces in work::map(of, self.connections, traces, |_| ()) {
            match traces {
                Ok((traces, has_more)) => {
                    let traces = u64::try_from(traces).unwrap_or(u64::MAX);
                    LeftOut::count(&mut all, "traces", traces, has_more);
                }
                Err(error) => skip(report, error),
            }
        }
        Ok(all)
    }

    fn connections(&self) -> usize {
        self.connections
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// A file that is being downloaded.
struct Download<'s> {
    content: Box<dyn Read>,
    _slot: Slot<'s>,
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer)
    }
}

/// A run without some files is better than no run.
fn skip(report: &mut Report, error: Error) {
    let location = error.location().clone();
    report.issues.push(Issue::new(error.into_kind(), location, Effect::SkippedFile));
}
