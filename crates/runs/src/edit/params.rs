//! Adds parameters to logs: to the existing session of a run, or to a new one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use prost::Message;

use super::job::{Job, Jobs};
use super::output::{Outputs, RunOutput};
use tbx::error::{ErrorKind, Result, failed};
use tbx::event::{SOURCE, What, WholeEvents, first_event, pb};
use tbx::logdir::{Found, walk};
use tbx::summary::hparams::{self, HparamValue, Hparams, SESSION_START_TAG};

/// The new values of parameters; [`HparamValue::Unset`] removes a parameter.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(BTreeMap<String, HparamValue>);

/// The sessions to add.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// Indices of the runs that get a session.
    new: HashSet<usize>,
    /// Directories that get a run with only a session, and the session's time.
    new_runs: Vec<(PathBuf, f64)>,
}

/// Facts about a run.
#[derive(Debug, Clone, Copy)]
struct Look {
    has_session: bool,
    /// The earliest wall time.
    time: f64,
}

impl Params {
    pub(super) fn set(&mut self, name: String, value: HparamValue) {
        self.0.insert(name, value);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The serialized metadata of a session start with these values; `None` if it already has them.
    pub(super) fn rewritten(&self, wire: &[u8]) -> Result<Option<Vec<u8>>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let decode = pb::SummaryMetadata::decode(wire);
        let Ok(mut metadata) = decode else { return Err(ErrorKind::Proto("bad metadata").into()) };
        let Some(plugin) = &mut metadata.plugin_data else { return Ok(None) };
        let Some(content) = hparams::with_values(&plugin.content, &self.0)? else {
            return Ok(None);
        };
        plugin.content = content.into();
        Ok(Some(metadata.encode_to_vec()))
    }

    /// The event that starts a session with these values.
    pub(super) fn event(&self, wall_time: f64) -> Result<Vec<u8>> {
        let hparams: Hparams = self.0.clone().into();
        let value = vec![hparams::session_start(&hparams, wall_time)?];
        let what = Some(pb::event::What::Summary(pb::Summary { value }));
        Ok(pb::Event { wall_time, what, ..Default::default() }.encode_to_vec())
    }

    /// Decides which runs get a session. Runs that are parts of one run share a session: in a part
    /// that already has one, or else in the parent run, where TensorBoard looks for the scalars of
    /// all parts.
    pub(super) fn sessions(
        &self,
        jobs: &Jobs,
        parts: &[Vec<String>],
        root: &Path,
    ) -> Result<Sessions> {
        let mut sessions = Sessions::default();
        if self.0.values().all(|value| *value == HparamValue::Unset) {
            return Ok(sessions);
        }
        let looks = jobs.all.iter().map(look).collect::<Result<Vec<_>>>()?;
        let numbers: HashMap<&str, usize> =
            jobs.all.iter().enumerate().map(|(i, job)| (job.name.as_str(), i)).collect();
        let mut grouped: HashSet<usize> = HashSet::new();
        for names in parts {
            let members: Vec<usize> =
                names.iter().filter_map(|name| numbers.get(name.as_str()).copied()).collect();
            grouped.extend(&members);
            let of_group = || members.iter().filter_map(|i| looks.get(*i));
            let (Some(top), false) = (names.first(), of_group().any(|look| look.has_session))
            else {
                continue;
            };
            match numbers.get(top.as_str()) {
                Some(run) => drop(sessions.new.insert(*run)),
                None if members.is_empty() => {}
                None => {
                    let dir = if top == "." { root.to_owned() } else { root.join(top) };
                    let time = of_group().map(|look| look.time).reduce(f64::min).unwrap_or(0.0);
                    sessions.new_runs.push((dir, time));
                }
            }
        }
        let alone = looks.iter().enumerate().filter(|(i, _)| !grouped.contains(i));
        sessions.new.extend(alone.filter(|(_, look)| !look.has_session).map(|(i, _)| i));
        Ok(sessions)
    }

    /// Writes the runs that consist of a session only.
    pub(super) fn write(&self, sessions: &Sessions, outputs: &Outputs) -> Result<Vec<RunOutput>> {
        let mut done = Vec::new();
        for (dir, time) in &sessions.new_runs {
            let name: OsString = format!("events.out.tfevents.{time:010.0}.tbx.0.0").into();
            let mut file = outputs.file(dir, &name, false)?;
            file.payload(&first_event(SOURCE, *time).encode_to_vec())?;
            file.payload(&self.event(*time)?)?;
            file.complete()?;
            done.push(RunOutput { files: vec![file], sources: Vec::new() });
        }
        Ok(done)
    }
}

impl Sessions {
    /// Whether the run with this index gets a session.
    pub(super) fn is_new(&self, run: usize) -> bool {
        self.new.contains(&run)
    }

    /// Number of new sessions.
    pub(super) fn count(&self) -> usize {
        self.new.len() + self.new_runs.len()
    }
}

fn look(job: &Job) -> Result<Look> {
    let mut look = Look { has_session: false, time: f64::INFINITY };
    let mut events = WholeEvents::default();
    for path in &job.files {
        let walked = walk(path, |found| {
            let Found::Record { payload, .. } = found else { return Ok(()) };
            let Ok(event) = events.parse(payload) else { return Ok(()) };
            if event.wall_time.is_finite() && event.wall_time != 0.0 {
                look.time = look.time.min(event.wall_time);
            }
            if let What::Summary(summary) = &event.what {
                let is_start = summary.values().flatten().any(|v| v.tag == SESSION_START_TAG);
                look.has_session |= is_start;
            }
            Ok::<_, io::Error>(())
        });
        walked.map_err(|error| failed(error, path))?;
    }
    look.time = if look.time.is_finite() { look.time.max(0.0) } else { 0.0 };
    Ok(look)
}
